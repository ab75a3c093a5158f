// One word of state for each context, read a cycle ahead and written back in the cycle of its use.
// `ctx` and `clear` belong to the cycle before `state`; `write` and `next` to the cycle of `state`.
// A context comes again after two cycles or more; with one context it may come every cycle.
module amc_context_state #(
    parameter WIDTH = 8,
    parameter CONTEXTS = 1,
    parameter CTX = 1
) (
    input              clk,
    /* verilator lint_off UNUSEDSIGNAL */
    input  [  CTX-1:0] ctx,    // unused with one context
    /* verilator lint_on UNUSEDSIGNAL */
    input              clear,
    output [WIDTH-1:0] state,
    input              write,
    input  [WIDTH-1:0] next
);
    generate
        if (CONTEXTS == 1) begin : one
            reg [WIDTH-1:0] value;
            reg cleared;
            always @(posedge clk) begin
                cleared <= clear;
                if (write) value <= next;
            end
            assign state = cleared ? {WIDTH{1'b0}} : value;
        end else begin : many
            (* ram_style = "distributed" *)
            reg [WIDTH-1:0] values[0:CONTEXTS-1];
            reg [WIDTH-1:0] value;
            reg [CTX-1:0] ctx_q;
            always @(posedge clk) begin
                ctx_q <= ctx;
                if (clear) value <= {WIDTH{1'b0}};
                else value <= values[ctx];
                if (write) values[ctx_q] <= next;
            end
            assign state = value;
        end
    endgenerate
endmodule
