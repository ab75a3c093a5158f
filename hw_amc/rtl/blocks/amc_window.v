// A window over an image that passes row by row, SLOTS slots a row: what stood i rows and j slots ago, i < ROWS and
// j <= BACK, at (i * (BACK + 1) + j) * WIDTH. In front of the image's edges stands what came before. One cycle.
module amc_window #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter WIDTH = 8,      // bits of a slot's pixels
    parameter ROWS = 3,
    parameter BACK = 1,
    parameter SLOTS = 8,
    parameter ADDRESS = 5     // bits that count (ROWS - 1) * SLOTS + 1
) (
    input                             clk,
    input                             rst,
    input  [                 CTX+3:0] in_flags,
    input  [               WIDTH-1:0] in_data,
    output [                 CTX+3:0] out_flags,
    output [ROWS*(BACK+1)*WIDTH-1:0] out_data
);
    wire valid = in_flags[1];
    wire first = in_flags[2];
    wire [CTX-1:0] ctx = in_flags[4+:CTX];

    // Newest column: the slot itself, and those above it from the rows kept for each context.
    reg [ROWS*WIDTH-1:0] newest;
    always @(posedge clk) newest[WIDTH-1:0] <= in_data;
    genvar i, j;
    generate
        if (ROWS > 1) begin : above
            localparam WORDS = 1 << (CTX + ADDRESS);
            reg [CONTEXTS*ADDRESS-1:0] position;
            wire [ADDRESS-1:0] now = first ? {ADDRESS{1'b0}} : position[ctx*ADDRESS+:ADDRESS];
            always @(posedge clk) if (valid) position[ctx*ADDRESS+:ADDRESS] <= now + 1'b1;
            (* ram_style = "distributed" *)
            reg [WIDTH-1:0] lines[0:WORDS-1];
            integer k;
            initial for (k = 0; k < WORDS; k = k + 1) lines[k] = {WIDTH{1'b0}};
            always @(posedge clk) if (valid) lines[{ctx, now}] <= in_data;
            for (i = 1; i < ROWS; i = i + 1) begin : row
                /* verilator lint_off WIDTHTRUNC */
                localparam [ADDRESS-1:0] DISTANCE = i * SLOTS;
                /* verilator lint_on WIDTHTRUNC */
                wire [ADDRESS-1:0] there = now - DISTANCE;
                always @(posedge clk) newest[i*WIDTH+:WIDTH] <= lines[{ctx, there}];
            end
        end
    endgenerate

    // Columns before it.
    generate
        if (BACK > 0) begin : some
            reg write;
            always @(posedge clk) write <= valid & ~rst;
            wire [ROWS*BACK*WIDTH-1:0] state, next;
            amc_context_state #(.WIDTH(ROWS * BACK * WIDTH), .CONTEXTS(CONTEXTS), .CTX(CTX)) columns (
                .clk(clk), .ctx(ctx), .clear(first), .state(state), .write(write), .next(next)
            );
            for (i = 0; i < ROWS; i = i + 1) begin : row
                for (j = 0; j <= BACK; j = j + 1) begin : slot
                    wire [WIDTH-1:0] pixels;
                    if (j == 0) begin : new_one
                        assign pixels = newest[i*WIDTH+:WIDTH];
                    end else begin : old_one
                        assign pixels = state[(i*BACK+j-1)*WIDTH+:WIDTH];
                    end
                    if (j < BACK) begin : keep
                        assign next[(i*BACK+j)*WIDTH+:WIDTH] = pixels;
                    end
                    assign out_data[(i*(BACK+1)+j)*WIDTH+:WIDTH] = pixels;
                end
            end
        end else begin : none
            assign out_data = newest;
        end
    endgenerate
    amc_flags #(.CTX(CTX), .CYCLES(1)) flags (.clk(clk), .rst(rst), .d(in_flags), .q(out_flags));
endmodule
