"""Commands where a kill, a full disk, a closed pipe or another user meets them, and what they leave."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import chaos_place
import pytest
from chaos import words
from processes import MARK, NOBODY, marked, wait_until_gone

from hw_amc.adders import solutions

ROOT = Path(__file__).parents[1]

SIMULATE = """
import time
from hw_amc.hls import csim
def slow(share):
    for _ in range(3000):
        time.sleep(0.1)
    yield 1
if __name__ == "__main__":
    print("begins", flush=True)
    list(csim._parallel(slow, [[0], [1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_forked_simulations_end_with_their_parent(number: int) -> None:
    """Seen before: they went on and held the model's lock, and each printed a traceback at Ctrl-C."""
    mark = uuid.uuid4().hex
    environment = {**os.environ, MARK: mark, "PYTHONPATH": str(ROOT)}
    args = [sys.executable, "-c", SIMULATE]
    with subprocess.Popen(args, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begins\n"
        until = time.monotonic() + 30
        while len(marked(mark)) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        # As a terminal does: every process of the group hears of Ctrl-C.
        for pid in marked(mark) if number == signal.SIGINT else [parent.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        _, said = parent.communicate(timeout=30)
    assert wait_until_gone(mark, 5) == []
    assert said.count(b"Traceback") == (number == signal.SIGINT)  # of the parent's alone, which has no command line


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a small trained network."""
    folder = tmp_path_factory.mktemp("kills") / "work"
    chaos_place.prepare(folder)
    return folder


@pytest.fixture
def work(workspace: Path, tmp_path: Path) -> Path:
    """A copy of the workspace for one test."""
    return shutil.copytree(workspace, tmp_path / "work")


COMMANDS = {
    **{name: command.arguments for name, command in chaos_place.COMMANDS.items()},
    "make": ("data", "make", "frames.hdf5", "--frames", "1", "--snrs", "0", "--workers", "1"),
    "gallery": ("sim-overlays", "gallery", chaos_place.MODEL, "--frames", "4"),
    "models": ("models",),
}
#: Those that take no second.
QUICK = ("rtl", "evaluate", "classify")


def run(
    work: Path,
    command: str | tuple[str, ...],
    shell: str = 'exec "$@"',
    before: Callable[[], None] | None = None,
    **changed: str | None,
) -> tuple[int, list[str], str]:
    """Exit code of a command in `work`, its lines on the standard error without bars, and its standard output."""
    arguments = COMMANDS[command] if isinstance(command, str) else command
    environment = {**os.environ, "HW_AMC_ROOT": str(work), "HW_AMC_CACHE": str(work / "cache"), "PYTHONPATH": str(ROOT)}
    environment |= {key: value for key, value in changed.items() if value is not None}
    for key in (key for key, value in changed.items() if value is None):
        environment.pop(key, None)
    process = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-m", "hw_amc", *arguments],
        cwd=work,
        env=environment,
        capture_output=True,
        preexec_fn=before,
        timeout=300,
    )
    return process.returncode, words(process.stderr.decode()), process.stdout.decode()


def limit() -> None:
    """No file may grow beyond 2,000 bytes: what a full disk does in the middle of a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def require_one_error(said: list[str], file: str) -> None:
    """One error, about `file`; before it the cache may warn that it keeps nothing."""
    assert [line.partition(":")[0] for line in said] in (["error"], ["warning", "error"]), said
    assert file in said[-1]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("rtl", "hls_projects/little/build/"),
        pytest.param("graph", "hls_projects/little/graph.", marks=pytest.mark.slow),  # TensorFlow, twice
        ("make", "frames.hdf5"),
        ("gallery", "gallery/overlays/little/"),
    ],
)
def test_files_that_may_not_grow_are_one_line(work: Path, name: str, file: str) -> None:
    """Seen before: HDF5 crashed on a full disk, and numpy's archives complained twice."""
    before = contents(work)
    code, said, _ = run(work, name, before=limit)
    assert code == 1
    require_one_error(said, file)
    assert "File too large" in said[-1]
    if name != "rtl":  # which writes some of its files whole before
        after = {key: value for key, value in contents(work).items() if not key.startswith(("cache/", "gallery/"))}
        assert after == before
    assert run(work, name)[0] == 0


@pytest.fixture
def disk(tmp_path: Path, workspace: Path) -> Iterator[Path]:
    """A small disk with a workspace."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(workspace, disk / "work")
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in chaos_place.COMMANDS]
)
def test_a_full_disk_is_one_line_and_costs_nothing(disk: Path, name: str) -> None:
    work, filler = disk / "work", disk / "filler"
    for arguments in chaos_place.COMMANDS[name].before:
        assert run(work, arguments)[0] == 0
    with suppress(OSError), filler.open("wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass
    before = contents(work)
    code, said, _ = run(work, name, TMPDIR=str(work / "tmp"))
    # A compiler that finds no room is a program that failed.
    assert code in (1, 5), said
    require_one_error(said, "")
    assert "No space left on device" in said[-1] or "free" in said[-1]
    assert contents(work) == before
    filler.unlink()
    assert run(work, name)[0] == 0


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ('exec "$@" >/dev/full', 1, ["error: cannot write to the standard output: No space left on device"]),
        ('exec "$@" >&-', 0, []),
        ('exec "$@" >&- 2>&-', 0, []),
        ('"$@" | true', 0, []),  # the pipe's code is that of its last program
    ],
    ids=["full", "closed", "both closed", "nobody reads"],
)
def test_no_standard_output_is_no_traceback(work: Path, shell: str, code: int, said: list[str]) -> None:
    assert run(work, "models", shell)[:2] == (code, said)


def test_help_for_a_full_disk_is_one_line(work: Path) -> None:
    """Typer prints it by itself."""
    code, said, _ = run(work, ("--help",), 'exec "$@" >/dev/full')
    assert code == 1
    assert said == ["error: the standard output, or a file, cannot be used: No space left on device"]


def test_letters_that_the_output_lacks_become_question_marks(work: Path) -> None:
    code, said, out = run(work, "rtl", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert (code, said) == (0, [])
    assert re.search(r"\? \d+ files in ", out)


def test_a_folder_that_is_gone_is_one_line(work: Path) -> None:
    code, said, _ = run(work, "rtl", 'mkdir gone; cd gone; rmdir ../gone; exec "$@"')
    assert code == 1
    assert said == ["error: the current folder cannot be used: No such file or directory; change to another one"]


def test_no_home_is_no_matter(work: Path, tmp_path: Path) -> None:
    code, said, _ = run(work, "models", HOME=None, HW_AMC_CACHE=None, XDG_CACHE_HOME=None)
    assert (code, said) == (0, [])


#: As another user, who may read everything: a test's Python may lie in root's home.
NOBODYS = (
    f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --inh-caps=+dac_read_search"
    ' --ambient-caps=+dac_read_search -- "$@"'
)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root may become another user")
@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param("graph", "little/graph.", marks=pytest.mark.slow),
        ("make", ".frames.hdf5.part"),
        ("evaluate", "little/build/report.json"),
        ("classify", "air.little.sigmf-meta"),
        ("models", ""),
    ],
)
def test_another_users_workspace_is_read_only(workspace: Path, name: str, file: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are root's alone
        os.chmod(folder, 0o755)
        work = shutil.copytree(workspace, Path(folder) / "work")
        before = contents(work)
        code, said, _ = run(work, name, NOBODYS, HOME="/nonexistent", TMPDIR=None)
        assert contents(work) == before
    if file:
        assert code == 1
        require_one_error(said, file)
        assert "Permission denied" in said[-1]
    else:
        assert (code, said) == (0, [])


def test_numba_gets_a_folder_where_it_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen before: RuntimeError for a user without a home, of a package that root installed."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(solutions, "default_root", lambda: tmp_path)
    solutions._place_numbas_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setattr(solutions, "_is_writable", lambda folder: False)
    solutions._place_numbas_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "numba")


def test_a_folder_is_writable_where_it_can_be_made(tmp_path: Path) -> None:
    assert solutions._is_writable(tmp_path / "a" / "b")
    assert not solutions._is_writable(Path("/proc/self/none"))
    assert not solutions._is_writable(Path("~/none"))
