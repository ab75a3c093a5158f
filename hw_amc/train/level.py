"""The level of the frames that a model was trained on."""

from __future__ import annotations

from hw_amc.workspace import Workspace


def trained_levels_db(workspace: Workspace) -> tuple[float, float] | None:
    """Return the lowest and highest level of a model's training, dB about a mean power of 1.

    Generated frames have a mean power of 1, signal and noise together, as have normalised ones, and training may vary
    it; None where a model was trained on a file as it is, elsewhere, on signals (radar) that have that power in
    their pulses only, or on a recipe whose classes come at levels of their own.
    """
    from hw_amc.radio import load_recipe
    from hw_amc.train.recipe import load_recipe_file

    path = workspace.folder / "train.toml"
    if not path.is_file():
        return None
    data = load_recipe_file(path).data
    if data.normalise != "rms":
        recipe = None if data.recipe is None else load_recipe(data.recipe)
        if recipe is None or len(recipe.classes.heads) > 1 or recipe.waveforms == "recorded":
            return None
    return 0.0 - data.gain_db, data.gain_db
