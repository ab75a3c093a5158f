"""From a Graph to the Verilog core: choose contexts, chain the blocks, add up their latencies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path

from hw_amc.config import RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.project import Project
from hw_amc.rtl.blocks.base import Cost, Timing, Wires
from hw_amc.rtl.blocks.entry import Entry
from hw_amc.rtl.blocks.gru import GruBlock
from hw_amc.rtl.blocks.linear import LinearBlock
from hw_amc.rtl.blocks.serial import word_bits
from hw_amc.rtl.lower import Chain, Options, lower
from hw_amc.rtl.verilog import vector


@dataclass(frozen=True)
class Core:
    """The network in Verilog, with what is known of it before simulation.

    The top module is `name`, with bare AXI4-Streams (no TLAST)::

        module <name> (
            input         clk, rst,                      // one clock; synchronous reset, active high
            input  [W-1:0] s_tdata, input s_tvalid, output s_tready,    // W = 2 * field_bits: I low, Q high
            output [31:0] m_tdata, output m_tvalid, input m_tready      // one int32 logit a word, heads in order
        );

    A sample is in the output format of the graph's input quantiser; the bits of a field above the format are
    ignored. Results leave in the order in which their frames began to arrive, `words_per_result` words each.
    """

    #: Name of the top module: the graph's name with `_core`.
    name: str
    project: Project
    mode: Literal["frames", "channels"]
    #: R: clock cycles per time step of the slowest layer.
    cycles_per_step: int
    #: K: frames (or channels) that share the recurrent loop.
    contexts: int
    #: Channels in channel mode (= contexts); 1 in frame mode.
    n_channels: int
    #: Cycles from a slot's state to its new state; 0 for a network without a recurrent layer.
    loop_latency: int
    #: Cycles between successive slots: max(R, ceil(loop_latency / K)).
    slot_cycles: int
    #: T, samples in a frame.
    frame_len: int
    #: Cycles per frame (all contexts busy, sink ready), averaged over any K successive results.
    cycles_per_frame: int
    #: Cycles from the edge that accepts the first sample offered after reset to the edge that hands over the
    #: first logit, input back to back and sink ready. A later frame finds its context's slot at another phase and
    #: takes up to K * slot_cycles more or fewer.
    latency_cycles: int
    #: Bits of I and of Q on s_tdata: the input format's, rounded up to a byte.
    field_bits: int
    #: Logits of all heads.
    words_per_result: int
    #: Estimated resources by block.
    costs: dict[str, Cost]

    @property
    def sample_bits(self) -> int:
        """Width of s_tdata."""
        return 2 * self.field_bits


def build_core(graph: Graph, settings: RtlSettings, cut: int = 1, cache: Path | None = None) -> Core:
    """Write the core of `graph`.

    Parameters
    ----------
    graph : Graph
        input, quantize, then layers over time, a global average pool, then the heads.
    settings : RtlSettings
        cycles_per_step (R), contexts (K; 0: as many as keep the loop busy), mode.
    cut : int
        Adder levels between registers in matrices.
    cache : Path, optional
        Folder of adder graphs found before; the user's cache by default.

    Raises
    ------
    ConfigError
        R or K is not possible; the message lists those that are.
    UnsupportedLayer
        A node has no hardware; the message names it.
    """
    plan = build_plan(graph, settings, cut, cache)
    chain, entry, timing = plan.chain, plan.entry, plan.timing
    name = f"{graph.name}_core"
    files = {f"{name}.v": _emit(name, chain, entry, timing)} | entry.files() | chain.results.files()
    for block in chain.blocks:
        files |= block.files()
    return Core(
        name=name,
        project=Project(files),
        mode=settings.mode,
        cycles_per_step=settings.cycles_per_step,
        contexts=timing.contexts,
        n_channels=timing.contexts if settings.mode == "channels" else 1,
        loop_latency=plan.loop_latency,
        slot_cycles=timing.slot_cycles,
        frame_len=graph.frame_len,
        cycles_per_frame=plan.cycles_per_frame,
        latency_cycles=_latency(chain, entry, timing),
        field_bits=-(-chain.entry.fmt.bits // 8) * 8,
        words_per_result=chain.results.words,
        costs=plan.costs(),
    )


@dataclass(frozen=True)
class Plan:
    """The blocks and how they share time: all that is known before any text is written."""

    chain: Chain
    entry: Entry
    timing: Timing
    loop_latency: int

    @property
    def cycles_per_frame(self) -> int:
        """Cycles per frame with all contexts busy: the slots, or the heads where they are slower."""
        slots = self.entry.frame_len + self.entry.gap
        return max(slots * self.timing.slot_cycles, self.chain.results.cycles_per_result)

    def costs(self) -> dict[str, Cost]:
        """Estimated resources by block."""
        costs = {"entry": self.entry.cost(self.timing)}
        costs |= {block.name: block.cost(self.timing) for block in self.chain.blocks}
        return costs | {"results": self.chain.results.cost(self.timing)}


def build_plan(graph: Graph, settings: RtlSettings, cut: int = 1, cache: Path | None = None) -> Plan:
    """Choose blocks, contexts and slots; parameters and errors as `build_core`."""
    R = settings.cycles_per_step
    folder = user_cache_path("hw_amc") / "adders" if cache is None else cache
    chain = lower(graph, Options(f"{graph.name}_core", cut, R, folder))
    _require_cycles(R, chain)
    loop = max((block.loop_latency for block in chain.blocks), default=0)
    timing = Timing(*_contexts(settings, loop))
    gap = max(max((block.lag for block in chain.blocks), default=0) - 1, 0)
    return Plan(chain, Entry(settings.mode, graph.frame_len, gap, 2 * chain.entry.fmt.bits), timing, loop)


def legal_cycles(chain: Chain) -> list[int]:
    """R that differ: the numbers of digits of the widest word, for digits of 1, 2, ... bits."""
    graphs = [block.matrix.graph for block in chain.blocks if isinstance(block, GruBlock | LinearBlock)]
    widest = max((word_bits(graph) for graph in graphs), default=1)
    return sorted({-(-widest // digit) for digit in range(1, widest + 1)})


def _require_cycles(cycles: int, chain: Chain) -> None:
    legal = legal_cycles(chain)
    if cycles > legal[-1]:
        numbers = ", ".join(map(str, legal))
        raise ConfigError(
            f"cycles_per_step = {cycles} is not possible: a word has {legal[-1]} bits; "
            f"legal: 1..{legal[-1]}, of which {numbers} differ in size"
        )


def _contexts(settings: RtlSettings, loop: int) -> tuple[int, int]:
    """Contexts K and the cycles of a slot."""
    R, most = settings.cycles_per_step, max(-(-loop // settings.cycles_per_step), 1)
    if settings.contexts > most:
        raise ConfigError(f"contexts = {settings.contexts} is not possible at cycles_per_step = {R}; legal: 1..{most}")
    contexts = settings.contexts or most
    return contexts, max(R, -(-loop // contexts))


def _latency(chain: Chain, entry: Entry, timing: Timing) -> int:
    """From the first sample's acceptance after reset to the first logit's, counted along the path."""
    lag = sum(block.lag for block in chain.blocks)
    last_slot = entry.first_slot(timing) + (entry.frame_len - 1 + lag) * timing.round_cycles
    blocks = sum(block.latency(timing) for block in chain.blocks)
    return last_slot + entry.latency + blocks + chain.results.latency - entry.accept_cycle(timing)


_TOP = """\
// {name}: {blocks} blocks, {contexts} contexts, a slot every {slot_cycles} cycles.
// s: a sample a word, I low and Q high in fields of {field} bits, {fmt} each. m: a logit a word, signed.
module {name} (
    input         clk,
    input         rst,
    /* verilator lint_off UNUSEDSIGNAL */
    input  {sample} s_tdata,  // fields are rounded up to bytes
    /* verilator lint_on UNUSEDSIGNAL */
    input         s_tvalid,
    output        s_tready,
    output [31:0] m_tdata,
    output        m_tvalid,
    input         m_tready
);
    wire taken;
    wire {entry} s_sample = {{{fields}}};
    wire [{flags}:0] entry_flags;
    wire {entry} entry_data;
"""


def _emit(name: str, chain: Chain, entry: Entry, timing: Timing) -> str:
    """Text of the top module."""
    bits = chain.entry.fmt.bits
    field = -(-bits // 8) * 8
    source = Wires("entry_flags", "entry_data", 2, chain.entry.fmt)
    text = [
        _TOP.format(
            name=name,
            blocks=len(chain.blocks),
            contexts=timing.contexts,
            slot_cycles=timing.slot_cycles,
            field=field,
            fmt=chain.entry.fmt,
            sample=vector(2 * field),
            entry=vector(2 * bits),
            fields=f"s_tdata[{field}+:{bits}], s_tdata[0+:{bits}]",
            flags=timing.ctx_bits + 3,
        ),
        entry.emit(source, timing),
    ]
    for block in chain.blocks:
        text.append(block.emit(source, timing))
        source = block.output()
    text += [chain.results.emit(source, timing), "endmodule", ""]
    return "\n".join(text)
