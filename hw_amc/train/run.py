"""Running a recipe from its first stage to the deployed network, resumable at any step."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.errors import ConfigError
from hw_amc.files import exclusive, write_text
from hw_amc.graph.graph import Graph
from hw_amc.models.cells import fit_cells
from hw_amc.models.gru_cnn import GruCnnSpec
from hw_amc.models.network import NetworkSpec
from hw_amc.radio import load_recipe
from hw_amc.train.budget import Budget
from hw_amc.train.checkpoint import read_weights
from hw_amc.train.data import whole
from hw_amc.train.fit import require_fitting, require_normalisation, require_tensorflow
from hw_amc.train.learner import Learner
from hw_amc.train.loop import TrainingLoop
from hw_amc.train.progress import training_bar
from hw_amc.train.recipe import Progress, Stage, TrainRecipe, load_recipe_file
from hw_amc.train.sets import load_part
from hw_amc.workspace import network_of

#: Validation frames from whose values formats are chosen.
CALIBRATION_FRAMES = 512


class Run(TrainingLoop):
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
        self.spec, self.device = spec, device
        train = load_part(recipe.data, "train", data_folder, spec.classes)
        validation = load_part(recipe.data, "validation", data_folder, spec.classes)
        require_fitting(spec, recipe, train)
        super().__init__(recipe, folder, train, validation, progress)

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

    def _take_weights(self, learner: Learner, arrays: list[Any]) -> None:
        """Give a network the weights that its stage begins with; a GRU-CNN those of one of more or fewer cells, too."""
        born = learner.weights
        shapes = [[array.shape for array in each] for each in (arrays, born)]
        if isinstance(self.spec, GruCnnSpec) and shapes[0] != shapes[1]:
            learner.draw_weights(self.generator)
            arrays = fit_cells(arrays, learner.weights)
        learner.set_weights(arrays)

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

    def _note(self, stage: Stage) -> dict[str, Any]:
        return {"stage": stage.name, "network": self.spec.to_dict()}

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
        summary = {"seconds": self._seconds(), "steps": self.taken, "clipped_weights": clipped_weights(model)}
        write_text(self.folder / "summary.json", json.dumps(summary))
        save_deployed(model, path)
        return model


@dataclass(frozen=True)
class RunOptions:
    """How a training goes about its recipe."""

    #: Forget the checkpoints of an earlier run.
    restart: bool = False
    #: Where generated frames are kept.
    data_dir: Path = Path("data")
    #: Told about every step; None shows a bar.
    progress: Progress | None = None
    #: "cpu", or a GPU as PyTorch names it ("cuda"), for the float and prune stages of a GRU-CNN.
    device: str = "cpu"
    #: Time for the stages, in which fewer steps are taken evenly; frames and figures come on top.
    minutes: float | None = None


def run_recipe(model_name: str, recipe_path: Path, out_dir: Path, options: RunOptions | None = None) -> Path:
    """Train a network by its recipe, save its deployed form and measure it; go on where an earlier run stopped.

    Parameters
    ----------
    model_name : a name of `hw_amc.models.MODELS`; the project.toml in `out_dir` may change its classes and frames
    recipe_path : the `train.toml`
    out_dir : the model's folder; gets `weights.h5`, `accuracy.json`, `MODEL_CARD.md` and `checkpoints/`
    options : those of `RunOptions` by default

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
    options = options or RunOptions()
    spec, recipe = network_of(model_name, out_dir), load_recipe_file(recipe_path)
    if recipe.stages[-1].kind != "qat":
        raise ConfigError(f"{recipe_path}: the last stage must be of kind qat, to give a network that can be deployed")
    folder, weights = out_dir / "checkpoints", out_dir / "weights.h5"
    require_normalisation(recipe, out_dir)
    for name in recipe.data.beside:
        load_recipe(name)
    if recipe.start is not None and recipe.start.resolve() in {path.resolve() for path in recipe.files(folder)}:
        raise ConfigError(f"{recipe_path}: start = {recipe.start.name} is a file that this training writes; rename it")
    with exclusive(folder, "a training"), training_bar(disable=options.progress is not None) as bar:
        if options.restart:
            for old in recipe.files(folder):
                old.unlink(missing_ok=True)
            shutil.rmtree(folder / "logs", ignore_errors=True)
        with bar.waiting("frames of the recipe, made once or read"):
            run = Run(spec, recipe, folder, options.data_dir, options.progress or bar, options.device)
        run.resume()
        run.budget = Budget(None if options.minutes is None else 60 * options.minutes)
        run.run()
        with bar.waiting("measured on held-out frames"):
            run.deploy(weights)
            from hw_amc.train.card import measure

            measure(spec, recipe, out_dir, options.data_dir)
    return weights
