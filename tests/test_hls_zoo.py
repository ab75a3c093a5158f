"""Networks of docs/models.md, from the float Keras model to C++: small ones of random weights, whole ones on demand."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hls_project
import numpy as np
import pytest
from test_rtl_zoo import CLASSES, NETWORKS, SIZES

from hw_amc import hls
from hw_amc.graph import golden
from hw_amc.hls import csim, estimate
from hw_amc.models import MODELS, drcnn, gru_cnn, mtl, vtcnn2
from hw_amc.verify import equality
from hw_amc.verify.keras import KerasReference

BENCH = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "zoo_csim.py"))
#: Of a layer.
MULTIPLIERS = 16
TWO = (("a", "b", "c"), ("d", "e"))
#: Sizes that stand in the modules of the networks, in small.
SMALL = SIZES | {gru_cnn: {"CONV_FILTERS": 3}, mtl: {"SIDE": 8, "UNITS": 5}}
#: Network -> its spec in small; GRU-CNNs, and GRUs alone, differ by their sizes.
SPECS: dict[str, Callable[[], Any]] = {
    **{name: build for name, (build, _) in NETWORKS.items()},
    "gru_cnn": lambda: gru_cnn.GruCnnSpec("gru_cnn", 4, classes=CLASSES, frame=(16, 2)),
    "mtl": lambda: mtl.MtlSpec("mtl", classes=TWO, frame=(32, 2)),
    "vtcnn_mtl": lambda: vtcnn2.Vtcnn2Spec("vtcnn_mtl", classes=TWO, frame=(16, 2)),
    "drcnn_mtl": lambda: drcnn.DrcnnSpec("drcnn_mtl", classes=TWO, frame=(32, 2)),
}
#: Those that take longest, on demand.
LONG = {"gru_cnn", "oshea_resnet", "lightweight", "mcnet"}


def require_equal(folder: Path, spec: Any, frames: int) -> None:
    """Keras = golden = C-sim in every integer of every layer."""
    model, graph = BENCH["deployed"](spec)
    layers = [node.name for node in graph.nodes[1:]]
    low, high = graph.input.fmt.min_raw, graph.input.fmt.max_raw
    wire = np.random.default_rng(1).integers(low, high + 1, (frames, *graph.input.shape)).astype(np.int16)
    tensors = golden.run(graph, wire, layers)
    equality.require_equal(graph, ("Keras", "golden"), KerasReference(model, graph).run(wire, layers), tensors)
    assert all(len(np.unique(tensors[head])) > 2 for head in graph.outputs)  # or it would prove nothing
    heads = {name: tensors[name] for name in graph.outputs}
    target = hls.Target("Vitis", hls_project.PART, 8.0, estimate.sharing(graph, MULTIPLIERS))
    hls.build_project(model, graph, target, wire, heads).write(folder)
    hls_project.require_equal(folder, graph, wire, tensors, "native")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in SPECS])
def test_a_small_network_of_the_zoo_is_keras_in_cpp(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, sizes in SMALL.items():
        for field, size in sizes.items():
            monkeypatch.setattr(module, field, size)
    monkeypatch.setitem(csim.FLAVOURS, "native", ("-O0", *csim.FLAVOURS["native"][1:]))
    require_equal(tmp_path, SPECS[name](), 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_whole_network_of_the_zoo_is_keras_in_cpp(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Keras' first weights, as `benchmarks/zoo_csim.py` measures it."""
    monkeypatch.setitem(csim.FLAVOURS, "native", (BENCH["OPTIMISE"], *csim.FLAVOURS["native"][1:]))
    assert BENCH["measure"](name, tmp_path, 2)["mismatches"] == 0
