"""Sums just beyond what float32 holds, one above a tie: golden must choose float64, by each of its bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import Widths, random_gru, random_lstm
from test_golden import gru_by_hand, lstm_by_hand

from hw_amc import graph as ir
from hw_amc.graph import Graph, golden
from hw_amc.graph.fixed import FixedFormat, format_for

INPUT = FixedFormat(8, 7)
#: Of a network of which float32 loses a bit that matters.
SEED_OF_A_LOST_BIT = 6


def _states(node: ir.Gru | ir.Lstm) -> np.ndarray:
    """Golden's states of two samples of 0, from a layer that is its biases alone."""
    source = ir.Input("input", (), (2, 2), INPUT)
    still = replace(node, kernel=np.zeros_like(node.kernel), recurrent=np.zeros_like(node.recurrent))
    nodes = (source, still, ir.GlobalMaxPool1d("most", (node.name,), (node.units,), node.fmt))
    graph = Graph("bounds", nodes, ("most",), (tuple(map(str, range(node.units))),))
    frame = np.zeros((1, 2, 2), np.int64)
    found = golden.run(graph, frame, keep=[node.name])[node.name][0]
    by_hand = gru_by_hand if isinstance(node, ir.Gru) else lstm_by_hand
    assert found.tolist() == by_hand(still, INPUT, frame[0])
    return found


def test_the_formats_of_a_cells_products_hold_their_extremes_and_no_more() -> None:
    """Kernels and biases coarser than the common fraction: everything is shifted before it is added."""
    source = ir.Input("input", (), (2, 2), INPUT)
    node = random_gru(np.random.default_rng(3), "cells", source, 1)
    node = replace(node, kernel_fmt=FixedFormat(5, 2), kernel=np.array([[3, -7, 15], [-4, 5, -16]], np.int32))
    frac = node.acc_frac(INPUT)
    found, _ = node.product_ranges(INPUT)
    shift, up = frac - 2 - INPUT.frac, frac - node.bias_fmt.frac
    assert shift > 0
    sums = [
        ((int(a) * x + int(b) * y) << shift) + (int(c) << up)
        for a, b, c in zip(*node.kernel, node.bias, strict=True)
        for x in (-128, 127)
        for y in (-128, 127)
    ]
    assert found == format_for(min(sums), max(sums), frac)


def test_the_format_of_an_lstms_sums_holds_their_extremes_and_no_more() -> None:
    """Kernels of binary points of their own: each sum is shifted by its own distance."""
    source = ir.Input("input", (), (2, 2), INPUT)
    node = random_lstm(np.random.default_rng(3), "cells", source, 1)
    kernel = np.array([[3, -7, 15, 1], [-4, 5, -16, 0]], np.int32)
    recurrent = np.array([[-3, 2, 1, -4]], np.int32)
    node = replace(
        node, kernel_fmt=FixedFormat(5, 2), kernel=kernel, recurrent_fmt=FixedFormat(3, 1), recurrent=recurrent
    )
    frac = node.acc_frac(INPUT)
    up = (frac - 2 - INPUT.frac, frac - 1 - node.fmt.frac, frac - node.bias_fmt.frac)
    assert min(up) >= 0
    assert up[0] != up[1]
    fed = [int(a) * x + int(b) * y for a, b in kernel.T for x in (-128, 127) for y in (-128, 127)]
    back = [int(a) * h for a in recurrent[0] for h in (-128, 127)]
    bias = [int(b) for b in node.bias]
    low, high = (
        sum(end(found) << shift for found, shift in zip((fed, back, bias), up, strict=True)) for end in (min, max)
    )
    assert node.product_range(INPUT) == format_for(low, high, frac)


def _inverse(odd: int, bits: int) -> int:
    return pow(odd, -1, 1 << bits)


def test_a_candidate_one_above_a_tie() -> None:
    """m_x 2^12 + r m_h = 100.5 2^19 + 1, more than 2^25, with r = 1 - 2^-12: the candidate is 101, in float32 100."""
    fine = FixedFormat(16, 14)
    source = ir.Input("input", (), (2, 2), INPUT)
    node = random_gru(np.random.default_rng(0), "cells", source, 1, Widths(gate_bits=12))
    recurrent = 3 * 4096 - 1
    candidate = 100 * 128 + 64 + 3 + 1 - 3 * 4096
    node = replace(node, bias_fmt=fine, recurrent_bias_fmt=fine)
    node = replace(node, bias=np.array([-(1 << 15), 32767, candidate], np.int32))
    node = replace(node, recurrent_bias=np.array([0, 0, recurrent], np.int32))
    assert node.acc_frac(INPUT) == 14
    assert (candidate << 12) + 4095 * recurrent == 100 * (1 << 19) + (1 << 18) + 1
    assert _states(node).tolist()[0] == [101]


def test_a_gate_one_above_a_tie() -> None:
    """Gates and candidate of an LSTM from sums of 26 bits: every one is rounded up, where float32 finds a tie."""
    source = ir.Input("input", (), (2, 2), INPUT)
    node = random_lstm(np.random.default_rng(0), "cells", source, 1)
    frac = 25
    gate, candidate = 200 * (1 << 18) + (1 << 17) + 1 - (1 << frac), 100 * (1 << 18) + (1 << 17) + 1
    node = replace(node, bias_fmt=FixedFormat(30, frac), bias=np.array([gate, gate, candidate, gate], np.int32))
    assert node.exact_dtype([source]) == np.float64
    _states(node)


