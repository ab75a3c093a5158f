"""How a foreign Keras network, trained on a published set, answers frames of ours: accuracy by class and SNR.

    python benchmarks/referee.py weights.h5 radioml2018-v2 --frames 24 --snr 30 20 10 0 --json result.json
    python benchmarks/referee.py weights.h5 radioml2018-v2 --published theirs.json   # {"30": 0.955, "20": 0.9553}

The frames are a recipe's (split 2, which no training sees) or a file's of labelled frames; the network takes
(T, 2) frames at the scale of the published file and has one output a class, in the order of `hw_amc.radio.CLASSES`.
Loading a network of Keras 2 may run code that is inside it: take networks that you trust.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio import CLASSES, generate_frames, load_recipe, open_frames


def take(source: str, snrs_db: list[int], count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[str]]:
    """Frames (n, T, 2), labels, SNRs and class names of a recipe or a file."""
    if Path(source).exists():
        with open_frames(Path(source)) as file:
            chosen = np.flatnonzero(np.isin(file.snrs_db, snrs_db))
            frames, labels, snrs = file.read(chosen)
            if unknown := sorted(set(file.classes) - set(CLASSES)):
                raise SystemExit(f"{source}: the networks know no {', '.join(unknown)}; they answer with CLASSES")
            return frames, np.array([CLASSES.index(name) for name in file.classes])[labels], snrs, list(CLASSES)
    recipe = load_recipe(source)
    cells = len(recipe.classes)
    labels = np.tile(np.repeat(np.arange(cells), count), len(snrs_db))
    snrs = np.repeat(snrs_db, cells * count)
    numbers = np.tile(np.arange(count), cells * len(snrs_db))
    return generate_frames(recipe, labels, snrs, numbers, split=2), labels, snrs, list(recipe.classes.heads[0].classes)


def judge(network: Path, source: str, snrs_db: list[int], count: int) -> dict[str, Any]:
    """Accuracy of a network by SNR, and by SNR and class."""
    from tensorflow import keras

    model = keras.models.load_model(network, compile=False)
    frames, labels, snrs, names = take(source, snrs_db, count)
    right = model.predict(frames.reshape(-1, *model.input_shape[1:]), batch_size=64, verbose=0).argmax(1) == labels
    held = [snr for snr in snrs_db if (snrs == snr).any()]
    by_class = {
        str(snr): {
            name: round(float(right[(snrs == snr) & (labels == k)].mean()), 4)
            for k, name in enumerate(names)
            if ((snrs == snr) & (labels == k)).any()
        }
        for snr in held
    }
    return {
        "network_sha256": hashlib.sha256(network.read_bytes()).hexdigest(),
        "frames": source,
        "frames_per_cell": count,
        "accuracy": {str(snr): round(float(right[snrs == snr].mean()), 4) for snr in held},
        "by_class": by_class,
        "command": f"python benchmarks/referee.py {' '.join([network.name, *sys.argv[2:]])}",
        "kind": "measured",
    }


def stated(path: Path, snrs_db: list[int]) -> dict[str, float]:
    """Accuracies that a network's authors state at some SNRs; those that they leave out are left out."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return {str(snr): float(table[str(snr)]) for snr in snrs_db if str(snr) in table}


def shares_line(shares: dict[str, float]) -> str:
    """Accuracies by SNR, in percent, on one line."""
    return "  ".join(f"{snr:>4} dB {100 * share:5.1f} %" for snr, share in shares.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, help="Keras 2 .h5")
    parser.add_argument("source", nargs="+", help="recipes, or files of labelled frames")
    parser.add_argument("--frames", type=int, default=24, help="frames of a recipe for each class and SNR")
    parser.add_argument("--snr", type=int, nargs="+", default=[30, 20, 10, 0], help="SNR labels, dB")
    parser.add_argument("--published", type=Path, help="JSON file: SNR label -> the accuracy that its authors state")
    parser.add_argument("--json", type=Path, help="file to write")
    given = parser.parse_args()
    found = [judge(given.network, source, given.snr, given.frames) for source in given.source]
    for result in found:
        print(f"{result['frames']:24} {shares_line(result['accuracy'])}")
    if given.published:
        print(f"{'published':24} {shares_line(stated(given.published, given.snr))}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
