// The time axis of a convolution with `same` padding, stride 1, in transposed form: the matrix has multiplied one
// sample by all taps; partial sums of the outputs that are still open wait here, one set for each context.
// Output t - AHEAD completes with sample t. The last AHEAD outputs of a frame complete with zeros, in the context's
// next slots: with the next frame's first sample, or in idle slots (AHEAD - 1 of them are kept free between frames).
// Two cycles.
module amc_conv_state #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter CHANNELS = 1,
    parameter TAPS = 3,
    parameter AHEAD = 1,       // TAPS - 1 - (TAPS - 1) / 2, at least 1
    parameter COUNT = 2,       // bits that hold AHEAD + 1
    parameter PRODUCT = 16,    // signed
    parameter SUM = 18
) (
    input                              clk,
    input                              rst,
    input  [                  CTX+3:0] in_flags,
    input  [TAPS*CHANNELS*PRODUCT-1:0] in_products,  // tap after tap
    output [                  CTX+3:0] out_flags,
    output [         CHANNELS*SUM-1:0] out_data
);
    localparam W = CHANNELS * SUM;
    wire slot = in_flags[0];
    wire valid = in_flags[1];
    wire first = in_flags[2];
    wire last = in_flags[3];
    wire [CTX-1:0] ctx = in_flags[4+:CTX];

    // Control: outputs still owed after the last sample, and samples seen, both for each context.
    reg [CONTEXTS*COUNT-1:0] owed, seen;
    wire [COUNT-1:0] owed_now = owed[ctx*COUNT+:COUNT];
    wire [COUNT-1:0] seen_now = first ? {COUNT{1'b0}} : seen[ctx*COUNT+:COUNT];
    wire flush = owed_now != {COUNT{1'b0}};
    wire step = slot & (valid | flush);
    wire emit = slot & (flush | (valid & (seen_now >= AHEAD[COUNT-1:0])));
    wire emit_first = valid & (seen_now == AHEAD[COUNT-1:0]);
    wire emit_last = emit & owed_now == {{(COUNT - 1) {1'b0}}, 1'b1};
    always @(posedge clk) begin
        if (valid)
            seen[ctx*COUNT+:COUNT] <= seen_now > AHEAD[COUNT-1:0] ? seen_now : seen_now + {{(COUNT - 1) {1'b0}}, 1'b1};
        if (rst) owed <= {(CONTEXTS * COUNT) {1'b0}};
        else if (slot & valid & last) owed[ctx*COUNT+:COUNT] <= AHEAD[COUNT-1:0];
        else if (step & flush) owed[ctx*COUNT+:COUNT] <= owed_now - {{(COUNT - 1) {1'b0}}, 1'b1};
    end

    // Data. The newest tap of a first sample would reach the former frame's last output.
    reg [TAPS*CHANNELS*PRODUCT-1:0] products;
    always @(posedge clk) begin
        products <= in_products;
        if (!valid) products <= {(TAPS * CHANNELS * PRODUCT) {1'b0}};
        else if (first) products[(TAPS-1)*CHANNELS*PRODUCT+:CHANNELS*PRODUCT] <= {(CHANNELS * PRODUCT) {1'b0}};
    end
    reg write;
    always @(posedge clk) write <= step & ~rst;

    wire [(TAPS-1)*W-1:0] open, open_next;  // open[j]: output t - AHEAD + j
    wire [W-1:0] done;
    reg [W-1:0] result;
    amc_context_state #(.WIDTH(W), .CONTEXTS(CONTEXTS), .CTX(CTX)) oldest (
        .clk(clk), .ctx(ctx), .clear(1'b0), .state(open[W-1:0]), .write(write), .next(open_next[W-1:0])
    );
    generate
        if (TAPS > 2) begin : more
            amc_context_state #(.WIDTH((TAPS - 2) * W), .CONTEXTS(CONTEXTS), .CTX(CTX)) others (
                .clk(clk), .ctx(ctx), .clear(first), .state(open[(TAPS-1)*W-1:W]),
                .write(write), .next(open_next[(TAPS-1)*W-1:W])
            );
        end
    endgenerate

    genvar j, c;
    generate
        for (j = 0; j < TAPS; j = j + 1) begin : tap
            for (c = 0; c < CHANNELS; c = c + 1) begin : channel
                wire [PRODUCT-1:0] product = products[((TAPS-1-j)*CHANNELS+c)*PRODUCT+:PRODUCT];
                wire [SUM-1:0] wide = {{(SUM - PRODUCT) {product[PRODUCT-1]}}, product};
                if (j == 0) begin : complete
                    assign done[c*SUM+:SUM] = open[c*SUM+:SUM] + wide;
                end else if (j == TAPS - 1) begin : begin_one
                    assign open_next[(j-1)*W+c*SUM+:SUM] = wide;
                end else begin : go_on
                    assign open_next[(j-1)*W+c*SUM+:SUM] = open[j*W+c*SUM+:SUM] + wide;
                end
            end
        end
    endgenerate
    always @(posedge clk) result <= done;
    assign out_data = result;

    amc_flags #(.CTX(CTX), .CYCLES(2)) flags (
        .clk(clk), .rst(rst), .d({ctx, emit_last, emit_first, emit, slot}), .q(out_flags)
    );
endmodule
