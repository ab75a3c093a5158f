// q = d, CYCLES later. No reset: the lines become shift registers in LUTs, with a flip-flop at the end (by Vivado, not
// by Yosys), because a shift register's clock-to-output time is three times a flip-flop's.
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
            (* shreg_extract = "no" *)
            reg [WIDTH-1:0] last;
            wire [WIDTH*CYCLES-1:0] longer = {line, d};
            always @(posedge clk) begin
                line <= longer[WIDTH*(CYCLES-1)-1:0];
                last <= longer[WIDTH*CYCLES-1-:WIDTH];
            end
            assign q = last;
        end
    endgenerate
endmodule
