"""A Keras model built again, layer by layer, with other layers in place of some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tensorflow import keras

from hw_amc.compress.walk import Call, walk


class Builder:
    """What a model is built with: new layers, names that are free, weights that go along."""

    def __init__(self, taken: Sequence[str]) -> None:
        self._taken = set(taken)

    def free(self, name: str) -> str:
        """Return a name that no layer has, `name` where it is free, and keep it."""
        names = (name, *(f"{name}_{number}" for number in range(2, len(self._taken) + 3)))
        found = next(word for word in names if word not in self._taken)
        self._taken.add(found)
        return found

    def put(self, layer: Any, x: Any, weights: Sequence[Any] = ()) -> Any:
        """Apply a new layer, and give it its weights."""
        y = layer(x)
        if len(weights):
            layer.set_weights(list(weights))
        return y

    def copy(self, layer: Any, x: Any, **changes: Any) -> Any:
        """Apply a copy of a layer with some settings changed."""
        return self.put(type(layer).from_config({**config_of(layer), **changes}), x, layer.get_weights())


#: (builder, call, what feeds it) -> output of the layers that stand for a layer.
Replace = Callable[[Builder, Call, Any], Any]


def rebuild(model: Any, replacement_of: Callable[[Call], Replace | None], frames: tuple[Any, Any] | None = None) -> Any:
    """Build a model again.

    Parameters
    ----------
    model : keras.Model
    replacement_of : a layer -> what makes the layers in its place; None: it is copied
    frames : another input and the tensor that takes the place of the model's own

    Returns
    -------
    keras.Model, functional; the weights are copies.

    Raises
    ------
    UnsupportedLayer
        As `walk`.
    """
    calls = walk(model)
    builder, tensors, inputs = Builder([call.name for call in calls]), dict[str, Any](), None
    for call in calls:
        if not call.inputs:
            inputs, tensors[call.name] = frames or (new := keras.Input(_shape(call), name=call.name), new)
            continue
        fed = [tensors[name] for name in call.inputs]
        x = fed if len(fed) > 1 else fed[0]
        replace = replacement_of(call)
        tensors[call.name] = builder.copy(call.layer, x) if replace is None else replace(builder, call, x)
    outputs = [tensors[name] for name in model.output_names]
    return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)


def _shape(call: Call) -> Any:
    return call.layer.output_shape[0][1:]


def config_of(layer: Any) -> dict[str, Any]:
    """Configuration of a layer with its functions as they are: a user's own need no name."""
    functions = {name: getattr(layer, name, None) for name in ("activation", "recurrent_activation")}
    return {**layer.get_config(), **{name: function for name, function in functions.items() if function is not None}}
