// One AXI4-Lite port for several lanes: the address bits above ADDRESS choose the lane, the bits below go to it. One
// write and one read are under way at a time. Addresses of lanes that are not there read 0 and are answered with OKAY,
// as a lane does for those without a register.
module amc_lanes #(
    parameter LANES     = 2,
    parameter LANE_BITS = 1,
    parameter ADDRESS   = 8
) (
    input  wire                         aclk,
    input  wire                         aresetn,
    input  wire [LANE_BITS+ADDRESS-1:0] s_axi_awaddr,
    input  wire                         s_axi_awvalid,
    output wire                         s_axi_awready,
    input  wire [31:0]                  s_axi_wdata,
    input  wire [3:0]                   s_axi_wstrb,
    input  wire                         s_axi_wvalid,
    output wire                         s_axi_wready,
    output wire [1:0]                   s_axi_bresp,
    output wire                         s_axi_bvalid,
    input  wire                         s_axi_bready,
    input  wire [LANE_BITS+ADDRESS-1:0] s_axi_araddr,
    input  wire                         s_axi_arvalid,
    output wire                         s_axi_arready,
    output wire [31:0]                  s_axi_rdata,
    output wire [1:0]                   s_axi_rresp,
    output wire                         s_axi_rvalid,
    input  wire                         s_axi_rready,
    // The lanes: addresses and data for all, a handshake each.
    output wire [ADDRESS-1:0]           lane_awaddr,
    output wire [LANES-1:0]             lane_awvalid,
    input  wire [LANES-1:0]             lane_awready,
    output wire [31:0]                  lane_wdata,
    output wire [3:0]                   lane_wstrb,
    output wire [LANES-1:0]             lane_wvalid,
    input  wire [LANES-1:0]             lane_wready,
    input  wire [2*LANES-1:0]           lane_bresp,
    input  wire [LANES-1:0]             lane_bvalid,
    output wire [LANES-1:0]             lane_bready,
    output wire [ADDRESS-1:0]           lane_araddr,
    output wire [LANES-1:0]             lane_arvalid,
    input  wire [LANES-1:0]             lane_arready,
    input  wire [32*LANES-1:0]          lane_rdata,
    input  wire [2*LANES-1:0]           lane_rresp,
    input  wire [LANES-1:0]             lane_rvalid,
    output wire [LANES-1:0]             lane_rready
);
    reg                         aw_full, w_full, ar_full;    // taken from the master, not yet answered
    reg                         aw_sent, w_sent, ar_sent;    // taken by the lane
    reg [LANE_BITS+ADDRESS-1:0] aw, ar;
    reg [31:0]                  data;
    reg [3:0]                   strobe;

    // One bit for the lane that is meant; none, if it is not there.
    wire [LANES-1:0] w_lane, r_lane;
    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            assign w_lane[i] = {{(32 - LANE_BITS) {1'b0}}, aw[ADDRESS+:LANE_BITS]} == i;
            assign r_lane[i] = {{(32 - LANE_BITS) {1'b0}}, ar[ADDRESS+:LANE_BITS]} == i;
        end
    endgenerate

    // The word of the lane that is meant, else 0.
    function automatic [31:0] word_of(input reg [32*LANES-1:0] words, input reg [LANES-1:0] meant);
        integer k;
        begin
            word_of = 32'd0;
            for (k = 0; k < LANES; k = k + 1) if (meant[k]) word_of = words[32*k+:32];
        end
    endfunction
    function automatic [1:0] response_of(input reg [2*LANES-1:0] responses, input reg [LANES-1:0] meant);
        integer k;
        begin
            response_of = 2'b00;
            for (k = 0; k < LANES; k = k + 1) if (meant[k]) response_of = responses[2*k+:2];
        end
    endfunction
    wire write = aw_full & w_full;

    assign s_axi_awready = !aw_full;
    assign s_axi_wready  = !w_full;
    assign s_axi_arready = !ar_full;
    assign lane_awaddr   = aw[ADDRESS-1:0];
    assign lane_wdata    = data;
    assign lane_wstrb    = strobe;
    assign lane_araddr   = ar[ADDRESS-1:0];
    assign lane_awvalid  = w_lane & {LANES{write & !aw_sent}};
    assign lane_wvalid   = w_lane & {LANES{write & !w_sent}};
    assign lane_arvalid  = r_lane & {LANES{ar_full & !ar_sent}};
    assign lane_bready   = w_lane & {LANES{write & s_axi_bready}};
    assign lane_rready   = r_lane & {LANES{ar_full & s_axi_rready}};
    assign s_axi_bvalid  = write & (w_lane == {LANES{1'b0}} || (w_lane & lane_bvalid) != {LANES{1'b0}});
    assign s_axi_rvalid  = ar_full & (r_lane == {LANES{1'b0}} || (r_lane & lane_rvalid) != {LANES{1'b0}});
    assign s_axi_rdata   = word_of(lane_rdata, r_lane);
    assign s_axi_bresp   = response_of(lane_bresp, w_lane);
    assign s_axi_rresp   = response_of(lane_rresp, r_lane);

    always @(posedge aclk) begin
        if (s_axi_awvalid & s_axi_awready) begin
            aw_full <= 1'b1;
            aw      <= s_axi_awaddr;
        end
        if (s_axi_wvalid & s_axi_wready) begin
            w_full <= 1'b1;
            data   <= s_axi_wdata;
            strobe <= s_axi_wstrb;
        end
        if (s_axi_arvalid & s_axi_arready) begin
            ar_full <= 1'b1;
            ar      <= s_axi_araddr;
        end
        if ((lane_awvalid & lane_awready) != {LANES{1'b0}}) aw_sent <= 1'b1;
        if ((lane_wvalid & lane_wready) != {LANES{1'b0}}) w_sent <= 1'b1;
        if ((lane_arvalid & lane_arready) != {LANES{1'b0}}) ar_sent <= 1'b1;
        if (s_axi_bvalid & s_axi_bready) begin
            aw_full <= 1'b0;
            w_full  <= 1'b0;
            aw_sent <= 1'b0;
            w_sent  <= 1'b0;
        end
        if (s_axi_rvalid & s_axi_rready) begin
            ar_full <= 1'b0;
            ar_sent <= 1'b0;
        end
        if (!aresetn) begin
            aw_full <= 1'b0;
            w_full  <= 1'b0;
            ar_full <= 1'b0;
            aw_sent <= 1'b0;
            w_sent  <= 1'b0;
            ar_sent <= 1'b0;
        end
    end
endmodule
