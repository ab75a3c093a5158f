"""How a foreign Keras network, trained on a published set, answers frames of ours: accuracy by class and SNR.

    python benchmarks/referee.py weights.h5 radioml2018-v2 --frames 24 --snr 30 20 10 0 --json result.json

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

from hw_amc.radio import generate_frames, load_recipe, open_frames


def take(source: str, snrs_db: list[int], count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[str]]:
    """Frames (n, T, 2), labels, SNRs and class names of a recipe or a file."""
    if Path(source).exists():
        with open_frames(Path(source)) as file:
            chosen = np.flatnonzero(np.isin(file.snrs_db, snrs_db))
            frames, labels, snrs = file.read(chosen)
            return frames, labels, snrs, list(file.classes)
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
    by_class = {
        str(snr): {name: round(float(right[(snrs == snr) & (labels == k)].mean()), 4) for k, name in enumerate(names)}
        for snr in snrs_db
    }
    return {
        "network_sha256": hashlib.sha256(network.read_bytes()).hexdigest(),
        "frames": source,
        "frames_per_cell": count,
        "accuracy": {str(snr): round(float(right[snrs == snr].mean()), 4) for snr in snrs_db},
        "by_class": by_class,
        "command": f"python benchmarks/referee.py {' '.join([network.name, *sys.argv[2:]])}",
        "kind": "measured",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, help="Keras 2 .h5")
    parser.add_argument("source", nargs="+", help="recipes, or files of labelled frames")
    parser.add_argument("--frames", type=int, default=24, help="frames of a recipe for each class and SNR")
    parser.add_argument("--snr", type=int, nargs="+", default=[30, 20, 10, 0], help="SNR labels, dB")
    parser.add_argument("--json", type=Path, help="file to write")
    given = parser.parse_args()
    found = [judge(given.network, source, given.snr, given.frames) for source in given.source]
    for result in found:
        shares = "  ".join(f"{snr:>4} dB {100 * share:5.1f} %" for snr, share in result["accuracy"].items())
        print(f"{result['frames']:24} {shares}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
