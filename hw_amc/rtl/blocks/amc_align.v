// Two branches side by side: a context's early vectors wait in a queue of 2^INDEX words for the late ones, which come
// WAIT cycles before they are needed; the late branch's flags go on. WAIT + 1 cycles.
module amc_align #(
    parameter CTX = 1,
    parameter INDEX = 1,
    parameter WAIT = 0,
    parameter EARLY = 8,      // bits of a vector
    parameter LATE = 8
) (
    input              clk,
    input              rst,
    /* verilator lint_off UNUSEDSIGNAL */
    input  [  CTX+3:0] early_flags,  // its times are those of its own branch
    /* verilator lint_on UNUSEDSIGNAL */
    input  [EARLY-1:0] early_data,
    input  [  CTX+3:0] late_flags,
    input  [ LATE-1:0] late_data,
    output [  CTX+3:0] out_flags,
    output [EARLY-1:0] out_early,
    output [ LATE-1:0] out_late
);
    localparam CONTEXTS = 1 << CTX;
    wire [CTX+3:0] flags;
    wire [LATE-1:0] late_wait;
    amc_flags #(.CTX(CTX), .CYCLES(WAIT)) wait_flags (.clk(clk), .rst(rst), .d(late_flags), .q(flags));
    amc_delay #(.WIDTH(LATE), .CYCLES(WAIT)) wait_data (.clk(clk), .d(late_data), .q(late_wait));

    // Where each context writes and reads next.
    reg [CONTEXTS*INDEX-1:0] writes, reads;
    wire push = early_flags[1];
    wire pop = flags[1];
    wire [CTX-1:0] w_ctx = early_flags[4+:CTX];
    wire [CTX-1:0] r_ctx = flags[4+:CTX];
    wire [INDEX-1:0] w_index = writes[w_ctx*INDEX+:INDEX];
    wire [INDEX-1:0] r_index = reads[r_ctx*INDEX+:INDEX];
    always @(posedge clk)
        if (rst) begin
            writes <= {(CONTEXTS * INDEX) {1'b0}};
            reads <= {(CONTEXTS * INDEX) {1'b0}};
        end else begin
            if (push) writes[w_ctx*INDEX+:INDEX] <= w_index + 1'b1;
            if (pop) reads[r_ctx*INDEX+:INDEX] <= r_index + 1'b1;
        end

    reg [EARLY-1:0] queue[0:(1<<(CTX+INDEX))-1];
    reg [EARLY-1:0] early;
    reg [LATE-1:0] late;
    always @(posedge clk) begin
        if (push) queue[{w_ctx, w_index}] <= early_data;
        early <= queue[{r_ctx, r_index}];
        late <= late_wait;
    end
    assign out_early = early;
    assign out_late = late;
    amc_flags #(.CTX(CTX), .CYCLES(1)) go_on (.clk(clk), .rst(rst), .d(flags), .q(out_flags));
endmodule
