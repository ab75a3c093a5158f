"""The golden interpreter against the equations, written once more in Python integers without any cleverness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import Widths, gru_cnn_graph, random_frames, random_gru, random_lstm, with_tables

from hw_amc import graph as ir
from hw_amc.errors import ConfigError, DataError, UnsupportedLayer
from hw_amc.graph import Graph, golden
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


def gate_by_hand(node: ir.Gru | ir.Lstm, total: int, frac: int) -> int:
    """A gate of a sum of `frac` fraction bits: hard, or looked up."""
    if node.gate_in_fmt is not None:
        return look_up_by_hand(node.gate_table, node.gate_in_fmt, total, frac)
    g = node.gate_fmt.frac
    return clip(rne(clip(total + (1 << frac), 0, 2 << frac), frac + 1 - g), 0, node.gate_fmt.max_raw)


def candidate_by_hand(node: ir.Gru | ir.Lstm, total: int, frac: int) -> int:
    if node.candidate_in_fmt is not None:
        return look_up_by_hand(node.candidate_table, node.candidate_in_fmt, total, frac)
    fmt = node.candidate_fmt
    return clip(rne(clip(total, -(1 << frac), 1 << frac), frac - fmt.frac), fmt.min_raw, fmt.max_raw)


def look_up_by_hand(table: Any, fmt: FixedFormat, total: int, frac: int) -> int:
    return int(table[clip(rne(total, frac - fmt.frac), fmt.min_raw, fmt.max_raw) - fmt.min_raw])


def gru_by_hand(node: ir.Gru, x_fmt: FixedFormat, frame: np.ndarray) -> list[list[int]]:
    """DESIGN's equations over symbols, one scalar at a time."""
    H, F, g = node.units, node.acc_frac(x_fmt), node.gate_fmt.frac
    W, U = node.kernel.tolist(), node.recurrent.tolist()
    up = F - node.fmt.frac - node.recurrent_fmt.frac
    h, states = [0] * H, []
    for x in frame.tolist():
        m_x = [
            (sum(x[i] * W[i][j] for i in range(len(x))) << (F - x_fmt.frac - node.kernel_fmt.frac))
            + (int(node.bias[j]) << (F - node.bias_fmt.frac))
            for j in range(3 * H)
        ]
        m_h = [
            (sum(h[i] * U[i][j] for i in range(H)) << up)
            + (int(node.recurrent_bias[j]) << (F - node.recurrent_bias_fmt.frac))
            for j in range(3 * H)
        ]
        z, r = ([gate_by_hand(node, m_x[j] + m_h[j], F) for j in range(start, start + H)] for start in (0, H))
        new = []
        for j in range(H):
            inner = r[j] * m_h[2 * H + j]
            if not node.reset_after:
                inner = sum(r[i] * h[i] * U[i][2 * H + j] for i in range(H)) << up
            c = candidate_by_hand(node, (m_x[2 * H + j] << g) + inner, F + g)
            new.append(clip(rne(z[j] * h[j] + ((1 << g) - z[j]) * c, g), node.fmt.min_raw, node.fmt.max_raw))
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


def affine_graph(fmt: FixedFormat, kernel: int, kernel_fmt: FixedFormat, bias: int, bias_fmt: FixedFormat) -> Graph:
    """One multiplication of a wire word, in the narrowest format that holds its result."""
    source = ir.Input("input", (), (1, 2), fmt)
    arrays = [np.full(2, value, np.int32) for value in (kernel, bias)]
    wide = FixedFormat(48, fmt.frac + kernel_fmt.frac)
    node = ir.Affine("affine", ("input",), (1, 2), wide, *arrays, kernel_fmt, bias_fmt)
    node = replace(node, fmt=node.narrowest_format(fmt))
    flat = ir.Reshape("flat", ("affine",), (2,), node.fmt)
    return Graph("product", (source, node, flat), ("flat",), (("a", "b"),))


