"""SigMF recordings: frames from annotated stretches.

Of the metadata, `core:label` of an annotation is the modulation, `capture_details:SNRdB` its SNR; annotations without
`core:sample_count` end with their capture (up to SigMF 1.2.0, with the recording). No frame crosses the ends of an
annotation or the start of a capture, where samples may be missing. Frequencies are not shifted and rates not changed.
An archive may hold several recordings; their frames follow each other.
"""

from __future__ import annotations

import os
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.captures import (
    FRAME_LEN,
    CaptureFile,
    CaptureOptions,
    Segment,
    require_label,
    to_unit_range,
)
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB
from hw_amc.radio.files.levels import warn_of_small_integers
from hw_amc.radio.files.registry import Glimpse, reads
from hw_amc.radio.files.sigmf_metadata import Annotation, Metadata, open_count
from hw_amc.radio.files.sigmf_storage import ARCHIVES, DATA, META, Recording, find_recordings

#: Endings of recordings and archives.
ENDINGS = (META, DATA, *ARCHIVES)


@dataclass(frozen=True)
class _Part:
    """One recording of the file."""

    recording: Recording
    #: Number of its first sample among those of all recordings, and how many it has.
    first: int
    count: int

    @property
    def metadata(self) -> Metadata:
        """What its metadata say."""
        return self.recording.metadata


