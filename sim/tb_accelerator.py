"""The whole accelerator, shell and core, against golden: run by `hw_amc.cosim` (see hw_amc/cosim/bench.py).

`prove` is what `make cosim` reports; the others take the interface apart and suit small networks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from accelerator_bench import CLOCK_NS, PAUSES, Bench
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout

from hw_amc.cosim.bench import MEASURED
from hw_amc.interface import registers
from hw_amc.interface.registers import FLAG_FRAMING, REGISTERS, TABLE
from hw_amc.interface.words import pack_frames, unpack_frames
from hw_amc.rtl.shell.accelerator import input_format
from hw_amc.verify.results import golden_logits, require_results


@cocotb.test()
async def prove(dut: Any) -> None:
    """The case's frames back to back, sink always ready: equal, and as fast as predicted."""
    bench = Bench(dut)
    await bench.reset()
    first = cocotb.start_soon(bench.first_accept())
    answer = await bench.classify(bench.case.frames)
    require_results(bench.graph, bench.case.expected, answer.results, bench.side)
    await bench.quiet()
    began = await first
    measured = {
        "frames": len(bench.case.frames),
        "mismatches": 0,
        "latency_cycles": answer.ends[0] - began,
        "start": began - bench.released,
        "ends": [end - began for end in answer.ends],
        "cycles": answer.ends[-1],
    }
    (Path(os.environ["AMC_CASE"]) / MEASURED).write_text(json.dumps(measured))


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def frames(dut: Any, idle: Any, stall: Any) -> None:
    """Idle cycles times back-pressure change nothing."""
    bench = Bench(dut)
    await bench.reset()
    bench.pause(idle, stall)
    rng = np.random.default_rng(11)
    frames = bench.random_frames(rng, 3 * bench.manifest.n_channels)
    answer = await bench.classify(frames)
    bench.check(frames, answer)
    assert list(answer.results.sequence) == list(range(len(frames)))
    assert list(answer.results.channels) == [i % bench.manifest.n_channels for i in range(len(frames))]
    await bench.quiet()


@cocotb.test()
async def identity(dut: Any) -> None:
    """Constants are the manifest's."""
    bench = Bench(dut)
    await bench.reset()
    manifest = bench.manifest
    low, high = registers.digest_words(manifest.graph_digest)
    wanted = {
        "MAGIC": registers.MAGIC, "VERSION": manifest.interface, "DIGEST_LO": low, "DIGEST_HI": high, "CONTROL": 1,
        "FRAME_LEN": manifest.frame_len, "CLASSES": manifest.classes, "RESULT_WORDS": manifest.result_words,
    }  # fmt: skip
    assert {name: await bench.read(name) for name in wanted} == wanted
    assert await bench.read("MODE", "contexts") == manifest.contexts
    assert await bench.read("FORMAT", "logit_frac") == manifest.logit_frac


@cocotb.test()
async def register_access(dut: Any) -> None:
    """Fields that are not writable do not change; byte strobes are kept; gaps read 0."""
    bench = Bench(dut)
    await bench.reset()
    await bench.write("FRAMES_PER_PACKET", 0x11223344)
    await bench.bus.write(REGISTERS["FRAMES_PER_PACKET"].offset + 1, b"\xaa\xbb")
    assert await bench.read("FRAMES_PER_PACKET") == 0x11BBAA44
    await bench.write("FRAMES_PER_PACKET", 1)
    before = {entry.name: await bench.read(entry.name) for entry in TABLE}
    mapped = {entry.offset + 4 * word: entry for entry in TABLE for word in range(entry.words)}
    for address in range(0, 1 << registers.ADDRESS_BITS, 4):
        entry = mapped.get(address)
        if entry is None or all(field.access in ("constant", "status", "count") for field in entry.fields):
            await bench.bus.write_dword(address, 0xFFFFFFFF)
        if entry is None:
            assert await bench.bus.read_dword(address) == 0
    assert {entry.name: await bench.read(entry.name) for entry in TABLE} == before


@cocotb.test()
async def responses_wait(dut: Any) -> None:
    """A master that is slow to take responses gets each of them, one for an access; accesses behind it wait."""
    bench = Bench(dut)
    await bench.reset()
    answered = {"write": 0, "read": 0}

    async def count() -> None:
        while True:
            await RisingEdge(dut.aclk)
            answered["write"] += int(dut.s_axi_bvalid.value) & int(dut.s_axi_bready.value)
            answered["read"] += int(dut.s_axi_rvalid.value) & int(dut.s_axi_rready.value)

    cocotb.start_soon(count())
    written, read = bench.bus.write_if.b_channel, bench.bus.read_if.r_channel
    for wait in (0, 1, 2, 30):
        written.pause = read.pause = wait > 0
        writes = [cocotb.start_soon(bench.write("FRAMES_PER_PACKET", 100 + n)) for n in range(3)]
        reads = [cocotb.start_soon(bench.read(name)) for name in ("MAGIC", "FRAME_LEN", "CLASSES")]
        await ClockCycles(dut.aclk, wait + 1)
        written.pause = read.pause = False
        for task in writes:
            await with_timeout(task, 100 * CLOCK_NS, "ns")
        found = [await with_timeout(task, 100 * CLOCK_NS, "ns") for task in reads]
        assert found == [registers.MAGIC, bench.manifest.frame_len, bench.manifest.classes]
        assert await bench.read("FRAMES_PER_PACKET") == 102
        await ClockCycles(dut.aclk, 5)
        assert answered == {"write": 3, "read": 4}
        answered.update(write=0, read=0)


