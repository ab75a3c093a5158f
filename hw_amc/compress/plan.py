"""A network between its float and its deployed form: steps that the passes of the deploy pass rewrite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from hw_amc.compress.activations import Line
from hw_amc.errors import UnsupportedLayer

Floats = np.ndarray[Any, np.dtype[np.float32]]

#: Bits of an activation.
ACTIVATION_BITS = 8
#: Bits of a mean over many samples, which is finer than they are.
MEAN_BITS = 14
#: A mean over more samples than this gets a quantiser of its own.
SMALL_MEAN = 8


@dataclass
class Step:
    """One operation.

    Attributes
    ----------
    name : of the deployed layer
    inputs : names of the steps that feed it
    source : float layer whose output this step gives; empty where no float layer has it
    layer : Keras layer that it was read from, None for what the deploy pass put in
    """

    name: str
    inputs: tuple[str, ...]
    source: str = ""
    layer: Any = None


@dataclass
class Frames(Step):
    """The model's input."""


@dataclass
class Copy(Step):
    """A layer without weights that deploys as it is: pools, reshapes, sums of two branches."""

    @property
    def adds(self) -> bool:
        """Whether it is a sum, so that its output has a format of its own."""
        return type(self.layer).__name__ == "Add"

    @property
    def averaged(self) -> int:
        """Values that it averages, 1 where it does not; 0 where it averages a whole frame of any length."""
        kind = type(self.layer).__name__
        if kind.startswith("GlobalAverage"):
            return int(np.prod([size or 0 for size in self.layer.input_shape[1:-1]]))
        return int(np.prod(self.layer.pool_size)) if kind.startswith("Average") else 1

    @property
    def is_long_mean(self) -> bool:
        """Whether it averages so many values that its output needs a quantiser."""
        return self.averaged == 0 or self.averaged > SMALL_MEAN


@dataclass
class Linear(Step):
    """A convolution or a dense layer: kernel, whose last axis are the outputs, and bias."""

    kernel: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    bias: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass
class Affine(Step):
    """A scale and a bias a channel."""

    scale: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    bias: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass
class Norm(Affine):
    """A batch normalisation, before it is folded or becomes an affine."""


@dataclass
class Recurrent(Step):
    """A GRU or LSTM: kernel, recurrent kernel and bias, in the order of its weights."""

    weights: list[Floats] = field(default_factory=list)

    @property
    def is_lstm(self) -> bool:
        """Whether it is an LSTM, else a GRU."""
        return "LSTM" in type(self.layer).__name__


@dataclass
class Clip(Step):
    """An activation, before it becomes a quantiser."""

    line: Line = field(default_factory=Line)


@dataclass
class Quantise(Step):
    """A rounding onto a format.

    Attributes
    ----------
    signed : whether its format has a sign; without one it is a ReLU too
    bits : of its format where nobody asks for others
    integer : its integer bits where they are fixed, as a clip of the float network fixes them
    margin : room above the largest value seen; 0 lets a few values clip instead
    """

    signed: bool = True
    bits: int = ACTIVATION_BITS
    integer: int | None = None
    margin: float = 0.0


@dataclass
class StateQuantise(Step):
    """The rounding of a recurrent layer's state, behind the layer."""


S = TypeVar("S", bound=Step)


@dataclass
class Plan:
    """Steps in the order in which they compute, by name.

    Attributes
    ----------
    name : of the model
    steps : name -> step
    outputs : names of the steps that give the heads' logits
    """

    name: str
    steps: dict[str, Step]
    outputs: list[str]

    def of(self, kind: type[S]) -> Iterator[S]:
        """Steps of a kind; the plan may be changed meanwhile."""
        for step in list(self.steps.values()):
            if isinstance(step, kind):
                yield step

    def consumers(self, name: str) -> list[Step]:
        """Steps that take a step's output."""
        return [step for step in self.steps.values() if name in step.inputs]

    def is_private(self, name: str) -> bool:
        """Whether just one step takes a step's output, and no head."""
        return len(self.consumers(name)) == 1 and name not in self.outputs

    def insert_behind(self, name: str, step: Step) -> None:
        """Put a step between a step and all that take its output."""
        if step.name in self.steps:
            raise UnsupportedLayer(f"layer {step.name!r}: {name!r} needs this name for its quantiser; rename the layer")
        for other in self.consumers(name):
            _rewire(other, name, step.name)
        self.outputs = [step.name if output == name else output for output in self.outputs]
        items = list(self.steps.items())
        place = list(self.steps).index(name) + 1
        self.steps = dict([*items[:place], (step.name, step), *items[place:]])

    def bypass(self, name: str) -> None:
        """Take a step of one input out; what it fed takes its input."""
        step = self.steps.pop(name)
        (source,) = step.inputs
        for other in self.consumers(name):
            _rewire(other, name, source)
        self.outputs = [source if output == name else output for output in self.outputs]

    def put(self, old: str, step: Step) -> None:
        """Put a step in another one's place, under its own name."""
        if step.name != old and step.name in self.steps:
            raise UnsupportedLayer(f"layer {step.name!r}: {old!r} needs this name for its deployed form; rename it")
        for other in self.consumers(old):
            _rewire(other, old, step.name)
        self.outputs = [step.name if output == old else output for output in self.outputs]
        self.steps = {step.name if name == old else name: step if name == old else other
                      for name, other in self.steps.items()}  # fmt: skip


def _rewire(step: Step, old: str, new: str) -> None:
    step.inputs = tuple(new if name == old else name for name in step.inputs)


def affine_of(norm: Norm, name: str) -> Affine:
    """Turn a batch normalisation into an affine of another name."""
    return Affine(name, norm.inputs, norm.source, None, norm.scale, norm.bias)
