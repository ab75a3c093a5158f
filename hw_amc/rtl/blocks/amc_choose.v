// Of GROUPS groups of channels side by side, the one that CHOICES names for the vector's place in its frame. One cycle.
module amc_choose #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter WIDTH = 8,      // bits of a group
    parameter GROUPS = 2,
    parameter SELECT = 1,     // bits that count GROUPS
    parameter LENGTH = 4,     // vectors of a frame
    parameter TIME = 2,       // bits that count LENGTH
    parameter [LENGTH*SELECT-1:0] CHOICES = 0
) (
    input                     clk,
    input                     rst,
    input  [         CTX+3:0] in_flags,
    input  [GROUPS*WIDTH-1:0] in_data,
    output [         CTX+3:0] out_flags,
    output [       WIDTH-1:0] out_data
);
    wire valid = in_flags[1];
    wire first = in_flags[2];
    wire [CTX-1:0] ctx = in_flags[4+:CTX];
    localparam [TIME-1:0] ONE = 1;
    reg [CONTEXTS*TIME-1:0] places;
    wire [TIME-1:0] place = first ? {TIME{1'b0}} : places[ctx*TIME+:TIME];
    wire [SELECT-1:0] choice = CHOICES[place*SELECT+:SELECT];
    reg [WIDTH-1:0] result;
    always @(posedge clk) begin
        if (valid) places[ctx*TIME+:TIME] <= place + ONE;
        result <= in_data[choice*WIDTH+:WIDTH];
    end
    assign out_data = result;
    amc_flags #(.CTX(CTX), .CYCLES(1)) flags (.clk(clk), .rst(rst), .d(in_flags), .q(out_flags));
endmodule
