// y[c] = (early[c] << EARLY_SHIFT) + (late[c] << LATE_SHIFT), where two branches join. A context's early vectors wait
// in a queue of 2^INDEX words for the late ones, which come WAIT cycles before they are needed; the late branch's flags
// go on. WAIT + 2 cycles.
module amc_add #(
    parameter CTX = 1,
    parameter CHANNELS = 1,
    parameter INDEX = 1,
    parameter WAIT = 0,
    parameter EARLY = 8,
    parameter EARLY_SIGNED = 0,
    parameter EARLY_SHIFT = 0,
    parameter LATE = 8,
    parameter LATE_SIGNED = 0,
    parameter LATE_SHIFT = 0,
    parameter OUT = 9
) (
    input                       clk,
    input                       rst,
    /* verilator lint_off UNUSEDSIGNAL */
    input  [           CTX+3:0] early_flags,  // its times are those of its own branch
    /* verilator lint_on UNUSEDSIGNAL */
    input  [CHANNELS*EARLY-1:0] early_data,
    input  [           CTX+3:0] late_flags,
    input  [ CHANNELS*LATE-1:0] late_data,
    output [           CTX+3:0] out_flags,
    output [  CHANNELS*OUT-1:0] out_data
);
    localparam CONTEXTS = 1 << CTX;
    wire [CTX+3:0] flags;
    wire [CHANNELS*LATE-1:0] late_wait;
    amc_flags #(.CTX(CTX), .CYCLES(WAIT)) wait_flags (.clk(clk), .rst(rst), .d(late_flags), .q(flags));
    amc_delay #(.WIDTH(CHANNELS * LATE), .CYCLES(WAIT)) wait_data (.clk(clk), .d(late_data), .q(late_wait));

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

    (* ram_style = "distributed" *)
    reg [CHANNELS*EARLY-1:0] queue[0:(1<<(CTX+INDEX))-1];
    reg [CHANNELS*EARLY-1:0] early;
    reg [CHANNELS*LATE-1:0] late;
    always @(posedge clk) begin
        if (push) queue[{w_ctx, w_index}] <= early_data;
        early <= queue[{r_ctx, r_index}];
        late <= late_wait;
    end

    genvar c;
    generate
        for (c = 0; c < CHANNELS; c = c + 1) begin : channel
            wire [EARLY-1:0] raw_early = early[c*EARLY+:EARLY];
            wire [LATE-1:0] raw_late = late[c*LATE+:LATE];
            // The sum is wider than each shifted operand, or as wide.
            wire [OUT+EARLY-1:0] wide_early = {{OUT{raw_early[EARLY-1] & (EARLY_SIGNED != 0)}}, raw_early};
            wire [OUT+LATE-1:0] wide_late = {{OUT{raw_late[LATE-1] & (LATE_SIGNED != 0)}}, raw_late};
            wire [OUT-1:0] a, b;
            reg [OUT-1:0] sum;
            if (EARLY_SHIFT == 0) begin : early_same
                assign a = wide_early[OUT-1:0];
            end else begin : early_left
                assign a = {wide_early[OUT-EARLY_SHIFT-1:0], {EARLY_SHIFT{1'b0}}};
            end
            if (LATE_SHIFT == 0) begin : late_same
                assign b = wide_late[OUT-1:0];
            end else begin : late_left
                assign b = {wide_late[OUT-LATE_SHIFT-1:0], {LATE_SHIFT{1'b0}}};
            end
            always @(posedge clk) sum <= a + b;
            assign out_data[c*OUT+:OUT] = sum;
            /* verilator lint_off UNUSEDSIGNAL */
            wire unused = ^{wide_early, wide_late};
            /* verilator lint_on UNUSEDSIGNAL */
        end
    endgenerate
    amc_flags #(.CTX(CTX), .CYCLES(2)) go_on (.clk(clk), .rst(rst), .d(flags), .q(out_flags));
endmodule
