"""Networks of other classes, frames and heads than the lead model's through the whole command line."""

from __future__ import annotations

import json
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


#: Model -> how it is built, `classes` in its project.toml, and the names of the heads' classes.
MODELS: dict[str, tuple[Callable[[], Any], str, tuple[tuple[str, ...], ...]]] = {
    "eleven": (eleven_classes, '"radioml2016"', (CLASS_SETS["radioml2016"].heads[0].classes,)),
    "heads": (
        two_heads,
        '[["BPSK", "QPSK", "hopping"], ["radio", "radar"]]',
        (("BPSK", "QPSK", "hopping"), ("radio", "radar")),
    ),
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


@pytest.mark.cosim
@pytest.mark.parametrize("model", MODELS)
def test_every_command_takes_any_classes_and_heads(root: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    classes = MODELS[model][2]
    logits = sum(map(len, classes))
    assert run("graph", model, "--update") == 0, capsys.readouterr().err
    graph = Graph.load(root / "hls_projects" / model)
    assert graph.classes == classes

    assert run("hls", model, "--frames", "5") == 0, capsys.readouterr().err
    found = report_of(root, model)
    assert [head["classes"] for head in found["model"]["heads"]] == [len(names) for names in classes]
    assert (found["golden"]["mismatches"], found["csim"]["ap_fixed"]["mismatches"]) == (0, 0)
    # Every layer's integers, those of all heads among them.
    assert found["csim"]["ap_fixed"]["integers"] == 5 * sum(int(np.prod(node.shape)) for node in graph.nodes[1:])
    assert ("no labels" in found["golden"]["reference"]) is (model == "heads")

    assert run("rtl", model) == 0, capsys.readouterr().err
    manifest = json.loads((root / "hls_projects" / model / "build" / "rtl" / "pynq-z2" / "manifest.json").read_text())
    assert [tuple(head["classes"]) for head in manifest["heads"]] == list(classes)

    assert run("cosim", model) == 0, capsys.readouterr().err
    for simulator in ("verilator", "icarus"):
        section = report_of(root, model)["cosim"][simulator]
        assert section["mismatches"] == 0
        assert section["cycles_per_frame"] == section["predicted_cycles_per_frame"]

    assert run("bench", model, "--frames", "6") == 0, capsys.readouterr().err
    bench = report_of(root, model)["bench"]["sim"]
    assert (bench["frames"], bench["mismatches"]) == (6, 0)
    assert bench["bytes_per_frame"] == pytest.approx(4 * (graph.frame_len + 1 + logits))

    assert run("report", model) == 0
    said = capsys.readouterr().out
    for name in graph.outputs:
        assert name in said
