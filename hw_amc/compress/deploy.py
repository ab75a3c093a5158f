"""The deploy pass: a float Keras model and the frames that it will see -> its exact QKeras form.

Batch normalisation is folded, activations become quantisers, formats are powers of two chosen from weights and values,
and what only training has is dropped. Everything goes by a layer's type, nothing by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hw_amc.compress.build import build
from hw_amc.compress.calibrate import Probe, find_tops, keras_probe
from hw_amc.compress.floats import read_float
from hw_amc.compress.fold import equalise, fold_norms, lower_clips, scale_gates
from hw_amc.compress.formats import Changes, align_heads, choose_formats, default_formats, input_format
from hw_amc.compress.plan import Floats, Plan
from hw_amc.compress.requantise import insert_quantisers
from hw_amc.compress.split import split_layers
from hw_amc.graph.reader import build_graph


def plan_deploy(model: Any) -> Plan:
    """Turn a float model into the steps of its deployed form, with their weights and without their formats.

    Raises
    ------
    UnsupportedLayer
        A layer that has no exact form, by name, with the way out.
    """
    plan = read_float(split_layers(model))
    fold_norms(plan)
    lower_clips(plan)
    scale_gates(plan)
    insert_quantisers(plan)
    return plan


def deploy(
    model: Any, frames: Floats, widths: Changes | None = None, make_probe: Callable[[Any], Probe] = keras_probe
) -> Any:
    """Deploy a float model.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional, (n, T, channels) -> one head or several.
    frames : (n, T, channels) float32
        Frames like those that the network will see: formats are chosen so that their values fit.
    widths : layer -> field -> bits
        Where they differ from the defaults (`compress.formats`); layers are the deployed ones.
    make_probe : float model -> `compress.calibrate.Probe`
        What runs the float model; Keras itself by default.

    Returns
    -------
    keras.Model
        Its weights are those of the float model, folded and scaled; `save_deployed` rounds them.

    Raises
    ------
    UnsupportedLayer
        A layer that has no exact form, by name, with the way out.
    ConfigError
        An unknown layer or field in `widths`, or a value that does not fit its bits.
    """
    return deploy_plan(plan_deploy(model), frames, widths, make_probe)


def deploy_plan(
    plan: Plan, frames: Floats, widths: Changes | None = None, make_probe: Callable[[Any], Probe] = keras_probe
) -> Any:
    """Deploy what `plan_deploy` made of a float model, and leave its final weights in it; otherwise as `deploy`."""
    rounded = round_input(frames, *input_format(plan, widths))
    tops = find_tops(plan, make_probe(plan.model), rounded)
    equalise(plan, tops)
    deployed = build(plan, choose_formats(plan, tops, widths))
    require_exact(deployed)
    return deployed


def deploy_with(model: Any, formats: Changes | None = None) -> Any:
    """Deploy a float model with formats that are known, without frames.

    Parameters
    ----------
    model : as in `deploy`
    formats : layer -> field -> bits; an untrained network's where it is silent

    Raises
    ------
    UnsupportedLayer, ConfigError
        As `deploy` does.
    """
    plan = plan_deploy(model)
    full = default_formats(plan, formats)
    align_heads(plan, full)
    return build(plan, full)


def round_input(values: Floats, bits: int, integer: int) -> Floats:
    """Round values onto the input's format, half to even, as the deployed network does."""
    step, top = 2.0 ** (bits - 1 - integer), 2 ** (bits - 1)
    rounded: Floats = (np.clip(np.rint(values * step), -top, top - 1) / step).astype(np.float32)
    return rounded


def require_exact(deployed: Any) -> None:
    """Require that every layer of a deployed model has an exact form: the graph's reader admits it.

    Raises
    ------
    UnsupportedLayer
        The first layer that has none, with the reason.
    """
    shapes = deployed.output_shape if isinstance(deployed.output_shape, list) else [deployed.output_shape]
    classes = [tuple(map(str, range(shape[-1]))) for shape in shapes]
    build_graph(deployed, deployed.name, classes)
