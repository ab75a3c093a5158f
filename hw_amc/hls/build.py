"""From a deployed Keras model, by way of hls4ml, to the complete HLS project."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.graph import Graph
from hw_amc.hls.project import Bench, Tensors, from_network
from hw_amc.hls.streams import network_name
from hw_amc.hls.target import Target
from hw_amc.sources import Sources


def build_project(model: Any, graph: Graph, target: Target, frames: NDArray[Any], keras: Tensors) -> Sources:
    """Build the complete HLS project of a deployed model.

    Parameters
    ----------
    model : keras.Model
        The deployed QKeras model that `graph` was built from.
    graph : Graph
    target : Target
    frames : integer array (n, T, 2)
        Wire words for the test bench.
    keras : mapping of layer name -> integer array (n, *shape)
        What the Keras model made of `frames`, as raw integers: the heads', and any layer that the layer-trace
        build of the bench shall compare too.

    Raises
    ------
    ConfigError
        An illegal reuse factor or an unknown layer in `target`.
    UnsupportedLayer
        A layer that the HLS core lacks.
    Mismatch
        The model's weights, or the integers in the C++, are not the Graph's.
    DataError
        `frames` or `keras` do not fit the graph.
    """
    bench = Bench(frames, keras)
    _check_bench(graph, bench)
    return from_network(convert(model, graph, target), graph, target, bench)


def convert(model: Any, graph: Graph, target: Target) -> Any:
    """Let hls4ml convert a deployed model for one of our back ends; returns its ModelGraph."""
    import hls4ml

    from hw_amc.hls import host
    from hw_amc.hls.host.adopt import Given

    host.ensure_registered()
    with _quiet():
        return hls4ml.converters.convert_from_keras_model(
            model,
            project_name=network_name(graph),
            backend=target.tool.host_name,
            hls_config={},
            part=target.part,
            clock_period=target.clock_ns,
            io_type="io_stream",
            hw_amc=Given(graph, target),
        )


def _check_bench(graph: Graph, bench: Bench) -> None:
    frames, tensors = bench.frames, bench.tensors
    if not np.issubdtype(frames.dtype, np.integer) or frames.shape[1:] != graph.input.shape or not len(frames):
        raise DataError(f"bench frames must be integers (n, {graph.frame_len}, 2), not {frames.dtype} {frames.shape}")
    missing = [name for name in graph.outputs if name not in tensors]
    if missing:
        raise DataError(f"the bench needs the Keras model's integers of {', '.join(missing)}")
    for name, tensor in tensors.items():
        wanted = (len(frames), *graph[name].shape)
        if tensor.shape != wanted or not np.issubdtype(tensor.dtype, np.integer):
            raise DataError(f"bench tensor {name!r} must be integers {wanted}, not {tensor.dtype} {tensor.shape}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """hls4ml reports its progress with print; our command line has its own."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
