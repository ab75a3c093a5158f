"""Where results leave: sums over a frame, their requantisation, the heads one term a cycle, int32 words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph import Node
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.rtl.blocks.base import Resources, SlotTiming, Tensor, Wires, adder_cost, memory_cost
from hw_amc.rtl.control import PooledControl
from hw_amc.rtl.verilog import instance, library, packed

#: Cycles from the flags of a frame's last vector to its first logit on the port, for a logit of one term.
RESULT_CYCLES = 9


@dataclass(frozen=True)
class Term:
    """One step of the heads: `weight * channel`, added to the bias at a logit's first term."""

    channel: int
    weight: int
    bias: int
    first: bool
    last: bool


@dataclass(frozen=True)
class PooledResults:
    """Global pool, optional quantiser, heads (affine, dense, or nothing), serialiser."""

    #: Over the whole frame: a mean, or a maximum that has been found in front, so that one vector is added up.
    pool: Node
    source_fmt: FixedFormat
    #: Format after the quantiser behind the pool.
    factor_fmt: FixedFormat
    terms: tuple[Term, ...]
    logit_bits: int

    @property
    def latency(self) -> int:
        """Cycles from the last vector of a frame to its first logit, sink ready."""
        return RESULT_CYCLES + next(index for index, term in enumerate(self.terms) if term.last)

    @property
    def cycles_per_result(self) -> int:
        """Cycles between results when frames finish faster."""
        return 1 + len(self.terms)

    def control(self, contexts: int) -> PooledControl:
        """Fresh state of the heads' control."""
        return PooledControl(contexts, [term.last for term in self.terms])

    @property
    def words(self) -> int:
        """Logits of all heads."""
        return sum(term.last for term in self.terms)

    @cached_property
    def weight_bits(self) -> int:
        """Signed bits of the widest weight."""
        return max(2, *(max(term.weight.bit_length(), (~term.weight).bit_length()) + 1 for term in self.terms))

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        """Return the instance, which drives the result stream."""
        channels = self.pool.shape[0]
        shift = self.pool.fmt.frac - self.factor_fmt.frac
        select = max((channels - 1).bit_length(), 1)
        width = select + self.weight_bits + self.logit_bits + 2
        total = max(self.pool.fmt.bits, shift)
        words = (self._word(term, select) for term in self.terms)
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "CONTEXTS": timing.contexts,
            "CHANNELS": channels,
            "IN": self.source_fmt.bits,
            "SUM": total,
            "SIGNED": int(self.pool.fmt.signed),
            "SHIFT": shift,
            "HALF": 1 << (shift - 1) if shift > 0 else 0,
            "OUT": self.factor_fmt.bits,
            "OUT_SIGNED": int(self.factor_fmt.signed),
            "STEPS": len(self.terms),
            "INDEX": max((len(self.terms) - 1).bit_length(), 1),
            "SELECT": select,
            "WEIGHT": self.weight_bits,
            "LOGIT": self.logit_bits,
            "TERMS": packed(words, width),
        }
        ports = {
            "clk": "clk",
            "rst": "rst",
            "in_flags": source.flags,
            "in_data": source.data,
            "taken": "taken",
            "m_tdata": "m_tdata",
            "m_tvalid": "m_tvalid",
            "m_tready": "m_tready",
        }
        return "\n" + instance("amc_results", "results", parameters, ports)

    def _word(self, term: Term, select: int) -> int:
        word = term.channel
        word |= (term.weight & ((1 << self.weight_bits) - 1)) << select
        word |= (term.bias & ((1 << self.logit_bits) - 1)) << (select + self.weight_bits)
        word |= (term.first | term.last << 1) << (select + self.weight_bits + self.logit_bits)
        return word

    def files(self) -> dict[str, str]:
        """Modules that `emit` instantiates."""
        return library("amc_results")

    def model(self, x: NDArray[np.integer]) -> Tensor:  # type: ignore[type-arg]
        """Integer model: one frame (T, channels) -> logits (words,)."""
        total = np.asarray(x, np.int64).sum(axis=0)
        factor = np.asarray(requantize(total, self.pool.fmt.frac, self.factor_fmt), np.int64)
        logits, value = [], 0
        for term in self.terms:
            value = int(factor[term.channel]) * term.weight + (term.bias if term.first else value)
            if term.last:
                logits.append(value)
        return np.array(logits, np.int64)

    def cost(self, timing: SlotTiming) -> Resources:
        """Sums, places, the row register and its multiplexer, the terms' table, one multiplier."""
        channels, bits = self.pool.shape[0], self.pool.fmt.bits
        row = channels * bits
        table = len(self.terms) * (self.weight_bits + self.logit_bits) / 32
        cost = adder_cost(bits) * channels + memory_cost(row, timing.contexts)
        cost += memory_cost(row, 2 << timing.ctx_bits) + Resources(lut=bits * -(-channels // 4), dsp=1)
        return cost + Resources(lut=table + 2 * bits + 2 * self.logit_bits + 40, ff=8 * self.logit_bits)
