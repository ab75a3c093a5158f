"""The folder that `hw-amc init` makes: its name, its texts, and that nobody else's is replaced."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hw_amc import ending
from hw_amc.config import load_project
from hw_amc.errors import ConfigError
from hw_amc.files import exclusive, file_digest, load_json, write_text
from hw_amc.models import MODELS, Classes

#: Says what `init` made, and with which digests.
MARK = "init.json"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def project_name(asked: str | None, model_file: Path) -> str:
    """Name of the project: as asked for, or made of the file's name.

    Raises
    ------
    ConfigError
        It is no identifier, or the name of a network that the project offers.
    """
    from hw_amc.graph.reader.names import identifier

    name = asked or identifier(model_file.name.removesuffix(model_file.suffix) or "model")[:64]
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name takes a letter, then letters, digits and underscores, 64 at most, not {name!r}")
    if name in MODELS:
        raise ConfigError(f"{name} is the name of a network that hw-amc offers; choose another: --name my_{name}")
    return name


def require_replaceable(folder: Path) -> None:
    """Require that a folder is free, or holds what an earlier `init` made, unchanged.

    Raises
    ------
    ConfigError
        Somebody else made it, or changed it.
    """
    if not folder.exists() or not any(path.name != "build" for path in folder.iterdir()):
        return
    other = f"choose another name (--name), or move {folder} away"
    if not (folder / MARK).is_file():
        raise ConfigError(f"{folder} exists, and hw-amc init did not make it; {other}")
    files = load_json(folder / MARK).get("files")
    for name, digest in files.items() if isinstance(files, dict) else ():
        path = folder / Path(str(name)).name
        if path.is_file() and file_digest(path) != digest:
            raise ConfigError(f"{path} was changed since hw-amc init made it; {other}")


def put(staged: Path, folder: Path) -> None:
    """Move what was made to its place, with a mark that says so; files of an earlier `init` are replaced.

    Raises
    ------
    ConfigError
        Another command works on the same model.
    """
    made = {path.name: file_digest(path) for path in sorted(staged.iterdir()) if path.name != MARK}
    mark = load_json(staged / MARK)
    write_text(staged / MARK, json.dumps({**mark, "files": made}, indent=1) + "\n")
    with exclusive(folder / "build", f"hw-amc on {folder.name}"):
        ending.raise_again()
        for name in _earlier(folder) - made.keys():
            (folder / name).unlink(missing_ok=True)
        # The mark comes first: what is there when something ends this is still ours.
        for name in (MARK, *made):
            os.replace(staged / name, folder / name)


def _earlier(folder: Path) -> set[str]:
    if not (folder / MARK).is_file():
        return set()
    files = load_json(folder / MARK).get("files")
    return {Path(str(name)).name for name in files} if isinstance(files, dict) else set()


@dataclass(frozen=True)
class ProjectText:
    """What the first project.toml says."""

    source: str
    board: str
    classes: Classes
    frame: tuple[int, int]
    wire_frac: int
    #: Bits by node and field.
    quant: Mapping[str, Mapping[str, int]]
    #: Node -> reuse factor.
    reuse: Mapping[str, int]
    #: Why the HLS flow would stop.
    no_hls: str | None

    def text(self) -> str:
        """Give the TOML text."""
        lines = [
            f"# Made by hw-amc init from {json.dumps(self.source)[1:-1]}.",
            "# docs/guides/own_model.md says what may be changed.",
            f"board = {json.dumps(self.board)}",
            "# Class names in the order of the logits; of several heads, one list each.",
            f"classes = {self._classes()}",
            "# Samples of a frame, and I and Q.",
            f"frame = {list(self.frame)}",
            "",
            "[input]",
            "# Fraction bits of the 16-bit wire words: they hold"
            f" -{2 ** (15 - self.wire_frac)} to {2 ** (15 - self.wire_frac)}.",
            f"wire_frac = {self.wire_frac}",
            "# Powers of two by which the accelerator amplifies captures of a lower level.",
            "input_shift = 0",
            '# "none": frames as they are, which is how the model was calibrated; "rms": each at unit power.',
            'normalise = "none"',
            "",
            *self._quant(),
            "[hls]",
            'backend = "Vitis"',
            *self._reuse(),
            "",
            "[rtl]",
            "# Clock cycles an input sample; fewer are faster and larger.",
            "cycles_per_step = 10",
        ]
        return "\n".join(lines) + "\n"

    def _classes(self) -> str:
        words = [[_quoted(name) for name in head] for head in self.classes]
        lists = [f"[{', '.join(head)}]" for head in words]
        return lists[0] if len(lists) == 1 else "[\n" + "".join(f"  {each},\n" for each in lists) + "]"

    def _quant(self) -> list[str]:
        lines = ["# Widths that differ from 8 bits; weights.h5 has them, and init makes others: --widths."]
        if not self.quant:
            return ["# Widths of layers that differ from 8 bits stand in [quant.LAYER]; init makes them: --widths.", ""]
        for layer, fields in self.quant.items():
            lines += [f"[quant.{layer}]", *(f"{name} = {bits}" for name, bits in fields.items()), ""]
        return lines

    def _reuse(self) -> list[str]:
        lines = [f"# make hls stops: {json.dumps(self.no_hls)[1:-1]}"] if self.no_hls else []
        if self.reuse:
            lines += ["", "# How often a multiplier is used; `hw-amc estimate` shows what each factor costs."]
        for node, factor in self.reuse.items():
            lines += [f"[hls.layers.{node}]", f"reuse_factor = {factor}"]
        return lines


def _quoted(name: str) -> str:
    """Write a TOML string; JSON's escapes are TOML's, but for halves of a character."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_settings(folder: Path, text: ProjectText) -> None:
    """Write project.toml, and require that it can be read back.

    Raises
    ------
    ConfigError
        A class name or another value is none that project.toml may have.
    """
    write_text(folder / "project.toml", text.text())
    load_project(folder)
