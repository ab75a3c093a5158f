// y = clip(round(x / 2^SHIFT)), half to even. x is signed and has half an output LSB added to it already, so that
// rounding is a cut, and a tie (all bits that are cut are 0) clears the lowest bit.
// Needs IN >= SHIFT + 2. A negative SHIFT is an exact left shift. Combinational.
module amc_round_saturate #(
    parameter IN = 16,
    parameter SHIFT = 7,
    parameter OUT = 8,
    parameter OUT_SIGNED = 1
) (
    input  [ IN-1:0] x,
    output [OUT-1:0] y
);
    localparam R = IN - SHIFT;
    wire [R-1:0] r;

    generate
        if (SHIFT > 0) begin : cut
            assign r = {x[IN-1:SHIFT+1], x[SHIFT] & (|x[SHIFT-1:0])};
        end else if (SHIFT == 0) begin : same
            assign r = x;
        end else begin : left
            assign r = {x, {(-SHIFT) {1'b0}}};
        end

        if (OUT_SIGNED != 0) begin : to_signed
            if (R > OUT) begin : saturate
                wire fits = (&r[R-1:OUT-1]) | ~(|r[R-1:OUT-1]);
                assign y = fits ? r[OUT-1:0] : {r[R-1], {(OUT - 1) {~r[R-1]}}};
            end else if (R == OUT) begin : exact
                assign y = r;
            end else begin : extend
                assign y = {{(OUT - R) {r[R-1]}}, r};
            end
        end else begin : to_unsigned
            if (R - 1 > OUT) begin : saturate
                assign y = r[R-1] ? {OUT{1'b0}} : (|r[R-2:OUT]) ? {OUT{1'b1}} : r[OUT-1:0];
            end else if (R - 1 == OUT) begin : exact
                assign y = r[R-1] ? {OUT{1'b0}} : r[OUT-1:0];
            end else begin : extend
                assign y = r[R-1] ? {OUT{1'b0}} : {{(OUT - R + 1) {1'b0}}, r[R-2:0]};
            end
        end
    endgenerate
endmodule
