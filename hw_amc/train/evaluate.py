"""Accuracy of a deployed network per SNR, with confusion matrices, its weights and saturation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from tensorflow import keras

from hw_amc.errors import ConfigError, Mismatch
from hw_amc.files import write_text
from hw_amc.models.network import Classes, NetworkSpec
from hw_amc.train.data import Floats, FrameSet, whole
from hw_amc.train.fast_model import FastModel
from hw_amc.train.predictions import Predictions
from hw_amc.train.select import find_kernels
from hw_amc.train.teacher import load_teacher

#: SNRs whose confusion matrices are kept, dB.
CONFUSION_SNRS = (0, 10, 20)

#: Frames on which the fast form must equal the deployed network before its figures count, and at once through it.
CHECKED, BATCH = 64, 256


def find_logits(model: Any, frames: FrameSet, shown: bool = False) -> list[Floats]:
    """Logits (n, classes) of every head for every frame, by the deployed network.

    The frames run through its fast form, after that has equalled `model` in every logit of some of them. With `shown`,
    a progress bar stands on stderr.

    Raises
    ------
    UnsupportedLayer
        The model is no deployed network.
    Mismatch
        Fast form and network differ.
    """
    forward = FastModel(model).compiled()
    rows = np.linspace(0, len(frames) - 1, min(CHECKED, len(frames))).astype(int)
    x, _ = whole(frames, rows)
    reference = model.predict(x, verbose=0, batch_size=64)
    heads = reference if isinstance(reference, list) else [reference]
    wrong = sum(int(np.count_nonzero(np.asarray(a) != b)) for a, b in zip(forward(x), heads, strict=True))
    if wrong:
        raise Mismatch(f"the fast form differs from the deployed network in {wrong} logits; report this")
    task, console = f"{model.name} classifies {len(frames):,} frames", Console(stderr=True)
    starts = track(range(0, len(frames), BATCH), task, console=console, disable=not shown)
    parts = [forward(whole(frames, slice(first, first + BATCH))[0]) for first in starts]
    return [np.concatenate([np.asarray(part) for part in head]) for head in zip(*parts, strict=True)]


def predict(model: Any, frames: FrameSet, eval_set: dict[str, Any], names: Classes, shown: bool = False) -> Predictions:
    """Classify frames (lowest index wins a tie).

    Parameters
    ----------
    model : the deployed network
    frames, eval_set : from `load_test_set`
    names : class names of every head
    shown : show a progress bar on stderr

    Raises
    ------
    ConfigError
        The network's heads have other numbers of classes.
    Mismatch
        As `find_logits`.
    """
    sizes, expected = [output.shape[-1] for output in model.outputs], [len(head) for head in names]
    if sizes != expected:
        raise ConfigError(
            f"{model.name}: the heads of weights.h5 have {sizes} classes, not {expected}; set `classes` in project.toml"
        )
    return Predictions(_answers(find_logits(model, frames, shown)), frames.labels, frames.snr_db, eval_set, names)


def _answers(logits: Sequence[Any]) -> Any:
    """Classes by the logits of every head: (n,) uint8, or (n, heads)."""
    columns = np.stack([np.argmax(head, axis=-1) for head in logits], axis=1).astype(np.uint8)
    return columns[:, 0] if len(logits) == 1 else columns


def accuracy_report(predictions: Predictions) -> dict[str, Any]:
    """Accuracy (0..1) per SNR, over all frames and from 10 dB, and confusion matrices.

    Returns
    -------
    `accuracy` (SNR in dB as text -> share), `average`, `at_least_10_db`, `confusion` (SNR -> rows of true classes). Of
    several heads a frame is right when all are; `heads` holds the same report for each, and `confusion` nothing.
    """
    right, snr_db = predictions.right, predictions.snr_db
    loud, several = snr_db >= 10, len(predictions.names) > 1
    report = {
        "accuracy": {str(s): round(float(np.mean(right[snr_db == s])), 5) for s in sorted({int(s) for s in snr_db})},
        "average": round(float(np.mean(right)), 5),
        "at_least_10_db": round(float(np.mean(right[loud])), 5) if loud.any() else None,
        "confusion": {} if several else confusion_matrices(predictions),
    }
    if several:
        report["heads"] = [accuracy_report(predictions.head(number)) for number in range(len(predictions.names))]
    return report


def confusion_matrices(predictions: Predictions) -> dict[str, list[list[int]]]:
    """Frames by true class (rows) and answer of a network with one head, at the SNRs of `CONFUSION_SNRS`."""
    size, found = len(predictions.names[0]), {}
    for snr in sorted(set(CONFUSION_SNRS) & {int(s) for s in predictions.snr_db}):
        at = predictions.snr_db == snr
        matrix = np.zeros((size, size), int)
        np.add.at(matrix, (predictions.labels[at], predictions.classes[at]), 1)
        found[str(snr)] = matrix.tolist()
    return found


def float_accuracy(path: Path, spec: NetworkSpec, input_format: tuple[int, int], frames: FrameSet) -> dict[str, Any]:
    """Accuracy (0..1) of the float network whose weights a stage left in `path`: what quantisation began with.

    Parameters
    ----------
    path : the stage's file
    spec : the network, for its classes
    input_format : of the deployed network, to which the inputs are rounded
    frames : labelled as the network's heads

    Returns
    -------
    `checkpoint` (the file's name), `average`, `at_least_10_db`.

    Raises
    ------
    ConfigError, DataError
        The file is missing, damaged, or another network's.
    """
    teacher = load_teacher(path, spec, input_format)
    parts = (whole(frames, slice(first, first + BATCH))[0] for first in range(0, len(frames), BATCH))
    classes = np.concatenate([_answers(teacher.logits(part)) for part in parts])
    report = accuracy_report(Predictions(classes, frames.labels, frames.snr_db, {}, spec.classes))
    return {"checkpoint": path.name, "average": report["average"], "at_least_10_db": report["at_least_10_db"]}


def evaluate(predictions: Predictions, command: str, weights_sha256: str) -> dict[str, Any]:
    """Judge a network's classes of held-out frames: what `accuracy.json` holds, with the digest of the weights."""
    report = accuracy_report(predictions)
    date = datetime.now(timezone.utc).date().isoformat()
    told = {"kind": "measured", "command": command, "date": date, "weights_sha256": weights_sha256}
    return {"eval_set": predictions.eval_set, **report, **told}


def count_weights(model: Any) -> dict[str, int]:
    """Deployed parameters: all, nonzero, kernel weights, nonzero kernel weights."""
    arrays = model.get_weights()
    kernels = [kernel.variable.numpy() for kernel in find_kernels(model)]
    return {
        "parameters": sum(a.size for a in arrays),
        "nonzeros": sum(int(np.count_nonzero(a)) for a in arrays),
        "kernel_weights": sum(k.size for k in kernels),
        "kernel_nonzeros": sum(int(np.count_nonzero(k)) for k in kernels),
    }


def saturation(model: Any, frames: FrameSet, rows: Any) -> dict[str, float]:
    """Percent of values at either end of their format, for every quantised activation, over chosen frames."""
    x, _ = whole(frames, rows)
    names = [layer.name for layer in model.layers if type(layer).__name__ == "QActivation"]
    outputs = {name: model.get_layer(name).output for name in names}
    values = keras.Model(model.input, outputs).predict(x, verbose=0)
    rates = {}
    for name, value in values.items():
        quantiser = model.get_layer(name).quantizer
        signed_bits = int(getattr(quantiser, "keep_negative", False))
        step = 2.0 ** (int(quantiser.integer) - (quantiser.bits - signed_bits))
        top = 2.0 ** int(quantiser.integer) - step
        at_end = (value >= top) | (value <= -(2.0 ** int(quantiser.integer)) if signed_bits else False)
        rates[name] = round(100 * float(np.mean(at_end)), 4)
    return rates


def write_accuracy(path: Path, report: Mapping[str, Any]) -> None:
    """Write `accuracy.json`: one line an entry, so that a new run shows up as a readable difference."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in report.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
