"""The networks by name: what `hw-amc models` says of each, on pages and narrow terminals, and their recipes."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run
from networks import mtl_graph
from rich.console import Console

from hw_amc.cli import output
from hw_amc.config import load_board, load_project
from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.flows import catalogue, reach
from hw_amc.graph import Graph
from hw_amc.models import MODELS, NetworkSpec, find
from hw_amc.radio import load_recipe
from hw_amc.train.recipe import load_recipe_file

ROOT = Path(__file__).parents[1]
#: Bytes of weights that a folder may commit.
LARGEST = 3_000_000


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert run("models", *options) == 0
    return capsys.readouterr().out


def test_the_page_has_the_table_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    printed = [re.sub(r" +", " ", line).strip() for line in listed(capsys, "--markdown").splitlines()]
    page = (ROOT / "docs" / "models.md").read_text()
    shown = page.partition("<!-- table: models -->\n")[2].partition("<!-- end -->")[0].strip().splitlines()
    assert shown[:1] + shown[2:] == printed[:1] + printed[2:]
    assert len(shown) == 2 + len(MODELS)


def trained_row(name: str) -> str | None:
    """A line of the page's table of networks trained in two stages, of what is committed of them."""
    parts = [ROOT / "hls_projects" / name / part for part in ("accuracy.json", "checkpoints/summary.json")]
    if not all(part.is_file() for part in parts):
        return None
    figures, log = (json.loads(part.read_text()) for part in parts)
    if list(log.get("steps", ())) != ["float", "quantised"]:
        return None
    shares = [figures["average"], figures["at_least_10_db"], figures["float"]["average"]]
    cells = [f"{100 * share:.2f}" for share in shares] + [f"{sum(steps):,}" for steps in log["steps"].values()]
    return f"| `{name}` | {' | '.join(cells)} | {log['seconds'] / 60:.1f} |"


def test_the_page_has_what_the_zoo_was_measured_to_know() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    shown = page.partition("<!-- table: trained -->\n")[2].partition("<!-- end -->")[0].strip().splitlines()
    assert shown[2:] == [row for name in MODELS if (row := trained_row(name))]


def test_a_narrow_terminal_shows_every_name_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(output.printer, "console", Console(file=stream, width=80, markup=False))
    listed(capsys)
    table = [line for line in stream.getvalue().splitlines() if line.startswith("│")]
    assert [line.split()[1] for line in table] == list(MODELS)  # a line each: nothing is cut or wrapped
    assert max(map(len, table)) <= 80


def test_one_network_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    said = listed(capsys, "oshea_resnet", "pet_cgdnn")
    assert "236,344 parameters; 47.47 % on average (published, O'Shea et al. 2018; average: Kassri" in said
    assert "size of the kernels is not published; 3x2 is nearest" in said
    assert "half pruned 59.6 % on average" in said
    assert "gru2" not in said
    assert run("models", "oshea_resnt") == 2
    assert "did you mean oshea_resnet" in capsys.readouterr().err


def test_published_figures_stand_apart_from_ours(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["model"]: each for each in json.loads(listed(capsys, "--json"))["models"]}
    assert list(found) == list(MODELS)
    assert found["lightweight"]["published"]["by_snr"]["20"] == 0.9497
    assert found["mcnet"]["published"]["by_snr"] == {
        str(snr): share for snr, share in zip(range(-10, 22, 2), (
            0.1519, 0.2232, 0.2953, 0.3662, 0.4612, 0.5351, 0.6238, 0.6748, 0.7445, 0.8052, 0.8606, 0.892, 0.8986,
            0.9123, 0.9269, 0.9359), strict=True)
    }  # fmt: skip
    assert found["pet_cgdnn"]["published"]["by_snr"]["30"] == 0.981
    assert found["pet_cgdnn"]["published"]["kind"] == "published"
    assert (found["gru2"]["published"]["parameters"], found["gru2"]["parameters"]) == (39_224, 39_576)
    assert "no variant" in found["gru2"]["differs"]
    assert "published" not in found["drcnn"]
    assert found["mtl"]["classes"] == [9, 11]
    assert found["inception"]["memory_bytes"] == 10_141_266 + 2 * 767  # not trained: estimated


def entry(spec: NetworkSpec) -> catalogue.Entry:
    return catalogue.list_networks([spec.name], set())[0]


def test_weights_that_are_not_kept_leave_their_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    folder = tmp_path / "hls_projects" / "vtcnn2"
    folder.mkdir(parents=True)
    (folder / "train.toml").write_text("")
    assert (entry(find("vtcnn2")).state, entry(find("vtcnn2")).accuracy) == ("recipe", None)
    figures = {"accuracy": {"0": 0.5}, "average": 0.5, "weights_sha256": "0" * 64, "eval_set": {}}
    (folder / "accuracy.json").write_text(json.dumps(figures))
    found = entry(find("vtcnn2"))
    assert (found.state, found.is_counted) == ("measured", False)
    assert found.facts()["accuracy"] == {"average": 0.5, "weights_sha256": "0" * 64, "kind": "measured"}
    (folder / "accuracy.json").write_text("{")  # `hw-amc report` says what is wrong with it
    assert entry(find("vtcnn2")).state == "recipe"


