"""What the estimate says of layers beside products, and what Yosys makes of them as Verilog: docs/estimate.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import hls_networks
import layer_verilog as verilog
import numpy as np
import pytest
from networks import random_gru

from hw_amc import graph as ir
from hw_amc import tools
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat, format_for, requantize
from hw_amc.hls import ops, roms
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.conv2d import windows_of
from hw_amc.hls.ops.windows import Windows
from hw_amc.parts import SEVEN_SERIES
from hw_amc.sources import Sources
from hw_amc.synth import yosys

CONTEXT = Context(SEVEN_SERIES, 5.84)


class Found(NamedTuple):
    """LUTs, DSP blocks and block RAMs."""

    lut: int
    dsp: int
    bram36: float


def layer_of(graph: Graph, name: str) -> ops.LayerBuild:
    """A layer of a network, without settings."""
    return ops.LayerBuild.of(graph, name)


def _gru() -> Graph:
    net = hls_networks.Net(1, 8)
    net(random_gru(net.rng, "gru", net.last, 4))
    return net.end("gru", net(hls_networks.global_pool("mean", net.last, largest=False)))


def _image() -> Graph:
    """An image whose elements between two rows shift in LUTs."""
    net = hls_networks.Net(1, 64)
    x = net(hls_networks.reshape("image", net.last, (4, 32, 1)))
    x = net(hls_networks.conv2d(net.rng, "conv", x, 2, (3, 3), same=True))
    x = net(hls_networks.reshape("row", net(hls_networks.quantize("conv_q", x, hls_networks.ACT)), (128, 2)))
    return net.end("image", net(hls_networks.global_pool("most", x, largest=True)))


def _frame() -> Graph:
    """A frame long enough for block RAM: its axes turn, then the channels become another axis."""
    net = hls_networks.Net(1, 512)
    x = net(hls_networks.reshape("image", net.last, (256, 2, 2)))
    y = net(ir.Permute("turned", (x.name,), (2, 256, 2), x.fmt, (1, 0, 2)))
    y = net(ir.Permute("mixed", (y.name,), (2, 256, 2), x.fmt, (2, 1, 0)))
    return net.end("frame", net(hls_networks.global_pool("most", net(hls_networks.reshape("row", y, (512, 2))), True)))


def _priced(layer: ops.LayerBuild) -> Found:
    cost = ops.find(layer.node).cost(layer, CONTEXT)
    return Found(cost.lut, cost.dsp, cost.bram36)


def _cell(layer: ops.LayerBuild) -> Found:
    operation: Any = ops.find(layer.node)
    return Found(*operation.cell_cost(layer), 0)


def _window(layer: ops.LayerBuild) -> Found:
    lut, _, halves = windows_of(layer).cost(layer.source.shape[-1] * layer.source.fmt.bits)
    return Found(lut, 0, halves / 2)


def _quantizer(layer: ops.LayerBuild) -> verilog.Module:
    return verilog.quantizer(layer.source.fmt, layer.node.fmt, layer.node.shape[-1])


def _sums(layer: ops.LayerBuild) -> verilog.Module:
    return verilog.sums([source.fmt for source in layer.sources], layer.node.shape[-1])


def _products(layer: ops.LayerBuild) -> verilog.Module:
    return verilog.products([source.fmt for source in layer.sources], layer.node.shape[-1])


def _table(layer: ops.LayerBuild) -> verilog.Module:
    operation: Any = ops.find(layer.node)
    values, node = operation.tables(layer)[layer.node.name], layer.node
    return verilog.tables(values, layer.source.fmt, node.fmt, node.shape[-1], roms.in_bram(values))


def _total(layer: ops.LayerBuild) -> FixedFormat:
    fmt, most = layer.source.fmt, int(np.prod(layer.node.pool))
    return format_for(most * fmt.min_raw, most * fmt.max_raw, fmt.frac)


def _means_in_turn(layer: ops.LayerBuild) -> verilog.Module:
    node = layer.node
    return verilog.means_in_turn(layer.source.fmt, _total(layer), int(node.factor), node.fmt, node.shape[-1])


def _means_of_windows(layer: ops.LayerBuild) -> verilog.Module:
    node, source = layer.node, layer.source
    windows = Windows.of(source.shape[:-1], node.pool, node.stride, node.pads)
    factors = node.factor.astype(np.int64).ravel()
    return verilog.means_of_windows(windows, source.fmt, _total(layer), factors, node.factor_fmt, source.shape[-1])


def _windows(layer: ops.LayerBuild) -> verilog.Module:
    return verilog.windowed(windows_of(layer), layer.source.fmt, layer.source.shape[-1])


def _maxima(layer: ops.LayerBuild) -> verilog.Module:
    node = layer.node
    windows = Windows.of(layer.source.shape[:-1], node.pool, node.stride, node.pads or ((0, 0),) * len(node.pool))
    return verilog.maxima(windows, layer.source.fmt, node.shape[-1])


def _frames(layer: ops.LayerBuild) -> verilog.Module:
    source = layer.source
    stays = layer.node.order[-1] == len(layer.node.shape) - 1
    return verilog.frames(int(np.prod(source.shape[:-1])), source.fmt, source.shape[-1], not stays)


def _gru_cell(layer: ops.LayerBuild) -> verilog.Module:
    operation: Any = ops.find(layer.node)
    return verilog.gru_cell(operation._sums(layer), layer.node.gate_fmt, layer.node.fmt)


def _lstm_cell(layer: ops.LayerBuild) -> verilog.Module:
    operation: Any = ops.find(layer.node)
    return verilog.lstm_cell(*operation._sums(layer), layer.node)


#: What -> network, layer, its Verilog, what the estimate says of it.
CASES: dict[str, tuple[Callable[[], Graph], str, Any, Any]] = {
    "rounding": (lambda: hls_networks.over_time(1), "strided_q", _quantizer, _priced),
    "sum of branches": (lambda: hls_networks.over_time(1), "joined", _sums, _priced),
    "product of branches": (lambda: hls_networks.branches(1), "squared", _products, _priced),
    "table in LUTs": (lambda: hls_networks.tables_and_means(1), "bend", _table, _priced),
    "table in block RAM": (lambda: hls_networks.tables_and_means(1), "square", _table, _priced),
    "means one after another": (lambda: hls_networks.tables_and_means(1), "all", _means_in_turn, _priced),
    "means that overlap": (lambda: hls_networks.tables_and_means(1), "three", _means_of_windows, _priced),
    "cell of a GRU": (_gru, "gru", _gru_cell, _cell),
    "cell of an LSTM": (lambda: hls_networks.lstms(1), "narrow", _lstm_cell, _cell),
    "windows over an image": (_image, "conv", _windows, _window),
    "windows over a wide image": (lambda: hls_networks.wide(1), "conv", _windows, _window),
    "largest of a window": (lambda: hls_networks.image(1), "most", _maxima, _priced),
    "elements in another order": (_frame, "turned", _frames, _priced),
    "values in another order": (_frame, "mixed", _frames, _priced),
}


def _passed(folder: Path) -> int:
    """LUTs that only lead a signal to a carry chain: Yosys leaves them to the router, the part has them."""
    cells = json.loads((folder / "netlist.json").read_text())["modules"][verilog.TOP]["cells"].values()
    luts = {bit for cell in cells if cell["type"].startswith("LUT") for bit in cell["connections"]["O"]}
    chains = [cell["connections"]["S"] for cell in cells if cell["type"] == "CARRY4"]
    return sum(isinstance(bit, int) and bit not in luts for chain in chains for bit in chain)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_layers_cost_what_yosys_says(tmp_path: Path, case: str) -> None:
    """The table of docs/estimate.md."""
    build, name, emit, estimated = CASES[case]
    layer = layer_of(build(), name)
    module = emit(layer)
    found = yosys.run(module.emit(), verilog.TOP, tmp_path, repeated=verilog.MULTIPLIERS if module.widths else None)
    wanted, passed = estimated(layer), _passed(tmp_path)
    print(f"{case}: LUT {wanted.lut} / {found.lut} + {passed}, DSP {wanted.dsp} / {found.dsp}, {found.bram36}")
    assert (wanted.dsp, wanted.bram36) == (found.dsp, found.bram36)
    assert 0.8 * (found.lut + passed) <= wanted.lut <= 1.4 * (found.lut + passed)


def simulate(folder: Path, module: verilog.Module, inputs: dict[str, Any]) -> dict[str, list[int]]:
    """What a module's registers hold a cycle after each row of inputs, by Icarus Verilog."""
    ports = {name: (kind, int(top) + 1) for kind, top, name in re.findall(
        r"(input|output reg) \[(\d+):0\] (\w+)", ", ".join(module.ports)
    )}  # fmt: skip
    outputs = [name for name, (kind, _) in ports.items() if kind != "input"]
    declared = [
        f"{'reg' if kind == 'input' else 'wire'} [{bits - 1}:0] {name};" for name, (kind, bits) in ports.items()
    ]
    rows = [
        " ".join(f"{name} = {int(value) & (1 << ports[name][1]) - 1};" for name, value in zip(inputs, row, strict=True))
        for row in zip(*inputs.values(), strict=True)
    ]
    shown = f'$display("{" ".join(["%0d"] * len(outputs))}", {", ".join(f"$signed({name})" for name in outputs)});'
    text = ["module bench;", "reg clk = 0;", *declared, f"{verilog.TOP} dut (.clk(clk), "]
    text += [", ".join(f".{name}({name})" for name in ports) + ");", "initial begin"]
    text += [f"{row} #1 clk = 1; #1 clk = 0; {shown}" for row in rows]
    Sources({**module.emit().files, "bench.v": "\n".join([*text, "end", "endmodule", ""])}).write(folder)
    tools.run(["iverilog", "-g2005", "-s", "bench", "-o", "bench", "layer.v", "bench.v"], folder)
    lines = [list(map(int, line.split())) for line in tools.run(["vvp", "bench"], folder).splitlines()]
    return dict(zip(outputs, map(list, zip(*lines, strict=True)), strict=True))


