"""What da4ml finds for a constant matrix, and its cache: each solution read is checked before it is believed."""

from __future__ import annotations

import importlib.util
import json
import os
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from hw_amc.cache import Cache, CacheUnusable, default_root
from hw_amc.errors import DataError, Mismatch
from hw_amc.extras import missing
from hw_amc.graph.fixed import FixedFormat
from hw_amc.untrusted import load_json

#: Changes when the meaning of a kept solution changes.
SOLUTION_VERSION = 2

#: Where numba keeps what it compiled, in place of the package's folder or the user's.
_VARIABLE = "NUMBA_CACHE_DIR"

#: What each stage of a solution holds.
_LISTS = ("inp_shifts", "ops", "out_idxs", "out_shifts", "out_negs")
#: Largest shift: a coefficient has 64 bits.
_MOST_SHIFT = 62
_FILE = "solution.json"

Stages = list[dict[str, Any]]
Built = TypeVar("Built")


def solve(
    weights: NDArray[np.int64],
    inputs: list[FixedFormat],
    extra_depth: int,
    cache: Path | None,
    build: Callable[[Stages], Built],
) -> Built:
    """Build from da4ml's solution of a matrix, or from the one that the cache holds.

    Parameters
    ----------
    weights : (inputs, outputs)
        Without empty rows and columns.
    inputs, extra_depth
        See `hw_amc.adders.build_graph`.
    cache : Path, optional
        Root of the cache.
    build : callable
        Turns a solution into what is wanted; Mismatch where it is none of this matrix.

    Raises
    ------
    ToolMissing
        da4ml is not installed.
    Mismatch
        da4ml gave another matrix.
    """
    if cache is None:
        return build(_ask(weights, inputs, extra_depth))
    solved: list[Stages] = []

    def make(folder: Path) -> None:
        solved.append(_ask(weights, inputs, extra_depth))
        (folder / _FILE).write_text(json.dumps({"stages": solved[-1]}), encoding="utf-8")

    def load(folder: Path) -> Built:
        try:
            return build(parse_stages(load_json(folder / _FILE).get("stages"), weights.shape))
        except Mismatch as error:
            raise DataError(str(error)) from error

    try:
        return Cache("adders", cache).use(_made_from(weights, inputs, extra_depth), make, load)
    except CacheUnusable as error:
        # Nothing is lost but time: the next run solves it again.
        warnings.warn(str(error), stacklevel=2)
        return build(solved[-1] if solved else _ask(weights, inputs, extra_depth))


def _made_from(weights: NDArray[np.int64], inputs: list[FixedFormat], extra_depth: int) -> dict[str, str]:
    try:
        solver = version("da4ml")
    except PackageNotFoundError:
        solver = "none"
    return {
        "meaning": str(SOLUTION_VERSION),
        "da4ml": solver,
        "shape": str(weights.shape),
        "extra_depth": str(extra_depth),
        "inputs": " ".join(map(str, inputs)),
        "matrix": weights.tobytes().hex(),
    }


def parse_stages(data: Any, shape: tuple[int, ...]) -> Stages:
    """Check that JSON has the form of a solution of a matrix of this shape; what it computes is not looked at.

    Raises
    ------
    DataError
        It has another form: a missing list, an index that points forward, a shift out of range.
    """
    if not isinstance(data, list) or not data or not all(isinstance(stage, dict) for stage in data):
        raise DataError("a kept solution holds no stages")
    width = shape[0]
    for stage in data:
        lists = [stage.get(name) for name in _LISTS]
        if not all(isinstance(found, list) for found in lists):
            raise DataError(f"a kept solution needs {', '.join(_LISTS)}")
        shifts, ops, places, out_shifts, negatives = lists
        if len(shifts) != width or not len(places) == len(out_shifts) == len(negatives):
            raise DataError(f"a kept solution does not fit {width} inputs")
        if not all(_is_shift(shift) for shift in (*shifts, *out_shifts)):
            raise DataError("a kept solution shifts by more bits than a number has")
        for number, op in enumerate(ops):
            if not _is_operation(op, number, width):
                raise DataError(f"operation {number} of a kept solution is none: {str(op)[:60]}")
        if not all(type(place) is int and -1 <= place < len(ops) for place in places):
            raise DataError("a kept solution gives values that it does not compute")
        width = len(places)
    if width != shape[1]:
        raise DataError(f"a kept solution has {width} outputs, not {shape[1]}")
    return data


def _is_shift(shift: Any) -> bool:
    return type(shift) is int and -_MOST_SHIFT <= shift <= _MOST_SHIFT


def _is_operation(op: Any, number: int, width: int) -> bool:
    if not isinstance(op, list) or [type(part) for part in op] != [int] * 4:
        return False
    left, right, opcode, shift = map(int, op)
    if opcode == -1:
        return bool(0 <= left < width)
    return opcode in (0, 1) and 0 <= left < number and 0 <= right < number and _is_shift(shift)


def _place_numbas_cache() -> None:
    """Give numba a folder where it has none: a package of root's, and a user without a home. It raises otherwise."""
    found = importlib.util.find_spec("da4ml")
    if found is None or found.origin is None or _VARIABLE in os.environ:
        return
    if not any(map(_is_writable, (Path(found.origin).parent, user_cache_path("numba")))):
        os.environ[_VARIABLE] = str(default_root() / "numba")


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written to, or be made."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return folder.is_absolute() and os.access(there, os.W_OK | os.X_OK)


def _ask(weights: NDArray[np.int64], inputs: list[FixedFormat], extra_depth: int) -> Stages:
    _place_numbas_cache()
    try:
        from da4ml.cmvm.api import jit_solve
        from da4ml.cmvm.types import QInterval
    except ImportError as error:
        raise missing("da4ml") from error
    intervals = [QInterval(float(fmt.min_raw), float(fmt.max_raw), 1.0) for fmt in inputs]
    pipeline = jit_solve(
        np.ascontiguousarray(weights, np.float32),
        hard_dc=extra_depth,
        qintervals=intervals,
        latencies=[0.0] * len(inputs),
    )
    return [
        {
            "inp_shifts": [int(shift) for shift in stage.inp_shifts],
            "out_idxs": [int(index) for index in stage.out_idxs],
            "out_shifts": [int(shift) for shift in stage.out_shifts],
            "out_negs": [bool(negative) for negative in stage.out_negs],
            "ops": [[int(op.id0), int(op.id1), int(op.opcode), int(op.data)] for op in stage.ops],
        }
        for stage in pipeline.solutions
    ]
