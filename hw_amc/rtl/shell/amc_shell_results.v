// Packs the core's logits into results: word 0 (flags, sequence number, channel, class), then the logits.
//
// The class must leave before the logits, so a result is collected first; two banks let the core go on meanwhile.
module amc_shell_results #(
    parameter       INDEX_BITS = 5,
    parameter [8:0] LOGIT_LAST = 9'd23,  // logits in a result - 1
    parameter [8:0] CLASS_LAST = 9'd23   // logits of the first head - 1: the class is theirs
) (
    input  wire        clk,
    input  wire        rst,
    input  wire [31:0] logit,
    input  wire        logit_valid,
    output wire        logit_ready,
    input  wire [7:0]  tag_channel,
    input  wire        tag_broken,
    input  wire        tag_valid,
    output wire        tag_ready,
    input  wire [31:0] frames_per_packet,
    input  wire        new_packet,
    output reg  [31:0] m_tdata,
    output reg         m_tlast,
    output wire        m_tvalid,
    input  wire        m_tready,
    output wire        result_sent  // a result's last word is taken
);
    // Collecting.
    reg  [31:0] bank [0:(2<<INDEX_BITS)-1];
    reg  [1:0]  full;
    reg         in_bank;
    reg  [8:0]  in_index;
    reg  [31:0] best;
    reg  [7:0]  best_index;
    reg  [7:0]  class_of [0:1];

    wire        collect    = logit_valid && logit_ready;
    // Strictly greater: the lowest index keeps a tie.
    wire        better     = in_index == 9'd0 || (in_index <= CLASS_LAST && $signed(logit) > $signed(best));
    wire [7:0]  class_now  = better ? in_index[7:0] : best_index;
    wire        in_last    = in_index == LOGIT_LAST;

    assign logit_ready = !full[in_bank];

    // Sending.
    reg         out_bank;
    reg  [8:0]  out_index;  // 0: word 0; n: logit n - 1
    reg  [7:0]  sequence_number;
    reg  [31:0] sent_results;
    reg         m_result_end;
    reg         m_full;

    wire [INDEX_BITS-1:0] logit_index = out_index[INDEX_BITS-1:0] - {{(INDEX_BITS-1){1'b0}}, 1'b1};
    wire        at_head    = out_index == 9'd0;
    wire        at_end     = out_index == LOGIT_LAST + 9'd1;
    wire        packet_end = sent_results + 32'd1 >= frames_per_packet;
    wire        load       = (!m_full || m_tready) && full[out_bank] && (tag_valid || !at_head);

    assign tag_ready   = load && at_head;
    // Nothing leaves while reset is at work, not even what reset has yet to clear.
    assign m_tvalid    = m_full && !rst;
    assign result_sent = m_tvalid && m_tready && m_result_end;

    always @(posedge clk) begin
        if (collect) begin
            bank[{in_bank, in_index[INDEX_BITS-1:0]}] <= logit;
            class_of[in_bank]                         <= class_now;
            best_index                                <= class_now;
            if (better)
                best <= logit;
            in_index <= in_last ? 9'd0 : in_index + 9'd1;
            if (in_last) begin
                full[in_bank] <= 1'b1;
                in_bank       <= !in_bank;
            end
        end
        if (!m_full || m_tready)
            m_full <= load;
        if (load) begin
            m_tdata      <= at_head ? {7'd0, tag_broken, sequence_number, tag_channel, class_of[out_bank]}
                                    : bank[{out_bank, logit_index}];
            m_tlast      <= at_end && packet_end;
            m_result_end <= at_end;
            out_index    <= at_end ? 9'd0 : out_index + 9'd1;
            if (at_end) begin
                full[out_bank]  <= 1'b0;
                out_bank        <= !out_bank;
                sequence_number <= sequence_number + 8'd1;
                sent_results    <= packet_end ? 32'd0 : sent_results + 32'd1;
            end
        end
        if (new_packet)
            sent_results <= 32'd0;
        if (rst) begin
            full            <= 2'b00;
            in_bank         <= 1'b0;
            in_index        <= 9'd0;
            out_bank        <= 1'b0;
            out_index       <= 9'd0;
            sequence_number <= 8'd0;
            sent_results    <= 32'd0;
            m_full          <= 1'b0;
        end
    end
endmodule
