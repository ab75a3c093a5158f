// The turns of shared cells: which of its SHARE cells each bank works off, and where the new state goes.
// The matrix' outputs of a slot stand from DEPTH cycles after its start; from then on one cell a cycle is taken, its
// inputs are registered, and eight cycles later its state is new, PAD cycles before it is written.
module amc_turns #(
    parameter CTX = 1,
    parameter SHARE = 1,
    parameter INDEX = 1,     // bits that count SHARE
    parameter DEPTH = 1,
    parameter PAD = 0
) (
    input              clk,
    input              rst,
    input  [  CTX+3:0] in_flags,
    output [  CTX+3:0] flags,     // of the slot whose outputs stand now
    output [INDEX-1:0] index,     // the cell that is taken
    output             valid,     // nine cycles after `index`: that slot carried a sample
    output             write,     // a new state is there: of this context and cell
    output [  CTX-1:0] w_ctx,
    output [INDEX-1:0] w_index,
    output [  CTX+3:0] out_flags  // all new states of a slot stand
);
    /* verilator lint_off WIDTHTRUNC */
    localparam [INDEX-1:0] INDEX_END = SHARE - 1;
    /* verilator lint_on WIDTHTRUNC */

    wire [CTX+3:0] arrived;
    amc_flags #(.CTX(CTX), .CYCLES(DEPTH)) wait_matrix (.clk(clk), .rst(rst), .d(in_flags), .q(arrived));
    reg [CTX+3:0] current;
    reg [INDEX-1:0] count;
    reg busy;
    wire active = arrived[0] | busy;
    assign index = arrived[0] ? {INDEX{1'b0}} : count;
    assign flags = arrived[0] ? arrived : current;
    always @(posedge clk) begin
        current <= flags;
        count <= index + 1'b1;
        busy <= active & (index != INDEX_END) & ~rst;
    end

    reg [INDEX-1:0] index_q;
    reg valid_q, active_q;
    reg [CTX-1:0] ctx_q;
    always @(posedge clk) begin
        index_q <= index;
        valid_q <= flags[1];
        active_q <= active;
        ctx_q <= flags[4+:CTX];
    end
    amc_delay #(.WIDTH(1), .CYCLES(8)) late_valid (.clk(clk), .d(valid_q), .q(valid));
    amc_delay #(.WIDTH(INDEX + CTX + 1), .CYCLES(8 + PAD)) late (
        .clk(clk), .d({active_q, ctx_q, index_q}), .q({write, w_ctx, w_index})
    );
    // In one cycle, that of the context's next slot.
    amc_flags #(.CTX(CTX), .CYCLES(SHARE + 9 + PAD)) leave (.clk(clk), .rst(rst), .d(arrived), .q(out_flags));
endmodule