any_format = st.builds(FixedFormat, st.integers(2, 48), st.integers(-48, 48), st.booleans())


@given(source=any_format, fmt=any_format, data=st.data())
def test_quantize_is_exact_between_any_two_formats(source: FixedFormat, fmt: FixedFormat, data: st.DataObject) -> None:
    frame = [data.draw(st.integers(source.min_raw, source.max_raw)), source.max_raw]
    nodes = (
        ir.Input("input", (), (1, 2), source),
        ir.Quantize("q", ("input",), (1, 2), fmt),
        ir.Reshape("flat", ("q",), (2,), fmt),
    )
    graph = Graph("quantiser", nodes, ("flat",), (("a", "b"),))
    found = golden.run(graph, np.array([[frame]]))["flat"]
    assert found[0].tolist() == [clip(rne(raw, source.frac - fmt.frac), fmt.min_raw, fmt.max_raw) for raw in frame]


def test_quantize_saturates_to_the_limits_of_a_wide_format() -> None:
    """A float32, which holds every s8, rounds 2^25 - 1 up."""
    nodes = (
        ir.Input("input", (), (1, 2), FixedFormat(8, 6)),
        ir.Quantize("q", ("input",), (1, 2), FixedFormat(26, 30)),
        ir.Reshape("flat", ("q",), (2,), FixedFormat(26, 30)),
    )
    graph = Graph("quantiser", nodes, ("flat",), (("a", "b"),))
    assert golden.run(graph, np.array([[[127, -128]]]))["flat"].tolist() == [[33554431, -33554432]]


@given(fmt=any_format, kernel=st.integers(-(1 << 31), (1 << 31) - 1), bias=st.integers(-(1 << 31), (1 << 31) - 1),
       kernel_frac=st.integers(-8, 31), coarser=st.integers(0, 48), data=st.data())  # fmt: skip
def test_products_are_exact_or_refused_by_name(
    fmt: FixedFormat, kernel: int, bias: int, kernel_frac: int, coarser: int, data: st.DataObject
) -> None:
    kernel_fmt = FixedFormat(32, kernel_frac)
    frac = fmt.frac + kernel_frac
    assume(-48 <= frac <= 48 and frac - coarser >= -48)
    bounds = [kernel * raw + (bias << coarser) for raw in (fmt.min_raw, fmt.max_raw)]
    frame = [data.draw(st.integers(fmt.min_raw, fmt.max_raw)), fmt.min_raw]
    if not FixedFormat(48, 0).holds(bounds):
        with pytest.raises((ConfigError, DataError)):
            affine_graph(fmt, kernel, kernel_fmt, bias, FixedFormat(32, frac - coarser))
        return
    graph = affine_graph(fmt, kernel, kernel_fmt, bias, FixedFormat(32, frac - coarser))
    found = golden.run(graph, np.array([[frame]]))["flat"]
    assert found[0].tolist() == [kernel * raw + (bias << coarser) for raw in frame]


def test_a_range_beyond_64_bits_does_not_wrap() -> None:
    """(2^34 - 1) 2^30 is 2^64 less 2^30: in 64 bits it looks small."""
    source = ir.Input("input", (), (1, 2), FixedFormat(35, 0))
    arrays = [np.full(2, value, np.int32) for value in (1 << 30, 0)]
    node = ir.Affine("scale", ("input",), (1, 2), FixedFormat(48, 0), *arrays, FixedFormat(32, 0), FixedFormat(8, 0))
    with pytest.raises(DataError, match=r"'scale' .* cannot hold the accumulator \[-18446744073709551616, "):
        Graph("wraps", (source, node), ("scale",), (("a", "b"),))


