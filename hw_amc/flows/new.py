"""A new workspace: the folder in which a user outside the checkout works."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hw_amc.config import suggest
from hw_amc.errors import ConfigError, HwAmcError
from hw_amc.files import sweep, temporary_folder, write_text
from hw_amc.workspace import SHIPPED

#: The folder under which every model has its own; it makes a folder a workspace.
PROJECTS = "hls_projects"

_README = """\
# A workspace of hw_amc

A command of `hw-amc` works on the workspace that it is called in, here or in a folder below.

- `hls_projects/<model>/`: one folder a model: weights, graph, `project.toml` (widths, reuse factors,
  board, cycles a sample). `build/` in it is generated. `hw-amc init my_model.h5 --data my_frames.h5` makes one of your
  own Keras model.
- `boards/<board>/board.toml`: boards of your own; one of the same name goes before the one that comes with hw-amc.

Models and boards that come with hw-amc (`hw-amc models`) are there in every workspace, and are built into it. To change
one, `hw-amc new` copies it: `hw-amc new other_folder --model gru_cnn_sparse07 --board pynq-z2`.

    hw-amc doctor                                       what this computer has and lacks
    hw-amc classify gru_cnn_sparse07 my.sigmf-meta      what is in a recording
    hw-amc rtl gru_cnn_sparse07                         Verilog, and what it costs at each rate
    hw-amc bench gru_cnn_sparse07                       the driver on the simulated accelerator
    hw-amc hls gru_cnn_sparse07                         the HLS project, proven equal to Keras
"""
_IGNORED = "*/build/\n"
#: What the package's own tree may hold of a model besides what it is made of.
_LEFT_OUT = shutil.ignore_patterns("build", "checkpoints", "predictions.npz", ".*")


def make_workspace(folder: Path, models: list[str], boards: list[str]) -> None:
    """Make `folder` a workspace, with copies of shipped models and boards to change.

    Raises
    ------
    ConfigError
        The folder has something in it, or there is no such model or board; nothing is written.
    HwAmcError
        The folder cannot be made.
    """
    copies = [*(_shipped(PROJECTS, name) for name in models), *(_shipped("boards", name) for name in boards)]
    sweep(folder)  # what a killed run left in it
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already, and not empty; choose another folder")
    try:
        place = folder if folder.exists() else folder.parent
        place.mkdir(parents=True, exist_ok=True)
        with temporary_folder(place, "new") as beside:
            made = beside / "workspace"
            made.mkdir()
            _fill(made, copies)
            if place == folder:  # it may be the current folder, or a volume of a container: it stays, and is filled
                for path in sorted(made.iterdir()):
                    os.replace(path, folder / path.name)
            else:
                os.replace(made, folder)
    except OSError as error:
        raise HwAmcError(f"{folder} cannot be made: {error.strerror}") from error


def _fill(folder: Path, copies: list[Path]) -> None:
    for name in (PROJECTS, "boards"):
        (folder / name).mkdir()
    write_text(folder / "README.md", _README)
    write_text(folder / PROJECTS / ".gitignore", _IGNORED)
    for source in copies:
        shutil.copytree(source, folder / source.parent.name / source.name, ignore=_LEFT_OUT)


def _shipped(kind: str, name: str) -> Path:
    """Folder of a model or a board that comes with the package."""
    places = {path.parent.name: path.parent for path in (SHIPPED / kind).glob("*/*.toml")}
    if name not in places:
        raise ConfigError(f"no {kind}/{name} comes with hw-amc{suggest(name, sorted(places))}")
    return places[name]
