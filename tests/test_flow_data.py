"""`hw-amc hls MODEL --data FILE` with a file of every format: proven on its frames, or refused in one line."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import deployed
import h5py
import numpy as np
import pytest
from command_line import run

from hw_amc import compress
from hw_amc.errors import DataError
from hw_amc.models import GruCnnSpec
from hw_amc.radio import RECIPES, generate_frames, make_dataset

#: Samples a frame of the small network: those of RadioML 2016.10A and RadCom.
T = 128
RECIPE = replace(RECIPES["awgn-v1"], frame_len=T)
FRAMES = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one small network."""
    root = tmp_path_factory.mktemp("root")
    (root / "boards").symlink_to(Path(__file__).parents[1] / "boards")
    folder = root / "hls_projects" / "small"
    folder.mkdir(parents=True)
    (folder / "project.toml").write_text("[hls.layers.gru]\nreuse_factor = 1\n")
    spec = GruCnnSpec("small", 6, frame=(T, 2))
    compress.save_deployed(deployed.fill(deployed.untrained(spec), "sparse"), folder / "weights.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW_AMC_ROOT", str(root))
        assert run("graph", "small", "--update") == 0
    return root


@pytest.fixture(autouse=True)
def _use_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(root))


def prove(path: Path) -> int:
    """Exit code of the proof up to golden, which is the first step that takes frames."""
    return run("hls", "small", "--data", str(path), "--frames", str(FRAMES), "--start", "golden", "--stop", "golden")


def frames() -> np.ndarray:
    """Frames of BPSK at 10 dB, (FRAMES, T, 2) float32."""
    return generate_frames(RECIPE, [3] * FRAMES, [10] * FRAMES, range(FRAMES))


def radioml2018(folder: Path) -> Path:
    make_dataset(folder / "x.hdf5", RECIPE, FRAMES, ["BPSK"], [10], workers=1)
    return folder / "x.hdf5"


def radioml2016(folder: Path) -> Path:
    cells = {("BPSK", 10): frames().transpose(0, 2, 1)}
    (folder / "RML2016.10a_dict.pkl").write_bytes(pickle.dumps(cells))
    return folder / "RML2016.10a_dict.pkl"


def radcom(folder: Path) -> Path:
    with h5py.File(folder / "RadComDynamic.hdf5", "w") as file:
        for number, frame in enumerate(frames()):
            file[str(("bpsk", "SATCOM", 10, number))] = frame.T.ravel()
    return folder / "RadComDynamic.hdf5"


def recording(folder: Path, label: str | None = "BPSK") -> Path:
    samples = frames().reshape(-1, 2).view(np.complex64).ravel()
    samples.tofile(folder / "air.sigmf-data")
    marks = [{"core:sample_start": 0, "core:label": label, "capture_details:SNRdB": 10}] if label else []
    meta = {
        "global": {"core:datatype": "cf32_le", "core:version": "1.0.0"},
        "captures": [{"core:sample_start": 0}],
        "annotations": marks,
    }
    (folder / "air.sigmf-meta").write_text(json.dumps(meta))
    return folder / "air.sigmf-meta"


def unlabelled(folder: Path) -> Path:
    return recording(folder, None)


def array(folder: Path) -> Path:
    np.save(folder / "air.npy", frames())
    return folder / "air.npy"


def raw(folder: Path) -> Path:
    np.rint(frames() * 2**12).astype("<i2").tofile(folder / "air.iq")
    return folder / "air.iq"


@pytest.mark.parametrize("write", [radioml2018, radioml2016, radcom, recording])
def test_labelled_frames_of_every_format_prove_the_network(
    write: Callable[[Path], Path], tmp_path: Path, root: Path
) -> None:
    assert prove(write(tmp_path)) == 0
    found = json.loads((root / "hls_projects" / "small" / "build" / "report.json").read_text())["golden"]
    assert (found["frames"], found["mismatches"]) == (FRAMES, 0)


@pytest.mark.parametrize(
    ("write", "options"),
    [(unlabelled, ()), (array, ()), (raw, ("--samples", "int16"))],
    ids=["recording", "array", "raw"],
)
def test_what_nobody_has_labelled_is_refused_with_the_command_that_mends_it(
    write: Any, options: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path)
    assert prove(path) == DataError.exit_code
    told = capsys.readouterr().err.strip()
    assert "\n" not in told
    more = " ".join((*options, f"--frame-len {T}", "--label QPSK --snr-db 10"))
    command = f"hw-amc data convert {path.name} set.h5 {more}"
    assert f"`{command}`" in told
    assert run("data", "convert", str(path), str(tmp_path / "set.h5"), *command.split()[5:]) == 0
    assert prove(tmp_path / "set.h5") == 0
