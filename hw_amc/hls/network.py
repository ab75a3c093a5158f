"""The network's C++: its types, its layers' configurations and products, its function, and the kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node, Quantize
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import depths, resources
from hw_amc.hls.cpp import cpp_type
from hw_amc.hls.ops import LayerBuild, elements, find
from hw_amc.hls.streams import CoreStreams, network_name
from hw_amc.hls.target import Target

#: The generated constant products.
PRODUCTS = "firmware/products.h"
#: Headers of every project, in hls/firmware.
COMMON = ("hw_amc_types.h", "hw_amc_trace.h", "hw_amc_fork.h")


def emit(converted: Any, graph: Graph, target: Target, core: CoreStreams) -> dict[str, str]:
    """C++ of the network: file name -> text, in the tool's dialect.

    Parameters
    ----------
    converted : hls4ml's ModelGraph
        Its layers hold the text that our templates made for each.
    graph, target, core
        What it was made from.
    """
    _require_room(graph, core, target)
    name = network_name(graph)
    headers = sorted({find(node).header_of(node) for node in core.layers} | set(COMMON))
    files = {
        f"firmware/{name}.h": _header(name, core),
        f"firmware/{name}.cpp": _function(name, converted, graph, core),
        "firmware/defines.h": _types(graph, core),
        "firmware/parameters.h": _parameters(converted, headers),
        PRODUCTS: _products(graph, target, core),
        **{f"firmware/{header}": resources.text("firmware", header) for header in _with_included(headers)},
    }
    dialect = target.tool.dialect
    return {**{file: dialect(text) for file, text in files.items()}, **_hls4ml_headers(dialect)}


def _require_room(graph: Graph, core: CoreStreams, target: Target) -> None:
    """Require of the tool's FIFOs what branches that join need of them.

    Raises
    ------
    UnsupportedLayer
        They would wait for each other for ever.
    """
    nodes = {node.name: node for node in (core.source, *core.layers)}
    for (reader, place), depth in depths.of(graph, core).items():
        if not reader or len(nodes[reader].inputs) < 2:
            continue
        node, tool = nodes[nodes[reader].inputs[place]], target.tool
        room, needed = tool.fifo_room(node.shape[-1], node.fmt.bits), depth - depths.LEAST + 1
        if room is not None and room < needed:
            raise UnsupportedLayer(
                f"{reader}: the FIFO from {node.name!r} must hold {needed} elements while the other branch is late; "
                f"{tool.title}'s hold {room}; take another [hls] backend, or build the network as RTL (`hw-amc rtl`)"
            )


def _types(graph: Graph, core: CoreStreams) -> str:
    lines = [
        f"typedef nnet::array<{cpp_type(_format(graph, node))}, {node.shape[-1]}> {node.name}_t;"
        for node in (core.source, *core.layers)
    ]
    return _guarded("DEFINES_H_", ['#include "hw_amc_types.h"', '#include "nnet_types.h"', "", *lines])


def _format(graph: Graph, node: Node) -> FixedFormat:
    """Format of a stream: AMD's ap_fixed cannot round away more bits than a number has, as one of all-zero weights."""
    readers = (reader for reader in graph.nodes if isinstance(reader, Quantize) and node.name in reader.inputs)
    cut = max((node.fmt.frac - reader.fmt.frac for reader in readers), default=0)
    return replace(node.fmt, bits=max(node.fmt.bits, cut + 1))


def _parameters(converted: Any, headers: list[str]) -> str:
    configs = [layer.get_attr("config_cpp") or "" for layer in converted.get_layers()]
    includes = [f'#include "{header}"' for header in (*headers, "defines.h", "products.h")]
    return _guarded("PARAMETERS_H_", [*includes, "", *filter(None, configs)])


def _products(graph: Graph, target: Target, core: CoreStreams) -> str:
    layers = (LayerBuild.of(graph, node.name, target.layer(node.name)) for node in core.layers)
    texts = filter(None, (find(layer.node).code(layer) for layer in layers))
    return _guarded("PRODUCTS_H_", ['#include "hw_amc_types.h"', "", *texts])


