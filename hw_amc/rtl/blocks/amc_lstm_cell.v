// The gates of one LSTM cell, nine cycles from the matrix to the new state (docs/graph.md, operation lstm):
//   i, f, o = clip(round(m + bias + 1)), unsigned;  g = clip(round(m + bias))
//   a  = f k + i g, exact;  k' = clip(round(a)), the carry;  y = clip(round(a)), its hard tanh, in a format of its own
//   h' = clip(round(o y))
// With tables, each is what stands in a table for the rounded sum, without that one.
// Biases, the one of the hard sigmoid and half an output LSB are in the constants c_*. Three multipliers.
module amc_lstm_cell #(
    parameter STATE = 8,
    parameter GATE = 8,
    parameter CAND = 8,
    parameter GATE_IN = 8,   // bits of what the gates round their sums to, of a table its input
    parameter GATE_TABLED = 0,
    parameter CAND_IN = 8,   // of g, and of the carry's tanh
    parameter CAND_TABLED = 0,
    parameter [(1<<GATE_IN)*GATE-1:0] GATE_TABLE = 0,
    parameter [(1<<CAND_IN)*CAND-1:0] CAND_TABLE = 0,
    parameter M = 16,
    parameter SUM = 18,
    parameter Z_SHIFT = 7,   // rounding of i, f, o
    parameter G_SHIFT = 7,   // of g
    parameter F_LEFT = 0,    // bits that align f k and i g
    parameter I_LEFT = 0,
    parameter TOTAL = 19,
    parameter K_SHIFT = 8,   // of k'
    parameter Y_SHIFT = 8,   // of y
    parameter PRODUCT = 18,
    parameter H_SHIFT = 8    // of h'
) (
    input              clk,
    input  [    M-1:0] m_i,     // x W + h U
    input  [    M-1:0] m_f,
    input  [    M-1:0] m_g,
    input  [    M-1:0] m_o,
    input  [  SUM-1:0] c_i,
    input  [  SUM-1:0] c_f,
    input  [  SUM-1:0] c_g,
    input  [  SUM-1:0] c_o,
    input  [STATE-1:0] h,       // the state that m_* were made from
    input  [STATE-1:0] k,       // and its carry
    input              valid,   // eight cycles after m_*: this slot carries a sample
    output [STATE-1:0] h_next,  // eight cycles after m_*, not yet registered; the old ones if not valid
    output [STATE-1:0] k_next
);
    reg [SUM-1:0] sum_i, sum_f, sum_g, sum_o;
    wire [GATE-1:0] gate_i, gate_f, gate_o;
    wire [CAND-1:0] gate_g;
    always @(posedge clk) begin
        sum_i <= {{(SUM - M) {m_i[M-1]}}, m_i} + c_i;
        sum_f <= {{(SUM - M) {m_f[M-1]}}, m_f} + c_f;
        sum_g <= {{(SUM - M) {m_g[M-1]}}, m_g} + c_g;
        sum_o <= {{(SUM - M) {m_o[M-1]}}, m_o} + c_o;
    end
    amc_curve #(
        .IN(SUM), .SHIFT(Z_SHIFT), .ROUNDED(GATE_IN), .OUT(GATE), .TABLED(GATE_TABLED), .TABLE(GATE_TABLE)
    ) round_i (.x(sum_i), .y(gate_i)), round_f (.x(sum_f), .y(gate_f)), round_o (.x(sum_o), .y(gate_o));
    amc_curve #(
        .IN(SUM), .SHIFT(G_SHIFT), .ROUNDED(CAND_IN), .OUT(CAND), .SIGNED(1), .TABLED(CAND_TABLED), .TABLE(CAND_TABLE)
    ) round_g (.x(sum_g), .y(gate_g));

    // Old states beside the gates, and at the end.
    wire [STATE-1:0] k2, k8, h8;
    wire [GATE-1:0] o6;
    amc_delay #(.WIDTH(STATE), .CYCLES(2)) delay_k (.clk(clk), .d(k), .q(k2));
    amc_delay #(.WIDTH(STATE), .CYCLES(6)) delay_old (.clk(clk), .d(k2), .q(k8));
    amc_delay #(.WIDTH(STATE), .CYCLES(8)) delay_h (.clk(clk), .d(h), .q(h8));
    amc_delay #(.WIDTH(GATE), .CYCLES(5)) delay_o (.clk(clk), .d(gate_o), .q(o6));

    // Carry: arithmetic is modulo 2^TOTAL throughout. Registers are no wider than what they are made from: Yosys
    // loses copies of a product's sign that are registered with it (docs/rtl.md, Multipliers).
    localparam FK = GATE + STATE < TOTAL ? GATE + STATE : TOTAL;
    localparam IG = GATE + CAND < TOTAL ? GATE + CAND : TOTAL;
    localparam TERM = FK + F_LEFT > IG + I_LEFT ? FK + F_LEFT : IG + I_LEFT;
    localparam BOTH = TERM + 1 < TOTAL ? TERM + 1 : TOTAL;
    localparam OY = GATE + CAND < PRODUCT ? GATE + CAND : PRODUCT;
    reg [GATE-1:0] i2, f2;
    reg [CAND-1:0] g2;
    wire signed [IG-1:0] wide_i = {{(IG - GATE) {1'b0}}, i2};
    wire signed [FK-1:0] wide_f = {{(FK - GATE) {1'b0}}, f2};
    wire signed [IG-1:0] wide_g = {{(IG - CAND) {g2[CAND-1]}}, g2};
    wire signed [FK-1:0] wide_k = {{(FK - STATE) {k2[STATE-1]}}, k2};
    reg signed [FK-1:0] product_f;
    reg signed [IG-1:0] product_i;
    reg signed [BOTH-1:0] total;
    /* verilator lint_off WIDTHEXPAND */
    wire signed [BOTH-1:0] part_f = product_f;
    wire signed [BOTH-1:0] part_i = product_i;
    wire signed [TOTAL-1:0] wide_total = total;
    /* verilator lint_on WIDTHEXPAND */
    reg [TOTAL-1:0] total_k, total_y;
    localparam [TOTAL-1:0] ONE = 1;
    localparam [TOTAL-1:0] HALF_K = K_SHIFT > 0 ? ONE << (K_SHIFT > 0 ? K_SHIFT - 1 : 0) : {TOTAL{1'b0}};
    localparam [TOTAL-1:0] HALF_Y = Y_SHIFT > 0 ? ONE << (Y_SHIFT > 0 ? Y_SHIFT - 1 : 0) : {TOTAL{1'b0}};
    always @(posedge clk) begin
        i2 <= gate_i;
        f2 <= gate_f;
        g2 <= gate_g;
        product_f <= wide_f * wide_k;
        product_i <= wide_i * wide_g;
        total <= (part_f <<< F_LEFT) + (part_i <<< I_LEFT);
        total_k <= wide_total + HALF_K;
        total_y <= wide_total + HALF_Y;
    end
    wire [STATE-1:0] rounded_k;
    wire [CAND-1:0] rounded_y;
    amc_round_saturate #(.IN(TOTAL), .SHIFT(K_SHIFT), .OUT(STATE), .OUT_SIGNED(1)) round_k (.x(total_k), .y(rounded_k));
    amc_curve #(
        .IN(TOTAL), .SHIFT(Y_SHIFT), .ROUNDED(CAND_IN), .OUT(CAND), .SIGNED(1), .TABLED(CAND_TABLED), .TABLE(CAND_TABLE)
    ) round_y (.x(total_y), .y(rounded_y));

    // Output.
    reg [CAND-1:0] y6;
    wire [STATE-1:0] new_k;
    wire signed [OY-1:0] wide_o = {{(OY - GATE) {1'b0}}, o6};
    wire signed [OY-1:0] wide_y = {{(OY - CAND) {y6[CAND-1]}}, y6};
    reg signed [OY-1:0] product_h;
    /* verilator lint_off WIDTHEXPAND */
    wire signed [PRODUCT-1:0] part_h = product_h;
    /* verilator lint_on WIDTHEXPAND */
    reg [PRODUCT-1:0] total_h;
    localparam [PRODUCT-1:0] ONE_H = 1;
    localparam [PRODUCT-1:0] HALF_H = H_SHIFT > 0 ? ONE_H << (H_SHIFT > 0 ? H_SHIFT - 1 : 0) : {PRODUCT{1'b0}};
    wire [STATE-1:0] new_h;
    always @(posedge clk) begin
        y6 <= rounded_y;
        product_h <= wide_o * wide_y;
        total_h <= part_h + HALF_H;
    end
    amc_delay #(.WIDTH(STATE), .CYCLES(3)) delay_new (.clk(clk), .d(rounded_k), .q(new_k));
    amc_round_saturate #(.IN(PRODUCT), .SHIFT(H_SHIFT), .OUT(STATE), .OUT_SIGNED(1)) round_h (.x(total_h), .y(new_h));
    assign h_next = valid ? new_h : h8;
    assign k_next = valid ? new_k : k8;
endmodule
