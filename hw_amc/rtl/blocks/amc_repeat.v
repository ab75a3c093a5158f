// A frame's one vector COUNT times: in its own slot, and in the context's next ones. One cycle.
module amc_repeat #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter WIDTH = 8,
    parameter COUNT = 2,
    parameter TIME = 2        // bits that hold COUNT
) (
    input              clk,
    input              rst,
    input  [  CTX+3:0] in_flags,
    input  [WIDTH-1:0] in_data,
    output [  CTX+3:0] out_flags,
    output [WIDTH-1:0] out_data
);
    wire slot = in_flags[0];
    wire valid = in_flags[1];
    wire [CTX-1:0] ctx = in_flags[4+:CTX];
    /* verilator lint_off UNUSEDSIGNAL */
    wire [1:0] ends = in_flags[3:2];  // a frame has one vector here
    /* verilator lint_on UNUSEDSIGNAL */
    /* verilator lint_off WIDTHTRUNC */
    localparam [TIME-1:0] REST = COUNT - 1;
    localparam [TIME-1:0] ONE = 1;
    /* verilator lint_on WIDTHTRUNC */
    reg [CONTEXTS*TIME-1:0] left;
    wire [TIME-1:0] left_now = left[ctx*TIME+:TIME];
    wire again = slot & !valid & (left_now != {TIME{1'b0}});
    wire last = (again & left_now == ONE) | (valid & REST == {TIME{1'b0}});
    always @(posedge clk)
        if (rst) left <= {(CONTEXTS * TIME) {1'b0}};
        else if (valid) left[ctx*TIME+:TIME] <= REST;
        else if (again) left[ctx*TIME+:TIME] <= left_now - ONE;

    (* ram_style = "distributed" *)
    reg [WIDTH-1:0] kept[0:(1<<CTX)-1];
    reg [WIDTH-1:0] result;
    always @(posedge clk) begin
        if (valid) kept[ctx] <= in_data;
        result <= valid ? in_data : kept[ctx];
    end
    assign out_data = result;
    amc_flags #(.CTX(CTX), .CYCLES(1)) flags (
        .clk(clk), .rst(rst), .d({ctx, last, valid, valid | again, slot}), .q(out_flags)
    );
endmodule
