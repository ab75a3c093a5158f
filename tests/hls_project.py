"""An HLS project written straight from a Graph: random networks in integers that no Keras model stands behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hls4ml  # noqa: F401 - before ours: it loads our back ends itself
import numpy as np

from hw_amc import tools
from hw_amc.config import LayerHls
from hw_amc.graph import Graph, golden
from hw_amc.hls import csim, project
from hw_amc.hls.host import layers
from hw_amc.hls.ops import LayerBuild
from hw_amc.hls.project import Bench
from hw_amc.hls.streams import CoreStreams
from hw_amc.hls.target import Target
from hw_amc.verify import equality

PART = "xc7z020clg400-1"


class _Layer:
    """What the writer asks one of hls4ml's layers for."""

    def __init__(self, **attributes: Any) -> None:
        self.attributes = attributes
        self.attributes["config_cpp"] = layers.Config().format(self)
        self.attributes["function_cpp"] = layers.Call().format(self)

    def get_attr(self, name: str) -> Any:
        return self.attributes.get(name)


@dataclass
class _Network:
    graph: dict[str, _Layer]

    def get_layers(self) -> list[_Layer]:
        return list(self.graph.values())


def convert(graph: Graph, target: Target) -> Any:
    """What hls4ml's ModelGraph is after `hls.host.adopt`, for the writer."""
    core = CoreStreams.of(graph)
    streams = core.stream_names()
    found = {core.source.name: _Layer(build=None)}
    for number, node in enumerate(core.layers):
        build = LayerBuild.of(graph, node.name, target.layer(node.name))
        read = [streams[node.name, place] for place in range(len(node.inputs))]
        found[node.name] = _Layer(build=build, number=number, streams=read)
    return _Network(found)


def write(
    folder: Path, graph: Graph, frames: Any, backend: str = "Vitis", settings: dict[str, LayerHls] | None = None
) -> dict[str, Any]:
    """Write the project of a graph and return golden's tensors of all its layers."""
    tensors = golden.run(graph, frames, [node.name for node in graph.nodes[1:]])
    target = Target(backend, PART, 8.0, settings or {})
    target.check(graph)
    heads = {name: tensors[name] for name in graph.outputs}
    project.from_network(convert(graph, target), graph, target, Bench(frames, heads)).write(folder)
    return tensors


def require_equal(folder: Path, graph: Graph, frames: Any, tensors: dict[str, Any], flavour: str) -> int:
    """Simulate a written project: every integer of every layer is golden's; returns how many."""
    got = csim.build(folder, flavour).run(frames, list(tensors), workers=1)
    integers = equality.require_equal(graph, ("golden", flavour), tensors, got)
    assert integers == sum(tensor.size for tensor in tensors.values())
    return integers


def sanitized(folder: Path, graph: Graph) -> str:
    """What the test bench says that was compiled with sanitizers, in the tools' types."""
    network = next((folder / "firmware").glob("*_net.cpp")).name
    flags = ["-O1", "-g", "-std=c++14", "-w", "-fwrapv", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = ["hw_amc_test.cpp", "firmware/hw_amc_core.cpp", f"firmware/{network}"]
    tools.run(["g++", *flags, "-Ifirmware/ap_types", *sources, "-o", "sanitized"], folder)
    return tools.run([folder / "sanitized"], folder)


def frames_of(graph: Graph, count: int, seed: int = 1) -> Any:
    """Wire words: noise, silence, and both ends of the range."""
    rng = np.random.default_rng(seed)
    low, high = graph.input.fmt.min_raw, graph.input.fmt.max_raw
    frames = rng.integers(low, high + 1, (count, *graph.input.shape))
    frames[0], frames[1], frames[2] = 0, high, low
    return frames.astype(np.int16)
