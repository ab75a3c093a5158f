"""The package outside its checkout: what a wheel holds, and that it serves an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        source, copy = ROOT / name, tree / name
        if not source.exists():
            continue  # deleted, not committed yet
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            copy.symlink_to(os.readlink(source))
        else:
            copy.write_bytes(source.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*build, str(tree)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    ZipFile(wheel).extractall(folder)
    return folder


def _run(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", "COLUMNS": "140"}
    command = [sys.executable, "-m", "hw_amc", *arguments]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_a_wheel_holds_models_boards_benches_and_no_build(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    for name in (
        "hls_projects/gru_cnn_sparse07/weights.h5",
        "hls_projects/gru_cnn_sparse07/graph.npz",
        "boards/pynq-z2/board.toml",
        "boards/overlay/build.tcl",
        "sim/tb_accelerator.py",
    ):
        assert f"hw_amc/shipped/{name}" in names
    tracked = set(
        subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    )
    inside = {name for name in names if not name.startswith("hw_amc-")}
    links = {"hw_amc/shipped/": "", "hw_amc/notebooks/": "boards/notebooks/"}
    for link, place in links.items():
        inside = {name.replace(link, place, 1) if name.startswith(link) else name for name in inside}
    assert inside <= tracked
    code = {name for name in tracked if name.startswith("hw_amc/") and Path(name).suffix in {".py", ".v", ".cc", ".h"}}
    assert code <= inside


def test_its_metadata_say_what_an_index_shows(wheel: Path) -> None:
    archive = ZipFile(wheel)
    folder = next(name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name)
    told = HeaderParser().parsestr(archive.read(f"{folder}/METADATA").decode())
    assert told["Name"] == "hw-amc"
    assert told["Requires-Python"] == ">=3.10"
    assert "Apache" in told["License"]
    assert told["Author"] == "The hw_amc authors"
    assert "# hw_amc" in str(told.get_payload())
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)} <= set(
        told.get_all("Classifier", [])
    )
    required = told.get_all("Requires-Dist", [])
    bound = [line for line in required if line.startswith(("tensorflow", "qkeras", "hls4ml", "pynq"))]
    assert len(bound) == 4
    assert all("python_version < " in line for line in bound)
    licence = next(name for name in archive.namelist() if name.startswith(folder) and name.endswith("LICENSE"))
    assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_an_installed_wheel_lists_models_and_writes_verilog(installed: Path, tmp_path: Path) -> None:
    assert "gru_cnn_sparse07" in _run(installed, tmp_path, "models")
    _run(installed, tmp_path, "rtl", "gru_cnn_w4_sparse085", "-R", "10")
    assert (tmp_path / "hls_projects/gru_cnn_w4_sparse085/build/rtl/pynq-z2/manifest.json").is_file()


#: The smallest of the models that come with the package.
_MODEL = "gru_cnn_w4_sparse085"


@pytest.mark.slow  # a package index, 400 MB
def test_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip"]
    # A path to the checkout would make the package look installed.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "install", "-q", wheel], check=True, env=clean)
    (tmp_path / "home").mkdir()
    environment = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}

    def hw_amc(place: Path, *arguments: str) -> str:
        line = [tmp_path / "venv" / "bin" / "hw-amc", *arguments]
        found = subprocess.run(line, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        return found.stdout

    work = tmp_path / "home" / "work"
    hw_amc(tmp_path / "home", "new", "work")
    hw_amc(work, "data", "make", "frames.h5", "--frames", "1", "--snrs", "10")
    for arguments in (("classify", _MODEL, "frames.h5"), ("evaluate", _MODEL, "frames.h5"), ("estimate", _MODEL)):
        hw_amc(work, *arguments)
    line = [tmp_path / "venv" / "bin" / "hw-amc", "hls", _MODEL]
    told = subprocess.run(line, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 4
    assert told.stderr.count("\n") == 1
    assert "pip install 'hw-amc[train]'" in told.stderr or "uv venv" in told.stderr
    assert {path.name for path in (tmp_path / "home").iterdir()} <= {"work", ".cache", ".config"}
    assert {path.name for path in (work / "hls_projects").iterdir()} == {_MODEL, ".gitignore"}
