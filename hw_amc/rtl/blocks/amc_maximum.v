// The largest of 2^LEVELS values for each channel, LEVELS cycles.
module amc_maximum #(
    parameter CHANNELS = 1,
    parameter LEVELS = 2,
    parameter WIDTH = 8,
    parameter SIGNED = 0
) (
    input                                   clk,
    input  [(CHANNELS<<LEVELS)*WIDTH-1:0] x,
    output [          CHANNELS*WIDTH-1:0] y
);
    localparam LEAVES = 1 << LEVELS;
    genvar c, n;
    generate
        for (c = 0; c < CHANNELS; c = c + 1) begin : channel
            // A heap: node n is the larger of nodes 2 n and 2 n + 1, a cycle later; the leaves are the values.
            for (n = 2 * LEAVES - 1; n > 0; n = n - 1) begin : heap
                wire [WIDTH-1:0] value;
                if (n >= LEAVES) begin : leaf
                    assign value = x[(c*LEAVES+n-LEAVES)*WIDTH+:WIDTH];
                end else begin : inner
                    wire [WIDTH-1:0] a = heap[2*n].value;
                    wire [WIDTH-1:0] b = heap[2*n+1].value;
                    wire greater = SIGNED != 0 ? $signed(a) > $signed(b) : a > b;
                    reg [WIDTH-1:0] larger;
                    always @(posedge clk) larger <= greater ? a : b;
                    assign value = larger;
                end
            end
            assign y[c*WIDTH+:WIDTH] = heap[1].value;
        end
    endgenerate
endmodule
