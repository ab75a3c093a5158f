"""A flattened map in front of a dense layer stays a map in the HLS core: form, text, price."""

from __future__ import annotations

import re
from pathlib import Path

import hls_project
import numpy as np
import pytest
from hls_networks import ACT, NETWORKS, SHARED, Net, concatenate
from networks import quantize, reshape
from test_estimate_layers import CONTEXT

from hw_amc.config import LayerHls
from hw_amc.errors import ConfigError, Mismatch
from hw_amc.graph import Graph, golden
from hw_amc.hls import ops
from hw_amc.hls.estimate.logic import bram18
from hw_amc.hls.maps import MapDense, streamed
from hw_amc.hls.places import Rounds
from hw_amc.hls.readback import require_text
from hw_amc.hls.target import Target, check_layers

MAPS = NETWORKS["maps"](0)


def test_a_flattened_map_stays_a_map() -> None:
    found = streamed(MAPS)
    assert streamed(MAPS) is found
    assert streamed(found) is found
    assert [node.name for node in found.nodes] == [node.name for node in MAPS.nodes]
    assert {name: found[name].shape for name in ("flat", "flat_q", "bend", "wide", "joined")} == {
        "flat": (10, 6), "flat_q": (10, 6), "bend": (10, 6), "wide": (8,), "joined": (14,),
    }  # fmt: skip
    assert [node.name for node in found.nodes if isinstance(node, MapDense)] == ["wide", "other", "few"]


def test_it_is_the_same_network() -> None:
    frames, names = hls_project.frames_of(MAPS, 4), [node.name for node in MAPS.nodes[1:]]
    wanted, found = golden.run(MAPS, frames, names), golden.run(streamed(MAPS), frames, names)
    for name in names:
        np.testing.assert_array_equal(found[name].reshape(wanted[name].shape), wanted[name])


def _also_joined(place: str) -> Graph:
    """The vector, or what is made of it, is read by a concatenation, too."""
    net = Net(0, 4)
    flat = net(reshape("flat", net.last, (8,)))
    rounded = net(quantize("flat_q", flat, ACT))
    hidden = net.dense("hidden", rounded, 3)
    return net.end("joined", net(concatenate("both", hidden, flat if place == "flat" else rounded)))


@pytest.mark.parametrize("place", ["flat", "flat_q"])
def test_what_must_be_a_vector_stays_one(place: str) -> None:
    graph = _also_joined(place)
    assert streamed(graph) is graph


def test_a_vector_of_one_place_has_nothing_to_flatten() -> None:
    net = Net(0, 1)
    graph = net.end("one", net(reshape("flat", net.last, (2,))))
    assert streamed(graph) is graph


@pytest.mark.parametrize(
    ("factor", "taps", "rounds", "slots", "lanes"),
    [(1, 6, 1, 1, 8), (2, 3, 2, 1, 8), (6, 1, 6, 1, 8), (12, 1, 6, 2, 4), (48, 1, 6, 8, 1)],
)
def test_rounds_by_hand(factor: int, taps: int, rounds: int, slots: int, lanes: int) -> None:
    layer = ops.LayerBuild.of(MAPS, "wide", LayerHls(reuse_factor=factor))
    (product,) = ops.find(layer.node).products(layer)
    found = Rounds.of(product)
    assert found == Rounds(10, taps, rounds, slots, lanes)
    weights = found.weights(product.matrix)
    assert weights.shape == (taps * lanes, 10 * factor)
    # Place 7, the last round of the last slot of the last lane: the kernel's last column.
    assert weights[-1, 8 * factor - 1] == product.matrix[7 * 6 + 5, 7]


def test_a_reuse_factor_is_that_of_a_place() -> None:
    with pytest.raises(ConfigError, match=r"wide\] reuse_factor = 5 is not legal; choose from 1, 2, 3, 6, 12, 24, 48$"):
        check_layers(MAPS, {"wide": LayerHls(reuse_factor=5)})
    with pytest.raises(
        ConfigError, match=r"wide\] strategy means nothing for 'dense'; its settings: reuse_factor, dsp"
    ):
        check_layers(MAPS, {"wide": LayerHls(strategy="latency")})


def test_a_changed_weight_or_bias_is_named(tmp_path: Path) -> None:
    settings = {layer: LayerHls(**values) for layer, values in SHARED["maps"].items()}
    hls_project.write(tmp_path, MAPS, hls_project.frames_of(MAPS, 3), settings=settings)
    code = (tmp_path / "firmware" / "products.h").read_text()
    target = Target("Vitis", hls_project.PART, 8.0, settings)
    require_text(code, MAPS, target)
    # Of `other`: 2 slots of 2 lanes, six rounds each; of the second place the second slot's first round.
    found = re.search(r"struct other_product \{.*?weights1\[120\] = \{(?:-?\d+, ){18}(-?\d+)", code, re.DOTALL)
    assert found is not None
    changed = f"{code[: found.start(1)]}{int(found[1]) + 1}{code[found.end(1) :]}"
    with pytest.raises(
        Mismatch, match=rf"layer other: kernel\[6, 3\] is {int(found[1]) + 1} in the C\+\+ and {found[1]}"
    ):
        require_text(changed, MAPS, target)
    found = re.search(r"struct other_product \{.*?bias\[2\]\[2\] = \{\{-?\d+, (-?\d+)\}", code, re.DOTALL)
    assert found is not None
    changed = f"{code[: found.start(1)]}{int(found[1]) + 1}{code[found.end(1) :]}"
    with pytest.raises(Mismatch, match=rf"layer other: the bias of output 2 is {int(found[1]) + 1} in the C\+\+"):
        require_text(changed, MAPS, target)


def test_the_price_by_hand() -> None:
    """A map of 512 places and 8 channels into 4 outputs by 2 multipliers: 16 rounds a place, and one that reads it."""
    net = Net(0, 2048)
    x = net(reshape("image", net.last, (512, 8)))
    graph = net.end("map", net.dense("hidden", net(reshape("flat", x, (4096,))), 4))
    layer = ops.LayerBuild.of(graph, "hidden", LayerHls(reuse_factor=16))
    cost = ops.find(layer.node).cost(layer, CONTEXT)
    assert 512 * 17 <= cost.cycles <= 512 * 17 + 8
    assert cost.latency_cycles <= 17 + 8
    assert cost.dsp == 2
    # 8,192 weights of 6 bits each: half a block RAM holds two of their bits.
    assert cost.bram36 == 2 * 3 / 2


@pytest.mark.parametrize(
    ("depth", "bits", "halves"),
    [(1024, 18, 1), (1025, 18, 2), (2048, 8, 1), (42240, 8, 21), (512, 36, 1), (16384, 1, 1)],
)
def test_halves_of_block_ram_by_hand(depth: int, bits: int, halves: int) -> None:
    assert bram18(depth, bits) == halves
