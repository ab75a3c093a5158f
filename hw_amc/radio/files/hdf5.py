"""HDF5 files of frames, opened once in each process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hw_amc.hdf5 import open_hdf5
from hw_amc.radio.files.frames import FrameFile


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
