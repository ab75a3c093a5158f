from __future__ import annotations

import numpy as np
import pytest

from hw_amc.errors import ConfigError
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.adders import Output, build_graph


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 12)])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
def test_graph_multiplies(shape, sparsity):
    rng = np.random.default_rng(1)
    matrix = np.where(rng.random(shape) < sparsity, 0, rng.integers(-128, 128, shape))
    graph = build_graph(matrix, [FixedFormat(8, 0)] * shape[0])
    x = rng.integers(-128, 128, (50, shape[0]))
    np.testing.assert_array_equal(graph.model(x), x @ matrix)


def test_zero_rows_columns_and_matrices():
    matrix = np.zeros((4, 5), np.int64)
    empty = build_graph(matrix, [FixedFormat(8, 0)] * 4)
    assert empty.adders == ()
    assert empty.outputs == (Output(None),) * 5
    matrix[2, 3] = -7
    x = np.arange(-8, 8).reshape(4, 4)
    np.testing.assert_array_equal(build_graph(matrix, [FixedFormat(8, 0)] * 4).model(x), x @ matrix)


def test_formats_hold_every_value():
    rng = np.random.default_rng(2)
    matrix = rng.integers(-8, 8, (3, 6))
    inputs = [FixedFormat(3, 0), FixedFormat(4, 0, signed=False), FixedFormat(2, 0)]
    graph = build_graph(matrix, inputs)
    corners = np.array(np.meshgrid(*[(fmt.min_raw, fmt.max_raw) for fmt in inputs])).reshape(3, -1).T
    values = corners @ graph.coefficients.T
    for column, fmt in zip(values.T, graph.formats, strict=True):
        assert fmt.holds(column)


def test_cache_gives_the_same_graph(tmp_path):
    matrix = np.array([[3, -5], [7, 11]])
    inputs = [FixedFormat(8, 0)] * 2
    first = build_graph(matrix, inputs, cache=tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert build_graph(matrix, inputs, cache=tmp_path) == first


def test_wide_weights_are_refused():
    with pytest.raises(ConfigError, match="24 bits"):
        build_graph(np.array([[1 << 24]]), [FixedFormat(8, 0)])
