// y = a + b + c, modulo 2^WIDTH; NEGATIVE of the three, the last ones, are subtracted: -x = ~x + 1, and the two carries
// that nothing else uses, of the chain and of the lowest bit, are the ones. With AMC_XILINX a LUT with two outputs a bit
// and one carry chain, as many as a sum of two takes; synthesis tools other than the vendor's do not find them.
module amc_sum3 #(
    parameter WIDTH = 8,
    parameter NEGATIVE = 0
) (
    input  [WIDTH-1:0] a,
    input  [WIDTH-1:0] b,
    input  [WIDTH-1:0] c,
    output [WIDTH-1:0] y
);
`ifdef AMC_XILINX
    wire [WIDTH:0] m;
    wire [WIDTH-1:0] p;
    assign m[0] = NEGATIVE > 1;
    genvar i;
    generate
        for (i = 0; i < WIDTH; i = i + 1) begin : bits
            amc_sum3_bit #(.NEGATIVE(NEGATIVE)) one (.a(a[i]), .b(b[i]), .c(c[i]), .m(m[i]), .p(p[i]), .g(m[i+1]));
        end
    endgenerate
    amc_carry #(.WIDTH(WIDTH)) chain (.p(p), .g(m[WIDTH-1:0]), .ci(NEGATIVE > 0), .sum(y), .co());
`else
    wire [WIDTH-1:0] left = NEGATIVE > 1 ? a - b : a + b;
    assign y = NEGATIVE > 0 ? left - c : left + c;
`endif
endmodule
