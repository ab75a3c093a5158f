"""The loop of a training: stages and phases, validation and checkpoints, resumable at any step."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.compress.magnitude import ramp_keep
from hw_amc.errors import ConfigError, DataError
from hw_amc.train.budget import Budget
from hw_amc.train.checkpoint import load_arrays, read_weights, save_arrays
from hw_amc.train.data import FrameSet, Varied
from hw_amc.train.learner import Learner, validate
from hw_amc.train.log import TrainingLog
from hw_amc.train.recipe import Phase, Progress, Stage, TrainRecipe

#: Steps between two rounds of removing weights.
PRUNE_EVERY = 20


@dataclass
class Position:
    """Where a run stands: stage, phase, steps done in it, its best validation loss and the worse ones since."""

    stage: int = 0
    phase: int = 0
    step: int = 0
    #: None before the first validation of a phase.
    best: float | None = None
    bad: int = 0


class TrainingLoop(ABC):
    """Stages of a recipe, one after another, on the frames of two sets.

    Parameters
    ----------
    recipe : what to do
    folder : where checkpoints live
    train, validation : what is learned from, and what judges meanwhile
    progress : told about every step
    """

    def __init__(
        self, recipe: TrainRecipe, folder: Path, train: FrameSet, validation: FrameSet, progress: Progress
    ) -> None:
        self.recipe, self.folder, self.progress = recipe, folder, progress
        self.train, self.validation = train, validation
        self.generator = np.random.default_rng(recipe.seed)
        data = recipe.data
        self.varied = Varied(data.carrier_offset, data.gain_db, data.gain_share)
        self.position = Position()
        #: Steps taken of each stage's phases: fewer than the recipe's where patience or time ended one.
        self.taken: dict[str, list[int]] = {}
        self.budget = Budget()
        self._learner: Learner | None = None
        self.best: list[Any] = []
        self.started = time.monotonic()
        self._log = TrainingLog(folder / "logs")

    @abstractmethod
    def _make_learner(self, stage: Stage) -> Learner:
        """Build a stage's network."""

    @abstractmethod
    def _before(self, stage: Stage) -> Path | None:
        """File with the float weights that a stage begins with; None where it draws them."""

    @abstractmethod
    def _note(self, stage: Stage) -> dict[str, Any]:
        """What the file of a stage's weights says of them."""

    # -- checkpoints ---------------------------------------------------------------------------------------

    def _seconds(self) -> float:
        """Seconds spent so far, over all the runs that this one resumed."""
        return round(time.monotonic() - self.started, 1)

    @property
    def learner(self) -> Learner:
        """The network of the stage that the run is in."""
        if self._learner is None:
            raise ConfigError("this run has not started a stage yet; call run()")
        return self._learner

    @property
    def _state_path(self) -> Path:
        return self.folder / "state.npz"

    def save(self) -> None:
        """Write the whole state: weights, statistics, optimiser, masks, generator; between stages no arrays."""
        note = {
            "position": asdict(self.position),
            "seconds": self._seconds(),
            "taken": self.taken,
            "generator": self.generator.bit_generator.state,
            "recipe": self.recipe.digest,
            "best": len(self.best),
        }
        arrays = [*self._learner.state, *self.best] if self._learner else []
        save_arrays(self._state_path, arrays, note)

    def resume(self) -> bool:
        """Go to where the last run was stopped; return whether there was one.

        Raises
        ------
        ConfigError
            The checkpoint belongs to another recipe.
        DataError
            The checkpoint is damaged.
        """
        if not self._state_path.exists():
            return False
        arrays, note = load_arrays(self._state_path)
        if note.get("recipe") != self.recipe.digest:
            raise ConfigError(f"{self._state_path} belongs to another train.toml; restore that, or give --restart")
        try:
            self.position = Position(**note["position"])
            self.started = time.monotonic() - float(note.get("seconds", 0.0))
            self.taken = {str(name): list(map(int, steps)) for name, steps in note.get("taken", {}).items()}
            drawn = note["generator"]
            numbers = {name: int(number) for name, number in drawn["state"].items()}
            self.generator.bit_generator.state = {**drawn, "state": numbers}
            count = len(arrays) - int(note["best"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"checkpoint {self._state_path} is damaged; delete it, or give --restart") from error
        if arrays and self.position.stage < len(self.recipe.stages):
            self._learner = self._make_learner(self.recipe.stages[self.position.stage])
            self._learner.set_state(arrays[:count])
            self.best = arrays[count:]
        return True

    def _stage_path(self, stage: Stage) -> Path:
        return self.folder / f"{stage.name}.npz"

    # -- stages --------------------------------------------------------------------------------------------

    def _enter(self, stage: Stage) -> Learner:
        """Build a stage's network and give it the weights of the stage before."""
        learner, before = self._make_learner(stage), self._before(stage)
        if stage.kind != "qat":
            if before is None:
                learner.draw_weights(self.generator)
            else:
                read_weights(before, lambda arrays: self._take_weights(learner, arrays))
        if stage.keep_zeros:
            learner.keep_zeros()
        return learner

    def _take_weights(self, learner: Learner, arrays: list[Any]) -> None:
        """Give a network the weights that its stage begins with."""
        learner.set_weights(arrays)

    def run(self) -> None:
        """Run every stage that is left."""
        while self.position.stage < len(self.recipe.stages):
            stage = self.recipe.stages[self.position.stage]
            if self._learner is None:
                self._learner = self._enter(stage)
            rows = np.flatnonzero(self.train.snr_db >= stage.min_snr_db)
            while self.position.phase < len(stage.phases):
                self._run_phase(stage, stage.phases[self.position.phase], rows)
            self._finish(stage)

    def _run_phase(self, stage: Stage, phase: Phase, rows: Any) -> None:
        check, taken = self._validation_frames(phase), self._taken_of(stage)
        pace = self.budget.pace(self.recipe.stages[self.position.stage :], self.position.phase, self.position.step)
        every, save_every = self.recipe.validate_every, self.recipe.checkpoint_every
        while self.position.step < phase.steps:
            step = self.position.step
            if stage.kind == "prune" and self.position.phase == 0:
                self._prune(stage, step)
            chosen = rows[self.generator.integers(0, len(rows), phase.batch)]
            x, labels = self.learner.crop(self.train, chosen, phase.crop, self.generator, self.varied)
            loss, accuracy = self.learner.step(x, labels, phase.rate(step))
            if not math.isfinite(loss):
                raise DataError(
                    f"stage {stage.name}: the loss is {loss} at step {step + 1} of {phase.steps}; lower the phase's "
                    f"learning_rate of {phase.learning_rate:g}, and give --restart"
                )
            taken[-1] += 1
            self.position.step = after = pace.after(step)
            figures = {"loss": loss, "accuracy": accuracy}
            if after // every > step // every or after == phase.steps:
                figures |= self._validate(check)
                if stage.patience and self.position.bad >= stage.patience:
                    self.position.step = phase.steps
            if after // save_every > step // save_every:
                self.save()
            self._report(stage, phase, after - 1, figures)
        if stage.patience and self.best:
            self.learner.set_weights(self.best)
        self.position = Position(self.position.stage, self.position.phase + 1)
        self.best = []

    def _taken_of(self, stage: Stage) -> list[int]:
        """Steps taken of each phase up to the one under way; a state of before 0.3 had taken all."""
        taken = self.taken.setdefault(stage.name, [])
        taken += [phase.steps for phase in stage.phases[len(taken) : self.position.phase]]
        if len(taken) == self.position.phase:
            taken.append(self.position.step)
        return taken

    def _report(self, stage: Stage, phase: Phase, step: int, figures: dict[str, float]) -> None:
        """Tell the progress and TensorBoard, whose steps count through the phases of a stage."""
        earlier = sum(p.steps for p in stage.phases[: self.position.phase])
        self._log.write(stage.name, earlier + step, {**figures, "learning_rate": phase.rate(step)})
        self.progress(stage, self.position.phase, step, figures)

    def _prune(self, stage: Stage, step: int) -> None:
        if step > stage.ramp_steps or (step % PRUNE_EVERY and step < stage.ramp_steps):
            return
        total = self.learner.kernel_weights
        number = self.recipe.stages.index(stage)
        earlier = [s.sparsity for s in self.recipe.stages[:number] if s.kind == "prune"]
        start = round(total * (1.0 - max([stage.start_sparsity, *earlier])))
        target = round(total * (1.0 - stage.sparsity))
        keep = ramp_keep(total, start, target, step / stage.ramp_steps if stage.ramp_steps else 1.0)
        self.learner.prune(keep, stage.scope == "layer")

    def _validation_frames(self, phase: Phase) -> tuple[Any, Any]:
        generator = np.random.default_rng(self.recipe.seed + 1)
        count = min(self.recipe.validate_frames, len(self.validation))
        rows = generator.choice(len(self.validation), count, replace=False)
        return self.learner.crop(self.validation, rows, phase.crop, generator)

    def _validate(self, check: tuple[Any, Any]) -> dict[str, float]:
        loss, accuracy = validate(self.learner, *check)
        if self.position.best is None or loss < self.position.best:
            self.position.best, self.position.bad = loss, 0
            self.best = self.learner.weights
        else:
            self.position.bad += 1
        return {"val_loss": loss, "val_accuracy": accuracy}

    def _finish(self, stage: Stage) -> None:
        """Recalibrate, keep the stage's weights, and go to the next stage."""
        phase = stage.phases[-1]
        rows = np.flatnonzero(self.train.snr_db >= stage.min_snr_db)
        batches = [
            self.learner.crop(self.train, rows[self.generator.integers(0, len(rows), 256)], phase.crop, self.generator)[
                0
            ]
            for _ in range(16)
        ]
        self.learner.recalibrate(batches)
        save_arrays(self._stage_path(stage), self.learner.weights, self._note(stage))
        self._log.flush()
        self.position = Position(self.position.stage + 1)
        if self.position.stage < len(self.recipe.stages):
            self._learner = None
        self.save()