@cocotb.test()
@cocotb.parametrize(kind=["pin", "register"])
async def reset_in_mid_frame(dut: Any, kind: Any) -> None:
    """Whatever is inside is dropped; the next frame is right."""
    bench = Bench(dut)
    await bench.reset()
    rng = np.random.default_rng(13)
    n, T = bench.manifest.n_channels, bench.manifest.frame_len
    for wait in (1, 5, T // 2, T * n, T * n + 40):
        bench.pause("random", "random")
        await bench.send(rng.integers(0, 1 << 32, 3 * T * n))
        await ClockCycles(dut.aclk, wait)
        if kind == "register":
            # The source first: words that it holds back would be the next frame.
            bench.source.pause = True
            bench.source.clear_pause_generator()
            await bench.write("CONTROL", 0b11)
        await bench.reset()
        bench.pause("always", "always")
        frames = bench.random_frames(rng, n)
        answer = await bench.classify(frames)
        bench.check(frames, answer)
        await bench.quiet()


@cocotb.test()
async def misplaced_tlast(dut: Any) -> None:
    """A short frame is answered with its flag, a long one as a good and a broken one; the next ones are right."""
    bench = Bench(dut)
    rng = np.random.default_rng(17)
    n, T = bench.manifest.n_channels, bench.manifest.frame_len
    group = n * T
    cuts = sorted({1, group // 2, group - 1})
    for pause in ("always", "random"):
        for extra in (0, group):
            for cut in cuts:
                await bench.reset()
                bench.pause(pause, pause)
                words = rng.integers(0, 1 << 32, extra + 2 * group, dtype=np.uint32)
                await bench.send(words[: extra + cut])
                await bench.send(words[extra + group :])
                answer = await bench.receive((extra // group + 2) * n)
                words[extra + cut : extra + group] = 0
                filled = unpack_frames(words, T, n)
                expected = golden_logits(bench.graph, filled, bench.manifest.input_shift)
                assert np.array_equal(answer.results.logits, expected)
                broken = [0 if cut >= group - n + channel + 1 else FLAG_FRAMING for channel in range(n)]
                assert list(answer.results.flags) == [0] * (extra // group * n) + broken + [0] * n
                assert await bench.read("FRAMING_ERRORS") == 1
                await bench.quiet()


@cocotb.test()
async def packets(dut: Any) -> None:
    """TLAST closes each `frames_per_packet` results."""
    bench = Bench(dut)
    await bench.reset()
    rng = np.random.default_rng(19)
    n = bench.manifest.n_channels
    for per_packet in (1, 2, 3):
        await bench.write("FRAMES_PER_PACKET", per_packet)
        frames = bench.random_frames(rng, 6 * n)
        answer = await bench.classify(frames)
        bench.check(frames, answer)
        assert answer.packets == [per_packet] * (6 * n // per_packet)


@cocotb.test()
async def level(dut: Any) -> None:
    """input_shift moves the rounding; samples out of range are counted."""
    bench = Bench(dut)
    rng = np.random.default_rng(23)
    fmt = input_format(bench.graph)
    await bench.reset()
    for shift in (-20, -3, -1, 0, 1, 4, 20):
        await bench.write("INPUT_SHIFT", shift)
        await bench.write("CONTROL", 0b101)
        assert await bench.read("INPUT_SHIFT", "input_shift") == shift
        frames = bench.random_frames(rng, bench.manifest.n_channels)
        bench.check(frames, await bench.classify(frames), shift)
        scaled = np.rint(np.ldexp(frames.astype(float), shift - bench.manifest.wire_frac + fmt.frac))
        outside = ((scaled < fmt.min_raw) | (scaled > fmt.max_raw)).any(axis=2).sum()
        assert await bench.read("SATURATED") == outside


@cocotb.test()
async def counters(dut: Any) -> None:
    """Frames, cycles and stalls are counted, and cleared; a disabled accelerator takes nothing."""
    bench = Bench(dut)
    await bench.reset()
    rng = np.random.default_rng(29)
    n = bench.manifest.n_channels
    frames = bench.random_frames(rng, 2 * n)
    first = cocotb.start_soon(bench.first_accept())
    answer = await bench.classify(frames)
    assert await bench.read("FRAMES_IN") == await bench.read("FRAMES_OUT") == 2 * n
    assert await bench.read("CYCLES_BUSY") == answer.ends[-1] - await first + 1
    await bench.write("CONTROL", 0b100)
    await bench.send(pack_frames(frames, n))
    await ClockCycles(dut.aclk, 200)
    assert bench.sink.empty()
    assert await bench.read("STATUS", "input_waits") == 1
    assert await bench.read("FRAMES_IN") == await bench.read("CYCLES_BUSY") == 0
    await bench.write("CONTROL", 1)
    bench.check(frames, await bench.receive(2 * n))
    bench.sink.pause = True
    await bench.send(pack_frames(frames, n))
    await ClockCycles(dut.aclk, 20 * n * bench.manifest.frame_len + 1000)
    assert await bench.read("CYCLES_STALLED") > 100
    bench.sink.pause = False
    bench.check(frames, await bench.receive(2 * n))
