"""What values a network's activations take on frames that it will see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.plan import Floats, Plan, Quantise, Recurrent

#: Share of the values of an activation that its format may clip.
CLIPPED = 1e-4
#: Frames that run through the network at once.
BATCH = 128

#: Gives the outputs of some layers of a float network on frames (n, T, channels).
Probe = Callable[[Sequence[str], Floats], list[Floats]]


def keras_probe(model: Any) -> Probe:
    """Probe that runs the Keras model itself."""

    def probe(names: Sequence[str], frames: Floats) -> list[Floats]:
        # A Sequential model does not list its input.
        outputs = [model.input if name in model.input_names else model.get_layer(name).output for name in names]
        values = keras.Model(model.input, outputs).predict(frames, batch_size=BATCH, verbose=0)
        return list(values) if len(names) > 1 else [values]

    return probe


def find_tops(plan: Plan, probe: Probe, frames: Floats) -> dict[str, float]:
    """Largest magnitude that must not clip, of every tensor whose format is chosen by its values.

    All but a share `CLIPPED` of the values lie below; of a mean, which has few values, all do by a quarter.

    Parameters
    ----------
    plan : with its quantisers
    probe : runs the float network
    frames : (n, T, channels) float32, rounded to the network's input format

    Returns
    -------
    step name -> magnitude
    """
    chosen = [step for step in plan.of(Quantise) if step.integer is None]
    lstms = [step for step in plan.of(Recurrent) if step.is_lstm]
    sources = [step.source for step in chosen] + [_fed_by(step) for step in lstms]
    values = probe(sources, frames) if sources else []
    tops = {step.name: _top(np.abs(value), step.margin) for step, value in zip(chosen, values, strict=False)}
    cells = {step.name: _cell_top(step, value) for step, value in zip(lstms, values[len(chosen) :], strict=True)}
    return tops | cells


def _top(magnitudes: Floats, margin: float) -> float:
    return float(np.max(magnitudes)) * margin if margin else float(np.quantile(magnitudes, 1.0 - CLIPPED))


def _fed_by(step: Recurrent) -> str:
    """Float layer that feeds a recurrent one."""
    return str(step.layer.inbound_nodes[0].parent_nodes[0].layer.name)


def _cell_top(step: Recurrent, x: Floats) -> float:
    """Magnitude of an LSTM's cell state at the end of each frame; the layer hands out no other."""
    twin = type(step.layer).from_config({**step.layer.get_config(), "return_state": True})
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, twin(inputs)[-1])
    twin.set_weights(step.layer.get_weights())
    return _top(np.abs(model.predict(x, batch_size=BATCH, verbose=0)), 0.0)
