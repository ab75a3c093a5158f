"""The notebooks, as they are, on the simulated device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from board_overlays import BOARDS, golden_overlay, small_graph
from networks import random_frames

pytest.importorskip("pynq")
pytest.importorskip("nbmake")

from hw_amc import golden
from hw_amc.board.archive import save_frames
from hw_amc.stimulus import Stimulus

NOTEBOOKS = sorted((BOARDS / "notebooks").glob("*.ipynb"))
GRAPH = small_graph()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("notebooks")
    rng = np.random.default_rng(11)
    wire = random_frames(rng, GRAPH, 96)
    # Mostly right labels, so that accuracies are neither 0 nor 1.
    labels = np.where(rng.random(96) < 0.7, golden.classify(GRAPH, wire)[0], rng.integers(0, 3, 96))
    stimulus = Stimulus(wire, labels.astype(np.int64), rng.choice([-10, 0, 10], 96), "random")
    for seed in (1, 2):
        golden_overlay(folder / "overlays" / f"seed{seed}", small_graph(seed))
    return {
        "PYNQ_SIM_DEVICE": "1",
        "HW_AMC_OVERLAY": str(folder / "overlays" / "seed1"),
        "HW_AMC_OVERLAYS": str(folder / "overlays"),
        "HW_AMC_CHANNELS": str(golden_overlay(folder / "channels", GRAPH, n_channels=4)),
        "HW_AMC_FRAMES": str(save_frames(folder / "frames.npz", stimulus)),
    }


def test_there_are_three() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stripped_and_knows_no_simulator(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        text = "".join(cell["source"])
        assert "sim_device" not in text
        assert "/home" not in text


@pytest.mark.cosim
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--nbmake",
            str(path),
            "--rootdir",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, **environment, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "1 passed" in done.stdout
