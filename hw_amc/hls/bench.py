"""What we write around hls4ml's firmware: the core, the test bench with its data, the scripts, the description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.hls.target import Core, Target, network_name
from hw_amc.sources import Sources

Tensors = Mapping[str, NDArray[Any]]

#: Description of a written project, read by csim and the tools' runner.
DESCRIPTION = "hw_amc.json"
NATIVE = ("ap_fixed.h", "ap_int.h", "hls_stream.h")


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
        What the Keras model made of `frames`, as raw integers: the output's, and any layer that the layer-trace
        build of the bench shall compare too.

    Raises
    ------
    ConfigError
        An illegal reuse factor or an unknown layer in `target`.
    UnsupportedLayer
        A layer that the HLS road cannot build.
    Mismatch
        The model's weights, or the integers in the C++, are not the Graph's.
    DataError
        `frames` or `keras` do not fit the graph.
    """
    from hw_amc.hls.convert import write_firmware

    target.check(graph)
    core = Core.of(graph)
    _check_bench(graph, frames, keras)
    firmware, (input_t, result_t) = write_firmware(model, graph, target)
    names = _names(graph, core, len(frames), [node.name for node in core.layers(graph) if node.name in keras])
    names |= {"NETWORK": network_name(graph), "INPUT_T": input_t, "RESULT_T": result_t}
    files = {
        **firmware,
        "firmware/hw_amc_core.h": _fill("core.h", names),
        "firmware/hw_amc_core.cpp": _fill("core.cc", names),
        "hw_amc_csim.cpp": _fill("csim.cc", names),
        "hw_amc_test.cpp": _fill("test_bench.cc", names),
        **{f"native/{name}": _text("firmware/native", name) for name in NATIVE},
        **_bench_data(graph, core, frames, keras),
        **_scripts(graph, target),
        DESCRIPTION: json.dumps(describe(graph, target), indent=1) + "\n",
    }
    return Sources(files)


def describe(graph: Graph, target: Target) -> dict[str, Any]:
    """Return what csim and the tools' runner need to know of a written project."""
    core = Core.of(graph)
    return {
        "schema": 1,
        "name": graph.name,
        "top": "hw_amc_core",
        "backend": target.backend,
        "part": target.part,
        "clock_ns": target.clock_ns,
        "graph_digest": graph.digest(),
        "frame_len": graph.frame_len,
        "wire": _format(graph.input.fmt),
        "input": {"name": core.source.name, **_format(core.source.fmt)},
        "layers": [{"name": n.name, "shape": list(n.shape), **_format(n.fmt)} for n in core.layers(graph)],
    }


def to_samples(frames: NDArray[Any], wire: FixedFormat, core: FixedFormat) -> NDArray[np.int32]:
    """Round wire words to the network's input format, as the accelerator's shell does."""
    return requantize(frames.astype(np.int64), wire.frac, core).astype(np.int32)


def _format(fmt: FixedFormat) -> dict[str, Any]:
    return {"bits": fmt.bits, "frac": fmt.frac, "signed": fmt.signed}


def _check_bench(graph: Graph, frames: NDArray[Any], keras: Tensors) -> None:
    if not np.issubdtype(frames.dtype, np.integer) or frames.shape[1:] != graph.input.shape or not len(frames):
        raise DataError(f"bench frames must be integers (n, {graph.frame_len}, 2), not {frames.dtype} {frames.shape}")
    missing = [name for name in graph.outputs if name not in keras]
    if missing:
        raise DataError(f"the bench needs the Keras model's integers of {', '.join(missing)}")
    for name, tensor in keras.items():
        wanted = (len(frames), *graph[name].shape)
        if tensor.shape != wanted or not np.issubdtype(tensor.dtype, np.integer):
            raise DataError(f"bench tensor {name!r} must be integers {wanted}, not {tensor.dtype} {tensor.shape}")


def _names(graph: Graph, core: Core, frames: int, traced: list[str]) -> dict[str, Any]:
    layers = core.layers(graph)
    rows = [f'{{"{n.name}", {i}, {int(np.prod(n.shape))}}}, ' for i, n in enumerate(layers) if n.name in traced]
    return {
        "T": graph.frame_len,
        "CLASSES": core.result.shape[0],
        "FRAMES": frames,
        "FIELD_BITS": core.field_bits,
        "WORD_BITS": 2 * core.field_bits,
        "LAYERS": len(layers),
        "TRACED": "".join(rows),
    }


def _fill(name: str, names: Mapping[str, Any]) -> str:
    text = _text("templates", name)
    for key, value in names.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def _text(folder: str, name: str) -> str:
    return resources.files("hw_amc.hls").joinpath(folder, name).read_text(encoding="utf-8")


def _bench_data(graph: Graph, core: Core, frames: NDArray[Any], keras: Tensors) -> dict[str, str]:
    samples = to_samples(frames, graph.input.fmt, core.source.fmt)
    data = {"tb_data/samples.dat": samples, "tb_data/logits.dat": keras[core.result.name]}
    inside = {node.name for node in core.layers(graph)}
    data |= {f"tb_data/{name}.dat": tensor for name, tensor in keras.items() if name in inside}
    return {name: _lines(tensor) for name, tensor in data.items()}


def _lines(tensor: NDArray[Any]) -> str:
    rows = tensor.reshape(-1, tensor.shape[-1]).tolist()
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def _scripts(graph: Graph, target: Target) -> dict[str, str]:
    names = {"PART": target.part, "CLOCK_NS": f"{target.clock_ns:g}", "NETWORK": network_name(graph)}
    flavour = "vivado" if target.backend == "Vivado" else "vitis"
    return {
        **{f"{step}.tcl": _fill(f"{step}.tcl", names) for step in ("csim", "csynth", "cosim", "export")},
        "project.tcl": _fill(f"project_{flavour}.tcl", names),
    }
