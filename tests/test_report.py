from __future__ import annotations

import io
import json
import os
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from networks import gru_cnn_graph, mtl_graph
from rich.console import Console

from hw_amc import report
from hw_amc.config import BoardSettings, HlsSettings, load_board
from hw_amc.errors import ConfigError, DataError, HwAmcError
from hw_amc.files import locked
from hw_amc.graph import Graph
from hw_amc.hls import estimate

CSIM = {"frames": 64, "mismatches": 0, "frames_per_s": 6.5, "command": "make hls", "kind": "measured"}
SYNTH = {"tool": "yosys 0.70", "part": "xc7z020", "R": 10, "lut": 30000, "percent": {"lut": 56.4}}


def test_merge_keeps_other_sections_and_returns_the_whole(tmp_path: Path) -> None:
    report.merge(tmp_path, {"csim": {"ap_fixed": CSIM}})
    whole = report.merge(tmp_path, {"csim": {"native": {**CSIM, "frames": 1000}}, "golden": CSIM})
    assert whole == report.load(tmp_path)
    assert whole["schema"] == report.SCHEMA
    assert whole["csim"]["ap_fixed"]["frames"] == 64
    assert whole["csim"]["native"]["frames"] == 1000


def test_a_writer_waits_for_another_and_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report.store, "LOCK_S", 0.1)
    with (
        locked(tmp_path / ".report.json.lock"),
        pytest.raises(HwAmcError, match=r"report\.json is locked by another process; run again"),
    ):
        report.merge(tmp_path, {"golden": CSIM})
    report.merge(tmp_path, {"golden": CSIM})
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """Seen before: PermissionError in another user's folder."""
    (tmp_path / ".report.json.lock").mkdir()
    with pytest.raises(HwAmcError, match=r"cannot write .*report\.json: Is a directory"):
        report.merge(tmp_path, {"golden": CSIM})


def test_a_run_replaces_the_former_run_whole(tmp_path: Path) -> None:
    report.merge(tmp_path, {"csim": {"native": {**CSIM, "seconds_compile": 9.0}}})
    whole = report.merge(tmp_path, {"csim": {"native": CSIM}})
    assert "seconds_compile" not in whole["csim"]["native"]


def test_model_merges_by_figure_with_its_kinds(tmp_path: Path) -> None:
    counts = {"parameters": 10, "nonzeros": 4, "command": "make hls", "kind": "measured"}
    report.merge(tmp_path, {"model": counts})
    accuracy = {"accuracy": {"10": 0.9}, "command": "make evaluate", "kind": {"accuracy": "published"}}
    model = report.merge(tmp_path, {"model": accuracy})["model"]
    assert model["parameters"] == 10
    assert model["kind"] == {"parameters": "measured", "nonzeros": "measured", "accuracy": "published"}
    model = report.merge(tmp_path, {"model": {**accuracy, "kind": "measured"}})["model"]
    assert model["kind"] == "measured"


def test_numpy_numbers_and_number_keys_become_plain_json(tmp_path: Path) -> None:
    item = {"accuracy": {np.int64(10): np.float32(0.5)}, "parameters": np.int64(3), "command": "x", "kind": "measured"}
    report.merge(tmp_path, {"model": item})
    model = json.loads((tmp_path / "report.json").read_text())["model"]
    assert model["accuracy"] == {"10": 0.5}
    assert model["parameters"] == 3


def test_texts_become_printable_lines(tmp_path: Path) -> None:
    """A command names a file whose name is no UTF-8: what is written can be read again."""
    command = "hw-amc hls x --data " + os.fsdecode(b"a\xff\n.h5")
    assert report.merge(tmp_path, {"golden": {**CSIM, "command": command}}) == report.load(tmp_path)
    assert report.load(tmp_path)["golden"]["command"] == "hw-amc hls x --data a\\xff\\x0a.h5"


def test_a_run_removes_what_not_run_said_of_it(tmp_path: Path) -> None:
    missing = {"reason": "vitis_hls is not on PATH", "command": "make hls"}
    report.merge(tmp_path, {"not_run": {"cosim": missing, "cosim.icarus": missing, "hls.csynth": missing}})
    whole = report.merge(tmp_path, {"cosim": {"verilator": CSIM}})
    assert set(whole["not_run"]) == {"cosim.icarus", "hls.csynth"}
    csynth = {"tool": "vitis_hls", "lut": 41000, "command": "make hls", "kind": "estimated"}
    whole = report.merge(tmp_path, {"cosim": {"icarus": CSIM}, "hls": {"csynth": csynth}})
    assert "not_run" not in whole


