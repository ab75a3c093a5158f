"""Operations beyond the lead model's: formats, forms that are refused, and back ends that do not know them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from networks import (
    avg_pool,
    conv2d,
    global_pool,
    gru_cnn_graph,
    linear,
    max_pool,
    quantize,
    random_gru,
    random_weights,
    reshape,
    with_tables,
)

from hw_amc import graph as ir
from hw_amc import hls, rtl
from hw_amc.config import RtlSettings
from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.graph import Graph, Node, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.ops.windows import count_windows, window_pads

narrow = st.builds(FixedFormat, st.integers(2, 12), st.integers(-8, 12), st.booleans())
Q = FixedFormat(7, 5)


def chain(*nodes: Node) -> Graph:
    """The nodes behind a quantised frame of 16 samples; the last gives logits."""
    classes = tuple(f"c{index}" for index in range(nodes[-1].shape[0]))
    return Graph("chain", (INPUT, QUANT, *nodes), (nodes[-1].name,), (classes,))


INPUT = ir.Input("input", (), (16, 2), FixedFormat(16, 14))
QUANT = quantize("q", INPUT, Q)


def run(node: Node, x: Any, *sources: Node) -> list[Any]:
    tensors = [np.asarray(tensor) for tensor in (x if len(sources) > 1 else [x])]
    return np.asarray(node.execute(sources, tensors)).tolist()


@given(narrow, narrow)
def test_exact_formats_are_the_narrowest(left: FixedFormat, right: FixedFormat) -> None:
    def value(fmt: FixedFormat, raw: int) -> Fraction:
        return Fraction(raw) / Fraction(2) ** fmt.frac

    corners = [
        (value(left, a), value(right, b)) for a in (left.min_raw, left.max_raw) for b in (right.min_raw, right.max_raw)
    ]
    for found, results in (
        (ir.sum_format(left, right), [a + b for a, b in corners]),
        (ir.difference_format(left, right), [a - b for a, b in corners]),
        (ir.product_format(left, right), [a * b for a, b in corners]),
        (ir.common_format([left, right]), [number for pair in corners for number in pair]),
    ):
        raw = [result * Fraction(2) ** found.frac for result in results]
        assert all(number.denominator == 1 for number in raw)
        assert found.holds_range(int(min(raw)), int(max(raw)))
        fits = found.bits > 1 + found.signed and FixedFormat(found.bits - 1, found.frac, found.signed)
        assert not fits or not fits.holds_range(int(min(raw)), int(max(raw)))


@given(counts=st.lists(st.integers(1, 4096), min_size=1, max_size=6), bits=st.integers(2, 16))
def test_reciprocals_are_rounded_to_their_bits(counts: list[int], bits: int) -> None:
    factors, fmt = ir.reciprocals(np.array(counts), bits)
    factors = np.broadcast_to(factors, len(counts))
    frac = max(frac for frac in range(40) if round(Fraction(1 << frac, min(counts))) < 1 << bits)
    for factor, count in zip(factors.tolist(), counts, strict=True):
        assert Fraction(factor) / 2**fmt.frac == Fraction(round(Fraction(1 << frac, count))) / 2**frac
    assert fmt.holds(factors)
    assert not fmt.signed
    assert factors.max() == 0 or any(factor & 1 for factor in factors.tolist())


def test_a_mean_of_any_count_is_the_sum_times_its_factor() -> None:
    factor, fmt = ir.reciprocals(np.array([3, 3]), 8)
    assert (factor.tolist(), fmt) == ([171], FixedFormat(8, 9, signed=False))
    source = replace(INPUT, shape=(7, 1), fmt=FixedFormat(4, 0))
    node = ir.MeanPool("mean", ("input",), (2, 1), fmt, factor, fmt, (3,), (3,)).narrowest(source)
    assert run(node, [[[1], [2], [-8], [7], [7], [7], [3]]], source) == [[[-5 * 171], [21 * 171]]]
    assert node.fmt == FixedFormat(14, 9)
    assert (node.parameters, node.macs, node.memory_bits) == (0, 0, 8)
    with pytest.raises(DataError, match=r"format s13\.9 cannot hold the mean"):
        replace(node, fmt=FixedFormat(13, 9)).verify([source])
    with pytest.raises(DataError, match="leaves windows without a sample"):
        replace(node, pads=((3, 0),)).verify([source])
    with pytest.raises(DataError, match="must be positive, one for each axis"):
        replace(node, pool=(3, 1)).verify([source])
    with pytest.raises(DataError, match=r"factor has shape \(3,\), expected \(2,\)"):
        replace(node, factor=np.ones(3, np.int32)).verify([source])


@pytest.mark.parametrize(("channels", "filters", "groups"), [(4, 4, 4), (4, 8, 4), (6, 4, 2), (3, 3, 1)])
def test_groups_are_a_kernel_that_is_zero_between_them(channels: int, filters: int, groups: int) -> None:
    rng = np.random.default_rng(groups)
    source = replace(INPUT, shape=(5, 4, channels), fmt=Q)
    kernel = random_weights(rng, (3, 2, channels // groups, filters), FixedFormat(5, 4))
    bias = random_weights(rng, (filters,), FixedFormat(5, 4))
    formats = FixedFormat(5, 4), FixedFormat(5, 4)
    node = ir.Conv2d("conv", ("input",), (5, 4, filters), Q, kernel, bias, *formats, same=True, groups=groups)
    node = replace(node, fmt=node.narrowest_format(Q))
    whole = replace(node, kernel=node.ungrouped_kernel(), groups=1)
    node.verify([source])
    whole.verify([source])
    x = rng.integers(Q.min_raw, Q.max_raw + 1, (2, 5, 4, channels))
    assert run(node, x, source) == run(whole, x, source)
    assert node.macs * groups == whole.macs
    if groups > 1:
        with pytest.raises(DataError, match="do not fall into 5 groups"):
            replace(node, groups=5).verify([source])


def test_joined_branches_take_the_finest_point() -> None:
    left, right = (
        replace(INPUT, shape=(1, 2), fmt=FixedFormat(4, 1)),
        replace(INPUT, shape=(1, 1), fmt=FixedFormat(3, 3, False)),
    )
    joined = ir.Concatenate("j", ("input", "input"), (1, 3), FixedFormat(6, 3))
    joined.verify([left, right])
    assert run(joined, [[[[-8, 7]]], [[[5]]]], left, right) == [[[-32, 28, 5]]]
    product = ir.Multiply("p", ("input", "input"), (1, 2), ir.product_format(left.fmt, right.fmt))
    product.verify([left, right])
    assert run(product, [[[[-8, 7]]], [[[5]]]], left, right) == [[[-40, 35]]]
    with pytest.raises(DataError, match="do not fit together"):
        product.verify([left, replace(right, shape=(1, 3))])
    with pytest.raises(DataError, match="only channels are joined"):
        joined.verify([left, replace(right, shape=(2, 1))])


def test_sums_and_differences_of_branches_take_the_finest_point() -> None:
    left, right = (replace(INPUT, shape=(1, 2), fmt=fmt) for fmt in (FixedFormat(4, 1), FixedFormat(3, 3, False)))
    for kind, form, found in (
        (ir.Add, ir.sum_format, [[[-32 + 5, 28 + 7]]]),
        (ir.Subtract, ir.difference_format, [[[-32 - 5, 28 - 7]]]),
    ):
        node = kind("n", ("input", "input"), (1, 2), form(left.fmt, right.fmt))
        node.verify([left, right])
        assert run(node, [[[[-8, 7]]], [[[5, 7]]]], left, right) == found


def test_a_tensor_is_kept_until_its_last_reader_and_as_wide_as_it_is() -> None:
    """The frame is read by the first node and by the last; the sums have 35 bits."""
    first = ir.Quantize("first", ("input",), (16, 2), Q)
    kernel, bias = np.array([3, -3], np.int32), np.array([(1 << 30), -(1 << 30)], np.int32)
    scaled = ir.Affine("scaled", ("first",), (16, 2), Q, kernel, bias, FixedFormat(4, 3), FixedFormat(32, 4))
    scaled = replace(scaled, fmt=scaled.narrowest_format(Q))
    total = ir.Add("total", ("scaled", "input"), (16, 2), ir.sum_format(scaled.fmt, INPUT.fmt))
    whole = ir.Quantize("whole", ("total",), (16, 2), FixedFormat(32, 6, signed=False))
    most = ir.GlobalMaxPool1d("most", ("whole",), (2,), whole.fmt)
    graph = Graph("reread", (INPUT, first, scaled, total, whole, most), ("most",), (("a", "b"),))
    frames = np.full((1, 16, 2), 1 << 9, np.int16)
    found = golden.run(graph, frames, keep=["scaled", "total", "whole"])
    # 2^9 at 14 bits is 1 at 5 bits; the bias stands at 4 bits, the products at 8, the sum at 14.
    assert scaled.fmt == FixedFormat(36, 8)
    assert found["scaled"][0, 0].tolist() == [3 + (1 << 34), -3 - (1 << 34)]
    assert found["total"][0, 0].tolist() == [(3 + (1 << 34) << 6) + (1 << 9), -(3 + (1 << 34) << 6) + (1 << 9)]
    assert found["whole"][0, 0].tolist() == [(1 << 32) - 1, 0]


def test_margins_are_zeros_or_left_out() -> None:
    source = replace(INPUT, shape=(2, 3, 1), fmt=Q)
    padded = ir.ZeroPad("p", ("input",), (5, 4, 1), Q, ((2, 1), (0, 1)))
    padded.verify([source])
    x = [[[[1], [2], [3]], [[4], [5], [6]]]]
    none = [[0], [0], [0], [0]]
    assert run(padded, x, source) == [[none, none, [[1], [2], [3], [0]], [[4], [5], [6], [0]], none]]
    cropped = ir.Crop("c", ("input",), (1, 2, 1), Q, ((1, 0), (0, 1)))
    cropped.verify([source])
    assert run(cropped, x, source) == [[[[4], [5]]]]
    flat = ir.Crop("c", ("input",), (1,), Q, ((1, 0), (2, 0)))
    flat.verify([source])
    assert run(flat, x, source) == [[6]]


def test_a_plain_maximum_is_over_time() -> None:
    source = replace(INPUT, shape=(4, 2), fmt=Q)
    node = ir.MaxPool1d("m", ("input",), (2, 2), Q, 2)
    node.verify([source])
    assert run(node, [[[1, 8], [5, 2], [7, 0], [-3, 4]]], source) == [[[5, 8], [7, 4]]]


def test_a_maximum_over_rows_and_columns() -> None:
    """Windows of 2 x 2, a row and two columns from one to the next; the last column fills none."""
    source = replace(INPUT, shape=(3, 3, 1), fmt=Q)
    node = ir.MaxPool2d("m", ("input",), (2, 1, 1), Q, (2, 2), (1, 2))
    node.verify([source])
    assert run(node, [[[[1], [2], [7]], [[4], [-5], [0]], [[3], [6], [5]]]], source) == [[[[4]], [[6]]]]
    with pytest.raises(DataError, match="format"):
        replace(node, fmt=FixedFormat(Q.bits + 1, Q.frac)).verify([source])


def test_axes_change_places() -> None:
    source = replace(INPUT, shape=(2, 3, 1), fmt=Q)
    turned = ir.Permute("p", ("input",), (1, 2, 3), Q, (2, 0, 1))
    turned.verify([source])
    assert run(turned, [[[[1], [2], [3]], [[4], [5], [6]]]], source) == [[[[1, 2, 3], [4, 5, 6]]]]


def test_a_table_has_an_entry_for_every_integer() -> None:
    source = replace(INPUT, shape=(1, 2), fmt=FixedFormat(3, 2))
    fmt = FixedFormat(6, 5)
    values = ir.tabulate(lambda x: x * x - 1 / 64, source.fmt, fmt)
    # -1/64 + x^2 in steps of 1/32: ties go to the even neighbour.
    assert values.tolist() == [31, 18, 8, 2, 0, 2, 8, 18]
    table = ir.Table("t", ("input",), (1, 2), fmt, values)
    table.verify([source])
    assert run(table, [[[-4, 3]], [[0, -1]]], source) == [[[31, 18]], [[0, 2]]]
    with pytest.raises(DataError, match=r"table has shape \(8,\), expected \(16,\)"):
        table.verify([replace(source, fmt=FixedFormat(4, 2))])
    with pytest.raises(DataError, match="table has integers outside its format s5"):
        replace(table, fmt=FixedFormat(5, 5)).verify([source])


def test_what_just_fits_is_taken() -> None:
    """A factor of 1, a pool of one sample, a table of 12 bits."""
    source = replace(INPUT, shape=(4, 2), fmt=Q)
    unit = np.ones((1,), np.int32)
    mean = ir.MeanPool("m", ("input",), (2, 2), Q, unit, FixedFormat(2, 1), (2,), (2,))
    mean.narrowest(source).verify([source])
    max_pool("p", source, 1).verify([source])
    wide = replace(source, fmt=FixedFormat(12, 11))
    ir.Table("t", ("input",), (4, 2), Q, np.zeros(1 << 12, np.int32)).verify([wide])
    with pytest.raises(DataError, match="its input has 13 bits; quantise it to at most 12"):
        ir.Table("t", ("input",), (4, 2), Q, np.zeros(1 << 13, np.int32)).verify(
            [replace(wide, fmt=FixedFormat(13, 12))]
        )


def test_a_vector_has_no_margins() -> None:
    source = replace(INPUT, shape=(4,), fmt=Q)
    with pytest.raises(DataError, match="not margins for each of 0 axes"):
        ir.Crop("n", ("input",), (4,), Q, ()).verify([source])


@pytest.mark.parametrize(
    ("size", "span", "stride", "pads"),
    [(7, 3, 2, (1, 1)), (8, 3, 2, (0, 1)), (9, 3, 4, (1, 1)), (9, 2, 4, (0, 1)), (9, 1, 4, (0, 0)), (5, 3, 1, (1, 1))],
)
def test_places_outside_are_those_of_keras(size: int, span: int, stride: int, pads: tuple[int, int]) -> None:
    """As many as give ceil(size / stride) windows, one more behind than in front."""
    assert window_pads((size,), (span,), (stride,), same=True) == (pads,)
    assert count_windows(size, span, stride, pads) == -(-size // stride)


@pytest.mark.parametrize(("node", "message"), [
    (ir.ZeroPad("n", ("q",), (18, 2), Q, ((1, 0),)), r"shape \(18, 2\) is not \(17, 2\)"),
    (ir.ZeroPad("n", ("q",), (15, 2), Q, ((-1, 0),)), "not margins for each of 1 axes"),
    (ir.ZeroPad("n", ("q",), (17, 2), Q, ((1, 0), (0, 0))), "not margins for each of 1 axes"),
    (ir.Crop("n", ("q",), (0, 2), Q, ((16, 0),)), "is empty"),
    (ir.Crop("n", ("q",), (16, 2), Q, ((16, 0),)), r"is not \(0, 2\)"),
    (ir.Permute("n", ("q",), (2, 16), Q, (1, 1)), "is no order of 2 axes"),
    (ir.Permute("n", ("q",), (16, 2), Q, (1, 0)), r"shape \(16, 2\) is not \(2, 16\)"),
    (ir.Subtract("n", ("q", "q"), (16, 2), Q), r"is not the exact result's s8\.5"),
    (ir.Concatenate("n", ("q", "q"), (16, 4), FixedFormat(8, 5)), r"is not the common one, s7\.5"),
    (ir.MaxPool1d("n", ("q",), (5, 2), Q, 3), "16 samples are not a multiple of pool 3"),
    (ir.MaxPool1d("n", ("q",), (6, 2), Q, 3, stride=3), r"shape \(6, 2\) is not \(5, 2\)"),
    (ir.MaxPool1d("n", ("q",), (6, 2), Q, 3, stride=3, pads=(0, 3)), "leaves windows without a sample"),
    (ir.MaxPool1d("n", ("q",), (6, 2), Q, 0), "not a multiple of pool 0"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(node: Node, message: str) -> None:
    with pytest.raises(DataError, match=rf"'n' .*{message}"):
        chain(node, reshape("flat", node, (int(np.prod(node.shape)),)))


def strided(**options: Any) -> Graph:
    conv = linear(np.random.default_rng(1), ir.Conv1d, "conv", QUANT, 3, 3)
    conv = replace(conv, **options)
    places = (16 + sum(conv.padding[0]) - 2 * conv.dilation - 1) // conv.stride + 1
    conv = replace(conv, shape=(places, 3))
    rounded = quantize("r", conv, Q)
    pool = global_pool("pool", rounded, largest=True)
    return chain(conv, rounded, pool, linear(np.random.default_rng(2), ir.Dense, "head", pool, 2))


@pytest.mark.parametrize("gate", [FixedFormat(6, 6), FixedFormat(6, 5, signed=False)])
def test_gates_are_unsigned_and_all_fraction(gate: FixedFormat) -> None:
    node = replace(random_gru(np.random.default_rng(0), "n", QUANT, 2), gate_fmt=gate)
    with pytest.raises(DataError, match=r"'n' .*must be unsigned, all fraction"):
        node.verify([QUANT])


@pytest.mark.parametrize(("change", "message"), [
    ({"gate_in_fmt": None}, "gate_table and gate_in_fmt belong together"),
    ({"gate_table": None}, "gate_table and gate_in_fmt belong together"),
    ({"gate_in_fmt": FixedFormat(13, 3)}, "a table's input has at most 12 bits"),
    ({"gate_in_fmt": FixedFormat(6, 3, signed=False)}, "must be signed"),
    ({"gate_in_fmt": FixedFormat(5, 3)}, r"gate_table has shape \(64,\), expected \(32,\)"),
    ({"candidate_in_fmt": FixedFormat(5, 3)}, "candidate_table and candidate_in_fmt belong together"),
])  # fmt: skip
def test_a_gates_table_has_an_entry_for_every_integer(change: dict[str, Any], message: str) -> None:
    rng = np.random.default_rng(0)
    node = with_tables(rng, random_gru(rng, "n", QUANT, 2), FixedFormat(6, 3))
    node.verify([QUANT])
    with pytest.raises(DataError, match=f"'n' .*{message}"):
        replace(node, **change).verify([QUANT])


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"dilation": 2}, {"pads": (0, 0)}])
def test_back_ends_take_options_of_a_convolution(options: dict[str, Any], tmp_path: Path) -> None:
    """Their integers are golden's in tests/test_rtl_streams.py and tests/test_hls_layers.py."""
    graph = strided(**options)
    assert all(f'"{name}"' in graph.to_json() for name in options)
    assert not any(f'"{name}"' in strided().to_json() for name in options)
    hls.CoreStreams.of(graph)
    rtl.build_core(graph, RtlSettings(), cache=tmp_path)


