"""Without TensorFlow, hls4ml and PYNQ: what goes on working, what is told where it does not, and what it weighs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

from hw_amc import extras
from hw_amc.flows.new import make_workspace

ROOT = Path(__file__).parents[1]
MODEL = "gru_cnn_w4_sparse085"
#: Makes packages look as if they were not installed, in whatever process has its folder on PYTHONPATH.
BLOCKER = """\
import os, sys
from importlib.machinery import PathFinder

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in os.environ["BLOCKED"].split():
            return PathFinder.find_spec(name, path, target)

sys.meta_path = [Finder() if each is PathFinder else each for each in sys.meta_path]
"""
HEAVY = tuple(name for name, extra in extras.EXTRA_OF.items() if extra in ("train", "board"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "place"
    make_workspace(folder, [], [])
    return folder


@pytest.fixture(scope="module")
def blocker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocker")
    (folder / "sitecustomize.py").write_text(BLOCKER)
    return folder


def command(
    blocker: Path, cwd: Path, *arguments: str, blocked: tuple[str, ...] = HEAVY
) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(blocker), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "BLOCKED": " ".join(blocked)}
    line = [sys.executable, "-m", "hw_amc", *arguments]
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("models",), "gru_cnn_sparse07"),
        (("estimate", MODEL), "all figures estimated"),
        (("rtl", MODEL, "-R", "10"), "files in "),
        (("overlay", MODEL, "-R", "10"), "vivado is not on PATH"),
        (("doctor",), "numpy"),
    ],
)
def test_commands_that_need_no_tensorflow(arguments: tuple[str, ...], said: str, blocker: Path, place: Path) -> None:
    found = command(blocker, place, *arguments)
    assert (found.returncode, said in found.stdout) == (0, True), found.stdout + found.stderr


def test_frames_are_classified_and_judged_and_reported(blocker: Path, place: Path) -> None:
    commands = (
        ("data", "make", "frames.h5", "--frames", "1", "--snrs", "10", "--workers", "1"),
        ("classify", MODEL, "frames.h5"),
        ("evaluate", MODEL, "frames.h5"),
        ("report", MODEL),
    )
    for arguments in commands:
        found = command(blocker, place, *arguments)
        assert found.returncode == 0, found.stderr
    assert (place / "hls_projects" / MODEL / "build" / "report.html").is_file()


@pytest.mark.cosim
@pytest.mark.slow  # Verilator compiles the whole model: minutes
def test_the_verilog_is_simulated(blocker: Path, tmp_path: Path) -> None:
    found = command(blocker, tmp_path, "cosim", MODEL, "--fast", "--frames", "2")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (("hls", MODEL), "tensorflow"),
        (("graph", MODEL), "tensorflow"),
        (("train", MODEL), "tensorflow"),
        (("init", str(ROOT / "hls_projects" / MODEL / "weights.h5")), "tensorflow"),
    ],
)
def test_a_missing_extra_is_one_line(arguments: tuple[str, ...], package: str, blocker: Path, place: Path) -> None:
    found = command(blocker, place, *arguments)
    assert found.returncode == 4
    extra = extras.EXTRA_OF[package]
    assert found.stderr == f"error: {package} is not installed, of the extra '{extra}'; {extras.remedy(extra)}\n"


def test_without_the_simulators_extra(blocker: Path, tmp_path: Path) -> None:
    # A weight that no cache has seen: da4ml is asked.
    code = "import numpy as np; from hw_amc.adders import solutions; from hw_amc.graph.fixed import FixedFormat\n"
    code += "solutions._ask(np.array([[12345]]), [FixedFormat(8, 0)], -1)\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(blocker), str(ROOT)]), "BLOCKED": "da4ml"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert found.stderr.splitlines()[-1].endswith(f"da4ml is not installed, of the extra 'sim'; {extras.remedy('sim')}")


def test_what_a_newer_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras.sys, "version_info", (3, 13, 5))
    assert extras.remedy("sim") == "pip install 'hw-amc[sim]'"
    assert extras.remedy("train") == (
        "it needs Python 3.11, this is 3.13: uv venv --python 3.11 .venv, then in it uv pip install 'hw-amc[train]'"
    )
    monkeypatch.setattr(extras.sys, "version_info", (3, 10, 1))
    assert extras.remedy("train") == "pip install 'hw-amc[train]'"


def test_what_linux_on_arm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras.platform, "machine", lambda: "aarch64")
    told = "on Linux it needs x86_64, this is aarch64: the container of docs/guides/install.md"
    assert extras.remedy("sim") == (told if sys.platform == "linux" else "pip install 'hw-amc[sim]'")
    assert not extras.remedy("train").startswith("on Linux")


def test_a_module_of_no_extra_is_an_error_of_ours() -> None:
    assert extras.explain(ModuleNotFoundError("No module named 'hw_amc.x'", name="hw_amc.x")) is None
    told = extras.explain(ModuleNotFoundError("No module named 'hls4ml.converters'", name="hls4ml.converters"))
    assert str(told).startswith("hls4ml is not installed, of the extra 'train'; ")


def test_every_extras_package_is_in_pyproject() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name in ("qkeras", "hls4ml", "da4ml", "cocotb", "verilator", "pyosys", "pynq"):
        block = re.search(rf"^{extras.EXTRA_OF[name]} = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
        block = block or re.search(rf"^{extras.EXTRA_OF[name]} = \[(.*)\]", text, re.MULTILINE)
        assert block
        assert f'"{name}' in block[1]


def _closure(name: str) -> dict[str, Distribution]:
    """A package and all that it requires without extras, as installed here."""
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        try:
            each = distribution(waiting.pop())
        except PackageNotFoundError:
            continue  # of another system, or another Python
        key = each.metadata["Name"].lower().replace("_", "-")
        if key not in found:
            found[key] = each
            required = [line for line in each.requires or () if "extra ==" not in line]
            waiting += [re.split(r"[\s<>=!~;(\[]", line)[0] for line in required]
    return found


def test_the_base_install_is_below_400_mb() -> None:
    found = _closure("hw-amc")
    assert {"numpy", "scipy", "h5py", "matplotlib"} <= found.keys()
    assert not {"tensorflow", "keras", "hls4ml", "numba"} & found.keys()
    paths = {Path(str(file.locate())) for each in found.values() for file in each.files or ()}
    size = sum(path.stat().st_size for path in paths if path.is_file())
    size += sum(path.stat().st_size for path in (ROOT / "hls_projects").glob("*/*") if path.is_file())
    assert 100e6 < size < 400e6