def lstm_by_hand(node: ir.Lstm, x_fmt: FixedFormat, frame: np.ndarray) -> list[list[int]]:
    """The equations of docs/graph.md over symbols, one scalar at a time."""
    H, F, A = node.units, node.acc_frac(x_fmt), node.carry_frac
    g, s, t = node.gate_fmt.frac, node.fmt.frac, node.candidate_fmt.frac
    W, U = node.kernel.tolist(), node.recurrent.tolist()
    h, carry, states = [0] * H, [0] * H, []
    for x in frame.tolist():
        m = [
            (sum(x[i] * W[i][j] for i in range(len(x))) << (F - x_fmt.frac - node.kernel_fmt.frac))
            + (sum(h[i] * U[i][j] for i in range(H)) << (F - s - node.recurrent_fmt.frac))
            + (int(node.bias[j]) << (F - node.bias_fmt.frac))
            for j in range(4 * H)
        ]
        new = []
        for j in range(H):
            i, f, o = (gate_by_hand(node, m[k], F) for k in (j, H + j, 3 * H + j))
            c = candidate_by_hand(node, m[2 * H + j], F)
            a = (f * carry[j] << (A - g - s)) + (i * c << (A - g - t))
            carry[j] = clip(rne(a, A - s), node.fmt.min_raw, node.fmt.max_raw)
            y = candidate_by_hand(node, a, A)
            new.append(clip(rne(o * y, g + t - s), node.fmt.min_raw, node.fmt.max_raw))
        h = new
        states.append(h)
    return states


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["gru", "lstm"]),
    x_frac=st.integers(-20, 20),
    kernel_frac=st.integers(-24, 12),
    recurrent_frac=st.integers(-24, 12),
    bias_frac=st.integers(-24, 12),
)
def test_recurrent_layers_at_any_binary_point(
    seed: int, kind: str, x_frac: int, kernel_frac: int, recurrent_frac: int, bias_frac: int
) -> None:
    """Where a sum is too wide the graph refuses it by name; a negative common fraction is one like any other."""
    rng = np.random.default_rng(seed)
    x_fmt = FixedFormat(5, x_frac)
    source = ir.Input("input", (), (6, 2), x_fmt)
    made = random_gru(rng, "cells", source, 3) if kind == "gru" else random_lstm(rng, "cells", source, 3, state_frac=5)
    points = {"kernel_fmt": kernel_frac, "recurrent_fmt": recurrent_frac, "bias_fmt": bias_frac}
    if kind == "gru":
        points["recurrent_bias_fmt"] = bias_frac + 1
    node = replace(made, **{key: FixedFormat(8, frac) for key, frac in points.items()})
    nodes = (source, node, ir.GlobalMaxPool1d("most", ("cells",), (3,), node.fmt))
    frames = rng.integers(x_fmt.min_raw, x_fmt.max_raw + 1, (2, 6, 2))
    try:
        found = golden.run(Graph("cells", nodes, ("most",), (("a", "b", "c"),)), frames, keep=["cells"])["cells"]
    except (DataError, UnsupportedLayer) as error:
        assert "cells" in str(error)  # noqa: PT017
        return
    by_hand = [
        gru_by_hand(node, x_fmt, frame) if isinstance(node, ir.Gru) else lstm_by_hand(node, x_fmt, frame)
        for frame in frames
    ]
    assert found.tolist() == by_hand


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["gru", "reset before", "lstm"]),
    gate=st.sampled_from([None, (2, 0), (6, 5), (8, 2), (12, 14)]),
    candidate=st.sampled_from([None, (3, 1), (7, -1), (10, 7), (12, 4)]),
    weight_bits=st.sampled_from([5, 8, 12]),
)
def test_tables_as_gates_and_the_reset_before_equal_the_equations(
    seed: int, kind: str, gate: tuple[int, int] | None, candidate: tuple[int, int] | None, weight_bits: int
) -> None:
    """Tables of random integers, which no rounding forgives, for sums in any format."""
    rng = np.random.default_rng(seed)
    source = ir.Input("input", (), (6, 2), FixedFormat(8, 6))
    widths = Widths(weight_bits=weight_bits, gate_bits=int(rng.choice([4, 8, 10])))
    node: ir.Gru | ir.Lstm = random_lstm(rng, "cells", source, 3, widths, state_frac=6)
    if kind != "lstm":
        node = random_gru(rng, "cells", source, 3, widths)
    if kind == "reset before":
        node = replace(node, reset_after=False, recurrent_bias=np.zeros(9, np.int32))
    node = with_tables(rng, node, gate and FixedFormat(*gate), candidate and FixedFormat(*candidate))
    nodes = (source, node, ir.GlobalMaxPool1d("most", ("cells",), (3,), node.fmt))
    graph = Graph("cells", nodes, ("most",), (("a", "b", "c"),))
    frames = rng.integers(-128, 128, (3, 6, 2))
    by_hand = gru_by_hand if isinstance(node, ir.Gru) else lstm_by_hand
    found = golden.run(graph, frames, keep=["cells"])["cells"]
    assert found.tolist() == [by_hand(node, source.fmt, frame) for frame in frames]