BAD = [
    ({"csym": {"native": CSIM}}, "csym"),
    ({"csim": {"nativ": CSIM}}, "csim.nativ"),
    ({"csim": CSIM}, "csim.frames"),
    ({"csim": {"native": {**CSIM, "frame": 1}}}, "csim.native.frame;.*did you mean frames"),
    ({"csim": {"native": {**CSIM, "frames": 1.5}}}, "csim.native.frames"),
    ({"csim": {"native": {**CSIM, "frames": True}}}, "csim.native.frames"),
    ({"csim": {"native": {**CSIM, "frames_per_s": float("nan")}}}, "frames_per_s"),
    ({"csim": {"native": {**CSIM, "kind": "guessed"}}}, "csim.native.kind"),
    ({"csim": {"native": {**CSIM, "kind": {"frames": "measured"}}}}, "csim.native.kind"),
    ({"csim": {"native": {key: value for key, value in CSIM.items() if key != "kind"}}}, "csim.native.kind"),
    ({"csim": {"native": {key: value for key, value in CSIM.items() if key != "command"}}}, "command"),
    ({"synth": {"pynq-z2": {**SYNTH, "uram": None, "command": "x", "kind": "measured"}}}, "uram.*leave out"),
    ({"synth": {"pynq z2": {**SYNTH, "command": "x", "kind": "measured"}}}, "synth.pynq z2"),
    ({"model": {"sparsity": 70.0, "command": "x", "kind": "measured"}}, "model.sparsity"),
    ({"model": {"accuracy": {"high": 0.5}, "command": "x", "kind": "measured"}}, "model.accuracy"),
    ({"bench": {"sim": {**CSIM, "wall_latency_us": {"p50": 1.0}}}}, "bench.sim"),
    ({"layers": {"gru": {}}}, "layers"),
    ({"layers": [{"op": "gru", "command": "x"}]}, r"layers\[0\]"),
    ({"layers": [{"name": "gru", "lut": -1, "command": "x", "kind": "estimated"}]}, r"layers\[0\].lut"),
]


@pytest.mark.parametrize(("section", "message"), BAD, ids=[message for _, message in BAD])
def test_what_does_not_fit_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path, section: Any, message: str
) -> None:
    report.merge(tmp_path, {"golden": CSIM})
    before = (tmp_path / "report.json").read_bytes()
    with pytest.raises(ConfigError, match=message) as caught:
        report.merge(tmp_path, section)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "report.json").read_bytes() == before


def _merge_one(folder: Path, index: int) -> None:
    report.merge(folder, {"bench": {f"device{index}": {"frames": index, "command": "x", "kind": "measured"}}})


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(_merge_one, [tmp_path] * 24, range(24)))
    assert len(report.load(tmp_path)["bench"]) == 24


def test_load_refuses_a_damaged_file_and_another_schema(tmp_path: Path) -> None:
    assert report.load(tmp_path) == {"schema": report.SCHEMA}
    (tmp_path / "report.json").write_text('{"schema": 99}')
    with pytest.raises(DataError, match="schema 99"):
        report.load(tmp_path)
    (tmp_path / "report.json").write_text('{"schema":')
    with pytest.raises(DataError, match="readable JSON"):
        report.merge(tmp_path, {"golden": CSIM})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"golden": {**CSIM, "kind": "<script>alert(1)</script>"}},
            "golden.kind must be measured, estimated, published",
        ),
        ({"golden": {**CSIM, "frames": "<b>"}}, "golden.frames must be a whole number"),
        ({"golden": [1]}, "golden must be a table"),
        ({"strange": CSIM}, "unknown section strange"),
        ({"graph_sha256": "<script>"}, "graph_sha256 must be 64 hex digits"),
        (
            {"layers": [{"name": "x", "formats": {"a": ["<b>"]}, "command": "c"}]},
            r"layers\[0\].formats must be a table",
        ),
    ],
)
def test_load_checks_what_somebody_wrote(tmp_path: Path, content: Any, message: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"schema": report.SCHEMA, **content}))
    with pytest.raises(DataError, match=f"report.json: report: .*{message}.*; remove it and run again"):
        report.load(tmp_path)
    with pytest.raises(DataError, match="remove it"):
        report.write_pages(tmp_path, "x")
    assert not (tmp_path / "report.html").exists()


