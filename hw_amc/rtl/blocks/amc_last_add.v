// A full adder, a + b + c or a + ~b + c: three inputs, two outputs of one LUT.
module amc_last_add #(
    parameter SUB = 0
) (
    input  a,
    input  b,
    input  c,
    output s,
    output c1
);
`ifdef AMC_XILINX
    // O6 = s in the upper half (I5 = 1), O5 = c1 in the lower; address {c, b, a}.
    LUT6_2 #(
        .INIT(SUB != 0 ? 64'h69696969b2b2b2b2 : 64'h96969696e8e8e8e8)
    ) lut (.I0(a), .I1(b), .I2(c), .I3(1'b1), .I4(1'b1), .I5(1'b1), .O6(s), .O5(c1));
`else
    wire y = b ^ (SUB != 0);
    assign s = a ^ y ^ c;
    assign c1 = (a & y) | (c & (a | y));
`endif
endmodule
