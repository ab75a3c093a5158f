"""The bridge from hls4ml's `predict` and `trace` to the network's C++."""

from __future__ import annotations

from math import prod
from typing import Any

from hw_amc.graph import Graph
from hw_amc.hls import csim, resources
from hw_amc.hls.streams import CoreStreams, network_name


def source(model: Any, graph: Graph, project: str) -> str:
    """C++ of the bridge.

    Parameters
    ----------
    model : hls4ml's ModelGraph
        Its layers say which of them are traced.
    graph : Graph
    project : str
        hls4ml's project name, with which its calls begin.
    """
    core = CoreStreams.of(graph)
    heads = list(enumerate(core.heads))
    layers = [
        f'{{"{node.name}", {prod(node.shape)}, {node.fmt.frac}, '
        f"{'true' if model.graph[node.name].get_attr('trace') else 'false'}}}"
        for node in core.layers
    ]

    def pointers(kind: str) -> str:
        return "".join(f", {kind} *values{number}" for number, _ in heads)

    names = {
        "NETWORK": network_name(graph),
        "PROJECT": project,
        "TRACED_LAYERS": ", ".join(layers),
        "T": graph.frame_len,
        "INPUT_T": f"{core.source.name}_t",
        "HEAD_POINTERS": pointers("value_T"),
        "FLOAT_POINTERS": pointers("float"),
        "DOUBLE_POINTERS": pointers("double"),
        "HEAD_NAMES": "".join(f", values{number}" for number, _ in heads),
        "HEADS": ", ".join(f"head{number}" for number, _ in heads),
        "HEAD_STREAMS": "\n".join(f'    hls::stream<{head.name}_t> head{n}("head{n}");' for n, head in heads),
        "READ_HEADS": "\n".join(f"    read_head(head{n}, {head.fmt.frac}, values{n});" for n, head in heads),
    }
    return resources.fill("bridge.cc", names)


def build_script(project: str, stamp: str) -> str:
    """Shell script that compiles the bridge into the shared object that hls4ml loads."""
    flags = " ".join((*csim.FLAVOURS["ap_fixed"], *csim.COMMON))
    return f'#!/bin/sh\nset -e\ncd "$(dirname "$0")"\ng++ {flags} bridge.cpp -o firmware/{project}-{stamp}.so\n'
