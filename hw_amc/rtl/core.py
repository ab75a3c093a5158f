"""From a Graph to the Verilog core: choose contexts, chain the blocks, add up their latencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw_amc.config import RtlSettings
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.project import Project


@dataclass(frozen=True)
class Core:
    """The network in Verilog, with what is known of it before simulation.

    The top module is `name`, with bare AXI4-Streams (no TLAST)::

        module <name> (
            input         clk, rst,                      // one clock; synchronous reset, active high
            input  [W-1:0] s_tdata, input s_tvalid, output s_tready,    // W = 2 * field_bits: I low, Q high
            output [31:0] m_tdata, output m_tvalid, input m_tready      // one int32 logit a word, heads in order
        );

    A sample is in the output format of the graph's input quantiser, sign-extended to `field_bits` bits a field.
    Results leave in the order in which their frames began to arrive, `words_per_result` words each.
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

    @property
    def sample_bits(self) -> int:
        """Width of s_tdata."""
        return 2 * self.field_bits


def build_core(graph: Graph, settings: RtlSettings) -> Core:
    """Write the core of `graph`.

    Parameters
    ----------
    graph : Graph
        input, quantize, then layers over time, a global average pool, then the heads.
    settings : RtlSettings
        cycles_per_step (R), contexts (K; 0: as many as keep the loop busy), mode.

    Raises
    ------
    ConfigError
        R or K is not possible; the message lists those that are.
    UnsupportedLayer
        A node has no hardware; the message names it.
    """
    raise UnsupportedLayer(f"{graph.name}: the RTL blocks are not written yet")
