// Everything between the bus of a system and a bare core: registers, framing, input quantiser, results.
//
// One clock, synchronous reset. The core's streams have no TLAST: samples in, I in the low and Q in the next
// byte-aligned field, already quantised; int32 logits out, CLASSES words for each frame, in order of arrival.
module amc_shell #(
    parameter [31:0] MAGIC         = 32'd0,
    parameter [31:0] VERSION       = 32'd0,
    parameter [31:0] DIGEST_LO     = 32'd0,
    parameter [31:0] DIGEST_HI     = 32'd0,
    parameter [31:0] FRAME_LEN     = 32'd1024,
    parameter [8:0]  CLASSES       = 9'd24,  // logits in a result, all heads
    parameter [8:0]  HEAD_CLASSES  = 9'd24,  // logits of the first head
    parameter        LOGIT_BITS    = 5,      // 2**LOGIT_BITS >= CLASSES
    parameter        CHANNEL_MODE  = 1'b0,
    parameter [7:0]  N_CHANNELS    = 8'd1,
    parameter [15:0] CONTEXTS      = 16'd1,
    parameter        TAG_BITS      = 4,      // 2**TAG_BITS frames may be inside the core
    parameter [7:0]  WIRE_FRAC     = 8'd14,
    parameter        INPUT_BITS    = 8,
    parameter [7:0]  INPUT_FRAC    = 8'd6,
    parameter [7:0]  LOGIT_FRAC    = 8'd0,
    parameter [7:0]  INPUT_SHIFT   = 8'd0,   // register's value after reset
