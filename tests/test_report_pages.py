"""What the report leads with, and how its page is made: valid, closed in itself, and blind to what words say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run
from networks import gru_cnn_graph, mtl_graph, residual_graph

from hw_amc import __version__, report
from hw_amc.config import load_board
from hw_amc.errors import DataError, Mismatch
from hw_amc.files import file_digest
from hw_amc.flows import base
from hw_amc.graph import Graph
from hw_amc.report.drawing import draw_network
from hw_amc.report.roads import roads
from hw_amc.train.predictions import Predictions, save_predictions
from hw_amc.workspace import Workspace

BOARDS = Path(__file__).parents[1] / "boards"
RUN = {"frames": 64, "mismatches": 0, "frames_per_s": 6.5, "command": "make hls", "kind": "measured"}
HLS = {
    "board": "pynq-z2", "part": "xc7z020", "clock_mhz": 125.0, "cycles_per_frame": 246784, "frames_per_s": 506.5,
    "percent": {"lut": 40.0, "dsp": 50.0}, "command": "hw-amc hls m", "kind": "estimated",
}  # fmt: skip
SWEEP = [
    {"R": R, "K": 4, "cycles_per_frame": 1024 * R, "frames_per_s": 125e6 / (1024 * R), "lut": lut, "ff": lut,
     "percent": {"lut": share, "ff": 10.0}, "fits": share <= 100}
    for R, lut, share in ((1, 95000, 179.0), (5, 38000, 71.0), (10, 23600, 44.0))
]  # fmt: skip
RTL = {
    "board": "pynq-z2", "part": "xc7z020", "clock_mhz": 125.0, "R": 10, "K": 4, "cycles_per_frame": 10240,
    "frames_per_s": 12207.0, "lut": 23600, "percent": {"lut": 44.0, "ff": 63.0}, "sweep": SWEEP,
    "command": "hw-amc rtl m", "kind": "estimated",
}  # fmt: skip
COSIM = {
    **{"frames": 8, "mismatches": 0, "cycles_per_frame": 10240, "predicted_cycles_per_frame": 10240},
    **{"latency_cycles": 41250, "source": "rtl", "R": 10, "command": "hw-amc cosim m"},
    "kind": {
        **dict.fromkeys(("frames", "mismatches", "cycles_per_frame", "latency_cycles"), "measured"),
        "predicted_cycles_per_frame": "estimated",
    },
}
FULL = {"golden": RUN, "estimate": {"hls": HLS, "rtl": RTL}, "cosim": {"verilator": COSIM}}


def model(root: Path, name: str = "m", graph: Graph | None = None) -> Path:
    """Make a model's folder with graph and weights; return its build folder."""
    folder = root / "hls_projects" / name
    folder.mkdir(parents=True)
    (folder / "weights.h5").write_bytes(name.encode())
    graph = graph or gru_cnn_graph(np.random.default_rng(3))
    replace(graph, name=name, weights_digest=file_digest(folder / "weights.h5")).save(folder)
    return folder / "build"


def judged(folder: Path, seed: int = 1) -> Predictions:
    """Write accuracy.json and the answers of the network in `folder`, a model's."""
    graph, rng = Graph.load(folder), np.random.default_rng(seed)
    snrs = np.repeat(np.arange(-10, 31, 10), 60).astype(np.int8)
    labels = np.stack([rng.integers(0, len(names), len(snrs)) for names in graph.classes], axis=1)
    wrong = rng.random(labels.shape) < 0.4
    told = np.where(wrong, (labels + 1) % [len(names) for names in graph.classes], labels)
    single = len(graph.classes) == 1
    arrays = [(array[:, 0] if single else array).astype(np.uint8) for array in (told, labels)]
    answers = Predictions(arrays[0], arrays[1], snrs, {"frames": len(snrs)}, graph.classes)
    save_predictions(folder, answers)
    figures = [_figures(answers.head(at)) for at in range(len(graph.classes))]
    whole = {**_figures(answers), **({} if single else {"heads": figures})}
    digest = file_digest(folder / "weights.h5")
    text = json.dumps({**whole, "eval_set": {"frames": len(snrs)}, "kind": "measured", "weights_sha256": digest})
    (folder / "accuracy.json").write_text(text)
    return answers


def _figures(answers: Predictions) -> dict[str, Any]:
    right, loud = answers.right, answers.snr_db >= 10
    by_snr = {str(snr): round(float(right[answers.snr_db == snr].mean()), 5) for snr in np.unique(answers.snr_db)}
    return {"accuracy": by_snr, "average": float(right.mean()), "at_least_10_db": float(right[loud].mean())}


VOID = {"meta", "br", "link", "img", "hr", "input"}


