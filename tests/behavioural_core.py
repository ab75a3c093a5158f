"""A small core in plain Verilog, for tests of the shell: mean over time, then a dense layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.sources import Sources

S8_6 = FixedFormat(8, 6)


@dataclass(frozen=True)
class BehaviouralCore:
    """What `hw_amc.rtl.RtlCore` tells of a core."""

    sources: Sources
    mode: str
    contexts: int
    n_channels: int
    latency_cycles: int
    cycles_per_frame: int
    rhythm: None = None


def mean_graph(
    rng: np.random.Generator,
    name: str = "mean_net",
    frame_len: int = 16,
    heads: Any = (5,),
    input_fmt: Any = S8_6,
    wire_frac: int = 14,
) -> Graph:
    """input -> quantize -> global average -> one dense layer a head."""
    T, classes = frame_len, heads
    shift = T.bit_length() - 1
    mean = FixedFormat(input_fmt.bits + shift, input_fmt.frac + shift, input_fmt.signed)
    nodes = [
        ir.Input("input", (), (T, 2), FixedFormat(16, wire_frac)),
        ir.Quantize("input_quant", ("input",), (T, 2), input_fmt),
        ir.GlobalAvgPool1d("gap", ("input_quant",), (2,), mean),
    ]
    weight = FixedFormat(6, 5)
    bias_fmt = FixedFormat(12, mean.frac + weight.frac)
    for index, count in enumerate(classes):
        kernel = rng.integers(-32, 32, (2, count)).astype(np.int32)
        bias = rng.integers(-2000, 2000, count).astype(np.int32)
        wide = FixedFormat(48, bias_fmt.frac)
        node = ir.Dense(f"head{index}", ("gap",), (count,), wide, kernel, bias, weight, bias_fmt)
        low, high = node.acc_range(mean)
        nodes.append(type(node)(**{**vars(node), "fmt": format_for(min(low, -1), high, wide.frac)}))
    names = tuple(f"head{index}" for index in range(len(classes)))
    labels = tuple(tuple(f"class{i}" for i in range(count)) for count in classes)
    return Graph(name, tuple(nodes), names, labels)


def tied(graph: Graph) -> Graph:
    """The graph with logits 1 and 3 of every head the same, and the highest where the frame is all zeros."""
    for name in graph.outputs:
        head = graph[name]
        kernel, bias = head.kernel.copy(), head.bias.copy()
        kernel[:, 3] = kernel[:, 1]
        bias[[1, 3]] = bias.max()
        graph = graph.replace_node(replace(head, kernel=kernel, bias=bias))
    return graph


def mean_core(
    graph: Graph, cycles_per_step: int = 1, delay: int = 7, n_channels: int = 1, queue: int = 4
) -> BehaviouralCore:
    """The core of a `mean_graph`: a sample every `cycles_per_step` cycles, logits `delay` cycles after the last one.

    `queue` finished frames, a power of two, may wait for their logits.
    """
    heads = [graph[name] for name in graph.outputs]
    kernel = np.concatenate([head.kernel for head in heads], axis=1)
    bias = np.concatenate([head.scaled_bias(graph["gap"].fmt) for head in heads])
    logits = kernel.shape[1]
    fmt = graph["input_quant"].fmt
    field = -(-fmt.bits // 8) * 8
    cases = "\n".join(
        f"            {i}: logit = sum_i * ({int(kernel[0, i])}) + sum_q * ({int(kernel[1, i])}) + ({int(bias[i])});"
        for i in range(logits)
    )
    text = _VERILOG.format(
        name=graph.name,
        width=2 * field,
        field=field,
        T=graph.frame_len,
        logits=logits,
        cases=cases,
        R=cycles_per_step,
        delay=delay,
        channels=n_channels,
        queue=queue,
    )
    per_frame = max(graph.frame_len * cycles_per_step, logits + delay)
    latency = (graph.frame_len - 1) * cycles_per_step + delay + 1
    mode = "channels" if n_channels > 1 else "frames"
    files = Sources({f"{graph.name}_core.v": text})
    return BehaviouralCore(files, mode, n_channels, n_channels, latency, per_frame)


_VERILOG = """\
module {name}_core (
    input  wire clk,
    input  wire rst,
    input  wire [{width}-1:0] s_tdata,
    input  wire s_tvalid,
    output wire s_tready,
    output wire [31:0] m_tdata,
    output wire m_tvalid,
    input  wire m_tready
);
    /* verilator lint_off WIDTH */
    /* verilator lint_off BLKSEQ */
    // Sums of each channel, then a queue of finished ones.
    reg signed [31:0] acc_i [0:{channels}-1];
    reg signed [31:0] acc_q [0:{channels}-1];
    reg signed [31:0] queue_i [0:{queue}-1];
    reg signed [31:0] queue_q [0:{queue}-1];
    integer head, tail, sample, channel, pace, wait_count, index, k;
    wire signed [{field}-1:0] x_i = s_tdata[{field}-1:0];
    wire signed [{field}-1:0] x_q = s_tdata[{width}-1:{field}];
    wire signed [31:0] sum_i = queue_i[tail & ({queue}-1)];
    wire signed [31:0] sum_q = queue_q[tail & ({queue}-1)];
    reg signed [31:0] logit;

    assign s_tready = pace == 0 && head - tail < {queue};
    assign m_tvalid = head != tail && wait_count == 0;
    assign m_tdata  = logit;

    always @* begin
        case (index)
{cases}
            default: logit = 32'sd0;
        endcase
    end

    always @(posedge clk) begin
        if (pace != 0)
            pace = pace - 1;
        if (s_tvalid && s_tready) begin
            pace = {R} - 1;
            acc_i[channel] = acc_i[channel] + x_i;
            acc_q[channel] = acc_q[channel] + x_q;
            if (sample == {T} - 1) begin
                queue_i[head & ({queue}-1)] <= acc_i[channel];
                queue_q[head & ({queue}-1)] <= acc_q[channel];
                head <= head + 1;
                acc_i[channel] = 0;
                acc_q[channel] = 0;
            end
            if (channel == {channels} - 1) begin
                channel = 0;
                sample = sample == {T} - 1 ? 0 : sample + 1;
            end else
                channel = channel + 1;
        end
        if (head != tail && wait_count != 0)
            wait_count <= wait_count - 1;
        if (m_tvalid && m_tready) begin
            index <= index == {logits} - 1 ? 0 : index + 1;
            if (index == {logits} - 1) begin
                tail <= tail + 1;
                wait_count <= {delay};
            end
        end
        if (rst) begin
            for (k = 0; k < {channels}; k = k + 1) begin
                acc_i[k] = 0;
                acc_q[k] = 0;
            end
            head <= 0; tail <= 0; sample = 0; channel = 0; pace = 0; index <= 0;
            wait_count <= {delay};
        end
    end
endmodule
"""