def test_a_frame_is_turned_around() -> None:
    nodes = (
        ir.Input("input", (), (4, 2), FixedFormat(8, 7)),
        ir.Reverse("turned", ("input",), (4, 2), FixedFormat(8, 7)),
        ir.Crop("last", ("turned",), (2,), FixedFormat(8, 7), ((3, 0),)),
    )
    graph = Graph("turned", nodes, ("last",), (("a", "b"),))
    found = golden.run(graph, np.arange(16).reshape(2, 4, 2), keep=["turned", "last"])
    assert found["turned"].tolist() == [[[6, 7], [4, 5], [2, 3], [0, 1]], [[14, 15], [12, 13], [10, 11], [8, 9]]]
    assert found["last"].tolist() == [[0, 1], [8, 9]]


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_negative_common_fraction_is_exact(kind: str) -> None:
    """Weights in steps of 2^12, inputs in steps of 16: every sum is a multiple of 2^4, one is 1."""
    rng = np.random.default_rng(11)
    source = ir.Input("input", (), (6, 2), FixedFormat(4, -4))
    node = random_gru(rng, "cells", source, 3) if kind == "gru" else random_lstm(rng, "cells", source, 3, state_frac=7)
    coarse = {"kernel_fmt": FixedFormat(8, -8), "recurrent_fmt": FixedFormat(8, -12), "bias_fmt": FixedFormat(8, -6)}
    coarse |= {"recurrent_bias_fmt": FixedFormat(8, -5)} if kind == "gru" else {}
    node = replace(node, **coarse)
    nodes = (source, node, ir.GlobalMaxPool1d("most", ("cells",), (3,), node.fmt))
    graph = Graph("coarse", nodes, ("most",), (("a", "b", "c"),))
    frames = rng.integers(-8, 8, (4, 6, 2))
    frames[0] = 0
    by_hand = gru_by_hand if kind == "gru" else lstm_by_hand
    expected = [by_hand(node, source.fmt, frame) for frame in frames]
    assert golden.run(graph, frames, keep=["cells"])["cells"].tolist() == expected
    assert len({value for states in expected for row in states for value in row}) > 1


def test_the_lowest_index_wins_a_tie() -> None:
    nodes = (
        ir.Input("input", (), (1, 2), FixedFormat(16, 14)),
        ir.Dense("head", ("input",), (1, 3), FixedFormat(17, 14), np.array([[0, 1, 1], [0, 0, 0]], np.int32),
                 np.zeros(3, np.int32), FixedFormat(2, 0), FixedFormat(2, 0)),
        ir.Reshape("flat", ("head",), (3,), FixedFormat(17, 14)),
    )  # fmt: skip
    graph = Graph("ties", nodes, ("flat",), (("a", "b", "c"),))
    labels, logits = golden.classify(graph, np.array([[[5, 0]], [[0, 0]], [[-5, 0]]]))
    assert logits.tolist() == [[0, 5, 5], [0, 0, 0], [0, -5, -5]]
    assert labels.tolist() == [1, 0, 0]


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
