// q = d, CYCLES later. No reset: the lines become shift registers in LUTs, with a flip-flop at the end (amc_register).
module amc_delay #(
    parameter WIDTH  = 1,
    parameter CYCLES = 1
) (
    /* verilator lint_off UNUSEDSIGNAL */
    input              clk,  // unused when CYCLES is 0
    /* verilator lint_on UNUSEDSIGNAL */
    input  [WIDTH-1:0] d,
    output [WIDTH-1:0] q
);
    generate
        if (CYCLES == 0) begin : none
            assign q = d;
        end else if (CYCLES == 1) begin : one
            reg [WIDTH-1:0] line;
            always @(posedge clk) line <= d;
            assign q = line;
        end else begin : many
            reg [WIDTH*(CYCLES-1)-1:0] line;
            wire [WIDTH*CYCLES-1:0] longer = {line, d};
            always @(posedge clk) line <= longer[WIDTH*(CYCLES-1)-1:0];
            amc_register #(.WIDTH(WIDTH)) last (.clk(clk), .ce(1'b1), .d(longer[WIDTH*CYCLES-1-:WIDTH]), .q(q));
        end
    endgenerate
endmodule
