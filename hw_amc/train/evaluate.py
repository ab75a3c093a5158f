"""Accuracy of a deployed network per SNR, with confusion matrices, its weights and saturation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from hw_amc.compress.deployed import rebuild
from hw_amc.errors import ConfigError, Mismatch
from hw_amc.files import write_text
from hw_amc.models.specs import GruCnnSpec
from hw_amc.radio import CLASSES, load_recipe
from hw_amc.train.data import Floats, FrameSet, load_part, whole
from hw_amc.train.fast_affine import fast_front_layers
from hw_amc.train.paired import Predictions
from hw_amc.train.recipe import Data
from hw_amc.train.teacher import load_teacher
from hw_amc.train.trainee import quantise_input
from hw_amc.verify.heldout import TEST_SPLIT

#: SNRs whose confusion matrices are kept, dB.
CONFUSION_SNRS = (0, 10, 20)

#: Frames on which the fast twin must equal the deployed network before its figures count, and at once through it.
CHECKED, BATCH = 64, 256


def fast_twin(model: Any) -> Any:
    """Rebuild the deployed network on the C++ kernels: the same function, about ten times faster.

    Raises
    ------
    ConfigError
        The network is not of the GRU-CNN family.
    """
    try:
        return rebuild(model, fast_front_layers)
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{model.name} is no GRU-CNN of `hw-amc models`, so it has no fast form") from error


def find_logits(model: Any, frames: FrameSet, shown: bool = False) -> Floats:
    """Logits (n, classes) of every frame by the deployed network.

    The frames run through the fast twin, after it has equalled `model` in every logit of some of them. With `shown`,
    a progress bar stands on stderr.

    Raises
    ------
    ConfigError
        The network is not of the GRU-CNN family.
    Mismatch
        The twin and the network differ.
    """
    twin = fast_twin(model)
    rows = np.linspace(0, len(frames) - 1, min(CHECKED, len(frames))).astype(int)
    x, _ = whole(frames, rows)
    wrong = int(np.count_nonzero(np.asarray(twin(x)) != model.predict(x, verbose=0, batch_size=64)))
    if wrong:
        raise Mismatch(f"the fast twin differs from the deployed network in {wrong} logits; report this")
    task, console = f"{model.name} classifies {len(frames):,} frames", Console(stderr=True)
    starts = track(range(0, len(frames), BATCH), task, console=console, disable=not shown)
    return np.concatenate([np.asarray(twin(whole(frames, slice(first, first + BATCH))[0])) for first in starts])


def predict(model: Any, frames: FrameSet, eval_set: dict[str, Any], shown: bool = False) -> Predictions:
    """Classify frames (lowest index wins a tie); arguments and errors are those of `find_logits`."""
    classes = np.argmax(find_logits(model, frames, shown), axis=-1).astype(np.uint8)
    return Predictions(classes, frames.labels, frames.snr_db, eval_set)


def accuracy_report(predictions: Predictions) -> dict[str, Any]:
    """Accuracy (0..1) per SNR, over all frames and from 10 dB, and confusion matrices.

    Returns
    -------
    `accuracy` (SNR in dB as text -> share), `average`, `at_least_10_db`, `confusion` (SNR -> rows of true classes).
    """
    right, snr_db = predictions.right, predictions.snr_db
    snrs = sorted({int(s) for s in snr_db})
    confusion = {}
    for snr in set(CONFUSION_SNRS) & set(snrs):
        at = snr_db == snr
        matrix = np.zeros((len(CLASSES), len(CLASSES)), int)
        np.add.at(matrix, (predictions.labels[at], predictions.classes[at]), 1)
        confusion[str(snr)] = matrix.tolist()
    loud = snr_db >= 10
    return {
        "accuracy": {str(s): round(float(np.mean(right[snr_db == s])), 5) for s in snrs},
        "average": round(float(np.mean(right)), 5),
        "at_least_10_db": round(float(np.mean(right[loud])), 5) if loud.any() else None,
        "confusion": {k: confusion[k] for k in sorted(confusion, key=int)},
    }


def float_accuracy(path: Path, spec: GruCnnSpec, frames: FrameSet) -> dict[str, Any]:
    """Accuracy (0..1) of the float network whose weights a stage left in `path`: what quantisation began with.

    Its inputs are rounded as the deployed network's.

    Returns
    -------
    `checkpoint` (the file's name), `average`, `at_least_10_db`.

    Raises
    ------
    ConfigError, DataError
        The file is missing, damaged, or another network's.
    """
    logits = load_teacher(path, spec, share=1.0, temperature=1.0).logits
    parts = (whole(frames, slice(first, first + BATCH))[0] for first in range(0, len(frames), BATCH))
    classes = np.concatenate([np.argmax(logits(quantise_input(part)), axis=-1) for part in parts]).astype(np.uint8)
    report = accuracy_report(Predictions(classes, frames.labels, frames.snr_db, {}))
    return {"checkpoint": path.name, "average": report["average"], "at_least_10_db": report["at_least_10_db"]}


def evaluate(predictions: Predictions, command: str) -> dict[str, Any]:
    """Judge a network's classes of held-out frames: what `accuracy.json` holds."""
    report = accuracy_report(predictions)
    date = datetime.now(timezone.utc).date().isoformat()
    return {"eval_set": predictions.eval_set, **report, "kind": "measured", "command": command, "date": date}


def load_test_set(data: Data, folder: Path) -> tuple[FrameSet, dict[str, Any]]:
    """Held-out frames and what identifies them: recipe or file, digest, split, counts.

    The errors are those of `hw_amc.train.data.load_part`.
    """
    frames = load_part(data, "test", folder)
    if data.recipe is not None:
        source = {"recipe": data.recipe, "digest": load_recipe(data.recipe).digest()}
    else:
        # What was read is all that counts of a file.
        words = np.ascontiguousarray(frames.wire)
        source = {"file": Path(str(data.file)).name, "digest": hashlib.sha256(words.data).hexdigest()}
    per_cell = ", ".join(f"{count} at {min(snrs)}..{max(snrs)} dB" for snrs, count in data.cells("test"))
    counts = {"split": TEST_SPLIT, "frames": len(frames), "frames_per_class_and_snr_db": per_cell}
    return frames, {**source, **counts}


def count_weights(model: Any) -> dict[str, int]:
    """Deployed parameters: all, nonzero, kernel weights, nonzero kernel weights."""
    arrays = {w.name: w.numpy() for w in model.weights}
    kernels = [a for name, a in arrays.items() if "kernel" in name]
    return {
        "parameters": sum(a.size for a in arrays.values()),
        "nonzeros": sum(int(np.count_nonzero(a)) for a in arrays.values()),
        "kernel_weights": sum(k.size for k in kernels),
        "kernel_nonzeros": sum(int(np.count_nonzero(k)) for k in kernels),
    }


def saturation(model: Any, frames: FrameSet, rows: Any) -> dict[str, float]:
    """Percent of values at either end of their format, for every quantised activation, over chosen frames."""
    from tensorflow import keras

    x, _ = whole(frames, rows)
    names = [layer.name for layer in model.layers if type(layer).__name__ == "QActivation"]
    values = keras.Model(model.input, [model.get_layer(name).output for name in names]).predict(x, verbose=0)
    rates = {}
    for name, value in zip(names, values, strict=True):
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
