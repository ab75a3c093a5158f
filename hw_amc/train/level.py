"""The level of the frames that a model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.train.recipe import Data

#: By how much the levels of nearly all classes of a recorded set differ, dB (22 of the 24 of radioml2018-v2).
CLASSES_DB = 6.0


def trained_levels_db(workspace: Workspace) -> tuple[float, float] | None:
    """Return the lowest and highest level of a model's training, dB about a mean power of 1.

    Generated frames have a mean power of 1, signal and noise together, as have normalised ones, and training may vary
    it; None where a model was trained on a file as it is, elsewhere, on signals (radar) that have that power in
    their pulses only, or on a recipe whose classes come at levels of their own while training varied them by less.
    """
    from hw_amc.radio import load_recipe

    data = _data(workspace)
    if data is None or not _is_about_unit_power(data):
        return None
    varied = data.normalise == "rms" or data.gain_db >= CLASSES_DB
    if not varied and data.recipe is not None and load_recipe(data.recipe).waveforms == "recorded":
        return None
    return 0.0 - data.gain_db, data.gain_db


def wants_unit_power(workspace: Workspace) -> bool:
    """Whether frames whose level nobody knows are best brought to a mean power of 1 for a model.

    So it is where training was on frames about that power, even when each class has a level of its own.
    """
    data = _data(workspace)
    return data is not None and _is_about_unit_power(data)


def _data(workspace: Workspace) -> Data | None:
    """Return what train.toml says of the frames; None where there is none."""
    from hw_amc.train.recipe import load_recipe_file

    path = workspace.folder / "train.toml"
    return load_recipe_file(path).data if path.is_file() else None


def _is_about_unit_power(data: Data) -> bool:
    from hw_amc.radio import load_recipe

    if data.normalise == "rms":
        return True
    return data.recipe is not None and len(load_recipe(data.recipe).classes.heads) == 1
