"""Generated texts as data: file names and contents with a digest; one place writes them to disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hw_amc.errors import HwAmcError
from hw_amc.files import write_text


@dataclass(frozen=True)
class Sources:
    """Generated files: relative POSIX file name -> text."""

    files: dict[str, str]

    def __post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise HwAmcError(f"generated file {name!r} would be written outside its folder")

    def digest(self) -> str:
        """SHA-256 over names and contents in sorted order, in hex."""
        digest = hashlib.sha256()
        for name, text in sorted(self.files.items()):
            for part in (name.encode(), text.encode()):
                digest.update(len(part).to_bytes(8, "little"))
                digest.update(part)
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Write every file whose content differs, each atomically; other files in `folder` stay."""
        for name, text in self.files.items():
            if not _holds(folder / name, text.encode()):
                write_text(folder / name, text)


def _holds(path: Path, data: bytes) -> bool:
    """Whether a plain file holds just these bytes."""
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:  # whoever writes it says what is wrong
        return False
