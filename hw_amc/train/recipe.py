"""The training recipe, `train.toml`: data, and stages made of phases; read strictly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, model_validator

from hw_amc.config import Settings, load_settings
from hw_amc.files import file_digest
from hw_amc.interface.wire import Normalisation


def _in_folder(value: object, info: ValidationInfo) -> object:
    """Read a path as seen from the folder of train.toml."""
    if not isinstance(value, str):
        return value  # a Path of Python's, or what the type refuses
    if not value.strip() or "\0" in value or len(value) > LONGEST_PATH:
        raise ValueError("must name a file")
    return Path((info.context or {}).get("folder", "")) / value


#: Characters of the longest path that Linux takes.
LONGEST_PATH = 4096
#: What a recipe of frames may be called.
RECIPE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
#: Names that a stage may not have: files of the run are called so.
RESERVED = ("state", "summary")

Count = Annotated[int, Field(ge=1, le=10**9)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Snr = Annotated[int, Field(ge=-128, le=127)]
File = Annotated[Path, BeforeValidator(_in_folder)]
Width = Annotated[int, Field(ge=0, le=24)]


class Phase(Settings):
    """Steps at one crop length, with one cosine of the learning rate (after a linear warm-up)."""

    #: Samples cut out of every frame, an even number; the whole frame where it is as long.
    crop: Annotated[int, Field(ge=2, le=1 << 20, multiple_of=2)]
    #: Optimiser steps.
    steps: Count
    #: Frames a step.
    batch: Annotated[int, Field(ge=1, le=1 << 20)] = 128
    #: Highest learning rate (Adam).
    learning_rate: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 1e-3
    #: Learning rate at the end, over the highest.
    final_share: Share = 0.01
    #: Steps of the warm-up.
    warmup: Annotated[int, Field(ge=0, le=10**9)] = 100

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to the final share."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        share = self.final_share + (1.0 - self.final_share) * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
        return self.learning_rate * share


class Stage(Settings):
    """One stage: `float` trains, `prune` also removes weights (in its first phase), `qat` trains the deployed form."""

    #: Also the name of the file that keeps its weights.
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    kind: Literal["float", "prune", "qat"]
    phases: Annotated[list[Phase], Field(min_length=1)]
    #: Fraction of zero kernel weights at the end; prune only.
    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    #: Fraction of zeros at the first step; that of the pruning stages before, where it is more.
    start_sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    #: Steps over which weights are removed; prune only.
    ramp_steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    #: Whether weights compete over the whole network, or every layer loses the same share; prune only.
    scope: Literal["global", "layer"] = "global"
    #: Layers that stay as they are, by type ("GRU", "Conv1D", "BatchNormalization") or name, with * and ?.
    freeze: list[Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]] = Field([])
    #: Kept float stage (`.npz`) of the network that teaches this one, of any size and family; none learns from labels.
    teacher: File | None = None
    #: Share of the teacher's term in the loss.
    teacher_share: Share = 0.5
    #: Temperature of the teacher's term.
    temperature: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 2.0
    #: Rate of the dropout layers; float and prune only. The network's own where it is not given.
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    #: Whether weights that are zero at the stage's start stay so; false lets them grow again, in a float stage.
    keep_zeros: bool = True
    #: Least SNR of the training frames, dB.
    min_snr_db: Snr = -20
    #: Validations without a better loss before a phase ends; 0 never stops.
    patience: Annotated[int, Field(ge=0, le=10**9)] = 0

    @model_validator(mode="after")
    def _names_no_file_of_the_run(self) -> Stage:
        if self.name.lower() in RESERVED:
            raise ValueError(f"a stage cannot be called {self.name!r}: files of the run are; give it another name")
        return self

    @model_validator(mode="after")
    def _zeros_grow_in_a_float_stage(self) -> Stage:
        if not self.keep_zeros and self.kind != "float":
            raise ValueError(f"keep_zeros = false is for float stages; stage {self.name!r} is of kind {self.kind}")
        return self


def _cell(value: object) -> object:
    """Read [first SNR, last SNR, step, frames]."""
    if isinstance(value, list | tuple) and len(value) == 4:
        first, last, step, frames = value
        whole = all(type(number) is int for number in value)
        if whole and -128 <= first <= last <= 127 and 1 <= step <= 255 and 1 <= frames <= 10**9:
            return tuple(value)
    raise ValueError("must be [first SNR, last SNR, step, frames of each class at each SNR]: whole numbers, SNRs in dB")


Cell = Annotated[tuple[int, int, int, int], BeforeValidator(_cell)]


class Data(Settings):
    """Where the frames come from; cells are [first SNR, last SNR, step, frames of each class at each SNR]."""

    train: list[Cell]
    validation: list[Cell]
    test: list[Cell]
    #: Recipe that generates the frames.
    recipe: Annotated[str, Field(pattern=RECIPE)] | None = None
    #: More recipes, on whose test frames (of the same cells) the deployed network is measured, too.
    beside: list[Annotated[str, Field(pattern=RECIPE)]] = Field([])
    #: Instead of a recipe: a file of labelled frames, of any format; it gives as many frames of a cell as it has.
    file: File | None = None
    #: Shares of the file for training, validation and test, drawn once and for all.
    shares: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=3, max_length=3)] = Field(
        [0.8, 0.1, 0.1]
    )
    #: What `hw_amc.radio.to_wire` does to each frame: none, or rms for a mean power of 1, which is the default for a
    #: file, whose level nobody knows; project.toml says the same.
    normalise: Normalisation = "none"
    #: Training frames get a carrier offset of up to this many cycles per sample, either way.
    carrier_offset: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    #: Training frames are scaled by a random gain of up to this many dB, either way.
    gain_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    #: Share of the training frames that get a random gain; the others keep the level that they have.
    gain_share: Share = 1.0

    @model_validator(mode="before")
    @classmethod
    def _files_are_normalised(cls, table: Any) -> Any:
        if isinstance(table, dict) and "file" in table:
            return {"normalise": "rms", **table}
        return table

    @model_validator(mode="after")
    def _has_one_source(self) -> Data:
        if (self.recipe is None) == (self.file is None):
            raise ValueError("give either a recipe, to generate frames, or a file of frames")
        if sum(self.shares) > 1 + 1e-9:
            raise ValueError(f"shares {self.shares} add up to more than 1")
        return self

    def cells(self, part: str) -> list[tuple[list[int], int]]:
        """Cells of a part: (SNRs in dB, frames of each class at each of them), ..."""
        return [(list(range(a, b + 1, step)), n) for a, b, step, n in getattr(self, part)]


class TrainRecipe(Settings):
    """All that decides a training run."""

    data: Data
    stages: Annotated[list[Stage], Field(alias="stage", min_length=1)]
    #: Kept float stage of another recipe (`.npz`) that the first stage begins with; none draws fresh weights.
    start: File | None = None
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    #: Weight of every head in the loss; equal ones where not given.
    head_shares: list[Annotated[float, Field(gt=0, le=1000)]] = Field([])
    validate_every: Count = 500
    validate_frames: Count = 2048
    checkpoint_every: Count = 200
    #: Bits of the deployed network's formats by layer and field, where they differ from the defaults.
    widths: dict[str, dict[str, Width]] = Field({})
    _digest: str = PrivateAttr("")

    @property
    def digest(self) -> str:
        """SHA-256 of the file; empty for a recipe made in Python."""
        return self._digest

    def files(self, folder: Path) -> list[Path]:
        """Files in `folder` that keep the run's position and its stages' weights, there or not yet."""
        return [folder / f"{name}.npz" for name in ["state", *(stage.name for stage in self.stages)]]

    @model_validator(mode="after")
    def _stages_go_by_name(self) -> TrainRecipe:
        names = [stage.name.lower() for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError("give every [[stage]] a name of its own")
        return self


#: Called after every step with (stage, number of the phase, step, figures by name).
Progress = Callable[[Stage, int, int, dict[str, float]], None]


def load_recipe_file(path: Path) -> TrainRecipe:
    """Read a `train.toml`.

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or has unknown or impossible entries: one line with the key.
    """
    recipe = load_settings(path, TrainRecipe)
    recipe._digest = file_digest(path)
    return recipe
