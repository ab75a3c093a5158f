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

from hw_amc.compress import save_deployed
from hw_amc.compress.deploy import deploy, plan_deploy
from hw_amc.compress.deployed import clipped_weights
from hw_amc.compress.formats import input_format
from hw_amc.compress.magnitude import ramp_keep
from hw_amc.config import load_project
from hw_amc.errors import ConfigError
from hw_amc.files import exclusive, write_text
from hw_amc.models.network import NetworkSpec
from hw_amc.train.card import measure
from hw_amc.train.checkpoint import load_arrays, save_arrays, set_arrays
from hw_amc.train.data import FrameSet, crop, whole
from hw_amc.train.fast_model import fast_probe
from hw_amc.train.optimiser import learning_rate
from hw_amc.train.progress import training_bar
from hw_amc.train.recipe import Phase, Progress, Stage, TrainRecipe, load_recipe_file
from hw_amc.train.sets import load_part
from hw_amc.train.teacher import Teacher, load_teacher
from hw_amc.train.trainee import Trainee, validate
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
        self, spec: NetworkSpec, recipe: TrainRecipe, folder: Path, data_folder: Path, progress: Progress
    ) -> None:
        self.spec, self.recipe, self.folder, self.progress = spec, recipe, folder, progress
        self.input_format = input_format(plan_deploy(spec.build()), recipe.widths)
        self.train = load_part(recipe.data, "train", data_folder, spec.classes)
        self.validation = load_part(recipe.data, "validation", data_folder, spec.classes)
        require_fitting(spec, recipe, self.train)
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

    def _teacher(self, stage: Stage) -> Teacher | None:
        if stage.teacher is None:
            return None
        return load_teacher(stage.teacher, self.spec, self.input_format, stage.teacher_share, stage.temperature)

    def _make_trainee(self, stage: Stage) -> Trainee:
        """Build a stage's network; that of a qat stage has the weights of the stage before, folded."""
        shares, freeze, teacher = self.recipe.head_shares, stage.freeze, self._teacher(stage)
        if stage.kind == "qat":
            return Trainee(self.deployed(stage), None, teacher, shares, freeze)
        return Trainee(self.spec.build(stage.dropout), self.input_format, teacher, shares, freeze)

    def deployed(self, stage: Stage) -> Any:
        """Deploy what the stage before a qat stage left; formats are chosen from its weights and validation frames."""
        number, before = self.recipe.stages.index(stage), self._before(stage)
        if before is None or (number > 0 and self.recipe.stages[number - 1].kind == "qat"):
            raise ConfigError(f"stage {stage.name!r}: a qat stage must follow a float or prune stage, or a `start`")
        model = self.spec.build(dropout=0.0)
        set_arrays(model, before)
        rows = np.linspace(0, len(self.validation) - 1, CALIBRATION_FRAMES).astype(int)
        return deploy(model, whole(self.validation, rows)[0], self.recipe.widths, fast_probe)

    def _enter(self, stage: Stage) -> Trainee:
        """Build a stage's network and give it the weights of the stage before."""
        trainee, before = self._make_trainee(stage), self._before(stage)
        if stage.kind != "qat" and before is not None:
            set_arrays(trainee.model, before)
        elif stage.kind != "qat":
            self._initialise(trainee)
        trainee.keep_zeros()
        return trainee

    def _initialise(self, trainee: Trainee) -> None:
        """Draw the first weights from the run's own generator."""
        for kernel in trainee.kernels:
            shape = kernel.variable.shape.as_list()
            if kernel.gates:
                square = (shape[0], shape[0])
                blocks = [np.linalg.qr(self.generator.normal(size=square))[0] for _ in range(kernel.gates)]
                kernel.variable.assign(np.concatenate(blocks, axis=1).astype(np.float32) * 0.5)
            else:
                fan = float(np.prod(shape[:-1]) + shape[-1])
                kernel.variable.assign(self.generator.normal(size=shape).astype(np.float32) * np.sqrt(2.0 / fan))

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
        total = self.trainee.kernel_weights
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
        note = {"stage": stage.name, "network": self.spec.to_dict()}
        save_arrays(self._stage_path(stage), self.trainee.model.get_weights(), note)
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
        model = self.deployed(stage)
        set_arrays(model, self._stage_path(stage))
        summary = {"seconds": self._seconds(), "clipped_weights": clipped_weights(model)}
        write_text(self.folder / "summary.json", json.dumps(summary))
        save_deployed(model, path)
        return model


def require_fitting(spec: NetworkSpec, recipe: TrainRecipe, frames: FrameSet) -> None:
    """Require that a network can learn from these frames by this recipe.

    Raises
    ------
    ConfigError
        Frames of another length, a crop that is longer, or a stage that takes none of the frames.
    """
    T, length = spec.frame[0], frames.wire.shape[1]
    if length != T:
        raise ConfigError(f"{spec.name} takes frames of {T} samples, but [data] gives {length}")
    if recipe.head_shares and len(recipe.head_shares) != len(spec.classes):
        raise ConfigError(f"head_shares must have {len(spec.classes)} entries, one for each head of {spec.name}")
    for stage in recipe.stages:
        if longest := max((phase.crop for phase in stage.phases if phase.crop > T), default=0):
            raise ConfigError(f"stage {stage.name!r}: crop = {longest} is more than the {T} samples of a frame")
        if not (frames.snr_db >= stage.min_snr_db).any():
            raise ConfigError(f"stage {stage.name!r}: no training frame has min_snr_db = {stage.min_snr_db} dB or more")


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
    model_name : a name of `hw_amc.models.MODELS`; the project.toml in `out_dir` may change its classes and frames
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
    spec, recipe = network_of(model_name, out_dir), load_recipe_file(recipe_path)
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
