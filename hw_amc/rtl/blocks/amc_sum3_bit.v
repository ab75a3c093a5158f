// One bit of three numbers: their sum with the carry m of the bit below, and the carry into the next bit, which is made
// without m. NEGATIVE of them, the last ones, are inverted. One LUT with two outputs.
module amc_sum3_bit #(
    parameter NEGATIVE = 0
) (
    input  a,
    input  b,
    input  c,
    input  m,
    output p,
    output g
);
`ifdef AMC_XILINX
    // O6 = p in the upper half (I5 = 1), O5 = g in the lower; address {1, m, c, b, a}.
    LUT6_2 #(
        .INIT(NEGATIVE == 0 ? 64'h69966996e8e8e8e8 : NEGATIVE == 1 ? 64'h966996698e8e8e8e : 64'h699669962b2b2b2b)
    ) lut (.I0(a), .I1(b), .I2(c), .I3(m), .I4(1'b1), .I5(1'b1), .O6(p), .O5(g));
`else
    wire y = b ^ (NEGATIVE > 1);
    wire z = c ^ (NEGATIVE > 0);
    assign p = a ^ y ^ z ^ m;
    assign g = (a & y) | (z & (a | y));
`endif
endmodule
