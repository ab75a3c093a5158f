// A GRU loop shared by CONTEXTS contexts (C-slow): registers of input and state in front of the matrix (outside), the
// cells behind it, and the way back. The loop is exactly CONTEXTS * slot_cycles long; PAD delays make up the rest.
// A slot without a sample keeps its context's state; a frame's first sample meets the state 0.
`ifdef AMC_TABLES
module amc_gru_tables #(
`else
module amc_gru #(
`endif
    parameter CTX = 1,
    parameter INPUTS = 16,   // bits of one input vector
    parameter CELLS = 1,
    parameter DEPTH = 1,     // cycles of the matrix
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
    parameter [CELLS*SUM-1:0] C_Z = 0,
    parameter [CELLS*SUM-1:0] C_R = 0,
    parameter [CELLS*HB-1:0] C_H = 0,
    parameter [CELLS*XB-1:0] C_X = 0
) (
    input                    clk,
    input                    rst,
    input  [        CTX+3:0] in_flags,
    input  [     INPUTS-1:0] in_data,
    output [     INPUTS-1:0] matrix_x,
    output [CELLS*STATE-1:0] matrix_h,
    input  [   CELLS*MZ-1:0] m_z,
    input  [   CELLS*MZ-1:0] m_r,
    input  [   CELLS*MH-1:0] m_h,
    input  [   CELLS*MX-1:0] m_x,
    output [        CTX+3:0] out_flags,
    output [CELLS*STATE-1:0] out_data
);
    localparam FIRST = 2;
    reg [INPUTS-1:0] x;
    reg [CELLS*STATE-1:0] h;
    wire [CELLS*STATE-1:0] h_matrix, h_next, h_back;
    wire [CTX+3:0] flags_blend;
    reg [CELLS*STATE-1:0] h_new;

    amc_flags #(.CTX(CTX), .CYCLES(DEPTH + 9)) blend (.clk(clk), .rst(rst), .d(in_flags), .q(flags_blend));
    amc_flags #(.CTX(CTX), .CYCLES(1)) leave (.clk(clk), .rst(rst), .d(flags_blend), .q(out_flags));
    amc_delay #(.WIDTH(CELLS * STATE), .CYCLES(DEPTH)) keep (.clk(clk), .d(h), .q(h_matrix));

    genvar i;
    generate
        for (i = 0; i < CELLS; i = i + 1) begin : cells
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
                .clk(clk),
                .m_z(m_z[i*MZ+:MZ]), .m_r(m_r[i*MZ+:MZ]), .m_h(m_h[i*MH+:MH]), .m_x(m_x[i*MX+:MX]),
                .c_z(C_Z[i*SUM+:SUM]), .c_r(C_R[i*SUM+:SUM]), .c_h(C_H[i*HB+:HB]), .c_x(C_X[i*XB+:XB]),
                .h(h_matrix[i*STATE+:STATE]), .valid(flags_blend[1]), .h_next(h_next[i*STATE+:STATE])
            );
        end

        if (PAD == 0) begin : tight
            assign h_back = h_next;
        end else begin : padded
            amc_delay #(.WIDTH(CELLS * STATE), .CYCLES(PAD - 1)) pad (.clk(clk), .d(h_new), .q(h_back));
        end
    endgenerate

    always @(posedge clk) begin
        x <= in_data;
        if (in_flags[FIRST]) h <= {(CELLS * STATE) {1'b0}};
        else h <= h_back;
        h_new <= h_next;
    end
    assign matrix_x = x;
    assign matrix_h = h;
    assign out_data = h_new;
endmodule
