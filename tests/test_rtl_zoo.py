"""Networks of the zoo, in small, from the float Keras model to Verilog: deployed, built, simulated, equal to golden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rtl_bench import check

from hw_amc.compress.deploy import deploy
from hw_amc.config import RtlSettings
from hw_amc.graph import Graph
from hw_amc.graph.reader import build_graph
from hw_amc.models import drcnn, edge, gru2, hakimi, kim, mcnet, oshea_resnet, pet_cgdnn, vtcnn2

CLASSES = (tuple("abcdef"),)
#: Sizes that stand in the modules of the networks, in small.
SIZES: dict[Any, dict[str, Any]] = {
    vtcnn2: {"FIRST": 4, "SECOND": 3, "UNITS": 6},
    drcnn: {"FILTERS": (4, 3), "UNITS": (6, 5, 4)},
    pet_cgdnn: {"FIRST": 4, "SECOND": 3, "CELLS": 4},
    edge: {"FILTERS": 3, "UNITS": 6},
    oshea_resnet: {"STACKS": 3, "FILTERS": 3, "UNITS": 5},
    kim: {"STEM": (3, 4), "BLOCKS": ((4, 2), (5, 3), (6, 3))},
    mcnet: {
        "STEM": 4, "BRANCH": 2, "POINT": 2,
        "BLOCKS": {name: ((3, 3, 2), name in "ACE") for name in "ABCDE"} | {"F": ((4, 4, 3), False)},
    },
}  # fmt: skip
#: Network -> its spec, and whether it takes seconds.
NETWORKS: dict[str, tuple[Callable[[], Any], bool]] = {
    "hakimi": (lambda: hakimi.HakimiSpec("hakimi", (3, 4, 5), (4, 2, 2), classes=CLASSES, frame=(32, 2)), True),
    "vtcnn2": (lambda: vtcnn2.Vtcnn2Spec("vtcnn2", classes=CLASSES, frame=(16, 2)), True),
    "drcnn": (lambda: drcnn.DrcnnSpec("drcnn", classes=CLASSES, frame=(32, 2)), True),
    "pet_cgdnn": (lambda: pet_cgdnn.PetCgdnnSpec("pet_cgdnn", classes=CLASSES, frame=(16, 2)), False),
    "gru2": (lambda: gru2.Gru2Spec("gru2", 4, classes=CLASSES, frame=(16, 2)), False),
    "resnet": (lambda: edge.EdgeSpec("resnet", "resnet", classes=CLASSES, frame=(16, 2)), False),
    "inception": (lambda: edge.EdgeSpec("inception", "inception", classes=CLASSES, frame=(16, 2)), False),
    "oshea_resnet": (lambda: oshea_resnet.OsheaResnetSpec("oshea", classes=CLASSES, frame=(16, 2)), False),
    "lightweight": (lambda: kim.KimSpec("lightweight", classes=CLASSES, frame=(16, 2)), False),
    "mcnet": (lambda: mcnet.McnetSpec("mcnet", classes=CLASSES, frame=(128, 2)), False),
}


def deployed(name: str, patch: pytest.MonkeyPatch) -> Graph:
    """The network's graph, of random weights."""
    for module, sizes in SIZES.items():
        for field, size in sizes.items():
            patch.setattr(module, field, size)
    model, rng = NETWORKS[name][0]().build(), np.random.default_rng(5)
    for layer in model.layers:
        # Scales and variances are positive.
        is_norm = "normalization" in type(layer).__name__.lower()
        layer.set_weights([
            np.abs(rng.normal(0, 0.4, array.shape)) + 0.3 if is_norm and place in (0, 3)
            else rng.normal(0, 0.4, array.shape)
            for place, array in enumerate(layer.get_weights())
        ])  # fmt: skip
    frames = rng.uniform(-1, 1, (32, *model.input_shape[1:])).astype(np.float32)
    return build_graph(deploy(model, frames), name, list(CLASSES))


@pytest.mark.cosim
@pytest.mark.parametrize(
    "name", [name if quick else pytest.param(name, marks=pytest.mark.slow) for name, (_, quick) in NETWORKS.items()]
)
def test_a_small_network_of_the_zoo_is_goldens(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = deployed(name, monkeypatch)
    core, run = check(graph, RtlSettings(), tmp_path, frames=4)
    assert run.word_cycles[0] - run.frame_cycles[0] == core.latency_cycles
    check(graph, RtlSettings(), tmp_path, frames=3, busy=0.6, ready=0.4)
