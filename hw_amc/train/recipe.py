"""The training recipe, `train.toml`: data, and stages made of phases."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hw_amc.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("float", "prune", "qat")


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
    #: Steps over which weights are removed; prune only.
    ramp_steps: int = 0
    #: Rate of the dropout layers; float and prune only.
    dropout: float = 0.2
    #: Least SNR of the training frames, dB.
    min_snr_db: int = -20
    #: Validations without a better loss before a phase ends; 0 never stops.
    patience: int = 0


@dataclass(frozen=True)
class Data:
    """Where the frames come from; cells are (first SNR, last SNR, step, frames of each class at each SNR)."""

    recipe: str
    train: tuple[tuple[int, int, int, int], ...]
    validation: tuple[tuple[int, int, int, int], ...]
    test: tuple[tuple[int, int, int, int], ...]

    def cells(self, part: str) -> list[tuple[list[int], int]]:
        """Cells of a part as `load_frames` takes them."""
        return [(list(range(a, b + 1, step)), n) for a, b, step, n in getattr(self, part)]


@dataclass(frozen=True)
class TrainRecipe:
    """All that decides a training run."""

    data: Data
    stages: tuple[Stage, ...]
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


def _stage(number: int, table: Any) -> Stage:
    where = f"stage {number + 1}"
    phases = table.get("phases", []) if isinstance(table, Mapping) else []
    built = tuple(_build(Phase, f"{where}, phase {i + 1}", phase) for i, phase in enumerate(phases))
    stage: Stage = _build(Stage, where, {**table, "phases": built})
    if stage.kind not in KINDS:
        raise ConfigError(f"{where}: kind must be one of {', '.join(KINDS)}, not {stage.kind!r}")
    if not built:
        raise ConfigError(f"{where}: give it at least one phase")
    if not 0.0 <= stage.sparsity < 1.0:
        raise ConfigError(f"{where}: sparsity must lie in 0..1, not {stage.sparsity}")
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
    cells = {
        key: tuple(tuple(cell) for cell in value) if isinstance(value, list) else value
        for key, value in table.get("data", {}).items()
    }
    table["data"] = _build(Data, "[data]", cells)
    table["stages"] = tuple(_stage(i, stage) for i, stage in enumerate(table.pop("stage", [])))
    recipe: TrainRecipe = _build(TrainRecipe, str(path), {**table, "digest": hashlib.sha256(raw).hexdigest()})
    names = [stage.name for stage in recipe.stages]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{path}: give at least one [[stage]], each with a name of its own")
    return recipe