`ifdef AMC_AUTOMATIC_GAIN
    parameter        INDEX_BITS    = 0,      // 2**INDEX_BITS >= N_CHANNELS
    parameter        SUM_BITS      = 28,     // of the level of a frame
    parameter [SUM_BITS-1:0] LEVEL = 28'd33554432,  // least one that needs no gain
    parameter        LEVEL_ZEROS   = 2,      // above the highest one of LEVEL
`endif
    parameter        FIELD_BITS    = 8       // INPUT_BITS rounded up to whole bytes
) (
    input  wire        aclk,
    input  wire        aresetn,
    input  wire [31:0] s_axis_tdata,
    input  wire        s_axis_tlast,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    output wire [31:0] m_axis_tdata,
    output wire        m_axis_tlast,
    output wire        m_axis_tvalid,
    input  wire        m_axis_tready,
    input  wire [7:0]  s_axi_awaddr,
    input  wire        s_axi_awvalid,
    output wire        s_axi_awready,
    input  wire [31:0] s_axi_wdata,
    input  wire [3:0]  s_axi_wstrb,
    input  wire        s_axi_wvalid,
    output wire        s_axi_wready,
    output wire [1:0]  s_axi_bresp,
    output wire        s_axi_bvalid,
    input  wire        s_axi_bready,
    input  wire [7:0]  s_axi_araddr,
    input  wire        s_axi_arvalid,
    output wire        s_axi_arready,
    output wire [31:0] s_axi_rdata,
    output wire [1:0]  s_axi_rresp,
    output wire        s_axi_rvalid,
    input  wire        s_axi_rready,
    // The core.
    output wire                    core_rst,
    output wire [2*FIELD_BITS-1:0] core_s_tdata,
    output wire                    core_s_tvalid,
    input  wire                    core_s_tready,
    input  wire [31:0]             core_m_tdata,
    input  wire                    core_m_tvalid,
    output wire                    core_m_tready
);
    // Reset: of all by aresetn; of the data path and the core by CONTROL.reset, for 16 cycles, which HLS cores need.
    reg         bus_rst;
    reg         data_rst;
    reg  [3:0]  rst_count;
    wire        soft_reset;

    initial begin
        bus_rst   = 1'b1;
        data_rst  = 1'b1;
        rst_count = 4'd15;
    end
    always @(posedge aclk) begin
        bus_rst <= !aresetn;
        if (!aresetn || soft_reset) begin
            data_rst  <= 1'b1;
            rst_count <= 4'd15;
        end else begin
            data_rst <= rst_count != 4'd0;
            if (rst_count != 4'd0)
                rst_count <= rst_count - 4'd1;
        end
    end
    assign core_rst = data_rst;

    // Registers.
    wire        enable;
    wire        clear_counters;
    wire [31:0] frames_per_packet;
    wire        new_packet;
    wire [7:0]  input_shift;
`ifdef AMC_AUTOMATIC_GAIN
    wire [7:0]  first_shift;  // of the register; `input_shift` is that of the sample
    wire        automatic_gain;
    wire [7:0]  highest_gain;
    wire [7:0]  gain_channel;
    wire [7:0]  gain_shift;
`endif
    wire        mid_frame;
    wire        padding;
    reg  [15:0] in_flight;
    wire        frame_in;
    wire        result_sent;
    wire        framing_error;
    wire        saturated;
    wire        word_valid;
    wire        taken = s_axis_tvalid && s_axis_tready;
    wire        busy  = !data_rst && (taken || word_valid || mid_frame || in_flight != 16'd0);

    amc_registers #(
        .MAGIC(MAGIC), .VERSION(VERSION), .DIGEST_LO(DIGEST_LO), .DIGEST_HI(DIGEST_HI), .FRAME_LEN(FRAME_LEN),
        .CLASSES({23'd0, CLASSES}), .RESULT_WORDS({23'd0, CLASSES} + 32'd1), .CHANNEL_MODE(CHANNEL_MODE),
        .N_CHANNELS(N_CHANNELS), .CONTEXTS(CONTEXTS), .WIRE_FRAC(WIRE_FRAC), .INPUT_FRAC(INPUT_FRAC),
        .INPUT_BITS(INPUT_BITS), .LOGIT_FRAC(LOGIT_FRAC), .INPUT_SHIFT_RESET(INPUT_SHIFT)
    ) registers (
        .clk(aclk), .rst(bus_rst),
        .s_axi_awaddr(s_axi_awaddr), .s_axi_awvalid(s_axi_awvalid), .s_axi_awready(s_axi_awready),
        .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(s_axi_wstrb), .s_axi_wvalid(s_axi_wvalid),
        .s_axi_wready(s_axi_wready), .s_axi_bresp(s_axi_bresp), .s_axi_bvalid(s_axi_bvalid),
        .s_axi_bready(s_axi_bready), .s_axi_araddr(s_axi_araddr), .s_axi_arvalid(s_axi_arvalid),
        .s_axi_arready(s_axi_arready), .s_axi_rdata(s_axi_rdata), .s_axi_rresp(s_axi_rresp),
        .s_axi_rvalid(s_axi_rvalid), .s_axi_rready(s_axi_rready),
        .enable(enable), .reset(soft_reset), .clear(clear_counters),
`ifdef AMC_AUTOMATIC_GAIN
        .frames_per_packet(frames_per_packet), .frames_per_packet_written(new_packet), .input_shift(first_shift),
        .automatic_gain(automatic_gain), .highest_gain(highest_gain), .gain_channel(gain_channel),
        .gain_shift(gain_shift),
`else
        .frames_per_packet(frames_per_packet), .frames_per_packet_written(new_packet), .input_shift(input_shift),
`endif
        .busy(busy), .resetting(data_rst), .mid_frame(mid_frame), .padding(padding),
        .input_waits(s_axis_tvalid && !s_axis_tready), .output_waits(m_axis_tvalid && !m_axis_tready),
        .in_flight(in_flight),
        .frames_in_event(frame_in), .frames_out_event(result_sent),
        .framing_errors_event(framing_error && !data_rst),
        .saturated_event(saturated), .cycles_busy_event(busy),
        .cycles_stalled_event(m_axis_tvalid && !m_axis_tready)
    );

    // Samples in.
    wire        slice_ready;
    wire [32:0] word;
    wire        word_ready;
    wire [31:0] sample;
    wire        sample_filled;
    wire        sample_valid;
    wire        sample_ready;
    wire [7:0]  in_channel;
    wire        in_broken;
    wire        in_tag_valid;
    wire        in_tag_ready;

    assign s_axis_tready = slice_ready && enable && !data_rst;
    assign frame_in      = in_tag_valid && in_tag_ready && !data_rst;

    amc_shell_skid #(.WIDTH(33)) slice (
        .clk(aclk), .rst(data_rst), .in_data({s_axis_tlast, s_axis_tdata}), .in_valid(taken), .in_ready(slice_ready),
        .out_data(word), .out_valid(word_valid), .out_ready(word_ready)
    );
    amc_shell_framer #(.SAMPLE_LAST(FRAME_LEN[23:0] - 24'd1), .CHANNEL_LAST(N_CHANNELS - 8'd1)) framer (
        .clk(aclk), .rst(data_rst), .in_data(word[31:0]), .in_last(word[32]), .in_valid(word_valid),
`ifdef AMC_AUTOMATIC_GAIN
        .in_ready(word_ready), .out_data(cut), .out_filled(cut_filled), .out_valid(cut_valid),
        .out_ready(cut_ready), .tag_channel(in_channel), .tag_broken(in_broken), .tag_valid(in_tag_valid),
`else
        .in_ready(word_ready), .out_data(sample), .out_filled(sample_filled), .out_valid(sample_valid),
        .out_ready(sample_ready), .tag_channel(in_channel), .tag_broken(in_broken), .tag_valid(in_tag_valid),
`endif
        .tag_ready(in_tag_ready), .mid_frame(mid_frame), .padding(padding), .framing_error(framing_error)
    );

`ifdef AMC_AUTOMATIC_GAIN
    // A word that is taken is the last of its frame where it comes with a tag.
    wire [31:0] cut;
    wire        cut_filled;
    wire        cut_valid;
    wire        cut_ready;

    amc_shell_gain #(
        .CHANNEL_LAST(N_CHANNELS - 8'd1), .INDEX_BITS(INDEX_BITS), .SUM_BITS(SUM_BITS), .LEVEL(LEVEL),
        .LEVEL_ZEROS(LEVEL_ZEROS)
    ) leveller (
        .clk(aclk), .rst(data_rst), .automatic_gain(automatic_gain), .highest_gain(highest_gain),
        .input_shift(first_shift), .gain_channel(gain_channel), .gain_shift(gain_shift),
        .in_data(cut), .in_filled(cut_filled), .in_channel(in_channel), .in_last(in_tag_valid), .in_broken(in_broken),
        .in_valid(cut_valid), .in_ready(cut_ready), .out_data(sample), .out_filled(sample_filled),
        .next_shift(input_shift), .out_valid(sample_valid), .out_ready(sample_ready)
    );

`endif
    // Input quantiser: two stages that move when the next one is free.
    localparam signed [8:0] SHIFT = {WIRE_FRAC[7], WIRE_FRAC} - {INPUT_FRAC[7], INPUT_FRAC};
    reg         wide_valid;
    reg         quantized_valid;
    reg         wide_real;
    reg         quantized_real;
    wire        quantized_ready = !quantized_valid || core_s_tready;
    wire        wide_ready      = !wide_valid || quantized_ready;
    wire        load_wide       = sample_valid && wide_ready;
    wire        load_quantized  = wide_valid && quantized_ready;
    wire        i_saturated;
    wire        q_saturated;
    wire [FIELD_BITS-1:0] i_field;
    wire [FIELD_BITS-1:0] q_field;

    assign sample_ready  = wide_ready;
    assign core_s_tvalid = quantized_valid;
    assign core_s_tdata  = {q_field, i_field};
    assign saturated     = core_s_tvalid && core_s_tready && !data_rst && quantized_real
                           && (i_saturated || q_saturated);

    amc_shell_quantize #(.BITS(INPUT_BITS), .FIELD(FIELD_BITS), .SHIFT(SHIFT)) quantize_i (
        .clk(aclk), .input_shift(input_shift), .raw(sample[15:0]), .load_wide(load_wide),
        .load_out(load_quantized), .out(i_field), .saturated(i_saturated)
    );
    amc_shell_quantize #(.BITS(INPUT_BITS), .FIELD(FIELD_BITS), .SHIFT(SHIFT)) quantize_q (
        .clk(aclk), .input_shift(input_shift), .raw(sample[31:16]), .load_wide(load_wide),
        .load_out(load_quantized), .out(q_field), .saturated(q_saturated)
    );

    always @(posedge aclk) begin
        if (wide_ready)
            wide_valid <= sample_valid;
        if (load_wide)
            wide_real <= !sample_filled;
        if (quantized_ready)
            quantized_valid <= wide_valid;
        if (load_quantized)
            quantized_real <= wide_real;
        if (data_rst) begin
            wide_valid      <= 1'b0;
            quantized_valid <= 1'b0;
        end
    end

    // Results out.
    wire [8:0] out_tag;
    wire       out_tag_valid;
    wire       out_tag_ready;

    amc_shell_tags #(.WIDTH(9), .INDEX_BITS(TAG_BITS)) tags (
        .clk(aclk), .rst(data_rst), .in_data({in_broken, in_channel}), .in_valid(in_tag_valid),
        .in_ready(in_tag_ready), .out_data(out_tag), .out_valid(out_tag_valid), .out_ready(out_tag_ready)
    );
    amc_shell_results #(
        .INDEX_BITS(LOGIT_BITS), .LOGIT_LAST(CLASSES - 9'd1), .CLASS_LAST(HEAD_CLASSES - 9'd1)
    ) results (
        .clk(aclk), .rst(data_rst), .logit(core_m_tdata), .logit_valid(core_m_tvalid), .logit_ready(core_m_tready),
        .tag_channel(out_tag[7:0]), .tag_broken(out_tag[8]), .tag_valid(out_tag_valid), .tag_ready(out_tag_ready),
        .frames_per_packet(frames_per_packet), .new_packet(new_packet),
        .m_tdata(m_axis_tdata), .m_tlast(m_axis_tlast), .m_tvalid(m_axis_tvalid), .m_tready(m_axis_tready),
        .result_sent(result_sent)
    );

    always @(posedge aclk) begin
        if (frame_in != result_sent)
            in_flight <= frame_in ? in_flight + 16'd1 : in_flight - 16'd1;
        if (data_rst)
            in_flight <= 16'd0;
    end

    wire unused = &{1'b0, clear_counters};
endmodule
