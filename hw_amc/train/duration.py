"""How long a recipe takes on this machine, from a few steps of each kind, before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from hw_amc.compress.deploy import deploy_with, plan_deploy
from hw_amc.compress.formats import input_format
from hw_amc.models.network import NetworkSpec
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


def estimate_duration(spec: NetworkSpec, recipe: TrainRecipe) -> list[PhaseTime]:
    """Time a few steps of every phase on random frames; generation of data and the final test come on top.

    A teacher that an earlier recipe has yet to make is left out.
    """
    times = []
    for stage in recipe.stages:
        trainee = _trainee(spec, stage, recipe)
        times += [
            PhaseTime(stage.name, number, phase.steps, _seconds_per_step(trainee, spec, phase))
            for number, phase in enumerate(stage.phases, 1)
        ]
    return times


def _trainee(spec: NetworkSpec, stage: Stage, recipe: TrainRecipe) -> Trainee:
    model = spec.build(stage.dropout)
    given = input_format(plan_deploy(model), recipe.widths)
    teacher = None
    if stage.teacher is not None and stage.teacher.exists():
        teacher = load_teacher(stage.teacher, spec, given, stage.teacher_share, stage.temperature)
    if stage.kind == "qat":
        return Trainee(deploy_with(model, recipe.widths), None, teacher, recipe.head_shares, stage.freeze)
    return Trainee(model, given, teacher, recipe.head_shares, stage.freeze)


def _seconds_per_step(trainee: Trainee, spec: NetworkSpec, phase: Phase) -> float:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(phase.batch, phase.crop, spec.frame[1])).astype(np.float32)
    labels = np.stack([generator.integers(0, classes, phase.batch) for classes in spec.outputs], 1).astype(np.int32)
    trainee.step(x, labels, 0.0)
    start = time.perf_counter()
    for _ in range(TIMED):
        trainee.step(x, labels, 0.0)
    return (time.perf_counter() - start) / TIMED
