// Cuts the sample stream into frames.
//
// FRAME_LEN samples make a frame; with N_CHANNELS > 1 the samples of that many frames take turns. TLAST may come with
// the last sample of the last channel only. Anywhere else it breaks every frame that is open after its sample: zeros
// fill them, so that the core stays in step, and their tags say so. One tag a frame goes to the FIFO that the results
// are matched with; a frame's last sample waits for room there.
module amc_shell_framer #(
    parameter [23:0] SAMPLE_LAST  = 24'd1023,  // FRAME_LEN - 1
    parameter [7:0]  CHANNEL_LAST = 8'd0       // N_CHANNELS - 1
) (
    input  wire        clk,
    input  wire        rst,
    // Samples from the wire.
    input  wire [31:0] in_data,
    input  wire        in_last,
    input  wire        in_valid,
    output wire        in_ready,
    // Samples of whole frames.
    output wire [31:0] out_data,
    output wire        out_filled,  // a zero that stands for a missing sample
    output wire        out_valid,
    input  wire        out_ready,
    // One tag for each complete frame.
    output wire [7:0]  tag_channel,
    output wire        tag_broken,
    output wire        tag_valid,
    input  wire        tag_ready,
    output wire        mid_frame,
    output reg         padding,
    output wire        framing_error  // one cycle for each misplaced TLAST
);
    reg  [23:0] sample;
    reg  [7:0]  channel;

    wire last_sample  = sample == SAMPLE_LAST;
    wire last_channel = channel == CHANNEL_LAST;
    wire have_sample  = padding || in_valid;
    // Valid to the core and to the tag FIFO in one cycle, or not at all.
    wire room         = tag_ready || !last_sample;
    wire advance      = have_sample && room && out_ready;
    wire misplaced    = !padding && in_last && !(last_sample && last_channel);

    assign out_data      = padding ? 32'd0 : in_data;
    assign out_filled    = padding;
    assign out_valid     = have_sample && room;
    assign in_ready      = !padding && room && out_ready;
    assign tag_channel   = channel;
    assign tag_broken    = padding;
    assign tag_valid     = have_sample && last_sample && out_ready;
    assign mid_frame     = sample != 24'd0 || channel != 8'd0;
    assign framing_error = advance && misplaced;

    always @(posedge clk) begin
        if (advance) begin
            channel <= last_channel ? 8'd0 : channel + 8'd1;
            if (last_channel)
                sample <= last_sample ? 24'd0 : sample + 24'd1;
            padding <= misplaced || (padding && !(last_sample && last_channel));
        end
        if (rst) begin
            sample  <= 24'd0;
            channel <= 8'd0;
            padding <= 1'b0;
        end
    end
endmodule
