"""What quantisation costs: the deployed network beside the float one, layer by layer, on the same frames."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.plan import Floats, Frames, Plan, Step
from hw_amc.compress.walk import walk

#: Frames that run through both networks at once.
_BATCH = 32


def measure_sqnr(plan: Plan, deployed: Any, frames: Floats) -> dict[str, float]:
    """Signal to quantisation noise of every deployed layer that has a float counterpart, in dB.

    The noise of a layer is all that has come up to it. A power of two by which the deploy pass scaled a layer counts as
    no error: it is found from the values themselves.

    Parameters
    ----------
    plan : from which `deployed` was made, see `compress.deploy.deploy_plan`
    deployed : keras.Model
    frames : (n, T, 2) float32, as they arrive

    Returns
    -------
    layer -> dB; infinite without noise, NaN where the float layer gives nothing but zeros
    """
    names = {layer.name for layer in deployed.layers}
    pairs = {name: source for name, step in plan.steps.items() if name in names and (source := _source(step, plan))}
    before, after = _probe(plan.model, pairs.values()), _probe(deployed, pairs)
    sums = np.zeros((len(pairs), 3))
    for first in range(0, len(frames), _BATCH):
        part = frames[first : first + _BATCH]
        for place, (a, b) in enumerate(zip(_run(before, part), _run(after, part), strict=True)):
            sums[place] += (np.vdot(a, a), np.vdot(a, b), np.vdot(b, b))
    return {name: _sqnr_db(*map(float, row)) for name, row in zip(pairs, sums, strict=True)}


def _source(step: Step, plan: Plan) -> str:
    """Float layer whose output a step gives; of the input's quantiser the input, of the input itself none."""
    if isinstance(step, Frames):
        return ""
    first = plan.steps[step.inputs[0]]
    return step.source or (first.source if isinstance(first, Frames) else "")


def _probe(model: Any, names: Iterable[str]) -> Any:
    # A Sequential model does not list its input.
    outputs = [model.input if name in model.input_names else model.get_layer(name).output for name in names]
    return keras.Model(model.input, outputs)


def _run(probe: Any, frames: Floats) -> list[Any]:
    values = probe.predict_on_batch(frames)
    return [np.asarray(value, np.float64).ravel() for value in (values if isinstance(values, list) else [values])]


def _sqnr_db(signal: float, both: float, quantised: float) -> float:
    """Ratio in dB from the sums of a², a b and b² over a float layer's values a and the deployed one's b."""
    if signal == 0:
        return math.nan
    gain = 2.0 ** round(math.log2(both / signal)) if both > 0 else 1.0
    noise = quantised - 2 * gain * both + gain * gain * signal
    # Sums of float64 tell no less noise than this from none.
    floor = 1e-13 * gain * gain * signal
    return math.inf if noise <= floor else 10 * math.log10(gain * gain * signal / noise)


def training_level_db(model: Any, frames: Floats) -> tuple[str, float] | None:
    """Level of frames against those of a model's training, as its first batch normalisation remembers it.

    Parameters
    ----------
    model : keras.Model
        Float.
    frames : (n, T, 2) float32

    Returns
    -------
    (layer, dB): the spread of what the layer gets on these frames over that of its training, in the median channel;
    None where no layer remembers one
    """
    for call in walk(model):
        layer = call.layer
        if call.kind != "BatchNormalization" or not call.inputs:
            continue
        seen = np.asarray(layer.moving_variance, np.float64)
        if np.all(seen == 1) and np.all(np.asarray(layer.moving_mean) == 0):
            return None  # never trained
        values = keras.Model(model.input, layer.input).predict_on_batch(frames)
        now = np.asarray(values, np.float64).reshape(-1, seen.size).var(axis=0)
        told = (seen > 0) & (now > 0)
        return (call.name, float(np.median(10 * np.log10(now[told] / seen[told])))) if told.any() else None
    return None


def answers_of(model: Any, frames: Floats, batch: int = 64) -> Any:
    """Class that every head of a float model gives each frame, (n, heads)."""
    values = model.predict(frames, batch_size=batch, verbose=0)
    return np.stack([np.argmax(head, axis=-1) for head in (values if isinstance(values, list) else [values])], axis=1)