class Checker(HTMLParser):
    """Requires every element to be closed where it was opened, and every identifier to be its own."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice: {names}"
        assert not any(name.startswith("on") for name in names), f"<{tag}> has a handler"
        self.tags.add(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.targets += [str(value)[1:] for name, value in attrs if name.endswith("href") and str(value)[:1] == "#"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def check(page: str) -> Checker:
    """Return what a valid page holds."""
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open
    assert len(set(checker.ids)) == len(checker.ids)
    assert set(checker.targets) <= set(checker.ids)
    return checker


def test_the_faster_road_leads(tmp_path: Path) -> None:
    """10,240 cycles of the RTL and not the 246,784 of the HLS road, which comes after."""
    build = model(tmp_path)
    report.merge(build, FULL)
    text = report.write_pages(build, "m")[0].read_text()
    answer = text.splitlines()[2]
    assert answer.startswith("12,207 frames/s (195 kS/s of I/Q) on pynq-z2 by the RTL road, R = 10, estimated: 10,240 ")
    assert "(measured, by Verilator). By the HLS road it takes 246,784 cycles (estimated)." in answer
    assert "| frames/s: RTL, R = 10, pynq-z2 | 12,207 (estimated) |" in text
    assert text.index("| RTL, R = 10 |") < text.index("| HLS |")
    assert "| cycles per frame, by Verilator | 10,240 (measured) |" in text
    assert "| from a frame's first sample to its answer | 330 µs (estimated) |" in text
    assert "| of the board's FF, the fullest resource | 63.0 % (estimated) |" in text


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, ["RTL, R = 10", "HLS"]),
        ({"estimate": {"rtl": {**RTL, "percent": {"lut": 179.0}}}}, ["HLS", "RTL, R = 10"]),
        (
            {"estimate": {"hls": {**HLS, "cycles_per_frame": 5000, "frames_per_s": 25000.0}}},
            ["HLS", "RTL, R = 10"],
        ),
        (
            {"bench": {"pynq-z2": {"device_frames_per_s": 9000.0, "clock_mhz": 125.0, "R": 10, "command": "x",
                                   "kind": "measured"}}},
            ["on the board, R = 10", "RTL, R = 10", "HLS"],
        ),
    ],
)  # fmt: skip
def test_what_fits_and_what_a_board_ran_come_first(tmp_path: Path, change: Any, names: list[str]) -> None:
    whole = report.merge(tmp_path, FULL, change)
    assert [road.name for road in roads(whole)] == names


def test_synthesis_and_simulation_replace_estimates_of_the_same_accelerator_only(tmp_path: Path) -> None:
    synth = {"tool": "yosys", "R": 10, "clock_mhz": 125.0, "cycles_per_frame": 10240, "frames_per_s": 12207.0,
             "percent": {"lut": 43.4}, "command": "x", "kind": "measured"}  # fmt: skip
    other = {**synth, "R": 5, "cycles_per_frame": 5120, "frames_per_s": 24414.0, "percent": {"lut": 67.9}}
    whole = report.merge(tmp_path, FULL, {"synth": {"pynq-z2": synth, "zcu104": other}})
    found = {(road.board, road.R): road for road in roads(whole)}
    assert set(found) == {("pynq-z2", 10), ("zcu104", 5), ("pynq-z2", 0)}
    own = found["pynq-z2", 10]
    assert (own.percent, own.percent_kind, own.cycles_by) == ((("lut", 43.4),), "measured", "Verilator")
    assert (found["zcu104", 5].cycles_by, found["zcu104", 5].latency_cycles) == ("estimate", None)
    assert next(iter(roads(whole))).board == "zcu104"


def test_the_page_is_valid_and_runs_nothing(tmp_path: Path) -> None:
    build = model(tmp_path)
    judged(build.parent)
    report.merge(build, FULL)
    page = report.write_pages(build, "m")[1].read_text()
    checker = check(page)
    assert checker.tags.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert {"what-each-r-costs", "accuracy", "the-network", "files"} <= set(checker.ids)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert page.count("prefers-color-scheme: dark") == 2
    assert "max-width: 40rem" in page


HOSTILE = "</svg></td><script>alert('1')</script><img src=x onerror=y> {{ 7*7 }} \x1b[31m\u202e --> ]]>"


def test_no_words_become_markup_wherever_they_stand(tmp_path: Path) -> None:
    """In class, layer, output, file, command and kind, in table, drawing, hint and picture."""
    graph = gru_cnn_graph(np.random.default_rng(3))
    build = model(tmp_path, graph=replace(graph, classes=((HOSTILE, "b", "c"),)))
    judged(build.parent)
    section = {"source": HOSTILE, "frames": 4, "accuracy": {"0": 0.5, "10": 1.0}, "average_accuracy": 0.5,
               "confusion": [{"sent": HOSTILE, "recognised": {HOSTILE: 1}}], "command": HOSTILE, "note": HOSTILE,
               "kind": "measured"}  # fmt: skip
    synth = {"tool": HOSTILE, "R": 10, "lut": 1, "percent": {"lut": 1.0}, "command": HOSTILE, "kind": "measured"}
    steps = {"csim": {"seconds": 1.0, "versions": {HOSTILE: HOSTILE}, "command": HOSTILE, "kind": "measured"}}
    report.merge(
        build, FULL, {"evaluation": {"head": section}, "synth": {"b": synth}, "steps": steps},
        {"not_run": {"x": {"reason": HOSTILE, "command": HOSTILE}}},
    )  # fmt: skip
    markdown, html = report.write_pages(build, HOSTILE)
    page = html.read_text()
    assert check(page).tags.isdisjoint({"script", "img"})
    assert "49" not in re.findall(r"\{\{ (\S+) \}\}", page) and "{{ 7*7 }}" in page  # noqa: PT018
    assert "\x1b" not in page + markdown.read_text()
    assert "\u202e" not in page + markdown.read_text()
    for picture in (build / "report_pictures").glob("*.svg"):
        assert "<script" not in picture.read_text(), picture.name


def test_nothing_is_written_when_a_part_cannot_be(tmp_path: Path) -> None:
    build = model(tmp_path)
    report.merge(build, FULL)
    report.write_pages(build, "m")
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}
    (build.parent / "accuracy.json").write_text('{"accuracy": 1}')
    with pytest.raises(DataError, match=r"accuracy\.json"):
        report.write_pages(build, "m")
    assert {path: path.read_bytes() for path in build.rglob("*") if path.is_file()} == before


def test_pictures_of_earlier_pages_go(tmp_path: Path) -> None:
    build = model(tmp_path)
    report.merge(build, FULL)
    report.write_pages(build, "m")
    assert {path.stem for path in (build / "report_pictures").iterdir()} == {"network", "rates", "resources"}
    (build / "report.json").write_text(json.dumps({"schema": 1}))
    report.write_pages(build, "m")
    assert {path.stem for path in (build / "report_pictures").iterdir()} == {"network"}


def test_each_class_is_counted_from_the_networks_answers(tmp_path: Path) -> None:
    build = model(tmp_path)
    answers = judged(build.parent)
    text = report.write_pages(build, "m")[0].read_text()
    for label, name in enumerate(answers.names[0]):
        own = answers.labels == label
        loud = own & (answers.snr_db >= 10)
        wrong = answers.names[0][(label + 1) % 3]
        share = (answers.classes[loud] == (label + 1) % 3).mean()
        cells = f"{own.sum()} | {100 * answers.right[own].mean():.1f} % | {100 * answers.right[loud].mean():.1f} %"
        assert f"| {name} | {cells} | {wrong} ({100 * share:.1f} %) |" in text
    picture = (build / "report_pictures" / "classes.svg").read_text()
    at = (answers.labels == 0) & (answers.snr_db == 20)
    assert f"<title>{answers.names[0][0]} 20 dB: {100 * answers.right[at].mean():.1f} %</title>" in picture


def test_answers_of_other_weights_are_not_shown(tmp_path: Path) -> None:
    build = model(tmp_path)
    judged(build.parent)
    other = model(tmp_path, "other")
    save_predictions(other.parent, judged(build.parent))
    (other.parent / "predictions.npz").rename(build.parent / "predictions.npz")
    text = report.write_pages(build, "m")[0].read_text()
    assert "Not shown: accuracy by class:" in text
    assert "belongs to other weights" in text


def test_every_head_has_its_classes(tmp_path: Path) -> None:
    build = model(tmp_path, graph=mtl_graph(np.random.default_rng(1)))
    answers = judged(build.parent)
    text, page = (path.read_text() for path in report.write_pages(build, "m"))
    check(page)
    for head, names in enumerate(answers.names):
        own = answers.head(head)
        right = 100 * own.right[own.labels == 0].mean()
        assert f"| {names[0]} | {(own.labels == 0).sum()} | {right:.1f} % |" in text
        assert (build / "report_pictures" / f"classes-head{head}.svg").is_file()


def test_figures_of_another_graph_are_told_apart(tmp_path: Path) -> None:
    build = model(tmp_path)
    report.merge(build, FULL, network="a" * 64)
    text = report.write_pages(build, "m")[0].read_text()
    assert "Not shown: network: report.json is of another graph than graph.json" in text
    assert "## The network" not in text


@pytest.mark.parametrize(
    "graph",
    [
        gru_cnn_graph(np.random.default_rng(3)),
        mtl_graph(np.random.default_rng(1)),
        residual_graph(np.random.default_rng(1)),
    ],
    ids=["chain", "heads", "residual"],
)
def test_the_drawing_has_every_connection(graph: Graph) -> None:
    """One arrow for each input of a box; a quantiser behind sums stands in their box."""
    readers = {node.name: [other for other in graph.nodes if node.name in other.inputs] for node in graph.nodes}
    inside = {node.name for node in graph.nodes if node.op == "quantize" and len(readers[node.inputs[0]]) == 1}
    arrows = sum(len(node.inputs) for node in graph.nodes if node.name not in inside)
    for svg in draw_network(graph):
        assert svg.count("<polygon") == arrows
        shown = re.findall(r'font-weight="650"[^>]*>([^<]+)<', svg)
        assert shown == [node.name for node in graph.nodes if node.name not in inside]


def test_versions_and_digests_are_told(tmp_path: Path) -> None:
    build = model(tmp_path)
    section = report.model_section(Graph.load(build.parent))
    steps = {"csim": {"seconds": 1.0, "versions": {"hls4ml": "1.3.0"}, "command": "x", "kind": "measured"}}
    report.merge(build, {"model": section, "steps": steps})
    text = report.write_pages(build, "m")[0].read_text()
    assert f"| Integer graph | {section['graph_sha256']} |" in text
    assert f"| weights.h5 | {section['weights_sha256']} |" in text
    assert "| hls4ml | 1.3.0 | csim |" in text
    assert f"| hw-amc | {__version__} | this page |" in text


def test_a_second_report_of_the_same_figures_is_the_same(tmp_path: Path) -> None:
    """Seen before: it listed report.md, which the first had written; a report after a killed one was another."""
    build = model(tmp_path)
    report.merge(build, {"model": report.model_section(Graph.load(build.parent))})
    first = [path.read_bytes() for path in report.write_pages(build, "m")]
    assert [path.read_bytes() for path in report.write_pages(build, "m")] == first


def _flow(root: Path) -> base.Flow:
    return base.Flow(workspace=Workspace(root, "m"), board=load_board("pynq-z2", BOARDS))


def test_a_failed_run_changes_nothing_that_stood_there(tmp_path: Path) -> None:
    build = model(tmp_path)
    flow = _flow(tmp_path)
    report.merge(build, FULL, network=flow.graph.digest())
    report.write_pages(build, "m")
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}

    def first(flow: base.Flow) -> str:
        flow.merge({"golden": {**RUN, "frames": 1}})
        return "done"

    def second(flow: base.Flow) -> str:
        raise Mismatch("layer gru differs")

    with pytest.raises(Mismatch):
        base.run_steps(flow, {"first": first, "second": second})
    assert {path: path.read_bytes() for path in build.rglob("*") if path.is_file()} == before
    base.run_steps(flow, {"first": first})
    found = report.load(build)
    assert found["golden"]["frames"] == 1
    assert found["steps"]["first"]["versions"]["hw-amc"] == __version__


def test_what_a_step_settles_stays(tmp_path: Path) -> None:
    build = model(tmp_path)

    def first(flow: base.Flow) -> str:
        flow.merge({"golden": RUN})
        flow.settle()
        flow.merge({"csim": {"native": RUN}})
        raise Mismatch("x")

    with pytest.raises(Mismatch):
        base.run_steps(_flow(tmp_path), {"first": first})
    assert set(report.load(build)) == {"schema", "graph_sha256", "golden"}


def test_an_accelerator_that_does_not_fit_replaces_none_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = model(tmp_path, graph=gru_cnn_graph(np.random.default_rng(3), cells=2, filters=(2, 3)))
    board = tmp_path / "boards" / "pynq-z2" / "board.toml"
    board.parent.mkdir(parents=True)
    text = (BOARDS / "pynq-z2" / "board.toml").read_text()
    board.write_text(text)
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    assert run("rtl", "m", "-R", "2") == 0
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}
    assert len(before) > 10
    board.write_text(text.replace("lut = 53200", "lut = 100"))
    capsys.readouterr()
    assert run("rtl", "m", "-R", "1") == 2
    assert "is too small at cycles_per_step = 1: lut" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in build.rglob("*") if path.is_file()} == before


def test_the_command_loads_no_tensorflow(tmp_path: Path) -> None:
    build = model(tmp_path)
    report.merge(build, FULL)
    command = [sys.executable, "-X", "importtime", "-m", "hw_amc", "report", "m"]
    environment = {**os.environ, "HW_AMC_ROOT": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "hw_amc" in loaded
    assert loaded.isdisjoint({"tensorflow", "qkeras", "hls4ml", "da4ml", "pynq"})
    assert (build / "report.html").is_file()
