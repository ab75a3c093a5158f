// One word for each channel, read as it stands; a register where there is one channel only.
module amc_shell_store #(
    parameter WIDTH      = 8,
    parameter INDEX_BITS = 0  // 2**INDEX_BITS channels
) (
    input  wire             clk,
    input  wire             write,
    input  wire [7:0]       write_at,
    input  wire [WIDTH-1:0] in_data,
    input  wire [7:0]       read_at,
    output wire [WIDTH-1:0] out_data
);
    wire unused = &{1'b0, write_at, read_at};

    generate
        if (INDEX_BITS == 0) begin : one
            reg [WIDTH-1:0] word;

            assign out_data = word;
            always @(posedge clk) begin
                if (write)
                    word <= in_data;
            end
        end else begin : many
            reg [WIDTH-1:0] words [0:(1<<INDEX_BITS)-1];

            assign out_data = words[read_at[INDEX_BITS-1:0]];
            always @(posedge clk) begin
                if (write)
                    words[write_at[INDEX_BITS-1:0]] <= in_data;
            end
        end
    endgenerate
endmodule
