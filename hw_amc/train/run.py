"""Running a recipe from its first stage to the deployed network, resumable at any step."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hw_amc.compress.deployed import build_deployed, clipped_weights, save_deployed
from hw_amc.compress.formats import Formats
from hw_amc.compress.magnitude import ramp_keep
from hw_amc.compress.quantise import activation_tops, choose_formats, equalise, fold_norms, set_weights
from hw_amc.config import load_project
from hw_amc.errors import ConfigError
from hw_amc.files import exclusive, write_text
from hw_amc.models.floating import build_float
from hw_amc.models.specs import GruCnnSpec, find
from hw_amc.train.card import measure
from hw_amc.train.checkpoint import load_arrays, save_arrays, set_arrays
from hw_amc.train.data import crop, load_part, whole
from hw_amc.train.fast_gru import fast_gru
from hw_amc.train.optimiser import learning_rate
from hw_amc.train.progress import training_bar
from hw_amc.train.recipe import Phase, Progress, Stage, TrainRecipe, load_recipe_file
from hw_amc.train.teacher import load_teacher
from hw_amc.train.trainee import Trainee, quantise_input, validate

#: Steps between two rounds of removing weights.
PRUNE_EVERY = 20


@dataclass
class Position:
    """Where a run stands: stage, phase, steps done in it, its best validation loss and the worse ones since."""

    stage: int = 0
    phase: int = 0
    step: int = 0
    best: float = float("inf")
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
    """

    def __init__(
        self, spec: GruCnnSpec, recipe: TrainRecipe, folder: Path, data_folder: Path, progress: Progress
    ) -> None:
        self.spec, self.recipe, self.folder, self.progress = spec, recipe, folder, progress
        self.train = load_part(recipe.data, "train", data_folder)
        self.validation = load_part(recipe.data, "validation", data_folder)
        if self.train.wire.shape[1] != spec.frame_len:
            length = self.train.wire.shape[1]
            raise ConfigError(f"{spec.name} takes frames of {spec.frame_len} samples, but [data] gives {length}")
        self.generator = np.random.default_rng(recipe.seed)
        self.position = Position()
        self._trainee: Trainee | None = None
        self.best: list[Any] = []
        self.started = time.monotonic()
        self._log = tf.summary.create_file_writer(str(folder / "logs"))

    # -- checkpoints ---------------------------------------------------------------------------------------

    def _seconds(self) -> float:
        """Seconds spent so far, over all the runs that this one resumed."""
        return round(time.monotonic() - self.started, 1)

    @property
    def trainee(self) -> Trainee:
        """The network of the stage that the run is in."""
        if self._trainee is None:
            raise ConfigError("this run has not started a stage yet; call run()")
        return self._trainee

    @property
    def _state_path(self) -> Path:
        return self.folder / "state.npz"

    def save(self) -> None:
        """Write the whole state: weights, statistics, optimiser, masks, generator, position."""
        note = {
            "position": asdict(self.position),
            "seconds": self._seconds(),
            "generator": self.generator.bit_generator.state,
            "recipe": self.recipe.digest,
            "best": len(self.best),
        }
        save_arrays(self._state_path, [*(v.numpy() for v in self.trainee.state), *self.best], note)

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
        if note["recipe"] != self.recipe.digest:
            raise ConfigError(f"{self._state_path} belongs to another train.toml; restore that, or give --restart")
        self.position = Position(**note["position"])
        self.started = time.monotonic() - float(note.get("seconds", 0.0))
        self.generator.bit_generator.state = note["generator"]
        if self.position.stage < len(self.recipe.stages):
            self._trainee = self._make_trainee(self.recipe.stages[self.position.stage])
            count = len(arrays) - note["best"]
            for variable, array in zip(self.trainee.state, arrays[:count], strict=True):
                variable.assign(array)
            self.best = arrays[count:]
        return True

    def _stage_path(self, stage: Stage) -> Path:
        return self.folder / f"{stage.name}.npz"

    # -- stages --------------------------------------------------------------------------------------------

    def _before(self, stage: Stage) -> Path | None:
        """File with the float weights that a stage begins with; None where it draws them."""
        number = self.recipe.stages.index(stage)
        return self._stage_path(self.recipe.stages[number - 1]) if number else self.recipe.start

    def _float_model(self, path: Path) -> Any:
        """Float network with the weights that a float or prune stage left in `path`."""
        model = build_float(self.spec, None, fast_gru, dropout=0.0)
        set_arrays(model, path)
        return model

    def _make_trainee(self, stage: Stage) -> Trainee:
        """Build a stage's network, without its weights."""
        teacher = None
        if stage.teacher is not None:
            teacher = load_teacher(stage.teacher, self.spec, stage.teacher_share, stage.temperature)
        if stage.kind != "qat":
            return Trainee(self.spec, None, stage.dropout, teacher)
        return Trainee(self.spec, self.formats(stage)[0], 0.0, teacher)

    def formats(self, stage: Stage) -> tuple[Formats, dict[str, list[Any]]]:
        """Choose the formats and fold the weights for a qat stage, from the stage before it."""
        number, before = self.recipe.stages.index(stage), self._before(stage)
        if before is None or (number > 0 and self.recipe.stages[number - 1].kind == "qat"):
            raise ConfigError(f"stage {stage.name!r}: a qat stage must follow a float or prune stage, or a `start`")
        model = self._float_model(before)
        rows = np.linspace(0, len(self.validation) - 1, 512).astype(int)
        rounded = quantise_input(whole(self.validation, rows)[0])
        weights, tops = fold_norms(model), activation_tops(model, rounded)
        equalise(weights, tops)
        return choose_formats(weights, tops, self.recipe.widths), weights

    def _enter(self, stage: Stage) -> Trainee:
        """Build a stage's network and give it the weights of the stage before."""
        trainee, before = self._make_trainee(stage), self._before(stage)
        if stage.kind == "qat":
            set_weights(trainee.model, self.formats(stage)[1])
        elif before is not None:
            set_arrays(trainee.model, before)
        else:
            self._initialise(trainee)
        trainee.keep_zeros()
        return trainee

    def _initialise(self, trainee: Trainee) -> None:
        """Draw the first weights from the run's own generator."""
        for variable in trainee.kernels:
            shape = variable.shape.as_list()
            if variable.name.startswith("gru/recurrent"):
                blocks = [np.linalg.qr(self.generator.normal(size=(shape[0], shape[0])))[0] for _ in range(3)]
                variable.assign(np.concatenate(blocks, axis=1).astype(np.float32) * 0.5)
            else:
                fan = float(np.prod(shape[:-1]) + shape[-1])
                variable.assign(self.generator.normal(size=shape).astype(np.float32) * np.sqrt(2.0 / fan))

    def run(self) -> None:
        """Run every stage that is left."""
        while self.position.stage < len(self.recipe.stages):
            stage = self.recipe.stages[self.position.stage]
            if self._trainee is None:
                self._trainee = self._enter(stage)
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
            data = self.recipe.data
            x, labels = crop(self.train, chosen, phase.crop, self.generator, data.carrier_offset, data.gain_db)
            loss, accuracy = self.trainee.step(x, labels, learning_rate(phase, step))
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
            for variable, array in zip(self.trainee.model.weights, self.best, strict=True):
                variable.assign(array)
        self.position = Position(self.position.stage, self.position.phase + 1)
        self.best = []

    def _report(self, stage: Stage, phase: Phase, step: int, figures: dict[str, float]) -> None:
        """Tell the progress and TensorBoard, whose steps count through the phases of a stage."""
        earlier = sum(p.steps for p in stage.phases[: self.position.phase])
        with self._log.as_default(step=earlier + step):
            for name, value in {**figures, "learning_rate": learning_rate(phase, step)}.items():
                tf.summary.scalar(f"{stage.name}/{name}", value)
        self.progress(stage, self.position.phase, step, figures)

    def _prune(self, stage: Stage, step: int) -> None:
        if step > stage.ramp_steps or (step % PRUNE_EVERY and step < stage.ramp_steps):
            return
        total = self.spec.kernel_weights
        number = self.recipe.stages.index(stage)
        earlier = [s.sparsity for s in self.recipe.stages[:number] if s.kind == "prune"]
        start = round(total * (1.0 - max([stage.start_sparsity, *earlier])))
        target = round(total * (1.0 - stage.sparsity))
        keep = ramp_keep(total, start, target, step / stage.ramp_steps if stage.ramp_steps else 1.0)
        self.trainee.prune(keep, stage.scope == "layer")

    def _validation_frames(self, phase: Phase) -> tuple[Any, Any]:
        generator = np.random.default_rng(self.recipe.seed + 1)
        count = min(self.recipe.validate_frames, len(self.validation))
        rows = generator.choice(len(self.validation), count, replace=False)
        return crop(self.validation, rows, phase.crop, generator)

    def _validate(self, check: tuple[Any, Any]) -> dict[str, float]:
        loss, accuracy = validate(self.trainee, *check)
        if loss < self.position.best:
            self.position.best, self.position.bad = loss, 0
            self.best = [w.numpy() for w in self.trainee.model.weights]
        else:
            self.position.bad += 1
        return {"val_loss": loss, "val_accuracy": accuracy}

    def _finish(self, stage: Stage) -> None:
        """Recalibrate, keep the stage's weights, and go to the next stage."""
        phase = stage.phases[-1]
        rows = np.flatnonzero(self.train.snr_db >= stage.min_snr_db)
        batches = [crop(self.train, rows[self.generator.integers(0, len(rows), 256)], phase.crop, self.generator)[0]
                   for _ in range(16)]  # fmt: skip
        self.trainee.recalibrate(batches)
        save_arrays(self._stage_path(stage), self.trainee.model.get_weights(), {"stage": stage.name})
        self._log.flush()
        self.position = Position(self.position.stage + 1)
        if self.position.stage < len(self.recipe.stages):
            self._trainee = self._enter(self.recipe.stages[self.position.stage])
        self.save()

    def deploy(self, path: Path) -> Any:
        """Save the last stage, a qat stage, as the deployed network; return the Keras model.

        The checkpoints' `summary.json` gets the seconds spent and the weights that the formats clipped.
        """
        stage = self.recipe.stages[-1]
        model = build_deployed(self.spec, self.formats(stage)[0])
        model.set_weights(load_arrays(self._stage_path(stage))[0])
        summary = {"seconds": self._seconds(), "clipped_weights": clipped_weights(model)}
        write_text(self.folder / "summary.json", json.dumps(summary))
        save_deployed(model, path)
        return model


