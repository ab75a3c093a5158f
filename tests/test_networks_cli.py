"""Networks of other classes, frames and heads than the lead model's through the whole command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
from command_line import run

from hw_amc import compress
from hw_amc.graph import Graph
from hw_amc.radio.classes import CLASS_SETS

ROOT = Path(__file__).parents[1]


def _body(frame_len: int) -> tuple[Any, Any]:
    """Input and pooled features of a small convolutional network."""
    from tensorflow import keras

    x = inputs = keras.Input((frame_len, 2), name="frames")
    for layer in (
        deployed.act("iq", integer=1),
        deployed.conv1d("conv", 3, 3),
        deployed.relu("conv_relu", integer=1),
        keras.layers.GlobalAveragePooling1D(name="gap"),
        deployed.act("gap_quant"),
    ):
        x = layer(x)
    return inputs, x


def eleven_classes() -> Any:
    """RadioML 2016.10A: 11 classes, frames of 128 samples."""
    from tensorflow import keras

    inputs, x = _body(128)
    return keras.Model(inputs, deployed.dense("head", 11)(x))


def two_heads() -> Any:
    """Frames of 32 samples, a head of 3 classes and one of 2."""
    from tensorflow import keras

    inputs, x = _body(32)
    return keras.Model(inputs, [deployed.dense("modulation", 3)(x), deployed.dense("kind", 2)(x)])


TWO = (("BPSK", "QPSK", "hopping"), ("radio", "radar"))
#: Model -> how it is built, `classes` in its project.toml, and the names of the heads' classes.
MODELS: dict[str, tuple[Callable[[], Any], str, tuple[tuple[str, ...], ...]]] = {
    "eleven": (eleven_classes, '"radioml2016"', (CLASS_SETS["radioml2016"].heads[0].classes,)),
    "heads": (two_heads, json.dumps(TWO), TWO),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with both models, as users save theirs."""
    root = tmp_path_factory.mktemp("root")
    (root / "boards").symlink_to(ROOT / "boards")
    for name, (build, classes, _) in MODELS.items():
        folder = root / "hls_projects" / name
        folder.mkdir(parents=True)
        (folder / "project.toml").write_text(f"classes = {classes}\n[rtl]\ncycles_per_step = 2\n")
        compress.save_deployed(deployed.fill(build(), "sparse"), folder / "weights.h5")
    return root


@pytest.fixture(autouse=True)
def _use_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(root))


def report_of(root: Path, model: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "hls_projects" / model / "build" / "report.json").read_text())
    return found


@pytest.fixture(scope="module")
def graphs(root: Path) -> dict[str, Graph]:
    """`hw-amc graph --update` of both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW_AMC_ROOT", str(root))
        for name in MODELS:
            assert run("graph", name, "--update") == 0
    return {name: Graph.load(root / "hls_projects" / name) for name in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_graphs_have_the_classes_of_project_toml(graphs: dict[str, Graph], model: str) -> None:
    assert graphs[model].classes == MODELS[model][2]


def test_other_classes_than_the_logits_are_one_line_that_names_project_toml(
    root: Path, graphs: dict[str, Graph], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = root / "hls_projects" / "unnamed"
    shutil.copytree(root / "hls_projects" / "eleven", folder, ignore=shutil.ignore_patterns("build"))
    (folder / "project.toml").write_text("[rtl]\ncycles_per_step = 2\n")
    assert run("graph", "unnamed", "--update") == 2
    said = capsys.readouterr().err
    assert "head 'head' gives 11 logits, and there are 24 class names" in said
    assert "`classes` in project.toml" in said
    assert said.count("\n") == 1


@pytest.mark.cosim
@pytest.mark.parametrize("model", MODELS)
def test_any_classes_and_heads_become_an_hls_project(root: Path, graphs: dict[str, Graph], model: str) -> None:
    graph, classes = graphs[model], MODELS[model][2]
    assert run("hls", model, "--frames", "4") == 0
    found = report_of(root, model)
    assert [head["classes"] for head in found["model"]["heads"]] == list(map(len, classes))
    assert [head["name"] for head in found["model"]["heads"]] == list(graph.outputs)
    assert (found["golden"]["mismatches"], found["csim"]["ap_fixed"]["mismatches"]) == (0, 0)
    labels = "radioml2016-v1, split 2, seed 2018" if model == "eleven" else "no labels: no recipe has"
    assert labels in found["golden"]["reference"]
    # Every integer of every layer.
    wanted = 4 * sum(int(np.prod(node.shape)) for node in graph.nodes[1:])
    assert found["csim"]["ap_fixed"]["integers"] == found["golden"]["integers"] == wanted


@pytest.mark.cosim
@pytest.mark.parametrize(("model", "options"), [("eleven", ("--fast", "--frames", "6")), ("heads", ())])
def test_rtl_cosim_and_bench_take_any_classes_and_heads(
    root: Path, graphs: dict[str, Graph], model: str, options: tuple[str, ...]
) -> None:
    graph, classes = graphs[model], MODELS[model][2]
    assert run("rtl", model) == 0
    manifest = json.loads((root / "hls_projects" / model / "build" / "rtl" / "pynq-z2" / "manifest.json").read_text())
    assert [tuple(head["classes"]) for head in manifest["heads"]] == list(classes)
    assert run("cosim", model, *options) == 0
    simulated = report_of(root, model)["cosim"]
    assert set(simulated) == ({"verilator"} if options else {"verilator", "icarus"})
    for section in simulated.values():
        assert section["mismatches"] == 0
        assert section["cycles_per_frame"] == section["predicted_cycles_per_frame"]
    assert run("bench", model, "--frames", "6") == 0
    bench = report_of(root, model)["bench"]["sim"]
    assert (bench["frames"], bench["mismatches"]) == (6, 0)
    assert bench["bytes_per_frame"] == 4 * (graph.frame_len + 1 + sum(map(len, classes)))
    assert run("report", model) == 0
