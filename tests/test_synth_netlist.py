"""What Yosys makes of a core, in the part's own cells, computes golden's logits in the cycles that are predicted."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import gru_cnn_graph, random_frames
from rtl_bench import check_rhythm, core_samples, simulate

from hw_amc.config import RtlSettings
from hw_amc.graph import golden
from hw_amc.parts import FAMILIES, Family
from hw_amc.rtl import RtlCore, build_core
from hw_amc.sources import Sources
from hw_amc.synth.yosys import run_yosys

#: Multipliers in logic, everywhere: Yosys has no model of a DSP48E2, and its DSP48E1 gives other logits than its own
#: multipliers in logic on this very core, of mapping or of model. It has no model of UltraScale+'s block RAM either.
WITHOUT = {"xc7": "-nodsp", "xcup": "-nodsp -nobram"}


def _netlist(core: RtlCore, family: Family, folder: Path) -> RtlCore:
    """Synthesise: the core with its netlist, and Yosys' models of the cells, in place of its Verilog."""
    script = [
        f"synth_xilinx -family {family.yosys} -top {core.name} -flatten -noiopad -noclkbuf {WITHOUT[family.yosys]}",
        "write_verilog -noattr -noexpr netlist.v",
    ]
    run_yosys(core.sources, folder, script, family.defines)
    spec = importlib.util.find_spec("pyosys")
    assert spec is not None
    assert spec.origin is not None
    models = Path(spec.origin).parent / "share" / "xilinx" / "cells_sim.v"
    return replace(
        core, sources=Sources({"netlist.v": (folder / "netlist.v").read_text(), "cells.v": models.read_text()})
    )


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("family", "cycles"),
    [
        (FAMILIES[0], 6),
        pytest.param(FAMILIES[0], 1, marks=pytest.mark.slow),
        pytest.param(FAMILIES[1], 1, marks=pytest.mark.slow),
    ],
)
def test_a_netlist_equals_golden(family: Family, cycles: int, tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(0), frame_len=8, cells=2, filters=(2, 3), sparsity=0.2)
    core = build_core(graph, RtlSettings(cycles_per_step=cycles, contexts=2), cache=tmp_path / "cache")
    assert any(cell in text for cell in ("amc_sum3 #", "amc_digit_add3 #") for text in core.sources.files.values())
    netlist = _netlist(core, family, tmp_path / "synth")
    raw = random_frames(np.random.default_rng(5), graph, 4)
    want = golden.run(graph, raw)["head"]
    words = core_samples(graph, raw, core).reshape(-1)
    run = simulate(netlist, words, want.size, tmp_path / "full")
    np.testing.assert_array_equal(run.words, want.reshape(-1))
    check_rhythm(core, run)
    run = simulate(netlist, words, want.size, tmp_path / "uneven", busy=0.6, ready=0.3)
    np.testing.assert_array_equal(run.words, want.reshape(-1))
