from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import NOBODY

from hw_amc.errors import ConfigError, DataError, HwAmcError
from hw_amc.files import atomic_path, exclusive, file_digest, load_json, locked, sweep, temporary_folder, write_text
from hw_amc.sources import Sources


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failing_writer_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")

    def write_half(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"), atomic_path(tmp_path / "a.txt") as path:
        write_half(path)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert leftovers(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    def write_too_much(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(HwAmcError, match="No space left on device; nothing was changed"):  # noqa: SIM117
        with atomic_path(tmp_path / "a.txt") as path:
            write_too_much(path)
    assert leftovers(tmp_path) == []


def test_really_full_device_is_reported() -> None:
    """Writing to /dev/full fails as a full disk does; the folder itself cannot hold a temporary file either."""
    with pytest.raises(HwAmcError, match="cannot write"):
        write_text(Path("/proc/hw_amc_no_such_folder/a.txt"), "text")


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    program = (
        "import os, signal, pathlib\n"
        "from hw_amc.files import atomic_path\n"
        f"with atomic_path(pathlib.Path({str(tmp_path / 'a.txt')!r})) as path:\n"
        "    path.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert (tmp_path / "a.txt").read_text() == "old"


KILLED = """
import os, signal, sys
from pathlib import Path
from hw_amc.files import atomic_path
with atomic_path(Path(sys.argv[1])) as path:
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    for name in ("a.txt", "noending"):
        assert subprocess.run([sys.executable, "-c", KILLED, tmp_path / name], check=False).returncode == -9
        assert len(leftovers(tmp_path)) == 1  # the second writer removed what the first had left
    (tmp_path / ".hidden.txt").write_text("a user's own")
    write_text(tmp_path / "b.txt", "whole")
    assert leftovers(tmp_path) == [".hidden.txt", "b.txt"]


KILLED_IN_A_FOLDER = """
import os, signal, sys
from pathlib import Path
from hw_amc.files import temporary_folder
with temporary_folder(Path(sys.argv[1]), "init") as folder:
    (folder / "a").mkdir()
    (folder / "a" / "b.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_killed_process_goes_with_the_next_one(tmp_path: Path) -> None:
    """Seen before: `init` and `new` left theirs for ever."""
    assert subprocess.run([sys.executable, "-c", KILLED_IN_A_FOLDER, tmp_path], check=False).returncode == -9
    (killed,) = tmp_path.iterdir()
    assert killed.name.startswith(".init.")
    with temporary_folder(tmp_path, "new") as folder:
        sweep(tmp_path)
        (folder / "c.txt").write_text("whole")
        assert leftovers(tmp_path) == [folder.name]
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_what_another_user_left_stays(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED_IN_A_FOLDER, tmp_path], check=False).returncode == -9
    (killed,) = tmp_path.iterdir()
    os.chown(killed, NOBODY, NOBODY)
    sweep(tmp_path)
    assert leftovers(tmp_path) == [killed.name]


def test_a_living_writers_file_stays(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as path:
        path.write_text("new")
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"from hw_amc.files import sweep; import pathlib; sweep(pathlib.Path({str(tmp_path)!r}))",
            ],
            check=True,
        )
    assert (tmp_path / "a.txt").read_text() == "new"


def test_an_overlong_name_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(HwAmcError, match="File name too long; nothing was changed"):
        write_text(tmp_path / ("x" * 300), "text")
    with pytest.raises(DataError, match="File name too long"):
        load_json(tmp_path / ("x" * 5000))


def test_locks_leave_nothing(tmp_path: Path) -> None:
    with exclusive(tmp_path, "x"):
        assert leftovers(tmp_path) == [".lock"]
    assert leftovers(tmp_path) == []


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a user's own")
    (tmp_path / ".lock").symlink_to(tmp_path / "a")
    with pytest.raises(HwAmcError, match="cannot work in"), exclusive(tmp_path, "x"):
        pass
    assert (tmp_path / "a").read_text() == "a user's own"


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    said = r"cannot work in .*a/b: Not a directory; make it writable"
    with pytest.raises(HwAmcError, match=said), exclusive(tmp_path / "a" / "b", "x"):
        pass


def test_waiting_for_a_lock(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom hw_amc.files import locked\n"
        "with locked(Path(sys.argv[1])) as held:\n    print(held, flush=True)\n    sys.stdin.read()\n"
    )
    args = [sys.executable, "-c", program, str(tmp_path / "l")]
    first = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "True\n"
    with locked(tmp_path / "l", wait=False) as held:
        assert not held
    first.kill()  # the system frees it
    with locked(tmp_path / "l") as held:
        assert held
    first.communicate()
    assert leftovers(tmp_path) == []


def test_a_second_run_is_refused_at_once(tmp_path: Path) -> None:
    with exclusive(tmp_path, "hw-amc on x"):
        program = (
            "import pathlib\nfrom hw_amc.files import exclusive\n"
            f"with exclusive(pathlib.Path({str(tmp_path)!r}), 'hw-amc on x'): pass\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ConfigError: hw-amc on x is already running" in done.stderr
    with exclusive(tmp_path, "hw-amc on x"):
        pass


def test_the_lock_of_a_failed_run_is_free(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), exclusive(tmp_path, "x"):
        raise ConfigError("wrong")
    with exclusive(tmp_path, "x"):
        pass


@pytest.mark.parametrize(("text", "message"), [("{", "not readable JSON"), ("[1]", "JSON object, not list")])
def test_damaged_json_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load_json(tmp_path / "a.json")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_json(tmp_path / "a.json")
    with pytest.raises(DataError, match="does not exist"):
        file_digest(tmp_path / "a.bin")


def test_project_writes_only_what_differs(tmp_path: Path) -> None:
    project = Sources({"a.txt": "1", "sub/b.txt": "2"})
    project.write(tmp_path)
    before = (tmp_path / "a.txt").stat().st_mtime_ns
    Sources({**project.files, "sub/b.txt": "3"}).write(tmp_path)
    assert (tmp_path / "a.txt").stat().st_mtime_ns == before
    assert (tmp_path / "sub" / "b.txt").read_text() == "3"


@pytest.mark.parametrize("damaged", [b"\xff\xfe", b"2\r", b""])
def test_a_damaged_file_of_a_project_is_written_again(damaged: bytes, tmp_path: Path) -> None:
    """Seen before: bytes that are no text were a UnicodeDecodeError for ever."""
    (tmp_path / "a.txt").write_bytes(damaged)
    Sources({"a.txt": "2\n"}).write(tmp_path)
    assert (tmp_path / "a.txt").read_bytes() == b"2\n"


def test_project_digest_covers_names_and_contents() -> None:
    digests = {Sources(files).digest() for files in ({"a": "bc"}, {"ab": "c"}, {"a": "bd"}, {"a": "b", "c": ""})}
    assert len(digests) == 4
    assert Sources({"a": "1", "b": "2"}).digest() == Sources({"b": "2", "a": "1"}).digest()


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../../b"])
def test_project_stays_in_its_folder(name: str) -> None:
    with pytest.raises(HwAmcError, match="outside its folder"):
        Sources({name: ""})
