"""The folder that `hw-amc init` makes: its name, its texts, and that nobody else's is replaced."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_amc import __version__
from hw_amc.config import load_project
from hw_amc.errors import ConfigError
from hw_amc.files import exclusive, file_digest, load_json, write_text
from hw_amc.models import MODELS, Classes

if TYPE_CHECKING:
    from hw_amc.flows.init import InitFlow, Judgement, Outcome

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


def write_accuracy(folder: Path, flow: InitFlow, judgement: Judgement) -> None:
    """Write accuracy.json, which reports show."""
    from hw_amc.train.evaluate import evaluate, write_accuracy
    from hw_amc.train.predictions import Predictions

    frames = flow.frames
    assert frames.labels is not None
    single = len(flow.classes) == 1
    answers, labels = (
        (array[:, 0] if single else array).astype(np.uint8) for array in (judgement.answers, frames.labels)
    )
    told = {"file": judgement.source, "split": "not calibrated on", "frames": judgement.frames}
    predictions = Predictions(answers, labels, frames.snrs_db.astype(np.int8), told, flow.classes)
    write_accuracy(folder / "accuracy.json", evaluate(predictions, flow.command, file_digest(folder / "weights.h5")))


def write_card(folder: Path, flow: InitFlow, outcome: Outcome) -> None:
    """Write MODEL_CARD.md and the mark, which holds the same figures for programs."""
    figures = _figures(flow, outcome, file_digest(folder / "weights.h5"))
    write_text(folder / MARK, json.dumps(figures, indent=1, allow_nan=False) + "\n")
    write_text(folder / "MODEL_CARD.md", _card(flow, outcome, figures))


def _figures(flow: InitFlow, outcome: Outcome, digest: str) -> dict[str, Any]:
    judged, path = outcome.judgement, flow.options.model_file
    shares = {"same": judged.same, "before": judged.before, "after": judged.after}
    layers = [
        {"layer": each.name, "operation": each.operation, "format": each.format, **_sqnr(each.sqnr_db)}
        for each in outcome.layers
    ]
    return {
        "made_by": f"hw-amc init {__version__}",
        "command": flow.command,
        "date": date.today().isoformat(),
        "kind": "measured",
        "source": {"file": path.name, **({"sha256": file_digest(path)} if path.is_file() else {})},
        "weights_sha256": digest,
        "calibration": {"frames": len(flow.frames.calibration), "source": flow.frames.calibrated},
        "evaluation": {
            "frames": judged.frames,
            "source": judged.source,
            **{name: round(share, 5) for name, share in shares.items() if share is not None},
        },
        "layers": layers,
    }


def _sqnr(sqnr_db: float | None) -> dict[str, float]:
    """Of no noise and of no signal nothing is said: neither is a number."""
    return {"sqnr_db": round(sqnr_db, 1)} if sqnr_db is not None and math.isfinite(sqnr_db) else {}


def shown_sqnr(sqnr_db: float | None) -> str:
    """Write a ratio in dB for people."""
    if sqnr_db is None:
        return ""
    if math.isnan(sqnr_db):
        return "all zeros"
    return "exact" if math.isinf(sqnr_db) else f"{sqnr_db:.1f}"


def _card(flow: InitFlow, outcome: Outcome, figures: Mapping[str, Any]) -> str:
    from hw_amc.compress import entry
    from hw_amc.flows.init import describe

    source, name = figures["source"], flow.workspace.model
    heads = " + ".join(str(len(names)) for names in flow.classes)
    own = [(row.name, row.kind, _shape(row.shape), f"{row.parameters:,}") for row in entry.summarise(flow.model)]
    layers = [
        (each.name, each.operation, _shape(each.shape), each.format, shown_sqnr(each.sqnr_db))
        for each in outcome.layers
    ]
    digest = f", SHA-256 {source['sha256']}" if "sha256" in source else ""
    kind = "float model" if flow.is_float else "quantised model, taken as it is"
    lines = [
        f"# {name}", "",
        f"Made by `{flow.command}`, {figures['date']}, from the {kind} `{source['file']}`{digest}.", "",
        f"{heads} classes, frames of {flow.frame_len} I/Q samples. Output: logits.", "",
        f"`weights.h5`: SHA-256 {figures['weights_sha256']}.", "",
        "## What quantisation costs", "",
        f"Calibrated on {figures['calibration']['frames']} frames: {figures['calibration']['source']}.", "",
        f"{describe(outcome.judgement)}.", "",
        "SQNR: power of the float layer over that of all noise that has come up to it (measured).", "",
        *_table(("layer", "operation", "shape", "format", "SQNR, dB"), layers), "",
        "## The model as it came", "",
        *_table(("layer", "class", "shape", "parameters"), own), "",
        "## Classes", "",
        *(", ".join(names) for names in flow.classes), "",
        "## Limits", "",
        "Golden equals Keras in every integer of every layer; accuracy was measured on the frames named above only.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
