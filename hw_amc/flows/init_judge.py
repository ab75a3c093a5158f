"""Answers of a user's model before and after quantisation, on the frames that judge."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc.flows.init_state import InitFlow, Judgement
from hw_amc.graph import Graph
from hw_amc.verify.backend import Golden


def to_words(flow: InitFlow, frames: Any) -> Any:
    """Float frames as wire words of the project."""
    from hw_amc.radio import to_wire

    return to_wire(frames, flow.wire_frac)


def answers(flow: InitFlow, graph: Graph) -> Any:
    """Class that every head of a deployed network gives each frame that judges, (n, heads)."""
    logits = Golden(graph).run(to_words(flow, flow.frames.evaluation))
    return np.stack([logits[name].argmax(axis=1) for name in graph.outputs], axis=1)


def share_right(flow: InitFlow, given: Any) -> float | None:
    """Share of right answers (0..1), None where nobody knows the labels."""
    return None if given is None or flow.frames.labels is None else float(flow.frames.right(given).mean())


def judge(flow: InitFlow, graph: Graph) -> Judgement:
    """Compare the answers of the model as it came and as it is deployed."""
    from hw_amc.compress.cost import answers_of

    frames, after = flow.frames, answers(flow, graph)
    before, beside = (answers_of(flow.model, frames.evaluation) if flow.is_float else None), "the float model"
    if before is None and flow.onnx is not None:
        before, beside = flow.onnx.answers(frames.evaluation), "the file's own network"
    same = None if before is None else float((before == after).all(axis=1).mean())
    shares = share_right(flow, before), share_right(flow, after)
    return Judgement(len(after), frames.evaluated, same, *shares, answers=after, beside=beside)
