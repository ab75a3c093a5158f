"""What the benches of a whole accelerator share: clock, buses, frames in, results out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from hw_amc.cosim.bench import Case
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.registers import OFFSET, REGISTERS
from hw_amc.interface.words import Results, pack_frames, unpack_results
from hw_amc.verify.results import golden_logits, require_results

CLOCK_NS = 8
#: Pause patterns by name: true cycles do nothing.
PAUSES = {
    "always": None,
    "alternating": (False, True),
    "rarely": (True, True, True, False),
    "bursts": (False,) * 11 + (True,) * 17,
    "random": tuple(np.random.default_rng(7).random(509) < 0.5),
}


@dataclass
class Answer:
    """Results with the clock cycle in which each one's last word was handed over."""

    results: Results
    ends: list[int]
    #: Results in each packet.
    packets: list[int]


class Bench:
    """The device under test between stream source, sink and register master."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        folder = Path(os.environ["AMC_CASE"])
        self.case = Case.load(folder)
        self.graph = self.case.graph
        self.manifest = Manifest.load(folder / "manifest.json")
        self.side = cocotb.SIM_NAME.split()[0].lower()
        dut.aresetn.value = 0
        cocotb.start_soon(Clock(dut.aclk, CLOCK_NS, "ns").start())
        options = {"reset": dut.aresetn, "reset_active_level": False}
        words = {"byte_lanes": 1, **options}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **words)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **words)
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **options)
        for part in (self.source, self.sink, self.bus.write_if, self.bus.read_if):
            part.log.setLevel("WARNING")

    async def reset(self, cycles: int = 4) -> None:
        """Hold aresetn low; what source and sink hold is dropped."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, cycles)
        self.source.clear()
        self.sink.clear()
        self.dut.aresetn.value = 1
        #: The first cycle without reset.
        self.released = self.to_cycles(get_sim_time("step")) + 1
        await ClockCycles(self.dut.aclk, 2)

    def pause(self, idle: str, stall: str) -> None:
        """Idle cycles of the source and stalls of the sink, by name."""
        for part, name in ((self.source, idle), (self.sink, stall)):
            part.clear_pause_generator()
            part.pause = False
            if PAUSES[name] is not None:
                part.set_pause_generator(cycle(PAUSES[name]))

    async def send(self, words: Any) -> None:
        """Queue words; TLAST with the final one."""
        await self.source.send(AxiStreamFrame([int(word) for word in words]))

    async def receive(self, count: int) -> Answer:
        """Take `count` results in whole packets."""
        manifest = self.manifest
        words, ends, packets = [], [], []
        limit = 50 * manifest.frame_len * max(manifest.n_channels, 8) + 20 * (manifest.cycles_per_frame or 0)
        while len(words) < count * manifest.result_words:
            packet = await with_timeout(self.sink.recv(), (5_000 + limit) * CLOCK_NS, "ns")
            words += packet.tdata
            ends.append(self.to_cycles(packet.sim_time_end))
            packets.append(len(packet.tdata) // manifest.result_words)
        assert len(words) == count * manifest.result_words
        return Answer(unpack_results(np.array(words, np.uint32), manifest.classes), ends, packets)

    async def classify(self, frames: np.ndarray) -> Answer:
        """Send frames back to back, TLAST with the last sample of all, and take their results."""
        await self.send(pack_frames(frames, self.manifest.n_channels))
        return await self.receive(len(frames))

    async def quiet(self) -> None:
        """Require that nothing more comes and the accelerator is idle."""
        await ClockCycles(self.dut.aclk, 100)
        assert self.sink.empty(), "words are left over"
        assert await self.read("STATUS") == 0

    def check(self, frames: np.ndarray, answer: Answer, input_shift: int | None = None) -> None:
        """Compare with golden."""
        shift = self.manifest.input_shift if input_shift is None else input_shift
        require_results(self.graph, golden_logits(self.graph, frames, shift), answer.results, self.side)

    def random_frames(self, rng: np.random.Generator, count: int) -> Any:
        """Wire words over the whole range."""
        return rng.integers(-32768, 32768, (count, self.manifest.frame_len, 2)).astype(np.int16)

    async def first_accept(self) -> int:
        """Cycle in which the next sample is accepted."""
        while True:
            await RisingEdge(self.dut.aclk)
            if self.dut.s_axis_tvalid.value == 1 and self.dut.s_axis_tready.value == 1:
                return self.to_cycles(get_sim_time("step"))

    @staticmethod
    def to_cycles(steps: int) -> int:
        """Clock cycles of a simulation time."""
        return round(steps * (get_sim_time("ns") / get_sim_time("step")) / CLOCK_NS)

    async def write(self, register: str, value: int) -> None:
        """Write a register by name."""
        await self.bus.write_dword(OFFSET[register], value & 0xFFFFFFFF)

    async def read(self, register: str, field: str | None = None) -> int:
        """Read a register, 64-bit counters whole, or one field."""
        entry = REGISTERS[register]
        word = await self.bus.read_dword(entry.offset)
        if field is not None:
            return entry.extract(word, field)
        return word | (await self.bus.read_dword(entry.offset + 4)) << 32 if entry.words == 2 else word
