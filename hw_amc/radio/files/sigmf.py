"""SigMF recordings: frames from annotated stretches, by the `sigmf` package.

Of the metadata, `core:label` of an annotation is the modulation, `capture_details:SNRdB` its SNR; annotations without
`core:sample_count` last to the end of the recording. No frame crosses the ends of an annotation or the start of a
capture segment, where samples may be missing. Frequencies are not shifted and rates not changed.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.captures import FRAME_LEN, CaptureFile, CaptureOptions, Segment, require_label
from hw_amc.radio.files.frames import SNR_LIMIT_DB, UNKNOWN_SNR_DB
from hw_amc.radio.files.hdf5 import brief

#: Endings of recordings and archives.
ENDINGS = (".sigmf-meta", ".sigmf-data", ".sigmf", ".sigmf.gz", ".sigmf.xz", ".sigmf.zip")


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
        The recording is missing, damaged, real or of several channels; nothing is labelled, or two annotations give
        the same samples different labels; no stretch is as long as a frame.
    """

    def __init__(self, path: Path, options: CaptureOptions) -> None:
        super().__init__(path)
        self._recording: Any = None
        self._owner = 0
        recording = self._opened()
        self._count = int(recording.sample_count)
        if not str(recording.datatype).startswith("c"):
            raise DataError(f"{self.path} holds real samples ({recording.datatype}); frames need I and Q")
        if recording.num_channels != 1:
            raise DataError(f"{self.path} has {recording.num_channels} channels; split it into one file a channel")
        self._cut(self._segments(options), options.frame_len or FRAME_LEN)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_recording": None}

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Sample rate, datatype and hardware, as far as the recording gives them."""
        found = self._opened().get_global_info()
        names = {
            "core:sample_rate": "sample_rate_hz",
            "core:datatype": "datatype",
            "core:hw": "hardware",
            "core:description": "description",
        }
        return {name: found[key] for key, name in names.items() if key in found}

    def close(self) -> None:
        """Close the recording; the next read opens it again."""
        self._recording = None

    def _opened(self) -> Any:
        """Open the recording once in each process."""
        if self._recording is None or self._owner != os.getpid():
            import sigmf

            if not self.path.exists():
                raise DataError(f"{self.path} does not exist")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what it warns of is an error below
                    found = sigmf.fromfile(self.path, skip_checksum=True)
                if not isinstance(found, sigmf.SigMFFile):
                    raise DataError(f"{self.path} is a collection; give one of its recordings")
                if found.data_file is None and found.data_buffer is None:
                    raise DataError(f"{self.path}: its samples, {self.path.stem}.sigmf-data, are not beside it")
            except DataError:
                raise
            except Exception as error:  # damaged JSON, types and archives raise whatever their readers raise
                raise DataError(f"{self.path} is no SigMF recording ({brief(error)}); record it again") from error
            self._recording, self._owner = found, os.getpid()
        return self._recording

    def _segments(self, options: CaptureOptions) -> list[Segment]:
        """Labelled stretches, in order and without overlap, cut where a capture segment starts."""
        recording = self._opened()
        offset = int(recording.get_global_field("core:offset", 0))
        fallback = UNKNOWN_SNR_DB if options.snr_db is None else options.snr_db
        labelled = [item for item in recording.get_annotations() if item.get("core:label")]
        if labelled and options.label:
            raise DataError(f"{self.path}: its annotations carry labels; leave --label out")
        if labelled:
            found = [self._segment(item, offset, fallback) for item in labelled]
        else:
            label = require_label(options, self.path, ": no annotation has a core:label")
            found = [Segment(0, self._count, label, fallback)]
        edges = sorted(int(item.get("core:sample_start", 0)) - offset for item in recording.get_captures())
        apart = self._without_overlap(sorted(found, key=lambda segment: (segment.start, -segment.count)))
        return [piece for segment in apart for piece in _cut_at(segment, edges)]

    def _segment(self, item: dict[str, Any], offset: int, fallback: int) -> Segment:
        start = int(item["core:sample_start"]) - offset
        count = int(item.get("core:sample_count", self._count - start))
        if start < 0 or start + count > self._count:
            raise DataError(
                f"{self.path}: the annotation {item['core:label']!r} covers samples {start} to {start + count - 1},"
                f" but the recording has {self._count}; is it cut short?"
            )
        snr = item.get("capture_details:SNRdB")
        if snr is None:
            return Segment(start, count, item["core:label"], fallback)
        if not isinstance(snr, (int, float)) or not abs(snr) <= SNR_LIMIT_DB:
            raise DataError(f"{self.path}: an annotation has a capture_details:SNRdB of {snr!r}")
        return Segment(start, count, item["core:label"], round(snr))

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
        try:
            found = self._opened().read_samples(start, count)
        except OSError as error:
            raise DataError(f"{self.path}: samples from {start} cannot be read ({brief(error)})") from error
        samples: NDArray[np.float32] = np.ascontiguousarray(found, np.complex64).view(np.float32).reshape(-1, 2)
        if len(samples) != count:
            raise DataError(f"{self.path} ends at sample {start + len(samples)}; it is cut short")
        return samples


def _cut_at(segment: Segment, edges: Sequence[int]) -> list[Segment]:
    """Cut a segment at the edges inside it."""
    end = segment.start + segment.count
    cuts = [segment.start, *(edge for edge in edges if segment.start < edge < end), end]
    return [Segment(a, b - a, segment.label, segment.snr_db) for a, b in pairwise(cuts)]
