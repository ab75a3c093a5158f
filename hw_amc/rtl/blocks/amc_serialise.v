// A word becomes digits of D bits, lowest first: digit 0 one cycle after `load`, then sign (or zero) extension.
module amc_serialise #(
    parameter WIDTH = 8,
    parameter D = 2,
    parameter SIGNED = 1
) (
    input              clk,
    input              load,
    input  [WIDTH-1:0] x,
    output [    D-1:0] digit
);
    localparam W = WIDTH > D ? WIDTH : D;
    reg [W-1:0] word;
    wire fill = word[W-1] & (SIGNED != 0);
    /* verilator lint_off UNUSEDSIGNAL */
    wire [W+D-1:0] longer = {{D{fill}}, word};  // the lowest digit leaves
    /* verilator lint_on UNUSEDSIGNAL */
    wire [W-1:0] wide;
    generate
        if (W > WIDTH) begin : extend
            assign wide = {{(W - WIDTH) {x[WIDTH-1] & (SIGNED != 0)}}, x};
        end else begin : same
            assign wide = x;
        end
    endgenerate
    always @(posedge clk) word <= load ? wide : longer[W+D-1:D];
    assign digit = word[D-1:0];
endmodule
