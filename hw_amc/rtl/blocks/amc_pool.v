// Sum (MAXIMUM = 0) or largest (1) of POOL successive samples of a context. Two cycles.
module amc_pool #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter CHANNELS = 1,
    parameter POOL = 2,
    parameter COUNT = 1,       // bits that hold POOL - 1
    parameter MAXIMUM = 0,
    parameter IN = 8,
    parameter OUT = 9,
    parameter SIGNED = 0
) (
    input                     clk,
    input                     rst,
    input  [         CTX+3:0] in_flags,
    input  [ CHANNELS*IN-1:0] in_data,
    output [         CTX+3:0] out_flags,
    output [CHANNELS*OUT-1:0] out_data
);
    wire slot = in_flags[0];
    wire valid = in_flags[1];
    wire first = in_flags[2];
    wire last = in_flags[3];
    wire [CTX-1:0] ctx = in_flags[4+:CTX];

    /* verilator lint_off WIDTHTRUNC */
    localparam [COUNT-1:0] END = POOL - 1;
    /* verilator lint_on WIDTHTRUNC */
    reg [CONTEXTS*COUNT-1:0] position;
    reg [CONTEXTS-1:0] begun;  // the frame's first output has left
    wire [COUNT-1:0] now = first ? {COUNT{1'b0}} : position[ctx*COUNT+:COUNT];
    wire start = now == {COUNT{1'b0}};
    wire emit = valid & (now == END);
    always @(posedge clk)
        if (valid) begin
            position[ctx*COUNT+:COUNT] <= now == END ? {COUNT{1'b0}} : now + {{(COUNT - 1) {1'b0}}, 1'b1};
            if (emit) begun[ctx] <= 1'b1;
            else if (first) begun[ctx] <= 1'b0;
        end

    reg [CHANNELS*IN-1:0] x;
    reg write, alone;
    wire [CHANNELS*OUT-1:0] state, next;
    reg [CHANNELS*OUT-1:0] result;
    always @(posedge clk) begin
        x <= in_data;
        write <= valid & ~rst;
        alone <= start;
        result <= next;
    end
    amc_context_state #(.WIDTH(CHANNELS * OUT), .CONTEXTS(CONTEXTS), .CTX(CTX)) states (
        .clk(clk), .ctx(ctx), .clear(start), .state(state), .write(write), .next(next)
    );
    genvar c;
    generate
        for (c = 0; c < CHANNELS; c = c + 1) begin : channel
            wire [IN-1:0] raw = x[c*IN+:IN];
            wire [OUT-1:0] old = state[c*OUT+:OUT];
            wire [OUT-1:0] wide;
            if (OUT > IN) begin : extend
                assign wide = {{(OUT - IN) {raw[IN-1] & (SIGNED != 0)}}, raw};
            end else begin : same
                assign wide = raw;
            end
            if (MAXIMUM != 0) begin : largest
                wire greater = SIGNED != 0 ? $signed(wide) > $signed(old) : wide > old;
                assign next[c*OUT+:OUT] = alone | greater ? wide : old;
            end else begin : sum
                // The state is cleared when `alone`.
                assign next[c*OUT+:OUT] = old + wide;
            end
        end
        if (MAXIMUM == 0) begin : no_maximum
            /* verilator lint_off UNUSEDSIGNAL */
            wire unused = alone;
            /* verilator lint_on UNUSEDSIGNAL */
        end
    endgenerate
    assign out_data = result;

    wire emit_first = first | ~begun[ctx];  // `first` itself where POOL is 1
    amc_flags #(.CTX(CTX), .CYCLES(2)) flags (
        .clk(clk), .rst(rst), .d({ctx, emit & last, emit & emit_first, emit, slot}), .q(out_flags)
    );
endmodule
