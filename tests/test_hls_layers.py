"""The layers beside the lead model's: every integer equals golden, and their C++ is the hardware that is planned."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hls_ir
import hls_networks
import hls_pragmas
import hls_project
import numpy as np
import pytest
from hls_networks import NETWORKS, SHARED, Net, concatenate, multiply, table
from networks import conv2d, global_pool, reshape
from test_hls_branches import bounded

from hw_amc import graph as ir
from hw_amc.config import HlsSettings, LayerHls, load_board
from hw_amc.errors import ConfigError, Mismatch, UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import csim, depths, estimate, ops
from hw_amc.hls.ops.windows import Windows
from hw_amc.hls.readback import require_text
from hw_amc.hls.streams import CoreStreams, network_name
from hw_amc.hls.target import Target, check_layers

BOARDS = Path(__file__).parents[1] / "boards"


def settings_of(name: str) -> dict[str, LayerHls]:
    return {layer: LayerHls(**values) for layer, values in SHARED[name].items()}


@pytest.fixture(scope="module", autouse=True)
def quick_builds() -> Iterator[Any]:
    """Optimise less: these networks run for milliseconds."""
    flavours = {name: ("-O0", *flags[1:]) for name, flags in csim.FLAVOURS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csim, "FLAVOURS", flavours)
        yield


@pytest.mark.parametrize("name", NETWORKS)
def test_every_integer_of_every_layer_is_goldens(tmp_path: Path, name: str) -> None:
    graph = NETWORKS[name](0)
    frames = hls_project.frames_of(graph, 5)
    tensors = hls_project.write(tmp_path, graph, frames)
    hls_project.require_equal(tmp_path, graph, frames, tensors, "native")


def _require_equal_when_shared(folder: Path, name: str, graph: Graph, flavour: str) -> None:
    frames = hls_project.frames_of(graph, 5)
    tensors = hls_project.write(folder, graph, frames, "Vivado", settings_of(name))
    hls_project.require_equal(folder, graph, frames, tensors, flavour)


@pytest.mark.parametrize("name", NETWORKS)
def test_multipliers_are_shared(tmp_path: Path, name: str) -> None:
    _require_equal_when_shared(tmp_path, name, NETWORKS[name](1), "native")


def test_a_network_that_is_loaded_leaves_the_tables_of_others_alone(tmp_path: Path) -> None:
    """hls4ml's `compile` loads one into this process; here, another one whose layers have the same names."""
    first, second = NETWORKS["gates"](0), NETWORKS["gates"](1)
    hls_project.write(tmp_path / "first", first, hls_project.frames_of(first, 5), "Vivado", settings_of("gates"))
    ctypes.CDLL(str(csim.build(tmp_path / "first", "native").library))
    _require_equal_when_shared(tmp_path / "second", "gates", second, "native")


@pytest.mark.slow
@pytest.mark.parametrize("fill", hls_networks.FILLS)
@pytest.mark.parametrize("flavour", ["native", "ap_fixed"])
@pytest.mark.parametrize("name", NETWORKS)
def test_shared_multipliers_and_weights_at_their_ends(tmp_path: Path, name: str, flavour: str, fill: str) -> None:
    _require_equal_when_shared(tmp_path, name, hls_networks.filled(NETWORKS[name](1), fill), flavour)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_multipliers_are_shared_in_the_tools_types(tmp_path: Path, name: str) -> None:
    _require_equal_when_shared(tmp_path, name, NETWORKS[name](1), "ap_fixed")


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_bench_runs_under_sanitizers(tmp_path: Path, name: str) -> None:
    graph = NETWORKS[name](2)
    hls_project.write(tmp_path, graph, hls_project.frames_of(graph, 3), settings=settings_of(name))
    assert "PASS: 3 frames" in hls_project.sanitized(tmp_path, graph)


@hls_ir.every_clang
@pytest.mark.parametrize("name", NETWORKS)
def test_the_ir_is_the_planned_hardware(tmp_path: Path, name: str, clang: str) -> None:
    graph, settings = NETWORKS[name](1), settings_of(name)
    hls_project.write(tmp_path, graph, hls_project.frames_of(graph, 3), settings=settings)
    core = hls_ir.compile_core(tmp_path, clang)
    assert core.problems() == []
    for node in CoreStreams.of(graph).layers:
        layer = ops.LayerBuild.of(graph, node.name, settings.get(node.name))
        planned = ops.find(node).multiplications(layer)
        assert hls_ir.multiplications(core.processes[node.name]) == planned, node.name
    assert hls_pragmas.problems(core.text, "Vitis") == []


