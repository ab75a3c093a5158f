"""Several lanes behind one register port: every lane with frames of its own, at the same time, against golden."""

from __future__ import annotations

import os
from itertools import cycle
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from accelerator_bench import CLOCK_NS, PAUSES
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from hw_amc.cosim.bench import Case
from hw_amc.interface import registers
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.registers import OFFSET
from hw_amc.interface.words import pack_frames, unpack_results
from hw_amc.rtl.shell.lanes import lane_offset
from hw_amc.verify.results import require_results


class Lanes:
    """All lanes' sources and sinks, and the one register master."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        folder = Path(os.environ["AMC_CASE"])
        self.case = Case.load(folder)
        self.manifest = Manifest.load(folder / "manifest.json")
        dut.aresetn.value = 0
        cocotb.start_soon(Clock(dut.aclk, CLOCK_NS, "ns").start())
        options = {"reset": dut.aresetn, "reset_active_level": False}
        lanes = range(self.manifest.lanes)
        words = {"byte_lanes": 1, **options}
        self.sources = [AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{i}"), dut.aclk, **words) for i in lanes]
        self.sinks = [AxiStreamSink(AxiStreamBus.from_prefix(dut, f"m_axis_{i}"), dut.aclk, **words) for i in lanes]
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **options)
        for part in (*self.sources, *self.sinks, self.bus.write_if, self.bus.read_if):
            part.log.setLevel("WARNING")

    async def reset(self) -> None:
        """Hold aresetn low for some cycles."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 4)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    def part(self, lane: int) -> slice:
        """Frames of a lane: as many as of the others."""
        count = len(self.case.frames) // self.manifest.lanes
        return slice(lane * count, (lane + 1) * count)

    async def classify(self, lane: int) -> None:
        """Send a lane's frames and compare its results."""
        frames, words = self.case.frames[self.part(lane)], []
        samples = pack_frames(frames, self.manifest.n_channels)
        await self.sources[lane].send(AxiStreamFrame([int(word) for word in samples]))
        while len(words) < len(frames) * self.manifest.result_words:
            packet = await with_timeout(self.sinks[lane].recv(), 400_000, "ns")
            words += packet.tdata
        results = unpack_results(np.array(words, np.uint32), self.manifest.classes)
        require_results(self.case.graph, self.case.expected[self.part(lane)], results, f"lane {lane}")

    async def read(self, lane: int, register: str) -> int:
        """Read a lane's register, its low word."""
        return int(await self.bus.read_dword(lane_offset(lane) + OFFSET[register]))

    async def write(self, lane: int, register: str, value: int) -> None:
        """Write a lane's register."""
        await self.bus.write_dword(lane_offset(lane) + OFFSET[register], value)


@cocotb.test()
@cocotb.parametrize((("idle", "stall"), [("always", "always"), ("random", "bursts")]))
async def lanes_at_once(dut: Any, idle: Any, stall: Any) -> None:
    """Lanes work side by side, each at a pace of its own."""
    bench = Lanes(dut)
    await bench.reset()
    for index, (source, sink) in enumerate(zip(bench.sources, bench.sinks, strict=True)):
        # Lanes fall out of step: each one begins its patterns elsewhere.
        for part, name in ((source, idle), (sink, stall)):
            if PAUSES[name] is not None:
                pattern = PAUSES[name]
                part.set_pause_generator(cycle(pattern[5 * index :] + pattern[: 5 * index]))
    tasks = [cocotb.start_soon(bench.classify(lane)) for lane in range(bench.manifest.lanes)]
    for task in tasks:
        await task
    await ClockCycles(dut.aclk, 100)
    assert all(sink.empty() for sink in bench.sinks), "words are left over"


@cocotb.test()
async def a_lane_alone(dut: Any) -> None:
    """Frames of one lane leave the others' counters alone; disabled lanes take none."""
    bench = Lanes(dut)
    await bench.reset()
    last = bench.manifest.lanes - 1
    for lane in range(last):
        await bench.write(lane, "CONTROL", 0)
    await bench.classify(last)
    count = len(bench.case.frames) // bench.manifest.lanes
    assert [await bench.read(lane, "FRAMES_OUT") for lane in range(last + 1)] == [0] * last + [count]
    bench.sources[0].send_nowait(AxiStreamFrame([0] * bench.manifest.frame_len))
    await ClockCycles(dut.aclk, 200)
    assert await bench.read(0, "FRAMES_IN") == 0


@cocotb.test()
async def registers_of_every_lane(dut: Any) -> None:
    """Each lane has its own; where no lane is, zeros."""
    bench = Lanes(dut)
    await bench.reset()
    lanes = range(bench.manifest.lanes)
    assert [await bench.read(lane, "MAGIC") for lane in lanes] == [registers.MAGIC] * len(lanes)
    for lane in lanes:
        await bench.write(lane, "FRAMES_PER_PACKET", 3 + lane)
    assert [await bench.read(lane, "FRAMES_PER_PACKET") for lane in lanes] == [3 + lane for lane in lanes]
    absent = 1 << (len(lanes) - 1).bit_length()
    for lane in range(len(lanes), absent):
        await bench.write(lane, "FRAMES_PER_PACKET", 9)
        assert await bench.read(lane, "MAGIC") == 0
    assert [await bench.read(lane, "FRAMES_PER_PACKET") for lane in lanes] == [3 + lane for lane in lanes]
