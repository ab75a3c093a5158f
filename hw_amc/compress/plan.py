"""A network between its float and its deployed form: steps that the passes of the deploy pass rewrite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.compress.activations import Line
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.ops.windows import window_counts, window_pads

Floats = np.ndarray[Any, np.dtype[np.float32]]

#: Bits of an activation.
ACTIVATION_BITS = 8
#: Bits of a mean over many samples, which is finer than they are.
MEAN_BITS = 14
#: A mean over more samples than this, or over no power of two, gets a quantiser of its own.
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
    """A layer without weights that deploys as it is: pools, changes of shape, joins of branches."""

    @property
    def kind(self) -> str:
        """The name of its layer's class."""
        return type(self.layer).__name__

    @property
    def computes(self) -> bool:
        """Whether it adds, subtracts or multiplies branches, so that its output has a format of its own."""
        return self.kind in ("Add", "Subtract", "Multiply")

    @cached_property
    def means(self) -> NDArray[np.int64]:
        """Samples of every window that it averages; none where it does not."""
        sizes = self.layer.input_shape[1:-1] if "Average" in self.kind else ()
        if not sizes:
            return np.empty(0, np.int64)
        if self.kind.startswith("Global"):
            return np.array([np.prod(sizes)])
        pool, strides = (tuple(int(one) for one in np.ravel(n)) for n in (self.layer.pool_size, self.layer.strides))
        pads = window_pads(sizes, pool, strides, self.layer.padding == "same")
        return window_counts(sizes, pool, strides, pads)

    @property
    def is_exact_mean(self) -> bool:
        """Whether it averages powers of two, which are shifts; any other mean multiplies by a rounded reciprocal."""
        return not np.any(self.means & (self.means - 1))

    @property
    def needs_quantiser(self) -> bool:
        """Whether its output has so many bits that a quantiser belongs behind it."""
        if not self.means.size:
            return False
        return len(np.unique(self.means)) > 1 or not self.is_exact_mean or int(self.means.max()) > SMALL_MEAN


@dataclass
class Linear(Step):
    """A convolution or a dense layer: kernel, whose last axis are the outputs, and bias.

    A depthwise kernel has two axes for them: those of each input are neighbours.
    """

    kernel: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    bias: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    def scale_outputs(self, factors: Any) -> None:
        """Multiply every output, of kernel and bias, by its factor, or all by one."""
        outputs = self.kernel.shape[-2:] if "Depthwise" in type(self.layer).__name__ else self.kernel.shape[-1:]
        self.kernel = self.kernel * (np.reshape(factors, outputs) if np.ndim(factors) else factors)
        self.bias = self.bias * factors


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
    """A GRU or LSTM.

    Attributes
    ----------
    weights : kernel, recurrent kernel and bias
    curves : `gate` and `candidate`, those of them that are no hard ones -> the function that a table holds
    """

    weights: list[Floats] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)

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
class Tabulate(Step):
    """A smooth function of one variable, which a table holds; a quantiser stands before it."""

    @property
    def function(self) -> Any:
        """The function, of a float32 tensor."""
        return getattr(self.layer, "activation", None) or self.layer.call


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
    model : float Keras model that it was read from, whose layers the steps' sources are
    """

    name: str
    steps: dict[str, Step]
    outputs: list[str]
    model: Any = None

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

    def insert_before(self, name: str, step: Step) -> None:
        """Put a step between a step of one input and what feeds it."""
        if step.name in self.steps:
            raise UnsupportedLayer(f"layer {step.name!r}: {name!r} needs this name for its quantiser; rename the layer")
        self.steps[name].inputs = (step.name,)
        items = list(self.steps.items())
        place = list(self.steps).index(name)
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
