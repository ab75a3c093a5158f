"""The HLS flow through its real entry point, on a small network: every step, resumed, broken, and locked."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import deployed
import numpy as np
import pytest
from command_line import run

from hw_amc import compress
from hw_amc.errors import ToolMissing
from hw_amc.files import exclusive
from hw_amc.flows.hls import HlsFlow
from hw_amc.flows.rtl import RtlFlow
from hw_amc.models import MODELS, GruCnnSpec

ROOT = Path(__file__).parents[1]
SPEC = GruCnnSpec("small", 6, frame=(32, 2))
FRAMES = "5"
PROJECT = "hls_projects/small/build/vitis/pynq-z2"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one small trained model, whose flow ran once."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(ROOT / "boards", root / "boards", ignore=shutil.ignore_patterns("notebooks"))
    folder = root / "hls_projects" / "small"
    folder.mkdir(parents=True)
    (folder / "project.toml").write_text("[hls.layers.gru]\nreuse_factor = 1\n")
    rng = np.random.default_rng(5)
    model = deployed.untrained(SPEC)
    for layer in model.layers:
        layer.set_weights([deployed.FILLS["sparse"](rng, w.shape).astype(np.float32) for w in layer.get_weights()])
    compress.save_deployed(model, folder / "weights.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW_AMC_ROOT", str(root))
        run("graph", "small", "--update")
        run("hls", "small", "--frames", FRAMES)
    return root


@pytest.fixture(autouse=True)
def _use_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(root))


def report(root: Path) -> dict:
    return json.loads((root / "hls_projects" / "small" / "build" / "report.json").read_text())


def test_every_step_left_its_result(root: Path) -> None:
    found = report(root)
    assert found["csim"]["ap_fixed"]["mismatches"] == 0
    assert found["csim"]["ap_fixed"]["frames"] == int(FRAMES)
    assert found["csim"]["ap_fixed"]["integers"] == found["golden"]["integers"] > 0
    assert found["model"]["nonzeros"] < found["model"]["parameters"]
    assert {layer["name"] for layer in found["layers"]} >= {"gru", "conv1", "conv2", "head"}
    assert set(found["steps"]) == {"graph", "golden", "project", "csim", "vendor", "report"}
    build = root / "hls_projects" / "small" / "build"
    assert "small" in (build / "report.html").read_text()
    assert (build / "report.md").is_file()


def test_without_a_vendor_tool_one_line_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("hls", "small", "--frames", FRAMES, "--start", "vendor", "--stop", "vendor") == 0
    assert "not on PATH" in capsys.readouterr().out
    assert "hls" in report(root)["not_run"]


def test_the_long_regression_runs_the_native_build(root: Path) -> None:
    assert run("csim", "small", "--frames", "70") == 0
    assert report(root)["csim"]["native"]["frames"] == 70
    assert report(root)["csim"]["native"]["mismatches"] == 0


def test_one_step_can_be_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("hls", "small", "--frames", FRAMES, "--start", "golden", "--stop", "golden") == 0
    said = capsys.readouterr().out
    assert "golden" in said
    assert "csim     " not in said


def test_other_weights_than_the_graphs_are_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "hls_projects" / "small" / "graph.json"
    whole = path.read_text()
    path.write_text(whole.replace('"weights_digest": "', '"weights_digest": "00'))
    try:
        assert run("hls", "small") == 7
    finally:
        path.write_text(whole)
    assert "made from other weights" in capsys.readouterr().err


def test_a_graph_that_is_not_the_weights_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root / "hls_projects" / "small"
    saved = {name: (folder / name).read_bytes() for name in ("graph.json", "graph.npz")}
    from hw_amc.graph import Graph

    graph = Graph.load(folder)
    conv = graph["conv1"]
    kernel = conv.arrays()["kernel"].copy()
    kernel[0, 0, 0] ^= 1
    graph.replace_node(replace(conv, kernel=kernel)).save(folder)  # type: ignore[call-arg]
    try:
        assert run("hls", "small") == 7
    finally:
        for name, data in saved.items():
            (folder / name).write_bytes(data)
    assert "is not what weights.h5" in capsys.readouterr().err


def test_a_changed_kernel_fails_and_names_the_layer(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One bit of one number in the generated C++: the comparison finds it and the exit code says so."""
    firmware = root / PROJECT / "firmware"
    code = firmware / "products.h"
    text = code.read_text()
    start = text.index("struct gru_product ")
    found = re.compile(r"add<[^>]*>\(x\[\d+\], (\d+)").search(text, start)
    assert found is not None
    code.write_text(text[: found.start(1)] + str(int(found[1]) ^ 1) + text[found.end(1) :])
    try:
        assert run("hls", "small", "--frames", FRAMES, "--start", "csim", "--stop", "csim") == 7
        assert "products.h is not what weights.h5 and project.toml give; run `hw-amc hls" in capsys.readouterr().err
        assert run("csim", "small", "--frames", FRAMES, "--edited") == 6
    finally:
        code.write_text(text)
    said = " ".join(capsys.readouterr().err.split())
    assert "layer gru, frame " in said
    assert "golden " in said or "Keras " in said
    assert "C-sim (" in said


