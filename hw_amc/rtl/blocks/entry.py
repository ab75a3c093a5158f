"""Where samples enter: frames of one stream to the contexts, or channels that arrive round robin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw_amc.rtl.blocks.base import Resources, SlotTiming, Wires, memory_cost
from hw_amc.rtl.control import ChannelsControl, EntryControl, FramesControl
from hw_amc.rtl.verilog import instance, library

Mode = Literal["frames", "channels"]

#: Words of one bit in a block RAM of 36 Kbit.
_BLOCK_DEPTH = 32768


@dataclass(frozen=True)
class Entry:
    """The first block: a slot for each context in turn, filled with its next sample if there is one."""

    mode: Mode
    frame_len: int
    #: Idle slots of a context between two frames.
    gap: int
    #: Bits of one sample, all its fields.
    width: int

    @property
    def latency(self) -> int:
        """Cycles from a slot to its flags."""
        return 2 if self.mode == "frames" else 1

    def first_slot(self, timing: SlotTiming) -> int:
        """Cycle of the slot that takes the first sample; cycle 0 is the first without reset.

        s_tready rises in cycle 1. In frame mode the sample is then written, and context 0 reads it in its next slot.
        """
        earliest = 2 if self.mode == "frames" else 1
        return -(-earliest // timing.round_cycles) * timing.round_cycles

    def accept_cycle(self, timing: SlotTiming) -> int:
        """Cycle in which the first sample is accepted."""
        return 1 if self.mode == "frames" else self.first_slot(timing)

    def control(self, timing: SlotTiming) -> EntryControl:
        """Fresh state of the entry's control."""
        if self.mode == "frames":
            return FramesControl(timing.contexts, timing.slot_cycles, self.frame_len, self.gap)
        return ChannelsControl(timing.contexts, timing.used_contexts, timing.slot_cycles, self.frame_len, self.gap)

    def emit(self, out: Wires, timing: SlotTiming) -> str:
        """Return the instance; `s_sample` is the stream's word."""
        time_bits = max((self.frame_len + self.gap - 1).bit_length(), 1)
        parameters = {
            "CTX": timing.ctx_bits,
            "CONTEXTS": timing.contexts,
            "SLOT_CYCLES": timing.slot_cycles,
            "SLOT_BITS": max((timing.slot_cycles - 1).bit_length(), 1),
            "LENGTH": self.frame_len,
            "GAP": self.gap,
            "TIME": time_bits,
            "CREDIT": (2 * timing.used_contexts).bit_length(),
            "WIDTH": self.width,
        }
        if self.mode == "frames":
            parameters |= {"ADDRESS": self._address_bits, "SLICE": self._slice_bits(timing)}
        else:
            parameters["CHANNELS"] = timing.used_contexts
        ports = {
            "clk": "clk",
            "rst": "rst",
            "s_tdata": "s_sample",
            "s_tvalid": "s_tvalid",
            "s_tready": "s_tready",
            "taken": "taken",
            "out_flags": out.flags,
            "out_data": out.data,
        }
        return instance(f"amc_{self.mode}", "entry", parameters, ports)

    def files(self) -> dict[str, str]:
        """Modules that `emit` instantiates."""
        return library(f"amc_{self.mode}")

    @property
    def _address_bits(self) -> int:
        """Bits that count the samples of a frame."""
        return max((self.frame_len - 1).bit_length(), 1)

    def _slice_bits(self, timing: SlotTiming) -> int:
        """Width of a block RAM that is as deep as the buffers; a ninth bit comes with eight."""
        bits = max(_BLOCK_DEPTH >> (timing.ctx_bits + self._address_bits), 1)
        return min(bits + bits // 8, 36, self.width)

    def cost(self, timing: SlotTiming) -> Resources:
        """The frame buffers, and some control."""
        control = Resources(lut=60, ff=60)
        if self.mode == "channels":
            return control + Resources(ff=self.width)
        depth, bits = 1 << (timing.ctx_bits + self._address_bits), self._slice_bits(timing)
        blocks = -(-self.width // bits) * -(-depth // _BLOCK_DEPTH) if depth * self.width > 1024 else 0
        position = (self.frame_len + self.gap - 1).bit_length() + 1
        return control + memory_cost(2 * position, timing.contexts) + Resources(ff=2 * self.width, bram36=blocks)
