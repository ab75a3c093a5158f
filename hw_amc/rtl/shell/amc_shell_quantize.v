// One component of a sample: clip(rne(raw, SHIFT - input_shift)) into BITS signed bits, two stages; the result is
// sign-extended to FIELD bits.
//
// The word is shifted left only, so that the binary point of the result always lies at bit 16 of `wide`: rounding
// then happens in one place. A right shift by 16 or more leaves less than half a unit of a 16-bit word: zero.
module amc_shell_quantize #(
    parameter                    BITS  = 8,
    parameter                    FIELD = 8,
    parameter signed      [8:0]  SHIFT = 9'sd8  // wire_frac - input_frac
) (
    input  wire                    clk,
    input  wire signed [7:0]       input_shift,
    input  wire        [15:0]      raw,
    input  wire                    load_wide,
    input  wire                    load_out,
    output reg         [FIELD-1:0] out,
    output reg                     saturated
);
    localparam signed [9:0] RIGHT_MAX = 10'sd16;
    localparam signed [9:0] LEFT_MAX  = BITS;  // from here on all but zero saturates

    // Left shift of `wide`, 0 .. 16 + BITS; from a register that changes between frames only.
    wire signed [9:0] right = {SHIFT[8], SHIFT} - {{2{input_shift[7]}}, input_shift};
    wire signed [9:0] bound = (right > RIGHT_MAX) ? RIGHT_MAX : (right < -LEFT_MAX) ? -LEFT_MAX : right;
    wire signed [9:0] moved = RIGHT_MAX - bound;
    reg         [5:0] left;

    reg  signed [31+BITS:0] wide;
    wire signed [31+BITS:0] extended = {{(16+BITS){raw[15]}}, raw};

    wire signed [16+BITS:0] whole = {wide[31+BITS], wide[31+BITS:16]};
    wire                    up    = wide[15] && ((|wide[14:0]) || wide[16]);
    wire        [BITS-1:0]  sum   = whole[BITS-1:0] + {{(BITS-1){1'b0}}, up};
    // Whether the rounded number fits is found beside the addition, from the number before: it fits when the bits above
    // the result's sign all equal it; rounding up takes the largest number out, and brings the one below the least in.
    wire                    ones    = &whole[16+BITS:BITS];
    wire                    zeros   = !(|whole[16+BITS:BITS]);
    wire                    held    = whole[BITS-1] ? ones : zeros;
    wire                    edges   = !whole[BITS-1] && (&whole[BITS-2:0]);
    wire                    largest = edges && zeros;
    wire                    below   = edges && ones;
    wire                    fits    = up ? (held && !largest) || below : held;
    wire                    unused  = &{1'b0, moved[9:6]};

    always @(posedge clk) begin
        left <= moved[5:0];
        if (load_wide)
            wide <= extended <<< left;
        if (load_out) begin
            saturated <= !fits;
            if (fits)
                out <= {{(FIELD-BITS+1){sum[BITS-1]}}, sum[BITS-2:0]};
            else
                out <= {{(FIELD-BITS+1){whole[16+BITS]}}, {(BITS-1){!whole[16+BITS]}}};
        end
    end
endmodule
