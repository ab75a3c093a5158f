"""The complete HLS project: hls4ml's reading of the network as C++, the core, the test bench, the scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.hls import network, resources
from hw_amc.hls.backends import TOP
from hw_amc.hls.description import DESCRIPTION, describe
from hw_amc.hls.readback import require_text
from hw_amc.hls.streams import CoreStreams, network_name
from hw_amc.hls.target import Target
from hw_amc.sources import Sources

Tensors = Mapping[str, NDArray[Any]]

NATIVE = ("ap_fixed.h", "ap_int.h", "hls_stream.h")


@dataclass(frozen=True, eq=False)
class Bench:
    """Data of the test bench."""

    #: Wire words (n, T, 2).
    frames: NDArray[Any]
    #: Layer -> integers (n, *shape); the heads', and any other layer that the bench shall compare.
    tensors: Tensors


def from_network(converted: Any, graph: Graph, target: Target, bench: Bench) -> Sources:
    """Build the project from hls4ml's ModelGraph, whose layers are ours.

    Raises
    ------
    Mismatch
        The integers in the C++ are not the Graph's.
    """
    core = CoreStreams.of(graph)
    firmware = network.emit(converted, graph, target, core)
    require_text(firmware[network.PRODUCTS], graph, target)
    names = _names(graph, core, bench)
    top = target.tool.dialect(resources.fill("core.cc", names))
    files = {
        **firmware,
        "firmware/hw_amc_core.h": resources.fill("core.h", names),
        "firmware/hw_amc_core.cpp": top,
        **target.tool.own_sources(firmware[f"firmware/{network_name(graph)}.cpp"], top),
        "hw_amc_csim.cpp": resources.fill("csim.cc", names),
        "hw_amc_test.cpp": resources.fill("test_bench.cc", names),
        **{f"native/{name}": resources.text("firmware/native", name) for name in NATIVE},
        **_bench_data(graph, core, bench),
        **_scripts(graph, target),
        DESCRIPTION: json.dumps(describe(graph, target), indent=1) + "\n",
    }
    return Sources(files)


def to_samples(frames: NDArray[Any], wire: FixedFormat, core: FixedFormat) -> NDArray[np.int32]:
    """Round wire words to the network's input format, as the accelerator's shell does."""
    return requantize(frames.astype(np.int64), wire.frac, core).astype(np.int32)


def _names(graph: Graph, core: CoreStreams, bench: Bench) -> dict[str, Any]:
    """What the templates leave open."""
    traced = [
        f'{{"{node.name}", {index}, {prod(node.shape)}}}, '
        for index, node in enumerate(core.layers)
        if node.name in bench.tensors
    ]
    heads = [f"head{number}" for number in range(len(core.heads))]
    typed = list(zip(heads, core.heads, strict=True))
    return {
        "NETWORK": network_name(graph),
        "INPUT_T": f"{core.source.name}_t",
        "HEAD_STREAMS": "".join(_stream(head, node) for head, node in typed),
        "HEAD_PARAMETERS": ", ".join(f"hls::stream<{node.name}_t> &{head}" for head, node in typed),
        "HEADS": ", ".join(heads),
        "PACKED": "\n".join(f"    pack_head({head}, logits);" for head in heads),
        "T": graph.frame_len,
        "LOGITS": core.logits,
        "FRAMES": len(bench.frames),
        "FIELD_BITS": core.field_bits,
        "WORD_BITS": 2 * core.field_bits,
        "LAYERS": len(core.layers),
        "TRACED": "".join(traced),
    }


def _stream(name: str, node: Node) -> str:
    return f'    hls::stream<{node.name}_t> {name}("{name}");\n    #pragma HLS STREAM variable={name} depth=2\n'


def _bench_data(graph: Graph, core: CoreStreams, bench: Bench) -> dict[str, str]:
    logits = np.concatenate([bench.tensors[head.name] for head in core.heads], axis=1)
    data = {"samples": to_samples(bench.frames, graph.input.fmt, core.source.fmt), "logits": logits}
    inside = {node.name for node in core.layers}
    files = {f"tb_data/{name}.dat": _lines(tensor) for name, tensor in data.items()}
    layers = {f"tb_data/layer_{name}.dat": _lines(t) for name, t in bench.tensors.items() if name in inside}
    return {**files, **layers}


def _lines(tensor: NDArray[Any]) -> str:
    rows = tensor.reshape(-1, tensor.shape[-1]).tolist()
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def _scripts(graph: Graph, target: Target) -> dict[str, str]:
    tool = target.tool
    names = {
        "PART": target.part,
        "CLOCK_NS": f"{target.clock_ns:g}",
        "UNCERTAINTY": f"{100 * tool.clock_uncertainty:g}",
        "NETWORK": network_name(graph),
        "TOP": TOP,
    }
    return {file: resources.fill(template, names) for file, template in tool.scripts().items()}
