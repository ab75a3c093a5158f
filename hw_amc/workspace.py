"""Where things lie: the folder of a model, its build folder, the boards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hw_amc import config
from hw_amc.config import BoardSettings, ProjectSettings
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import file_digest
from hw_amc.graph import Graph
from hw_amc.models import MODELS

#: Overrides the search for the folder that holds hls_projects/ and boards/.
ROOT_VARIABLE = "HW_AMC_ROOT"


def find_root() -> Path:
    """Return the folder that holds hls_projects/: $HW_AMC_ROOT, here or above, or the source checkout.

    Raises
    ------
    ConfigError
        None of them holds hls_projects/.
    """
    named = os.environ.get(ROOT_VARIABLE)
    here = Path.cwd()
    places = [Path(named)] if named else [here, *here.parents, Path(__file__).parents[1]]
    for place in places:
        if (place / "hls_projects").is_dir():
            return place
    raise ConfigError(f"no hls_projects/ in {here} or above; go to the checkout or set {ROOT_VARIABLE}")


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
        """What is committed: weights.h5, graph.json, graph.npz, project.toml, MODEL_CARD.md."""
        return self.root / "hls_projects" / self.model

    @property
    def build(self) -> Path:
        """What is generated."""
        return self.folder / "build"

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
        if not (self.folder / "project.toml").exists():
            return ProjectSettings()
        return config.load_project(self.folder)

    def board(self, name: str | None = None) -> BoardSettings:
        """Read the named board's settings, or those of project.toml's board."""
        return config.load_board(name or self.settings().board, self.root / "boards")

    def load_graph(self) -> Graph:
        """Read the committed graph and require that it belongs to weights.h5 and project.toml.

        Raises
        ------
        DataError
            The files disagree; the message says which command mends it.
        """
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
