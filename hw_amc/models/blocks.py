"""What float networks of several families are built of. Names are `<name>`, `<name>_norm`, `<name>_relu`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: What our recurrent layers do not have of their authors'.
HARD_GATES = "gates are hard, which hardware has exactly"


def image(x: Any, rows_first: bool = False) -> Any:
    """Frames (T, 2) as an image (T, 2, 1), or with I and Q in two rows, (2, T, 1)."""
    from tensorflow.keras import layers

    if rows_first:
        x = layers.Permute((2, 1), name="rows")(x)
    return layers.Reshape((*x.shape[1:], 1), name="image")(x)


def conv_relu(
    x: Any, name: str, filters: int, size: tuple[int, int], padding: str = "same", norm: bool = False, strides: Any = 1
) -> Any:
    """Convolution over an image, a batch normalisation where it is asked for, and ReLU."""
    from tensorflow.keras import layers

    x = layers.Conv2D(filters, size, strides=strides, padding=padding, name=name)(x)
    if norm:
        x = layers.BatchNormalization(name=f"{name}_norm", momentum=0.9)(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def dense_relu(x: Any, name: str, units: int) -> Any:
    """Fully connected layer and ReLU."""
    from tensorflow.keras import layers

    return layers.ReLU(name=f"{name}_relu")(layers.Dense(units, name=name)(x))


def heads(x: Any, names: Sequence[str], outputs: Sequence[int]) -> Any:
    """Dense layer and softmax of every head, all of one vector: a tensor, or a list where there are several."""
    from tensorflow.keras import layers

    made = [
        layers.Softmax(name=f"{name}_softmax")(layers.Dense(classes, name=name)(x))
        for name, classes in zip(names, outputs, strict=True)
    ]
    return made if len(made) > 1 else made[0]
