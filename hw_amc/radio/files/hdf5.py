"""HDF5 files of frames, opened once in each process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py

from hw_amc.errors import DataError
from hw_amc.radio.files.frames import FrameFile

#: How an HDF5 file begins.
SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Hdf5Frames(FrameFile):
    """Frames in an HDF5 file; a subclass knows its schema.

    Raises
    ------
    DataError
        The file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file: Any = None
        self._owner = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file = None

    def _handle(self) -> Any:
        """Open the file once in each process: HDF5 handles do not survive a fork."""
        if self._file is None or self._owner != os.getpid():
            self._file = open_hdf5(self.path)
            self._owner = os.getpid()
        return self._file


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file for reading.

    Raises
    ------
    DataError
        The file is missing or damaged.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} is not a whole HDF5 file ({brief(error)}); fetch or generate it again") from error


def brief(error: Exception) -> str:
    """Keep an error of a library to one line."""
    return " ".join(str(error).split())[:120]
