// Frame mode: frames of one stream to CONTEXTS contexts in turn, through a frame buffer each.
// A context reads a sample in each of its slots as soon as one is there; a slot without one stays idle, and nothing
// waits for other frames. At most 2 * CONTEXTS frames are between here and the results; `taken` gives one back.
module amc_frames #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter SLOT_CYCLES = 1,
    parameter SLOT_BITS = 1,
    parameter LENGTH = 1024,   // samples of a frame
    parameter GAP = 0,         // idle slots of a context behind a frame
    parameter TIME = 10,       // bits that count LENGTH + GAP
    parameter ADDRESS = 10,    // bits that count LENGTH
    parameter CREDIT = 2,      // bits that hold 2 * CONTEXTS
    parameter WIDTH = 16,
    parameter SLICE = WIDTH    // bits of a slice of the buffer
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
    localparam [TIME-1:0] LAST = LENGTH - 1;
    localparam [TIME-1:0] TIME_END = LENGTH + GAP - 1;
    localparam [SLOT_BITS-1:0] SLOT_END = SLOT_CYCLES - 1;
    localparam [CREDIT-1:0] FRAMES = 2 * CONTEXTS;
    localparam [TIME-1:0] TIME_ONE = 1;
    /* verilator lint_on WIDTHTRUNC */

    // Writer: context, sample, and a parity that changes with every round over the contexts.
    reg ready;
    reg [CTX-1:0] w_ctx;
    reg [TIME-1:0] w_time;
    reg w_parity;
    assign s_tready = ready;
    wire accept = s_tvalid & ready;
    wire w_end = w_time == LAST;
    wire w_wrap = w_end & (w_ctx == CTX_END);
    wire [CTX-1:0] w_ctx_next = !(accept & w_end) ? w_ctx : w_wrap ? {CTX{1'b0}} : w_ctx + 1'b1;
    wire [TIME-1:0] w_time_next = !accept ? w_time : w_end ? {TIME{1'b0}} : w_time + TIME_ONE;
    wire w_parity_next = w_parity ^ (accept & w_wrap);

    // Frames begun and not yet handed over.
    reg [CREDIT-1:0] pending;
    wire begun = accept & (w_time == {TIME{1'b0}});
    wire [CREDIT-1:0] pending_next = pending + {{(CREDIT - 1) {1'b0}}, begun} - {{(CREDIT - 1) {1'b0}}, taken};

    // Reader: a position for each context, 0 until it is used for the first time; that of the reader's context is told a
    // cycle ahead, for no multiplexer to come before the position.
    reg [CONTEXTS-1:0] used;
    reg r_used;
    (* ram_style = "distributed" *)
    reg [TIME:0] positions[0:CONTEXTS-1];
    reg [SLOT_BITS-1:0] phase;
    reg [CTX-1:0] r_ctx;
    wire slot = phase == {SLOT_BITS{1'b0}};
    wire [CTX-1:0] r_ctx_next = phase != SLOT_END ? r_ctx : r_ctx == CTX_END ? {CTX{1'b0}} : r_ctx + 1'b1;
    wire [TIME:0] r_position = r_used ? positions[r_ctx] : {(TIME + 1) {1'b0}};
    wire r_parity = r_position[TIME];
    wire [TIME-1:0] r_time = r_position[TIME-1:0];
    // Where the writer stands in this context.
    wire w_parity_here = w_parity ^ (r_ctx < w_ctx);
    wire [TIME-1:0] w_time_here = r_ctx == w_ctx ? w_time : {TIME{1'b0}};
    /* verilator lint_off CMPCONST */
    wire resting = r_time > LAST;  // never, if GAP is 0
    /* verilator lint_on CMPCONST */
    wire valid = slot & !resting & ({r_parity, r_time} != {w_parity_here, w_time_here});
    wire r_end = r_time == TIME_END;
    wire [TIME:0] r_position_next = r_end ? {~r_parity, {TIME{1'b0}}} : {r_parity, r_time + TIME_ONE};
    always @(posedge clk)
        if (valid | (slot & resting)) positions[r_ctx] <= r_position_next;

    // The writer's next sample has room unless it would overtake the reader; room never shrinks before it is used.
    wire [TIME:0] r_there = used[w_ctx_next] ? positions[w_ctx_next] : {(TIME + 1) {1'b0}};
    wire full = (r_there[TIME] != w_parity_next) & (r_there[TIME-1:0] == w_time_next);
    wire credit = (w_time_next != {TIME{1'b0}}) | (pending_next != FRAMES);

    always @(posedge clk)
        if (rst) begin
            ready <= 1'b0;
            w_ctx <= {CTX{1'b0}};
            w_time <= {TIME{1'b0}};
            w_parity <= 1'b0;
            pending <= {CREDIT{1'b0}};
            used <= {CONTEXTS{1'b0}};
            r_used <= 1'b0;
            phase <= {SLOT_BITS{1'b0}};
            r_ctx <= {CTX{1'b0}};
        end else begin
            ready <= !full & credit;
            w_ctx <= w_ctx_next;
            w_time <= w_time_next;
            w_parity <= w_parity_next;
            pending <= pending_next;
            if (valid) used[r_ctx] <= 1'b1;
            r_used <= used[r_ctx_next] | (valid & (r_ctx_next == r_ctx));
            phase <= phase == SLOT_END ? {SLOT_BITS{1'b0}} : phase + 1'b1;
            r_ctx <= r_ctx_next;
        end

    // The buffer: block RAM, read through its output register. Each slice is as narrow as one block RAM of this depth,
    // so that no multiplexer of block RAMs comes between it and the register.
    wire [CTX+ADDRESS-1:0] w_address, r_address;
    assign w_address = {w_ctx, w_time[ADDRESS-1:0]};
    assign r_address = {r_ctx, r_time[ADDRESS-1:0]};
    genvar i;
    generate
        for (i = 0; i < WIDTH; i = i + SLICE) begin : slice
            localparam BITS = i + SLICE < WIDTH ? SLICE : WIDTH - i;
            reg [BITS-1:0] samples[0:(1<<(CTX+ADDRESS))-1];
            reg [BITS-1:0] read, q;
            always @(posedge clk) begin
                if (accept) samples[w_address] <= s_tdata[i+:BITS];
                read <= samples[r_address];
                q <= read;
            end
            assign out_data[i+:BITS] = q;
        end
    endgenerate
    amc_flags #(.CTX(CTX), .CYCLES(2)) flags (
        .clk(clk), .rst(rst), .q(out_flags),
        .d({r_ctx, valid & (r_time == LAST), valid & (r_time == {TIME{1'b0}}), valid, slot})
    );
endmodule
