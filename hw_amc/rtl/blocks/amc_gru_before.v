// A GRU loop whose reset gate multiplies the state before the candidate's product (docs/graph.md, reset_after = false):
// two matrices outside, the second one on r h. Every cell has gates of its own. Registers of input and state, the first
// matrix, two cycles to the gates, one to r h, the second matrix, six cycles to the new state. A slot without a sample
// keeps its context's state; a frame's first sample meets the state 0.
module amc_gru_before #(
    parameter CTX = 1,
    parameter INPUTS = 16,   // bits of one input vector
    parameter CELLS = 1,
    parameter DEPTH = 1,     // cycles of the first matrix
    parameter DEPTH_C = 1,   // of the second
    parameter PAD = 0,
    parameter STATE = 8,
    parameter GATE = 8,
    parameter GATE_IN = 8,   // as of amc_curve
    parameter GATE_TABLED = 0,
    parameter CAND_IN = 8,
    parameter CAND_TABLED = 0,
    parameter [(1<<GATE_IN)*GATE-1:0] GATE_TABLE = 0,
    parameter [(1<<CAND_IN)*STATE-1:0] CAND_TABLE = 0,
    parameter MZ = 16,
    parameter MX = 16,
    parameter MC = 24,
    parameter SUM = 18,
    parameter XB = 26,
    parameter TOTAL = 28,
    parameter Z_SHIFT = 7,
    parameter C_SHIFT = 15,
    parameter [CELLS*SUM-1:0] C_Z = 0,
    parameter [CELLS*SUM-1:0] C_R = 0,
    parameter [CELLS*XB-1:0] C_X = 0
) (
    input                           clk,
    input                           rst,
    input  [               CTX+3:0] in_flags,
    input  [            INPUTS-1:0] in_data,
    output                          start,      // of the first matrix
    output [            INPUTS-1:0] matrix_x,
    output [       CELLS*STATE-1:0] matrix_h,
    input  [          CELLS*MZ-1:0] m_z,
    input  [          CELLS*MZ-1:0] m_r,
    input  [          CELLS*MX-1:0] m_x,
    output                          start_c,    // of the second
    output [CELLS*(GATE+STATE)-1:0] matrix_c,
    input  [          CELLS*MC-1:0] m_c,
    output [               CTX+3:0] out_flags,
    output [       CELLS*STATE-1:0] out_data
);
    localparam FIRST = 2;
    localparam W = CELLS * STATE;
    reg [INPUTS-1:0] x;
    reg [W-1:0] h, h_new;
    wire [W-1:0] h_matrix, h_next, h_back;
    wire [CTX+3:0] flags_matrix, flags_end;
    reg started;
    amc_flags #(.CTX(CTX), .CYCLES(DEPTH + 1)) first (.clk(clk), .rst(rst), .d(in_flags), .q(flags_matrix));
    amc_flags #(.CTX(CTX), .CYCLES(DEPTH_C + 8)) second (.clk(clk), .rst(rst), .d(flags_matrix), .q(flags_end));
    amc_flags #(.CTX(CTX), .CYCLES(1)) leave (.clk(clk), .rst(rst), .d(flags_end), .q(out_flags));
    amc_delay #(.WIDTH(W), .CYCLES(DEPTH)) keep (.clk(clk), .d(h), .q(h_matrix));
    amc_delay #(.WIDTH(1), .CYCLES(3)) late (.clk(clk), .d(flags_matrix[0]), .q(start_c));

    genvar i;
    generate
        for (i = 0; i < CELLS; i = i + 1) begin : cells
            wire [MZ-1:0] mz = m_z[i*MZ+:MZ];
            wire [MZ-1:0] mr = m_r[i*MZ+:MZ];
            wire [MX-1:0] mx = m_x[i*MX+:MX];
            wire [MC-1:0] mc = m_c[i*MC+:MC];
            // Gates, and r h.
            reg [SUM-1:0] sum_z, sum_r;
            wire [GATE-1:0] gate_z, gate_r, z;
            amc_curve #(
                .IN(SUM), .SHIFT(Z_SHIFT), .ROUNDED(GATE_IN), .OUT(GATE), .TABLED(GATE_TABLED), .TABLE(GATE_TABLE)
            ) round_z (.x(sum_z), .y(gate_z)), round_r (.x(sum_r), .y(gate_r));
            reg [GATE-1:0] r;
            wire [STATE-1:0] h2, h_old, h_end;
            amc_delay #(.WIDTH(STATE), .CYCLES(2)) delay_h (.clk(clk), .d(h_matrix[i*STATE+:STATE]), .q(h2));
            amc_delay #(.WIDTH(STATE), .CYCLES(DEPTH_C + 3)) delay_old (.clk(clk), .d(h2), .q(h_old));
            amc_delay #(.WIDTH(STATE), .CYCLES(3)) delay_end (.clk(clk), .d(h_old), .q(h_end));
            amc_delay #(.WIDTH(GATE), .CYCLES(DEPTH_C + 4)) delay_z (.clk(clk), .d(gate_z), .q(z));
            wire signed [GATE+STATE-1:0] wide_r = {{STATE{1'b0}}, r};
            wire signed [GATE+STATE-1:0] wide_h = {{GATE{h2[STATE-1]}}, h2};
            reg signed [GATE+STATE-1:0] product_r;
            // Candidate.
            reg [XB-1:0] sum_x;
            wire [XB-1:0] x_late;
            amc_delay #(.WIDTH(XB), .CYCLES(DEPTH_C + 2)) delay_x (.clk(clk), .d(sum_x), .q(x_late));
            reg [TOTAL-1:0] total_c;
            wire [STATE-1:0] candidate;
            amc_curve #(
                .IN(TOTAL), .SHIFT(C_SHIFT), .ROUNDED(CAND_IN), .OUT(STATE), .SIGNED(1), .TABLED(CAND_TABLED),
                .TABLE(CAND_TABLE)
            ) round_c (.x(total_c), .y(candidate));
            // Blend, as in amc_gru_cell.
            localparam BLEND = STATE + GATE;
            reg [STATE-1:0] c5, c6, c7;
            reg [STATE:0] difference;
            reg [GATE-1:0] z6;
            wire signed [BLEND-1:0] wide_z = {{STATE{1'b0}}, z6};
            wire signed [BLEND-1:0] wide_d = {{(GATE - 1) {difference[STATE]}}, difference};
            reg signed [BLEND-1:0] product_b;
            reg [BLEND-1:0] total_b;
            wire [BLEND-1:0] c_half = {c7, 1'b1, {(GATE - 1) {1'b0}}};
            wire [STATE-1:0] blended;
            amc_round_saturate #(.IN(BLEND), .SHIFT(GATE), .OUT(STATE), .OUT_SIGNED(1)) round_b (
                .x(total_b), .y(blended)
            );
            always @(posedge clk) begin
                sum_z <= {{(SUM - MZ) {mz[MZ-1]}}, mz} + C_Z[i*SUM+:SUM];
                sum_r <= {{(SUM - MZ) {mr[MZ-1]}}, mr} + C_R[i*SUM+:SUM];
                sum_x <= {{(XB - MX - GATE) {mx[MX-1]}}, mx, {GATE{1'b0}}} + C_X[i*XB+:XB];
                r <= gate_r;
                product_r <= wide_r * wide_h;
                total_c <= {{(TOTAL - MC) {mc[MC-1]}}, mc} + {{(TOTAL - XB) {x_late[XB-1]}}, x_late};
                c5 <= candidate;
                z6 <= z;
                difference <= {h_old[STATE-1], h_old} - {c5[STATE-1], c5};
                c6 <= c5;
                product_b <= wide_z * wide_d;
                c7 <= c6;
                total_b <= product_b + c_half;
            end
            assign matrix_c[i*(GATE+STATE)+:GATE+STATE] = product_r;
            assign h_next[i*STATE+:STATE] = flags_end[1] ? blended : h_end;
        end

        if (PAD == 0) begin : tight
            assign h_back = h_next;
        end else begin : padded
            amc_delay #(.WIDTH(W), .CYCLES(PAD - 1)) pad (.clk(clk), .d(h_new), .q(h_back));
        end
    endgenerate

    always @(posedge clk) begin
        x <= in_data;
        started <= in_flags[0] & ~rst;
        if (in_flags[FIRST]) h <= {W{1'b0}};
        else h <= h_back;
        h_new <= h_next;
    end
    assign start = started;
    assign matrix_x = x;
    assign matrix_h = h;
    assign out_data = h_new;
endmodule
