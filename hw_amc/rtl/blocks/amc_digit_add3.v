// Digit-serial sum of three words: D bits of each a cycle, lowest digit first; NEGATIVE of them, the last ones, are
// subtracted. `clear` in the cycle before a word's first digit sets the carries. s follows its operands by one cycle.
// D LUTs and a carry chain: amc_sum3 with its two carries kept from digit to digit.
module amc_digit_add3 #(
    parameter D = 2,
    parameter NEGATIVE = 0
) (
    input              clk,
    input              clear,
    input      [D-1:0] a,
    input      [D-1:0] b,
    input      [D-1:0] c,
    output reg [D-1:0] s
);
`ifdef AMC_XILINX
    reg m0, carry;
    wire [D:0] m;
    wire [D-1:0] p, sum;
    wire co;
    assign m[0] = m0;
    genvar i;
    generate
        for (i = 0; i < D; i = i + 1) begin : bits
            amc_sum3_bit #(.NEGATIVE(NEGATIVE)) one (.a(a[i]), .b(b[i]), .c(c[i]), .m(m[i]), .p(p[i]), .g(m[i+1]));
        end
    endgenerate
    amc_carry #(.WIDTH(D)) chain (.p(p), .g(m[D-1:0]), .ci(carry), .sum(sum), .co(co));
    always @(posedge clk) begin
        s <= sum;
        m0 <= clear ? NEGATIVE > 1 : m[D];
        carry <= clear ? NEGATIVE > 0 : co;
    end
`else
    // Both carries as one number, 0 to 2.
    reg [1:0] carry;
    wire [D-1:0] y = NEGATIVE > 1 ? ~b : b;
    wire [D-1:0] z = NEGATIVE > 0 ? ~c : c;
    wire [D+1:0] total = {2'b0, a} + {2'b0, y} + {2'b0, z} + {{D{1'b0}}, carry};
    always @(posedge clk) begin
        s <= total[D-1:0];
        carry <= clear ? NEGATIVE[1:0] : total[D+1:D];
    end
`endif
endmodule
