"""The guides of board and simulation: their commands exist, their programs run, their paths lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from board_overlays import golden_overlay, small_graph
from networks import random_frames

from hw_amc import sim_device
from hw_amc.cli.main import app

ROOT = Path(__file__).parents[1]
GUIDES = {name: (ROOT / "docs" / "guides" / f"{name}.md").read_text() for name in ("board", "simulate", "sim_device")}
GRAPH = small_graph()


def blocks(text: str, language: str = "sh") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Every use of hw-amc, in a block or in a line."""
    lines = [line.partition("  #")[0] for block in blocks(text) for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", text)
    found = re.findall(r"(?:^|&& |\s|/)hw-amc ([a-z].*?)(?=$| && )", "\n".join([*lines, *spans]), re.MULTILINE)
    return [shlex.split(words) for words in found]


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_and_option_exists(guide: str) -> None:
    known: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    found = commands(GUIDES[guide])
    assert found or guide == "sim_device"
    for name, *words in found:
        assert name in known, name
        if name == "sim-device":
            continue  # what follows is another program's
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, (name, words)


def test_doctor_is_the_first_command() -> None:
    assert blocks(GUIDES["board"])[0] == ".venv/bin/hw-amc doctor\n"


@pytest.mark.parametrize("guide", GUIDES)
def test_make_targets_exist(guide: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", GUIDES[guide], re.MULTILINE)) <= targets


@pytest.mark.parametrize("name", ["guides/board", "guides/simulate", "guides/sim_device", "verification"])
def test_paths_lead_somewhere(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text()
    folder = (ROOT / "docs" / name).parent
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (folder / link).exists(), link
    for path in re.findall(r"`((?:boards|docs|hw_amc|tests|sim)/[\w./*-]+)`", text):
        # Files of other repositories stand in the tables of those that were read.
        if not path.startswith(("boards/Pynq", "boards/Ultra96", "boards/ZCU", "boards/RFSoC", "boards/<")):
            assert list(ROOT.glob(path)), path


def test_the_tcl_names_the_guides_steps_rightly() -> None:
    titles = dict(re.findall(r"^## (\d)\. (.*)$", GUIDES["board"], re.MULTILINE))
    text = "".join(path.read_text() for path in (ROOT / "boards" / "overlay").glob("*.tcl"))
    named = re.findall(r"docs/guides/board\.md, step (\d)", text)
    assert named
    assert {titles[number] for number in named} == {"The bitstream"}


def test_flows_are_called_so() -> None:
    for path in sorted((ROOT / "docs").rglob("*.md")):
        assert not re.search(r"\b(?:HLS|RTL) roads?\b|\broads? of\b", path.read_text().replace("\n", " ")), path


def test_what_is_not_known_is_a_list_of_its_own() -> None:
    (section,) = re.findall(r"^## Not known\n(.*?)(?=^## )", GUIDES["board"], re.MULTILINE | re.DOTALL)
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 10
    assert all(len([cell for cell in re.split(r"(?<!\\)\|", row) if cell.strip()]) == 2 for row in rows)


@pytest.mark.parametrize("number", [0])
def test_the_boards_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As it stands, on a small network's overlay of the same name."""
    overlay = golden_overlay(tmp_path / "amc", GRAPH)
    program = blocks(GUIDES["board"], "python")[number].replace("gru_cnn_sparse07.bit", overlay.name)
    np.savez(tmp_path / "frames.npz", wire=random_frames(np.random.default_rng(1), GRAPH, 8))
    monkeypatch.chdir(tmp_path / "amc")
    sim_device.enable()
    names: dict[str, Any] = {}
    exec(program, names)  # the guide's own text
    assert names["logits"].shape == (8, 3)


def test_every_call_of_the_drivers_table_exists(tmp_path: Path) -> None:
    from hw_amc.driver import AmcOverlay

    text = GUIDES["board"]
    called = set(re.findall(r"`(?:amc\.)?(classify|stream|set_input_shift|counters|reset|names|benchmark)\(", text))
    assert called >= {"classify", "set_input_shift", "counters", "reset"}
    assert all(hasattr(AmcOverlay, name) for name in called)
    assert ".selftest()" in text
    assert hasattr(AmcOverlay, "selftest")
