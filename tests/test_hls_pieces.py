"""Small pieces of the HLS core by hand: types, lanes, depths, places that errors name, kernels of means."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

import hls_networks
import hls_project
import numpy as np
import pytest
from hls_networks import NETWORKS, Net
from networks import gru_cnn_graph, reshape

from hw_amc import graph as ir
from hw_amc.config import LayerHls
from hw_amc.graph import Node
from hw_amc.hls import depths, lanes, ops
from hw_amc.hls.cpp import integer_type
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.reshape import MOST_VALUES, refuse_long
from hw_amc.hls.streams import CoreStreams, network_name
from hw_amc.parts import SEVEN_SERIES


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((0, 127), "signed char"), ((-128,), "signed char"), ((128,), "short"), ((-129, 0), "short"),
        ((32767, -32768), "short"), ((32768,), "int"), ((2**31 - 1, -(2**31)), "int"), ((2**31,), "long long"),
    ],
)  # fmt: skip
def test_integers_lie_in_the_narrowest_type(values: tuple[int, ...], name: str) -> None:
    assert integer_type(np.array(values)) == name


def test_cells_go_to_lanes_in_their_order() -> None:
    assert lanes.in_order(5, 2) == ((0, 3), (1, 4), (2, None))
    assert lanes.in_order(4, 4) == ((0, 1, 2, 3),)
    assert lanes.in_order(2, 1) == ((0,), (1,))


def _layer(network: str, name: str) -> tuple[Any, ops.LayerBuild]:
    layer = ops.LayerBuild.of(NETWORKS[network](0), name)
    return ops.find(layer.node), layer


def test_places_are_named_as_in_the_graph() -> None:
    graph = gru_cnn_graph(np.random.default_rng(0))
    affine = next(node for node in graph.nodes if isinstance(node, ir.Affine))
    layer = ops.LayerBuild.of(graph, affine.name)
    assert [ops.find(affine).locate(layer, 1, column) for column in (0, 1)] == ["the zero at [1, 0]", "kernel[1]"]


def test_elements_that_a_result_waits_for() -> None:
    """A convolution of 3 taps of 16 samples sees one ahead."""
    conv, layer = _layer("branches", "stem")
    assert conv.last_needed(layer, 0) == [*range(1, 16), 15]


def test_streams_are_as_deep_as_their_readers_need(tmp_path: Path) -> None:
    graph = NETWORKS["branches"](0)
    hls_project.write(tmp_path, graph, hls_project.frames_of(graph, 3))
    text = (tmp_path / "firmware" / f"{network_name(graph)}.cpp").read_text()
    found = {name: int(depth) for name, depth in re.findall(r"STREAM variable=(\w+)_out depth=(\d+)", text)}
    core = CoreStreams.of(graph)
    wanted, readers = depths.of(graph, core), core.readers()
    alone = {name: wanted[readers[name][0]] for name in found if len(readers[name]) == 1}
    assert {name: found[name] for name in alone} == alone
    assert max(alone.values()) > depths.LEAST


def test_what_waits_for_the_other_branch() -> None:
    """Elements that have come in the 5th, 6th and 7th step; the other branch's come in the 1st, 6th and 9th."""
    assert depths._most_waiting([5, 6, 7], [0, 1, 2], [1, 6, 9]) == 1
    assert depths._most_waiting([5, 6, 7], [0, 1, 2], [1, 2, 3]) == 0
    assert depths._most_waiting([1, 2, 3], [0, 1, 2], [7, 8, 9]) == 3


def test_paths_through_cells_begin_with_a_gates_rounding_and_limits() -> None:
    context = Context(SEVEN_SERIES, 8.0)
    gru, layer = _layer("both_ways", "forward0")
    assert gru.cell_path(layer, context)[:2] == context.adds(2, layer.node.gate_fmt.bits + 2)
    lstm, layer = _layer("lstms", "wide")
    bits = max(layer.node.gate_fmt.bits, layer.node.candidate_fmt.bits)
    assert lstm.cell_path(layer, context)[:2] == context.adds(2, bits + 2)


@pytest.mark.parametrize(
    ("sizes", "pool", "kernel"),
    [
        ((4, 6), (1, 3), "mean_in_turn"), ((4, 6), (2, 6), "mean_in_turn"), ((3, 6), (2, 6), "mean_of_windows"),
        ((4, 6), (1, 4), "mean_of_windows"), ((1, 6), (1, 4), "mean_in_turn"), ((4, 6), (2, 3), "mean_of_windows"),
        ((24,), (5,), "mean_in_turn"),
    ],
)  # fmt: skip
def test_means_of_windows_that_end_in_turn_need_no_lines(
    sizes: tuple[int, ...], pool: tuple[int, ...], kernel: str
) -> None:
    net = Net(0, 24)
    image: Node = net(reshape("image", net.last, (*sizes, 48 // prod(sizes))))
    mean = hls_networks.mean("mean", image, pool, pool)
    assert ops.find(mean).kernel(ops.LayerBuild(mean, (image,), LayerHls())) == f"hw_amc::{kernel}"


def test_the_longest_element() -> None:
    net = Net(0, MOST_VALUES)
    assert refuse_long(reshape("most", net.last, (2, MOST_VALUES))) == ""
    assert "more than 4,096" in refuse_long(reshape("more", net.last, (1, 2 * MOST_VALUES)))
