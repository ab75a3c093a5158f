"""Where things lie: the folder of a model, its build folder, the boards."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hw_amc import config
from hw_amc.config import BoardSettings, ProjectSettings
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import file_digest
from hw_amc.graph import Graph
from hw_amc.models import MODELS, Classes, NetworkSpec, find, find_classes

#: Overrides the search for the folder that holds hls_projects/ and boards/.
ROOT_VARIABLE = "HW_AMC_ROOT"
#: Models, boards and benches that come with the package; links into the tree in a checkout.
SHIPPED = Path(__file__).with_name("shipped")


def find_root() -> Path:
    """Return the workspace: $HW_AMC_ROOT, the folder here or above that holds hls_projects/, the checkout, or here.

    Raises
    ------
    ConfigError
        $HW_AMC_ROOT is no folder.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        if not Path(named).is_dir():
            raise ConfigError(f"{ROOT_VARIABLE} = {named} is no folder")
        return Path(named)
    here = Path.cwd()
    checkout = SHIPPED.joinpath("hls_projects").resolve().parent
    places = [here, *here.parents, *([] if checkout == SHIPPED.resolve() else [checkout])]
    return next((place for place in places if (place / "hls_projects").is_dir()), here)


def network_of(model: str, folder: Path) -> NetworkSpec:
    """Return a network that the project offers, with the classes and frames of the project.toml in `folder`.

    Raises
    ------
    ConfigError
        No network has this name, or project.toml does not fit it.
    """
    settings = _settings(folder)
    asked = None if settings.classes is None else find_classes(settings.classes)
    return find(model).adapt(asked, settings.frame_shape)


def classes_of(model: str, folder: Path) -> Classes:
    """Class names of every head: project.toml's, the network's own, or RadioML 2018.01A's.

    Raises
    ------
    ConfigError
        project.toml names a set that does not exist.
    """
    settings = _settings(folder)
    if settings.classes is not None:
        return find_classes(settings.classes)
    return MODELS[model].classes if model in MODELS else find_classes("radioml2018")


def _settings(folder: Path) -> ProjectSettings:
    return config.load_project(folder) if (folder / "project.toml").exists() else ProjectSettings()


@dataclass(frozen=True)
class Workspace:
    """One model's folder and settings."""

    root: Path
    model: str

    @classmethod
    def open(cls, model: str, root: Path | None = None) -> Workspace:
        """Find a model by name.

        Raises
        ------
        ConfigError
            No such model; near names are suggested.
        """
        workspace = cls(root or find_root(), model)
        if not workspace.folder.is_dir() and model not in MODELS:
            own = [path.parent.name for path in workspace.root.glob("hls_projects/*/project.toml")]
            raise ConfigError(f"unknown model {model!r}{config.suggest(model, sorted({*own, *MODELS}))}")
        return workspace

    @property
    def folder(self) -> Path:
        """What is committed: weights.h5, graph.json, graph.npz, project.toml, card; the workspace's own come first."""
        shipped = SHIPPED / "hls_projects" / self.model
        return shipped if shipped.is_dir() and not self._is_own() else self.own_folder

    @property
    def own_folder(self) -> Path:
        """The model's folder in this workspace, whether it exists or not."""
        return self.root / "hls_projects" / self.model

    @property
    def build(self) -> Path:
        """What is generated; in the workspace, for shipped models too."""
        return self.own_folder / "build"

    def _is_own(self) -> bool:
        """Whether the workspace holds more of the model than what was generated for it."""
        return self.own_folder.is_dir() and any(path != self.build for path in self.own_folder.iterdir())

    def take_over(self) -> Path:
        """Copy a shipped model's folder into the workspace, so that it can be changed; return its own folder."""
        if not self._is_own() and self.folder.is_dir():
            shutil.copytree(self.folder, self.own_folder, ignore=shutil.ignore_patterns("build"), dirs_exist_ok=True)
        return self.own_folder

    @property
    def weights(self) -> Path:
        """The deployed QKeras model.

        Raises
        ------
        DataError
            The model has not been trained.
        """
        path = self.folder / "weights.h5"
        if not path.is_file():
            raise DataError(f"{self.model} has no weights yet: run `hw-amc train {self.model}` (hours) or add {path}")
        return path

    def settings(self) -> ProjectSettings:
        """Read project.toml; a model without one takes the defaults."""
        return _settings(self.folder)

    def classes(self) -> Classes:
        """Class names of every head, in the order of its logits; `classes_of` says where they come from."""
        return classes_of(self.model, self.folder)

    def frame_shape(self) -> tuple[int, int] | None:
        """Samples and channels of a frame: project.toml's, or the network's own; None where neither says."""
        own = MODELS[self.model].frame if self.model in MODELS else None
        return self.settings().frame_shape or own

    def network(self) -> NetworkSpec:
        """The network that the project offers under the model's name, as project.toml changes it."""
        return network_of(self.model, self.folder)

    def board(self, name: str | None = None) -> BoardSettings:
        """Read the named board's settings, or those of project.toml's board; the workspace's boards come first."""
        wanted = name or self.settings().board
        own = self.root / "boards"
        return config.load_board(wanted, own if (own / wanted).is_dir() else SHIPPED / "boards")

    def boards(self) -> list[str]:
        """Names of the boards, the workspace's and those that come along, in alphabetical order."""
        places = (self.root / "boards", SHIPPED / "boards")
        return sorted({path.parent.name for place in places for path in place.glob("*/board.toml")})

    def load_graph(self) -> Graph:
        """Read the committed graph and require that it belongs to weights.h5 and project.toml.

        Raises
        ------
        DataError
            There is no graph yet, or the files disagree; the message says which command mends it.
        """
        if self.weights.is_file() and not (self.folder / "graph.json").exists():
            raise DataError(f"{self.folder} has weights but no graph; `hw-amc graph {self.model} --update` makes it")
        graph = Graph.load(self.folder)
        if graph.weights_digest != file_digest(self.weights):
            raise DataError(
                f"{self.folder}/graph.json was made from other weights than weights.h5; "
                f"run `hw-amc graph {self.model} --update` if the weights are right"
            )
        wire_frac = self.settings().input.wire_frac
        if graph.input.fmt.frac != wire_frac:
            raise DataError(
                f"{self.folder}: project.toml says wire_frac {wire_frac}, the graph {graph.input.fmt.frac}; "
                f"run `hw-amc graph {self.model} --update` if project.toml is right"
            )
        return graph


def trained_models() -> list[str]:
    """Names of the models that have weights and a graph, in alphabetical order."""
    root = find_root()
    names = {path.parent.name for place in (root, SHIPPED) for path in place.glob("hls_projects/*/graph.json")}
    folders = {name: Workspace(root, name).folder for name in names}
    return sorted(
        name for name in names if all((folders[name] / file).is_file() for file in ("graph.json", "weights.h5"))
    )
