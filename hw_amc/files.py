"""Atomic writes and locks: an interrupted run never leaves a half-written file behind, nor a lock that holds."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from hw_amc import ending
from hw_amc.errors import ConfigError, DataError, HwAmcError
from hw_amc.untrusted import load_json, open_regular

__all__ = [
    "atomic_path",
    "exclusive",
    "file_digest",
    "load_json",
    "locked",
    "pack_npz",
    "require_replaceable",
    "save_npz",
    "sweep",
    "temporary_folder",
    "write_text",
]

#: Names of files and folders that are being written, and who writes them.
_UNFINISHED = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-[^.]+(\.[^.]*)?")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block succeeds.

    On any error the temporary file is removed and `path` is untouched. What killed writers left in that folder is
    removed on the way.

    Raises
    ------
    HwAmcError
        The file cannot be written (disk full, no permission).
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(path.parent.absolute())
        handle, name = tempfile.mkstemp(prefix=_prefix(path.name), suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        ending.raise_again()
        temporary.replace(path)
    except OSError as error:
        raise HwAmcError(f"cannot write {path}: {error.strerror or error}; nothing was changed") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def require_replaceable(path: Path, is_ours: Callable[[Path], bool], replace: bool = False) -> None:
    """Require that nothing of somebody else is lost when `path` is written.

    Parameters
    ----------
    path : Path
    is_ours : callable
        Whether a file that stands there was made by this package, by a mark that it carries.
    replace : bool
        The user has said that it may be replaced.

    Raises
    ------
    ConfigError
        Something stands there that is not ours.
    """
    if not replace and path.exists() and not is_ours(path):
        raise ConfigError(
            f"{path} is there already and hw-amc did not make it; give another name, or --yes to replace it"
        )


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder in `parent`, removed at the end; what killed processes left there is removed on the way.

    Raises
    ------
    OSError
        It cannot be made.
    """
    _sweep_once(parent.absolute())
    folder = Path(tempfile.mkdtemp(prefix=_prefix(name), dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prefix(name: str) -> str:
    return f".{name[:150]}.{_process_space()}-{os.getpid()}-"


@lru_cache(maxsize=1)
def _process_space() -> str:
    """Name of the set of processes that this process's number counts in: this boot, this container."""
    told = []
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            told.append(os.readlink(source) if "/ns/" in source else Path(source).read_text(encoding="ascii"))
    return hashlib.sha256("".join(told).encode()).hexdigest()[:8]


@lru_cache(maxsize=4096)
def _sweep_once(folder: Path) -> None:
    sweep(folder)


def sweep(folder: Path) -> None:
    """Remove this user's temporary files and folders in `folder` whose writers are no more."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            match = _UNFINISHED.fullmatch(entry.name) if entry.name.startswith(".") else None
            if match and match[1] == _process_space() and not _is_alive(int(match[2])):
                with suppress(OSError):
                    _remove(entry)


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.stat(follow_symlinks=False).st_uid != os.getuid():
        return
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def save_npz(path: Path, arrays: Mapping[str, Any], compressed: bool = True) -> None:
    """Write arrays to `path` atomically, as numpy's archive."""
    packed = pack_npz(arrays, compressed)
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed)


def pack_npz(arrays: Mapping[str, Any], compressed: bool = True) -> memoryview:
    """Return numpy's archive of some arrays, made in memory.

    Numpy leaves an archive open that it cannot write, on a full disk say, and that complains again when it is thrown
    away.
    """
    import numpy as np  # which most commands can do without

    archive = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(archive, **arrays)
    return archive.getbuffer()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Raises
    ------
    DataError
        The file is missing, or is no plain file, or cannot be read.
    """
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        try:
            while block := stream.read(1 << 20):
                digest.update(block)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path`; the operating system frees it when its holder dies. It is removed at the end.

    Parameters
    ----------
    path : Path
        In an existing folder.
    wait : bool
        Wait for another holder, or yield False at once.

    Raises
    ------
    OSError
        The file cannot be made.
    """
    handle = None
    while handle is None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # Its last holder may have removed it after we opened it.
            if os.stat(path).st_ino != os.fstat(handle).st_ino:
                raise FileNotFoundError
        except FileNotFoundError:
            os.close(handle)
            handle = None
        except BlockingIOError:
            os.close(handle)
            yield False
            return
        except BaseException:
            os.close(handle)
            raise
    try:
        yield True
    finally:
        # While the lock is still held: whoever opened the file before notices that it is another one.
        with suppress(OSError):
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                os.unlink(path)
        os.close(handle)


@contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """Hold `folder`'s lock, or refuse at once when another process holds it.

    Raises
    ------
    ConfigError
        Another run holds the lock.
    HwAmcError
        The folder cannot be made or written to.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(locked(folder / ".lock", wait=False))
        except OSError as error:
            raise HwAmcError(
                f"cannot work in {folder}: {error.strerror or error}; make it writable or choose another workspace"
            ) from error
        if not held:
            raise ConfigError(f"{what} is already running in {folder}; wait for it or stop it first")
        yield
