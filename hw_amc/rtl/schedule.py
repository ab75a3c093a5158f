"""How a core shares time: contexts, slots, layers with R of their own, and the cycles that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from hw_amc.cache import default_root
from hw_amc.config import BoardSettings, RtlSettings, suggest
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.rtl.blocks.add import AddBlock
from hw_amc.rtl.blocks.affine import AffineBlock
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Wires, naming
from hw_amc.rtl.blocks.branch import Branch
from hw_amc.rtl.blocks.entry import Entry
from hw_amc.rtl.blocks.join import JoinBlock
from hw_amc.rtl.blocks.pair import PairBlock
from hw_amc.rtl.blocks.retime import RetimeBlock
from hw_amc.rtl.clock import choose_cut
from hw_amc.rtl.lowering.network import Chain, lower
from hw_amc.rtl.lowering.options import Options
from hw_amc.rtl.rhythm import Hop, Rhythm


@dataclass(frozen=True)
class Step:
    """A block of the chain in its time."""

    block: Block
    #: Of the slots in which the block's samples come.
    timing: SlotTiming
    #: Slots of the entry for one of the block's.
    slowness: int
    #: The way to its input; of two branches, to the later one.
    branch: Branch

    @property
    def source(self) -> Wires:
        """Wires of its input."""
        return self.branch.wires

    @property
    def rest(self) -> int:
        """Idle slots that the block needs between frames."""
        return max(self.block.rest(self.branch.slots, self.branch.frame), 0)


@dataclass(frozen=True)
class Schedule:
    """The blocks and how they share time: all that is known before any text is written."""

    chain: Chain
    #: The chain's blocks, and re-timing ones among them.
    steps: tuple[Step, ...]
    #: The way to the results.
    branch: Branch
    entry: Entry
    timing: SlotTiming
    #: R: of the slowest layer, cycles for an input sample.
    cycles_per_step: int
    loop_latency: int

    @property
    def results_timing(self) -> SlotTiming:
        """Of the results, which know no other contexts than those in use."""
        return SlotTiming(self.timing.used_contexts, self.timing.slot_cycles)

    @cached_property
    def cycles_per_frame(self) -> int:
        """Cycles per frame, source and sink ready: what slots and heads allow, more where frames are short."""
        return self.rhythm.cycles_per_frame(self._steady_cycles)

    @property
    def _steady_cycles(self) -> int:
        """Cycles per frame with all contexts (or channels) busy: the slots, or the heads where they are slower."""
        slots = self.entry.frame_len + self.entry.gap
        # Over a round of channels; half a cycle is rounded up, as when it is measured.
        over_channels = (2 * slots * self.timing.round_cycles // self.timing.used_contexts + 1) // 2
        return max(over_channels, self.chain.results.cycles_per_result)

    @property
    def latency_cycles(self) -> int:
        """From the first sample's acceptance after reset to the first logit's, followed along the path."""
        cycle = self.entry.first_slot(self.timing) + (self.entry.frame_len - 1) * self.timing.round_cycles
        cycle += self.entry.latency
        steps = {step.block.name: step for step in self.steps}
        for step in (steps[block.name] for block in self.branch.blocks):
            if isinstance(step.block, RetimeBlock):
                cycle = step.block.leave(cycle, step.timing)
            cycle += step.block.lag * step.timing.round_cycles + step.block.latency(step.timing)
        return cycle + self.chain.results.latency - self.entry.accept_cycle(self.timing)

    @cached_property
    def rhythm(self) -> Rhythm:
        """When results come, counted cycle by cycle."""
        steps = {step.block.name: step for step in self.steps}
        slowest = max([self.timing.round_cycles, *(step.timing.round_cycles for step in self.steps)])
        hops = [Hop(self.entry.latency)]
        for step in (steps[block.name] for block in self.branch.blocks):
            slow = step.timing if isinstance(step.block, RetimeBlock) else None
            hops.append(Hop(step.block.lag * step.timing.round_cycles + step.block.latency(step.timing), slow))
        results, contexts = self.chain.results, self.timing.used_contexts
        return Rhythm(
            entry=partial(self.entry.control, self.timing),
            heads=partial(results.control, contexts),
            hops=tuple(hops),
            words=results.words,
            together=contexts,
            # A frame may wait for its slot, entry and places may wait for each other.
            way=self.latency_cycles + results.cycles_per_result + 4 * slowest,
        )

    def costs(self) -> dict[str, Resources]:
        """Estimated resources by block."""
        costs = {"entry": self.entry.cost(self.timing)}
        for step in self.steps:
            with naming(step.block.name):
                costs[step.block.name] = step.block.cost(step.timing)
        return costs | {"results": self.chain.results.cost(self.results_timing)}


def build_schedule(
    graph: Graph, settings: RtlSettings, board: BoardSettings | None = None, cache: Path | None = None
) -> Schedule:
    """Choose blocks, contexts and slots; parameters and errors as `hw_amc.rtl.build_core`."""
    folder = default_root() if cache is None else cache
    layers = {name: layer.cycles_per_step for name, layer in settings.layers.items()}
    cut = choose_cut(settings, board)
    options = Options(f"{graph.name}_core", settings.cycles_per_step, layers, cut, settings.ternary_adders, folder)
    chain = lower(graph, options)
    _require_layers(layers, chain)
    _require_cycles(settings.cycles_per_step, chain)
    R = _slowest(chain) if layers else settings.cycles_per_step
    loop = max((block.loop_latency for block in chain.blocks), default=0)
    timing = choose_timing(settings, R, loop)
    steps, branch = _retime(chain, timing)
    gap = max((step.rest * step.slowness for step in steps), default=0)
    entry = Entry(settings.mode, graph.frame_len, gap, 2 * chain.entry.fmt.bits)
    return Schedule(chain, steps, branch, entry, timing, R, loop)


def legal_cycles(chain: Chain) -> list[int]:
    """R that differ: the numbers of digits of the widest word, for digits of 1, 2, ... bits."""
    words = (block.legal_cycles for block in chain.blocks if not isinstance(block, AffineBlock))
    return max(filter(None, words), key=max, default=[1])


def choose_timing(settings: RtlSettings, cycles: int, loop: int) -> SlotTiming:
    """Contexts K and the cycles of a slot.

    Parameters
    ----------
    settings : RtlSettings
    cycles : int
        R of the slowest layer.
    loop : int
        Cycles around the longest recurrent loop; 0 without one.

    Raises
    ------
    ConfigError
        K or the number of channels is not possible; the message lists those that are.
    """
    most = max(-(-loop // cycles), 1)
    for name, count in (("contexts", settings.contexts), ("n_channels", settings.n_channels)):
        if count > most:
            raise ConfigError(f"{name} = {count} is not possible at cycles_per_step = {cycles}; legal: 1..{most}")
    contexts = settings.contexts or settings.n_channels or most
    if settings.n_channels > contexts:
        raise ConfigError(
            f"n_channels = {settings.n_channels} is not possible with {contexts} contexts; legal: 1..{contexts}"
        )
    return SlotTiming(contexts, max(cycles, -(-loop // contexts)), settings.n_channels or None)


def _slowest(chain: Chain) -> int:
    """R for an input sample: a layer's own, over the samples that a pool makes one of."""
    slowest, pooled = 1, 1
    for index, block in enumerate(chain.blocks):
        slowest = max(slowest, -(-block.cycles // pooled))
        pooled *= block.decimation if _all_pass(chain, index) else 1
    return slowest


def _all_pass(chain: Chain, index: int) -> bool:
    """Whether no branch leads past this block, and vectors come evenly: only there may slots become slower."""
    if not all(block.steady for block in chain.blocks[:index]):
        return False
    before = {link.block.name for link in chain.links[:index]} | {""}
    branches = [chain.branch]
    for link in chain.links[index + 1 :]:
        block = link.block
        branches += [block.early, block.late] if isinstance(block, AddBlock | PairBlock) else [link.branch]
        branches += block.feeds if isinstance(block, JoinBlock) else ()
    return not any(branch.last in before for branch in branches)


def _retime(chain: Chain, timing: SlotTiming) -> tuple[tuple[Step, ...], Branch]:
    """Put a re-timing block behind each pool in front of a layer that needs more cycles than a slot has."""
    steps, slowness = list[Step](), 1
    # Routes with these blocks in them, by the name of their last block in the chain.
    branches = {"": Branch(chain.branch.entry, chain.branch.length)}
    for index, link in enumerate(chain.links):
        block, branch = link.block, branches[link.branch.last]
        if isinstance(block, AddBlock | PairBlock):
            block = replace(block, early=branches[block.early.last], late=branch)
        elif isinstance(block, JoinBlock):
            block = replace(block, feeds=tuple(branches[feed.last] for feed in block.feeds))
        steps.append(Step(block, timing, slowness, branch))
        branches[block.name] = branch.then(block)
        needed = max((later.cycles for later in chain.blocks[index + 1 :]), default=1)
        if block.decimation > 1 and needed > timing.slot_cycles and _all_pass(chain, index):
            slowness *= block.decimation
            timing = SlotTiming(timing.contexts, timing.slot_cycles * block.decimation, timing.used)
            slow = RetimeBlock(f"{block.name}_slow", block.channels, block.fmt)
            steps.append(Step(slow, timing, slowness, branches[block.name]))
            branches[block.name] = branches[block.name].then(slow)
    return tuple(steps), branches[chain.branch.last]


def _require_layers(layers: dict[str, int], chain: Chain) -> None:
    known = {block.layer: block for block in chain.blocks if block.layer}
    for name, cycles in layers.items():
        if name not in known:
            near = suggest(name, list(known))
            raise ConfigError(f"rtl.layers.{name}: no layer of this name takes cycles_per_step{near}")
        legal = known[name].legal_cycles
        if cycles > legal[-1]:
            raise ConfigError(f"rtl.layers.{name}.cycles_per_step = {cycles} is not possible; {_list(legal)}")


def _require_cycles(cycles: int, chain: Chain) -> None:
    legal = legal_cycles(chain)
    if cycles > legal[-1]:
        raise ConfigError(f"cycles_per_step = {cycles} is not possible: a word has {legal[-1]} bits; {_list(legal)}")


def _list(legal: list[int]) -> str:
    return f"legal: 1..{legal[-1]}, of which {', '.join(map(str, legal))} differ in size"