def _integers(rng: np.random.Generator, fmt: FixedFormat) -> Any:
    """The ends of a format, and integers near nought and anywhere."""
    near = rng.integers(max(fmt.min_raw, -600), min(fmt.max_raw, 600) + 1, 150)
    return np.concatenate([[fmt.min_raw, fmt.max_raw, 0], near, rng.integers(fmt.min_raw, fmt.max_raw + 1, 147)])


@pytest.mark.parametrize("to", [FixedFormat(6, 5), FixedFormat(6, 5, signed=False), FixedFormat(8, 12)])
def test_written_out_rounding_is_exact(tmp_path: Path, to: FixedFormat) -> None:
    source = FixedFormat(14, 9)
    raw = _integers(np.random.default_rng(1), source)
    found = simulate(tmp_path, verilog.quantizer(source, to, 1), {"x0": raw})["y0"]
    assert [value & (1 << to.bits) - 1 for value in found] == (requantize(raw, 9, to) & (1 << to.bits) - 1).tolist()


def test_a_written_out_gru_cell_is_exact(tmp_path: Path) -> None:
    layer = layer_of(_gru(), "gru")
    operation: Any = ops.find(layer.node)
    sums, gate, state = operation._sums(layer), layer.node.gate_fmt, layer.node.fmt
    names, rng = ("update", "reset", "own", "recurrent", "old"), np.random.default_rng(2)
    x = {name: _integers(rng, fmt) for name, fmt in zip(names, (sums[0], *sums, state), strict=True)}
    frac = sums[0].frac
    z, r = (requantize(x[name], frac + 1, gate) for name in ("update", "reset"))
    candidate = requantize((x["own"] << gate.frac) + r * x["recurrent"], frac + gate.frac, state)
    blend = (candidate << gate.frac) + z * (x["old"] - candidate)
    found = simulate(tmp_path, _gru_cell(layer), x)
    assert found == {"state": requantize(blend, state.frac + gate.frac, state).tolist()}


def test_a_written_out_lstm_cell_is_exact(tmp_path: Path) -> None:
    layer = layer_of(hls_networks.lstms(1), "narrow")
    operation: Any = ops.find(layer.node)
    (gates, sums), node = operation._sums(layer), layer.node
    names, rng = ("admit", "forget", "give", "candidate", "old"), np.random.default_rng(3)
    x = {name: _integers(rng, fmt) for name, fmt in zip(names, (gates, gates, gates, sums, node.fmt), strict=True)}
    admit, forget, give = (requantize(x[name], gates.frac + 1, node.gate_fmt) for name in names[:3])
    candidate, gate = requantize(x["candidate"], sums.frac, node.candidate_fmt), node.gate_fmt.frac
    frac = max(node.fmt.frac, node.candidate_fmt.frac)
    total = (forget * x["old"] << frac - node.fmt.frac) + (admit * candidate << frac - node.candidate_fmt.frac)
    squashed = requantize(total, frac + gate, node.candidate_fmt)
    found = simulate(tmp_path, _lstm_cell(layer), x)
    assert found == {
        "carry": requantize(total, frac + gate, node.fmt).tolist(),
        "state": requantize(give * squashed, node.candidate_fmt.frac + gate, node.fmt).tolist(),
    }
