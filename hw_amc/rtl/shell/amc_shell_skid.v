// Register slice for a stream: full rate, and `in_ready` comes from a flip-flop.
module amc_shell_skid #(
    parameter WIDTH = 33
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [WIDTH-1:0] in_data,
    input  wire             in_valid,
    output wire             in_ready,
    output reg  [WIDTH-1:0] out_data,
    output reg              out_valid,
    input  wire             out_ready
);
    reg [WIDTH-1:0] spare;
    reg             spare_full;

    assign in_ready = !spare_full;

    always @(posedge clk) begin
        if (!out_valid || out_ready) begin
            out_valid  <= spare_full || in_valid;
            out_data   <= spare_full ? spare : in_data;
            spare_full <= 1'b0;
        end else if (in_valid && in_ready) begin
            spare      <= in_data;
            spare_full <= 1'b1;
        end
        if (rst) begin
            out_valid  <= 1'b0;
            spare_full <= 1'b0;
        end
    end
endmodule