@pytest.mark.parametrize("name", ["tables", "wide"])
def test_vivado_reads_every_pragma(tmp_path: Path, name: str) -> None:
    graph = NETWORKS[name](1)
    hls_project.write(tmp_path, graph, hls_project.frames_of(graph, 3), "Vivado")
    text = hls_ir.preprocess(tmp_path, f"firmware/{network_name(graph)}.cpp")
    assert hls_pragmas.problems(text, "Vivado") == []
    assert ("core=ROM_2P_BRAM" if name == "tables" else "core=RAM_S2P_BRAM") in text


#: Change that makes other hardware of a network -> its name, file, old text, new text, what is said.
CHANGES = {
    "a line is read twice": (
        "wide", "firmware/hw_amc_window.h", "value = before;", "value = before + words[row][channel][place ^ 1];",
        "conv: memory lines.* has 2 loads",
    ),
    "the bank of a frame is chosen at run time": (
        "wide", "firmware/hw_amc_permute.h", "return words[channel][place];", "return words[place & 1][place];",
        "turned: memory frame.* has 2 run-time indices",
    ),
    "all channels share one table": (
        "tables", "firmware/products.h", "values[reader]", "values[0]", "bend_table::values is read 4 times",
    ),
}  # fmt: skip


@hls_ir.every_clang
@pytest.mark.parametrize("change", CHANGES)
def test_other_hardware_is_found(tmp_path: Path, change: str, clang: str) -> None:
    name, file, old, new, said = CHANGES[change]
    graph = NETWORKS[name](1)
    hls_project.write(tmp_path, graph, hls_project.frames_of(graph, 3))
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    assert re.search(said, "; ".join(hls_ir.compile_core(tmp_path, clang).problems()))


@pytest.mark.parametrize(("name", "held"), [("branches", ("left", "left_q")), ("over_time", ("padded", "cropped"))])
def test_fifos_of_the_declared_depths_never_stop(tmp_path: Path, name: str, held: tuple[str, ...]) -> None:
    graph = NETWORKS[name](0)
    frames = hls_project.frames_of(graph, 5)
    tensors = hls_project.write(tmp_path, graph, frames)
    np.testing.assert_array_equal(bounded(tmp_path, graph, held=held), tensors["head"])


def test_a_gate_of_the_whole_frame_keeps_the_frame() -> None:
    """The gate comes with the last of 16 steps: all of them wait, and there is one gate."""
    graph = NETWORKS["branches"](0)
    found = depths.of(graph, CoreStreams.of(graph))
    assert found["gated", 0] == depths.LEAST + 16
    assert found["gated", 1] == depths.LEAST + 1


def _last(windows: Windows) -> list[int]:
    """Last element of each window, by looking at each of its places."""
    rows, columns = windows.sizes
    found = []
    for row in range(0, windows.padded[0] - windows.reach[0] + 1, windows.strides[0]):
        for column in range(0, windows.padded[1] - windows.reach[1] + 1, windows.strides[1]):
            entered = -1
            for place in range((row + windows.reach[0] - 1) * windows.padded[1] + column + windows.reach[1]):
                y, x = place // windows.padded[1] - windows.pads[0][0], place % windows.padded[1] - windows.pads[1][0]
                entered += 0 <= y < rows and 0 <= x < columns
            found.append(max(entered, 0))
    return found


@pytest.mark.parametrize(
    "windows",
    [
        Windows.of((9,), (3,), (2,), ((1, 1),)),
        Windows.of((9,), (3,), (1,), ((4, 0),), (2,)),
        Windows.of((4, 5), (3, 2), (1, 2), ((1, 1), (2, 2))),
        Windows.of((3, 4), (2, 2), (1, 1), ((0, 2), (0, 0)), (2, 1)),
    ],
)
def test_windows_end_where_their_last_element_is(windows: Windows) -> None:
    assert windows.last_needed() == _last(windows)


@pytest.mark.parametrize(("name", "layer", "struct"), [("tables", "bend", "bend"), ("gates", "gru", "gru_gate")])
def test_a_changed_entry_of_a_table_is_named(tmp_path: Path, name: str, layer: str, struct: str) -> None:
    graph = NETWORKS[name](0)
    hls_project.write(tmp_path, graph, hls_project.frames_of(graph, 3))
    code = (tmp_path / "firmware" / "products.h").read_text()
    target = Target("Vitis", hls_project.PART, 8.0)
    require_text(code, graph, target)
    found = re.search(rf"struct {struct}_table \{{.*?\{{\{{-?\d+, (-?\d+)", code, re.DOTALL)
    assert found is not None
    code = f"{code[: found.start(1)]}{int(found[1]) + 1}{code[found.end(1) :]}"
    with pytest.raises(Mismatch, match=f"layer {layer}: entry 1 of {struct}_table is"):
        require_text(code, graph, target)


def _five_branches() -> Graph:
    net = Net(0)
    x = net.last
    return net.end("five", net(global_pool("most", net(concatenate("join", x, x, x, x, x)), largest=True)))