def _header(name: str, core: CoreStreams) -> str:
    return _guarded("NETWORK_H_", ['#include "defines.h"', "", f"void {_signature(name, core)};"])


def _signature(name: str, core: CoreStreams) -> str:
    """Name and parameters of the network's function."""
    parameters = [f"hls::stream<{core.source.name}_t> &{core.source.name}_out"]
    streams = core.stream_names()
    for number, head in enumerate(core.heads):
        parameters.append(f"hls::stream<{head.name}_t> &{streams['', number]}")
    return f"{name}({', '.join(parameters)})"


def _function(name: str, converted: Any, graph: Graph, core: CoreStreams) -> str:
    """Definition of the network's function: a process for each layer, a stream between two of them."""
    body: list[str] = []
    parameters = {f"{core.source.name}_out", *(core.stream_names()["", n] for n in range(len(core.heads)))}
    depth_of = depths.of(graph, core)
    for node in (core.source, *core.layers):
        layer = converted.graph[node.name]
        readers = core.readers()[node.name]
        own = f"{node.name}_out"
        if own not in parameters:
            body += _stream(node, own, depth_of[readers[0]] if len(readers) == 1 else depths.LEAST)
        body += layer.get_attr("function_cpp") or []
        body += list(_copies(node, [depth_of[reader] for reader in readers], parameters))
    lines = [
        f'#include "{name}.h"',
        '#include "parameters.h"',
        "",
        f"void {_signature(name, core)} {{",
        "    #pragma HLS DATAFLOW",
        *(f"    {line}" for line in body),
        "}",
        "",
    ]
    return "\n".join(lines)


def _copies(node: Node, depth_of: list[int], parameters: set[str]) -> Iterator[str]:
    """Copy a stream for each of its readers, two at a time, where there are several."""
    names = [f"{node.name}_copy{number}" for number in range(len(depth_of))]
    rest = f"{node.name}_out"
    for number in range(len(names) - 1):
        last = number == len(names) - 2
        after = names[-1] if last else f"{node.name}_rest{number}"
        for stream, depth in ((names[number], depth_of[number]), (after, depth_of[-1] if last else depths.LEAST)):
            if stream not in parameters:
                yield from _stream(node, stream, depth)
        yield f"hw_amc::fork<{node.name}_t, {elements(node)}>({rest}, {names[number]}, {after});"
        rest = after


def _stream(node: Node, name: str, depth: int) -> list[str]:
    return [f'hls::stream<{node.name}_t> {name}("{name}");', f"#pragma HLS STREAM variable={name} depth={depth}"]


def _guarded(guard: str, lines: list[str]) -> str:
    return "\n".join([f"#ifndef {guard}", f"#define {guard}", "", *lines, "", "#endif", ""])


def _with_included(headers: list[str]) -> list[str]:
    """Headers and those of ours that they include."""
    found: dict[str, None] = {}
    waiting = list(headers)
    while waiting:
        header = waiting.pop()
        if header not in found:
            found[header] = None
            waiting += resources.includes(resources.text("firmware", header))
    return sorted(found)


def _hls4ml_headers(dialect: Callable[[str], str]) -> dict[str, str]:
    """The array type of streams, with a tool's pragmas, and the types of AMD's tools for g++, as hls4ml ships them."""
    import hls4ml

    root = Path(hls4ml.__file__).parent / "templates" / "vivado"
    arrays = root / "nnet_utils" / "nnet_types.h"
    files: dict[str, Path] = {}
    for path in sorted((root / "ap_types").rglob("*")):
        if path.is_file():
            files[f"firmware/{path.relative_to(root).as_posix()}"] = path
    types = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    return {"firmware/nnet_types.h": dialect(arrays.read_text(encoding="utf-8")), **types}
