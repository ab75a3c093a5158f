from __future__ import annotations

import numpy as np
import pytest
from networks import gru_cnn_graph, random_frames

from hw_amc.errors import Mismatch
from hw_amc.graph import golden
from hw_amc.verify import equality as compare

GRAPH = gru_cnn_graph(np.random.default_rng(3))
FRAMES = random_frames(np.random.default_rng(4), GRAPH, 5)
LAYERS = [node.name for node in GRAPH.nodes[1:]]


def tensors() -> dict[str, np.ndarray]:
    return golden.run(GRAPH, FRAMES, LAYERS)


def test_equal_tensors_are_counted() -> None:
    assert compare.require_equal(GRAPH, ("a", "b"), tensors(), tensors()) == sum(t.size for t in tensors().values())


def test_the_first_layer_in_graph_order_is_named() -> None:
    wrong = tensors()
    wrong["head"][0, 0] += 1
    wrong["conv1"][2, 3, 1] -= 1
    wrong["conv1"][4, 0, 0] -= 1
    value = tensors()["conv1"][2, 3, 1]
    with pytest.raises(Mismatch) as caught:
        compare.require_equal(GRAPH, ("Keras", "C-sim"), tensors(), wrong, first_frame=64)
    assert str(caught.value) == (
        f"layer conv1, frame 66, step 3, channel 1: Keras {value}, C-sim {value - 1} "
        "(2 of 320 integers of this layer differ)"
    )


def test_behind_the_pooling_there_is_no_step() -> None:
    wrong = tensors()
    wrong["head"][1, 2] += 7
    with pytest.raises(Mismatch, match="layer head, frame 1, channel 2:"):
        compare.require_equal(GRAPH, ("a", "b"), tensors(), wrong)


def test_missing_layers_and_shapes_are_mismatches() -> None:
    left, right = tensors(), tensors()
    del right["pool"]
    with pytest.raises(Mismatch, match=r"\['pool'\] are on one side only"):
        compare.require_equal(GRAPH, ("a", "b"), left, right)
    right = {**left, "pool": left["pool"][:1]}
    with pytest.raises(Mismatch, match="layer pool: shapes"):
        compare.require_equal(GRAPH, ("a", "b"), left, right)


def test_values_off_the_grid_are_mismatches() -> None:
    raw = tensors()["gru"]
    on_grid = {"gru": GRAPH["gru"].fmt.to_value(raw)}
    np.testing.assert_array_equal(compare.to_integers(GRAPH, on_grid)["gru"], raw)
    on_grid["gru"][0, 0, 0] += 2.0**-9
    with pytest.raises(Mismatch, match=r"layer gru at \(0, 0, 0\)"):
        compare.to_integers(GRAPH, on_grid)
