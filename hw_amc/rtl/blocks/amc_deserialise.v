// DIGITS digits of D bits become a word that stands from the cycle after `take` to the next one. `take` comes EXTRA
// cycles after the word's last digit.
module amc_deserialise #(
    parameter D = 2,
    parameter DIGITS = 10,
    parameter EXTRA = 0
) (
    input                     clk,
    input                     take,
    input      [       D-1:0] digit,
    output reg [DIGITS*D-1:0] word
);
    localparam LENGTH = DIGITS - 1 + EXTRA;
    generate
        if (LENGTH == 0) begin : none
            always @(posedge clk) if (take) word <= digit;
        end else begin : some
            reg [LENGTH*D-1:0] line;
            wire [LENGTH*D+D-1:0] longer = {digit, line};
            always @(posedge clk) begin
                line <= longer[LENGTH*D+D-1:D];
                if (take) word <= longer[DIGITS*D-1:0];
            end
        end
    endgenerate
endmodule
