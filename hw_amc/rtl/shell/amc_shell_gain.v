// Automatic gain: the shift of a channel's frame follows from the level of its frame before.
//
// Level of a frame: the sum of |I| + |Q| + 2 max(|I|, |Q|) over its samples, SUM_BITS bits. Its gain is the whole number
// g with LEVEL <= sum * 2**g < 2 * LEVEL, and `highest_gain` where that is less. Frames of silence and broken ones leave
// their channel's gain as it was; it is 0 after a reset and while `automatic_gain` is low. A sample leaves with
// input_shift + g of its channel, saturated to 8 bits.
//
// Nine stages that move together: a frame's last sample finds its own gain in the seventh and leaves the next one there,
// so that gains are those of the frames' order whatever the streams' handshakes do.
module amc_shell_gain #(
    parameter [7:0]          CHANNEL_LAST = 8'd0,  // N_CHANNELS - 1
    parameter                INDEX_BITS   = 0,     // 2**INDEX_BITS >= N_CHANNELS
    parameter                SUM_BITS     = 28,
    parameter [SUM_BITS-1:0] LEVEL        = 28'd33554432,
    parameter                LEVEL_ZEROS  = 2      // above the highest one of LEVEL
) (
    input  wire        clk,
    input  wire        rst,
    // Settings.
    input  wire        automatic_gain,
    input  wire [7:0]  highest_gain,
    input  wire [7:0]  input_shift,
    input  wire [7:0]  gain_channel,
    output wire [7:0]  gain_shift,   // shift of that channel's last sample
    // Samples of whole frames.
    input  wire [31:0] in_data,
    input  wire        in_filled,
    input  wire [7:0]  in_channel,
    input  wire        in_last,      // of its frame
    input  wire        in_broken,    // with in_last
    input  wire        in_valid,
    output wire        in_ready,
    // The same, and the shift of the sample that the next clock edge puts out.
    output wire [31:0] out_data,
    output wire        out_filled,
    output wire [7:0]  next_shift,
    output wire        out_valid,
    input  wire        out_ready
);
    localparam STAGES = 9;

    reg  [STAGES:1]      valid;
    wire                 step = out_ready || !valid[STAGES];
    wire                 last_channel = in_channel == CHANNEL_LAST;
    reg                  first;  // the channels' samples that come now are the first of their frames

    assign in_ready  = step;
    assign out_valid = valid[STAGES];

    always @(posedge clk) begin
        if (step) begin
            valid <= {valid[STAGES-1:1], in_valid};
            if (in_valid && last_channel)
                first <= in_last;
        end
        if (rst) begin
            valid <= {STAGES{1'b0}};
            first <= 1'b1;
        end
    end

    // What goes along with a sample, the youngest in the low bits: words to the end, the rest as far as it is asked for.
    reg  [33*STAGES-1:0] words;
    reg  [8*7-1:0]       channels;
    reg  [3:1]           begins;
    reg  [7:1]           ends;
    reg  [7:1]           broken;
    wire [7:0]           channel_3 = channels[23:16];
    wire [7:0]           channel_7 = channels[55:48];

    assign out_data   = words[33*STAGES-2:33*STAGES-33];
    assign out_filled = words[33*STAGES-1];
    always @(posedge clk) begin
        if (step) begin
            words    <= {words[33*STAGES-34:0], in_filled, in_data};
            channels <= {channels[47:0], in_channel};
            begins   <= {begins[2:1], first};
            ends     <= {ends[6:1], in_last};
            broken   <= {broken[6:1], in_broken};
        end
    end

    // 1: magnitudes; 2: their sum and the larger one; 3: the sample's part; 4: the sum over the frame so far.
    reg  [15:0]         i_size;
    reg  [15:0]         q_size;
    reg  [16:0]         both;
    reg  [15:0]         larger;
    reg  [17:0]         part;
    wire [SUM_BITS-1:0] kept;
    wire [SUM_BITS-1:0] sum = (begins[3] ? {SUM_BITS{1'b0}} : kept) + {{(SUM_BITS-18){1'b0}}, part};
    reg  [SUM_BITS-1:0] total;

    amc_shell_store #(.WIDTH(SUM_BITS), .INDEX_BITS(INDEX_BITS)) sums (
        .clk(clk), .write(step && valid[3]), .write_at(channel_3), .in_data(sum), .read_at(channel_3), .out_data(kept)
    );
    always @(posedge clk) begin
        if (step) begin
            i_size <= in_data[15] ? -in_data[15:0] : in_data[15:0];
            q_size <= in_data[31] ? -in_data[31:16] : in_data[31:16];
            both   <= {1'b0, i_size} + {1'b0, q_size};
            larger <= (i_size > q_size) ? i_size : q_size;
            part   <= {1'b0, both} + {1'b0, larger, 1'b0};
            total  <= sum;
        end
    end

    // 5, 6: the sum shifted left until its highest one is at the top, and by how much; 7: the gain that belongs to it.
    localparam [SUM_BITS-1:0] LEVEL_FINE  = LEVEL << LEVEL_ZEROS;
    localparam [7:0]          GAIN_OFFSET = -LEVEL_ZEROS;
    wire [63:0]         wide  = {total, {(64-SUM_BITS){1'b0}}};
    wire                no_32 = wide[63:32] == 32'd0;
    wire [63:0]         by_32 = no_32 ? wide << 32 : wide;
    wire                no_16 = by_32[63:48] == 16'd0;
    wire [63:0]         by_16 = no_16 ? by_32 << 16 : by_32;
    wire                no_8  = by_16[63:56] == 8'd0;
    wire [63:0]         by_8  = no_8 ? by_16 << 8 : by_16;
    reg  [SUM_BITS-1:0] coarse;
    reg  [2:0]          coarse_zeros;
    wire                no_4  = coarse[SUM_BITS-1:SUM_BITS-4] == 4'd0;
    wire [SUM_BITS-1:0] by_4  = no_4 ? coarse << 4 : coarse;
    wire                no_2  = by_4[SUM_BITS-1:SUM_BITS-2] == 2'd0;
    wire [SUM_BITS-1:0] by_2  = no_2 ? by_4 << 2 : by_4;
    wire                no_1  = !by_2[SUM_BITS-1];
    reg  [SUM_BITS-1:0] fine;
    reg  [5:0]          zeros;
    reg  [7:0]          gain;
    reg                 silent;
    wire                unused = &{1'b0, by_8[63-SUM_BITS:0]};

    always @(posedge clk) begin
        if (step) begin
            coarse       <= by_8[63:64-SUM_BITS];
            coarse_zeros <= {no_32, no_16, no_8};
            fine         <= no_1 ? by_2 << 1 : by_2;
            zeros        <= {coarse_zeros, no_4, no_2, no_1};
            gain         <= GAIN_OFFSET + {2'd0, zeros} + {7'd0, fine < LEVEL_FINE};
            silent       <= !fine[SUM_BITS-1];
        end
    end

    // 7: the channel's gain for this sample, and for those of its next frame.
    wire [7:0] stored;
    reg        fresh;  // no frame of every channel has ended since the reset
    wire [7:0] present = fresh ? 8'd0 : stored;
    wire [7:0] bounded = ($signed(gain) > $signed(highest_gain)) ? highest_gain : gain;
    wire [8:0] shifted = {input_shift[7], input_shift} + {present[7], present};
    wire [7:0] shift   = (shifted[8] == shifted[7]) ? shifted[7:0] : {shifted[8], {7{!shifted[8]}}};
    reg  [7:0] shift_8;
    reg  [7:0] shift_9;
    wire [7:0] used;

    amc_shell_store #(.WIDTH(8), .INDEX_BITS(INDEX_BITS)) gains (
        .clk(clk), .write(step && valid[7] && ends[7]), .write_at(channel_7),
        .in_data((silent || broken[7]) ? present : bounded), .read_at(channel_7), .out_data(stored)
    );
    amc_shell_store #(.WIDTH(8), .INDEX_BITS(INDEX_BITS)) shifts (
        .clk(clk), .write(step && valid[7]), .write_at(channel_7), .in_data(shift), .read_at(gain_channel),
        .out_data(used)
    );
    always @(posedge clk) begin
        if (step) begin
            shift_8 <= shift;
            shift_9 <= shift_8;
            if (valid[7] && ends[7] && channel_7 == CHANNEL_LAST)
                fresh <= 1'b0;
        end
        if (rst || !automatic_gain)
            fresh <= 1'b1;
    end
    // Until then all samples had the shift of the register.
    assign gain_shift = fresh ? input_shift : used;
    assign next_shift = step ? shift_8 : shift_9;
endmodule
