// Channel mode: sample j belongs to channel j mod CHANNELS and to the context of that number; contexts above stay idle.
// The stream's next sample is taken in its context's slot; nothing is buffered.
module amc_channels #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter CHANNELS = 1,    // at most CONTEXTS
    parameter SLOT_CYCLES = 1,
    parameter SLOT_BITS = 1,
    parameter LENGTH = 1024,   // samples of a frame
    parameter GAP = 0,         // idle slots of a context behind a frame
    parameter TIME = 10,       // bits that count LENGTH + GAP
    parameter CREDIT = 2,      // bits that hold 2 * CHANNELS
    parameter WIDTH = 16
) (
    input              clk,
    input              rst,
    input  [WIDTH-1:0] s_tdata,
    input              s_tvalid,
    output             s_tready,
    input              taken,
    output [  CTX+3:0] out_flags,
    output [WIDTH-1:0] out_data
);
    /* verilator lint_off WIDTHTRUNC */
    localparam [CTX-1:0] CTX_END = CONTEXTS - 1;
    localparam [CTX-1:0] CHANNEL_END = CHANNELS - 1;
    localparam [TIME-1:0] LAST = LENGTH - 1;
    localparam [TIME-1:0] TIME_END = LENGTH + GAP - 1;
    localparam [SLOT_BITS-1:0] SLOT_END = SLOT_CYCLES - 1;
    localparam [CREDIT-1:0] FRAMES = 2 * CHANNELS;
    localparam [TIME-1:0] TIME_ONE = 1;
    /* verilator lint_on WIDTHTRUNC */

    reg [SLOT_BITS-1:0] phase;
    reg [CTX-1:0] ctx;          // of this slot
    reg [CTX-1:0] channel;      // of the stream's next sample
    reg [TIME-1:0] now;         // its time
    reg [CREDIT-1:0] pending;   // frames begun and not yet handed over
    reg running;

    wire slot = phase == {SLOT_BITS{1'b0}};
    wire turn = running & slot & (ctx == channel);
    /* verilator lint_off CMPCONST */
    wire resting = now > LAST;  // never, if GAP is 0
    /* verilator lint_on CMPCONST */
    wire first = now == {TIME{1'b0}};
    assign s_tready = turn & !resting & (!first | pending != FRAMES);
    wire valid = s_tready & s_tvalid;
    wire begun = valid & first;
    wire step = valid | (turn & resting);

    always @(posedge clk)
        if (rst) begin
            phase <= {SLOT_BITS{1'b0}};
            ctx <= {CTX{1'b0}};
            channel <= {CTX{1'b0}};
            now <= {TIME{1'b0}};
            pending <= {CREDIT{1'b0}};
            running <= 1'b0;
        end else begin
            running <= 1'b1;
            phase <= phase == SLOT_END ? {SLOT_BITS{1'b0}} : phase + 1'b1;
            if (phase == SLOT_END) ctx <= ctx == CTX_END ? {CTX{1'b0}} : ctx + 1'b1;
            if (step) begin
                channel <= channel == CHANNEL_END ? {CTX{1'b0}} : channel + 1'b1;
                if (channel == CHANNEL_END) now <= now == TIME_END ? {TIME{1'b0}} : now + TIME_ONE;
            end
            pending <= pending + {{(CREDIT - 1) {1'b0}}, begun} - {{(CREDIT - 1) {1'b0}}, taken};
        end

    reg [WIDTH-1:0] data;
    always @(posedge clk) data <= s_tdata;
    assign out_data = data;
    amc_flags #(.CTX(CTX), .CYCLES(1)) flags (
        .clk(clk), .rst(rst), .d({ctx, valid & (now == LAST), begun, valid, slot}), .q(out_flags)
    );
endmodule
