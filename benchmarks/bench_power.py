"""The power estimate of a small network over R and sparsity, on generated frames.

    python benchmarks/bench_power.py [--rates 6 1 2] [--sparsity 0.7 0.0] [--json FILE]

The network is that of the tests (random GRU-CNN, 6 cells, 64 samples a frame). Each R takes 20 s of processor time to
compile, unless its model is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from networks import gru_cnn_graph
from shell_farm import BOARD

from hw_amc.config import RtlSettings
from hw_amc.flows.power import estimate_power
from hw_amc.flows.rtl import RtlFlow
from hw_amc.graph import Graph
from hw_amc.workspace import Workspace

#: What is printed of each R.
FIGURES = ("R", "toggle_rate", "energy_uj_per_frame", "dynamic_w", "frames_per_s", "lut", "ff")


class GivenNetwork(RtlFlow):
    """The flow of a network that no folder holds."""

    @property
    def graph(self) -> Graph:  # type: ignore[override]
        """Small and random, with as many zeros as the workspace's name says."""
        sparsity = float(self.workspace.model.rsplit("-", 1)[-1])
        rng = np.random.default_rng(0)
        return gru_cnn_graph(rng, frame_len=64, cells=6, filters=(4, 4), sparsity=sparsity)


def estimate(folder: Path, sparsity: float, rates: list[int]) -> dict[str, Any]:
    """Section `power` of the first R, with all of them as its sweep."""
    workspace = Workspace(folder, f"random-{sparsity}")
    workspace.own_folder.mkdir(parents=True)
    (workspace.own_folder / "project.toml").write_text("[rtl]\n", encoding="utf-8")
    settings = RtlSettings(cycles_per_step=rates[0])
    flow = GivenNetwork(workspace=workspace, board=BOARD, settings=settings, command="python benchmarks/bench_power.py")
    return estimate_power(flow, sweep=rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=[6, 1, 2])
    parser.add_argument("--sparsity", type=float, nargs="+", default=[0.7, 0.0])
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for sparsity in chosen.sparsity:
            section = found[f"sparsity-{sparsity}"] = estimate(Path(folder), sparsity, chosen.rates)
            for row in section.get("sweep", [section]):
                told = {
                    key: row[key] for key in ("R", "toggle_rate", "energy_uj_per_frame", "dynamic_w", "frames_per_s")
                }
                print(f"sparsity {sparsity}", told, flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"schema": 1, "power": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
