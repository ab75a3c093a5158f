"""What a recipe, its frames and this computer must be for a network to be trained: checked before anything is done."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hw_amc.config import load_project
from hw_amc.errors import ConfigError
from hw_amc.models.network import NetworkSpec
from hw_amc.train.data import FrameSet
from hw_amc.train.recipe import Stage, TrainRecipe


def require_tensorflow(stage: Stage) -> None:
    """Require TensorFlow, which a stage needs; ConfigError says how a run goes on with it."""
    if not find_spec("tensorflow"):
        raise ConfigError(
            f"stage {stage.name!r} needs TensorFlow; the stages before it are kept: run the same command again where"
            " hw-amc[train] is installed, with this folder's checkpoints"
        )


def require_fitting(spec: NetworkSpec, recipe: TrainRecipe, frames: FrameSet) -> None:
    """Require that a network can learn from these frames by this recipe.

    Raises
    ------
    ConfigError
        Frames of another length, a crop that is longer, or one that is shorter where the network takes whole frames
        alone, or a stage that takes none of the frames.
    """
    T, length = spec.frame[0], frames.wire.shape[1]
    if length != T:
        raise ConfigError(f"{spec.name} takes frames of {T} samples, but [data] gives {length}")
    if recipe.head_shares and len(recipe.head_shares) != len(spec.classes):
        raise ConfigError(f"head_shares must have {len(spec.classes)} entries, one for each head of {spec.name}")
    for stage in recipe.stages:
        if longest := max((phase.crop for phase in stage.phases if phase.crop > T), default=0):
            raise ConfigError(f"stage {stage.name!r}: crop = {longest} is more than the {T} samples of a frame")
        shorter = sorted({phase.crop for phase in stage.phases if phase.crop < T})
        if shorter and find_spec("tensorflow") and not takes_length(spec, shorter[0]):
            raise ConfigError(
                f"stage {stage.name!r}: {spec.name} takes whole frames alone; crop must be {T}, not {shorter[0]}"
            )
        if not (frames.snr_db >= stage.min_snr_db).any():
            raise ConfigError(f"stage {stage.name!r}: no training frame has min_snr_db = {stage.min_snr_db} dB or more")


def takes_length(spec: NetworkSpec, samples: int) -> bool:
    """Whether a network takes so many samples: a Reshape, and a dense layer behind a Flatten, have one length."""
    import tensorflow as tf

    from hw_amc.train.fast_model import FastModel

    try:
        FastModel(spec.build())(tf.zeros((1, samples, spec.frame[1])))
    except (ValueError, tf.errors.InvalidArgumentError):
        return False
    return True


def require_normalisation(recipe: TrainRecipe, folder: Path) -> None:
    """Require that a network is trained on what its hardware's driver will feed it; ConfigError names both."""
    if (folder / "project.toml").exists() and (fed := load_project(folder).input.normalise) != recipe.data.normalise:
        raise ConfigError(
            f"{folder}: project.toml feeds the network frames of normalise = {fed!r}, train.toml trains it on"
            f" {recipe.data.normalise!r}; make both the same"
        )
