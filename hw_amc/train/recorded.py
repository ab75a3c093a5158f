"""Training data out of a file of labelled frames: RadioML, RadCom, own captures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.errors import DataError
from hw_amc.models.network import Classes, find_classes
from hw_amc.radio import SPLITS, FrameFile, open_frames, to_wire
from hw_amc.radio.files.frames import Rows
from hw_amc.radio.quality import InputPath, Quality
from hw_amc.train.data import Cells, FrameSet, keep_frames
from hw_amc.train.labels import find_labels
from hw_amc.train.recipe import Data

#: Decides which frames of a file are for training, which for validation and which are held out.
SPLIT_SEED = 2018

#: Classes of sets whose names do not tell theirs.
_FIRST = find_classes("radioml2018")

#: Frames read at once.
_BATCH = 1024


def load_recorded(data: Data, part: str, folder: Path, classes: Classes) -> FrameSet:
    """Take a part of a file of labelled frames as wire words, or map what an earlier run left in `folder`.

    Each class at each SNR is split in the same shares. Of a cell come as many frames as are asked for, or as there
    are. Classes go by name; frames of classes that the network does not know are left out.

    Parameters
    ----------
    data : what `[data]` says; `file` is given
    part : "train", "validation" or "test"
    folder : where the arrays are kept
    classes : the network's

    Raises
    ------
    ConfigError
        A head knows no class of the file.
    DataError
        The file is missing, damaged, of no known format, without labels, or has no frame that is asked for; or a kept
        array is damaged.

    Warns
    -----
    UserWarning
        The frames saturate the wire, are offset, clipped or silent, or the file holds frames that repeat or overlap
        others, each with its number.
    """
    path = Path(str(data.file))
    if not path.is_file():
        raise DataError(f"{path} does not exist; [data] file in train.toml names it, from train.toml's folder")
    state = path.stat()
    cells = data.cells(part)
    # "apart": sets that were kept before frames that share samples stood together are made again.
    identity = [path.name, state.st_size, state.st_mtime_ns, SPLIT_SEED, "apart"]
    plan = [*identity, data.shares, part, cells, data.normalise]
    if classes != _FIRST:  # sets that were made before there was a choice keep their names
        plan.append(classes)
    return keep_frames(path.name, plan, folder, lambda: _read(path, data, part, classes))


def _read(path: Path, data: Data, part: str, classes: Classes) -> FrameSet:
    with open_frames(path) as file:
        known = (_labels(file, np.arange(len(file)), classes) >= 0).all(axis=1)
        rows = file.split(SPLIT_SEED, data.shares)[SPLITS[part]]
        rows = _choose(file, rows[known[rows]], data.cells(part))
        if not len(rows):
            raise DataError(
                f"{path} has no {part} frame of a known class at the SNRs that train.toml names;"
                f" `hw-amc data info {path.name}` says what it has"
            )
        wire = np.empty((len(rows), file.frame_len, 2), np.int16)
        quality, first = Quality(InputPath(data.normalise)), 0
        for frames, _, _ in file.batches(rows, _BATCH):
            wire[first : first + len(frames)] = to_wire(frames, normalise=data.normalise)
            quality.add(frames)
            first += len(frames)
        for line in [*quality.problems(), *_repeats(file)]:
            warnings.warn(f"{path.name}: {line}", stacklevel=2)
        labels = _labels(file, rows, classes).astype(np.uint8)
        return FrameSet(wire, labels[:, 0] if len(classes) == 1 else labels, file.snrs_db[rows])


def _repeats(file: FrameFile) -> list[str]:
    """Say how many frames of a file share samples with an earlier one; nothing where none does."""
    count = int(np.count_nonzero(file.origins != np.arange(len(file))))
    return [f"{count:,} of {len(file):,} frames repeat or overlap others; they stay in one share"] if count else []


def _labels(file: FrameFile, rows: Rows, classes: Classes) -> Any:
    """Labels of frames as the network's heads number them, (n, heads)."""
    columns, names = [file.labels], [file.classes]
    if file.signals:
        columns, names = [file.labels, file.signal_labels], [file.classes, file.signals]
    return find_labels(np.stack([column[rows] for column in columns], axis=1), names, classes, file.path.name)


def _choose(file: FrameFile, rows: Rows, cells: Cells) -> Rows:
    """Of some rows the first of each class at each SNR, as many as the cells want; ascending."""
    wanted = {snr_db: count for snrs, count in cells for snr_db in snrs}
    mine = np.zeros(len(file), bool)
    mine[rows] = True
    found: list[Any] = [same[mine[same]][: wanted[snr_db]] for _, snr_db, same in file.cells() if wanted.get(snr_db)]
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)