def test_rtl_refuses_an_image_that_becomes_a_tensor_over_time(tmp_path: Path) -> None:
    image = reshape("image", QUANT, (4, 4, 2))
    conv = conv2d(np.random.default_rng(3), "conv", image, 2, (4, 2))
    conv = replace(conv, shape=(3, 2))
    rounded = quantize("r", conv, Q)
    flat = reshape("flat", rounded, (6,))
    graph = chain(image, conv, rounded, flat, linear(np.random.default_rng(2), ir.Dense, "head", flat, 2))
    frames = np.random.default_rng(4).integers(-(1 << 15), 1 << 15, (3, 16, 2))
    plain = replace(graph, nodes=tuple(
        replace(node, shape=(1, 3, 2)) if node.name in ("conv", "r") else node for node in graph.nodes))  # fmt: skip
    assert golden.run(graph, frames)["head"].tolist() == golden.run(plain, frames)["head"].tolist()
    with pytest.raises(UnsupportedLayer, match=r"'conv'.* where an image becomes a tensor over time"):
        rtl.build_core(graph, RtlSettings(), cache=tmp_path)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_maxima_of_any_windows(pool: int, stride: int, before: int, behind: int, seed: int) -> None:
    assume(before < pool and behind < pool)
    rng = np.random.default_rng(seed)
    x = rng.integers(Q.min_raw, Q.max_raw + 1, (2, 9, 3))
    source = replace(INPUT, shape=(9, 3), fmt=Q)
    places = (9 + before + behind - pool) // stride + 1
    node = ir.MaxPool1d("m", ("input",), (places, 3), Q, pool, stride=stride, pads=(before, behind))
    node.verify([source])
    windows = [range(max(p * stride - before, 0), min(p * stride - before + pool, 9)) for p in range(places)]
    assert run(node, x, source) == np.stack([x[:, list(w)].max(axis=1) for w in windows], axis=1).tolist()


