"""One folder of what is slow to make: simulators, kernels, adder graphs.

An entry is a folder named by the digest of everything that decides its contents, the versions of the tools among it.
It is made in a folder of its own, which is thrown away when the making did not end, and published by a rename, with a
record of the SHA-256 of each of its files. An entry that does not match its record is made again, with one line.

The cache is code: whoever can write to it can have this user's programs run theirs. A folder that others own or may
write to is therefore not used.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_path

from hw_amc import ending
from hw_amc.errors import DataError, HwAmcError
from hw_amc.files import file_digest, locked, temporary_folder
from hw_amc.untrusted import brief, load_json

#: Beside an entry's files: what they must be.
RECORD = "entry.json"
SCHEMA = 1
#: Overrides where the cache is.
VARIABLE = "HW_AMC_CACHE"

_KEY = re.compile(r"[0-9a-f]{32}")
#: What the system says of a disk without room.
_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Folders in which entries are made.
_MAKING = re.compile(r"making-([0-9a-f]{32})-.+")


Used = TypeVar("Used")


class CacheUnusable(HwAmcError):
    """The cache cannot be written to; what was to be kept there may have been made all the same."""


def default_root() -> Path:
    """Folder of the cache: $HW_AMC_CACHE, or `hw-amc` in the user's cache folder.

    Where that folder cannot be written to, or is not the user's own, one line says so and a temporary folder takes its
    place, which is removed when this process ends.
    """
    named = os.environ.get(VARIABLE)
    return _usable(Path(named).absolute() if named else user_cache_path("hw-amc"), not named)


@lru_cache(maxsize=8)
def _usable(root: Path, is_default: bool) -> Path:
    problem = _problem(root, is_default)
    if problem is None:
        return root
    warnings.warn(
        f"the cache {root} is not used: {problem}; what is built now is lost afterwards (set {VARIABLE} to a folder"
        " of your own)",
        stacklevel=2,
    )
    return _TEMPORARY.enter_context(temporary_folder(Path(tempfile.gettempdir()), "hw_amc_cache"))


#: Removed when the interpreter ends.
_TEMPORARY = ExitStack()
atexit.register(_TEMPORARY.close)


def _problem(root: Path, is_default: bool) -> str | None:
    """Why a folder cannot be the cache; None where it can, and then it exists."""
    if not root.is_absolute():
        return "its path is relative; is HOME set?"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = root.stat()
        if found.st_uid != os.getuid():
            return "it belongs to another user"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            if not is_default:
                return "others may write to it"
            root.chmod(0o700)
        with tempfile.TemporaryFile(dir=root):
            return None
    except OSError as error:
        return error.strerror or str(error)


@dataclass(frozen=True)
class Entry:
    """An entry as `hw-amc cache` lists it."""

    kind: str
    key: str
    folder: Path
    size: int
    #: When it was last used, seconds since 1970.
    used: float
    #: What it was made from, by name.
    made_from: dict[str, str]


@dataclass(frozen=True)
class Cache:
    """Entries of one kind."""

    #: "verilated", "kernels", "adders": a folder in the root.
    kind: str
    #: The cache; by default the user's.
    root: Path | None = None

    @property
    def folder(self) -> Path:
        """Folder of the entries of this kind."""
        return (self.root or default_root()) / self.kind

    def entry(self, made_from: Mapping[str, str], make: Callable[[Path], object]) -> Path:
        """Folder of the entry that is made from `made_from`: found whole, or made now.

        Parameters
        ----------
        made_from : mapping
            All that decides the contents, by name: texts, options, versions of tools.
        make : callable
            `make(folder)` fills an empty folder; what it leaves there is the entry. Two processes that want the same
            entry make it once.

        Raises
        ------
        CacheUnusable
            The cache's disk is full; else whatever `make` raises.
        """
        key = _key(made_from)
        folder = self.folder / key
        if (found := self._load(folder)) is None:
            return folder
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / f"{key}.lock"):
                # Another process may have made it while this one waited.
                if (found := self._load(folder)) is None:
                    return folder
                if found:
                    warnings.warn(f"{folder} in the cache is not whole ({found}); it is made again", stacklevel=2)
                self._make(folder, made_from, make)
        except (OSError, HwAmcError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            # Of what a maker says only the full disk is the cache's.
            if not isinstance(cause, OSError) or not (cause is error or cause.errno in _FULL):
                raise
            raise CacheUnusable(
                f"cannot write to the cache {self.folder}: {cause.strerror or cause}; `hw-amc cache --prune` frees"
                f" space, and {VARIABLE} names another folder"
            ) from error
        return folder

    def find(self, made_from: Mapping[str, str]) -> Path | None:
        """Folder of the entry where it is there and whole."""
        folder = self.folder / _key(made_from)
        return folder if self._load(folder) is None else None

    def _make(self, folder: Path, made_from: Mapping[str, str], make: Callable[[Path], object]) -> None:
        self._sweep(folder.name)
        making = Path(tempfile.mkdtemp(prefix=f"making-{folder.name}-", dir=self.folder))
        try:
            make(making)
            _record(making, self.kind, made_from)
            ending.raise_again()
            if folder.exists():
                shutil.rmtree(folder)
            making.replace(folder)
            _sync(self.folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _load(self, folder: Path) -> str | None:
        """None where an entry is whole; else what is wrong with it, nothing where there is none."""
        if not folder.is_dir():
            return ""
        problem = _damage(folder)
        if problem is None:
            with suppress(OSError):
                os.utime(folder)
        return problem

    def _sweep(self, own: str) -> None:
        """Remove what killed makers left: nobody holds the lock of such a folder."""
        for path in self.folder.glob("making-*"):
            match = _MAKING.fullmatch(path.name)
            if match is None:
                continue
            with _idle(self.folder, match[1], own) as idle:
                if idle:
                    shutil.rmtree(path, ignore_errors=True)

    def use(self, made_from: Mapping[str, str], make: Callable[[Path], object], load: Callable[[Path], Used]) -> Used:
        """As `entry`, and `load(folder)` of it; where that fails on an entry of earlier, the entry is made again.

        Parameters
        ----------
        made_from, make
            See `entry`.
        load : callable
            Reads the entry; OSError or DataError means that it is of no use here.

        Raises
        ------
        HwAmcError
            As `entry`; or an entry that was made just now cannot be loaded.
        """
        folder = self.entry(made_from, make)
        try:
            return load(folder)
        except (OSError, DataError) as error:
            warnings.warn(f"{folder} in the cache cannot be used ({brief(error)}); it is made again", stacklevel=2)
        shutil.rmtree(folder, ignore_errors=True)
        folder = self.entry(made_from, make)
        try:
            return load(folder)
        except OSError as error:
            raise HwAmcError(f"{folder} cannot be used although it was made just now: {brief(error)}") from error


@contextmanager
def _idle(folder: Path, key: str, own: str) -> Iterator[bool]:
    """Whether nobody else makes the entry `key`; `own` is locked by the caller."""
    if key == own:
        yield True
    else:
        with locked(folder / f"{key}.lock", wait=False) as held:
            yield held


def _key(made_from: Mapping[str, str]) -> str:
    told = json.dumps([SCHEMA, sorted(made_from.items())])
    return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:32]


def _record(folder: Path, kind: str, made_from: Mapping[str, str]) -> None:
    """Write what an entry's files are, when all of them are on the disk."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise HwAmcError(f"{path} is no plain file; report this")
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = file_digest(path)
            _sync(path)
    shown = {name: value if len(value) <= 200 else _short(value) for name, value in made_from.items()}
    record = {"schema": SCHEMA, "kind": kind, "made_from": shown, "files": files}
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    _sync(folder / RECORD)
    _sync(folder)


