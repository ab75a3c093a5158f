"""Layers that a network in ONNX becomes, before Keras makes them: what is still open may be changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow import keras

from hw_amc.compress.build import signed
from hw_amc.compress.layers import qkeras
from hw_amc.compress.onnx.refit import bits_of
from hw_amc.graph.reader.names import identifier

Integers = NDArray[np.int64]

#: Name of the input.
FRAMES = "frames"
#: Most bits of a weight: what a float32 holds.
WEIGHT_BITS = 24
#: Most letters of a layer's name.
_LETTERS = 60


@dataclass
class Step:
    """A layer: what makes it, its weights, and what feeds it.

    Attributes
    ----------
    name : of the layer
    inputs : names of the steps that feed it
    shape : of its output, channels last, without the batch
    make : makes the layer, of a name
    weights : as `set_weights` takes them
    """

    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    make: Callable[[str], Any]
    weights: Sequence[Any] = ()


@dataclass
class LinearStep(Step):
    """A convolution or a dense layer in integers, whose bias may still come.

    Attributes
    ----------
    kernel : the last axis are the outputs
    frac, source_frac : fraction bits of the kernel, and of what comes in
    bias, bias_frac : (outputs,) and its fraction bits
    """

    kernel: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    frac: int = 0
    source_frac: int = 0
    bias: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    bias_frac: int = 0

    @property
    def acc_frac(self) -> int:
        """Fraction bits of the sums."""
        return self.source_frac + self.frac

    def widen(self, bits: int) -> None:
        """Give the kernel more fraction bits; its values stay."""
        self.kernel, self.frac = self.kernel << bits, self.frac + bits

    def flip(self, channels: Any) -> None:
        """Change the sign of some outputs."""
        sign = np.where(channels, -1, 1)
        self.kernel, self.bias = self.kernel * sign, self.bias * sign


def weight_format(raw: Any, frac: int) -> tuple[int, int]:
    """(bits, integer bits) of the narrowest format of QKeras that holds integers with these fraction bits."""
    bits = max(bits_of(raw), frac + 1, 2)
    return bits, bits - 1 - frac


class Steps:
    """The layers of a network in their order, from the input on."""

    def __init__(self, frames: tuple[int, int]) -> None:
        self.frames = frames
        self.by_name: dict[str, Step] = {}
        self._taken = {FRAMES}

    def free(self, name: str) -> str:
        """Return an identifier that no layer has."""
        word = identifier(name[-_LETTERS:].strip("/_. ") or "layer")[:_LETTERS]
        names = (word, *(f"{word}_{number}" for number in range(2, len(self._taken) + 3)))
        found = next(each for each in names if each.lower() not in self._taken)
        self._taken.add(found.lower())
        return found

    def put(
        self, name: str, inputs: Sequence[str], shape: Sequence[int], make: Callable[[str], Any], weights: Any = ()
    ) -> Step:
        """Add a layer."""
        step = Step(self.free(name), tuple(inputs), tuple(shape), make, weights)
        self.by_name[step.name] = step
        return step

    def put_linear(
        self,
        name: str,
        source: str,
        shape: Sequence[int],
        kernel: tuple[Integers, int, int],
        settings: Mapping[str, Any],
    ) -> LinearStep:
        """Add a dense layer, or a convolution where there are `settings` of one.

        `kernel` are its integers, their fraction bits, and those of what comes in.
        """
        step = LinearStep(self.free(name), (source,), tuple(shape), lambda name: None, (), *kernel)
        step.bias = np.zeros(step.kernel.shape[-1], np.int64)
        step.make = lambda name: _linear(step, settings, name)
        self.by_name[step.name] = step
        return step

    def model(self, outputs: Sequence[str], name: str) -> Any:
        """Make the Keras model."""
        tensors = {FRAMES: keras.Input(self.frames, name=FRAMES)}
        for step in self.by_name.values():
            layer = step.make(step.name)
            fed = [tensors[source] for source in step.inputs]
            tensors[step.name] = layer(fed if len(fed) > 1 else fed[0])
            weights = _weights(step) if isinstance(step, LinearStep) else step.weights
            if len(weights):
                layer.set_weights([np.asarray(weight, np.float32) for weight in weights])
        heads = [tensors[each] for each in outputs]
        return keras.Model(tensors[FRAMES], heads if len(heads) > 1 else heads[0], name=name)


def _weights(step: LinearStep) -> list[Any]:
    return [np.ldexp(step.kernel.astype(np.float64), -step.frac), np.ldexp(step.bias.astype(float), -step.bias_frac)]


def _linear(step: LinearStep, settings: Mapping[str, Any], name: str) -> Any:
    quantisers = {
        "kernel_quantizer": signed(*weight_format(step.kernel, step.frac)),
        "bias_quantizer": signed(*weight_format(step.bias, step.bias_frac)),
        "name": name,
    }
    outputs = step.kernel.shape[-1]
    if not settings:
        return qkeras.QDense(outputs, **quantisers)
    kind = qkeras.QConv1D if step.kernel.ndim == 3 else qkeras.QConv2D
    return kind(outputs, step.kernel.shape[:-2], **settings, **quantisers)