def _require_normalisation(recipe: TrainRecipe, folder: Path) -> None:
    """Require that a network is trained on what its hardware's driver will feed it."""
    if (folder / "project.toml").exists() and (fed := load_project(folder).input.normalise) != recipe.data.normalise:
        raise ConfigError(
            f"{folder}: project.toml feeds the network frames of normalise = {fed!r}, train.toml trains it on"
            f" {recipe.data.normalise!r}; make both the same"
        )


def run_recipe(
    model_name: str,
    recipe_path: Path,
    out_dir: Path,
    restart: bool = False,
    data_dir: Path = Path("data"),
    progress: Progress | None = None,
) -> Path:
    """Train a network by its recipe, save its deployed form and measure it; go on where an earlier run stopped.

    Parameters
    ----------
    model_name : a name of `hw_amc.models.MODELS`
    recipe_path : the `train.toml`
    out_dir : the model's folder; gets `weights.h5`, `accuracy.json`, `MODEL_CARD.md` and `checkpoints/`
    restart : forget the checkpoints of an earlier run
    data_dir : where generated frames are kept
    progress : told about every step; None shows a bar

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
    spec, recipe = find(model_name), load_recipe_file(recipe_path)
    if recipe.stages[-1].kind != "qat":
        raise ConfigError(f"{recipe_path}: the last stage must be of kind qat, to give a network that can be deployed")
    folder, weights = out_dir / "checkpoints", out_dir / "weights.h5"
    _require_normalisation(recipe, out_dir)
    with exclusive(folder, "a training"), nullcontext(progress) if progress else training_bar() as report:
        if restart:
            for old in folder.glob("*.npz"):
                old.unlink()
            shutil.rmtree(folder / "logs", ignore_errors=True)
        run = Run(spec, recipe, folder, data_dir, report)
        run.resume()
        run.run()
        run.deploy(weights)
        measure(spec, recipe, out_dir, data_dir)
    return weights
