"""Several lanes: streams and registers of their own behind one register port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from behavioural_core import mean_core, mean_graph
from networks import gru_cnn_graph, random_frames
from shell_farm import BOARD

from hw_amc.config import ProjectSettings, RtlSettings
from hw_amc.cosim.bench import BenchRun, Case, run
from hw_amc.cosim.simulators import lint
from hw_amc.errors import ConfigError
from hw_amc.interface.manifest import Manifest
from hw_amc.overlay.design import build_design
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import build_accelerator
from hw_amc.verify.results import golden_logits


def _laned(lanes: Any, cache: Any = None) -> Any:
    settings = ProjectSettings(rtl=RtlSettings(lanes=lanes, cycles_per_step=6))
    if cache is None:
        graph = mean_graph(np.random.default_rng(1), frame_len=8, heads=(3,))
        return graph, build_accelerator(graph, mean_core(graph), settings, BOARD)
    graph = gru_cnn_graph(np.random.default_rng(0), 8, 3, (2, 3))
    return graph, build_accelerator(graph, build_core(graph, settings.rtl, cache=cache), settings, BOARD)


def test_one_lane_is_the_plain_accelerator() -> None:
    graph, one = _laned(1)
    assert one.lane is one
    _, two = _laned(2)
    assert two.manifest.lanes == 2
    assert Manifest.from_json(two.sources.files["manifest.json"]) == two.manifest
    single = two.lane
    assert (single.manifest.name, single.manifest.lanes) == (f"{graph.name}_lane", 1)
    # A lane is the accelerator of one stream under another name.
    plain = one.sources.files[f"{graph.name}.v"].replace(f"{graph.name}: shell", f"{graph.name}_lane: shell")
    assert two.sources.files[f"{graph.name}_lane.v"] == plain.replace(
        f"module {graph.name} ", f"module {graph.name}_lane "
    )


def test_an_hls_core_has_one_lane() -> None:
    graph = mean_graph(np.random.default_rng(1))
    settings = ProjectSettings(rtl=RtlSettings(lanes=2))
    assert build_accelerator(graph, mean_core(graph), settings, BOARD, "hls").manifest.lanes == 1


def test_an_overlay_takes_one_lane() -> None:
    with pytest.raises(ConfigError, match="2 lanes"):
        build_design(_laned(2)[1].manifest, BOARD)


@pytest.mark.cosim
@pytest.mark.parametrize("lanes", [2, 3])
def test_lint_is_clean(tmp_path: Path, lanes: int) -> None:
    accelerator = _laned(lanes)[1]
    accelerator.sources.write(tmp_path)
    lint(tmp_path, accelerator.manifest.name, sorted(f for f in accelerator.sources.files if f.endswith(".v")))


@pytest.mark.cosim
@pytest.mark.parametrize("lanes", [2, 3])
def test_lanes_work_side_by_side(tmp_path: Path, lanes: int) -> None:
    """Two lanes of a real core, three (one select value without a lane) of a behavioural one."""
    graph, accelerator = _laned(lanes, tmp_path / "cache" if lanes == 2 else None)
    frames = random_frames(np.random.default_rng(4), graph, 4 * lanes)
    case = Case(graph, frames, golden_logits(graph, frames))
    run(accelerator, case, BenchRun("icarus", tmp_path / "run", tests=None, module="tb_lanes"))
