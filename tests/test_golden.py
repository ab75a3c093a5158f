"""The golden interpreter against the equations, written once more in Python integers without any cleverness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Widths, gru_cnn_graph, random_frames

from hw_amc import graph as ir
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph import golden
from hw_amc.graph.fixed import FixedFormat


def rne(value: int, shift: int) -> int:
    """Half to even by exact rational arithmetic."""
    if shift <= 0:
        return value << -shift
    floor, rest = value >> shift, value & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    return floor + (rest > half or (rest == half and floor & 1 == 1))


def clip(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def gru_by_hand(node: ir.Gru, x_fmt: FixedFormat, frame: np.ndarray) -> list[list[int]]:
    """DESIGN's equations over symbols, one scalar at a time."""
    H, F, g = node.units, node.acc_frac(x_fmt), node.gate_fmt.frac
    W, U = node.kernel.tolist(), node.recurrent.tolist()
    h, states = [0] * H, []
    for x in frame.tolist():
        m_x = [
            (sum(x[i] * W[i][j] for i in range(len(x))) << (F - x_fmt.frac - node.kernel_fmt.frac))
            + (int(node.bias[j]) << (F - node.bias_fmt.frac))
            for j in range(3 * H)
        ]
        m_h = [
            (sum(h[i] * U[i][j] for i in range(H)) << (F - node.fmt.frac - node.recurrent_fmt.frac))
            + (int(node.recurrent_bias[j]) << (F - node.recurrent_bias_fmt.frac))
            for j in range(3 * H)
        ]
        new = []
        for j in range(H):
            z, r = (
                clip(rne(clip(m_x[k] + m_h[k] + (1 << F), 0, 2 << F), F + 1 - g), 0, node.gate_fmt.max_raw)
                for k in (j, H + j)
            )
            limit = 1 << (F + g)
            c = clip((m_x[2 * H + j] << g) + r * m_h[2 * H + j], -limit, limit)
            c = clip(rne(c, F + g - node.fmt.frac), node.fmt.min_raw, node.fmt.max_raw)
            new.append(clip(rne(z * h[j] + ((1 << g) - z) * c, g), node.fmt.min_raw, node.fmt.max_raw))
        h = new
        states.append(h)
    return states


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([4, 6, 8, 12, 16]), state_bits=st.sampled_from([4, 8, 16]))
def test_gru_equals_the_equations(seed: int, bits: int, state_bits: int) -> None:
    rng = np.random.default_rng(seed)
    widths = Widths(weight_bits=bits, state_bits=state_bits, gate_bits=state_bits, bias_bits=bits)
    graph = gru_cnn_graph(rng, frame_len=8, cells=4, widths=widths)
    frames = random_frames(rng, graph, 2)
    tensors = golden.run(graph, frames, keep=["input_quant", "gru"])
    node = graph["gru"]
    assert isinstance(node, ir.Gru)
    for quantised, states in zip(tensors["input_quant"], tensors["gru"], strict=True):
        np.testing.assert_array_equal(states, gru_by_hand(node, graph["input_quant"].fmt, quantised))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_feed_forward_layers_equal_the_equations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = gru_cnn_graph(rng, frame_len=8)
    (frame,) = random_frames(rng, graph, 1)
    t = {k: v[0].tolist() for k, v in golden.run(graph, frame[None], keep=[n.name for n in graph.nodes]).items()}

    for node, (source,) in graph.walk():
        x, y = t[source.name], t[node.name]
        if isinstance(node, ir.Quantize):
            expected = [
                clip(rne(v, source.fmt.frac - node.fmt.frac), node.fmt.min_raw, node.fmt.max_raw)
                for v in np.ravel(x).tolist()
            ]
        elif isinstance(node, ir.Affine):
            bias = node.scaled_bias(source.fmt)
            rows = np.reshape(x, (-1, len(node.kernel))).tolist()
            expected = [v * int(k) + int(b) for row in rows for v, k, b in zip(row, node.kernel, bias, strict=True)]
        elif isinstance(node, ir.Conv1d):
            expected = conv_by_hand(node, source.fmt, x)
        elif isinstance(node, ir.AvgPool1d):
            expected = [a + b for i in range(0, len(x), 2) for a, b in zip(x[i], x[i + 1], strict=True)]
        elif isinstance(node, ir.GlobalAvgPool1d):
            expected = [sum(column) for column in zip(*x, strict=True)]
        else:
            continue
        assert np.ravel(y).tolist() == expected, node.name


def conv_by_hand(node: ir.Conv1d, x_fmt: FixedFormat, x: list[list[int]]) -> list[int]:
    width, channels, filters = node.kernel.shape
    kernel, bias = node.kernel.tolist(), node.scaled_bias(x_fmt).tolist()
    out = []
    for t in range(len(x)):
        for f in range(filters):
            acc = bias[f]
            for k in range(width):
                s = t + k - (width - 1) // 2
                if 0 <= s < len(x):
                    acc += sum(x[s][c] * kernel[k][c][f] for c in range(channels))
            out.append(acc)
    return out


def test_workers_and_chunks_do_not_change_the_result() -> None:
    rng = np.random.default_rng(1)
    graph = gru_cnn_graph(rng)
    frames = random_frames(rng, graph, golden.CHUNK + 7)
    alone, shared = golden.run(graph, frames), golden.run(graph, frames, workers=2)
    np.testing.assert_array_equal(alone["head"], shared["head"])
    np.testing.assert_array_equal(alone["head"][-1:], golden.run(graph, frames[-1:])["head"])


def test_no_frames_give_empty_tensors() -> None:
    graph = gru_cnn_graph(np.random.default_rng(1))
    assert golden.run(graph, np.zeros((0, 16, 2), np.int16))["head"].shape == (0, 3)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((1, 16, 2)), "raw integers"),
        (np.zeros((1, 15, 2), np.int16), "shape"),
        (np.full((1, 16, 2), 1 << 15), "outside the input format"),
    ],
)
def test_bad_frames_are_refused(frames: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        golden.run(gru_cnn_graph(np.random.default_rng(1)), frames)


def test_unknown_tensor_is_refused_with_the_known_names() -> None:
    graph = gru_cnn_graph(np.random.default_rng(1))
    with pytest.raises(ConfigError, match="it has input, input_quant, gru"):
        golden.run(graph, np.zeros((1, 16, 2), np.int16), keep=["nonesuch"])
