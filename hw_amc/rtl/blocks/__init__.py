"""Hardware blocks: each keeps its Verilog, integer model, latency and cost together."""