@pytest.mark.parametrize("name", MODELS)
def test_every_network_has_a_recipe_that_fits_it(name: str) -> None:
    spec, folder = MODELS[name], ROOT / "hls_projects" / name
    recipe = load_recipe_file(folder / "train.toml")
    frames = load_recipe(str(recipe.data.recipe))
    assert frames.frame_len == spec.frame[0]
    heads = [head.classes for head in frames.classes.heads]
    assert [sorted(head) for head in spec.classes] == [sorted(head) for head in heads]
    assert len(recipe.head_shares) in (0, len(heads))
    assert recipe.stages[-1].kind == "qat"
    assert all(phase.crop <= spec.frame[0] for stage in recipe.stages for phase in stage.phases)
    assert load_project(folder).input.normalise == recipe.data.normalise


@pytest.mark.parametrize("name", MODELS)
def test_a_card_names_the_recipe_that_lies_beside_it(name: str) -> None:
    folder = ROOT / "hls_projects" / name
    recipe = load_recipe_file(folder / "train.toml")
    assert f"Recipe: `train.toml`, SHA-256 {recipe.digest}, " in (folder / "MODEL_CARD.md").read_text()


def test_large_weights_are_not_committed() -> None:
    kept = [path for path in ROOT.glob("hls_projects/*/*") if path.suffix in (".h5", ".npz")]
    ignored = (ROOT / ".gitignore").read_text()
    for path in kept:
        assert path.stat().st_size <= LARGEST or f"hls_projects/{path.parent.name}/[wgp]*" in ignored, path
    for spec in MODELS.values():
        # Weights are kept as float32.
        assert (4 * spec.parameters > LARGEST) == (f"hls_projects/{spec.name}/[wgp]*" in ignored), spec.name


BOARDS = [load_board(name, ROOT / "boards") for name in ("pynq-z2", "rfsoc4x2")]


def small() -> Graph:
    return mtl_graph(np.random.default_rng(62), units=(16, 12), signed=True)


def test_reach_asks_every_back_end() -> None:
    found = reach._ask(small, BOARDS)
    assert (found.golden, found.csim, found.rtl) == ("yes", "yes", "yes")
    assert "rfsoc4x2" in found.boards


def test_reach_names_the_layer_that_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(graph: Graph, node: object) -> list[int]:
        raise UnsupportedLayer("hls: 'x' is not built")

    monkeypatch.setattr("hw_amc.hls.estimate.whole.legal_reuse_factors", refuse)
    graph = small()
    named = replace(graph, nodes=(graph.nodes[0], *graph.nodes[1:]), name="9lives")
    assert reach._ask(lambda: named, BOARDS) == reach.Reach(
        "yes", "hls: 'x' is not built", "rtl: the name '9lives' is no Verilog identifier; rename the layer"
    )

    def fail() -> Graph:
        raise UnsupportedLayer("no form")

    assert reach._ask(fail, BOARDS) == reach.Reach("no form", "no graph", "no graph")


def test_reach_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_CACHE", str(tmp_path))
    asked = []
    answer = reach.Reach("yes", "no", "yes", ("pynq-z2",))
    monkeypatch.setattr(reach, "_ask", lambda build, boards: asked.append(len(boards)) or answer)
    spec = find("gru_cnn_sparse07")
    assert [reach.find_reach(spec, True) for _ in range(2)] == [answer, answer]
    assert len(asked) == 1
    reach.find_reach(find("gru_cnn_sparse05"), True)
    assert len(asked) == 2


@pytest.fixture
def train_zoo() -> Any:
    """The script that trains all in turn."""
    spec = importlib.util.spec_from_file_location("train_zoo", ROOT / "benchmarks" / "train_zoo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_are_trained_in_turn_within_a_time(
    train_zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    for name in ("vtcnn2", "mtl", "gru2"):
        (tmp_path / "hls_projects" / name).mkdir(parents=True)
        (tmp_path / "hls_projects" / name / "train.toml").write_text("")
    (tmp_path / "hls_projects" / "mtl" / "accuracy.json").write_text("{}")
    taken: list[tuple[str, float]] = []

    def train(name: str, minutes: float) -> None:
        taken.append((name, round(minutes)))
        if name == "vtcnn2":
            raise DataError("the loss is nan")

    monkeypatch.setattr(train_zoo, "train", train)
    monkeypatch.setattr("sys.argv", ["train_zoo", "--minutes", "60", "gru2", "mtl", "vtcnn2"])
    assert train_zoo.main() == 1  # one failed, and the other is trained all the same
    assert taken == [("vtcnn2", 30), ("gru2", 60)]  # the smaller first; what time is left goes to the next
    assert capsys.readouterr().err == "vtcnn2: the loss is nan\n"
    monkeypatch.setattr("sys.argv", ["train_zoo", "--minutes", "0", "gru2"])
    assert train_zoo.main() == 0
    assert capsys.readouterr().out == "the time is over; still to come: gru2\n"
