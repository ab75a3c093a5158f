from __future__ import annotations

import shutil
from pathlib import Path

import deployed
import pytest

from hw_amc.errors import ConfigError, DataError
from hw_amc.models import MODELS, GruCnnSpec
from hw_amc.workspace import Workspace, find_root, trained_models


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


def test_weights_without_a_graph_say_how_to_make_it(workspace: Workspace) -> None:
    (workspace.folder / "graph.json").unlink()
    with pytest.raises(DataError, match="has weights but no graph; `hw-amc graph small --update` makes it"):
        workspace.load_graph()


def test_another_wire_format_is_noticed(workspace: Workspace) -> None:
    (workspace.folder / "project.toml").write_text("[input]\nwire_frac = 12\n")
    with pytest.raises(DataError, match="wire_frac 12, the graph 14"):
        workspace.load_graph()


def test_an_untrained_model_says_how_to_train_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "untrained", GruCnnSpec("untrained", 4))
    with pytest.raises(DataError, match="run `hw-amc train untrained`"):
        Workspace.open("untrained", tmp_path).weights  # noqa: B018


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


def test_shipped_models_and_boards_serve_an_empty_folder(tmp_path: Path) -> None:
    workspace = Workspace.open("gru_cnn_c40", tmp_path)
    assert workspace.load_graph().name == "gru_cnn_c40"
    assert workspace.board("zcu104").name == "zcu104"
    assert workspace.build == tmp_path / "hls_projects" / "gru_cnn_c40" / "build"
    assert list(tmp_path.iterdir()) == []
    workspace.build.mkdir(parents=True)
    assert workspace.load_graph().name == "gru_cnn_c40"


def test_a_shipped_model_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    workspace = Workspace.open("gru_cnn_c40", tmp_path)
    assert workspace.take_over() == tmp_path / "hls_projects" / "gru_cnn_c40" == workspace.folder
    assert workspace.load_graph().name == "gru_cnn_c40"
    (workspace.folder / "project.toml").write_text('board = "zcu104"\n')
    assert workspace.take_over() == workspace.folder
    assert workspace.board().name == "zcu104"


def test_a_model_that_is_trained_here_again_is_not_the_shipped_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    shipped = trained_models()
    assert "gru_cnn_c40" in shipped
    own = tmp_path / "hls_projects" / "gru_cnn_c40"
    own.mkdir(parents=True)
    (own / "train.toml").write_text("seed = 1\n")
    assert trained_models() == [name for name in shipped if name != "gru_cnn_c40"]


def test_without_a_workspace_the_current_folder_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hw_amc.workspace.SHIPPED", tmp_path / "site-packages" / "hw_amc" / "shipped")
    (tmp_path / "site-packages" / "hw_amc" / "shipped" / "hls_projects").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert find_root() == tmp_path / "empty"
