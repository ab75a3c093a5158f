// The gates of one GRU cell, nine cycles from the matrix to the new state (docs/graph.md, operation gru):
//   z, r = clip(round(m + bias + 1)), unsigned
//   c    = clip(round((m_x << GATE) + r m_h)), biases inside
//   h'   = round((c << GATE) + z (h - c)); it cannot overflow: z < 2^GATE, so h' lies between h and c
// Biases, the one of the hard sigmoid and half an output LSB are in the constants c_*. Two multipliers, each with
// registers before, inside and behind it and an addend: one DSP block each.
`ifdef AMC_TABLES
module amc_gru_tables_cell #(
`else
module amc_gru_cell #(
`endif
    parameter STATE = 8,
    parameter GATE = 8,
`ifdef AMC_TABLES
    parameter GATE_IN = 8,        // bits of what the gates round their sums to, of a table its input
    parameter GATE_TABLED = 1,
    parameter CAND_IN = 8,        // the candidate's
    parameter CAND_TABLED = 1,
    parameter [(1<<GATE_IN)*GATE-1:0] GATE_TABLE = 0,
    parameter [(1<<CAND_IN)*STATE-1:0] CAND_TABLE = 0,
`endif
    parameter MZ = 16,
    parameter MH = 16,
    parameter MX = 16,
    parameter SUM = 18,
    parameter HB = 17,
    parameter XB = 26,
    parameter PRODUCT = 28,
    parameter Z_SHIFT = 7,
    parameter C_SHIFT = 15
) (
    input              clk,
    input  [   MZ-1:0] m_z,     // x W + h U, gate z
    input  [   MZ-1:0] m_r,     // the same, gate r
    input  [   MH-1:0] m_h,     // h U, candidate
    input  [   MX-1:0] m_x,     // x W, candidate
    input  [  SUM-1:0] c_z,
    input  [  SUM-1:0] c_r,
    input  [   HB-1:0] c_h,
    input  [   XB-1:0] c_x,
    input  [STATE-1:0] h,       // the state that m_* were made from
    input              valid,   // eight cycles after m_*: this slot carries a sample
    output [STATE-1:0] h_next   // eight cycles after m_*, not yet registered; the old state if not valid
);
    reg [SUM-1:0] sum_z, sum_r;
    reg [HB-1:0] h1, h2;
    reg [XB-1:0] x1, x2, x3;
    reg [GATE-1:0] r;
    wire [GATE-1:0] gate_z, gate_r;
    wire [STATE-1:0] candidate;
    wire [GATE-1:0] z;
    wire [STATE-1:0] h5, h8;

`ifdef AMC_TABLES
    amc_curve #(
        .IN(SUM), .SHIFT(Z_SHIFT), .ROUNDED(GATE_IN), .OUT(GATE), .TABLED(GATE_TABLED), .TABLE(GATE_TABLE)
    ) round_z (.x(sum_z), .y(gate_z)), round_r (.x(sum_r), .y(gate_r));
`else
    amc_round_saturate #(.IN(SUM), .SHIFT(Z_SHIFT), .OUT(GATE), .OUT_SIGNED(0)) round_z (.x(sum_z), .y(gate_z));
    amc_round_saturate #(.IN(SUM), .SHIFT(Z_SHIFT), .OUT(GATE), .OUT_SIGNED(0)) round_r (.x(sum_r), .y(gate_r));
`endif

    // One register after the rounding, three while the candidate is made.
    amc_delay #(.WIDTH(GATE), .CYCLES(4)) delay_z (.clk(clk), .d(gate_z), .q(z));
    amc_delay #(.WIDTH(STATE), .CYCLES(5)) delay_h (.clk(clk), .d(h), .q(h5));
    amc_delay #(.WIDTH(STATE), .CYCLES(3)) delay_old (.clk(clk), .d(h5), .q(h8));

    always @(posedge clk) begin
        sum_z <= {{(SUM - MZ) {m_z[MZ-1]}}, m_z} + c_z;
        sum_r <= {{(SUM - MZ) {m_r[MZ-1]}}, m_r} + c_r;
        r <= gate_r;
        h1 <= {{(HB - MH) {m_h[MH-1]}}, m_h} + c_h;
        h2 <= h1;
        x1 <= {{(XB - MX - GATE) {m_x[MX-1]}}, m_x, {GATE{1'b0}}} + c_x;
        x2 <= x1;
        x3 <= x2;
    end

    // Candidate: arithmetic is modulo 2^PRODUCT throughout. Registers are no wider than what they are made from: Yosys
    // loses copies of a product's sign that are registered with it (docs/rtl.md, Multipliers).
    localparam FACTORS = GATE + HB < PRODUCT ? GATE + HB : PRODUCT;
    localparam TERM = FACTORS > XB ? FACTORS : XB;
    localparam TOTAL = TERM + 1 < PRODUCT ? TERM + 1 : PRODUCT;
    wire signed [FACTORS-1:0] wide_r = {{(FACTORS - GATE) {1'b0}}, r};
    wire signed [FACTORS-1:0] wide_h = {{(FACTORS - HB) {h2[HB-1]}}, h2};
    reg signed [FACTORS-1:0] product_c;
    reg signed [TOTAL-1:0] total_c;
    /* verilator lint_off WIDTHEXPAND */
    wire signed [TOTAL-1:0] wide_product = product_c;
    wire signed [PRODUCT-1:0] wide_total = total_c;
    /* verilator lint_on WIDTHEXPAND */
    always @(posedge clk) begin
        product_c <= wide_r * wide_h;
        total_c <= wide_product + {{(TOTAL - XB) {x3[XB-1]}}, x3};
    end
`ifdef AMC_TABLES
    amc_curve #(
        .IN(PRODUCT), .SHIFT(C_SHIFT), .ROUNDED(CAND_IN), .OUT(STATE), .SIGNED(1), .TABLED(CAND_TABLED),
        .TABLE(CAND_TABLE)
    ) round_c (.x(wide_total), .y(candidate));
`else
    amc_round_saturate #(.IN(PRODUCT), .SHIFT(C_SHIFT), .OUT(STATE), .OUT_SIGNED(1)) round_c (
        .x(wide_total), .y(candidate)
    );
`endif

    // Blend.
    localparam BLEND = STATE + GATE;
    reg [STATE-1:0] c5, c6, c7;
    reg [STATE:0] difference;
    reg [GATE-1:0] z6;
    wire signed [BLEND-1:0] wide_z = {{STATE{1'b0}}, z6};
    wire signed [BLEND-1:0] wide_d = {{(GATE - 1) {difference[STATE]}}, difference};
    reg signed [BLEND-1:0] product_b;  // modulo 2^BLEND, as the sum
    reg [BLEND-1:0] total_b;
    wire [BLEND-1:0] c_half = {c7, 1'b1, {(GATE - 1) {1'b0}}};
    wire [STATE-1:0] blended;
    always @(posedge clk) begin
        c5 <= candidate;
        z6 <= z;
        difference <= {h5[STATE-1], h5} - {c5[STATE-1], c5};
        c6 <= c5;
        product_b <= wide_z * wide_d;
        c7 <= c6;
        total_b <= product_b + c_half;
    end
    amc_round_saturate #(.IN(BLEND), .SHIFT(GATE), .OUT(STATE), .OUT_SIGNED(1)) round_b (.x(total_b), .y(blended));
    assign h_next = valid ? blended : h8;
endmodule