@pytest.mark.parametrize("gate_bits", [19, 20])
def test_a_carry_one_above_a_tie(gate_bits: int) -> None:
    """Gates far wider than states: i c = K 2^g + 2^(g-1) + 1 with an even K, in an LSTM whose sums are small."""
    source = ir.Input("input", (), (2, 2), INPUT)
    node = random_lstm(np.random.default_rng(0), "cells", source, 1, Widths(gate_bits=gate_bits))
    frac, half = gate_bits - 1, 1 << (gate_bits - 1)
    for candidate in range(127, 1, -2):
        gate = (half + 1) * _inverse(candidate, gate_bits) % (1 << gate_bits)
        if (gate * candidate >> gate_bits) % 2 == 0 and gate * candidate > 1 << 25:
            break
    # A gate is its sum plus 1/2, the candidate its sum at 7 fraction bits.
    bias = [gate - (1 << frac), -(1 << frac), candidate << (frac - 7), 1 << frac]
    node = replace(node, bias_fmt=FixedFormat(24, frac), bias=np.array(bias, np.int32))
    state = _states(node)
    assert 2 * int(state[0, 0]) >= gate * candidate >> gate_bits


def test_the_1_of_an_lstms_gate_counts_where_its_weights_are_small() -> None:
    """2^25 and an odd sum: the one of a hard sigmoid alone does not fit into float32 with it."""
    source = ir.Input("input", (), (2, 2), FixedFormat(13, 12))
    node = random_lstm(np.random.default_rng(0), "cells", source, 1, Widths(weight_bits=14, gate_bits=4))
    still = replace(node, kernel=np.sign(node.kernel), recurrent=np.zeros_like(node.recurrent), bias=node.bias * 0)
    assert still.acc_frac(source.fmt) == 25
    assert still.exact_dtype([source]) == np.float64


def test_a_product_just_below_2_to_the_25() -> None:
    """32767 x 1023 is odd and has 25 bits."""
    source = ir.Input("input", (), (4, 2), FixedFormat(16, 0))
    fmts = FixedFormat(11, 0), FixedFormat(20, 0)
    arrays = np.array([[1023], [0]], np.int32), np.array([0], np.int32)
    node = ir.Dense("sum", ("input",), (4, 1), FixedFormat(26, 0), *arrays, *fmts)
    pool = ir.GlobalMaxPool1d("most", ("sum",), (1,), node.fmt)
    graph = Graph("product", (source, node, pool), ("most",), (("a",),))
    assert golden.run(graph, np.full((1, 4, 2), 32767))["most"].tolist() == [[32767 * 1023]]


def test_a_reset_before_the_product_needs_every_partial_sum() -> None:
    """Sums of (r h) U of 37 bits: in float32 one state of this network is another one."""
    rng, cells = np.random.default_rng(SEED_OF_A_LOST_BIT), 8
    source = ir.Input("input", (), (6, 2), INPUT)
    wide = FixedFormat(12, 11)
    node = random_gru(rng, "cells", source, cells, Widths(gate_bits=12, state_bits=12))
    recurrent = rng.integers(-2048, 2048, (cells, 3 * cells)).astype(np.int32)
    none = np.zeros(3 * cells, np.int32)
    node = replace(node, reset_after=False, recurrent_fmt=wide, recurrent=recurrent, recurrent_bias=none)
    nodes = (source, node, ir.GlobalMaxPool1d("most", ("cells",), (cells,), node.fmt))
    graph = Graph("bounds", nodes, ("most",), (tuple(map(str, range(cells))),))
    frames = rng.integers(-128, 128, (64, 6, 2))
    found = golden.run(graph, frames, keep=["cells"])["cells"]
    assert found.tolist() == [gru_by_hand(node, INPUT, frame) for frame in frames]


def test_a_table_reaches_further_than_a_hard_candidate() -> None:
    """A sum beyond 1 still decides where the table's input goes up to 16: golden must not round it."""
    source = ir.Input("input", (), (2, 2), INPUT)
    fine = FixedFormat(24, 14)
    node = random_gru(np.random.default_rng(0), "cells", source, 1, Widths(gate_bits=8))
    node = replace(node, bias_fmt=fine, recurrent_bias_fmt=fine)
    hard = replace(node, bias=np.zeros(3, np.int32), recurrent_bias=np.zeros(3, np.int32))
    wide = FixedFormat(12, 7)
    table = np.arange(-2048, 2048, dtype=np.int32) % 256 - 128
    smooth = replace(hard, candidate_in_fmt=wide, candidate_table=table.astype(np.int32))
    assert [each.exact_dtype([source]) for each in (hard, smooth)] == [np.float32, np.float64]
    # r = 1 - 2^-8; m_x 2^8 + r m_h is 1 above a tie of the table's input, and more than 2^24.
    recurrent = 4 * (1 << 14) + 1
    total = 1000 * (1 << 15) + (1 << 14) + 1
    candidate, rest = divmod(total - 255 * recurrent, 256)
    for recurrent in range(recurrent, recurrent + 256):  # noqa: B020 - the first that leaves no rest
        candidate, rest = divmod(total - 255 * recurrent, 256)
        if rest == 0:
            break
    assert rest == 0
    bias = np.array([-(1 << 15), 1 << 15, candidate], np.int32)
    smooth = replace(smooth, bias=bias, recurrent_bias=np.array([0, 0, recurrent], np.int32))
    assert _states(smooth).tolist()[0] == [int(table[1001 + 2048])]
