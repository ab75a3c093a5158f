"""Folding: what a batch normalisation or the slope of an activation multiplies goes into the weights before it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc.compress.activations import HARD_SIGMOID, HARD_TANH, Line, find_line, is_elementwise, is_within
from hw_amc.compress.plan import (
    Affine,
    Clip,
    Copy,
    Floats,
    Linear,
    Norm,
    Plan,
    Quantise,
    Recurrent,
    Step,
    Tabulate,
    affine_of,
)
from hw_amc.errors import UnsupportedLayer

#: Ends of a batch normalisation's name that its affine does not keep.
_ENDINGS = ("_norm", "_bn", "_batchnorm", "_batch_normalization")

#: Largest scale that `equalise` may give a layer behind: 8 bits have no more than 7 left of the point.
LARGEST_SCALE = 64.0
#: Magnitude to which `equalise` may raise the values of an activation: factors add up from layer to layer, and what
#: ends them, a head with logits of their own scale, would be left with weights of nothing.
LARGEST_VALUE = 32.0


def fold_norms(plan: Plan) -> None:
    """Fold every batch normalisation into the layer before it, or make it an affine where it stands alone.

    The affine of `x_norm` is called `x`, or `x_affine` where `x` is another layer.
    """
    for norm in plan.of(Norm):
        before = plan.steps[norm.inputs[0]]
        if isinstance(before, Linear) and plan.is_private(before.name):
            before.scale_outputs(norm.scale)
            before.bias, before.source = before.bias + norm.bias, norm.source
            plan.bypass(norm.name)
        else:
            plan.put(norm.name, affine_of(norm, _affine_name(norm.name, plan)))


def _affine_name(name: str, plan: Plan) -> str:
    stem = next((name[: -len(end)] for end in _ENDINGS if name.endswith(end) and len(name) > len(end)), name)
    return f"{stem}_affine" if stem != name and stem in plan.steps else stem


def lower_clips(plan: Plan) -> None:
    """Turn every activation into a quantiser; a slope other than 1 goes into the layer before it.

    One whose limits no power-of-two format has, or whose slope no layer takes, becomes a table.
    """
    for clip in plan.of(Clip):
        line, before = clip.line, plan.steps[clip.inputs[0]]
        sloped = (line.slope, line.offset) != (1.0, 0.0)
        foldable = isinstance(before, Linear | Affine) and plan.is_private(before.name)
        unlimited = bool(np.isinf([line.low, line.high]).all())
        integer = _integer_bits(line)
        if (sloped and not foldable) or not (unlimited or integer is not None or (line.low, line.high) == (0, np.inf)):
            plan.put(clip.name, Tabulate(clip.name, clip.inputs, clip.source, clip.layer))
            continue
        if sloped:
            _fold_slope(before, line)
        if unlimited:
            plan.bypass(clip.name)
        else:
            plan.put(clip.name, Quantise(clip.name, clip.inputs, clip.source, signed=line.low < 0, integer=integer))


def _integer_bits(line: Line) -> int | None:
    """Integer bits of a power-of-two format whose limits are a line's: 0 and 2^k, or -2^k and 2^k."""
    exponent = np.log2(line.high) if 1 <= line.high < np.inf else 0.5
    return int(exponent) if float(exponent).is_integer() and line.low in (0.0, -line.high) else None


def _fold_slope(before: Any, line: Line) -> None:
    """Multiply and add what an activation does into the layer before it."""
    slope, offset = np.float32(line.slope), np.float32(line.offset)
    if isinstance(before, Linear):
        before.scale_outputs(slope)
    else:
        before.scale, before.bias = before.scale * slope, before.bias * slope
    before.source, before.bias = "", before.bias + offset


def scale_gates(plan: Plan) -> None:
    """Bring hard gates of recurrent layers to x/2 + 1/2; Keras' own have a slope of 0.2. Other functions are tables.

    Raises
    ------
    UnsupportedLayer
        A gate is no function of one variable between 0 and 1, or a candidate none between -1 and 1.
    """
    for step in plan.of(Recurrent):
        gate, candidate = find_line(step.layer.recurrent_activation), find_line(step.layer.activation)
        if candidate != HARD_TANH:
            step.curves["candidate"] = _curve(step, "activation", -1.0)
        if gate is None or (gate.offset, gate.low, gate.high) != (0.5, 0.0, 1.0):
            step.curves["gate"] = _curve(step, "recurrent_activation", 0.0)
        elif gate != HARD_SIGMOID:
            step.weights = [_scaled(weight, gate.slope / HARD_SIGMOID.slope, step) for weight in step.weights]


