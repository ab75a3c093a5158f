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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError, HwAmcError
from hw_amc.files import exclusive, load_json, write_text
from hw_amc.radio.files.frames import Labels, Snrs

#: Rows of Y, S and Z written at a time.
_ROWS = 1 << 16

#: Bytes that suffice for what HDF5 notes besides the data sets.
_OWN = 1 << 20

#: Seconds between saves of how far a file is.
_SAVE_EVERY_S = 2.0

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


def write_set(path: Path, contents: Contents, blocks: Blocks, progress: Callable[[int], Any] = lambda _: None) -> None:
    """Write a set, or go on with one that was interrupted.

    Parameters
    ----------
    path : Path
    contents : Contents
    blocks : callable
        `blocks(row)` yields the frames from `row` on, (n, T, 2) float32 at a time. It is called once, with 0 or with
        where an earlier block ended.
    progress : callable
        Called with the rows written so far.

    Raises
    ------
    ConfigError
        Another set is unfinished at that path, or another process is writing it.
    HwAmcError
        The file cannot be written; what is written stays for the next call.
    """
    if path.is_dir():
        raise HwAmcError(f"cannot write {path}: it is a folder")
    folder = path.parent / f".{path.name}.part"
    try:
        with exclusive(folder, f"the making of {path.name}"):
            _write(folder, contents, blocks, progress)
            (folder / "frames.h5").replace(path)
            shutil.rmtree(folder)
    except OSError as error:
        raise HwAmcError(
            f"cannot write {path}: {error.strerror or error}; run the same command again to go on"
        ) from error


def _write(folder: Path, contents: Contents, blocks: Blocks, progress: Callable[[int], Any]) -> None:
    """Bring the unfinished file in `folder` to its end."""
    row, offset = _resume(folder, contents) or _begin(folder, contents)
    progress(row)
    size = contents.frame_len * 8
    with (folder / "frames.h5").open("r+b", buffering=0) as stream:
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
                shutil.rmtree(folder)
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
    write_text(folder / "progress.json", json.dumps({"digest": contents.digest(), "rows": row, "offset": offset}))


def _resume(folder: Path, contents: Contents) -> tuple[int, int] | None:
    """Row to go on from and X's place in an unfinished file; None where there is none."""
    note = folder / "progress.json"
    if not (note.exists() and (folder / "frames.h5").exists()):
        return None
    found = load_json(note)
    if found.get("digest") != contents.digest():
        raise ConfigError(
            f"{folder} holds another unfinished set for that file; finish it with the command that began it,"
            f" or delete it: rm -r '{folder}'"
        )
    return int(found["rows"]), int(found["offset"])


def _begin(folder: Path, contents: Contents) -> tuple[int, int]:
    """Create the file with everything but its samples; row 0 and X's place."""
    total, path = len(contents.labels), folder / "frames.h5"
    tables = total * 8 * (len(contents.classes) + len(contents.signals) + 1)
    needed = total * contents.frame_len * 8 + tables
    free = shutil.disk_usage(folder).free
    if needed > free:
        shutil.rmtree(folder)
        raise HwAmcError(f"the set takes {needed / 1e9:.1f} GB, but {folder.parent} has {free / 1e9:.1f} GB free")
    _require_space(path, tables + _OWN, needed + _OWN)
    with h5py.File(path, "w") as file:
        file.attrs.update(contents.attributes)
        _write_one_hot(file, "Y", contents.labels, len(contents.classes))
        if contents.signal_labels is not None:
            _write_one_hot(file, "S", contents.signal_labels, len(contents.signals))
        file.create_dataset("Z", data=contents.snrs_db.astype(np.int64)[:, None])
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
            shutil.rmtree(path.parent)
            raise


def _write_one_hot(file: h5py.File, name: str, labels: Labels, columns: int) -> None:
    made = file.create_dataset(name, (len(labels), columns), np.int64)
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
    space = h5py.h5s.create_simple(shape)
    made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, layout)
    return int(made.get_offset())
