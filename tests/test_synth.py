from __future__ import annotations

import json

import numpy as np
import pytest
from networks import gru_cnn_graph

from hw_amc import report, synth
from hw_amc.config import BoardSettings, Budget, RtlSettings
from hw_amc.errors import ToolFailed
from hw_amc.fixed import FixedFormat
from hw_amc.project import Project
from hw_amc.rtl import build_core
from hw_amc.rtl.adders import build_graph
from hw_amc.rtl.blocks.matrix import Matrix, signed_width
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.shell import SHELL_COST


def test_statistics_are_parsed():
    text = 'log line\n{"modules": {"\\\\top": {"num_cells_by_type": {"LUT4": 3, "RAM32M": 2, "FDRE": 7}}}}\n'
    assert synth.parse_cells(text, "top") == {"LUT4": 3, "RAM32M": 2, "FDRE": 7}
    modules = {"top": {"lane": 2, "LUT4": 1}, "\\lane": {"LUT4": 5}}
    lanes = json.dumps({"modules": {name: {"num_cells_by_type": cells} for name, cells in modules.items()}})
    assert synth.parse_cells(lanes, "top") == {"LUT4": 11}
    with pytest.raises(ToolFailed, match="no module 'other'"):
        synth.parse_cells(text, "other")


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [1, 6])
def test_estimate_is_near_the_synthesised(cycles, tmp_path):
    """A matrix' LUTs and carry cells, as estimated and as Yosys counts them."""
    rng = np.random.default_rng(4)
    weights = np.where(rng.random((10, 16)) < 0.6, 0, rng.integers(-128, 128, (10, 16)))
    graph = build_graph(weights, [FixedFormat(8, 0)] * 10)
    widths = (signed_width(graph, range(16)),) * 16
    matrix = Matrix("dut", graph, widths) if cycles == 1 else SerialMatrix("dut", graph, widths, cycles)
    found = synth.run(Project(matrix.files()), "dut", tmp_path)
    cost = matrix.cost()
    assert found.dsp == 0
    # A register, a LUT or a short carry chain, a register.
    assert 0.43 < found.arrival_ns < 2.5
    assert 0.85 < found.lut / cost.lut < 1.15
    assert 0.8 < found.ff / cost.ff < 1.25
    if cycles > 1:
        assert found.carry == 0


def test_section_follows_the_schema(tmp_path):
    graph = gru_cnn_graph(np.random.default_rng(0))
    core = build_core(graph, RtlSettings(cycles_per_step=6), cache=tmp_path / "cache")
    budget = Budget(lut=5000, ff=10000, dsp=20, bram36=10, carry=1000)
    board = BoardSettings(name="b", part="xc7test", ps="zynq7", clock_mhz=100.0, budget=budget)
    found = synth.Synthesis(core.name, "xc7", 2500, 5000, 4, 0.5, 100, 2.3, {})
    section = synth.section(found, core, board, "hw-amc synth m")
    assert section["percent"] == {"lut": 50.0, "ff": 50.0, "dsp": 20.0, "bram36": 5.0, "carry": 10.0}
    assert section["estimated"]["lut"] == round(sum(cost.lut for cost in core.costs.values()) + SHELL_COST.lut)
    assert section["frames_per_s"] == 100e6 / core.cycles_per_frame
    # A CARRY8 of UltraScale+ holds two CARRY4.
    larger = board.model_copy(update={"ps": "zynqmp"})
    assert synth.section(found, core, larger, "hw-amc synth m")["percent"]["carry"] == 5.0
    report.merge(tmp_path, {"synth": {"b": section}}, graph.digest())
    assert report.load(tmp_path)["synth"]["b"]["lut"] == 2500
