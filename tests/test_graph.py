from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import gru_cnn_graph

from hw_amc import graph as ir
from hw_amc.errors import ConfigError, DataError, UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat


@pytest.fixture
def graph() -> Graph:
    return gru_cnn_graph(np.random.default_rng(7))


def test_saved_graph_loads_with_the_same_digest(graph: Graph, tmp_path: Path) -> None:
    graph.save(tmp_path)
    loaded = Graph.load(tmp_path)
    assert loaded.digest() == graph.digest()
    for node in graph.nodes:
        for key, array in node.arrays().items():
            np.testing.assert_array_equal(array, loaded[node.name].arrays()[key])


def test_saving_twice_gives_the_same_bytes(graph: Graph, tmp_path: Path) -> None:
    graph.save(tmp_path / "a")
    graph.save(tmp_path / "b")
    for name in ("graph.json", "graph.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_one_changed_weight_changes_the_digest(graph: Graph) -> None:
    conv = graph["conv1"]
    assert isinstance(conv, ir.Conv1d)
    kernel = conv.kernel.copy()
    kernel[0, 0, 0] ^= 1
    assert graph.replace_node(replace(conv, kernel=kernel)).digest() != graph.digest()


def test_arrays_of_another_graph_are_noticed(graph: Graph, tmp_path: Path) -> None:
    graph.save(tmp_path)
    other = tmp_path / "other"
    gru_cnn_graph(np.random.default_rng(8)).save(other)
    (other / "graph.npz").replace(tmp_path / "graph.npz")
    with pytest.raises(DataError, match=r"is not the array of graph\.json"):
        Graph.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 100])
def test_truncated_files_are_noticed(graph: Graph, tmp_path: Path, keep: int) -> None:
    graph.save(tmp_path)
    for name in ("graph.npz", "graph.json"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"graph\.json"):
            Graph.load(tmp_path)
        (tmp_path / name).write_bytes(whole)


def test_unknown_operation_and_schema_are_refused(graph: Graph, tmp_path: Path) -> None:
    graph.save(tmp_path)
    text = (tmp_path / "graph.json").read_text()
    (tmp_path / "graph.json").write_text(text.replace('"avg_pool1d"', '"median_pool"'))
    with pytest.raises(DataError, match="unknown operation 'median_pool'"):
        Graph.load(tmp_path)
    (tmp_path / "graph.json").write_text(json.dumps({**json.loads(text), "schema": 99}))
    with pytest.raises(DataError, match="schema 99"):
        Graph.load(tmp_path)


def test_verify_names_the_node(graph: Graph) -> None:
    conv = graph["conv1"]
    assert isinstance(conv, ir.Conv1d)
    with pytest.raises(DataError, match=r"'conv1' \(conv1d\): format u4\.0 cannot hold"):
        graph.replace_node(replace(conv, fmt=FixedFormat(4, 0, signed=False)))
    with pytest.raises(DataError, match=r"'conv1'.*outside its format"):
        graph.replace_node(replace(conv, kernel=conv.kernel + np.int32(1000)))
    with pytest.raises(DataError, match=r"'conv1'.*do not come before"):
        graph.replace_node(replace(conv, inputs=("head",)))


def test_mean_over_other_lengths_is_refused() -> None:
    nodes = (
        ir.Input("input", (), (12, 2), FixedFormat(16, 14)),
        ir.GlobalAvgPool1d("gap", ("input",), (2,), FixedFormat(19, 17)),
    )
    with pytest.raises(UnsupportedLayer, match="gap: a mean over 12 samples"):
        Graph("odd", nodes, ("gap",), (("a", "b"),))


def test_outputs_must_give_their_classes(graph: Graph) -> None:
    with pytest.raises(DataError, match="does not give 2 logits"):
        replace(graph, classes=(("a", "b"),))


def test_unknown_node_lists_the_known(graph: Graph) -> None:
    with pytest.raises(ConfigError, match="has no node 'gru2'; it has input"):
        graph["gru2"]


def test_ranges_are_reached(graph: Graph) -> None:
    """The accumulator's bounds are exact: some input reaches them."""
    source, node = graph["conv1_relu"], graph["conv2"]
    assert isinstance(node, ir.Conv1d)
    matrix, fmt = node.matrix().astype(np.int64), graph["pool"].fmt
    low, high = ir.linear_range(matrix, node.scaled_bias(fmt), fmt)
    worst = np.where(matrix > 0, fmt.max_raw, fmt.min_raw)
    np.testing.assert_array_equal((worst * matrix).sum(axis=0) + node.scaled_bias(fmt), high)
    assert (low <= high).all()
    assert source.fmt.signed is False
