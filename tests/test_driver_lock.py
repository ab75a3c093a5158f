"""The accelerator's lock among users: one file for all, which does no harm to anything that lies in its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import NOBODY, as_nobody

from hw_amc.driver import lock
from hw_amc.driver.errors import DeviceBusy, DeviceError
from hw_amc.driver.lock import DeviceLock

ROOT = Path(__file__).parents[1]
by_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder as /run/lock is: everybody may make files, and remove his own. Pytest's own folders are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)
        monkeypatch.setattr(lock, "PLACES", (folder,))
        yield folder


def take() -> str:
    held = DeviceLock("zynq")
    held.release()
    return "taken"


def holder(place: Path, user: int) -> subprocess.Popen[str]:
    """Another user's process that holds the lock."""
    program = (
        "import os, sys; from pathlib import Path; from hw_amc.driver import lock\n"
        "lock.PLACES = (Path(sys.argv[1]),)\n"
        "os.setuid(int(sys.argv[2]))\n"
        "held = lock.DeviceLock('zynq'); print('held', flush=True); sys.stdin.read()"
    )
    args = [sys.executable, "-c", program, str(place), str(user)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(args, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_it_is_held_once_and_leaves_nothing(place: Path) -> None:
    held = DeviceLock("zynq")
    with pytest.raises(DeviceBusy, match=r"in use by this process: close the other AmcOverlay first \(.*zynq\.lock"):
        DeviceLock("zynq")
    held.release()
    held.release()
    assert list(place.iterdir()) == []
    assert take() == "taken"


def test_tags_are_file_names(place: Path) -> None:
    held = DeviceLock("../10.0.0.1:7967")
    assert [path.name for path in place.iterdir()] == ["hw_amc----10-0-0-1-7967.lock"]
    held.release()


def test_a_link_is_refused_and_its_target_untouched(place: Path, tmp_path: Path) -> None:
    target = tmp_path / "letter"
    target.write_text("dear sir")
    (place / "hw_amc-zynq.lock").symlink_to(target)
    with pytest.raises(DeviceError, match=r"hw_amc-zynq\.lock, the accelerator's lock file, is a link; remove it"):
        take()
    assert target.read_text() == "dear sir"
    (place / "hw_amc-zynq.lock").unlink()
    (place / "hw_amc-zynq.lock").symlink_to(tmp_path / "nothing")
    with pytest.raises(DeviceError, match="is a link"):
        take()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_what_is_no_file_is_refused_at_once(place: Path, make: Callable[[Path], None]) -> None:
    make(place / "hw_amc-zynq.lock")
    with pytest.raises(DeviceError, match="is no plain file; remove it"):
        take()


def test_a_file_that_lay_there_is_not_written_to(place: Path) -> None:
    (place / "letter").write_text("dear sir")
    os.link(place / "letter", place / "hw_amc-zynq.lock")
    assert take() == "taken"
    assert (place / "letter").read_text() == "dear sir"


def test_the_umask_shuts_nobody_out(place: Path) -> None:
    before = os.umask(0o077)
    try:
        held = DeviceLock("zynq")
    finally:
        os.umask(before)
    assert held.path.stat().st_mode & 0o777 == 0o644
    held.release()


def test_without_the_kernels_list_it_is_another_process(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = DeviceLock("zynq")
    monkeypatch.setattr(lock, "_LOCKS", place / "none")
    with pytest.raises(DeviceBusy, match="in use by another process"):
        DeviceLock("zynq")
    held.release()


@by_root
@pytest.mark.parametrize("first", [0, NOBODY])
def test_a_second_user_is_told_who_holds_it_and_takes_over_from_the_dead(place: Path, first: int) -> None:
    attempt = take if first == NOBODY else lambda: as_nobody(take)
    with holder(place, first) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            said = attempt()
        except DeviceBusy as error:
            said = f"DeviceBusy: {error}"
        assert said.startswith(f"DeviceBusy: the accelerator is in use by process {process.pid} (")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert attempt() == "taken"
    assert take() == "taken"


@by_root
def test_a_file_that_others_may_not_read_is_one_line(place: Path) -> None:
    path = place / "hw_amc-zynq.lock"
    path.touch()
    path.chmod(0o600)
    said = as_nobody(take)
    assert said.startswith(f"DeviceError: cannot open {path}, the accelerator's lock file: Permission denied; have its")


@by_root
def test_a_folder_of_one_user_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr(lock, "PLACES", (tmp_path / "none", own, place))
    held = DeviceLock("zynq")
    assert held.path.parent == place
    held.release()
