"""The notebooks, as they are, on the simulated device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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
    return {
        "PYNQ_SIM_DEVICE": "1",
        "HW_AMC_OVERLAY": str(folder / "overlays" / "seed1"),
        "HW_AMC_OVERLAYS": str(folder / "overlays"),
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
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, environment: dict[str, str], tmp_path: Path) -> None:
    run_notebook(path, environment, tmp_path)


@pytest.mark.cosim
@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_notebook_runs_with_nothing_to_compare(path: Path, environment: dict[str, str], tmp_path: Path) -> None:
    golden_overlay(tmp_path / "overlays" / "alone", GRAPH)
    alone = {**environment, "HW_AMC_OVERLAYS": str(tmp_path / "overlays")}
    del alone["HW_AMC_OVERLAY"]
    run_notebook(path, alone, tmp_path)
