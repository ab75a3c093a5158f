"""Training on with quantisation: a deployed network goes on learning from labelled frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.files import exclusive
from hw_amc.radio import WIRE_FRAC
from hw_amc.train.checkpoint import read_weights
from hw_amc.train.data import STILL, FrameSet, Varied, whole
from hw_amc.train.learner import Learner, validate
from hw_amc.train.loop import TrainingLoop
from hw_amc.train.recipe import Progress, Stage, TrainRecipe
from hw_amc.train.trainee import Trainee

#: Highest learning rate: a weight moves a few steps of its grid.
RATE = 3e-4
#: Frames a step, and validations in all.
BATCH, VALIDATIONS = 128, 10
#: Decides which frames each step takes.
SEED = 2018


@dataclass(frozen=True)
class Tuned:
    """What training on did: mean loss and share of right answers on the validation frames, before and after."""

    steps: int
    #: Frames that were learned from, and that chose the best weights.
    frames: int
    validated: int
    loss_before: float
    loss_after: float
    right_before: float
    right_after: float

    @property
    def is_kept(self) -> bool:
        """Whether the weights were taken: the loss fell."""
        return self.loss_after < self.loss_before


class WholeFrames(Trainee):
    """A network that learns from frames as they are: nothing is cut out of them, turned or scaled.

    Parameters
    ----------
    model : deployed Keras model
    wire_frac : fraction bits of the frames' wire words
    """

    def __init__(self, model: Any, wire_frac: int) -> None:
        super().__init__(model, None)
        self._scale = np.float32(2.0 ** (WIRE_FRAC - wire_frac))

    def crop(  # type: ignore[override]
        self, frames: FrameSet, rows: Any, length: int, generator: np.random.Generator, varied: Varied = STILL
    ) -> tuple[Any, Any]:
        """Take whole frames; values for `step` and `predict`, and labels."""
        x, labels = whole(frames, rows)
        return x * self._scale, labels


class _Tuning(TrainingLoop):
    """The loop over one stage, whose network is there already."""

    def __init__(
        self, learner: Learner, recipe: TrainRecipe, folder: Path, sets: tuple[FrameSet, FrameSet], progress: Progress
    ) -> None:
        super().__init__(recipe, folder, *sets, progress)
        self._given = learner

    def _make_learner(self, stage: Stage) -> Learner:
        return self._given

    def _before(self, stage: Stage) -> Path | None:
        return None

    def _note(self, stage: Stage) -> dict[str, Any]:
        return {"stage": stage.name}


def tune(
    model: Any, train: FrameSet, validation: FrameSet, steps: int, folder: Path, progress: Progress, wire_frac: int = 14
) -> Tuned:
    """Train a deployed network on; its weights become those that judge the validation frames best.

    Weights that are zero stay so. Where no weights are better than those it came with, it keeps these.

    Parameters
    ----------
    model : deployed Keras model, with its weights not rounded
    train, validation : labelled frames as wire words of `wire_frac` fraction bits
    steps : optimiser steps
    folder : keeps the state, so that a run that was stopped goes on; it belongs to this model, these frames and steps
    progress : told about every step
    wire_frac : int

    Raises
    ------
    ConfigError
        Another process trains in the same folder.
    DataError
        The loss is no number, or a state that was kept is damaged.
    """
    learner = WholeFrames(model, wire_frac)
    recipe = _recipe(steps, train, validation)
    with exclusive(folder, "a training"):
        loop = _Tuning(learner, recipe, folder, (train, validation), progress)
        given = learner.weights
        check = learner.crop(validation, np.arange(len(validation)), 0, loop.generator)
        before = validate(learner, *check)
        loop.resume()
        loop.run()
        read_weights(folder / f"{recipe.stages[0].name}.npz", learner.set_weights)
    after = validate(learner, *check)
    tuned = Tuned(steps, len(train), len(validation), before[0], after[0], before[1], after[1])
    if not tuned.is_kept:
        learner.set_weights(given)
    return tuned


def _recipe(steps: int, train: FrameSet, validation: FrameSet) -> TrainRecipe:
    """One stage of one phase, on frames that are here already."""
    samples = train.wire.shape[1]
    each = max(1, steps // VALIDATIONS)
    phase = {
        "crop": max(2, samples - samples % 2),
        "steps": steps,
        "batch": min(BATCH, len(train)),
        "learning_rate": RATE,
        "warmup": min(100, steps // 10),
    }
    # Patience that never ends keeps the best weights.
    stage = {"name": "tune", "kind": "qat", "phases": [phase], "min_snr_db": -128, "patience": steps}
    return TrainRecipe.model_validate(
        {
            "data": {"train": [], "validation": [], "test": [], "file": Path("given"), "normalise": "none"},
            "stage": [stage],
            "seed": SEED,
            "validate_every": each,
            "validate_frames": len(validation),
            "checkpoint_every": each,
        }
    )


@contextmanager
def following(bar: Iterator[object]) -> Iterator[Progress]:
    """Move a bar of as many items as there are steps, from wherever a run goes on."""
    done = 0

    def progress(stage: Stage, phase: int, step: int, figures: dict[str, float]) -> None:
        nonlocal done
        while done <= step:
            next(bar, None)
            done += 1

    try:
        yield progress
    finally:
        if hasattr(bar, "close"):
            bar.close()