def _short(value: str) -> str:
    return f"sha256 {hashlib.sha256(value.encode(errors='surrogateescape')).hexdigest()}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _damage(folder: Path) -> str | None:
    """What differs between an entry and its record; None where nothing does."""
    try:
        record = load_json(folder / RECORD)
        files = record.get("files")
        if record.get("schema") != SCHEMA or not isinstance(files, dict) or not files:
            return "its record is of another form"
        for name, digest in files.items():
            if file_digest(folder / name) != digest:
                return f"{name} is not what was published"
    except DataError as error:
        return str(error)
    return None


def entries(root: Path | None = None) -> list[Entry]:
    """All entries, those that were used last first."""
    found = []
    for folder in (root or default_root()).glob("*/*"):
        if _KEY.fullmatch(folder.name) and folder.is_dir():
            with suppress(OSError, DataError):
                record = load_json(folder / RECORD)
                made_from = record.get("made_from")
                told = {str(k): str(v) for k, v in made_from.items()} if isinstance(made_from, dict) else {}
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                found.append(Entry(folder.parent.name, folder.name, folder, size, folder.stat().st_mtime, told))
    return sorted(found, key=lambda entry: -entry.used)


def prune(keep_bytes: int = 0, root: Path | None = None) -> tuple[int, int]:
    """Remove the entries that were used longest ago, until at most `keep_bytes` are left, and all leftovers.

    Entries that are being made stay. Folders that earlier versions kept here go, too.

    Returns
    -------
    (entries removed, bytes freed)
    """
    top = root or default_root()
    before, removed, kept = _size(top), 0, 0
    for entry in entries(top):
        kept += entry.size
        if kept > keep_bytes:
            with ExitStack() as stack, suppress(OSError):
                if stack.enter_context(locked(entry.folder.parent / f"{entry.key}.lock", wait=False)):
                    shutil.rmtree(entry.folder)
                    removed += 1
    whole = {entry.folder for entry in entries(top)}
    for path in top.glob("*/*"):
        match = _MAKING.fullmatch(path.name)
        key = match[1] if match else path.name
        if path not in whole and path.suffix != ".lock":
            with suppress(OSError), _idle(path.parent, key, "") as idle:
                if idle:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return removed, before - _size(top)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size if path.is_file() else 0
    return total
