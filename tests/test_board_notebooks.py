"""The notebooks, as they are: those of a board on the simulated device, the others as anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_overlays import BOARDS, golden_overlay, small_graph, trained_model
from networks import random_frames

from hw_amc import sim_device
from hw_amc.driver import AmcOverlay
from hw_amc.graph import golden
from hw_amc.overlay.archive import save_frames
from hw_amc.untrusted import tomllib
from hw_amc.verify.heldout import Stimulus

NOTEBOOKS = sorted((BOARDS / "notebooks").glob("*.ipynb"))
#: Those that drive a board, and those that need none.
ON_BOARD = [path for path in NOTEBOOKS if path.stem[:2] in ("01", "02", "03")]
ANYWHERE = [path for path in NOTEBOOKS if path not in ON_BOARD]
GRAPH = small_graph()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("notebooks")
    rng = np.random.default_rng(11)
    wire = random_frames(rng, GRAPH, 96)
    # Mostly right labels, so that accuracies are neither 0 nor 1.
    labels = np.where(rng.random(96) < 0.7, golden.classify(GRAPH, wire)[0], rng.integers(0, 3, 96))
    stimulus = Stimulus(wire, labels.astype(np.int64)[:, np.newaxis], rng.choice([-10, 0, 10], 96), "random")
    for seed in (1, 2):
        golden_overlay(folder / "overlays" / f"seed{seed}", small_graph(seed))
    for board in ("pynq-z2", "zcu104"):
        golden_overlay(folder / "boards" / board, GRAPH, board)
    return {
        "PYNQ_SIM_DEVICE": "1",
        "HW_AMC_OVERLAY": str(folder / "overlays" / "seed1"),
        "HW_AMC_OVERLAYS": str(folder / "overlays"),
        "HW_AMC_BOARDS": str(folder / "boards"),
        "HW_AMC_CHANNELS": str(golden_overlay(folder / "channels", GRAPH, n_channels=4)),
        "HW_AMC_FRAMES": str(save_frames(folder / "frames.npz", stimulus)),
    }


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two trained models, and one without weights."""
    root = tmp_path / "checkout"
    for seed, name in ((1, "one"), (2, "two"), (3, "untrained")):
        trained_model(root, name, seed)
    (root / "hls_projects" / "untrained" / "weights.h5").unlink()
    monkeypatch.setenv("HW_AMC_ROOT", str(root))
    monkeypatch.setattr("hw_amc.workspace.SHIPPED", tmp_path / "shipped")
    return root


def test_gallery_of_trained_models(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hw-amc sim-overlays`: what the notebooks read, and the variables that say so, which hold in any folder."""
    from hw_amc.cli import main as cli

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["sim-overlays", "sim", "--frames", "30"])
    told = dict(line[7:].split("=") for line in capsys.readouterr().out.splitlines() if line.startswith("export "))
    assert all(Path(path).is_absolute() for path in told.values())
    assert sorted(path.name for path in Path(told["HW_AMC_OVERLAYS"]).iterdir()) == ["one", "two"]
    boards = {path.parent.name for path in BOARDS.glob("*/board.toml")}
    assert {path.name for path in Path(told["HW_AMC_BOARDS"]).iterdir()} == boards
    frames = np.load(told["HW_AMC_FRAMES"])
    answers = []
    for name in ("HW_AMC_OVERLAY", "HW_AMC_CHANNELS"):
        with AmcOverlay(told[name], device=sim_device.enable()) as amc:
            channels = amc.manifest.n_channels
            whole = frames["wire"][: len(frames["wire"]) // channels * channels]
            answers.append((channels, amc.classify(whole).logits))
    (one, alone), (several, side_by_side) = answers
    assert one == 1 < several
    np.testing.assert_array_equal(alone, golden.classify(GRAPH, frames["wire"])[1])
    np.testing.assert_array_equal(side_by_side, alone[: len(side_by_side)])
    assert len(side_by_side) >= several
    with pytest.raises(SystemExit, match="0"):
        cli.main(["sim-overlays", str(tmp_path / "some"), "two", "--frames", "1"])
    assert [path.name for path in (tmp_path / "some" / "overlays").iterdir()] == ["two"]


def test_there_are_five() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["00", "01", "02", "03", "04"]


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_saved_with_what_it_showed(path: Path) -> None:
    """`make notebooks` saves them: small, run from top to bottom without an error, no path of a computer."""
    code = code_cells(path)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    shown = [output for cell in code for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) or "text/html" in output.get("data", {}) for output in shown)
    assert all(output["output_type"] != "error" for output in shown)
    text = path.read_text("utf-8")
    assert len(text) < 300_000
    assert not re.search(r"/(?:work|tmp|home|root|usr|var)/", re.sub(r'"image/png": "[^"]*"', "", text))
    assert "sim_device" not in text


def test_ten_lines_from_a_model_to_hardware() -> None:
    """Behind the cell that makes the QKeras model, ten lines of code or fewer classify on simulated hardware."""
    path = NOTEBOOKS[0]
    first, *others = ("".join(cell["source"]) for cell in code_cells(path))
    assert "keras_model = " in first
    lines = [line for text in others for line in text.splitlines() if line.strip()]
    assert 1 <= len(lines) <= 10
    assert any(re.search(r'\.classify\(.*board="sim"\)', line) for line in lines)
    assert "hw_amc.convert(keras_model" in "".join(lines)


def test_pynq_delivers_them(tmp_path: Path) -> None:
    """`pynq get-notebooks hw-amc`: the entry point's package holds the notebooks, and PYNQ copies them."""
    from pynqutils.setup_utils import ExtensionsManager, deliver_notebooks

    entries = tomllib.loads((BOARDS.parent / "pyproject.toml").read_text())["project"]["entry-points"]
    module = entries["pynq.notebooks"]["hw-amc"]
    source = ExtensionsManager.extension_path(module)
    deliver_notebooks(None, source, str(tmp_path), "hw-amc", folder=True, overlays_res_lookup=False)
    assert sorted(path.name for path in (tmp_path / "hw-amc").iterdir()) == [path.name for path in NOTEBOOKS]


def run_notebook(path: Path, environment: dict[str, str], folder: Path) -> None:
    args = ["-q", "-p", "no:cacheprovider", "--nbmake", str(path), "--rootdir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *args],
        cwd=folder,
        env={**os.environ, **environment, "MPLBACKEND": "Agg"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "1 passed" in done.stdout


@pytest.mark.cosim
@pytest.mark.parametrize("path", ON_BOARD, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, environment: dict[str, str], tmp_path: Path) -> None:
    run_notebook(path, environment, tmp_path)


@pytest.mark.cosim
@pytest.mark.parametrize("path", ANYWHERE, ids=lambda path: path.stem)
def test_notebook_runs_anywhere(path: Path, tmp_path: Path) -> None:
    """In an empty folder, without a variable of a board."""
    run_notebook(path, {"HW_AMC_ROOT": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}, tmp_path)


@pytest.mark.cosim
@pytest.mark.parametrize("path", ON_BOARD[1:], ids=lambda path: path.stem)
def test_notebook_runs_with_nothing_to_compare(path: Path, environment: dict[str, str], tmp_path: Path) -> None:
    golden_overlay(tmp_path / "overlays" / "alone", GRAPH)
    alone = {**environment, "HW_AMC_OVERLAYS": str(tmp_path / "overlays")}
    del alone["HW_AMC_OVERLAY"], alone["HW_AMC_BOARDS"]
    run_notebook(path, alone, tmp_path)
