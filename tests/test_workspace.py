from __future__ import annotations

import shutil
from pathlib import Path

import deployed
import pytest

from hw_amc.errors import ConfigError, DataError
from hw_amc.workspace import Workspace, find_root


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    folder = tmp_path / "hls_projects" / "small"
    folder.mkdir(parents=True)
    shutil.copytree(Path(__file__).parents[1] / "boards", tmp_path / "boards")
    _, graph = deployed.build("random", folder / "weights.h5")
    graph.save(folder)
    return Workspace.open("small", tmp_path)


def test_a_model_that_fits_together_loads(workspace: Workspace) -> None:
    assert workspace.load_graph().name == "small"
    assert workspace.board().name == "pynq-z2"


def test_other_weights_are_noticed(workspace: Workspace) -> None:
    deployed.build("zero", workspace.weights)
    with pytest.raises(DataError, match="made from other weights"):
        workspace.load_graph()


def test_another_wire_format_is_noticed(workspace: Workspace) -> None:
    (workspace.folder / "project.toml").write_text("[input]\nwire_frac = 12\n")
    with pytest.raises(DataError, match="wire_frac 12, the graph 14"):
        workspace.load_graph()


def test_an_untrained_model_says_how_to_train_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `hw-amc train gru_cnn_c40`"):
        Workspace.open("gru_cnn_c40", tmp_path).weights  # noqa: B018


def test_unknown_models_suggest_near_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean gru_cnn_sparse07"):
        Workspace.open("gru_cnn_sparse7", tmp_path)


def test_the_root_is_found_from_below_and_by_variable(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(workspace.folder)
    assert find_root() == tmp_path
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="HW_AMC_ROOT"):
        find_root()
