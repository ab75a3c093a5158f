// Sums a frame's vectors for each context, keeps the sums of finished frames until their turn, and works the heads
// out one term a cycle: requantise, multiply, add, hand over. Results leave in the order in which frames began:
// context after context, and 2 * CONTEXTS places, so that a context may finish a frame before its last one has left.
// TERMS holds for each step {last of a logit, first of a logit, bias, weight, channel}, step 0 lowest.
module amc_results #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter CHANNELS = 1,
    parameter IN = 8,
    parameter SUM = 18,          // bits of a frame's sum, of the same signedness as IN
    parameter SIGNED = 0,
    parameter SHIFT = 0,         // requantisation of the sum ...
    parameter [SUM+1:0] HALF = 0,
    parameter OUT = 12,          // ... to OUT bits
    parameter OUT_SIGNED = 0,
    parameter STEPS = 1,
    parameter INDEX = 1,         // bits that count STEPS
    parameter SELECT = 1,        // bits that count CHANNELS
    parameter WEIGHT = 8,        // signed
    parameter LOGIT = 24,        // signed, also the bias
    parameter TERM = SELECT + WEIGHT + LOGIT + 2,
    parameter [STEPS*TERM-1:0] TERMS = 0
) (
    input                    clk,
    input                    rst,
    input  [        CTX+3:0] in_flags,
    input  [CHANNELS*IN-1:0] in_data,
    output                   taken,     // a finished frame has left its place
    output [           31:0] m_tdata,
    output                   m_tvalid,
    input                    m_tready
);
    /* verilator lint_off WIDTHTRUNC */
    localparam [CTX-1:0] CTX_END = CONTEXTS - 1;
    localparam [INDEX-1:0] STEP_END = STEPS - 1;
    /* verilator lint_on WIDTHTRUNC */
    localparam W = CHANNELS * SUM;
    localparam PLACES = 1 << (CTX + 1);
    wire valid = in_flags[1];
    wire first = in_flags[2];
    wire last = in_flags[3];
    wire [CTX-1:0] ctx = in_flags[4+:CTX];
    /* verilator lint_off UNUSEDSIGNAL */
    wire slot = in_flags[0];  // an idle slot changes nothing
    /* verilator lint_on UNUSEDSIGNAL */

    // Sums.
    reg [CHANNELS*IN-1:0] x;
    reg write, finish;
    reg [CTX:0] place;
    reg [CONTEXTS-1:0] parity;
    wire [W-1:0] state, next;
    always @(posedge clk) begin
        x <= in_data;
        place <= {parity[ctx], ctx};
        write <= valid & ~rst;
        finish <= valid & last & ~rst;
        if (rst) parity <= {CONTEXTS{1'b0}};
        else if (valid & last) parity[ctx] <= ~parity[ctx];
    end
    amc_context_state #(.WIDTH(W), .CONTEXTS(CONTEXTS), .CTX(CTX)) sums (
        .clk(clk), .ctx(ctx), .clear(first), .state(state), .write(write), .next(next)
    );
    genvar c;
    generate
        for (c = 0; c < CHANNELS; c = c + 1) begin : channel
            wire [IN-1:0] raw = x[c*IN+:IN];
            wire [SUM-1:0] wide;
            if (SUM > IN) begin : extend
                assign wide = {{(SUM - IN) {raw[IN-1] & (SIGNED != 0)}}, raw};
            end else begin : same
                assign wide = raw;
            end
            assign next[c*SUM+:SUM] = state[c*SUM+:SUM] + wide;
        end
    endgenerate

    // Finished frames.
    (* ram_style = "distributed" *)
    reg [W-1:0] places[0:PLACES-1];
    reg [PLACES-1:0] done;
    reg [CTX-1:0] turn;
    reg turn_parity;
    wire [CTX:0] turn_place = {turn_parity, turn};
    wire ce;            // the pipeline below may move
    reg busy;
    reg [INDEX-1:0] index;
    wire index_end = index == STEP_END;
    wire load = done[turn_place] & !busy;
    assign taken = load;
    reg [W-1:0] row;
    always @(posedge clk) begin
        if (finish) places[place] <= next;
        if (load) row <= places[turn_place];
        if (rst) begin
            done <= {PLACES{1'b0}};
            turn <= {CTX{1'b0}};
            turn_parity <= 1'b0;
            busy <= 1'b0;
            index <= {INDEX{1'b0}};
        end else begin
            if (finish) done[place] <= 1'b1;
            if (load) begin
                done[turn_place] <= 1'b0;
                turn <= turn == CTX_END ? {CTX{1'b0}} : turn + 1'b1;
                turn_parity <= turn_parity ^ (turn == CTX_END);
                busy <= 1'b1;
                index <= {INDEX{1'b0}};
            end else if (busy & ce) begin
                busy <= !index_end;
                index <= index + 1'b1;
            end
        end
    end

    // Heads, a pipeline that stops as a whole while the sink is not ready.
    wire [TERM-1:0] term = TERMS[index*TERM+:TERM];
    wire [SELECT-1:0] select = term[SELECT-1:0];
    reg [WEIGHT-1:0] weight1, weight2, weight3;
    reg [LOGIT-1:0] bias1, bias2, bias3, bias4;
    wire [LOGIT-1:0] bias5;
    reg [3:0] begin_line;
    wire begin5;
    reg [4:0] end_line;
    reg [SUM-1:0] chosen;
    reg [SUM+1:0] rounding;
    reg [OUT-1:0] factor;
    wire [OUT-1:0] rounded;
    amc_round_saturate #(.IN(SUM + 2), .SHIFT(SHIFT), .OUT(OUT), .OUT_SIGNED(OUT_SIGNED)) round (
        .x(rounding), .y(rounded)
    );
    // No wider: Yosys loses copies of a product's sign that are registered with it (docs/rtl.md, Multipliers).
    localparam PRODUCT = OUT + WEIGHT;
    wire signed [PRODUCT-1:0] wide_factor = {{WEIGHT{factor[OUT-1] & (OUT_SIGNED != 0)}}, factor};
    wire signed [PRODUCT-1:0] wide_weight = {{OUT{weight3[WEIGHT-1]}}, weight3};
    reg signed [PRODUCT-1:0] inner, product;  // inside the DSP block, and behind it
    wire [LOGIT-1:0] addend;
    generate
        if (LOGIT > PRODUCT) begin : extend
            assign addend = {{(LOGIT - PRODUCT) {product[PRODUCT-1]}}, product};
        end else begin : cut
            /* verilator lint_off UNUSEDSIGNAL */
            wire [PRODUCT:0] longer = {product[PRODUCT-1], product};  // the logit's format holds the exact value
            /* verilator lint_on UNUSEDSIGNAL */
            assign addend = longer[LOGIT-1:0];
        end
    endgenerate
    reg [LOGIT-1:0] total;
    reg out_valid;
    generate
        if (LOGIT < 32) begin : short
            assign m_tdata = {{(32 - LOGIT) {total[LOGIT-1]}}, total};
        end else begin : full
            assign m_tdata = total[31:0];
        end
    endgenerate

    assign ce = !out_valid | m_tready;
    amc_register #(.WIDTH(LOGIT + 1)) bias_end (
        .clk(clk), .ce(ce), .d({begin_line[3], bias4}), .q({begin5, bias5})
    );
    always @(posedge clk)
        if (rst) begin
            end_line <= 5'd0;
            out_valid <= 1'b0;
        end else if (ce) begin
            end_line <= {end_line[3:0], busy & term[TERM-1]};
            out_valid <= end_line[4];
        end
    always @(posedge clk)
        if (ce) begin
            begin_line <= {begin_line[2:0], term[TERM-2]};
            chosen <= row[select*SUM+:SUM];
            {bias1, weight1} <= term[SELECT+:WEIGHT+LOGIT];
            rounding <= {{2{chosen[SUM-1] & (SIGNED != 0)}}, chosen} + HALF;
            {bias2, weight2} <= {bias1, weight1};
            factor <= rounded;
            {bias3, weight3} <= {bias2, weight2};
            inner <= wide_factor * wide_weight;
            bias4 <= bias3;
            product <= inner;
            total <= (begin5 ? bias5 : total) + addend;
        end
    assign m_tvalid = out_valid;
endmodule
