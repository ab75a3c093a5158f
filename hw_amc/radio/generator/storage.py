"""Writing sets in RadioML 2018.01A's schema: resumable, whole or absent, in memory for a block of frames.

X lies in the file in one piece whose place is known before the first frame. So frames are written past the HDF5
library, and a file that was interrupted anywhere, by a power cut too, goes on from the last saved row. It lies in a
hidden folder beside its target and takes the target's name when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hw_amc import ending
from hw_amc.errors import ConfigError, DataError, HwAmcError
from hw_amc.files import exclusive, load_json, require_replaceable, write_text
from hw_amc.hdf5 import open_hdf5, read_attribute
from hw_amc.radio.files.frames import Labels, Snrs
from hw_amc.untrusted import require_regular

#: Rows of Y, S and Z written at a time.
_ROWS = 1 << 16

#: Bytes that suffice for what HDF5 notes besides the data sets.
_OWN = 1 << 20

#: Seconds between saves of how far a file is.
_SAVE_EVERY_S = 2.0

#: All that a folder of an unfinished set holds.
_FRAMES, _PROGRESS, _LOCK = _OURS = "frames.h5", "progress.json", ".lock"

Blocks = Callable[[int], Iterable[NDArray[np.float32]]]


@dataclass(frozen=True)
class Contents:
    """All of a set but its samples."""

    #: Samples a frame, T.
    frame_len: int
    #: Names of the columns of Y.
    classes: tuple[str, ...]
    #: (N,) index into `classes`, and dB.
    labels: Labels
    snrs_db: Snrs
    #: Names of the columns of S, and (N,) index into them; empty and None in a set of one label a frame.
    signals: tuple[str, ...]
    signal_labels: Labels | None
    #: Attributes of the file.
    attributes: Mapping[str, str | int]

    def digest(self) -> str:
        """SHA-256 over everything here, to tell one unfinished set from another."""
        told = [self.frame_len, self.classes, self.signals, dict(self.attributes)]
        found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for array in (self.labels, self.snrs_db, self.signal_labels):
            found.update(b"" if array is None else array.tobytes())
        return found.hexdigest()


def write_set(
    path: Path,
    contents: Contents,
    blocks: Blocks,
    progress: Callable[[int], Any] = lambda _: None,
    replace: bool = False,
) -> None:
    """Write a set, or go on with one that was interrupted.

    A set that hw-amc made earlier is replaced; another file is not.

    Parameters
    ----------
    path : Path
    contents : Contents
    blocks : callable
        `blocks(row)` yields the frames from `row` on, (n, T, 2) float32 at a time. It is called once, with 0 or with
        where an earlier block ended.
    progress : callable
        Called with the rows written so far.
    replace : bool
        Replace whatever file stands at `path`.

    Raises
    ------
    ConfigError
        Another set is unfinished at that path, another process is writing it, or something else lies there.
    HwAmcError
        The file cannot be written; what is written stays for the next call.
    """
    if path.is_dir():
        raise HwAmcError(f"cannot write {path}: it is a folder")
    require_replaceable(path, is_ours, replace)
    folder = path.parent / f".{path.name}.part"
    _require_own_folder(folder)
    try:
        with exclusive(folder, f"the making of {path.name}"):
            _write(folder, contents, blocks, progress)
            require_replaceable(path, is_ours, replace)
            ending.raise_again()
            (folder / _FRAMES).replace(path)
            _discard(folder)
    except OSError as error:
        raise HwAmcError(
            f"cannot write {path}: {error.strerror or error}; run the same command again to go on"
        ) from error
    finally:
        with suppress(OSError):  # it holds an unfinished set, or what somebody put there
            folder.rmdir()


def is_ours(path: Path) -> bool:
    """Whether a file is a set that hw-amc made, as its attributes say."""
    try:
        with open_hdf5(path) as file:
            return "hw_amc" in (read_attribute(file, name, path) for name in ("generator", "converter"))
    except DataError:
        return False


def _require_own_folder(folder: Path) -> None:
    """Require that nothing but an unfinished set lies in the folder in which one is written."""
    try:
        names = {entry.name for entry in os.scandir(folder)} if folder.exists() or folder.is_symlink() else set()
    except OSError as error:
        raise HwAmcError(f"cannot work in {folder}: {error.strerror}; move it away") from error
    foreign = sorted(name for name in names - set(_OURS) if not name.startswith(f".{_PROGRESS}."))
    if folder.is_symlink() or foreign or (_FRAMES in names and _PROGRESS not in names):
        what = "is a link" if folder.is_symlink() else f"holds {foreign[0]}" if foreign else f"has no {_PROGRESS}"
        raise ConfigError(f"{folder} {what}: it is no unfinished set of hw-amc; move it away")


def _discard(folder: Path) -> None:
    """Remove an unfinished set, and nothing that was put beside it."""
    for name in _OURS:
        if name != _LOCK:  # its holder removes it
            (folder / name).unlink(missing_ok=True)


def _write(folder: Path, contents: Contents, blocks: Blocks, progress: Callable[[int], Any]) -> None:
    """Bring the unfinished file in `folder` to its end."""
    row, offset = _resume(folder, contents) or _begin(folder, contents)
    progress(row)
    size = contents.frame_len * 8
    with (folder / _FRAMES).open("r+b", buffering=0) as stream:
        saved = time.monotonic()
        try:
            for frames in blocks(row) if row < len(contents.labels) else ():
                _write_at(stream.fileno(), np.ascontiguousarray(frames, "<f4"), offset + row * size)
                row += len(frames)
                progress(row)
                if time.monotonic() - saved > _SAVE_EVERY_S:
                    _save(stream.fileno(), folder, contents, row, offset)
                    saved = time.monotonic()
        finally:
            if row:
                _save(stream.fileno(), folder, contents, row, offset)
            else:
                _discard(folder)
    if row != len(contents.labels):
        raise HwAmcError(f"{folder} got {row} of {len(contents.labels)} frames; report this")


def _write_at(handle: int, frames: NDArray[Any], offset: int) -> None:
    left = memoryview(frames.view(np.uint8).reshape(-1))  # type: ignore[arg-type]
    while left:
        written = os.pwrite(handle, left, offset)
        left, offset = left[written:], offset + written


def _save(handle: int, folder: Path, contents: Contents, row: int, offset: int) -> None:
    """Note how far the file is, once its rows are on the disk."""
    os.fsync(handle)
    _note(folder, contents, row, offset)


def _note(folder: Path, contents: Contents, row: int, offset: int) -> None:
    write_text(folder / _PROGRESS, json.dumps({"digest": contents.digest(), "rows": row, "offset": offset}))


def _resume(folder: Path, contents: Contents) -> tuple[int, int] | None:
    """Row to go on from and X's place in an unfinished file; None where there is none."""
    note, frames = folder / _PROGRESS, folder / _FRAMES
    if not note.exists():
        return None
    found = load_json(note)
    if found.get("digest") != contents.digest():
        raise ConfigError(
            f"{folder} holds another unfinished set for that file; finish it with the command that began it,"
            f" or delete it: rm -r '{folder}'"
        )
    row, offset = found.get("rows"), found.get("offset")
    if not (type(row) is int and type(offset) is int and 0 <= row <= len(contents.labels)):
        raise DataError(f"{note} is damaged; begin again: rm -r '{folder}'")
    end = offset + row * contents.frame_len * 8
    whole = offset > 0 and frames.exists() and end <= require_regular(frames)
    return (row, offset) if whole else None


