"""Finding a model by its name or its folder."""

from __future__ import annotations

from pathlib import Path

from hw_amc.api.model import Model
from hw_amc.api.words import python_words
from hw_amc.errors import ConfigError
from hw_amc.workspace import Workspace


def load(name_or_path: str | Path, folder: str | Path | None = None) -> Model:
    """Take a model by its name, as the commands do, or by its folder. Needs no TensorFlow.

    Parameters
    ----------
    name_or_path : str or Path
        `hw-amc models` lists the names; a path is a model's folder (`<workspace>/hls_projects/<name>`) or a workspace
        with one model.
    folder : str or Path, optional
        Workspace in which the name is looked for and results are kept; found as the commands find it by default:
        $HW_AMC_ROOT, the folder here or above that holds hls_projects/, or the current folder.

    Raises
    ------
    ConfigError
        There is no such model; near names are suggested.
    DataError
        The model is not trained, or its files disagree.

    Examples
    --------
    >>> hw_amc.load("gru_cnn_sparse07").classify("air.sigmf-meta")  # doctest: +SKIP
    """
    path = Path(name_or_path)
    with python_words():
        if (
            isinstance(name_or_path, Path)
            or len(path.parts) > 1
            or path.suffix
            or path.joinpath("graph.json").is_file()
        ):
            if folder is not None:
                raise ConfigError(f"{path} says itself where it is; give a name with folder, or leave folder out")
            return Model(_workspace_at(path))
        return Model(Workspace.open(str(name_or_path), None if folder is None else Path(folder).absolute()))


def _workspace_at(path: Path) -> Workspace:
    place = path.absolute()
    if place.is_file():
        raise ConfigError(f"{path} is a file; a Keras model becomes one of ours by hw_amc.convert({str(path)!r})")
    if place.parent.name == "hls_projects" and place.is_dir():
        return Workspace.open(place.name, place.parent.parent)
    found = sorted(each.parent for each in place.glob("hls_projects/*/graph.json"))
    if len(found) == 1:
        return Workspace.open(found[0].name, place)
    names = ", ".join(each.name for each in found)
    raise ConfigError(
        f"{path} holds several models ({names}); give the folder of one" if found
        else f"{path} is no model's folder, which is <workspace>/hls_projects/<name>"
    )  # fmt: skip
