"""Frames per second of the generator on one core: `OMP_NUM_THREADS=1 python benchmarks/bench_generator.py`."""

from __future__ import annotations

import argparse
import time

import numpy as np

from hw_amc.radio import CLASSES, RECIPES, generate_frames, load_recipe


def main() -> None:
    """Time each recipe on the same mix of classes and SNRs, best of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=64, help="frames of each class in a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    labels = np.repeat(np.arange(len(CLASSES)), options.frames)
    snrs_db = np.tile(np.arange(-20, 32, 2), len(labels))[: len(labels)]
    for name in RECIPES:
        recipe = load_recipe(name)
        seconds = []
        for round_number in range(options.rounds):
            numbers = np.arange(len(labels)) + round_number * len(labels)
            started = time.perf_counter()
            generate_frames(recipe, labels, snrs_db, numbers)
            seconds.append(time.perf_counter() - started)
        rates = sorted(len(labels) / s for s in seconds)
        print(f"{name:16} {recipe.frame_len} samples: {rates[-1]:,.0f} frames/s (slowest round {rates[0]:,.0f})")


if __name__ == "__main__":
    main()