def _begin(folder: Path, contents: Contents) -> tuple[int, int]:
    """Create the file with everything but its samples; row 0 and X's place."""
    total, path = len(contents.labels), folder / _FRAMES
    # First of all: it says whose folder this is.
    _note(folder, contents, 0, 0)
    tables = total * 8 * (len(contents.classes) + len(contents.signals) + 1)
    needed = total * contents.frame_len * 8 + tables
    free = shutil.disk_usage(folder).free
    if needed > free:
        _discard(folder)
        raise HwAmcError(f"the set takes {needed / 1e9:.1f} GB, but {folder.parent} has {free / 1e9:.1f} GB free")
    _require_space(path, tables + _OWN, needed + _OWN)
    with h5py.File(path, "w") as file:
        file.attrs.update(contents.attributes)
        _write_one_hot(file, "Y", contents.labels, len(contents.classes))
        if contents.signal_labels is not None:
            _write_one_hot(file, "S", contents.signal_labels, len(contents.signals))
        file.create_dataset("Z", data=contents.snrs_db.astype(np.int64)[:, None], track_times=False)
        offset = _allocate(file, "X", (total, contents.frame_len, 2))
    with path.open("rb") as stream:
        _save(stream.fileno(), folder, contents, 0, offset)
    return 0, offset


def _require_space(path: Path, tables: int, size: int) -> None:
    """Require that a file of this size can be made, with room for what HDF5 itself writes: a failed write crashes it.

    Raises
    ------
    OSError
        The disk is full, a quota is used up, or files may not be so large.
    """
    with path.open("wb") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, tables)
            stream.truncate(size)
        except OSError:
            _discard(path.parent)
            raise


def _write_one_hot(file: h5py.File, name: str, labels: Labels, columns: int) -> None:
    made = file.create_dataset(name, (len(labels), columns), np.int64, track_times=False)
    unit = np.eye(columns, dtype=np.int64)
    for first in range(0, len(labels), _ROWS):
        part = labels[first : first + _ROWS]
        made[first : first + len(part)] = unit[part]


def _allocate(file: h5py.File, name: str, shape: tuple[int, ...]) -> int:
    """Create a float32 data set in one piece, not filled; where it lies in the file, bytes."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    layout.set_obj_track_times(False)  # equal sets are equal files
    space = h5py.h5s.create_simple(shape)
    made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, layout)
    return int(made.get_offset())
