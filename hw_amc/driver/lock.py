"""One owner for one accelerator: a lock file that the operating system frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from hw_amc.driver.errors import DeviceBusy


class DeviceLock:
    """Exclusive use of the device `tag` among the processes of this machine.

    Raises
    ------
    DeviceBusy
        Somebody else holds it; the message gives the process.
    """

    def __init__(self, tag: str) -> None:
        name = "".join(letter if letter.isalnum() else "-" for letter in tag)
        self.path = Path(tempfile.gettempdir()) / f"hw_amc-{name}.lock"
        self._file: IO[str] | None = self.path.open("a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            own = (
                "this process: close the other AmcOverlay first" if holder == str(os.getpid()) else f"process {holder}"
            )
            raise DeviceBusy(f"the accelerator is in use by {own} ({self.path})") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give the device back; calling it again does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
