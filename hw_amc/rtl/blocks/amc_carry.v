// A carry chain: sum = p ^ carries, the carry goes on where p is set and becomes g where it is not. With AMC_XILINX the
// cells of the part: CARRY4, or CARRY8 with AMC_CARRY8 (UltraScale+). For amc_sum3 and amc_digit_add3.
module amc_carry #(
    parameter WIDTH = 4
) (
    input  [WIDTH-1:0] p,
    input  [WIDTH-1:0] g,
    input              ci,
    output [WIDTH-1:0] sum,
    output             co
);
`ifdef AMC_XILINX
`ifdef AMC_CARRY8
    localparam CELL = 8;
`else
    localparam CELL = 4;
`endif
    localparam CELLS = (WIDTH + CELL - 1) / CELL;
    wire [CELLS*CELL-1:0] wide_p, wide_g, wide_sum, carries;
    genvar i;
    generate
        if (CELLS * CELL == WIDTH) begin : whole
            assign wide_p = p;
            assign wide_g = g;
        end else begin : partial
            assign wide_p = {{(CELLS * CELL - WIDTH) {1'b0}}, p};
            assign wide_g = {{(CELLS * CELL - WIDTH) {1'b0}}, g};
        end
        for (i = 0; i < CELLS; i = i + 1) begin : cells
`ifdef AMC_CARRY8
            CARRY8 #(.CARRY_TYPE("SINGLE_CY8")) chain (
                .CI(i == 0 ? ci : carries[i*CELL-(i>0)]), .CI_TOP(1'b0), .DI(wide_g[i*CELL+:CELL]),
                .S(wide_p[i*CELL+:CELL]), .O(wide_sum[i*CELL+:CELL]), .CO(carries[i*CELL+:CELL])
            );
`else
            // The first cell takes a carry from logic by CYINIT, the others that of the cell below.
            if (i == 0) begin : first
                CARRY4 chain (
                    .CI(1'b0), .CYINIT(ci), .DI(wide_g[3:0]), .S(wide_p[3:0]), .O(wide_sum[3:0]), .CO(carries[3:0])
                );
            end else begin : next
                CARRY4 chain (
                    .CI(carries[i*4-1]), .CYINIT(1'b0), .DI(wide_g[i*4+:4]), .S(wide_p[i*4+:4]),
                    .O(wide_sum[i*4+:4]), .CO(carries[i*4+:4])
                );
            end
`endif
        end
    endgenerate
    assign sum = wide_sum[WIDTH-1:0];
    assign co = carries[WIDTH-1];
`else
    wire [WIDTH:0] c;
    assign c[0] = ci;
    genvar i;
    generate
        for (i = 0; i < WIDTH; i = i + 1) begin : bits
            assign c[i+1] = p[i] ? c[i] : g[i];
        end
    endgenerate
    assign sum = p ^ c[WIDTH-1:0];
    assign co = c[WIDTH];
`endif
endmodule