class SigMfFile(CaptureFile):
    """A SigMF recording or archive, cut into frames.

    Samples are read from the disk when asked for; of a compressed archive, they are unpacked into memory.

    Parameters
    ----------
    path : Path
        The `.sigmf-meta` or `.sigmf-data` file, or an archive.
    options : CaptureOptions
        `label` for recordings without labelled annotations, `snr_db` where none is given.

    Raises
    ------
    DataError
        The recording is missing, damaged, real or of several channels; its samples lie elsewhere; nothing is labelled,
        or two annotations give the same samples different labels; no stretch is as long as a frame.

    Warns
    -----
    UserWarning
        Recordings of an archive have no labels, or other sample rates; integers do not mean what their type says.
    """

    def __init__(self, path: Path, options: CaptureOptions) -> None:
        super().__init__(path)
        self._opened: list[_Part] = []
        self._maps: dict[int, Any] = {}
        self._owner = os.getpid()
        parts = self._parts()
        self._cut(self._segments(parts, options), options.frame_len or FRAME_LEN)
        rates = {part.metadata.attributes.get("sample_rate_hz") for part in parts}
        if len(rates) > 1:
            warnings.warn(f"{self.path}: its recordings have different sample rates", stacklevel=2)
        for number, part in enumerate(parts):
            run = part.metadata.runs[-1]
            warn_of_small_integers(self._run(number, len(part.metadata.runs) - 1, 0, part.count - run.start), self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": [], "_maps": {}}

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Sample rate, datatype and hardware, as far as the first recording gives them."""
        return dict(self._parts()[0].metadata.attributes)

    def close(self) -> None:
        """Close the recording; the next read opens it again."""
        self._opened, self._maps = [], {}

    def release(self) -> None:
        """Map the samples anew at the next read."""
        self._maps = {}

    def _parts(self) -> list[_Part]:
        """All recordings, opened once in each process."""
        if not self._opened:
            first = 0
            for recording in find_recordings(self.path):
                count = self._count(recording)
                self._opened.append(_Part(recording, first, count))
                first += count
        return self._opened

    def _count(self, recording: Recording) -> int:
        metadata, size = recording.metadata, recording.stored.size
        sample = 2 * metadata.dtype.itemsize
        left = size - metadata.other_bytes
        if left < 0 or left % sample or metadata.runs[-1].start > left // sample:
            raise DataError(
                f"{self.path}: {size} bytes are not whole samples of {sample} bytes and the"
                f" {metadata.other_bytes} bytes beside them; is it cut short?"
            )
        return left // sample

    def _segments(self, parts: Sequence[_Part], options: CaptureOptions) -> list[Segment]:
        """Labelled stretches of all recordings, in order and without overlap, cut where a capture starts."""
        labelled = [part for part in parts if part.metadata.annotations and not options.whole]
        if labelled and options.label:
            raise DataError(f"{self.path}: its annotations carry labels; leave --label out")
        if labelled and len(labelled) < len(parts):
            missing = len(parts) - len(labelled)
            warnings.warn(f"{self.path}: {missing} recordings in it have no labels and are left out", stacklevel=3)
        fallback = UNKNOWN_SNR_DB if options.snr_db is None else options.snr_db
        segments: list[Segment] = []
        for part in labelled or parts:
            if labelled:
                found = [self._segment(item, part, fallback) for item in part.metadata.annotations]
            else:
                label = require_label(options, self.path, ": no annotation has a core:label")
                found = [Segment(part.first, part.count, label, fallback)]
            edges = [part.first + start for start in part.metadata.captures]
            apart = self._without_overlap(sorted(found, key=lambda segment: (segment.start, -segment.count)))
            segments += [piece for segment in apart for piece in _cut_at(segment, edges)]
        return segments

    def _segment(self, item: Annotation, part: _Part, fallback: int) -> Segment:
        count = open_count(part.metadata, item.start, part.count) if item.count is None else item.count
        if item.start < 0 or count < 0 or item.start + count > part.count:
            raise DataError(
                f"{self.path}: the annotation {item.label!r} covers samples {item.start} to {item.start + count - 1},"
                f" but the recording has {part.count}; is it cut short?"
            )
        snr_db = fallback if item.snr_db is None else item.snr_db
        return Segment(part.first + item.start, count, item.label, snr_db)

    def _without_overlap(self, segments: Sequence[Segment]) -> list[Segment]:
        """Refuse overlaps of different labels; take samples once where the label is the same."""
        kept: list[Segment] = []
        for segment in segments:
            end = kept[-1].start + kept[-1].count if kept else 0
            if segment.start < end:
                if segment.label != kept[-1].label:
                    raise DataError(
                        f"{self.path}: sample {segment.start} is both {kept[-1].label!r} and {segment.label!r};"
                        " a frame has one modulation"
                    )
                left = max(segment.start + segment.count - end, 0)
                segment = Segment(end, left, segment.label, segment.snr_db)
            if segment.count:
                kept.append(segment)
        return kept

    def _samples(self, start: int, count: int) -> NDArray[Any]:
        pieces = []
        parts = self._parts()
        while count:
            number = bisect_right(parts, start, key=lambda part: part.first) - 1
            part, runs = parts[number], parts[number].metadata.runs
            inside = start - part.first
            run = bisect_right(runs, inside, key=lambda run: run.start) - 1
            end = runs[run + 1].start if run + 1 < len(runs) else part.count
            size = min(count, end - inside)
            if size <= 0:
                raise DataError(f"{self.path} has become shorter since it was opened; it is cut short")
            pieces.append(to_unit_range(self._run(number, run, inside - runs[run].start, size)))
            start, count = start + size, count - size
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _run(self, number: int, run: int, first: int, count: int) -> NDArray[Any]:
        """Samples of a run of a recording, (count, 2) of the recording's own type, not copied."""
        part = self._parts()[number]
        stored, dtype = part.recording.stored, part.metadata.dtype
        if self._owner != os.getpid():
            self._maps, self._owner = {}, os.getpid()
        if number not in self._maps:
            self._maps[number] = stored.map()
        offset = stored.offset + part.metadata.runs[run].offset + first * 2 * dtype.itemsize
        data = self._maps[number]
        if offset + count * 2 * dtype.itemsize > len(data):
            raise DataError(f"{self.path} has become shorter since it was opened; it is cut short")
        return np.frombuffer(data, dtype, 2 * count, offset).reshape(-1, 2)


def _cut_at(segment: Segment, edges: Sequence[int]) -> list[Segment]:
    """Cut a segment at the edges inside it."""
    end = segment.start + segment.count
    cuts = [segment.start, *(edge for edge in edges if segment.start < edge < end), end]
    return [Segment(a, b - a, segment.label, segment.snr_db) for a, b in pairwise(cuts)]


@reads(10, "SigMF")
def _open(file: Glimpse) -> SigMfFile | None:
    if file.name.endswith(".sigmf-collection"):
        raise DataError(f"{file.path} is a collection; give one of its recordings")
    return SigMfFile(file.path, file.options) if file.name.endswith(ENDINGS) else None
