"""Where a user's model begins and ends: frames (T, 2) go in, logits come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorflow import keras

from hw_amc.compress.activations import is_softmax
from hw_amc.compress.deployed import custom_objects
from hw_amc.compress.rebuild import rebuild
from hw_amc.compress.walk import walk
from hw_amc.errors import UnsupportedLayer


@dataclass(frozen=True)
class LayerSummary:
    """A layer as people read it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def summarise(model: Any) -> list[LayerSummary]:
    """List the layers of a model in the order in which they compute; errors as `walk`."""
    rows = []
    for call in walk(model):
        shape = call.layer.output_shape
        shape = shape[0] if isinstance(shape, list) else shape
        rows.append(LayerSummary(call.name, call.kind, tuple(shape[1:]), int(call.layer.count_params())))
    return rows


def is_quantised(model: Any) -> bool:
    """Whether a model has layers of QKeras or of our deployed networks."""
    return any(type(layer).__module__.startswith(("qkeras", "hw_amc")) for layer in model.layers)


def take_frames(model: Any) -> Any:
    """Give a model an input of frames (T, 2), where its own has the same numbers in another shape.

    Parameters
    ----------
    model : keras.Model
        Its input is (T, 2), (T, 2, 1), (1, T, 2), or with I and Q in rows: (2, T), (2, T, 1), (1, 2, T).

    Returns
    -------
    keras.Model
        The model itself where it takes frames (T, 2).

    Raises
    ------
    UnsupportedLayer
        Its input is none of these, or there are several.
    """
    walk(model)
    shape = tuple(model.input_shape[0] if isinstance(model.input_shape, list) else model.input_shape)[1:]
    sizes = tuple(size for size in shape if size != 1)
    if None in shape or len(sizes) != 2 or 2 not in sizes:
        raise UnsupportedLayer(
            f"the model's input must be (T, 2), a frame of a fixed number of I and Q, or the same as an image or in two"
            f" rows, not {shape}; give it such an input and put a Reshape behind it"
        )
    if len(shape) == 2 and shape[1] == 2:
        return model
    rows = sizes[1] != 2
    taken = {layer.name for layer in model.layers}
    inputs = x = keras.Input((sizes[1] if rows else sizes[0], 2), name=_free("frames", taken))
    if rows:
        x = keras.layers.Permute((2, 1), name=_free("rows", taken))(x)
    if len(shape) > 2:
        x = keras.layers.Reshape(shape, name=_free("image", taken))(x)
    return _rebuilt_on(model, inputs, x)


def _rebuilt_on(model: Any, inputs: Any, x: Any) -> Any:
    """Build a model again on a tensor of the shape of its input; the weights are copies."""
    with keras.utils.custom_object_scope(custom_objects()):
        return rebuild(model, lambda call: None, (inputs, x))


def _free(name: str, taken: set[str]) -> str:
    return next(word for word in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if word not in taken)


def cut_softmax(model: Any) -> Any:
    """Leave the softmax layers at the heads of a quantised model to the host; the model itself where it has none.

    A Sequential model becomes a functional one, the only kind that hls4ml reads as Keras 2.14 describes it.
    """
    outputs = []
    for tensor in model.outputs:
        layer = tensor._keras_history.layer
        kind = type(layer).__name__
        ends = kind == "Softmax" or (kind == "Activation" and is_softmax(layer.activation))
        outputs.append(layer.input if ends else tensor)
    kept = all(new is old for new, old in zip(outputs, model.outputs, strict=True))
    if kept and not isinstance(model, keras.Sequential):
        return model
    return keras.Model(model.inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)


def heads_of(model: Any) -> list[int]:
    """Logits of every head.

    Raises
    ------
    UnsupportedLayer
        A head is no vector.
    """
    for tensor in model.outputs:
        if len(tensor.shape) != 2 or tensor.shape[1] is None:
            raise UnsupportedLayer(
                f"output {tensor._keras_history.layer.name!r} is {tuple(tensor.shape[1:])}, and each head must be a"
                " vector with a logit for each class; put a pooling or a Flatten and a Dense layer behind it"
            )
    return [int(tensor.shape[1]) for tensor in model.outputs]
