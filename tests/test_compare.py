from __future__ import annotations

import numpy as np
import pytest
from networks import gru_cnn_graph, mtl_graph, random_frames

from hw_amc.errors import Mismatch
from hw_amc.graph import golden
from hw_amc.verify.equality import require_equal, to_integers

GRAPH = gru_cnn_graph(np.random.default_rng(3))
FRAMES = random_frames(np.random.default_rng(4), GRAPH, 5)
LAYERS = [node.name for node in GRAPH.nodes[1:]]


def tensors() -> dict[str, np.ndarray]:
    return golden.run(GRAPH, FRAMES, LAYERS)


def test_equal_tensors_are_counted() -> None:
    assert require_equal(GRAPH, ("a", "b"), tensors(), tensors()) == sum(t.size for t in tensors().values())


def test_the_first_layer_in_graph_order_is_named() -> None:
    wrong = tensors()
    wrong["head"][0, 0] += 1
    wrong["conv1"][2, 3, 1] -= 1
    wrong["conv1"][4, 0, 0] -= 1
    value = tensors()["conv1"][2, 3, 1]
    with pytest.raises(Mismatch) as caught:
        require_equal(GRAPH, ("Keras", "C-sim"), tensors(), wrong, first_frame=64)
    assert str(caught.value) == (
        f"layer conv1, frame 66, step 3, channel 1: Keras {value}, C-sim {value - 1} "
        "(2 of 320 integers of this layer and 2 of 5 frames differ)"
    )


def test_behind_the_pooling_there_is_no_step_and_a_logit_is_of_a_class() -> None:
    for layer, place in (("gap", "channel 2"), ("head", rf"class 2 \({GRAPH.classes[0][2]}\)")):
        wrong = tensors()
        wrong[layer][1, 2] += 7
        with pytest.raises(Mismatch, match=f"layer {layer}, frame 1, {place}:"):
            require_equal(GRAPH, ("a", "b"), tensors(), wrong)


def test_a_place_in_an_image_has_row_column_and_channel() -> None:
    graph = mtl_graph(np.random.default_rng(2))
    frames = random_frames(np.random.default_rng(4), graph, 3)
    right = golden.run(graph, frames, ["trunk"])
    wrong = {"trunk": right["trunk"].copy()}
    wrong["trunk"][1, 2, 0, 1] -= 1
    value = right["trunk"][1, 2, 0, 1]
    with pytest.raises(Mismatch, match=rf"layer trunk, frame 1, row 2, column 0, channel 1: a {value}, b {value - 1} "):
        require_equal(graph, ("a", "b"), right, wrong)


def test_missing_layers_and_shapes_are_mismatches() -> None:
    left, right = tensors(), tensors()
    del right["pool"]
    with pytest.raises(Mismatch, match=r"\['pool'\] are on one side only"):
        require_equal(GRAPH, ("a", "b"), left, right)
    right = {**left, "pool": left["pool"][:1]}
    with pytest.raises(Mismatch, match="layer pool: shapes"):
        require_equal(GRAPH, ("a", "b"), left, right)


def test_values_off_the_grid_are_mismatches() -> None:
    raw = tensors()["gru"]
    on_grid = {"gru": GRAPH["gru"].fmt.to_value(raw)}
    np.testing.assert_array_equal(to_integers(GRAPH, on_grid)["gru"], raw)
    on_grid["gru"][0, 0, 0] += 2.0**-9
    with pytest.raises(Mismatch, match=r"layer gru at \(0, 0, 0\)"):
        to_integers(GRAPH, on_grid)
