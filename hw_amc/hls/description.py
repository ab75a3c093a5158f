"""What csim and the tools' runner need to know of a written project."""

from __future__ import annotations

from typing import Any

from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.backends import TOP
from hw_amc.hls.streams import CoreStreams
from hw_amc.hls.target import Target

#: File of a project that holds it.
DESCRIPTION = "hw_amc.json"


def describe(graph: Graph, target: Target) -> dict[str, Any]:
    """Return the description, for JSON."""
    core = CoreStreams.of(graph)
    return {
        "schema": 2,
        "name": graph.name,
        "top": TOP,
        "backend": target.backend,
        "part": target.part,
        "clock_ns": target.clock_ns,
        "graph_digest": graph.digest(),
        "frame_len": graph.frame_len,
        "wire": _format(graph.input.fmt),
        "input": {"name": core.source.name, **_format(core.source.fmt)},
        "heads": [head.name for head in core.heads],
        "layers": [{"name": n.name, "shape": list(graph[n.name].shape), **_format(n.fmt)} for n in core.layers],
    }


def _format(fmt: FixedFormat) -> dict[str, Any]:
    return {"bits": fmt.bits, "frac": fmt.frac, "signed": fmt.signed}
