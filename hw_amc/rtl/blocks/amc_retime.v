// Behind a pool samples come at a fraction of the rate, but in bursts: in one round of the slots for every context, in
// the next for none. Here a context's sample waits for its slot in slower rounds, SLOT_CYCLES apart, with their own
// count from reset on. The fast slots give a context at most one sample in a slow round, so that one place is enough: a
// sample that comes in the very cycle of the slot finds the one before it gone. One cycle behind the slow slot.
module amc_retime #(
    parameter CTX = 1,
    parameter CONTEXTS = 1,
    parameter SLOT_CYCLES = 2,
    parameter SLOT_BITS = 1,
    parameter WIDTH = 8
) (
    input              clk,
    input              rst,
    input  [  CTX+3:0] in_flags,
    input  [WIDTH-1:0] in_data,
    output [  CTX+3:0] out_flags,
    output [WIDTH-1:0] out_data
);
    /* verilator lint_off WIDTHTRUNC */
    localparam [CTX-1:0] CTX_END = CONTEXTS - 1;
    localparam [SLOT_BITS-1:0] SLOT_END = SLOT_CYCLES - 1;
    /* verilator lint_on WIDTHTRUNC */
    wire write = in_flags[1];
    wire [CTX-1:0] w_ctx = in_flags[4+:CTX];
    /* verilator lint_off UNUSEDSIGNAL */
    wire fast_slot = in_flags[0];  // idle ones end here
    /* verilator lint_on UNUSEDSIGNAL */

    reg [SLOT_BITS-1:0] phase;
    reg [CTX-1:0] ctx;
    reg [CONTEXTS-1:0] full;
    (* ram_style = "distributed" *)
    reg [WIDTH+1:0] places[0:CONTEXTS-1];  // last, first, data
    wire slot = phase == {SLOT_BITS{1'b0}};
    wire valid = slot & full[ctx];
    wire [WIDTH+1:0] place = places[ctx];
    reg [WIDTH-1:0] data;
    always @(posedge clk) begin
        if (write) places[w_ctx] <= {in_flags[3:2], in_data};
        data <= place[WIDTH-1:0];
        if (rst) begin
            phase <= {SLOT_BITS{1'b0}};
            ctx <= {CTX{1'b0}};
            full <= {CONTEXTS{1'b0}};
        end else begin
            phase <= phase == SLOT_END ? {SLOT_BITS{1'b0}} : phase + 1'b1;
            if (phase == SLOT_END) ctx <= ctx == CTX_END ? {CTX{1'b0}} : ctx + 1'b1;
            if (valid) full[ctx] <= 1'b0;
            if (write) full[w_ctx] <= 1'b1;
        end
    end
    assign out_data = data;
    amc_flags #(.CTX(CTX), .CYCLES(1)) flags (
        .clk(clk), .rst(rst), .d({ctx, valid & place[WIDTH+1], valid & place[WIDTH], valid, slot}), .q(out_flags)
    );
endmodule