def test_old_pools_are_saved_as_before() -> None:
    nodes = [max_pool("m", QUANT), avg_pool("a", max_pool("m", QUANT))]
    text = chain(*nodes, reshape("flat", nodes[-1], (8,))).to_json()
    assert not any(f'"{word}"' in text for word in ("stride", "pads", "groups", "dilation", "layer"))


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("tables", r"'gru' \(node 'gru'\) with gate_table = 64 integers, gate_in_fmt = s6.3 is not supported"),
        ("reset before", r"'gru' \(node 'gru'\) with reset_after = False is not supported"),
        ("reverse", ""),
    ],
)
def test_hardware_has_the_other_forms_of_recurrent_layers(form: str, said: str, tmp_path: Path) -> None:
    """They are kept in a file; a back end that had no such cell would say so."""
    rng = np.random.default_rng(1)
    graph = gru_cnn_graph(rng, cells=3)
    gru, source = graph["gru"], graph["input_quant"]
    changed: tuple[Node, ...] = (replace(gru, reset_after=False, recurrent_bias=np.zeros(9, np.int32)),)
    if form == "tables":
        changed = (with_tables(rng, gru, FixedFormat(6, 3)),)
    if form == "reverse":
        turned = ir.Reverse("turned", (source.name,), source.shape, source.fmt)
        changed = (turned, replace(gru, inputs=("turned",)))
    place = graph.nodes.index(gru)
    other = replace(graph, nodes=(*graph.nodes[:place], *changed, *graph.nodes[place + 1 :]))
    assert other["gru"].parameters == gru.parameters
    other.save(tmp_path)
    assert Graph.load(tmp_path).digest() == other.digest() != graph.digest()
    assert other["gru"] in hls.CoreStreams.of(other).layers
    assert rtl.build_core(other, RtlSettings(), cache=tmp_path)
    if said:
        with pytest.raises(UnsupportedLayer, match=f"nothing: {said}"):
            other["gru"].refuse_options("nothing")
