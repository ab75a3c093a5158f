from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from networks import hakimi_graph, random_frames
from processes import MARK, names, wait_until_gone

from hw_amc import tools
from hw_amc.cache import entries
from hw_amc.config import ProjectSettings, RtlSettings, load_board
from hw_amc.cosim import simulators
from hw_amc.cosim.library import LIBRARY, build_library, workshop
from hw_amc.cosim.simulators import make_flags
from hw_amc.cosim.verilated import FastSim
from hw_amc.errors import ConfigError, Stopped, ToolMissing
from hw_amc.graph import Graph
from hw_amc.parallel import crew
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import Accelerator, build_accelerator
from hw_amc.verify.results import golden_logits

BOARDS = Path(__file__).parents[1] / "boards"


def small_graph() -> Graph:
    return hakimi_graph(np.random.default_rng(0), filters=(2, 2), taps=(3, 3))


def small_accelerator() -> Accelerator:
    graph, settings = small_graph(), ProjectSettings(rtl=RtlSettings(cycles_per_step=1))
    board = load_board("pynq-z2", BOARDS)
    return build_accelerator(graph, build_core(graph, settings.rtl, board), settings, board)


def answers(accelerator: Accelerator, cache: Path) -> np.ndarray:
    frames = random_frames(np.random.default_rng(1), small_graph(), 3)
    with FastSim(accelerator.sources, accelerator.manifest.name, cache) as sim:
        results = sim.run(frames)
    np.testing.assert_array_equal(results.logits, golden_logits(small_graph(), frames))
    return results.logits


@pytest.mark.cosim
def test_a_library_that_is_not_whole_is_built_again(tmp_path: Path) -> None:
    """Seen before: OSError or a bus error for ever."""
    accelerator = small_accelerator()
    cache = tmp_path / "a folder with spaces" / "cache"
    wanted = answers(accelerator, cache)
    (entry,) = [entry for entry in entries(cache) if entry.kind == "verilated"]
    assert sorted(path.name for path in entry.folder.iterdir()) == [LIBRARY, "entry.json"]
    library = entry.folder / LIBRARY
    half = library.read_bytes()[: library.stat().st_size // 2]
    library.unlink()  # this process has the old one in memory
    library.write_bytes(half)
    with pytest.warns(UserWarning, match=r"in the cache is not whole .amc.so is not what was published.; it is made"):
        np.testing.assert_array_equal(answers(accelerator, cache), wanted)


@pytest.mark.cosim
def test_no_program_named_python_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen on a bare Debian, which has python3 only: Verilator's makefile called it."""
    broken = tmp_path / "bin" / "python"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho python: not found; exit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.environ['PATH']}")
    answers(small_accelerator(), tmp_path / "cache")


def test_make_is_told_of_a_python_in_a_folder_with_a_space(tmp_path: Path) -> None:
    place = tmp_path / "a b" / "python"
    place.parent.mkdir()
    place.symlink_to(sys.executable)
    variables = ("A=1", f"PYTHON3={shlex.quote(str(place))}")
    (tmp_path / "Makefile").write_text("all:\n\t@$(PYTHON3) -c 'print(6 * 7)'\n")
    for arguments, environment in ((variables, {}), ((), {"MAKEFLAGS": make_flags(variables)})):
        told = subprocess.run(
            ["make", "-s", *arguments], cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True
        )
        assert (told.stdout, told.stderr) == ("42\n", "")


def test_another_version_of_a_tool_builds_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen before: verilated.o outlived an upgrade of Verilator."""
    made: list[Path] = []
    monkeypatch.setattr("hw_amc.cosim.library._Build.make", lambda self, folder: made.append(write(folder)))
    accelerator = small_accelerator()
    arguments = (accelerator.sources, accelerator.manifest.name, tmp_path)
    first = build_library(*arguments)
    assert build_library(*arguments) == first
    for name, said in simulators.versions("verilator").items():
        newer = {**simulators.versions("verilator"), name: f"{said} and newer"}
        monkeypatch.setattr("hw_amc.cosim.library.versions", lambda simulator, newer=newer: newer)
        assert build_library(*arguments) != first
    assert len(made) == 4


def write(folder: Path) -> Path:
    (folder / LIBRARY).write_text("as good as built")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_build_leaves_nothing(number: int, tmp_path: Path) -> None:
    """Seen before: an object of 0 bytes is linked and published; make, g++ and cc1plus go on."""
    mark = uuid.uuid4().hex
    program = (
        "import sys\nfrom pathlib import Path\nfrom hw_amc import tools\ntools.handle_termination()\n"
        "from test_cosim_library import *\na = small_accelerator()\n"
        "build_library(a.sources, a.manifest.name, Path(sys.argv[1]))"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    environment = {**os.environ, MARK: mark, "PYTHONPATH": paths}
    builder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment)
    until = time.monotonic() + 120
    while "cc1plus" not in names(mark) and time.monotonic() < until:
        time.sleep(0.02)
    builder.send_signal(number)
    builder.wait(30)
    assert wait_until_gone(mark, 10) == []
    if number == signal.SIGTERM:
        assert not list(tmp_path.glob("*/making-*"))
    accelerator = small_accelerator()
    answers(accelerator, tmp_path)
    assert not list(tmp_path.glob("*/making-*"))


def test_missing_tools_are_named_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen before: without g++ exit 5 and make's own words."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    tools._version.cache_clear()
    accelerator = small_accelerator()
    with pytest.raises(ToolMissing, match="make is not on PATH; apt-get install make"):
        build_library(accelerator.sources, accelerator.manifest.name, tmp_path)


def test_make_builds_elsewhere_where_a_path_has_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    with workshop(tmp_path) as place:
        assert place.parent == tmp_path
    with workshop(folder) as place:
        assert " " not in str(place)
        assert place.is_dir()
    assert not place.exists()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with pytest.raises(ConfigError, match="set TMPDIR to a folder without spaces"), workshop(folder):
        pass


def test_a_simulation_that_nobody_wants_any_more_stops() -> None:
    """Seen before: Ctrl-C waited for the threads of a long regression."""

    class Endless:
        def __getattr__(self, name: str) -> Callable[..., int]:
            return lambda *arguments: 10_000 if name == "amc_advance" else 0

    sim = object.__new__(FastSim)
    sim._lib, sim._sim = Endless(), None  # type: ignore[assignment]
    with suppress(ValueError), crew(1) as pool:
        beside = pool.submit(sim.advance, 10**15)
        time.sleep(0.2)
        assert beside.running()
        raise ValueError
    with pytest.raises(Stopped):
        beside.result()
