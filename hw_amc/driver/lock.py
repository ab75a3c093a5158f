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
        self._file: IO[str] | None = None
        while self._file is None:
            self._file = self._take()
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def _take(self) -> IO[str] | None:
        """Open and lock the file; None when its holder removed it in between."""
        file = self.path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        except FileNotFoundError:
            pass
        except OSError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            own = (
                "this process: close the other AmcOverlay first" if holder == str(os.getpid()) else f"process {holder}"
            )
            raise DeviceBusy(f"the accelerator is in use by {own} ({self.path})") from None
        file.close()
        return None

    def release(self) -> None:
        """Give the device back; calling it again does nothing."""
        if self._file is not None:
            # While the lock is still held: whoever opened the file before notices that it is another one.
            self.path.unlink(missing_ok=True)
            self._file.close()
            self._file = None
