"""Answers as SigMF annotations: metadata beside a recording, which other programs open with its samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from hw_amc import __version__
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import atomic_path, load_json
from hw_amc.radio.answers import Stretch
from hw_amc.radio.files.frames import FrameFile
from hw_amc.radio.files.plain import PlainFile
from hw_amc.radio.files.sigmf import SigMfFile
from hw_amc.radio.files.sigmf_storage import DATA, META

#: Version of SigMF that is written where the recording has none of its own.
VERSION = "1.2.0"

#: Our fields: of the metadata the model and a digest of everything else, of an annotation margin and frames.
_EXTENSION = "hw_amc"
_DIGEST = f"{_EXTENSION}:digest"


@dataclass(frozen=True)
class Target:
    """Metadata to write."""

    path: Path
    #: Without `_DIGEST`.
    fields: dict[str, Any]
    captures: list[dict[str, Any]]
    #: Number that the recording gives its first sample.
    offset: int
    #: What made the annotations.
    generator: str

    def write(self, stretches: Iterable[Stretch], classes: Sequence[str]) -> int:
        """Write an annotation for every stretch, and return how many there were."""
        with atomic_path(self.path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            return self._write(stream, stretches, classes)

    def _write(self, stream: TextIO, stretches: Iterable[Stretch], classes: Sequence[str]) -> int:
        # One after another: a long recording has many.
        digest, count = _Digest(), 0
        stream.write('{"annotations": [')
        for stretch in stretches:
            item = self._annotation(stretch, classes)
            digest.add(item)
            stream.write(("" if count == 0 else ",") + "\n" + json.dumps(item))
            count += 1
        digest.add(self.captures, self.fields)
        fields = {**self.fields, _DIGEST: digest.text}
        stream.write(f'\n],\n"captures": {json.dumps(self.captures)},\n"global": {json.dumps(fields)}}}\n')
        return count

    def _annotation(self, stretch: Stretch, classes: Sequence[str]) -> dict[str, Any]:
        assert stretch.start is not None  # of a recording
        return {
            "core:sample_start": self.offset + stretch.start,
            "core:sample_count": stretch.samples,
            "core:label": classes[stretch.label],
            "core:generator": self.generator,
            f"{_EXTENSION}:margin": round(stretch.margin, 6),
            f"{_EXTENSION}:frames": stretch.frames,
        }


class _Digest:
    """SHA-256 over parts of JSON, however they are spelt."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, *parts: Any) -> None:
        for part in parts:
            self._hash.update(json.dumps(part, sort_keys=True).encode() + b"\n")

    @property
    def text(self) -> str:
        return self._hash.hexdigest()


def find_target(file: FrameFile, model: str, digest: str) -> Target:
    """Say where the annotations of a recording go, before they are made.

    They go to `<recording>.<model>.sigmf-meta` beside the samples, which stay where they are: recordings that are no
    SigMF, and the second metadata of those that are, name them by `core:dataset`.

    Parameters
    ----------
    file : FrameFile
    model, digest : str
        Name of the network and digest of its graph.

    Raises
    ------
    ConfigError
        Something else stands there.
    DataError
        The file is no recording, or SigMF cannot say where its samples are.
    """
    fields, captures, dataset = _describe(file)
    path = file.path.with_name(f"{Path(dataset).stem}.{model}{META}")
    told = [item for item in fields.get("core:extensions") or [] if isinstance(item, dict)]
    extensions = [item for item in told if item.get("name") != _EXTENSION]
    extensions.append({"name": _EXTENSION, "version": __version__, "optional": True})
    kept = {key: value for key, value in fields.items() if not key.startswith(f"{_EXTENSION}:")}
    ours = {"core:dataset": dataset, "core:extensions": extensions, f"{_EXTENSION}:model": model}
    full = {**kept, **ours, f"{_EXTENSION}:network": digest}
    _require_ours(path, dataset)
    return Target(path, full, captures, int(fields.get("core:offset", 0)), f"hw-amc {__version__} {model}")


def _describe(file: FrameFile) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """`global` and `captures` of a recording, and the name of the file of its samples."""
    if isinstance(file, SigMfFile):
        return _describe_sigmf(file)
    layout = file.layout() if isinstance(file, PlainFile) else None
    if layout is None:
        raise DataError(
            f"{file.path} is no recording whose samples follow each other, which annotations need; --format csv or"
            " jsonl tells the same by frame"
        )
    size = file.path.stat().st_size
    captures = [{"core:sample_start": 0, **({"core:header_bytes": layout.offset} if layout.offset else {})}]
    fields: dict[str, Any] = {"core:datatype": _datatype(layout.dtype, file.path), "core:version": VERSION}
    if trailing := size - layout.offset - layout.count * 2 * layout.dtype.itemsize:
        fields["core:trailing_bytes"] = trailing
    if "sample_rate_hz" in file.attributes:
        fields["core:sample_rate"] = file.attributes["sample_rate_hz"]
    return fields, captures, file.path.name


def _describe_sigmf(file: SigMfFile) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    name = file.path.name
    stem = next((name[: -len(ending)] for ending in (META, DATA) if name.lower().endswith(ending)), None)
    if stem is None:
        raise DataError(f"{file.path} is an archive; unpack it, and annotate the recording in it")
    told = load_json(file.path.with_name(stem + META))
    dataset = str(told["global"].get("core:dataset") or stem + DATA)
    if not file.path.with_name(dataset).exists():
        raise DataError(f"{file.path}: its samples, {dataset}, are not beside it; give the recording itself")
    return told["global"], told.get("captures") or [{"core:sample_start": 0}], dataset


def _datatype(dtype: np.dtype[Any], path: Path) -> str:
    """`core:datatype` of complex samples."""
    kind = f"{dtype.kind}{8 * dtype.itemsize}"
    if kind not in ("f32", "f64", "i32", "u32", "i16", "u16", "i8", "u8"):
        raise DataError(f"{path} holds {dtype.name} samples, which SigMF does not know; save them as float32")
    order = "" if dtype.itemsize == 1 else "_be" if dtype.str.startswith(">") else "_le"
    return f"c{kind}{order}"


def _require_ours(path: Path, dataset: str) -> None:
    """Require that nothing stands at `path` but what was written for the same samples, unchanged."""
    if not path.exists() and not path.is_symlink():
        return
    try:
        told = load_json(path)
        digest = _Digest()
        digest.add(*told["annotations"], told["captures"])
        fields = dict(told["global"])
        written = fields.pop(_DIGEST, None)
        digest.add(fields)
        if written == digest.text and fields.get("core:dataset") == dataset:
            return
    except (DataError, LookupError, TypeError, ValueError):
        pass
    raise ConfigError(f"{path} is not as hw-amc left it, or of another file; move it away, and run again")
