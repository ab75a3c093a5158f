"""The level of frames: that of a model's training, and by how much others may differ from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError, DataError
from hw_amc.files import load_json, write_text
from hw_amc.flows.base import Flow
from hw_amc.interface.gain import AutomaticGain
from hw_amc.interface.wire import to_wire
from hw_amc.radio.gains import GainAccuracy, accuracy_by_gain, put_into_card
from hw_amc.untrusted import read_text
from hw_amc.verify.heldout import SEED, TEST_SPLIT, fitting_recipe
from hw_amc.verify.results import golden_logits, split_heads

#: SNR of the frames, dB, and how many of each class.
SNR_DB_FROM, FRAMES_OF_A_CLASS = 10, 20


def measure_gains(flow: Flow, frames_of_a_class: int = FRAMES_OF_A_CLASS) -> GainAccuracy:
    """Measure a model's accuracy at `GAINS_DB`, by golden, on generated held-out frames of each class.

    Raises
    ------
    ConfigError
        No recipe makes signals of all its classes.
    """
    from hw_amc.radio import generate_frames

    graph, settings = flow.graph, flow.workspace.settings().input
    found = fitting_recipe(graph.classes)
    if found is None:
        raise ConfigError(f"no recipe makes signals of all classes of {flow.workspace.model}")
    recipe, labels = found
    recipe = replace(recipe, frame_len=graph.frame_len)
    cells = np.flatnonzero(labels[:, 0] >= 0)
    numbers = np.arange(len(cells) * frames_of_a_class)
    chosen = cells[numbers % len(cells)]
    loud = np.array([snr for snr in recipe.classes.snrs_db if snr >= SNR_DB_FROM])
    snrs = np.random.default_rng(SEED).choice(loud, len(numbers))
    frames = generate_frames(recipe, chosen, snrs, numbers, split=TEST_SPLIT)
    words = to_wire(frames, settings.wire_frac, settings.normalise)
    rule = AutomaticGain(graph.frame_len, settings.wire_frac)

    def judge(sets: list[NDArray[np.int16]], automatic: bool = False) -> Iterator[NDArray[np.bool_]]:
        told = f"golden: {flow.workspace.model} at {len(sets)} levels" + (", automatic gain" if automatic else "")
        for wire in flow.output.track(sets, told):
            gains = rule.follow(wire, rule.start)[0] if automatic else np.zeros(len(wire), np.int64)
            logits = golden_logits(graph, wire, rule.shifts(gains, settings.input_shift))
            heads = split_heads(graph, logits).values()
            answers = np.stack([head.argmax(axis=1) for head in heads], axis=1)
            yield (answers == labels[chosen]).all(axis=1)

    has_gain = flow.workspace.settings().rtl.automatic_gain
    automatic = accuracy_by_gain(words, partial(judge, automatic=True)) if has_gain else None
    return GainAccuracy(len(frames), accuracy_by_gain(words, judge), SNR_DB_FROM, automatic)


def keep_gains(flow: Flow, found: GainAccuracy) -> None:
    """Write what `measure_gains` found into the model's accuracy.json and MODEL_CARD.md."""
    folder = flow.workspace.take_over()
    path, card = folder / "accuracy.json", folder / "MODEL_CARD.md"
    section = {**found.to_section(), "command": flow.command, "date": date.today().isoformat(), "kind": "measured"}
    told = {**load_json(path), "gain_db": section}
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in told.items())
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
    write_text(card, put_into_card(_read_card(card), found))


def _read_card(path: Path) -> str:
    text = read_text(path)
    if "\ufffd" in text:  # written back, it would be another text
        raise DataError(f"{path} is no text in UTF-8; save it as such, or delete it and train again")
    return text
