// y[c] = a[c] * b[c], exact: OUT bits hold every product. Registers before, inside and behind a DSP block: three cycles.
module amc_multiply #(
    parameter CHANNELS = 1,
    parameter A = 8,
    parameter A_SIGNED = 1,
    parameter B = 8,
    parameter B_SIGNED = 1,
    parameter OUT = 16
) (
    input                     clk,
    input  [  CHANNELS*A-1:0] a,
    input  [  CHANNELS*B-1:0] b,
    output [CHANNELS*OUT-1:0] y
);
    // Not wider: Yosys loses copies of a product's sign that are registered with it (docs/rtl.md, Multipliers).
    localparam PRODUCT = A + B < OUT ? A + B : OUT;
    localparam WIDE = A + B;
    genvar c;
    generate
        for (c = 0; c < CHANNELS; c = c + 1) begin : channel
            reg [A-1:0] left;
            reg [B-1:0] right;
            /* verilator lint_off UNUSEDSIGNAL */
            wire signed [WIDE-1:0] wide_a = {{B{left[A-1] & (A_SIGNED != 0)}}, left};
            wire signed [WIDE-1:0] wide_b = {{A{right[B-1] & (B_SIGNED != 0)}}, right};
            /* verilator lint_on UNUSEDSIGNAL */
            wire signed [PRODUCT-1:0] cut_a = wide_a[PRODUCT-1:0];
            wire signed [PRODUCT-1:0] cut_b = wide_b[PRODUCT-1:0];
            reg signed [PRODUCT-1:0] inner, product;
            always @(posedge clk) begin
                left <= a[c*A+:A];
                right <= b[c*B+:B];
                inner <= cut_a * cut_b;
                product <= inner;
            end
            if (OUT > PRODUCT) begin : extend
                assign y[c*OUT+:OUT] = {{(OUT - PRODUCT) {product[PRODUCT-1]}}, product};
            end else begin : same
                assign y[c*OUT+:OUT] = product;
            end
        end
    endgenerate
endmodule
