"""`hw-amc new`: a workspace that the other commands find, and that replaces nothing."""

from __future__ import annotations

import filecmp
from pathlib import Path

import pytest
from command_line import run

from hw_amc.config import load_board, load_project
from hw_amc.errors import ConfigError, HwAmcError
from hw_amc.flows.new import make_workspace
from hw_amc.workspace import SHIPPED, Workspace, find_root

MODEL = "gru_cnn_w4_sparse085"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_workspace_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "far" / "work"
    make_workspace(folder, [], [])
    assert files(folder) == ["README.md", "hls_projects/.gitignore"]
    assert (folder / "boards").is_dir()
    assert [path.name for path in folder.parent.iterdir()] == ["work"]
    monkeypatch.chdir(folder / "boards")
    assert find_root() == folder
    # What comes with the package is there, and is built into the workspace.
    assert Workspace.open(MODEL).folder == SHIPPED / "hls_projects" / MODEL
    assert Workspace.open(MODEL).build == folder / "hls_projects" / MODEL / "build"


def test_copies_are_the_workspaces_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    make_workspace(folder, [MODEL], ["pynq-z2"])
    own = folder / "hls_projects" / MODEL
    assert {"weights.h5", "graph.json", "graph.npz", "project.toml", "MODEL_CARD.md"} <= set(files(own))
    assert not [name for name in files(own) if name.startswith(("build/", "checkpoints/"))]
    shipped = SHIPPED / "hls_projects" / MODEL
    assert filecmp.cmpfiles(shipped, own, files(own), shallow=False)[0] == files(own)
    monkeypatch.chdir(folder)
    settings = own / "project.toml"
    settings.write_text(settings.read_text().replace("cycles_per_step = 1\n", "cycles_per_step = 4\n"))
    assert Workspace.open(MODEL).folder == own
    assert Workspace.open(MODEL).settings().rtl.cycles_per_step == 4 != load_project(shipped).rtl.cycles_per_step
    Workspace.open(MODEL).load_graph()
    board = folder / "boards" / "pynq-z2" / "board.toml"
    board.write_text(board.read_text().replace("clock_mhz = 125", "clock_mhz = 100"))
    assert Workspace.open(MODEL).board("pynq-z2").clock_mhz == 100
    assert load_board("pynq-z2", SHIPPED / "boards").clock_mhz == 125


def test_the_current_folder_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    assert run("new", ".", "--board", "kv260") == 0
    assert tmp_path.stat().st_ino == before
    assert files(tmp_path) == ["README.md", "boards/kv260/board.toml", "hls_projects/.gitignore"]
    assert find_root() == tmp_path


def test_nothing_is_replaced(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    make_workspace(there, [], [])  # an empty folder is fine
    (there / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match="is there already, and not empty; choose another folder"):
        make_workspace(there, [], [])
    assert (there / "README.md").read_text() == "mine"
    with pytest.raises(ConfigError, match="is there already"):
        make_workspace(there / "README.md", [], [])
    with pytest.raises(HwAmcError, match=r"cannot be made: (Not a directory|File exists)"):
        make_workspace(there / "README.md" / "below", [], [])


def test_unknown_names_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no hls_projects/gru_cnn_sparse7 comes with hw-amc; did you mean gru_cnn_sp"):
        make_workspace(tmp_path / "a", ["gru_cnn_sparse7"], [])
    with pytest.raises(ConfigError, match=r"no boards/\.\. comes with hw-amc; known: kv260, "):
        make_workspace(tmp_path / "a", [], [".."])
    assert not list(tmp_path.iterdir())


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", "work", "--model", MODEL, "--board", "kv260") == 0
    assert capsys.readouterr().out == (
        "✓ work\nnext: cd work; hw-amc init MODEL_FILE, or hw-amc models; see README.md there\n"
    )
    assert run("new", "work") == 2
    assert capsys.readouterr().err == "error: work is there already, and not empty; choose another folder\n"
