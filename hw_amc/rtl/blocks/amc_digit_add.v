// Digit-serial adder: D bits of a word a cycle, lowest digit first. `clear` in the cycle before a word's first digit
// sets the carry to 0 (to 1 for a - b). s follows a and b by one cycle.
// D LUTs: bits are taken in pairs, a LUT with two outputs gives the upper sum and the carry. With AMC_XILINX that LUT
// is the primitive LUT6_2 (synthesis tools do not find it by themselves); without, the same function in plain Verilog.
module amc_digit_add #(
    parameter D   = 2,
    parameter SUB = 0
) (
    input              clk,
    input              clear,
    input      [D-1:0] a,
    input      [D-1:0] b,
    output reg [D-1:0] s
);
    reg carry;
    wire [D-1:0] sum;
    wire [(D+1)/2:0] c;
    assign c[0] = carry;

    genvar i;
    generate
        for (i = 0; i + 1 < D; i = i + 2) begin : pair
            assign sum[i] = a[i] ^ b[i] ^ c[i/2] ^ (SUB != 0);
            amc_pair_add #(.SUB(SUB)) upper (
                .a0(a[i]), .b0(b[i]), .a1(a[i+1]), .b1(b[i+1]), .c0(c[i/2]), .s1(sum[i+1]), .c2(c[i/2+1])
            );
        end
        if (D % 2 == 1) begin : odd
            amc_last_add #(.SUB(SUB)) last (.a(a[D-1]), .b(b[D-1]), .c(c[D/2]), .s(sum[D-1]), .c1(c[D/2+1]));
        end
    endgenerate

    always @(posedge clk) begin
        s <= sum;
        if (clear) carry <= (SUB != 0);
        else carry <= c[(D+1)/2];
    end
endmodule
