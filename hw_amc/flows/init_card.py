"""What `hw-amc init` says of a model: its card, its accuracy, and the same figures for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc import __version__
from hw_amc.files import file_digest, write_text
from hw_amc.flows.init_files import MARK
from hw_amc.flows.init_state import InitFlow, Judgement, Layer, Outcome, describe


def write_accuracy(folder: Path, flow: InitFlow, judgement: Judgement) -> None:
    """Write accuracy.json, which reports show."""
    from hw_amc.train.evaluate import evaluate, write_accuracy
    from hw_amc.train.predictions import Predictions, save_predictions

    frames = flow.frames
    assert frames.labels is not None
    single = len(flow.classes) == 1
    answers, labels = (
        (array[:, 0] if single else array).astype(np.uint8) for array in (judgement.answers, frames.labels)
    )
    told = {"file": judgement.source, "split": "not calibrated on", "frames": judgement.frames}
    predictions = Predictions(answers, labels, frames.snrs_db.astype(np.int8), told, flow.classes)
    write_accuracy(folder / "accuracy.json", evaluate(predictions, flow.command, file_digest(folder / "weights.h5")))
    save_predictions(folder, predictions)


def write_card(folder: Path, flow: InitFlow, outcome: Outcome) -> None:
    """Write MODEL_CARD.md and the mark, which holds the same figures for programs."""
    figures = _figures(flow, outcome, file_digest(folder / "weights.h5"))
    write_text(folder / MARK, json.dumps(figures, indent=1, allow_nan=False) + "\n")
    write_text(folder / "MODEL_CARD.md", _card(flow, outcome, figures))


def _figures(flow: InitFlow, outcome: Outcome, digest: str) -> dict[str, Any]:
    judged, path = outcome.judgement, flow.options.model_file
    shares = {"same": judged.same, "before": judged.before, "untuned": judged.untuned, "after": judged.after}
    tuned = {} if judged.tuned is None else {"tuning": {**asdict(judged.tuned), "kept": judged.tuned.is_kept}}
    layers = [
        {"layer": each.name, **_given(each), "operation": each.operation, "format": each.format, **_sqnr(each.sqnr_db)}
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
        **tuned,
        **_of_file(flow, outcome),
        "layers": layers,
    }


def _of_file(flow: InitFlow, outcome: Outcome) -> dict[str, Any]:
    """What a quantised file in ONNX lost."""
    noise = outcome.file_noise
    if noise is None or flow.onnx is None:
        return {}
    refitted = [asdict(each) for each in flow.onnx.refitted]
    return {"onnx": {"integers": noise.integers, "differ": noise.differ, "refitted": refitted}}


def _given(layer: Layer) -> dict[str, str]:
    return {"given": layer.given} if layer.shown != layer.name else {}


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

    source, name = figures["source"], flow.workspace.model
    heads = " + ".join(str(len(names)) for names in flow.classes)
    own = [(row.name, row.kind, _shape(row.shape), f"{row.parameters:,}") for row in entry.summarise(flow.model)]
    layers = [
        (each.shown, each.operation, _shape(each.shape), each.format, shown_sqnr(each.sqnr_db))
        for each in outcome.layers
    ]
    digest = f", SHA-256 {source['sha256']}" if "sha256" in source else ""
    of = "float layer" if outcome.file_noise is None else "layer in the file"
    kind = "float model" if flow.is_float else "quantised model, whose numbers stay"
    lines = [
        f"# {name}", "",
        f"Made by `{flow.command}`, {figures['date']}, from the {kind} `{source['file']}`{digest}.", "",
        f"{heads} classes, frames of {flow.frame_len} I/Q samples. Output: logits.", "",
        f"`weights.h5`: SHA-256 {figures['weights_sha256']}.", "",
        "## What quantisation costs", "",
        f"Calibrated on {figures['calibration']['frames']} frames: {figures['calibration']['source']}.", "",
        f"{describe(outcome.judgement)}.", "",
        *_refitted(flow, outcome),
        f"SQNR: power of the {of} over that of all noise that has come up to it"
        f" (measured{', before training on' if outcome.judgement.tuned else ''}).", "",
        *_table(("layer", "operation", "shape", "format", "SQNR, dB"), layers), "",
        "## The model as it came", "",
        *_table(("layer", "class", "shape", "parameters"), own), "",
        "## Classes", "",
        *(", ".join(names) for names in flow.classes), "",
        "## Limits", "",
        "Golden equals Keras in every integer of every layer; accuracy was measured on the frames named above only.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _refitted(flow: InitFlow, outcome: Outcome) -> list[str]:
    """Say what a quantised file in ONNX lost, and where."""
    if outcome.file_noise is None or flow.onnx is None:
        return []
    rows = [
        (each.layer, str(each.bits), "all rounded" if each.moved is None else f"{each.moved:,} of {each.sums:,}")
        for each in flow.onnx.refitted
    ]
    table = [*_table(("layer", "bits of its factors", "sums whose answer moved"), rows), ""] if rows else []
    return [f"{outcome.file_noise.describe(flow.onnx.refitted)}.", "", *table]


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
