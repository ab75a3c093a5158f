// q = d, a cycle later (where ce is 1), in flip-flops: what ends a shift register in LUTs, whose clock-to-output time is
// three times as long. With AMC_XILINX they are instantiated and kept, since Yosys looks at no attribute of a register
// here.
module amc_register #(
    parameter WIDTH = 1
) (
    input              clk,
    input              ce,
    input  [WIDTH-1:0] d,
    output [WIDTH-1:0] q
);
`ifdef AMC_XILINX
    genvar i;
    generate
        for (i = 0; i < WIDTH; i = i + 1) begin : bits
            (* keep *)
            FDRE #(.INIT(1'b0)) register (.C(clk), .CE(ce), .R(1'b0), .D(d[i]), .Q(q[i]));
        end
    endgenerate
`else
    (* shreg_extract = "no" *)
    reg [WIDTH-1:0] value;
    always @(posedge clk) if (ce) value <= d;
    assign q = value;
`endif
endmodule
