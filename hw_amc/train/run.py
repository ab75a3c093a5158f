"""Running a recipe from its first stage to the deployed network, resumable at any step."""

from __future__ import annotations

import json
import math
import shutil
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.compress.magnitude import ramp_keep
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import exclusive, write_text
from hw_amc.graph.graph import Graph
from hw_amc.models.network import NetworkSpec
from hw_amc.radio import load_recipe
from hw_amc.train.checkpoint import load_arrays, read_weights, save_arrays
from hw_amc.train.data import Varied, whole
from hw_amc.train.fit import require_fitting, require_normalisation, require_tensorflow
from hw_amc.train.learner import Learner, validate
from hw_amc.train.log import TrainingLog
from hw_amc.train.progress import training_bar
from hw_amc.train.recipe import Phase, Progress, Stage, TrainRecipe, load_recipe_file
from hw_amc.train.sets import load_part
from hw_amc.workspace import network_of

#: Steps between two rounds of removing weights.
PRUNE_EVERY = 20
#: Validation frames from whose values formats are chosen.
CALIBRATION_FRAMES = 512


@dataclass
class Position:
    """Where a run stands: stage, phase, steps done in it, its best validation loss and the worse ones since."""

    stage: int = 0
    phase: int = 0
    step: int = 0
    #: None before the first validation of a phase.
    best: float | None = None
    bad: int = 0


