"""How long a recipe takes on this machine, from a few steps of each kind, before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from hw_amc.compress.formats import DEFAULT_FORMATS
from hw_amc.models.specs import GruCnnSpec
from hw_amc.train.recipe import Phase, Stage, TrainRecipe
from hw_amc.train.teacher import load_teacher
from hw_amc.train.trainee import Trainee

#: Steps timed for each phase, after one that compiles.
TIMED = 3


@dataclass(frozen=True)
class PhaseTime:
    """A phase and what it takes.

    Attributes
    ----------
    stage : name of the stage
    phase : number within the stage, from 1
    steps : optimiser steps
    seconds_per_step : measured on random frames
    """

    stage: str
    phase: int
    steps: int
    seconds_per_step: float

    @property
    def seconds(self) -> float:
        """Seconds of the whole phase, estimated."""
        return self.steps * self.seconds_per_step


def estimate_duration(spec: GruCnnSpec, recipe: TrainRecipe) -> list[PhaseTime]:
    """Time a few steps of every phase on random frames; generation of data and the final test come on top.

    A teacher that an earlier recipe has yet to make is left out.
    """
    times = []
    for stage in recipe.stages:
        trainee = _trainee(spec, stage)
        times += [
            PhaseTime(stage.name, number, phase.steps, _seconds_per_step(trainee, spec, phase))
            for number, phase in enumerate(stage.phases, 1)
        ]
    return times


def _trainee(spec: GruCnnSpec, stage: Stage) -> Trainee:
    teacher = None
    if stage.teacher is not None and stage.teacher.exists():
        teacher = load_teacher(stage.teacher, spec, stage.teacher_share, stage.temperature)
    return Trainee(spec, DEFAULT_FORMATS if stage.kind == "qat" else None, stage.dropout, teacher)


def _seconds_per_step(trainee: Trainee, spec: GruCnnSpec, phase: Phase) -> float:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(phase.batch, phase.crop, 2)).astype(np.float32)
    labels = generator.integers(0, spec.classes, phase.batch).astype(np.int32)
    trainee.step(x, labels, 0.0)
    start = time.perf_counter()
    for _ in range(TIMED):
        trainee.step(x, labels, 0.0)
    return (time.perf_counter() - start) / TIMED
