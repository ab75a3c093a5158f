// y[c] = clip(round((x[c] + bias[c]) / 2^SHIFT)), half to even: what follows a matrix. OFFSETS holds the biases,
// half an output LSB included. Two cycles; with QUANTIZE = 0 y[c] = x[c] + OFFSETS[c], one cycle.
module amc_requantize #(
    parameter CHANNELS = 1,
    parameter IN = 16,
    parameter IN_SIGNED = 1,
    parameter SUM = 17,
    parameter SHIFT = 7,
    parameter OUT = 8,
    parameter OUT_SIGNED = 1,
    parameter QUANTIZE = 1,
    parameter [CHANNELS*SUM-1:0] OFFSETS = {(CHANNELS * SUM) {1'b0}}
) (
    input                     clk,
    input  [ CHANNELS*IN-1:0] x,
    output [CHANNELS*OUT-1:0] y
);
    genvar c;
    generate
        for (c = 0; c < CHANNELS; c = c + 1) begin : channel
            wire [IN-1:0] raw = x[c*IN+:IN];
            wire [SUM-1:0] wide = {{(SUM - IN) {raw[IN-1] & (IN_SIGNED != 0)}}, raw};
            reg [SUM-1:0] sum;
            always @(posedge clk) sum <= wide + OFFSETS[c*SUM+:SUM];
            if (QUANTIZE != 0) begin : quantize
                wire [OUT-1:0] rounded;
                reg [OUT-1:0] result;
                amc_round_saturate #(
                    .IN(SUM), .SHIFT(SHIFT), .OUT(OUT), .OUT_SIGNED(OUT_SIGNED)
                ) round (.x(sum), .y(rounded));
                always @(posedge clk) result <= rounded;
                assign y[c*OUT+:OUT] = result;
            end else begin : plain
                assign y[c*OUT+:OUT] = sum[OUT-1:0];
            end
        end
    endgenerate
endmodule
