"""Frames per second of the generator on one core and on several.

    OMP_NUM_THREADS=1 python benchmarks/bench_generator.py

Rates are by processor time, which other jobs on the machine disturb less than the clock on the wall; that of several
processes at once, workers already started, also by the clock.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

import numpy as np

from hw_amc.parallel import map_blocks
from hw_amc.radio import Recipe, generate_frames, load_recipe
from hw_amc.radio.generator.recipes import PRESETS, RADIOML2016, RADIOML2018

Task = tuple[Recipe, int, int]


def make(task: Task) -> tuple[float, float, float, int]:
    """Make a balanced block: when it began and ended, its processor time in seconds, and its frames."""
    recipe, per_cell, first = task
    cells = np.repeat(np.arange(len(recipe.classes)), per_cell)
    snrs_db = np.resize(np.array(recipe.classes.snrs_db), len(cells))
    began, processor = time.time(), time.process_time()
    made = generate_frames(recipe, cells, snrs_db, first + np.arange(len(cells)))
    return began, time.time(), time.process_time() - processor, len(made)


def rate_alone(recipe: Recipe, per_cell: int, rounds: int) -> list[float]:
    """Rates of several rounds in this process, slowest first, by processor time."""
    done = [make((recipe, per_cell, number * 100_000)) for number in range(rounds)]
    return sorted(frames / processor for _, _, processor, frames in done)


def rate_together(recipe: Recipe, per_cell: int, workers: int) -> tuple[float, float]:
    """Rates of several processes: by processor time, and by the clock from first beginning to last end."""
    tasks = [(recipe, per_cell, number * 100_000) for number in range(4 * workers)]
    done = list(map_blocks(make, tasks, workers))
    frames, processor = sum(row[3] for row in done), sum(row[2] for row in done)
    return workers * frames / processor, frames / (max(row[1] for row in done) - min(row[0] for row in done))


def main() -> None:
    """Time every preset, and the moving channel at 1,024 samples on RadioML 2018's classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=64, help="frames of each class in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="processes of the second figure")
    options = parser.parse_args()
    recipes = {preset: load_recipe(preset) for preset in PRESETS}
    recipes["radioml2018 classes, radioml2016 channel"] = replace(RADIOML2018, dynamic=RADIOML2016.dynamic)
    for name, recipe in recipes.items():
        slowest, *_, best = rate_alone(recipe, options.frames, max(2, options.rounds))
        together, clock = rate_together(recipe, options.frames, options.workers)
        alone = f"{best:,.0f} frames/s on one core (slowest round {slowest:,.0f})"
        several = f"{together:,.0f} in {options.workers} processes ({clock:,.0f} by the clock"
        print(f"{name}: {recipe.frame_len} samples, {alone}, {several} at a load of {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main()