@pytest.fixture(scope="module")
def graph() -> Graph:
    return gru_cnn_graph(np.random.default_rng(3), frame_len=16, cells=6, filters=(4, 3), sparsity=0.5)


@pytest.fixture(scope="module")
def board() -> BoardSettings:
    return load_board("pynq-z2", Path(__file__).parents[1] / "boards")


def test_model_section_counts_by_hand(graph: Graph) -> None:
    section = report.model_section(graph)
    # Kernels: GRU 2x18 and 6x18, convolutions 3x6x4 and 3x4x3. Beside them 36 + 4 + 3 biases, affines of 6 and 3.
    kernels = [graph["gru"].kernel, graph["gru"].recurrent, graph["conv1"].kernel, graph["conv2"].kernel]
    nonzeros = [int((kernel != 0).sum()) for kernel in kernels]
    assert section["kernel_weights"] == 36 + 108 + 72 + 36
    assert section["parameters"] == 252 + 43 + 18
    assert section["kernel_nonzeros"] == sum(nonzeros)
    assert section["nonzeros"] == sum(nonzeros) + 43 + 18
    assert section["sparsity"] == 1 - sum(nonzeros) / 252
    assert section["weight_bits"] == 8
    assert section["macs_per_frame"] == 16 * (36 + 108) + 16 * 72 + 8 * 36
    assert section["nonzero_macs_per_frame"] == 16 * sum(nonzeros[:3]) + 8 * nonzeros[3]
    # GRU biases have 8 bits, those of convolutions 12, affines 8 and 18.
    assert section["memory_bytes"] == -(-(8 * sum(nonzeros) + 8 * 36 + 12 * 7 + 9 * (8 + 18)) // 8)
    assert section["graph_sha256"] == graph.digest()


def test_model_section_takes_the_accuracy(graph: Graph, tmp_path: Path) -> None:
    found = {"eval_set": {"frames": 960}, "accuracy": {"0": 0.5}, "average": 0.5, "at_least_10_db": 0.9}
    section = report.model_section(graph, {**found, "kind": "measured"}, "make evaluate")
    model = report.merge(tmp_path, {"model": section})["model"]
    assert model["accuracy"] == {"0": 0.5}
    assert model["accuracy_at_least_10_db"] == 0.9
    assert model["eval_set"] == {"frames": 960}
    assert model["kind"] == "measured"


def test_layers_section_fits_and_adds_up(graph: Graph, board: BoardSettings, tmp_path: Path) -> None:
    layers = report.layers_section(graph, HlsSettings(), board)
    assert report.merge(tmp_path, {"layers": layers})["layers"] == layers
    assert [layer["name"] for layer in layers] == [node.name for node in graph.nodes[1:]]
    assert sum(layer["macs"] for layer in layers) == report.model_section(graph)["macs_per_frame"]
    gru = next(layer for layer in layers if layer["op"] == "gru")
    assert gru["weights"] == 144
    assert gru["formats"]["output"] == "s8.7"
    assert gru["kind"]["lut"] == "estimated"
    assert gru["kind"]["nonzeros"] == "measured"


@pytest.fixture
def build(graph: Graph, board: BoardSettings, tmp_path: Path) -> Any:
    folder = tmp_path / "a_model" / "build"
    graph.save(folder.parent)
    estimated = estimate.hls(graph, HlsSettings(), board)
    report.merge(
        folder,
        {
            "model": report.model_section(graph),
            "layers": report.layers_section(graph, HlsSettings(), board),
            "csim": {"ap_fixed": CSIM},
            "estimate": {"hls": estimated.section("make hls", estimate.sweep(graph, HlsSettings(), board, [1, 2, 6]))},
            "not_run": {"hls.csynth": {"reason": "vitis_hls <is> not on PATH", "command": "make hls"}},
            "steps": {"csim": {"seconds": 12.6, "command": "make hls", "kind": "measured"}},
        },
    )
    return folder


def chapter_titles(folder: Path) -> Any:
    page = (folder / "report.md").read_text()
    return [line[3:] for line in page.splitlines() if line.startswith("## ")]


def test_pages_say_what_is_there_and_leave_out_the_rest(build: Any) -> None:
    markdown, html = report.write_pages(build, "a model")
    assert chapter_titles(build) == [
        "Speed",
        "The network",
        "Layer by layer",
        "What was proven",
        "What it takes of the board",
        "What a reuse factor would cost",
        "How long each step took",
        "Versions and digests",
        "Files",
    ]
    text, page = markdown.read_text(), html.read_text()
    assert "Equal in every integer, on up to 64 frames." in text
    assert "Equal in every integer, on up to 64 frames." in page
    assert "vitis_hls &lt;is&gt; not on PATH" in page
    for picture in ("reuse", "resources", "network"):
        assert f"report_pictures/{picture}.svg" in text
        ElementTree.fromstring((build / "report_pictures" / f"{picture}.svg").read_text())
    # One file that works offline: nothing is fetched.
    assert page.count("<figure>") == 3
    assert not re.search(r"src=|<link|<script|@import|url\((?!#)", page)
    assert all((build / target).is_file() for target in re.findall(r'<a href="([^#"]+)"', page))


def test_pages_show_accuracy_with_the_published_points_apart(build: Any, graph: Graph) -> None:
    classes = len(graph.classes[0])
    accuracy = {"accuracy": {"-10": 0.3, "0": 0.5, "10": 0.91}, "at_least_10_db": 0.91, "average": 0.57}
    confusion = {"10": (10 * np.eye(classes) + 1).tolist()}
    document = {**accuracy, "eval_set": {"frames": 960}, "confusion": confusion, "kind": "measured"}
    (build.parent / "accuracy.json").write_text(json.dumps(document))
    report.merge(build, {"model": {"name": "gru_cnn_sparse07", "command": "x"}})
    text = report.write_pages(build, "a model")[0].read_text()
    assert "91.0 % at 10 dB and above" in text
    assert "84.6 % at 10 dB" in text
    assert "| GRU-CNN with 80 cells, sparsity 0.7 | 8,210 | 60.88 % | 95.95 % | 8.2 kB |" in text
    assert "(real data), published" in text


def test_a_mismatch_is_the_headline(build: Any) -> None:
    report.merge(build, {"csim": {"native": {**CSIM, "mismatches": 3}}})
    text = report.write_pages(build, "a model")[0].read_text()
    assert "**Not equal: Keras = C-simulation (native integers) fails in 3 places.**" in text


def test_an_empty_report_gives_an_empty_page(tmp_path: Path) -> None:
    markdown, _ = report.write_pages(tmp_path / "build", "nothing yet")
    assert "Nothing has been compared yet." in markdown.read_text()
    assert chapter_titles(tmp_path / "build") == []


def test_summary_in_the_terminal(build: Any) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    report.print_summary(console, report.load(build))
    text = console.export_text()
    assert "Equal in every integer, on up to 64 frames." in text
    assert "not run: hls.csynth: vitis_hls <is> not on PATH" in text
    assert "gru_affine" in text
    assert "HLS estimate, pynq-z2" in text


def test_figures_of_another_network_are_dropped(tmp_path: Path) -> None:
    run = {"frames": 64, "mismatches": 0, "command": "hw-amc csim x", "kind": "measured"}
    report.merge(tmp_path, {"csim": {"native": run}}, network="a" * 64)
    kept = report.merge(tmp_path, {"golden": run}, network="a" * 64)
    assert "csim" in kept
    anew = report.merge(tmp_path, {"golden": run}, network="b" * 64)
    assert "csim" not in anew
    assert anew["graph_sha256"] == "b" * 64


HOSTILE = "<script>alert('1')</script> [bold]x[/bold] [/] | `a` $x_$ \x1b[31m\n"


def test_words_of_others_are_shown_as_they_are_and_do_nothing(build: Any) -> None:
    """In the command, the reason, the tool, the data set, the title, the name of a class and that of a layer."""
    layer = {"name": HOSTILE, "op": "gru", "command": "c"}
    report.merge(
        build,
        {
            "golden": {**CSIM, "command": HOSTILE, "reference": HOSTILE},
            "not_run": {"hls": {"reason": HOSTILE, "command": HOSTILE}},
            "synth": {"pynq-z2": {**SYNTH, "tool": HOSTILE, "command": "c", "kind": "measured"}},
            "layers": [layer],
        },
    )
    whole = json.loads((build.parent / "graph.json").read_text())
    whole["classes"] = [[HOSTILE, *whole["classes"][0][1:]]]
    (build.parent / "graph.json").write_text(json.dumps(whole))
    accuracy = {"accuracy": {"10": 0.5}, "confusion": {"10": np.eye(3).tolist()}, "eval_set": {HOSTILE: HOSTILE}}
    (build.parent / "accuracy.json").write_text(json.dumps({**accuracy, "kind": HOSTILE}))
    markdown, html = report.write_pages(build, HOSTILE)
    page, text = html.read_text(), markdown.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt; [bold]x[/bold] [/] |" in page
    assert "\\x1b[31m\\x0a" in page
    assert not re.search(r"(?<!\\)<script", text)
    assert "\x1b" not in page + text
    console = Console(width=400, record=True, file=io.StringIO())
    report.print_summary(console, report.load(build))
    assert "[bold]x[/bold] [/] | `a` $x_$ \\x1b[31m\\x0a" in console.export_text()


def test_a_network_without_multipliers_is_drawn(build: Any, graph: Graph, board: BoardSettings) -> None:
    """No DSP at reuse factor 1 and none of some resource at all: a zero has no place on a logarithmic axis."""
    rows = estimate.sweep(graph, HlsSettings(), board, [1, 2, 6])
    for row in rows:
        row["percent"] |= {"dsp": 0.0 if row["reuse_factor"] < 6 else 1.2, "bram36": 0.0}
    report.merge(build, {"estimate": {"hls": estimate.hls(graph, HlsSettings(), board).section("make hls", rows)}})
    assert "reuse" in report.write_pages(build, "x")[0].read_text()
    for row in rows:
        row["percent"] = dict.fromkeys(row["percent"], 0.0)
    report.merge(build, {"estimate": {"hls": estimate.hls(graph, HlsSettings(), board).section("make hls", rows)}})
    report.write_pages(build, "x")


def test_every_head_is_reported(tmp_path: Path) -> None:
    graph = mtl_graph(np.random.default_rng(1))
    heads = [
        {"accuracy": {"0": low, "10": high}, "average": average, "at_least_10_db": high, "confusion": {"10": matrix}}
        for low, high, average, matrix in ((0.5, 0.9, 0.7, np.eye(3).tolist()), (0.3, 0.8, 0.55, np.eye(4).tolist()))
    ]
    whole = {"accuracy": {"0": 0.2, "10": 0.75}, "average": 0.48, "at_least_10_db": 0.75, "confusion": {}}
    accuracy = {**whole, "heads": heads}
    folder = tmp_path / "mtl" / "build"
    graph.save(folder.parent)
    (folder.parent / "accuracy.json").write_text(json.dumps({**accuracy, "kind": "measured"}))
    model = report.merge(folder, {"model": report.model_section(graph, accuracy, "make hls")})["model"]
    assert model["heads"] == [
        {"name": "head0", "classes": 3, "accuracy": heads[0]["accuracy"], "average_accuracy": 0.7,
         "accuracy_at_least_10_db": 0.9},
        {"name": "head1", "classes": 4, "accuracy": heads[1]["accuracy"], "average_accuracy": 0.55,
         "accuracy_at_least_10_db": 0.8},
    ]  # fmt: skip
    text = report.write_pages(folder, "mtl")[0].read_text()
    assert "| head0 | 3 | 70.0 % | 90.0 % |" in text
    assert "| head1 | 4 | 55.0 % | 80.0 % |" in text
    assert "48.0 % average over all SNR" in text
    for picture in ("accuracy", "confusion-head0", "confusion-head1"):
        assert (folder / "report_pictures" / f"{picture}.svg").is_file()


def test_an_image_counts_every_place_of_its_kernel(tmp_path: Path) -> None:
    """27 weights at 6 x 6 places: 972 multiplications, and a matrix of dense weights once."""
    graph = mtl_graph(np.random.default_rng(1))
    section = report.model_section(graph)
    trunk, conv = graph["trunk"], graph["conv0"]
    assert (trunk.arrays()["kernel"].size, trunk.shape) == (27, (6, 6, 3))
    by_hand = 972 + sum(
        node.arrays()["kernel"].size * (np.prod(node.shape[:2]) if node.op == "conv2d" else 1)
        for node in graph.nodes
        if node.arrays() and node is not trunk
    )
    assert section["macs_per_frame"] == by_hand
    assert conv.shape[:2] == (3, 4)
