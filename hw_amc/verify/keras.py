"""The deployed Keras model as a back end: what every other one must equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph import Graph
from hw_amc.verify.equality import to_integers


def nodes_beyond_float32(graph: Graph) -> list[str]:
    """Nodes whose sums float32 may round: with any of them, the Keras reference must run in float64."""
    return [node.name for node, sources in graph.walk() if node.exact_dtype(sources) != np.float32]


class KerasReference:
    """The deployed Keras model as a back end: raw wire words in, raw integers of any layer out.

    Runs in float64 when the real weights do not bound every sum below 2^24 (`dtype` says which).

    Parameters
    ----------
    model : keras.Model
        The deployed model.
    graph : Graph
        Built from it.
    """

    def __init__(self, model: Any, graph: Graph) -> None:
        from hw_amc.compress import to_float64

        self.graph = graph
        self.dtype = "float64" if nodes_beyond_float32(graph) else "float32"
        self.model = model
        if self.dtype == "float64":
            with _floatx("float64"):
                self.model = to_float64(model)
        self._probes: dict[tuple[str, ...], Any] = {}

    @property
    def name(self) -> str:
        """What messages call it."""
        return "Keras"

    def run(self, frames: NDArray[Any], keep: Iterable[str] | None = None) -> dict[str, NDArray[np.int64]]:
        """Execute on wire words (n, T, 2) and return the integers of the layers `keep` (the outputs by default)."""
        names = tuple(self.graph.outputs if keep is None else keep)
        values = np.ldexp(frames.astype(self.dtype), -self.graph.input.fmt.frac)
        with _floatx(self.dtype):
            tensors = self._probe(names).predict(values, batch_size=len(values), verbose=0)
        return to_integers(self.graph, {name: tensors[name] for name in names})

    def _probe(self, names: tuple[str, ...]) -> Any:
        """Model that gives the tensors of these layers; kept, since Keras traces each model anew."""
        from tensorflow import keras

        from hw_amc.graph.reader import keras_tensor_of

        if names not in self._probes:
            outputs = {name: keras_tensor_of(self.graph[name], self.model) for name in names}
            self._probes[names] = keras.Model(self.model.input, outputs)
        return self._probes[names]


@contextmanager
def _floatx(dtype: str) -> Iterator[None]:
    """Set Keras' default float for a while: QKeras casts its constants to it."""
    from tensorflow import keras

    before = keras.backend.floatx()
    keras.backend.set_floatx(dtype)
    try:
        yield
    finally:
        keras.backend.set_floatx(before)
