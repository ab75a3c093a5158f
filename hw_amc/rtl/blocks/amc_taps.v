// Windows over time: at every STRIDE-th sample from FIRST on, the newest vector and those before it, SPAN in all, the
// newest lowest. In front of a frame and behind it stands FILL. Windows that end behind the frame, up to LAST, come in
// the context's next slots, which stay free of the next frame's samples. One cycle.
module amc_taps #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter WIDTH = 8,          // bits of a vector
    parameter SPAN = 1,
    parameter LENGTH = 8,         // vectors of a frame
    parameter FIRST = 0,          // time of the first window's newest vector
    parameter STRIDE = 1,
    parameter LAST = 7,           // of the last one's; LENGTH - 1 at least
    parameter TIME = 4,           // bits that count LAST + STRIDE
    parameter [WIDTH-1:0] FILL = 0
) (
    input                   clk,
    input                   rst,
    input  [       CTX+3:0] in_flags,
    input  [     WIDTH-1:0] in_data,
    output [       CTX+3:0] out_flags,
    output [SPAN*WIDTH-1:0] out_data
);
    wire slot = in_flags[0];
    wire valid = in_flags[1];
    wire first = in_flags[2];
    /* verilator lint_off UNUSEDSIGNAL */
    wire last = in_flags[3];  // it is counted when that is
    /* verilator lint_on UNUSEDSIGNAL */
    wire [CTX-1:0] ctx = in_flags[4+:CTX];
    /* verilator lint_off WIDTHTRUNC */
    localparam [TIME-1:0] END = LENGTH;
    localparam [TIME-1:0] TIME_FIRST = FIRST;
    localparam [TIME-1:0] TIME_LAST = LAST;
    localparam [TIME-1:0] STEP = STRIDE;
    localparam [TIME-1:0] ONE = 1;
    /* verilator lint_on WIDTHTRUNC */

    // Of each context: the time of its next vector, above LAST when all windows have left, and of its next window.
    reg [CONTEXTS*TIME-1:0] times, nexts;
    wire [TIME-1:0] time_there = times[ctx*TIME+:TIME];
    wire [TIME-1:0] now = first ? {TIME{1'b0}} : time_there;
    wire [TIME-1:0] next = first ? TIME_FIRST : nexts[ctx*TIME+:TIME];
    /* verilator lint_off CMPCONST */
    wire behind = slot & !valid & (time_there >= END) & (time_there <= TIME_LAST);
    /* verilator lint_on CMPCONST */
    wire step = valid | behind;
    wire emit = step & (now == next);
    always @(posedge clk)
        if (rst) times <= {CONTEXTS{TIME_LAST + ONE}};
        else if (step) begin
            times[ctx*TIME+:TIME] <= now + ONE;
            nexts[ctx*TIME+:TIME] <= emit ? next + STEP : next;
        end

    // Kept as differences from FILL, so that a cleared state is FILL.
    reg [WIDTH-1:0] newest;
    always @(posedge clk) newest <= valid ? in_data ^ FILL : {WIDTH{1'b0}};
    wire [SPAN*WIDTH-1:0] line;
    generate
        if (SPAN > 1) begin : some
            reg write;
            always @(posedge clk) write <= step & ~rst;
            wire [(SPAN-1)*WIDTH-1:0] state;
            amc_context_state #(.WIDTH((SPAN - 1) * WIDTH), .CONTEXTS(CONTEXTS), .CTX(CTX)) older (
                .clk(clk), .ctx(ctx), .clear(first), .state(state), .write(write), .next(line[(SPAN-1)*WIDTH-1:0])
            );
            assign line = {state, newest};
        end else begin : none
            assign line = newest;
        end
    endgenerate
    assign out_data = line ^ {SPAN{FILL}};
    amc_flags #(.CTX(CTX), .CYCLES(1)) flags (
        .clk(clk), .rst(rst), .q(out_flags),
        .d({ctx, emit & (now == TIME_LAST), emit & (now == TIME_FIRST), emit, slot})
    );
endmodule
