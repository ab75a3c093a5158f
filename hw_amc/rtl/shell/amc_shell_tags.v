// Small first-in first-out memory, 2**INDEX_BITS entries; the oldest entry is visible while `out_valid`.
module amc_shell_tags #(
    parameter WIDTH      = 9,
    parameter INDEX_BITS = 4
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [WIDTH-1:0] in_data,
    input  wire             in_valid,
    output wire             in_ready,
    output wire [WIDTH-1:0] out_data,
    output wire             out_valid,
    input  wire             out_ready
);
    reg [WIDTH-1:0]      entries [0:(1<<INDEX_BITS)-1];
    reg [INDEX_BITS:0]   head;
    reg [INDEX_BITS:0]   tail;

    assign in_ready  = !(head[INDEX_BITS] != tail[INDEX_BITS] && head[INDEX_BITS-1:0] == tail[INDEX_BITS-1:0]);
    assign out_valid = head != tail;
    assign out_data  = entries[tail[INDEX_BITS-1:0]];

    always @(posedge clk) begin
        if (in_valid && in_ready) begin
            entries[head[INDEX_BITS-1:0]] <= in_data;
            head                          <= head + {{INDEX_BITS{1'b0}}, 1'b1};
        end
        if (out_valid && out_ready)
            tail <= tail + {{INDEX_BITS{1'b0}}, 1'b1};
        if (rst) begin
            head <= {(INDEX_BITS+1){1'b0}};
            tail <= {(INDEX_BITS+1){1'b0}};
        end
    end
endmodule
