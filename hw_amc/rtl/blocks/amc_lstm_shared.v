// An LSTM loop over several cycles a step: BANKS banks of gates, each works off SHARE cells in turn, one a cycle.
// The matrix outside is digit-serial; its outputs m_* stand for a slot, from DEPTH cycles after the slot's start.
// Cell b * SHARE + i belongs to bank b. A cell's old state and carry come from the bank's memory, the new ones go there,
// and the state into the register that the matrix loads. A slot without a sample keeps its context's states; a frame's
// first sample meets zeros. The loop is exactly contexts * slot_cycles long; PAD delays make up the rest.
module amc_lstm_shared #(
    parameter CTX = 1,
    parameter CELLS = 1,
    parameter BANKS = 1,
    parameter SHARE = 1,
    parameter INDEX = 1,     // bits that count SHARE
    parameter DEPTH = 1,
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
    // Of BANKS * SHARE cells; those above CELLS are not used.
    parameter [BANKS*SHARE*SUM-1:0] C_I = 0,
    parameter [BANKS*SHARE*SUM-1:0] C_F = 0,
    parameter [BANKS*SHARE*SUM-1:0] C_G = 0,
    parameter [BANKS*SHARE*SUM-1:0] C_O = 0
) (
    input                    clk,
    input                    rst,
    input  [        CTX+3:0] in_flags,
    output [CELLS*STATE-1:0] matrix_h,   // the slot's state, in the cycle of its in_flags
    input  [    CELLS*M-1:0] m_i,
    input  [    CELLS*M-1:0] m_f,
    input  [    CELLS*M-1:0] m_g,
    input  [    CELLS*M-1:0] m_o,
    output [        CTX+3:0] out_flags,
    output [CELLS*STATE-1:0] out_data
);
    localparam ALL = BANKS * SHARE;
    localparam FIRST = 2;

    wire [CTX+3:0] flags;
    wire [INDEX-1:0] index, w_index;
    wire [CTX-1:0] w_ctx;
    wire valid_late, write;
    amc_turns #(.CTX(CTX), .SHARE(SHARE), .INDEX(INDEX), .DEPTH(DEPTH), .PAD(PAD)) turns (
        .clk(clk), .rst(rst), .in_flags(in_flags), .flags(flags), .index(index), .valid(valid_late),
        .write(write), .w_ctx(w_ctx), .w_index(w_index), .out_flags(out_flags)
    );

    // Matrix outputs padded to whole banks.
    wire [ALL*M-1:0] all_i, all_f, all_g, all_o;
    wire [ALL*STATE-1:0] h;
    generate
        if (ALL == CELLS) begin : whole
            assign all_i = m_i;
            assign all_f = m_f;
            assign all_g = m_g;
            assign all_o = m_o;
        end else begin : partial
            assign all_i = {{((ALL - CELLS) * M) {1'b0}}, m_i};
            assign all_f = {{((ALL - CELLS) * M) {1'b0}}, m_f};
            assign all_g = {{((ALL - CELLS) * M) {1'b0}}, m_g};
            assign all_o = {{((ALL - CELLS) * M) {1'b0}}, m_o};
            /* verilator lint_off UNUSEDSIGNAL */
            wire [(ALL-CELLS)*STATE-1:0] unused = h[ALL*STATE-1:CELLS*STATE];
            /* verilator lint_on UNUSEDSIGNAL */
        end
    endgenerate

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : bank
            wire [SHARE*M-1:0] bank_i = all_i[b*SHARE*M+:SHARE*M];
            wire [SHARE*M-1:0] bank_f = all_f[b*SHARE*M+:SHARE*M];
            wire [SHARE*M-1:0] bank_g = all_g[b*SHARE*M+:SHARE*M];
            wire [SHARE*M-1:0] bank_o = all_o[b*SHARE*M+:SHARE*M];
            wire [SHARE*SUM-1:0] bank_ci = C_I[b*SHARE*SUM+:SHARE*SUM];
            wire [SHARE*SUM-1:0] bank_cf = C_F[b*SHARE*SUM+:SHARE*SUM];
            wire [SHARE*SUM-1:0] bank_cg = C_G[b*SHARE*SUM+:SHARE*SUM];
            wire [SHARE*SUM-1:0] bank_co = C_O[b*SHARE*SUM+:SHARE*SUM];
            reg [M-1:0] mi, mf, mg, mo;
            reg [SUM-1:0] ci, cf, cg, co;
            (* ram_style = "distributed" *)
            reg [2*STATE-1:0] states[0:(1<<(CTX+INDEX))-1];  // carry, state
            reg [2*STATE-1:0] old;
            wire [2*STATE-1:0] next, word;
            reg [SHARE*STATE-1:0] words;
            integer n;
            always @(posedge clk) begin
                mi <= bank_i[index*M+:M];
                mf <= bank_f[index*M+:M];
                mg <= bank_g[index*M+:M];
                mo <= bank_o[index*M+:M];
                ci <= bank_ci[index*SUM+:SUM];
                cf <= bank_cf[index*SUM+:SUM];
                cg <= bank_cg[index*SUM+:SUM];
                co <= bank_co[index*SUM+:SUM];
                if (flags[FIRST]) old <= {(2 * STATE) {1'b0}};
                else old <= states[{flags[4+:CTX], index}];
                if (write) states[{w_ctx, w_index}] <= word;
                for (n = 0; n < SHARE; n = n + 1)
                    if (write && {{(32 - INDEX) {1'b0}}, w_index} == n) words[n*STATE+:STATE] <= word[STATE-1:0];
            end
            assign h[b*SHARE*STATE+:SHARE*STATE] = words;
            amc_lstm_cell #(
                .GATE_IN(GATE_IN), .GATE_TABLED(GATE_TABLED), .GATE_TABLE(GATE_TABLE),
                .CAND_IN(CAND_IN), .CAND_TABLED(CAND_TABLED), .CAND_TABLE(CAND_TABLE),
                .STATE(STATE), .GATE(GATE), .CAND(CAND), .M(M), .SUM(SUM), .Z_SHIFT(Z_SHIFT), .G_SHIFT(G_SHIFT),
                .F_LEFT(F_LEFT), .I_LEFT(I_LEFT), .TOTAL(TOTAL), .K_SHIFT(K_SHIFT), .Y_SHIFT(Y_SHIFT),
                .PRODUCT(PRODUCT), .H_SHIFT(H_SHIFT)
            ) gates (
                .clk(clk), .m_i(mi), .m_f(mf), .m_g(mg), .m_o(mo), .c_i(ci), .c_f(cf), .c_g(cg), .c_o(co),
                .h(old[STATE-1:0]), .k(old[2*STATE-1:STATE]), .valid(valid_late),
                .h_next(next[STATE-1:0]), .k_next(next[2*STATE-1:STATE])
            );
            amc_delay #(.WIDTH(2 * STATE), .CYCLES(PAD)) pad (.clk(clk), .d(next), .q(word));
        end
    endgenerate

    assign matrix_h = in_flags[FIRST] ? {(CELLS * STATE) {1'b0}} : h[CELLS*STATE-1:0];
    assign out_data = h[CELLS*STATE-1:0];
endmodule
