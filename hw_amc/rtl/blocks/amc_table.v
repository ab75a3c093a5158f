// y[c] = TABLE[x[c]] for each channel: a function of one variable, whose bits are the address. Two cycles.
module amc_table #(
    parameter CHANNELS = 1,
    parameter IN = 8,
    parameter OUT = 8,
    parameter [(1<<IN)*OUT-1:0] TABLE = 0
) (
    input                     clk,
    input  [ CHANNELS*IN-1:0] x,
    output [CHANNELS*OUT-1:0] y
);
    genvar c;
    generate
        for (c = 0; c < CHANNELS; c = c + 1) begin : channel
            reg [OUT-1:0] values[0:(1<<IN)-1];
            integer i;
            initial for (i = 0; i < 1 << IN; i = i + 1) values[i] = TABLE[i*OUT+:OUT];
            reg [IN-1:0] address;
            reg [OUT-1:0] value;
            always @(posedge clk) begin
                address <= x[c*IN+:IN];
                value <= values[address];
            end
            assign y[c*OUT+:OUT] = value;
        end
    endgenerate
endmodule