def test_what_a_stranger_put_into_the_build_folder_is_not_run(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen before: `csim` compiled and loaded whatever lay there, also a header of the system's name."""
    folder, marker = root / PROJECT, tmp_path / "ran"
    code, header = folder / "hw_amc_csim.cpp", folder / "native" / "cstddef"
    ran = f'#include <cstdlib>\nstatic int stranger = system("touch {marker}");\n'
    text = code.read_text()
    code.write_text(ran + text)
    try:
        assert run("csim", "small", "--frames", "2") == 7
        assert "hw_amc_csim.cpp is not what weights.h5 and project.toml give" in capsys.readouterr().err
    finally:
        code.write_text(text)
    header.write_text("#pragma once\n#include_next <cstddef>\n" + ran)
    try:
        assert run("csim", "small", "--frames", "2") == 7
        assert "native/cstddef is no file of the project; delete it" in capsys.readouterr().err
        assert not marker.exists()
        assert run("csim", "small", "--frames", "2", "--edited") == 0
        assert marker.exists()
    finally:
        header.unlink()
    assert "as it lay in the build folder" in report(root)["csim"]["native"]["reference"]


def test_libraries_in_the_build_folder_are_not_loaded(root: Path) -> None:
    """They lie in the user's cache, with a digest of what was compiled."""
    assert run("csim", "small", "--frames", "2") == 0
    assert list((root / "hls_projects" / "small" / "build").rglob("*.so")) == []


def test_a_second_run_on_the_same_model_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive(root / "hls_projects" / "small" / "build", "another"):
        assert run("hls", "small") == 2
    assert "already running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["hls", "gru_cnn_spars07"], 2, "did you mean gru_cnn_sparse07"),
        (["hls", "small", "--board", "pynq-z9"], 2, "did you mean pynq-z"),
        (["hls", "small", "--start", "synth"], 2, "the steps are graph, golden"),
        (["hls", "small", "--start", "csim", "--stop", "graph"], 2, "comes behind"),
        (["hls", "untrained"], 7, "hw-amc train untrained"),
        (["csim", "small", "--backend", "Vivado"], 7, "run `hw-amc hls small` first"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MODELS, "untrained", GruCnnSpec("untrained", 4))
    assert run(*arguments) == code
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said


def test_help_is_fast_and_complete() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "hw_amc", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for command in ("hls", "csim", "graph", "train", "estimate", "report", "data", "models"):
        assert command in done.stdout
    assert "tensorflow" not in done.stderr
    assert "hls4ml" not in done.stderr


@pytest.fixture(scope="module")
def tiny(root: Path) -> Path:
    """The same model under a name that Verilog leaves to us: `small` is a word of its own."""
    folder = root / "hls_projects" / "tiny"
    folder.mkdir()
    for name in ("weights.h5", "project.toml"):
        shutil.copy(root / "hls_projects" / "small" / name, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW_AMC_ROOT", str(root))
        assert run("graph", "tiny", "--update") == 0
    return folder / "build"


@pytest.mark.cosim
def test_the_rtl_flow(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verilog with two lanes, and a simulation of one: what each command leaves."""
    wide = ("--board", "zcu104", "--cycles-per-step", "4", "--lanes", "2")
    assert run("rtl", "small", *wide) == 2
    assert "the language's own words" in capsys.readouterr().err
    assert run("rtl", "tiny", *wide) == 0
    assert "(R marked *)" in capsys.readouterr().out
    assert (tiny / "rtl" / "zcu104" / "tiny_lane.v").is_file()
    assert run("synth", "tiny", *wide, "--blocks") == 2
    assert "one lane" in capsys.readouterr().err
    assert run("cosim", "tiny", "--fast", "--frames", "40") == 0
    found = json.loads((tiny / "report.json").read_text())["cosim"]["verilator"]
    assert (found["frames"], found["mismatches"]) == (40, 0)
    assert found["cycles_per_frame"] == found["predicted_cycles_per_frame"]
    assert found["R"] == 1
    assert set(found["versions"]) == {"verilator", "make", "g++"}


@pytest.mark.slow
def test_synthesis_block_by_block(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("synth", "tiny", "--board", "zcu104", "--cycles-per-step", "4", "--blocks", "--route") == 0
    found = json.loads((tiny / "report.json").read_text())["synth"]["zcu104"]
    assert sum(block["ff"] for block in found["blocks"]) == found["ff"]
    printed = capsys.readouterr().out
    assert "conv1_relu" in printed
    assert "Placed and routed on an ECP5-85F" in printed
    assert all("fmax_mhz" in row or "reason" in row for row in found["routed"])


def test_no_file_of_the_model_stands_for_keras(root: Path) -> None:
    """Seen before: "equal Keras" from a planted file of the build folder, and Keras never ran."""
    assert not list((root / "hls_projects" / "small" / "build").glob("**/*keras*.npz"))


def test_accuracy_of_other_weights_is_not_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seen before: figures of an accuracy.json copied from another model, as measured."""
    folder = root / "hls_projects" / "small"
    accuracy = json.loads((ROOT / "hls_projects" / "gru_cnn_c40" / "accuracy.json").read_text())
    (folder / "accuracy.json").write_text(json.dumps(accuracy))
    try:
        run("hls", "small", "--frames", FRAMES, "--stop", "graph")
        said = capsys.readouterr().out.replace("\n", " ")
        assert "no accuracy is shown: accuracy.json is of other weights than weights.h5" in said
        assert "accuracy" not in report(root)["model"]
        run("report", "small")
        pages = (folder / "build" / "report.md").read_text()
        assert "Not shown: accuracy: accuracy.json is of other weights than weights.h5" in pages
        assert f"{100 * accuracy['at_least_10_db']:.1f}" not in pages
        accuracy["weights_sha256"] = hashlib.sha256((folder / "weights.h5").read_bytes()).hexdigest()
        (folder / "accuracy.json").write_text(json.dumps(accuracy))
        run("hls", "small", "--frames", FRAMES, "--stop", "graph")
        assert report(root)["model"]["accuracy"] == accuracy["accuracy"]
    finally:
        (folder / "accuracy.json").unlink()


@pytest.mark.parametrize(
    ("command", "having", "missing"),
    [
        (("hls", "--frames", FRAMES), ("make",), "g++ is not on PATH; install a C++ compiler: apt-get install g++"),
        (("csim", "--frames", "70"), ("make",), "g++ is not on PATH; install a C++ compiler: apt-get install g++"),
        (("cosim",), ("make",), "g++ is not on PATH; install a C++ compiler: apt-get install g++"),
        (("cosim", "--fast"), ("g++",), "make is not on PATH; apt-get install make"),
        (("cosim",), ("g++", "make"), "iverilog is not on PATH; apt-get install iverilog"),
        (("bench",), ("make",), "g++ is not on PATH; install a C++ compiler: apt-get install g++"),
        (("bench", "--selftest"), ("g++",), "make is not on PATH; apt-get install make"),
    ],
)
def test_a_missing_program_is_named_before_the_work(
    command: tuple[str, ...],
    having: tuple[str, ...],
    missing: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in having:
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))

    def work(flow: object) -> None:
        raise AssertionError("the slow work began")

    for kind, name in ((RtlFlow, "accelerator"), (HlsFlow, "keras")):
        monkeypatch.setattr(kind, name, property(work))
    assert run(command[0], "small", *command[1:]) == ToolMissing.exit_code == 4
    said = capsys.readouterr()
    assert said.err == f"error: {missing}\n"
    assert "✓" not in said.out
