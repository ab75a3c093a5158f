"""In which range of levels a network keeps its accuracy: what is measured, what the card says, what is kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from test_classify import GRAPH, TRAINED, T, make_workspace

from hw_amc.errors import DataError
from hw_amc.flows.level import _read_card
from hw_amc.interface.gain import AutomaticGain
from hw_amc.interface.wire import WIRE_FRAC
from hw_amc.radio import generate_frames, load_recipe, to_wire
from hw_amc.radio.gains import GAINS_DB, GainAccuracy, put_into_card, scale_words
from hw_amc.train.level import trained_levels_db, wants_unit_power
from hw_amc.verify.heldout import SEED, TEST_SPLIT
from hw_amc.verify.results import golden_logits
from hw_amc.workspace import Workspace

NAMES = ("OOK", "BPSK", "QPSK", "FM", "GMSK")[: len(GRAPH.classes[0])]
PROJECTS = Path(__file__).parents[1] / "hls_projects"
CARD = "# small\n\n## Accuracy\n\nfine\n\n## Confusion\n\nnone\n\n## Network\n\nsmall\n"
FOUND = GainAccuracy(40, {-6.0: 0.2, -1.0: 0.86, 0.0: 0.9, 1.0: 0.7, 2.0: 0.9}, 10)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a model whose classes a recipe makes."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HW_AMC_ROOT", raising=False)
    found = tmp_path / "hls_projects" / "small"
    replace(GRAPH, classes=(NAMES,)).save(found)
    return found


def test_accuracy_is_kept_where_it_stays_near_that_of_training() -> None:
    assert FOUND.kept_db == (-1.0, 0.0)
    assert FOUND.told() == "Accuracy stays within 5 points of that at the level of training from -1 to +0 dB."
    assert replace(FOUND, accuracy={0.0: 0.5}).kept_db == (0.0, 0.0)
    section = FOUND.to_section()
    assert (section["kept_from_db"], section["kept_to_db"]) == (-1.0, 0.0)
    assert GainAccuracy.load(json.loads(json.dumps(section))) == FOUND


def test_the_card_has_one_section_on_levels() -> None:
    once = put_into_card(CARD, FOUND)
    assert once.index("## Accuracy") < once.index("## Level") < once.index("## Confusion")
    assert "| -1 | 86.00 |" in once
    assert put_into_card(once, FOUND) == once
    other = put_into_card(once, replace(FOUND, accuracy={0.0: 0.25}))
    assert other.count("## Level") == 1
    assert "86.00" not in other
    assert other.replace(other[other.index("## Level") : other.index("## Confusion")], "") == CARD


def test_a_card_of_another_encoding_stays_as_it_is(tmp_path: Path) -> None:
    """Seen before: UnicodeDecodeError."""
    card = tmp_path / "MODEL_CARD.md"
    card.write_bytes(b"# M\xfcller\n")
    with pytest.raises(DataError, match=r"MODEL_CARD.md is no text in UTF-8; save it as such"):
        _read_card(card)


@pytest.mark.parametrize(
    ("recipe", "gain_db", "levels"),
    [("radioml2018-v1", 1.0, (-1.0, 1.0)), ("radioml2018-v2", 1.0, None), ("radioml2018-v2", 6.0, (-6.0, 6.0))],
    ids=["all at one level", "classes at levels of their own", "the same, varied by as much"],
)
def test_the_level_of_training_is_known_where_all_frames_have_one(
    folder: Path, recipe: str, gain_db: float, levels: tuple[float, float] | None
) -> None:
    trained = TRAINED.replace("radioml2018-v1", recipe).replace("[data]", f"[data]\ngain_db = {gain_db}")
    assert recipe in trained
    (folder / "train.toml").write_text(trained)
    workspace = Workspace.open("small")
    assert trained_levels_db(workspace) == levels
    assert wants_unit_power(workspace)
    (folder / "train.toml").unlink()
    assert not wants_unit_power(workspace)


def _held_out() -> tuple[np.ndarray, list[str]]:
    """Wire words of four generated frames of each class, and their classes."""
    recipe = replace(load_recipe("radioml2018-v2"), frame_len=T)
    names = recipe.classes.heads[0].classes
    cells = [names.index(name) for name in sorted(NAMES, key=_place)]
    numbers = np.arange(4 * len(cells))
    chosen = np.array(cells)[numbers % len(cells)]
    loud = np.array([snr for snr in recipe.classes.snrs_db if snr >= 10])
    snrs = np.random.default_rng(SEED).choice(loud, len(numbers))
    frames = generate_frames(recipe, chosen, snrs, numbers, split=TEST_SPLIT)
    return to_wire(frames), [names[cell] for cell in chosen]


def _share_right(words: np.ndarray, names: list[str], shifts: int | np.ndarray = 0) -> float:
    answers = golden_logits(GRAPH, words, shifts).argmax(axis=1)
    return round(float(np.mean([NAMES[answer] == name for answer, name in zip(answers, names, strict=True)])), 5)


def test_levels_are_measured_by_golden(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("level", "small", "--frames", "4", "--json") == 0
    section = json.loads(capsys.readouterr().out)
    words, names = _held_out()
    assert section["accuracy"] == {f"{gain:g}": _share_right(scale_words(words, gain), names) for gain in GAINS_DB}
    assert (section["frames"], section["snr_db_from"]) == (len(words), 10)


def test_the_automatic_gain_is_a_way_out_where_there_is_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "project.toml").write_text("[rtl]\nautomatic_gain = true\n")
    assert run("level", "small", "--frames", "4", "--json") == 0
    section = json.loads(capsys.readouterr().out)
    words, names = _held_out()
    rule, wanted = AutomaticGain(T, WIRE_FRAC), {}
    for gain in GAINS_DB:
        scaled = scale_words(words, gain)
        wanted[f"{gain:g}"] = _share_right(scaled, names, rule.shifts(rule.follow(scaled, rule.start)[0], 0))
    assert section["accuracy_automatic_gain"] == wanted
    found = GainAccuracy.load(section)
    assert found.to_section() == {key: section[key] for key in found.to_section()}
    assert re.search(
        r"automatic gain \(--automatic-gain\) it is \d+\.\d to \d+\.\d % from -12 to \+12 dB", found.told()
    )
    assert "--automatic-gain" not in replace(found, automatic=None).told()


def _place(name: str) -> int:
    return load_recipe("radioml2018-v2").classes.heads[0].classes.index(name)


def test_what_was_measured_is_kept(folder: Path) -> None:
    (folder / "accuracy.json").write_text('{"accuracy": {"0": 0.5}}')
    (folder / "MODEL_CARD.md").write_text(CARD)
    assert run("level", "small", "--frames", "2", "--keep") == 0
    told = json.loads((folder / "accuracy.json").read_text())
    assert told["accuracy"] == {"0": 0.5}
    assert told["gain_db"]["command"] == "hw-amc level small --frames 2 --keep"
    assert told["gain_db"]["kind"] == "measured"
    card = (folder / "MODEL_CARD.md").read_text()
    assert GainAccuracy.load(told["gain_db"]).told() in card


def test_classes_that_nobody_generates_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    GRAPH.save(folder)
    assert run("level", "small") == 2
    assert "no recipe makes signals of all classes of small" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(path.parent.name for path in PROJECTS.glob("*/MODEL_CARD.md")))
def test_cards_say_what_was_measured(name: str) -> None:
    project = PROJECTS / name
    section = json.loads((project / "accuracy.json").read_text())["gain_db"]
    found = GainAccuracy.load(section)
    assert [section["kept_from_db"], section["kept_to_db"]] == list(found.kept_db)
    assert "\n".join(found.lines()) in (project / "MODEL_CARD.md").read_text()