class Run:
    """One training run: its recipe, data, folder and position.

    Parameters
    ----------
    spec : the network
    recipe : what to do
    folder : where checkpoints live
    data_folder : where generated frames are kept
    progress : told about every step
    device : "cpu", or a GPU as PyTorch names it: float and prune stages are trained there, qat stages on the processor
    """

    def __init__(
        self,
        spec: NetworkSpec,
        recipe: TrainRecipe,
        folder: Path,
        data_folder: Path,
        progress: Progress,
        device: str = "cpu",
    ) -> None:
        self.spec, self.recipe, self.folder, self.progress, self.device = spec, recipe, folder, progress, device
        self.train = load_part(recipe.data, "train", data_folder, spec.classes)
        self.validation = load_part(recipe.data, "validation", data_folder, spec.classes)
        require_fitting(spec, recipe, self.train)
        self.generator = np.random.default_rng(recipe.seed)
        data = recipe.data
        self.varied = Varied(data.carrier_offset, data.gain_db, data.gain_share)
        self.position = Position()
        self._learner: Learner | None = None
        self.best: list[Any] = []
        self.started = time.monotonic()
        self._log = TrainingLog(folder / "logs")

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

    @cached_property
    def input_format(self) -> tuple[int, int]:
        """(bits, integer bits) onto which the network's input is rounded; without TensorFlow, those of its graph.json.

        Raises
        ------
        ConfigError
            There is neither TensorFlow nor a graph with a quantiser behind its input.
        """
        if find_spec("tensorflow"):
            from hw_amc.compress.deploy import plan_deploy
            from hw_amc.compress.formats import input_format

            return input_format(plan_deploy(self.spec.build()), self.recipe.widths)
        graph = self.folder.parent / "graph.json"
        quantizer = Graph.load(graph).input_quantizer if graph.exists() else None
        if quantizer is None:
            raise ConfigError(f"without TensorFlow, {graph} must say how the network's input is rounded, and does not")
        return quantizer.fmt.bits, quantizer.fmt.bits - 1 - quantizer.fmt.frac

    @property
    def _state_path(self) -> Path:
        return self.folder / "state.npz"

    def save(self) -> None:
        """Write the whole state: weights, statistics, optimiser, masks, generator; between stages no arrays."""
        note = {
            "position": asdict(self.position),
            "seconds": self._seconds(),
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

    def _before(self, stage: Stage) -> Path | None:
        """File with the float weights that a stage begins with; None where it draws them."""
        number = self.recipe.stages.index(stage)
        return self._stage_path(self.recipe.stages[number - 1]) if number else self.recipe.start

    def _make_learner(self, stage: Stage) -> Learner:
        """Build a stage's network; that of a qat stage has the weights of the stage before, folded."""
        if stage.kind != "qat" and self.device != "cpu":
            from hw_amc.train.gpu.learner import GpuLearner

            return GpuLearner(self.spec, stage, self.input_format, self.device)
        require_tensorflow(stage)
        from hw_amc.train.teacher import load_teacher
        from hw_amc.train.trainee import Trainee

        taught = None
        if stage.teacher is not None:
            taught = load_teacher(stage.teacher, self.spec, self.input_format, stage.teacher_share, stage.temperature)
        shares, freeze = self.recipe.head_shares, stage.freeze
        if stage.kind == "qat":
            return Trainee(self.deployed(stage), None, taught, shares, freeze)
        return Trainee(self.spec.build(stage.dropout), self.input_format, taught, shares, freeze)

    def deployed(self, stage: Stage) -> Any:
        """Deploy what the stage before a qat stage left; formats are chosen from its weights and validation frames."""
        from hw_amc.compress.deploy import deploy
        from hw_amc.train.fast_model import fast_probe

        number, before = self.recipe.stages.index(stage), self._before(stage)
        if before is None or (number > 0 and self.recipe.stages[number - 1].kind == "qat"):
            raise ConfigError(f"stage {stage.name!r}: a qat stage must follow a float or prune stage, or a `start`")
        model = self.spec.build(dropout=0.0)
        read_weights(before, model.set_weights)
        rows = np.linspace(0, len(self.validation) - 1, CALIBRATION_FRAMES).astype(int)
        return deploy(model, whole(self.validation, rows)[0], self.recipe.widths, fast_probe)

    def _enter(self, stage: Stage) -> Learner:
        """Build a stage's network and give it the weights of the stage before."""
        learner, before = self._make_learner(stage), self._before(stage)
        if stage.kind != "qat":
            if before is None:
                learner.draw_weights(self.generator)
            else:
                read_weights(before, learner.set_weights)
        if stage.keep_zeros:
            learner.keep_zeros()
        return learner

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
        check = self._validation_frames(phase)
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
            self.position.step = step + 1
            figures = {"loss": loss, "accuracy": accuracy}
            if (step + 1) % self.recipe.validate_every == 0 or step + 1 == phase.steps:
                figures |= self._validate(check)
                if stage.patience and self.position.bad >= stage.patience:
                    self.position.step = phase.steps
            if (step + 1) % self.recipe.checkpoint_every == 0:
                self.save()
            self._report(stage, phase, step, figures)
        if stage.patience and self.best:
            self.learner.set_weights(self.best)
        self.position = Position(self.position.stage, self.position.phase + 1)
        self.best = []

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
        note = {"stage": stage.name, "network": self.spec.to_dict()}
        save_arrays(self._stage_path(stage), self.learner.weights, note)
        self._log.flush()
        self.position = Position(self.position.stage + 1)
        if self.position.stage < len(self.recipe.stages):
            self._learner = None
        self.save()

    def deploy(self, path: Path) -> Any:
        """Save the last stage, a qat stage, as the deployed network; return the Keras model.

        The checkpoints' `summary.json` gets the seconds spent and the weights that the formats clipped.
        """
        from hw_amc.compress import save_deployed
        from hw_amc.compress.deployed import clipped_weights

        stage = self.recipe.stages[-1]
        require_tensorflow(stage)
        model = self.deployed(stage)
        read_weights(self._stage_path(stage), model.set_weights)
        summary = {"seconds": self._seconds(), "clipped_weights": clipped_weights(model)}
        write_text(self.folder / "summary.json", json.dumps(summary))
        save_deployed(model, path)
        return model


def run_recipe(
    model_name: str,
    recipe_path: Path,
    out_dir: Path,
    restart: bool = False,
    data_dir: Path = Path("data"),
    progress: Progress | None = None,
    device: str = "cpu",
) -> Path:
    """Train a network by its recipe, save its deployed form and measure it; go on where an earlier run stopped.

    Parameters
    ----------
    model_name : a name of `hw_amc.models.MODELS`; the project.toml in `out_dir` may change its classes and frames
    recipe_path : the `train.toml`
    out_dir : the model's folder; gets `weights.h5`, `accuracy.json`, `MODEL_CARD.md` and `checkpoints/`
    restart : forget the checkpoints of an earlier run
    data_dir : where generated frames are kept
    progress : told about every step; None shows a bar
    device : "cpu", or a GPU as PyTorch names it ("cuda"), for the float and prune stages of a GRU-CNN

    Returns
    -------
    Path of the saved `weights.h5`.

    Raises
    ------
    ConfigError
        Unknown model, wrong recipe, a checkpoint of another recipe, or another training at work in `out_dir`.
    DataError
        A checkpoint or kept data are damaged.
    """
    spec, recipe = network_of(model_name, out_dir), load_recipe_file(recipe_path)
    if recipe.stages[-1].kind != "qat":
        raise ConfigError(f"{recipe_path}: the last stage must be of kind qat, to give a network that can be deployed")
    folder, weights = out_dir / "checkpoints", out_dir / "weights.h5"
    require_normalisation(recipe, out_dir)
    for name in recipe.data.beside:
        load_recipe(name)
    if recipe.start is not None and recipe.start.resolve() in {path.resolve() for path in recipe.files(folder)}:
        raise ConfigError(f"{recipe_path}: start = {recipe.start.name} is a file that this training writes; rename it")
    with exclusive(folder, "a training"), training_bar(disable=progress is not None) as bar:
        if restart:
            for old in recipe.files(folder):
                old.unlink(missing_ok=True)
            shutil.rmtree(folder / "logs", ignore_errors=True)
        with bar.waiting("frames of the recipe, made once or read"):
            run = Run(spec, recipe, folder, data_dir, progress or bar, device)
        run.resume()
        run.run()
        with bar.waiting("measured on held-out frames"):
            run.deploy(weights)
            from hw_amc.train.card import measure

            measure(spec, recipe, out_dir, data_dir)
    return weights
