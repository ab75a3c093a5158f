// Dense layers behind a frame: its vectors are kept whole, then a program works off LANES products a cycle. A step takes
// one element, of the frame or of a hidden layer, times LANES weights; a group of steps makes LANES outputs, which are
// rounded, clipped and kept for later groups, or leave as logits one after another. Two frames have a place: one comes
// in while the other is worked on. One context.
// PROGRAM's words, from the lowest bit: element of the kept word, its address, hidden, first and last step of a group,
// logits, LANES weights; ends of groups take their clip, their lanes and their address from GROUPS in order.
module amc_dense #(
    parameter CTX = 1,
    parameter CHANNELS = 1,      // elements of a vector
    parameter TIME = 1,          // bits that count the vectors of a frame
    parameter X = 8,             // bits of an element, signed
    parameter LANES = 1,
    parameter SELECT = 1,        // bits that count CHANNELS or LANES
    parameter ADDRESS = 1,       // bits that count vectors, or words of hidden layers (LANES elements each)
    parameter WEIGHT = 8,        // signed
    parameter SUM = 24,          // signed, holds every sum; also the biases, half an LSB included
    parameter SHIFT = 7,         // rounding of hidden layers
    parameter COUNT = 1,         // bits that hold LANES
    parameter STEPS = 1,
    parameter INDEX = 1,         // bits that count STEPS
    parameter GROUPS = 1,
    parameter GROUP = 1,         // bits that count GROUPS
    parameter TABLES = 0,        // functions of hidden layers' outputs, each of 2^TABLE_IN values of X bits
    parameter TABLE_IN = 1,
    parameter CHOICE = 1,        // bits that hold TABLES; 0 is none
    parameter [((TABLES+1)<<TABLE_IN)*X-1:0] TABLE = 0,
    parameter WORD = SELECT + ADDRESS + 4 + LANES * WEIGHT,
    parameter NOTE = 2 * X + COUNT + ADDRESS + (TABLES > 0 ? CHOICE : 0) + LANES * SUM
) (
    input                   clk,
    input                   rst,
    /* verilator lint_off UNUSEDSIGNAL */
    input  [       CTX+3:0] in_flags,  // one context; idle slots change nothing
    /* verilator lint_on UNUSEDSIGNAL */
    input  [CHANNELS*X-1:0] in_data,
    output [     INDEX-1:0] step,      // of the program, read outside, a cycle later
    output                  step_enable,
    input  [      WORD-1:0] word,
    output [     GROUP-1:0] group,     // of the notes {biases, address, lanes, highest, lowest}, likewise
    output                  group_enable,
    input  [      NOTE-1:0] note,      // and, where there are tables, which one, above the address
    output                  taken,     // a finished frame has left its place
    output [          31:0] m_tdata,
    output                  m_tvalid,
    input                   m_tready
);
    wire valid = in_flags[1];
    wire first = in_flags[2];
    wire last = in_flags[3];
    /* verilator lint_off WIDTHTRUNC */
    localparam [INDEX-1:0] STEP_END = STEPS - 1;
    localparam [GROUP-1:0] GROUP_END = GROUPS - 1;
    /* verilator lint_on WIDTHTRUNC */

    // Frames.
    reg [TIME-1:0] position;
    reg place, turn, busy;
    reg [1:0] done;
    wire [TIME-1:0] now = first ? {TIME{1'b0}} : position;
    reg [CHANNELS*X-1:0] vectors[0:(2<<TIME)-1];
    always @(posedge clk) begin
        if (valid) vectors[{place, now}] <= in_data;
        if (valid) position <= now + 1'b1;
    end

    // Program counter. The pipeline stops as a whole where a logit's place is taken.
    wire ce;
    reg [INDEX-1:0] index;
    wire index_end = index == STEP_END;
    wire load = done[turn] & !busy;
    wire leave = busy & index_end & ce;
    assign taken = leave;
    assign step = index;
    assign step_enable = ce;
    always @(posedge clk)
        if (rst) begin
            place <= 1'b0;
            turn <= 1'b0;
            busy <= 1'b0;
            done <= 2'b00;
            index <= {INDEX{1'b0}};
        end else begin
            if (valid & last) begin
                done[place] <= 1'b1;
                place <= ~place;
            end
            if (load) busy <= 1'b1;
            if (busy & ce) index <= index_end ? {INDEX{1'b0}} : index + 1'b1;
            if (leave) begin
                busy <= 1'b0;
                done[turn] <= 1'b0;
                turn <= ~turn;
            end
        end

    // 1: the word stands. 2: what it reads. 3: the element. 4: products. 5: sums.
    reg running1, running2, running3, running4, running5, turn1;
    wire [SELECT-1:0] select1 = word[SELECT-1:0];
    wire [ADDRESS-1:0] address1 = word[SELECT+:ADDRESS];
    wire hidden1 = word[SELECT+ADDRESS];
    wire begin1 = word[SELECT+ADDRESS+1] & running1;
    wire end1 = word[SELECT+ADDRESS+2] & running1;
    wire logits1 = word[SELECT+ADDRESS+3];
    reg [SELECT-1:0] select2;
    reg hidden2, begin2, begin3, begin4, end2, end3, end4, end5, logits2, logits3, logits4, logits5;
    reg [LANES*WEIGHT-1:0] weights2, weights3;
    reg [CHANNELS*X-1:0] vector2;
    reg [LANES*X-1:0] hidden_word2;
    reg [LANES*X-1:0] kept[0:(1<<ADDRESS)-1];
    reg signed [X-1:0] element3;
    always @(posedge clk)
        if (rst) {running1, running2, running3, running4, running5} <= 5'b0;
        else if (ce)
            {running1, running2, running3, running4, running5} <= {busy, running1, running2, running3, running4};
    always @(posedge clk)
        if (ce) begin
            turn1 <= turn;
            select2 <= select1;
            hidden2 <= hidden1;
            {begin2, begin3, begin4} <= {begin1, begin2, begin3};
            {end2, end3, end4, end5} <= {end1, end2, end3, end4};
            {logits2, logits3, logits4, logits5} <= {logits1, logits2, logits3, logits4};
            weights2 <= word[WORD-1-:LANES*WEIGHT];
            weights3 <= weights2;
            vector2 <= vectors[{turn1, address1[TIME-1:0]}];
            hidden_word2 <= kept[address1];
            element3 <= hidden2 ? hidden_word2[select2*X+:X] : vector2[select2*X+:X];
        end

    // Notes of the group that is summed: read ahead, since a group has several steps or is followed by others' idle ones.
    reg [GROUP-1:0] group_index;
    assign group = group_index;
    assign group_enable = ce;
    always @(posedge clk)
        if (rst) group_index <= {GROUP{1'b0}};
        else if (ce & end1) group_index <= group_index == GROUP_END ? {GROUP{1'b0}} : group_index + 1'b1;
    // The note follows its group by a step: stage 2 of the last step at the latest, stage 5 uses it.
    reg [NOTE-1:0] note3, note4, note5;
    always @(posedge clk) if (ce) {note3, note4, note5} <= {note, note3, note4};

    wire [LANES*SUM-1:0] sums;
    wire [LANES*X-1:0] rounded;
    wire signed [X:0] lowest = {note5[X-1], note5[X-1:0]};
    wire signed [X:0] highest = {note5[2*X-1], note5[2*X-1:X]};
    localparam CUT = SUM - SHIFT;
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lane
            reg signed [X+WEIGHT-1:0] product;
            reg signed [SUM-1:0] sum;
            wire signed [X+WEIGHT-1:0] wide_x = {{WEIGHT{element3[X-1]}}, element3};
            wire signed [X+WEIGHT-1:0] wide_w = {{X{weights3[l*WEIGHT+WEIGHT-1]}}, weights3[l*WEIGHT+:WEIGHT]};
            wire signed [SUM-1:0] bias = note4[NOTE-1-(LANES-1-l)*SUM-:SUM];
            always @(posedge clk)
                if (ce) begin
                    product <= wide_x * wide_w;
                    if (running4) sum <= (begin4 ? bias : sum) + {{(SUM - X - WEIGHT) {product[X+WEIGHT-1]}}, product};
                end
            assign sums[l*SUM+:SUM] = sum;
            wire signed [CUT-1:0] cut;
            if (SHIFT > 0) begin : rounds
                assign cut = {sum[SUM-1:SHIFT+1], sum[SHIFT] & (|sum[SHIFT-1:0])};
            end else begin : exact
                assign cut = sum;
            end
            wire signed [CUT+X:0] wide_cut = {{(X + 1) {cut[CUT-1]}}, cut};
            wire signed [CUT+X:0] wide_low = {{CUT{lowest[X]}}, lowest};
            wire signed [CUT+X:0] wide_high = {{CUT{highest[X]}}, highest};
            wire [X-1:0] clipped =
                wide_cut < wide_low ? lowest[X-1:0] : wide_cut > wide_high ? highest[X-1:0] : cut[X-1:0];
            if (TABLES > 0) begin : tables
                reg [X-1:0] values[0:((TABLES+1)<<TABLE_IN)-1];
                integer v;
                initial for (v = 0; v < (TABLES + 1) << TABLE_IN; v = v + 1) values[v] = TABLE[v*X+:X];
                wire [CHOICE-1:0] choice = note5[2*X+COUNT+ADDRESS+:CHOICE];
                assign rounded[l*X+:X] = choice == {CHOICE{1'b0}} ? clipped : values[{choice, clipped[TABLE_IN-1:0]}];
            end else begin : no_tables
                assign rounded[l*X+:X] = clipped;
            end
        end
    endgenerate

    // Ends of groups.
    wire finish = running5 & end5;
    wire [ADDRESS-1:0] keep_at = note5[2*X+COUNT+:ADDRESS];
    wire [COUNT-1:0] lanes = note5[2*X+:COUNT];
    always @(posedge clk) if (ce & finish & !logits5) kept[keep_at] <= rounded;
    reg [LANES*SUM-1:0] leaving;
    reg [COUNT-1:0] left;
    wire sending = left != {COUNT{1'b0}};
    localparam [COUNT-1:0] ONE = 1;
    wire free = !sending | (m_tready & left == ONE);
    assign ce = !(finish & logits5) | free;
    always @(posedge clk)
        if (rst) left <= {COUNT{1'b0}};
        else if (finish & logits5 & free) left <= lanes;
        else if (sending & m_tready) left <= left - ONE;
    always @(posedge clk)
        if (finish & logits5 & free) leaving <= sums;
        else if (sending & m_tready) leaving <= leaving >> SUM;
    generate
        if (SUM < 32) begin : short
            assign m_tdata = {{(32 - SUM) {leaving[SUM-1]}}, leaving[SUM-1:0]};
        end else begin : full
            assign m_tdata = leaving[31:0];
        end
    endgenerate
    assign m_tvalid = sending;
endmodule
