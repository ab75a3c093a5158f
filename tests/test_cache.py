from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from hw_amc import cache as store
from hw_amc.cache import Cache, CacheUnusable, default_root, entries, prune
from hw_amc.errors import DataError, HwAmcError, ToolFailed

FROM = {"source": "1", "tool": "2.0"}


class Maker:
    """Fills an entry and counts how often."""

    def __init__(self, text: str = "made") -> None:
        self.text = text
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text(self.text)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache("kind", tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_entry_is_made_once(cache: Cache) -> None:
    make = Maker()
    first = cache.entry(FROM, make)
    assert (first / "sub" / "a.txt").read_text() == "made"
    assert cache.entry(FROM, make) == first
    assert make.calls == 1
    assert names(cache.folder) == [first.name]


@pytest.mark.parametrize("other", [{**FROM, "tool": "2.1"}, {**FROM, "source": "2"}, {"source": "1"}])
def test_everything_that_decides_is_in_the_key(cache: Cache, other: dict[str, str]) -> None:
    assert cache.entry(FROM, Maker()) != cache.entry(other, Maker())


def damage_contents(folder: Path) -> None:
    (folder / "sub" / "a.txt").write_text("poisoned")


def cut_contents(folder: Path) -> None:
    (folder / "sub" / "a.txt").write_text("")


def remove_contents(folder: Path) -> None:
    (folder / "sub" / "a.txt").unlink()


def replace_by_a_pipe(folder: Path) -> None:
    remove_contents(folder)
    os.mkfifo(folder / "sub" / "a.txt")


def remove_record(folder: Path) -> None:
    (folder / store.RECORD).unlink()


def record_nothing(folder: Path) -> None:
    (folder / store.RECORD).write_text(json.dumps({"schema": 1, "files": {}}))


def record_garbage(folder: Path) -> None:
    (folder / store.RECORD).write_text("null")


DAMAGES = [
    damage_contents,
    cut_contents,
    remove_contents,
    replace_by_a_pipe,
    remove_record,
    record_nothing,
    record_garbage,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_not_whole_is_made_again_with_one_line(cache: Cache, damage: Any) -> None:
    damage(cache.entry(FROM, Maker()))
    make = Maker()
    with pytest.warns(UserWarning, match="in the cache is not whole .*; it is made again") as said:
        folder = cache.entry(FROM, make)
    assert len(said) == 1
    assert (make.calls, (folder / "sub" / "a.txt").read_text()) == (1, "made")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.entry(FROM, make)


def test_a_failing_maker_leaves_nothing(cache: Cache) -> None:
    def fail(folder: Path) -> None:
        Maker()(folder)
        raise ToolFailed("g++ failed")

    with pytest.raises(ToolFailed, match=r"g\+\+ failed"):
        cache.entry(FROM, fail)
    assert names(cache.folder) == []
    cache.entry(FROM, Maker())


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_full_disk_is_one_line(cache: Cache, is_wrapped: bool) -> None:
    def fill(folder: Path) -> None:
        full = OSError(errno.ENOSPC, "No space left on device")
        if is_wrapped:
            raise HwAmcError("cannot write a.v") from full
        raise full

    with pytest.raises(CacheUnusable, match=r"cannot write to the cache .*No space left on device.*--prune"):
        cache.entry(FROM, fill)
    assert names(cache.folder) == []


def test_what_a_maker_says_of_other_things_stays(cache: Cache) -> None:
    def fail(folder: Path) -> None:
        raise HwAmcError("cannot write a.v") from PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(HwAmcError, match=r"^cannot write a\.v$"):
        cache.entry(FROM, fail)


def test_a_killed_maker_leaves_nothing_that_is_believed(cache: Cache) -> None:
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom hw_amc.cache import Cache\n"
        "def make(folder):\n    (folder / 'half').write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Cache('kind', Path({str(cache.root)!r})).entry({FROM!r}, make)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert [path.name.split("-")[0] for path in cache.folder.iterdir() if path.is_dir()] == ["making"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = cache.entry(FROM, Maker())
    assert (folder / "sub" / "a.txt").read_text() == "made"
    assert not list(cache.folder.glob("making-*"))
    assert not list(cache.folder.glob("*.lock"))


def test_two_processes_make_an_entry_once(cache: Cache, tmp_path: Path) -> None:
    program = (
        "import time\nfrom pathlib import Path\nfrom hw_amc.cache import Cache\n"
        "def make(folder):\n    print('made')\n    time.sleep(1)\n    (folder / 'a').write_text('1')\n"
        f"print(Cache('kind', Path({str(cache.root)!r})).entry({FROM!r}, make).name)\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(line for process in both for line in process.communicate()[0].split())
    assert said[2] == "made"
    assert len(said) == 3
    assert said[0] == said[1]


def test_an_entry_that_cannot_be_loaded_is_made_again(cache: Cache) -> None:
    cache.entry(FROM, Maker("old"))

    def load(folder: Path) -> str:
        text = (folder / "sub" / "a.txt").read_text()
        if text == "old":
            raise OSError("undefined symbol: amc_new")
        return text

    with pytest.warns(UserWarning, match="cannot be used .undefined symbol: amc_new.; it is made again"):
        assert cache.use(FROM, Maker("new"), load) == "new"


def test_what_cannot_be_loaded_even_when_new_is_an_error(cache: Cache) -> None:
    def load(folder: Path) -> str:
        raise DataError("of no use")

    with pytest.warns(UserWarning, match="made again"), pytest.raises(DataError, match="of no use"):
        cache.use(FROM, Maker(), load)


def test_entries_are_listed_and_pruned(cache: Cache) -> None:
    old, new = cache.entry(FROM, Maker("x" * 1000)), cache.entry({"a": "b"}, Maker("y" * 1000))
    os.utime(old, (time.time() - 1000,) * 2)
    (cache.folder / f"making-{old.name}-abc").mkdir()
    (cache.folder / "0123456789abcdef01234567").mkdir()  # as earlier versions kept them
    found = entries(cache.root)
    assert [entry.folder for entry in found] == [new, old]
    assert found[1].made_from == FROM
    assert found[0].size > 1000
    removed, freed = prune(found[0].size + 1, cache.root)
    assert removed == 1
    assert freed >= 1000
    assert names(cache.folder) == [new.name]
    assert prune(0, cache.root)[0] == 1
    assert names(cache.folder) == []


def test_what_is_being_made_is_not_pruned(cache: Cache) -> None:
    def make(folder: Path) -> None:
        prune(0, cache.root)
        Maker()(folder)

    assert (cache.entry(FROM, make) / "sub" / "a.txt").read_text() == "made"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv(store.VARIABLE, raising=False)
    store._usable.cache_clear()
    return tmp_path / "xdg" / "hw-amc"


def test_the_cache_is_the_users_own(home: Path) -> None:
    assert default_root() == home
    assert home.stat().st_mode & 0o777 == 0o700
    home.chmod(0o777)
    store._usable.cache_clear()
    assert default_root() == home
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_is_not_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv(store.VARIABLE, str(shared))
    with pytest.warns(UserWarning, match="is not used: others may write to it"):
        assert default_root() != shared


def test_another_users_folder_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: home.stat().st_uid + 1)
    with pytest.warns(UserWarning, match="belongs to another user"):
        root = default_root()
    assert root != home
    assert (Cache("kind").entry(FROM, Maker()) / "sub" / "a.txt").read_text() == "made"


def test_no_cache_folder_is_one_line(home: Path) -> None:
    home.parent.write_text("a file in the way")
    with pytest.warns(UserWarning, match="is not used: ") as said:
        assert default_root() == default_root()
    assert len(said) == 1


def test_no_home_is_one_line(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What `~` stays where neither HOME nor the list of users says what it is.
    monkeypatch.setattr(store, "user_cache_path", lambda name: Path("~/.cache") / name)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match=r"is not used: its path is relative; is HOME set\?"):
        assert default_root().is_absolute()
    assert not (tmp_path / "~").exists()
