"""How far each network goes: what golden, C-sim and RTL say of its layers, and which boards' parts hold it.

The flows' own checks are asked, so an answer costs seconds to minutes a network; it is kept in the cache by the digest
of what decides it. An untrained network is asked in its deployed form with the weights that it is born with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import hw_amc
from hw_amc.cache import Cache
from hw_amc.config import BoardSettings, HlsSettings, RtlSettings
from hw_amc.errors import DataError, HwAmcError
from hw_amc.files import file_digest, write_text
from hw_amc.graph import Graph, Node
from hw_amc.models import NetworkSpec
from hw_amc.untrusted import load_json
from hw_amc.workspace import Workspace

#: Answer where nothing stands in the way.
YES = "yes"

#: Parts of the package on which an answer depends.
_PARTS = ("models", "compress", "graph", "hls", "rtl", "parts.py")
#: Wire format of graphs that are asked only for their form.
_WIRE_FRAC = 14


@dataclass(frozen=True)
class Reach:
    """`YES`, or why not, of each back end; a network goes as far as its layers have a form there.

    Attributes
    ----------
    golden, csim, rtl : what the back ends say
    boards : those whose parts hold the HLS accelerator at some number of multipliers a layer (estimated)
    """

    golden: str
    csim: str
    rtl: str
    boards: tuple[str, ...] = ()


def find_reach(spec: NetworkSpec, is_trained: bool) -> Reach:
    """Ask the flows how far a network goes, or the cache, where they were asked before.

    Parameters
    ----------
    spec : the network
    is_trained : its committed graph is asked

    Raises
    ------
    DataError
        The committed graph is damaged.
    """
    workspace = Workspace.open(spec.name)
    boards = [workspace.board(name) for name in workspace.boards()]
    made_from = {
        "network": json.dumps(spec.to_dict()),
        "graph": file_digest(workspace.folder / "graph.json") if is_trained else "",
        "boards": json.dumps([board.model_dump(mode="json") for board in boards], sort_keys=True),
        "program": _program(),
    }

    def make(folder: Path) -> None:
        build = workspace.load_graph if is_trained else lambda: _untrained(spec)
        write_text(folder / "reach.json", json.dumps(asdict(_ask(build, boards))))

    return Cache("reach").use(made_from, make, lambda folder: _load(folder / "reach.json"))


def _load(path: Path) -> Reach:
    found = load_json(path)
    try:
        return Reach(**{**found, "boards": tuple(found["boards"])})
    except (TypeError, KeyError) as error:
        raise DataError(f"{path} holds no answers") from error


def _program() -> str:
    """Digest of the code that answers."""
    root = Path(hw_amc.__file__).parent
    files = sorted(path for part in _PARTS for path in (root / part, *(root / part).rglob("*")) if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        if path.suffix != ".pyc":
            digest.update(f"{path.relative_to(root)} {file_digest(path)}\n".encode())
    return digest.hexdigest()


def _untrained(spec: NetworkSpec) -> Graph:
    from hw_amc.compress.deploy import deploy_with
    from hw_amc.graph import reader

    return reader.build_graph(deploy_with(spec.build()), spec.name, spec.classes, "", _WIRE_FRAC)


def _ask(build: Callable[[], Graph], boards: list[BoardSettings]) -> Reach:
    try:
        graph = build()
        for node in graph.nodes[1:]:
            node.exact_dtype(graph.sources(node))
    except HwAmcError as error:
        return Reach(str(error), "no graph", "no graph")
    csim = _answer(lambda: _require_hls(graph))
    held = [board.name for board in boards if csim == YES and _holds(graph, board)]
    return Reach(YES, csim, _answer(lambda: _require_rtl(graph)), tuple(held))


def _answer(check: Callable[[], object]) -> str:
    try:
        check()
    except HwAmcError as error:
        return str(error)
    return YES


def _require_hls(graph: Graph) -> None:
    from hw_amc.hls.estimate.whole import legal_reuse_factors

    for node in graph.nodes[1:]:
        legal_reuse_factors(graph, node)


def _holds(graph: Graph, board: BoardSettings) -> bool:
    """Whether the estimate fits the board's part at some number of multipliers a layer."""
    from hw_amc.hls import estimate

    try:
        return estimate.fitting(graph, HlsSettings(), board) is not None
    except HwAmcError:  # no formula for the part
        return False


def _require_rtl(graph: Graph) -> None:
    from hw_amc.rtl import build_core

    build_core(replace(graph, nodes=tuple(map(_thinned, graph.nodes))), RtlSettings())


def _thinned(node: Node) -> Node:
    """Leave one weight to each output: whether an operation has hardware is a matter of its form."""
    kept: dict[str, Any] = {}
    for name, kernel in node.kernels().items():
        rows = np.zeros((kernel.size // kernel.shape[-1], kernel.shape[-1]), kernel.dtype)
        columns = np.arange(kernel.shape[-1])
        rows[columns % len(rows), columns] = 1
        kept[name] = rows.reshape(kernel.shape)
    return replace(node, **kept) if kept else node
