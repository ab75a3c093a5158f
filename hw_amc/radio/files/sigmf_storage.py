"""Where the parts of a SigMF recording lie: beside each other in a folder, or in an archive.

Nothing is unpacked to the disk, and no name that stands in a file leads out of its folder.
"""

from __future__ import annotations

import mmap
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from hw_amc.errors import DataError
from hw_amc.radio.files.sigmf_metadata import Metadata, parse
from hw_amc.untrusted import ARCHIVE_ERRORS, JSON_BYTES, brief, load_json, open_regular, parse_json, require_regular

META, DATA = ".sigmf-meta", ".sigmf-data"

#: Endings of archives, and how `tarfile` opens them; zip archives have a reader of their own.
ARCHIVES = {".sigmf": "r:", ".sigmf.gz": "r|gz", ".sigmf.xz": "r|xz", ".sigmf.zip": ""}

#: Most bytes that a compressed archive may unpack to, which happens in memory; most files in any archive.
UNPACKED_BYTES, _MEMBERS = 512 << 20, 10_000


@dataclass(frozen=True)
class Stored:
    """Bytes of samples: a stretch of a file, or unpacked."""

    path: Path
    offset: int
    size: int
    unpacked: bytes | None = None

    def map(self) -> mmap.mmap | bytes:
        """All bytes of the file, mapped into memory, or those that were unpacked; `offset` is where ours begin."""
        if self.unpacked is not None:
            return self.unpacked
        with open_regular(self.path) as stream:
            try:
                return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise DataError(f"{self.path} cannot be read ({brief(error)})") from error


@dataclass(frozen=True)
class Recording:
    """What a recording is, and where its samples are."""

    metadata: Metadata
    stored: Stored


def find_recordings(path: Path) -> list[Recording]:
    """Find all recordings of a file: one of its two parts, or an archive of one or more.

    Raises
    ------
    DataError
        A part is missing, damaged, or lies elsewhere.
    """
    name = path.name.lower()
    if name.endswith((META, DATA)):
        return [_beside_each_other(path)]
    ending = next(ending for ending in ARCHIVES if name.endswith(ending))
    with open_regular(path) as stream:
        try:
            files = dict(_zip_files(stream, path) if ending.endswith("zip") else _tar_files(stream, path, ending))
        except ARCHIVE_ERRORS as error:
            raise DataError(f"{path} is no SigMF recording ({brief(error)}); record it again") from error
    return list(_recordings(path, files))


def _beside_each_other(path: Path) -> Recording:
    """A recording of two files; where the metadata are a link, the files that it leads to."""
    meta_path = path.with_name(path.name[: -len(META)] + META)
    if not path.exists():
        require_regular(path)
    if not meta_path.exists():
        raise DataError(f"{path} is no SigMF recording without its metadata; {meta_path.name} is not beside it")
    try:
        metadata = parse(load_json(meta_path), str(path))
    except DataError as error:
        if "readable JSON" in str(error) or "JSON object" in str(error):
            raise DataError(f"{path} is no SigMF recording ({error}); record it again") from error
        raise
    folder = meta_path.resolve().parent
    name = metadata.dataset or meta_path.name[: -len(META)] + DATA
    data_path = next((place / name for place in (meta_path.parent, folder) if (place / name).exists()), None)
    if data_path is None:
        raise DataError(f"{path}: its samples, {name}, are not beside it")
    if data_path.resolve().parent != folder and data_path.is_symlink():
        raise DataError(f"{path}: its samples, {name}, are a link out of its folder; give the recording itself")
    return Recording(metadata, Stored(data_path, 0, require_regular(data_path)))


def _tar_files(stream: BinaryIO, path: Path, ending: str) -> Iterator[tuple[str, Stored]]:
    """Files of a tar archive; of a compressed one, their contents."""
    mode: Any = ARCHIVES[ending]
    is_compressed = mode != "r:"
    total = 0
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for count, member in enumerate(archive):
            if count >= _MEMBERS:
                raise DataError(f"{path} holds more than {_MEMBERS} files; unpack it")
            total += member.size
            if is_compressed:
                _require_small(total, path)
            if not member.isreg() or member.sparse is not None:
                if member.name.endswith((META, DATA)):
                    raise DataError(f"{path}: {member.name[:80]} in it is no plain file; pack it again")
                continue
            if not is_compressed:
                yield member.name, Stored(path, member.offset_data, member.size)
            elif member.name.endswith((META, DATA)):
                content = archive.extractfile(member)
                data = content.read(member.size) if content is not None else b""
                yield member.name, Stored(path, 0, len(data), data)


def _zip_files(stream: BinaryIO, path: Path) -> Iterator[tuple[str, Stored]]:
    """Contents of the files of a zip archive."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > _MEMBERS:
            raise DataError(f"{path} holds more than {_MEMBERS} files; unpack it")
        _require_small(sum(member.file_size for member in members), path)
        for member in members:
            if member.filename.endswith((META, DATA)):
                with archive.open(member) as content:
                    data = content.read(member.file_size)
                yield member.filename, Stored(path, 0, len(data), data)


def _require_small(size: int, path: Path) -> None:
    if size > UNPACKED_BYTES:
        raise DataError(f"{path} unpacks to more than {UNPACKED_BYTES >> 20} MiB; unpack it, and give what was in it")


def _recordings(path: Path, files: dict[str, Stored]) -> Iterator[Recording]:
    """Recordings of an archive, in the order of its metadata."""
    found = [name for name in files if name.endswith(META)]
    if not found:
        raise DataError(f"{path} is no SigMF recording (there is no {META} in it); record it again")
    for name in found:
        told = f"{path}: {name[:80]}"
        metadata = parse(parse_json(_content(files[name], told), told), told if len(found) > 1 else str(path))
        wanted = name[: -len(META)] + DATA
        if metadata.dataset is not None:
            wanted = str(PurePosixPath(name).with_name(metadata.dataset))
        if wanted not in files:
            raise DataError(f"{told}: its samples, {PurePosixPath(wanted).name[:80]}, are not in the archive")
        yield Recording(metadata, files[wanted])


def _content(stored: Stored, name: str) -> bytes:
    if stored.size > JSON_BYTES:
        raise DataError(f"{name} is longer than {JSON_BYTES:,} bytes, the most that metadata may have")
    if stored.unpacked is not None:
        return stored.unpacked
    with open_regular(stored.path) as stream:
        stream.seek(stored.offset)
        return stream.read(stored.size)
