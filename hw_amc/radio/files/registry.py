"""The readers of files of frames: each file of this folder registers what it opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.frames import FrameFile
from hw_amc.untrusted import open_regular

#: First bytes that tell formats apart.
_START = 32


@dataclass(frozen=True)
class Glimpse:
    """What is seen of a file before a reader takes it."""

    path: Path
    options: CaptureOptions

    @property
    def name(self) -> str:
        """Name in lower case."""
        return self.path.name.lower()

    @property
    def ending(self) -> str:
        """Ending in lower case, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def start(self) -> bytes:
        """First bytes; DataError where it is no regular file that can be read."""
        with open_regular(self.path) as stream:
            return stream.read(_START)


Opener = Callable[[Glimpse], FrameFile | None]

#: (order, what it reads, opener), in the order in which files are offered.
READERS: list[tuple[int, str, Opener]] = []


def reads(order: int, what: str = "") -> Callable[[Opener], Opener]:
    """Register a function that opens a file or returns None where it is of another format.

    Parameters
    ----------
    order : int
        Lower ones are asked first: formats with a signature below 40, raw samples and guesses above.
    what : str
        What messages call the format; empty where another reader of the file says it.
    """

    def register(opener: Opener) -> Opener:
        READERS.append((order, what, opener))
        READERS.sort(key=lambda entry: entry[0])
        return opener

    return register
