"""Finding what a run started: every descendant carries a variable of its environment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

#: The variable; its value tells runs apart.
MARK = "HW_AMC_TEST_MARK"
#: The user of whom nothing is.
NOBODY = 65534


def marked(mark: str) -> list[int]:
    """Processes that were started with the mark, and are still there (dead ones that nobody waits for do not count)."""
    return [pid for pid in _numbers() if _carries(pid, mark) and not _is_dead(pid)]


def wait_until_gone(mark: str, seconds: float) -> list[int]:
    """What is left of the marked processes after at most `seconds`."""
    until = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def names(mark: str) -> list[str]:
    """Names of the marked processes, sorted."""
    found = []
    for pid in marked(mark):
        with suppress(OSError):
            found.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return sorted(found)


def _numbers() -> Iterator[int]:
    yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _carries(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def as_nobody(work: Callable[[], str]) -> str:
    """What `work` returns in a child that is the user nobody; needs root. An exception comes as `Type: message`."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read().decode()
    os.waitpid(pid, 0)
    return said
