"""From a Graph to the text of the Verilog core."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hw_amc.config import BoardSettings, RtlSettings
from hw_amc.graph import Graph
from hw_amc.rtl.blocks.base import Resources, Wires, naming
from hw_amc.rtl.rhythm import Rhythm
from hw_amc.rtl.schedule import Schedule, build_schedule
from hw_amc.rtl.verilog import vector
from hw_amc.sources import Sources


@dataclass(frozen=True)
class RtlCore:
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
    sources: Sources
    mode: Literal["frames", "channels"]
    #: R: clock cycles per time step, of the slowest layer.
    cycles_per_step: int
    #: K: frames (or channels) that share the recurrent loop.
    contexts: int
    #: Channels in channel mode (at most `contexts`); 1 in frame mode.
    n_channels: int
    #: Cycles from a slot's state to its new state; 0 for a network without a recurrent layer.
    loop_latency: int
    #: Cycles between successive slots: max(R, ceil(loop_latency / K)).
    slot_cycles: int
    #: T, samples in a frame.
    frame_len: int
    #: Cycles per frame (all contexts busy, sink ready), averaged over any K successive results; in channel mode over
    #: any n_channels. For frames so short that two of each context do not fill the pipeline, over many results.
    cycles_per_frame: int
    #: When each result comes.
    rhythm: Rhythm
    #: Cycles from the edge that accepts the first sample offered after reset to the edge that hands over the
    #: first logit, input back to back and sink ready. A later frame finds its context's slot at another phase and
    #: takes up to K * slot_cycles more or fewer.
    latency_cycles: int
    #: Bits of I and of Q on s_tdata: the input format's, rounded up to a byte.
    field_bits: int
    #: Logits of all heads.
    words_per_result: int
    #: Estimated resources by block.
    costs: dict[str, Resources]

    @property
    def sample_bits(self) -> int:
        """Width of s_tdata."""
        return 2 * self.field_bits


def build_core(
    graph: Graph, settings: RtlSettings, board: BoardSettings | None = None, cache: Path | None = None
) -> RtlCore:
    """Write the core of `graph`.

    Parameters
    ----------
    graph : Graph
        input, quantize, then layers over time and sums of branches, a global pool, then the heads.
    settings : RtlSettings
        cycles_per_step (R) of all layers and of single ones, contexts (K; 0: as many as keep the loop busy), mode,
        n_channels, cut.
    board : BoardSettings, optional
        Part and clock, where the cut is to follow from them.
    cache : Path, optional
        Folder of adder graphs found before; the user's cache by default.

    Raises
    ------
    ConfigError
        An R, K or number of channels is not possible; the message lists those that are. Or no layer has the name.
    UnsupportedLayer
        A node has no hardware; the message names it.
    """
    schedule = build_schedule(graph, settings, board, cache)
    chain, timing = schedule.chain, schedule.timing
    name = f"{graph.name}_core"
    files = {f"{name}.v": _emit(name, schedule)} | schedule.entry.files() | chain.results.files()
    for step in schedule.steps:
        files |= step.block.files()
    return RtlCore(
        name=name,
        sources=Sources(files),
        mode=settings.mode,
        cycles_per_step=schedule.cycles_per_step,
        contexts=timing.contexts,
        n_channels=timing.used_contexts if settings.mode == "channels" else 1,
        loop_latency=schedule.loop_latency,
        slot_cycles=timing.slot_cycles,
        frame_len=graph.frame_len,
        cycles_per_frame=schedule.cycles_per_frame,
        rhythm=schedule.rhythm,
        latency_cycles=schedule.latency_cycles,
        field_bits=-(-chain.entry.fmt.bits // 8) * 8,
        words_per_result=chain.results.words,
        costs=schedule.costs(),
    )


def block_of(instance: str, blocks: Iterable[str]) -> str | None:
    """Find the block that an instance or a signal in the core's module belongs to: its name begins with the block's."""
    owners = [name for name in blocks if instance == name or instance.startswith(f"{name}_")]
    return max(owners, key=len, default=None)


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


def _emit(name: str, schedule: Schedule) -> str:
    """Text of the top module."""
    chain, entry, timing = schedule.chain, schedule.entry, schedule.timing
    bits = chain.entry.fmt.bits
    field = -(-bits // 8) * 8
    source = Wires("entry_flags", "entry_data", 2, chain.entry.fmt)
    text = [
        _TOP.format(
            name=name,
            blocks=len(schedule.steps),
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
    for step in schedule.steps:
        with naming(step.block.name):
            text.append(step.block.emit(step.source, step.timing))
    source = schedule.branch.wires
    if schedule.results_timing.ctx_bits < timing.ctx_bits:
        used, most = schedule.results_timing.ctx_bits, timing.ctx_bits
        text.append(f"    wire unused_contexts = &{{1'b0, {source.flags}[{4 + used}+:{most - used}]}};")
        source = replace(source, flags=f"{{{source.flags}[4+:{used}], {source.flags}[3:0]}}")
    text += [chain.results.emit(source, schedule.results_timing), "endmodule", ""]
    return "\n".join(text)
