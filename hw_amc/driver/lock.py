"""One owner for one accelerator: a lock file that the operating system frees when its holder dies.

All users of a machine meet at the same file, whose name anybody can guess. It is therefore opened for reading only,
never through a link, and never written to: what another user puts in its place can make the device busy, and no more.
Who holds it is asked of the kernel.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from hw_amc.driver.errors import DeviceBusy, DeviceError

#: Folders in which every user may make files and remove his own only; the first that is one serves all users alike.
PLACES = (Path("/run/lock"), Path("/tmp"))
_LOCKS = Path("/proc/locks")
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DeviceLock:
    """Exclusive use of the device `tag` among the processes of this machine, whoever runs them.

    Raises
    ------
    DeviceBusy
        Somebody else holds it; the message gives the process.
    DeviceError
        Something else lies where the lock file belongs, or no file can be made there.
    """

    def __init__(self, tag: str) -> None:
        name = "".join(letter if letter.isalnum() else "-" for letter in tag)
        self.path = _place() / f"hw_amc-{name}.lock"
        self._handle: int | None = None
        while self._handle is None:
            self._handle = self._take()

    def _take(self) -> int | None:
        """Open and lock the file; None when its holder removed it in between."""
        handle = _open(self.path)
        if handle is None:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.lstat(self.path).st_ino == os.fstat(handle).st_ino:
                return handle
        except FileNotFoundError:
            pass
        except BlockingIOError:
            holder = _holder(os.fstat(handle))
            os.close(handle)
            raise DeviceBusy(f"the accelerator is in use by {holder} ({self.path})") from None
        os.close(handle)
        return None

    def release(self) -> None:
        """Give the device back; calling it again does nothing."""
        if self._handle is not None:
            # While the lock is still held: whoever opened the file before notices that it is another one. A file that
            # another user's killed program left stays: only he may remove it.
            with suppress(OSError):
                self.path.unlink()
            os.close(self._handle)
            self._handle = None


def _place() -> Path:
    for place in PLACES:
        with suppress(OSError):
            mode = place.stat().st_mode
            if stat.S_ISDIR(mode) and mode & stat.S_ISVTX and mode & stat.S_IWOTH:
                return place
    return PLACES[-1]


def _open(path: Path) -> int | None:
    """Open the lock file, or make it; None when another process was quicker."""
    try:
        try:
            handle = os.open(path, _FLAGS)
        except FileNotFoundError:
            # Two steps: in such a folder Linux lets nobody open another user's file by O_CREAT.
            handle = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(handle, 0o644)  # whatever the umask: other users have to read it
    except FileExistsError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DeviceError(f"{path}, the accelerator's lock file, is a link; remove it") from None
        raise DeviceError(
            f"cannot open {path}, the accelerator's lock file: {error.strerror}; have its owner or root remove it"
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DeviceError(f"{path}, the accelerator's lock file, is no plain file; remove it")
    return handle


def _holder(file: os.stat_result) -> str:
    """Name the process that holds a lock on `file`, as far as the kernel tells."""
    wanted = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    with suppress(OSError, ValueError, IndexError):
        for line in _LOCKS.read_text(encoding="ascii").splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and wanted in fields:
                pid = int(fields[4])
                if pid == os.getpid():
                    return "this process: close the other AmcOverlay first"
                # Of another container the kernel gives no number.
                return f"process {pid}" if pid > 0 else "a process of another container"
    return "another process"
