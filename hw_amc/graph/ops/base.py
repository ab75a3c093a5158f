"""What every operation of the integer graph is: one class with its checks, execution, counts and axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError, DataError, UnsupportedLayer
from hw_amc.graph.fixed import FixedFormat, Tensor

Weights = NDArray[np.int32]

#: Word in graph.json -> operation.
OPS: dict[str, type[Node]] = {}

#: Names of a tensor's axes, by their number.
_AXES: dict[int, tuple[str, ...]] = {
    1: ("channel",),
    2: ("step", "channel"),
    3: ("row", "column", "channel"),
}


#: Most values of one tensor of one frame: of a file, this bounds what its execution takes.
_MOST_VALUES = 1 << 26


def is_default(value: Any, default: Any) -> bool:
    """Whether a field has its default; an array, which has none but None, never does."""
    return not isinstance(value, np.ndarray) and bool(value == default)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation and its one output tensor.

    A subclass that sets `op` is an operation: it is written to graph.json under that word and read back.
    """

    #: Word in graph.json.
    op: ClassVar[str] = ""
    #: Number of tensors that it reads; None: one or more.
    arity: ClassVar[int | None] = 1
    #: Axes that each of its inputs must have; None: any number.
    rank: ClassVar[int | None] = None
    #: Whether its arrays are what training found; False: they follow from the operation.
    trained: ClassVar[bool] = True

    #: An identifier, unique in the graph.
    name: str
    inputs: tuple[str, ...]
    #: Shape of the output without the batch axis: (T, C), (rows, columns, channels) or (C,).
    shape: tuple[int, ...]
    fmt: FixedFormat
    #: Name of the Keras layer where that is no identifier; empty where it is the node's name.
    layer: str = field(default="", kw_only=True)

    def __init_subclass__(cls) -> None:
        if "op" in cls.__dict__:
            if cls.op in OPS:
                raise TypeError(f"two operations are called {cls.op!r}: {OPS[cls.op].__name__} and {cls.__name__}")
            OPS[cls.op] = cls

    @property
    def layer_name(self) -> str:
        """Name of the Keras layer that the node was made from."""
        return self.layer or self.name

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the output's axes, for messages."""
        return _AXES.get(len(self.shape), tuple(f"axis {axis}" for axis in range(len(self.shape))))

    @property
    def options(self) -> dict[str, Any]:
        """Fields that differ from their defaults: forms of the operation that not every back end builds."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name != "layer" and f.default is not MISSING and not is_default(getattr(self, f.name), f.default)
        }

    def refuse_options(self, backend: str, known: Collection[str] = ()) -> None:
        """Raise UnsupportedLayer, with the back end's name, if an option is set that it does not know."""
        unknown = [
            f"{name} = {f'{value.size} integers' if isinstance(value, np.ndarray) else value}"
            for name, value in self.options.items()
            if name not in known
        ]
        if unknown:
            raise UnsupportedLayer(
                f"{backend}: {self.op!r} (node {self.name!r}) with {', '.join(unknown)} is not supported"
            )

    def arrays(self) -> dict[str, Weights]:
        """Weight arrays by field name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}

    def array_format(self, key: str) -> FixedFormat:
        """Format of the integers of one array."""
        fmt: FixedFormat = getattr(self, f"{key}_fmt")
        return fmt

    def kernels(self) -> dict[str, Weights]:
        """Arrays, by field name, whose zeros are left out of the hardware and whose products count as MACs.

        Biases are not among them, nor are batch normalisations, which pruning leaves dense and published figures do
        not count.
        """
        return {}

    @property
    def parameters(self) -> int:
        """Number of trained integers."""
        return sum(array.size for array in self.arrays().values()) if self.trained else 0

    @property
    def nonzeros(self) -> int:
        """Nonzero integers of the kernels, and every other parameter."""
        zeros = sum(array.size - int(np.count_nonzero(array)) for array in self.kernels().values())
        return self.parameters - zeros

    @property
    def memory_bits(self) -> int:
        """Bits of the nonzero integers of the kernels and of every other parameter, packed."""
        kernels, arrays = self.kernels(), self.arrays()
        counts = {key: np.count_nonzero(array) if key in kernels else array.size for key, array in arrays.items()}
        return sum(int(count) * self.array_format(key).bits for key, count in counts.items())

    @property
    def macs(self) -> int:
        """Multiply-accumulates a frame; padding counts as samples."""
        return self._uses * sum(kernel.size for kernel in self.kernels().values())

    @property
    def nonzero_macs(self) -> int:
        """Multiply-accumulates a frame with nonzero weights."""
        return self._uses * sum(int(np.count_nonzero(kernel)) for kernel in self.kernels().values())

    @property
    def _uses(self) -> int:
        """How often a frame uses each weight: once at every place of the output."""
        return prod(self.shape[:-1])

    def verify(self, sources: Sequence[Node]) -> None:
        """Check number and axes of the inputs, then all that `check` asks for.

        Raises
        ------
        DataError
            Shapes, formats or weights do not fit; the message names the node.
        UnsupportedLayer
            The operation is not exact in this form.
        """
        self.require(self.arity in (None, len(sources)), f"it has {len(sources)} inputs, not {self.arity}")
        self.require(len(self.shape) > 0 and min(self.shape) > 0, f"shape {self.shape} is empty")
        self.require(prod(self.shape) <= _MOST_VALUES, f"shape {self.shape} has more than {_MOST_VALUES:,} values")
        for source in sources:
            fits = self.rank in (None, len(source.shape))
            self.require(fits, f"its input has shape {source.shape}, which is not of {self.rank} axes")
        try:
            self.check(sources)
        except ConfigError as error:
            raise DataError(f"graph node {self.name!r} ({self.op}): {error}") from error

    def check(self, sources: Sequence[Node]) -> None:
        """Raise DataError unless shapes, formats and weights agree with the input nodes."""

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        """Return the output for a batch.

        Parameters
        ----------
        sources : nodes that it reads
        tensors : their tensors (n, *shape), integers in any dtype that holds them; they are not changed

        Returns
        -------
        array (n, *shape) of integers, in any dtype that holds them.

        Raises
        ------
        UnsupportedLayer
            The operation has no execution, or no float is wide enough for its sums.
        """
        raise UnsupportedLayer(f"golden cannot execute {self.op!r} (node {self.name!r})")

    def exact_dtype(self, sources: Sequence[Node]) -> np.dtype[Any]:
        """Narrowest float in which no intermediate result is rounded, whatever the inputs: float32 or float64.

        Raises
        ------
        UnsupportedLayer
            Not even float64 is exact.
        """
        return self.float_for(max(self.fmt.max_abs, *(source.fmt.max_abs for source in sources)))

    def float_for(self, bound: int) -> np.dtype[Any]:
        """Narrowest float that holds every integer up to `bound`."""
        if bound < 1 << 24:
            return np.dtype(np.float32)
        if bound < 1 << 53:
            return np.dtype(np.float64)
        raise UnsupportedLayer(
            f"{self.name}: a sum of {bound.bit_length()} bits exceeds the 53 of a float64; use narrower formats"
        )

    def require(self, condition: bool, message: str) -> None:
        """Raise DataError with this node's name unless `condition`."""
        if not condition:
            raise DataError(f"graph node {self.name!r} ({self.op}): {message}")

    def require_same_format(self, source: Node) -> None:
        """Raise DataError unless the output has the input's format."""
        self.require(self.fmt == source.fmt, f"format {self.fmt} differs from input {source.fmt}")

    def require_shape(self, shape: tuple[int, ...]) -> None:
        """Raise DataError unless the output has this shape."""
        self.require(min(shape) > 0 and self.shape == shape, f"shape {self.shape} is not {shape}")

    def require_arrays(self, wanted: Mapping[str, tuple[int, ...]]) -> None:
        """Raise DataError unless the arrays are int32, of these shapes, each within its format."""
        for key, shape in wanted.items():
            array, fmt = getattr(self, key), self.array_format(key)
            self.require(array.dtype == np.int32, f"{key} must be int32, not {array.dtype}")
            self.require(array.shape == shape, f"{key} has shape {array.shape}, expected {shape}")
            self.require(fmt.holds(array), f"{key} has integers outside its format {fmt}")
