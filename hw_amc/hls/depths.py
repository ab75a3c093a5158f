"""How deep the FIFO between two layers must be, so that branches which join never wait for each other for ever.

In a chain whose layers work at constant rates the slowest one sets the pace, and a deeper FIFO before it would only
fill: two elements suffice, one being written while the other is read. Where branches join, what the quicker one gives
must lie somewhere until the slower one has come as far: a convolution waits for samples to come, and a pipeline that
waits for its input keeps what is in it.
"""

from __future__ import annotations

from hw_amc.graph import Graph, Node
from hw_amc.hls import ops
from hw_amc.hls.streams import CoreStreams

#: Elements of every FIFO.
LEAST = 2
#: Elements that a process may hold in its pipeline while it waits. A shift register of LUTs costs the same up to 32.
IN_FLIGHT = 16

#: Of each element, how many of the core's samples have entered when it is there.
Times = list[int]


def of(graph: Graph, core: CoreStreams) -> dict[tuple[str, int], int]:
    """Elements of the FIFO before each input of each layer: (layer, which of its inputs) -> depth."""
    depths = {reader: LEAST for readers in core.readers().values() for reader in readers}
    early = {core.source.name: list(range(1, graph.frame_len + 1))}
    behind: dict[str, frozenset[str]] = {core.source.name: frozenset((core.source.name,))}
    for node in core.layers:
        needs = _needs(graph, node)
        times = [_behind(need, early[name], 0) for need, name in zip(needs, node.inputs, strict=True)]
        early[node.name] = [max(each) for each in zip(*times, strict=True)]
        behind[node.name] = frozenset((node.name,)).union(*(behind[name] for name in node.inputs))
        if len(node.inputs) > 1:
            # What delays all branches alike makes none of them wait.
            shared = frozenset.intersection(*(behind[name] for name in node.inputs))
            late = _late(graph, core, early, shared, behind[node.name])
            until = [_behind(need, late[name], 0) for need, name in zip(needs, node.inputs, strict=True)]
            for place, name in enumerate(node.inputs):
                others = (times for number, times in enumerate(until) if number != place)
                slowest = [max(each) for each in zip(*others, strict=True)]
                depths[node.name, place] = LEAST + _most_waiting(early[name], needs[place], slowest)
    return depths


def _needs(graph: Graph, node: Node) -> list[list[int]]:
    """Of each input, the last element that each element of the output needs."""
    layer = ops.LayerBuild.of(graph, node.name)
    return [ops.find(node).last_needed(layer, place) for place in range(len(node.inputs))]


def _late(
    graph: Graph, core: CoreStreams, early: dict[str, Times], shared: frozenset[str], behind: frozenset[str]
) -> dict[str, Times]:
    """Latest times of the layers before a join, those of `shared` layers being their earliest ones."""
    late = {name: early[name] for name in shared}
    for node in core.layers:
        if node.name in behind and node.name in early and node.name not in late:
            needs = zip(_needs(graph, node), node.inputs, strict=True)
            times = [_behind(need, late[name], IN_FLIGHT) for need, name in needs]
            late[node.name] = [max(each) for each in zip(*times, strict=True)]
    return late


def _behind(need: list[int], times: Times, in_flight: int) -> Times:
    """Times of a layer's output elements, from those of its input's."""
    return [times[min(last + in_flight, len(times) - 1)] for last in need]


def _most_waiting(times: Times, need: list[int], slowest: Times) -> int:
    """Most elements of one branch that wait while the slowest other one has not yet given its own."""
    ready, most = 0, 0
    for taken, until in zip(need, slowest, strict=True):
        while ready < len(times) and times[ready] <= until:
            ready += 1
        most = max(most, ready - taken)
    return most
