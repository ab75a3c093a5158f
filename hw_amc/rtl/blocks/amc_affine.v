// y[c] = clip(round((x[c] * KERNEL[c] + OFFSETS[c]) / 2^SHIFT)) over several cycles a step: BANKS multipliers, each
// works off SHARE channels in turn. OFFSETS holds the biases, half an output LSB included. SHARE + 4 cycles; outputs
// stand in the output's slot. With QUANTIZE = 0 y is the exact sum.
module amc_affine #(
    parameter CTX = 1,
    parameter CHANNELS = 1,
    parameter BANKS = 1,
    parameter SHARE = 1,
    parameter INDEX = 1,         // bits that count SHARE
    parameter IN = 8,
    parameter IN_SIGNED = 1,
    parameter WEIGHT = 8,        // signed
    parameter SUM = 18,          // signed, holds the product and the sum
    parameter SHIFT = 7,
    parameter OUT = 8,
    parameter OUT_SIGNED = 0,
    parameter QUANTIZE = 1,
    // Of BANKS * SHARE channels; those above CHANNELS are not used.
    parameter [BANKS*SHARE*WEIGHT-1:0] KERNEL = 0,
    parameter [BANKS*SHARE*SUM-1:0] OFFSETS = 0
) (
    input                     clk,
    input                     rst,
    input  [         CTX+3:0] in_flags,
    input  [ CHANNELS*IN-1:0] in_data,
    output [         CTX+3:0] out_flags,
    output [CHANNELS*OUT-1:0] out_data
);
    localparam ALL = BANKS * SHARE;
    // Not SUM: Yosys loses copies of a product's sign that are registered with it (docs/rtl.md, Multipliers).
    localparam PRODUCT = IN + WEIGHT < SUM ? IN + WEIGHT : SUM;
    /* verilator lint_off WIDTHTRUNC */
    localparam [INDEX-1:0] INDEX_END = SHARE - 1;
    /* verilator lint_on WIDTHTRUNC */
    reg [CHANNELS*IN-1:0] x;
    reg [INDEX-1:0] index;
    wire [INDEX-1:0] w_index;
    always @(posedge clk) begin
        if (in_flags[0]) x <= in_data;
        if (in_flags[0]) index <= {INDEX{1'b0}};
        else if (index != INDEX_END) index <= index + 1'b1;
    end
    amc_delay #(.WIDTH(INDEX), .CYCLES(3)) late (.clk(clk), .d(index), .q(w_index));

    wire [ALL*IN-1:0] all_x;
    wire [ALL*OUT-1:0] y;
    generate
        if (ALL == CHANNELS) begin : whole
            assign all_x = x;
        end else begin : partial
            assign all_x = {{((ALL - CHANNELS) * IN) {1'b0}}, x};
            /* verilator lint_off UNUSEDSIGNAL */
            wire [(ALL-CHANNELS)*OUT-1:0] unused = y[ALL*OUT-1:CHANNELS*OUT];
            /* verilator lint_on UNUSEDSIGNAL */
        end
    endgenerate

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : bank
            wire [SHARE*IN-1:0] bank_x = all_x[b*SHARE*IN+:SHARE*IN];
            wire [SHARE*WEIGHT-1:0] bank_k = KERNEL[b*SHARE*WEIGHT+:SHARE*WEIGHT];
            wire [SHARE*SUM-1:0] bank_o = OFFSETS[b*SHARE*SUM+:SHARE*SUM];
            reg [IN-1:0] value;
            reg [WEIGHT-1:0] weight;
            reg [SUM-1:0] offset1, offset2;
            wire signed [PRODUCT-1:0] wide_value = {{(PRODUCT - IN) {value[IN-1] & (IN_SIGNED != 0)}}, value};
            wire signed [PRODUCT-1:0] wide_weight = {{(PRODUCT - WEIGHT) {weight[WEIGHT-1]}}, weight};
            reg signed [PRODUCT-1:0] product;
            /* verilator lint_off WIDTHEXPAND */
            wire signed [SUM-1:0] wide_product = product;
            /* verilator lint_on WIDTHEXPAND */
            reg [SUM-1:0] total;
            wire [OUT-1:0] result;
            reg [SHARE*OUT-1:0] results;
            integer i;
            always @(posedge clk) begin
                value <= bank_x[index*IN+:IN];
                weight <= bank_k[index*WEIGHT+:WEIGHT];
                offset1 <= bank_o[index*SUM+:SUM];
                product <= wide_value * wide_weight;
                offset2 <= offset1;
                total <= wide_product + offset2;
                for (i = 0; i < SHARE; i = i + 1)
                    if ({{(32 - INDEX) {1'b0}}, w_index} == i) results[i*OUT+:OUT] <= result;
            end
            assign y[b*SHARE*OUT+:SHARE*OUT] = results;
            if (QUANTIZE != 0) begin : quantize
                amc_round_saturate #(.IN(SUM), .SHIFT(SHIFT), .OUT(OUT), .OUT_SIGNED(OUT_SIGNED)) round (
                    .x(total), .y(result)
                );
            end else begin : plain
                assign result = total[OUT-1:0];
            end
        end
    endgenerate
    assign out_data = y[CHANNELS*OUT-1:0];
    amc_flags #(.CTX(CTX), .CYCLES(SHARE + 4)) flags (.clk(clk), .rst(rst), .d(in_flags), .q(out_flags));
endmodule
