from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_amc.adders import Adder, AdderGraph, Output, build_graph, solutions
from hw_amc.adders import graph as adders
from hw_amc.errors import ConfigError, Mismatch
from hw_amc.graph.fixed import FixedFormat


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 12)])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
def test_graph_multiplies(shape: Any, sparsity: float) -> None:
    rng = np.random.default_rng(1)
    matrix = np.where(rng.random(shape) < sparsity, 0, rng.integers(-128, 128, shape))
    graph = build_graph(matrix, [FixedFormat(8, 0)] * shape[0])
    x = rng.integers(-128, 128, (50, shape[0]))
    np.testing.assert_array_equal(graph.model(x), x @ matrix)


def test_zero_rows_columns_and_matrices() -> None:
    matrix = np.zeros((4, 5), np.int64)
    empty = build_graph(matrix, [FixedFormat(8, 0)] * 4)
    assert empty.adders == ()
    assert empty.outputs == (Output(None),) * 5
    matrix[2, 3] = -7
    x = np.arange(-8, 8).reshape(4, 4)
    np.testing.assert_array_equal(build_graph(matrix, [FixedFormat(8, 0)] * 4).model(x), x @ matrix)


def test_formats_hold_every_value() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.integers(-8, 8, (3, 6))
    inputs = [FixedFormat(3, 0), FixedFormat(4, 0, signed=False), FixedFormat(2, 0)]
    graph = build_graph(matrix, inputs)
    corners = np.array(np.meshgrid(*[(fmt.min_raw, fmt.max_raw) for fmt in inputs])).reshape(3, -1).T
    values = corners @ graph.coefficients.T
    for column, fmt in zip(values.T, graph.formats, strict=True):
        assert fmt.holds(column)


MATRIX = np.array([[3, -5], [7, 11]])
INPUTS = [FixedFormat(8, 0)] * 2


def kept(cache: Path) -> Path:
    (path,) = cache.glob("adders/*/solution.json")
    return path


def test_cache_gives_the_same_graph(tmp_path: Path) -> None:
    first = build_graph(MATRIX, INPUTS, cache=tmp_path)
    assert kept(tmp_path)
    adders._build.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solutions, "_ask", lambda *_: pytest.fail("solved again"))
        assert build_graph(MATRIX, INPUTS, cache=tmp_path) == first


def _stage(**changes: object) -> dict[str, object]:
    """Of [[1, 2], [1, 5]]: a + b, and 2 a + 5 b."""
    ops = [[0, -1, -1, 0], [1, -1, -1, 0], [0, 1, 0, 0], [0, 1, 0, 1], [2, 3, 0, 0], [4, 1, 0, 1]]
    right = {"inp_shifts": [0, 0], "ops": ops, "out_idxs": [2, 5], "out_shifts": [0, 0], "out_negs": [False, False]}
    return {**right, **changes}


#: (3 a + 2 b) >> 1 is a + b for a floor of each coefficient, and for no pair of numbers.
FLOOR = [[0, -1, -1, 0], [1, -1, -1, 0], [0, 0, 0, 1], [2, 1, 0, 1], [1, 1, 0, 2], [4, 0, 0, 1]]

POISONS = [
    {"stages": [_stage(ops=FLOOR, out_idxs=[3, 5], out_shifts=[-1, 0])]},
    {"stages": [_stage(out_negs=[True, False])]},
    {"stages": [_stage(out_shifts=[62, 0])]},
    {"stages": [_stage(out_shifts=[10**9, 0])]},
    {"stages": [_stage(out_idxs=[2, 99])]},
    {"stages": [_stage(out_idxs=[2, -2])]},
    {"stages": [_stage(inp_shifts=[0])]},
    {"stages": [_stage(ops=[[5, 5, 0, 0]])]},
    {"stages": [_stage(ops=[["0", -1, -1, 0]])]},
    {"stages": [_stage(ops="0")]},
    {"stages": [{}]},
    {"stages": []},
    {"stages": None},
    [],
    None,
]


@pytest.mark.parametrize("poison", POISONS, ids=range(len(POISONS)))
def test_a_wrong_solution_in_the_cache_is_found_and_made_again(poison: object, tmp_path: Path) -> None:
    """Also where the cache's own record says that the file is whole."""
    matrix = np.array([[1, 2], [1, 5]])
    right = build_graph(matrix, INPUTS, cache=tmp_path)
    path = kept(tmp_path)
    path.write_text(json.dumps(poison))
    record = json.loads((path.parent / "entry.json").read_text())
    record["files"]["solution.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "entry.json").write_text(json.dumps(record))
    adders._build.cache_clear()
    with pytest.warns(UserWarning, match="in the cache cannot be used .*; it is made again") as said:
        assert build_graph(matrix, INPUTS, cache=tmp_path) == right
    assert len(said) == 1
    adders._build.cache_clear()
    assert build_graph(matrix, INPUTS, cache=tmp_path) == right


def test_a_cache_that_is_full_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hw_amc.cache._record", refuse)
    adders._build.cache_clear()
    with pytest.warns(UserWarning, match="cannot write to the cache"):
        graph = build_graph(MATRIX, INPUTS, cache=tmp_path)
    np.testing.assert_array_equal(graph.matrix, MATRIX)


def test_a_shift_right_drops_no_bits() -> None:
    inputs = tuple(INPUTS)
    odd = AdderGraph(inputs, (Adder(0, 0, 1, 1, False),), (Output(2, -1),))
    with pytest.raises(Mismatch, match="shifted right over bits that are not zero"):
        odd.matrix.any()
    even = AdderGraph(inputs, (Adder(0, 1, 1, 2, False),), (Output(2, -1),))
    np.testing.assert_array_equal(even.matrix, [[1], [2]])


def test_coefficients_do_not_wrap() -> None:
    with pytest.raises(Mismatch, match="would not fit 64 bits"):
        AdderGraph(tuple(INPUTS), (Adder(0, 63, 1, 0, False),), (Output(2),)).coefficients.any()
    with pytest.raises(Mismatch, match="would not fit 64 bits"):
        AdderGraph(tuple(INPUTS), (), (Output(0, 63),)).matrix.any()


def test_wide_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="24 bits"):
        build_graph(np.array([[1 << 24]]), [FixedFormat(8, 0)])
