// Delays the flags that travel beside the data: {context, last, first, valid, slot}.
// slot: this cycle belongs to the context; valid: it carries a sample; first and last
// come with valid only. Reset empties the line of both.
module amc_flags #(
    parameter CTX = 1,
    parameter CYCLES = 1
) (
    input            clk,
    input            rst,
    input  [CTX+3:0] d,
    output [CTX+3:0] q
);
    generate
        if (CYCLES == 0) begin : none
            /* verilator lint_off UNUSEDSIGNAL */
            wire unused = clk & rst;
            /* verilator lint_on UNUSEDSIGNAL */
            assign q = d;
        end else begin : some
            reg [2*CYCLES-1:0] line;
            wire [2*CYCLES-1:0] line_next;
            if (CYCLES == 1) begin : one
                assign line_next = d[1:0];
            end else begin : many
                assign line_next = {line[2*CYCLES-3:0], d[1:0]};
            end
            always @(posedge clk)
                if (rst) line <= {(2 * CYCLES) {1'b0}};
                else line <= line_next;
            assign q[1:0] = line[2*CYCLES-1-:2];
            wire [CTX+1:0] rest_late;
            reg [CTX+1:0] rest_q;
            amc_delay #(.WIDTH(CTX + 2), .CYCLES(CYCLES - 1)) rest (.clk(clk), .d(d[CTX+3:2]), .q(rest_late));
            // The reset keeps this a flip-flop: much control hangs on it.
            always @(posedge clk)
                if (rst) rest_q <= {(CTX + 2) {1'b0}};
                else rest_q <= rest_late;
            assign q[CTX+3:2] = rest_q;
        end
    endgenerate
endmodule
