from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from networks import conv2d, gru_cnn_graph, mtl_graph, quantize, reshape

from hw_amc import graph as ir
from hw_amc.errors import ConfigError, DataError, UnsupportedLayer
from hw_amc.graph import Graph, Node, golden
from hw_amc.graph.fixed import FixedFormat, Tensor


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
        with pytest.raises(DataError, match=r"graph\.(json|npz)"):
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


def test_counts_come_from_the_kernel_and_the_places_of_the_output() -> None:
    rng = np.random.default_rng(1)
    frames = ir.Input("input", (), (32, 2), FixedFormat(16, 14))
    image = reshape("image", quantize("q", frames, FixedFormat(7, 5)), (8, 8, 1))
    conv = conv2d(rng, "conv", image, 3, (3, 3))
    assert conv.macs == 27 * 36 == 972
    assert conv.nonzero_macs == 36 * np.count_nonzero(conv.kernel)
    assert (conv.parameters, conv.nonzeros) == (30, 3 + np.count_nonzero(conv.kernel))
    assert conv.memory_bits == 5 * np.count_nonzero(conv.kernel) + 3 * 8
    graph = gru_cnn_graph(rng)
    gru, affine, head = graph["gru"], graph["gru_affine"], graph["conv2"]
    assert (gru.macs, gru.parameters) == (16 * (36 + 108), 36 + 108 + 36)
    # A batch normalisation stays dense, and its products are not counted in published figures.
    assert (affine.macs, affine.parameters, affine.nonzeros) == (0, 12, 12)
    assert (head.macs, graph["pool"].macs, graph.input.parameters) == (8 * 36, 0, 0)


def test_axes_are_named_for_messages() -> None:
    graph = mtl_graph(np.random.default_rng(2))
    assert graph["trunk"].axes == ("row", "column", "channel")
    assert graph["input_quant"].axes == ("step", "channel")
    assert graph["head0"].axes == ("channel",)


def test_an_operation_of_another_rank_is_refused_by_name(graph: Graph) -> None:
    flat = reshape("flat", graph["input_quant"], (32,))
    pool = ir.GlobalMaxPool1d("most", ("flat",), (2,), flat.fmt)
    with pytest.raises(DataError, match=r"'most' .* shape \(32,\), which is not of 2 axes"):
        Graph("ranks", (*graph.nodes[:2], flat, pool), ("most",), (("a", "b"),))
    with pytest.raises(DataError, match=r"'input_quant' .* has 2 inputs, not 1"):
        graph.replace_node(replace(graph["input_quant"], inputs=("input", "input")))


def test_a_sum_of_too_many_bits_is_refused_by_name() -> None:
    source = ir.Input("input", (), (1, 2), FixedFormat(8, 40))
    coarse = ir.Quantize("coarse", ("input",), (1, 2), FixedFormat(8, -40))
    total = ir.Add("total", ("input", "coarse"), (1, 2), FixedFormat(48, 40))
    with pytest.raises(DataError, match=r"'total' \(add\): bits must be"):
        Graph("wide", (source, coarse, total), ("total",), (("a", "b"),))


def test_a_name_of_keras_is_saved_only_where_it_differs(graph: Graph, tmp_path: Path) -> None:
    assert '"layer"' not in graph.to_json()
    named = graph.replace_node(replace(graph["conv1"], layer="block1/conv-1"))
    named.save(tmp_path)
    assert Graph.load(tmp_path)["conv1"].layer_name == "block1/conv-1"
    assert Graph.load(tmp_path)["conv2"].layer_name == "conv2"


@pytest.fixture
def negate() -> Iterator[type[Node]]:
    """An operation as one would add it: a class with its word, its check, its execution."""

    @dataclass(frozen=True, eq=False)
    class Negate(Node):
        op: ClassVar[str] = "negate"

        #: An option that older graphs do not have.
        times: int = 1

        def check(self, sources: Sequence[Node]) -> None:
            self.require_shape(sources[0].shape)

        def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
            return -self.times * tensors[0].astype(self.exact_dtype(sources))

    yield Negate
    del ir.OPS["negate"]


def test_a_new_operation_runs_and_is_saved(negate: type[Node], tmp_path: Path) -> None:
    frames = ir.Input("input", (), (2, 2), FixedFormat(16, 14))
    flat = reshape("flat", frames, (4,))
    graph = Graph(
        "new", (frames, flat, negate("minus", ("flat",), (4,), FixedFormat(17, 14))), ("minus",), (tuple("abcd"),)
    )
    graph.save(tmp_path)
    assert "times" not in graph.to_json()
    loaded = Graph.load(tmp_path)
    assert loaded.digest() == graph.digest()
    assert golden.run(loaded, np.array([[[1, 2], [-3, -32768]]]))["minus"].tolist() == [[-1, -2, 3, 32768]]
    assert replace(graph, nodes=(*graph.nodes[:2], replace(graph["minus"], times=2))).digest() != graph.digest()


def test_two_operations_of_one_word_are_refused() -> None:
    with pytest.raises(TypeError, match="two operations are called 'dense': Dense and Other"):

        class Other(Node):
            op: ClassVar[str] = "dense"
