// An LSTM loop shared by CONTEXTS contexts (C-slow): registers of input, state and carry in front of the matrix
// (outside), the cells behind it, and the way back. The loop is exactly CONTEXTS * slot_cycles long; PAD delays make up
// the rest. A slot without a sample keeps its context's states; a frame's first sample meets zeros.
module amc_lstm #(
    parameter CTX = 1,
    parameter INPUTS = 16,   // bits of one input vector
    parameter CELLS = 1,
    parameter DEPTH = 1,     // cycles of the matrix
    parameter PAD = 0,
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
    parameter Z_SHIFT = 7,
    parameter G_SHIFT = 7,
    parameter F_LEFT = 0,
    parameter I_LEFT = 0,
    parameter TOTAL = 19,
    parameter K_SHIFT = 8,
    parameter Y_SHIFT = 8,
    parameter PRODUCT = 18,
    parameter H_SHIFT = 8,
    parameter [CELLS*SUM-1:0] C_I = 0,
    parameter [CELLS*SUM-1:0] C_F = 0,
    parameter [CELLS*SUM-1:0] C_G = 0,
    parameter [CELLS*SUM-1:0] C_O = 0
) (
    input                    clk,
    input                    rst,
    input  [        CTX+3:0] in_flags,
    input  [     INPUTS-1:0] in_data,
    output [     INPUTS-1:0] matrix_x,
    output [CELLS*STATE-1:0] matrix_h,
    input  [    CELLS*M-1:0] m_i,
    input  [    CELLS*M-1:0] m_f,
    input  [    CELLS*M-1:0] m_g,
    input  [    CELLS*M-1:0] m_o,
    output [        CTX+3:0] out_flags,
    output [CELLS*STATE-1:0] out_data
);
    localparam FIRST = 2;
    localparam W = CELLS * STATE;
    reg [INPUTS-1:0] x;
    reg [W-1:0] h, k, h_new, k_new;
    wire [W-1:0] h_matrix, k_matrix, h_next, k_next, h_back, k_back;
    wire [CTX+3:0] flags_end;

    amc_flags #(.CTX(CTX), .CYCLES(DEPTH + 9)) end_of_cell (.clk(clk), .rst(rst), .d(in_flags), .q(flags_end));
    amc_flags #(.CTX(CTX), .CYCLES(1)) leave (.clk(clk), .rst(rst), .d(flags_end), .q(out_flags));
    amc_delay #(.WIDTH(2 * W), .CYCLES(DEPTH)) keep (.clk(clk), .d({k, h}), .q({k_matrix, h_matrix}));

    genvar i;
    generate
        for (i = 0; i < CELLS; i = i + 1) begin : cells
            amc_lstm_cell #(
                .GATE_IN(GATE_IN), .GATE_TABLED(GATE_TABLED), .GATE_TABLE(GATE_TABLE),
                .CAND_IN(CAND_IN), .CAND_TABLED(CAND_TABLED), .CAND_TABLE(CAND_TABLE),
                .STATE(STATE), .GATE(GATE), .CAND(CAND), .M(M), .SUM(SUM), .Z_SHIFT(Z_SHIFT), .G_SHIFT(G_SHIFT),
                .F_LEFT(F_LEFT), .I_LEFT(I_LEFT), .TOTAL(TOTAL), .K_SHIFT(K_SHIFT), .Y_SHIFT(Y_SHIFT),
                .PRODUCT(PRODUCT), .H_SHIFT(H_SHIFT)
            ) gates (
                .clk(clk), .m_i(m_i[i*M+:M]), .m_f(m_f[i*M+:M]), .m_g(m_g[i*M+:M]), .m_o(m_o[i*M+:M]),
                .c_i(C_I[i*SUM+:SUM]), .c_f(C_F[i*SUM+:SUM]), .c_g(C_G[i*SUM+:SUM]), .c_o(C_O[i*SUM+:SUM]),
                .h(h_matrix[i*STATE+:STATE]), .k(k_matrix[i*STATE+:STATE]), .valid(flags_end[1]),
                .h_next(h_next[i*STATE+:STATE]), .k_next(k_next[i*STATE+:STATE])
            );
        end

        if (PAD == 0) begin : tight
            assign h_back = h_next;
            assign k_back = k_next;
            /* verilator lint_off UNUSEDSIGNAL */
            wire unused = ^k_new;
            /* verilator lint_on UNUSEDSIGNAL */
        end else begin : padded
            amc_delay #(.WIDTH(2 * W), .CYCLES(PAD - 1)) pad (.clk(clk), .d({k_new, h_new}), .q({k_back, h_back}));
        end
    endgenerate

    always @(posedge clk) begin
        x <= in_data;
        h <= in_flags[FIRST] ? {W{1'b0}} : h_back;
        k <= in_flags[FIRST] ? {W{1'b0}} : k_back;
        h_new <= h_next;
        k_new <= k_next;
    end
    assign matrix_x = x;
    assign matrix_h = h;
    assign out_data = h_new;
endmodule
