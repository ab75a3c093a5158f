// A frame from its end: its vectors are kept, and leave in the context's next LENGTH slots, the last one first. Two
// places for each context: one frame leaves while the next comes in. Two cycles from the slot.
module amc_reverse #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter WIDTH = 8,      // bits of a vector
    parameter LENGTH = 8,     // vectors of a frame
    parameter TIME = 3        // bits that count LENGTH
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
    wire first = in_flags[2];
    wire last = in_flags[3];
    wire [CTX-1:0] ctx = in_flags[4+:CTX];
    /* verilator lint_off WIDTHTRUNC */
    localparam [TIME-1:0] END = LENGTH - 1;
    localparam [TIME-1:0] ONE = 1;
    /* verilator lint_on WIDTHTRUNC */

    // Of each context: where it writes, what is left to read, from which place.
    reg [CONTEXTS*TIME-1:0] writes, reads;
    reg [CONTEXTS-1:0] place, reading, read_place;
    wire [TIME-1:0] w_time = first ? {TIME{1'b0}} : writes[ctx*TIME+:TIME];
    wire [TIME-1:0] r_time = reads[ctx*TIME+:TIME];
    wire leave = slot & reading[ctx];
    wire leave_last = leave & (r_time == {TIME{1'b0}});
    wire leave_first = leave & (r_time == END);
    always @(posedge clk)
        if (rst) begin
            place <= {CONTEXTS{1'b0}};
            reading <= {CONTEXTS{1'b0}};
        end else begin
            if (valid) writes[ctx*TIME+:TIME] <= w_time + ONE;
            if (leave) reads[ctx*TIME+:TIME] <= r_time - ONE;
            if (leave_last) reading[ctx] <= 1'b0;
            if (valid & last) begin
                reading[ctx] <= 1'b1;
                reads[ctx*TIME+:TIME] <= END;
                read_place[ctx] <= place[ctx];
                place[ctx] <= ~place[ctx];
            end
        end

    reg [WIDTH-1:0] vectors[0:(2<<(CTX+TIME))-1];
    reg [WIDTH-1:0] read, result;
    always @(posedge clk) begin
        if (valid) vectors[{place[ctx], ctx, w_time}] <= in_data;
        read <= vectors[{read_place[ctx], ctx, r_time}];
        result <= read;
    end
    assign out_data = result;
    amc_flags #(.CTX(CTX), .CYCLES(2)) flags (
        .clk(clk), .rst(rst), .d({ctx, leave_last, leave_first, leave, slot}), .q(out_flags)
    );
endmodule
