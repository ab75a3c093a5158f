// Sum of the upper of two bits and the carry behind both, of a + b + c0 or a + ~b + c0: five inputs, two outputs.
module amc_pair_add #(
    parameter SUB = 0
) (
    input  a0,
    input  b0,
    input  a1,
    input  b1,
    input  c0,
    output s1,
    output c2
);
`ifdef AMC_XILINX
    // O6 = s1 in the upper half (I5 = 1), O5 = c2 in the lower; address {c0, b1, a1, b0, a0}.
    LUT6_2 #(
        .INIT(SUB != 0 ? 64'h4bb4d22db0fb20f2 : 64'he11e8778fee0f880)
    ) lut (.I0(a0), .I1(b0), .I2(a1), .I3(b1), .I4(c0), .I5(1'b1), .O6(s1), .O5(c2));
`else
    wire y0 = b0 ^ (SUB != 0);
    wire y1 = b1 ^ (SUB != 0);
    wire c1 = (a0 & y0) | (c0 & (a0 | y0));
    assign s1 = a1 ^ y1 ^ c1;
    assign c2 = (a1 & y1) | (c1 & (a1 | y1));
`endif
endmodule
