"""Which weights of a network training prunes and which it moves, by the types and names of their layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hw_amc.errors import ConfigError

#: Types of layers whose kernels pruning may empty, in floats and deployed (with a Q before them).
PRUNED = ("GRU", "LSTM", "Conv1D", "Conv2D", "Dense")


@dataclass(frozen=True)
class Kernel:
    """Weights that pruning may remove.

    Attributes
    ----------
    variable : tf.Variable
    gates : gates of a recurrent kernel, which are columns side by side; 0 for any other kernel
    """

    variable: Any
    gates: int = 0


def layer_type(layer: Any) -> str:
    """Type of a layer, the same for its float and its deployed form."""
    return type(layer).__name__.removeprefix("Q")


def find_kernels(model: Any) -> list[Kernel]:
    """Kernels of all recurrent, convolutional and dense layers, in the order of the layers, without biases."""
    found: list[Kernel] = []
    for layer in model.layers:
        kind = layer_type(layer)
        if kind in ("GRU", "LSTM"):
            cell = layer.cell
            found += [Kernel(cell.kernel), Kernel(cell.recurrent_kernel, 3 if kind == "GRU" else 4)]
        elif kind in PRUNED:
            found.append(Kernel(layer.kernel))
    return found


def trained_variables(model: Any, frozen: Sequence[str] = ()) -> list[Any]:
    """Weights that training moves; the layers named in `frozen` become untrainable.

    Parameters
    ----------
    model : keras.Model
    frozen : sequence of str
        Types ("GRU", "Conv1D", "BatchNormalization") or names of layers, the latter with * and ?.

    Raises
    ------
    ConfigError
        An entry fits no layer with weights, or nothing is left to train.
    """
    layers = [layer for layer in model.layers if layer.weights]
    for pattern in frozen:
        chosen = [each for each in layers if pattern == layer_type(each) or fnmatchcase(each.name, pattern)]
        if not chosen:
            known = ", ".join(dict.fromkeys([*map(layer_type, layers), *(layer.name for layer in layers)]))
            raise ConfigError(f"freeze: no layer with weights is of type or name {pattern!r}; there are {known}")
        for layer in chosen:
            layer.trainable = False
    if not model.trainable_weights:
        raise ConfigError("freeze leaves nothing to train")
    return list(model.trainable_weights)
