"""Samples in a plain file: `.npy`, `.wav`, or raw interleaved I and Q."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files import wav
from hw_amc.radio.files.captures import (
    FRAME_LEN,
    RAW_ENDINGS,
    CaptureFile,
    CaptureOptions,
    Segment,
    conversion,
    require_label,
    to_unit_range,
)
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB
from hw_amc.radio.files.levels import warn_of_sign, warn_of_small_integers
from hw_amc.radio.files.registry import Glimpse, reads
from hw_amc.untrusted import NPY_MAGIC, brief, open_regular, read_npy_header

#: Type of the samples by the ending of a raw file (rtl_433 and inspectrum name files so).
RAW_FORMATS = {
    **dict.fromkeys((".cf32", ".fc32", ".cfile"), "float32"),
    **dict.fromkeys((".cf64", ".fc64"), "float64"),
    **dict.fromkeys((".cs32", ".sc32", ".ci32"), "int32"),
    **dict.fromkeys((".cs16", ".sc16", ".ci16"), "int16"),
    **dict.fromkeys((".cs8", ".sc8", ".ci8"), "int8"),
    **dict.fromkeys((".cu8", ".uc8"), "uint8"),
}


@dataclass(frozen=True)
class Layout:
    """Where samples follow each other in a file."""

    #: Of I and of Q.
    dtype: np.dtype[Any]
    #: Bytes before them.
    offset: int
    count: int


class PlainFile(CaptureFile):
    """Samples in a plain file, mapped into memory: `.npy`, `.wav`, or raw interleaved I and Q, little-endian.

    An array may be complex (n,) or (n, 1) or real (n, 2), a recording; complex (m, T), real (m, T, 2) or (m, 2, T) are
    frames. It may lie in the file by columns, as MATLAB's do. Integers are scaled so that their full range is -1 to 1.

    Parameters
    ----------
    path : Path
    options : CaptureOptions
        `label` is required.

    Raises
    ------
    DataError
        The file is missing or damaged, of an unknown form, without label, or shorter than a frame.

    Warns
    -----
    UserWarning
        Integers use little of their type's range, or look like signed ones read as unsigned or the reverse.
    """

    def __init__(self, path: Path, options: CaptureOptions) -> None:
        super().__init__(path)
        self._options = options
        self._map: NDArray[Any] | None = None
        self._sample_rate_hz: int | None = None
        samples = self._mapped()
        if samples.ndim == 3:
            pieces, length = samples.shape[0], samples.shape[1]
        else:
            pieces, length = 1, samples.shape[0]
        label = require_label(options, self.path, "")
        snr_db = UNKNOWN_SNR_DB if options.snr_db is None else options.snr_db
        whole = Segment(0, length, label, snr_db)
        own = length if samples.ndim == 3 else FRAME_LEN
        self._cut([replace(whole, start=piece * length) for piece in range(pieces)], options.frame_len or own)
        warn_of_small_integers(samples, self.path)
        if options.samples or self.path.suffix.lower() in RAW_FORMATS:
            warn_of_sign(samples, self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}

    @property
    def attributes(self) -> dict[str, Any]:
        """Sample rate of a WAV file."""
        return {} if self._sample_rate_hz is None else {"sample_rate_hz": self._sample_rate_hz}

    def close(self) -> None:
        """Forget the mapping; the next read makes it again."""
        self._map = None

    def release(self) -> None:
        """Map the samples anew at the next read."""
        self._map = None

    def layout(self) -> Layout | None:
        """Say where the samples lie; None where they do not follow each other, I beside Q."""
        samples = self._mapped()
        if not samples.flags.c_contiguous or samples.dtype.itemsize > 8:
            return None
        return Layout(samples.dtype, int(getattr(samples, "offset", 0)), samples.size // 2)

    def _mapped(self) -> NDArray[Any]:
        """Real samples (n, 2) or (m, T, 2), not yet read."""
        if self._map is None:
            with open_regular(self.path) as stream:
                try:
                    self._map = self._map_any(stream)
                except (OSError, ValueError, OverflowError) as error:
                    raise DataError(f"{self.path} cannot be read ({brief(error)}); record or fetch it again") from error
        return self._map

    def _map_any(self, stream: BinaryIO) -> NDArray[Any]:
        start = stream.read(12)
        if start.startswith(NPY_MAGIC) or self.path.suffix.lower() == ".npy":
            stream.seek(0)
            return as_samples(_map_npy(stream, self.path), self.path)
        if wav.is_wav(start):
            return self._map_wav(stream)
        return self._map_raw(stream)

    def _map_wav(self, stream: BinaryIO) -> NDArray[Any]:
        if self._options.samples:
            raise DataError(f"{self.path} is a WAV file and says itself what its samples are; leave --samples out")
        found = wav.find_samples(stream, self.path)
        self._sample_rate_hz = found.sample_rate_hz
        if not found.count:
            return np.zeros((0, 2), found.dtype)
        return np.memmap(stream, found.dtype, "r", found.offset, (found.count, 2))

    def _map_raw(self, stream: BinaryIO) -> NDArray[Any]:
        kind = self._options.samples or RAW_FORMATS.get(self.path.suffix.lower())
        if kind is None:
            raise DataError(
                f"{self.path} does not say what its samples are; give --samples int16, int8, uint8 or float32,"
                f" or take the file of {conversion(self.path, self._options, ' --samples int16')}"
            )
        dtype = np.dtype(kind).newbyteorder("<")
        size = stream.seek(0, 2)
        if not size or size % (2 * dtype.itemsize):
            raise DataError(f"{self.path}: {size} bytes are not whole {kind} samples of I and Q; is it cut short?")
        return np.memmap(stream, dtype, "r").reshape(-1, 2)

    def _samples(self, start: int, count: int) -> NDArray[Any]:
        samples = self._mapped()
        # A transposed map has no flat view: read whole pieces, which frames are.
        if samples.ndim == 3:
            length = samples.shape[1]
            first, last = start // length, -(-(start + count) // length)
            block = np.ascontiguousarray(samples[first:last]).reshape(-1, 2)
            part = block[start - first * length : start - first * length + count]
        else:
            part = samples[start : start + count]
        return to_unit_range(part)


def _map_npy(stream: BinaryIO, path: Path) -> NDArray[Any]:
    """Map an .npy file: real numbers, complex ones with a last axis of two."""
    header = read_npy_header(stream, str(path))
    try:
        dtype = np.dtype(header.dtype)
    except TypeError:
        dtype = np.dtype(object)
    shape, numbers = header.shape, dtype
    if dtype.kind == "c":
        numbers = np.dtype(f"{header.dtype[0] if header.dtype[0] in '<>' else '='}f{dtype.itemsize // 2}")
        shape = (2, *shape) if header.fortran_order else (*shape, 2)
    if dtype.kind not in "cfiu" or numbers.itemsize > 8:
        raise DataError(f"{path} must hold an array of numbers, not {header.dtype}")
    needed, size = header.size * dtype.itemsize, stream.seek(0, 2) - header.offset
    if needed > size:
        raise DataError(f"{path} is cut short: its array {header.shape} takes {needed:,} bytes, {size:,} are there")
    if not needed:
        raise DataError(f"{path} holds an array of shape {header.shape}, which is empty")
    array = np.memmap(stream, numbers, "r", header.offset, shape, "F" if header.fortran_order else "C")
    return np.moveaxis(array, 0, -1) if dtype.kind == "c" and header.fortran_order else array


def as_samples(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Real samples (n, 2) or (m, T, 2) of an array whose complex numbers have a last axis of two.

    Raises
    ------
    DataError
        Another shape.
    """
    if array.ndim == 3 and array.shape[-1] != 2 and array.shape[1] == 2:
        array = array.transpose(0, 2, 1)
    if array.ndim == 3 and array.shape[1:] == (1, 2):  # MATLAB's column vector
        array = array[:, 0]
    if array.ndim in (2, 3) and array.shape[-1] == 2:
        return array
    raise DataError(
        f"{path}: {array.dtype} of shape {array.shape} is neither samples, complex (n,) or real (n, 2), nor frames,"
        " complex (m, T), real (m, T, 2) or (m, 2, T)"
    )


@reads(30, ".npy, .wav")
def _open_array(file: Glimpse) -> PlainFile | None:
    known = file.start.startswith(NPY_MAGIC) or file.ending == ".npy" or wav.is_wav(file.start)
    return PlainFile(file.path, file.options) if known else None


@reads(50, "raw samples such as .iq")
def _open_raw(file: Glimpse) -> PlainFile | None:
    return PlainFile(file.path, file.options) if file.ending in RAW_FORMATS or file.options.samples else None


@reads(80)
def _open_untyped(file: Glimpse) -> PlainFile | None:
    return PlainFile(file.path, file.options) if file.ending in RAW_ENDINGS else None
