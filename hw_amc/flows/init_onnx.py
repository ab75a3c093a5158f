"""What a quantised file in ONNX lost on its way, integer by integer: beside the numbers that the file itself gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hw_amc.errors import Mismatch
from hw_amc.flows.graph import build_graph
from hw_amc.flows.init_judge import to_words
from hw_amc.flows.init_state import COMPARED, FileNoise, InitFlow
from hw_amc.verify.backend import Golden
from hw_amc.workspace import Workspace


def compare(flow: InitFlow, staged: Workspace, deployed: Any) -> FileNoise:
    """Run golden and the file on the same frames.

    Raises
    ------
    Mismatch
        An integer differs, although no factor was refitted.
    """
    from hw_amc.radio import from_wire

    onnx = flow.onnx
    assert onnx is not None
    graph = build_graph(staged, deployed)
    words = to_words(flow, flow.frames.calibration[:COMPARED])
    nodes = {node.layer_name: node for node in graph.nodes}
    wanted = onnx.kept(from_wire(words, flow.wire_frac))
    given = Golden(graph).run(words, [nodes[layer].name for layer in wanted])
    sqnr, integers, differ = {}, 0, 0
    for layer, real in wanted.items():
        node = nodes[layer]
        raw = given[node.name].reshape(real.shape)
        scaled = np.ldexp(real, node.fmt.frac)
        wrong = int(np.count_nonzero(np.rint(scaled) != raw))
        if wrong and not onnx.refitted:
            raise Mismatch(f"layer {layer!r} differs from the file in {wrong} of {raw.size} integers; report this")
        integers, differ = integers + raw.size, differ + wrong
        sqnr[layer] = _sqnr_db(scaled, raw)
    return FileNoise(sqnr, integers, differ)


def _sqnr_db(scaled: Any, raw: Any) -> float:
    signal, noise = float(np.sum(np.square(scaled))), float(np.sum(np.square(scaled - raw)))
    if signal == 0:
        return math.nan
    return math.inf if noise <= 1e-13 * signal else 10 * math.log10(signal / noise)
