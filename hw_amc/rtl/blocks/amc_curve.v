// A sum inside a cell becomes a value: rounded and saturated (amc_round_saturate), or what stands in a table for the
// rounded sum. Combinational.
module amc_curve #(
    parameter IN = 16,
    parameter SHIFT = 7,
    parameter ROUNDED = 8,    // bits of the rounded sum: OUT without a table
    parameter OUT = 8,
    parameter SIGNED = 0,     // the value; what a table takes is signed
    parameter TABLED = 1,
    parameter [(1<<ROUNDED)*OUT-1:0] TABLE = 0
) (
    input  [ IN-1:0] x,
    output [OUT-1:0] y
);
    wire [ROUNDED-1:0] rounded;
    amc_round_saturate #(
        .IN(IN), .SHIFT(SHIFT), .OUT(ROUNDED), .OUT_SIGNED(TABLED != 0 || SIGNED != 0)
    ) round (.x(x), .y(rounded));
    generate
        if (TABLED != 0) begin : tabled
            reg [OUT-1:0] values[0:(1<<ROUNDED)-1];
            integer i;
            initial for (i = 0; i < 1 << ROUNDED; i = i + 1) values[i] = TABLE[i*OUT+:OUT];
            assign y = values[rounded];
        end else begin : hard
            assign y = rounded;
        end
    endgenerate
endmodule
