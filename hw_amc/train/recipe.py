"""The training recipe, `train.toml`: data, and stages made of phases."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from hw_amc.errors import ConfigError
from hw_amc.interface.wire import Normalisation

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("float", "prune", "qat")
SCOPES = ("global", "layer")
NORMALISATIONS = get_args(Normalisation)


@dataclass(frozen=True)
class Phase:
    """Steps at one crop length, with one cosine of the learning rate (after a linear warm-up)."""

    #: Samples cut out of every frame; the whole frame where it is as long.
    crop: int
    #: Optimiser steps.
    steps: int
    #: Frames a step.
    batch: int = 128
    #: Highest learning rate (Adam).
    learning_rate: float = 1e-3
    #: Learning rate at the end, over the highest.
    final_share: float = 0.01
    #: Steps of the warm-up.
    warmup: int = 100


@dataclass(frozen=True)
class Stage:
    """One stage: `float` trains, `prune` also removes weights (in its first phase), `qat` trains the deployed form."""

    name: str
    kind: str
    phases: tuple[Phase, ...]
    #: Fraction of zero kernel weights at the end; prune only.
    sparsity: float = 0.0
    #: Fraction of zeros at the first step; that of the pruning stages before, where it is more.
    start_sparsity: float = 0.0
    #: Steps over which weights are removed; prune only.
    ramp_steps: int = 0
    #: Whether weights compete over the whole network, or every layer loses the same share; prune only.
    scope: str = "global"
    #: Kept float stage (`.npz`) of the network that teaches this one, of any number of cells; none learns from labels.
    teacher: Path | None = None
    #: Share of the teacher's term in the loss.
    teacher_share: float = 0.5
    #: Temperature of the teacher's term.
    temperature: float = 2.0
    #: Rate of the dropout layers; float and prune only.
    dropout: float = 0.2
    #: Least SNR of the training frames, dB.
    min_snr_db: int = -20
    #: Validations without a better loss before a phase ends; 0 never stops.
    patience: int = 0


@dataclass(frozen=True)
class Data:
    """Where the frames come from; cells are (first SNR, last SNR, step, frames of each class at each SNR)."""

    train: tuple[tuple[int, int, int, int], ...]
    validation: tuple[tuple[int, int, int, int], ...]
    test: tuple[tuple[int, int, int, int], ...]
    #: Recipe that generates the frames.
    recipe: str | None = None
    #: Instead of a recipe: a file of labelled frames, of any format; it gives as many frames of a cell as it has.
    file: Path | None = None
    #: Shares of the file for training, validation and test, drawn once and for all.
    shares: tuple[float, ...] = (0.8, 0.1, 0.1)
    #: What `hw_amc.radio.to_wire` does to each frame: none, or rms for a mean power of 1.
    normalise: Normalisation = "none"
    #: Training frames get a carrier offset of up to this many cycles per sample, either way.
    carrier_offset: float = 0.0
    #: Training frames are scaled by a random gain of up to this many dB, either way.
    gain_db: float = 0.0

    def cells(self, part: str) -> list[tuple[list[int], int]]:
        """Cells of a part: (SNRs in dB, frames of each class at each of them), ..."""
        return [(list(range(a, b + 1, step)), n) for a, b, step, n in getattr(self, part)]


def _data(table: Any, folder: Path) -> Data:
    if not isinstance(table, Mapping):
        raise ConfigError("[data] must be a table")
    listed = {
        key: tuple(tuple(item) if isinstance(item, list) else item for item in value)
        for key, value in table.items()
        if isinstance(value, list)
    }
    file = {"file": folder / str(table["file"])} if "file" in table else {}
    data: Data = _build(Data, "[data]", {**table, **listed, **file})
    if (data.recipe is None) == (data.file is None):
        raise ConfigError("[data]: give either a recipe, to generate frames, or a file of frames")
    if data.normalise not in NORMALISATIONS:
        raise ConfigError(f"[data]: normalise must be one of {', '.join(NORMALISATIONS)}, not {data.normalise!r}")
    if len(data.shares) != 3:
        raise ConfigError("[data]: shares are three: training, validation, test")
    return data


@dataclass(frozen=True)
class TrainRecipe:
    """All that decides a training run."""

    data: Data
    stages: tuple[Stage, ...]
    #: Kept float stage of another recipe (`.npz`) that the first stage begins with; none draws fresh weights.
    start: Path | None = None
    seed: int = 0
    validate_every: int = 500
    validate_frames: int = 2048
    checkpoint_every: int = 200
    widths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    digest: str = ""


#: Called after every step with (stage, number of the phase, step, figures by name).
Progress = Callable[[Stage, int, int, dict[str, float]], None]


def _build(cls: Any, where: str, table: Any) -> Any:
    """Make a dataclass from a TOML table, refusing keys that it does not have."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table")
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return cls(**table)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error


def _stage(number: int, table: Any, folder: Path) -> Stage:
    where = f"stage {number + 1}"
    if isinstance(table, Mapping) and "teacher" in table:
        table = {**table, "teacher": folder / str(table["teacher"])}
    phases = table.get("phases", []) if isinstance(table, Mapping) else []
    built = tuple(_build(Phase, f"{where}, phase {i + 1}", phase) for i, phase in enumerate(phases))
    stage: Stage = _build(Stage, where, {**table, "phases": built})
    if stage.kind not in KINDS:
        raise ConfigError(f"{where}: kind must be one of {', '.join(KINDS)}, not {stage.kind!r}")
    if stage.scope not in SCOPES:
        raise ConfigError(f"{where}: scope must be one of {', '.join(SCOPES)}, not {stage.scope!r}")
    if not built:
        raise ConfigError(f"{where}: give it at least one phase")
    if not 0.0 <= stage.teacher_share <= 1.0 or stage.temperature <= 0:
        raise ConfigError(f"{where}: teacher_share must lie in 0..1, and temperature be positive")
    for name, share in (("sparsity", stage.sparsity), ("start_sparsity", stage.start_sparsity)):
        if not 0.0 <= share < 1.0:
            raise ConfigError(f"{where}: {name} must lie in 0..1, not {share}")
    for phase in built:
        if min(phase.crop, phase.steps, phase.batch) < 1 or phase.learning_rate <= 0 or phase.crop % 2:
            raise ConfigError(f"{where}: crop (even), steps, batch and learning_rate must be positive")
    return stage


def load_recipe_file(path: Path) -> TrainRecipe:
    """Read a `train.toml`.

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or has unknown or impossible entries.
    """
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    if "start" in table:
        table["start"] = path.parent / str(table["start"])
    table["data"] = _data(table.get("data", {}), path.parent)
    table["stages"] = tuple(_stage(i, stage, path.parent) for i, stage in enumerate(table.pop("stage", [])))
    recipe: TrainRecipe = _build(TrainRecipe, str(path), {**table, "digest": hashlib.sha256(raw).hexdigest()})
    names = [stage.name for stage in recipe.stages]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{path}: give at least one [[stage]], each with a name of its own")
    return recipe