def _curve(step: Recurrent, which: str, least: float) -> Any:
    """Function of a recurrent layer that becomes a table."""
    function = getattr(step.layer, which)
    if not is_elementwise(function) or not is_within(function, least, 1.0):
        raise UnsupportedLayer(
            f"layer {step.name!r} ({type(step.layer).__name__}): its {which} is no function of one variable between"
            f" {least:g} and 1, and only such is a table inside a recurrence; take sigmoid for the gates and tanh"
        )
    return function


def _scaled(weight: Floats, factor: float, step: Recurrent) -> Floats:
    """Scale the columns of the gates, not those of the candidate."""
    units = step.layer.units
    columns = np.ones(weight.shape[-1], np.float32)
    columns[: 2 * units] = factor
    columns[3 * units :] = factor  # an LSTM's output gate
    return weight * columns


def equalise(plan: Plan, tops: dict[str, float]) -> None:
    """Scale convolutions and dense layers by powers of two so that their kernels fill -1..1, and `tops` with them.

    A ReLU passes a positive factor on, so what follows takes it back: the function stays the same. A layer stays
    larger where the scale that follows would not fit its bits, and smaller where the values behind it would grow too
    far; its kernel then has a finer format.
    """
    for step in plan.of(Linear):
        passed, takers = _reach(plan, step.name)
        largest = float(np.max(np.abs(step.kernel)))
        if takers is None or largest == 0.0:
            continue
        factor = np.float32(2.0 ** -np.ceil(np.log2(largest)))
        factor = min(factor, _largest_factor([tops[name] for name in passed & tops.keys()], takers))
        for taker in takers:
            if not isinstance(taker, Linear) or _reach(plan, taker.name)[1] is None:
                scale = _largest(taker) / LARGEST_SCALE
                factor = max(factor, np.float32(2.0 ** np.ceil(np.log2(scale))) if scale else factor)
        step.scale_outputs(factor)
        for taker in takers:
            _take_back(taker, factor)
        for name in passed & tops.keys():
            tops[name] *= float(factor)


def _largest_factor(tops: list[float], takers: list[Linear | Affine | Recurrent]) -> np.float32:
    """Power of two, 1 or more, that values of these magnitudes bear, and the kernels of recurrent layers behind them.

    Those have no format below the point, so that what is taken from them is lost.
    """
    rooms = [LARGEST_VALUE / top for top in tops if top > 0]
    rooms += [2 * _largest(taker) for taker in takers if isinstance(taker, Recurrent)]
    room = max(min(rooms, default=np.inf), 1.0)
    return np.float32(room if np.isinf(room) else 2.0 ** np.floor(np.log2(room)))


def _reach(plan: Plan, name: str) -> tuple[set[str], list[Linear | Affine | Recurrent] | None]:
    """Steps that pass a positive factor on behind a step, and the layers that take it back; None where not all can."""
    passed: set[str] = set()
    takers: list[Linear | Affine | Recurrent] = []
    waiting = [name]
    while waiting:
        current = waiting.pop()
        following = plan.consumers(current)
        if current in plan.outputs or not following:
            return passed, None
        for step in following:
            if isinstance(step, Linear | Affine | Recurrent):
                takers.append(step)
            elif _passes_factors_on(step):
                passed.add(step.name)
                waiting.append(step.name)
            else:
                return passed, None
    return passed, takers


def _passes_factors_on(step: Step) -> bool:
    return (isinstance(step, Quantise) and step.integer is None) or (
        isinstance(step, Copy) and not step.computes and step.kind != "Concatenate"
    )


def _largest(step: Linear | Affine | Recurrent) -> float:
    if isinstance(step, Recurrent):
        return float(np.max(np.abs(step.weights[0])))
    return float(np.max(np.abs(step.kernel if isinstance(step, Linear) else step.scale)))


def _take_back(step: Linear | Affine | Recurrent, factor: np.float32) -> None:
    if isinstance(step, Recurrent):
        step.weights = [step.weights[0] / factor, *step.weights[1:]]
    elif isinstance(step, Linear):
        step.kernel = step.kernel / factor
    else:
        step.scale = step.scale / factor
