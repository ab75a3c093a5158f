// A GRU loop over several cycles a step: BANKS banks of gates, each works off SHARE cells in turn, one a cycle.
// The matrix outside is digit-serial; its outputs m_* stand for a slot, from DEPTH cycles after the slot's start.
// Cell b * SHARE + i belongs to bank b. A cell's old state comes from the bank's memory, its new one goes there and
// into the register that the matrix loads. A slot without a sample keeps its context's state; a frame's first sample
// meets the state 0. The loop is exactly contexts * slot_cycles long; PAD delays make up the rest.
`ifdef AMC_TABLES
module amc_gru_tables_shared #(
`else
module amc_gru_shared #(
`endif
    parameter CTX = 1,
    parameter CELLS = 1,
    parameter BANKS = 1,
    parameter SHARE = 1,
    parameter INDEX = 1,     // bits that count SHARE
    parameter DEPTH = 1,
    parameter PAD = 0,
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
    parameter C_SHIFT = 15,
    // Of BANKS * SHARE cells; those above CELLS are not used.
    parameter [BANKS*SHARE*SUM-1:0] C_Z = 0,
    parameter [BANKS*SHARE*SUM-1:0] C_R = 0,
    parameter [BANKS*SHARE*HB-1:0] C_H = 0,
    parameter [BANKS*SHARE*XB-1:0] C_X = 0
) (
    input                    clk,
    input                    rst,
    input  [        CTX+3:0] in_flags,
    output [CELLS*STATE-1:0] matrix_h,   // the slot's state, in the cycle of its in_flags
    input  [   CELLS*MZ-1:0] m_z,
    input  [   CELLS*MZ-1:0] m_r,
    input  [   CELLS*MH-1:0] m_h,
    input  [   CELLS*MX-1:0] m_x,
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
    wire [ALL*MZ-1:0] all_z, all_r;
    wire [ALL*MH-1:0] all_h;
    wire [ALL*MX-1:0] all_x;
    wire [ALL*STATE-1:0] h;
    generate
        if (ALL == CELLS) begin : whole
            assign all_z = m_z;
            assign all_r = m_r;
            assign all_h = m_h;
            assign all_x = m_x;
        end else begin : partial
            assign all_z = {{((ALL - CELLS) * MZ) {1'b0}}, m_z};
            assign all_r = {{((ALL - CELLS) * MZ) {1'b0}}, m_r};
            assign all_h = {{((ALL - CELLS) * MH) {1'b0}}, m_h};
            assign all_x = {{((ALL - CELLS) * MX) {1'b0}}, m_x};
            /* verilator lint_off UNUSEDSIGNAL */
            wire [(ALL-CELLS)*STATE-1:0] unused = h[ALL*STATE-1:CELLS*STATE];
            /* verilator lint_on UNUSEDSIGNAL */
        end
    endgenerate

    genvar b;
    generate
        for (b = 0; b < BANKS; b = b + 1) begin : bank
            wire [SHARE*MZ-1:0] bank_z = all_z[b*SHARE*MZ+:SHARE*MZ];
            wire [SHARE*MZ-1:0] bank_r = all_r[b*SHARE*MZ+:SHARE*MZ];
            wire [SHARE*MH-1:0] bank_h = all_h[b*SHARE*MH+:SHARE*MH];
            wire [SHARE*MX-1:0] bank_x = all_x[b*SHARE*MX+:SHARE*MX];
            wire [SHARE*SUM-1:0] bank_cz = C_Z[b*SHARE*SUM+:SHARE*SUM];
            wire [SHARE*SUM-1:0] bank_cr = C_R[b*SHARE*SUM+:SHARE*SUM];
            wire [SHARE*HB-1:0] bank_ch = C_H[b*SHARE*HB+:SHARE*HB];
            wire [SHARE*XB-1:0] bank_cx = C_X[b*SHARE*XB+:SHARE*XB];
            reg [MZ-1:0] z, r;
            reg [MH-1:0] mh;
            reg [MX-1:0] mx;
            reg [SUM-1:0] cz, cr;
            reg [HB-1:0] ch;
            reg [XB-1:0] cx;
            (* ram_style = "distributed" *)
            reg [STATE-1:0] states[0:(1<<(CTX+INDEX))-1];
            reg [STATE-1:0] old;
            wire [STATE-1:0] next, word;
            reg [SHARE*STATE-1:0] words;
            integer i;
            always @(posedge clk) begin
                z <= bank_z[index*MZ+:MZ];
                r <= bank_r[index*MZ+:MZ];
                mh <= bank_h[index*MH+:MH];
                mx <= bank_x[index*MX+:MX];
                cz <= bank_cz[index*SUM+:SUM];
                cr <= bank_cr[index*SUM+:SUM];
                ch <= bank_ch[index*HB+:HB];
                cx <= bank_cx[index*XB+:XB];
                if (flags[FIRST]) old <= {STATE{1'b0}};
                else old <= states[{flags[4+:CTX], index}];
                if (write) states[{w_ctx, w_index}] <= word;
                for (i = 0; i < SHARE; i = i + 1)
                    if (write && {{(32 - INDEX) {1'b0}}, w_index} == i) words[i*STATE+:STATE] <= word;
            end
            assign h[b*SHARE*STATE+:SHARE*STATE] = words;
`ifdef AMC_TABLES
            amc_gru_tables_cell #(
                .GATE_IN(GATE_IN), .GATE_TABLED(GATE_TABLED), .GATE_TABLE(GATE_TABLE),
                .CAND_IN(CAND_IN), .CAND_TABLED(CAND_TABLED), .CAND_TABLE(CAND_TABLE),
`else
            amc_gru_cell #(
`endif
                .STATE(STATE), .GATE(GATE), .MZ(MZ), .MH(MH), .MX(MX), .SUM(SUM), .HB(HB), .XB(XB),
                .PRODUCT(PRODUCT), .Z_SHIFT(Z_SHIFT), .C_SHIFT(C_SHIFT)
            ) gates (
                .clk(clk), .m_z(z), .m_r(r), .m_h(mh), .m_x(mx), .c_z(cz), .c_r(cr), .c_h(ch), .c_x(cx),
                .h(old), .valid(valid_late), .h_next(next)
            );
            amc_delay #(.WIDTH(STATE), .CYCLES(PAD)) pad (.clk(clk), .d(next), .q(word));
        end
    endgenerate

    assign matrix_h = in_flags[FIRST] ? {(CELLS * STATE) {1'b0}} : h[CELLS*STATE-1:0];
    assign out_data = h[CELLS*STATE-1:0];
endmodule