def _wide_table() -> Graph:
    net = Net(0)
    x = net(reshape("rows", net.last, (1, 32)))
    x = net.dense("many", x, 200, FixedFormat(12, 9))
    x = net(table("bend", x, np.sin, FixedFormat(12, 11)))
    return net.end("table", net(reshape("flat", x, (200,))))


def _rows_again() -> Graph:
    net = Net(0)
    x = net(reshape("image", net.last, (4, 4, 2)))
    y = net(ir.Crop("row", (x.name,), (1, 4, 2), x.fmt, ((0, 3), (0, 0))))
    return net.end("rows", net(reshape("flat", net(multiply("gated", x, y)), (32,))))


def _long() -> Graph:
    net = Net(0, 4096)
    flat = net(reshape("flat", net.last, (8192,)))
    return net.end("long", net(concatenate("both", flat, flat)))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (_five_branches, "join: the HLS core joins 2 to 4 branches at once, not 5; join some of them first"),
        (_wide_table, r"bend: the tables of 200 channels take 4,915,200 bits, more than 4,718,592; quantise its input"),
        (_rows_again, r"gated: the HLS core multiplies no \(1, 4, 2\) with \(4, 4, 2\): its rows would come again"),
        (_long, "flat: the HLS core would keep 8,192 values of one element in registers, more than 4,096; pool before"),
    ],
)
def test_what_would_be_no_hardware_is_refused_by_name(build: Any, said: str) -> None:
    graph = build()
    with pytest.raises(UnsupportedLayer, match=said):
        CoreStreams.of(graph)
    with pytest.raises(UnsupportedLayer, match=said):
        estimate.hls(graph, HlsSettings(), load_board("pynq-z2", BOARDS))


def test_a_reuse_factor_means_something_or_is_refused() -> None:
    graph = NETWORKS["tables"](0)
    for name in ("bend", "three"):
        with pytest.raises(ConfigError, match=f"{name}.* reuse_factor means nothing for .*; its settings: none"):
            check_layers(graph, {name: LayerHls(reuse_factor=2)})
    graph = NETWORKS["over_time"](0)
    # Of the kernel, not of what dilation and groups leave zero: 3 taps of one channel, 4 filters.
    with pytest.raises(ConfigError, match=r"depthwise\] reuse_factor = 4 is not legal; choose from 1, 3, 6, 12$"):
        check_layers(graph, {"depthwise": LayerHls(reuse_factor=4)})


@pytest.mark.parametrize("name", NETWORKS)
def test_the_estimate_prices_every_layer(name: str) -> None:
    graph = NETWORKS[name](1)
    found = estimate.hls(graph, HlsSettings(layers=settings_of(name)), load_board("pynq-z2", BOARDS))
    assert [cost.name for cost in found.layers] == [node.name for node in graph.nodes[1:]]
    assert all(cost.cycles > 0 and cost.lut >= 0 and cost.ff > 0 for cost in found.layers)
    (row,) = estimate.sweep(graph, HlsSettings(), load_board("pynq-z2", BOARDS), [4])
    assert row["reuse_factor"] == 4


def test_estimates_by_hand() -> None:
    """Turns of a scan, rounds of the windows that end in it, both halves of a frame's memory; copies of a table."""
    board = load_board("pynq-z2", BOARDS)
    costs = {
        cost.name: cost
        for name in ("image", "wide", "tables", "gates", "both_ways")
        for cost in estimate.hls(NETWORKS[name](1), HlsSettings(layers=settings_of(name)), board).layers
    }
    # 14 x 3 places of the padded image; 24 windows of 6 rounds.
    assert 42 + 24 * 6 <= costs["first"].cycles <= 42 + 24 * 6 + 8
    # 144 values: 72 elements are written, and a value a turn is read; one line of 69 elements lies in a block RAM.
    assert 72 + 144 <= costs["turned"].cycles <= 72 + 144 + 8
    assert costs["square"].bram36 == 2 * 0.5
    assert costs["bend"].bram36 == 0
    # Five cells in three lanes: three readers of the candidate's table of 1,024 entries, two to a block RAM.
    assert costs["gru"].bram36 == 2 * 0.5
    # A frame of 8 is written, then read.
    assert 8 + 8 <= costs["turned0"].cycles <= 8 + 8 + 8


@pytest.mark.parametrize(("sizes", "kind"), [((2, 72, 1), "line_memory"), ((4, 36, 1), "line_registers")])
def test_a_long_line_of_an_image_lies_in_a_memory(sizes: tuple[int, int, int], kind: str) -> None:
    net = Net(0, 72)
    image = net(reshape("image", net.last, sizes))
    conv = net(conv2d(net.rng, "conv", image, 2, (2, 3)))
    members = ops.find(conv).members(ops.LayerBuild(conv, (image,), LayerHls()))
    assert [line for line in members if f"hw_amc::{kind}<operand_raw_t, 1, 1, {sizes[1] - 3}> lines_t" in line]
