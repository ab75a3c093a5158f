"""The register model of the AXI DMA, against the rules of PG021."""

from __future__ import annotations

import numpy as np
import pytest
from sim_adder import Adder

from hw_amc.sim_device import axi_dma, ps
from hw_amc.sim_device.axi_dma import AxiDma
from hw_amc.sim_device.design import clock_divisors
from hw_amc.sim_device.errors import BusFault, SimulationGone, SimulationHang
from hw_amc.sim_device.memory import PAGE, Memory
from hw_amc.sim_device.system import System

BASE, IP = 0x4040_0000, 0x43C0_0000
SEND, RECEIVE = 0x00, 0x30
IDLE_DONE = axi_dma.IDLE | axi_dma.IOC_IRQ


@pytest.fixture
def system() -> System:
    system = System(ps.PsClocks("zynq7", 20), Memory(0x1000_0000, 1 << 20), cycle_limit=5000)
    adder = Adder()
    system.attach("adder_0", IP, 0x1_0000, adder)
    system.attach("axi_dma_0", BASE, 0x1_0000, AxiDma(system.memory, adder))
    return system


def start(system: System, channel: int, address: int, size: int) -> None:
    system.write(BASE + channel + axi_dma.CONTROL, axi_dma.RUN)
    system.write(BASE + channel + axi_dma.ADDRESS, address)
    system.write(BASE + channel + axi_dma.LENGTH, size)


def status(system: System, channel: int) -> int:
    return system.read(BASE + channel + axi_dma.STATUS)


def buffers(system: System, words: int) -> tuple[int, int]:
    """Addresses of a filled source and an empty target."""
    source, target = system.memory.allocate(4 * words), system.memory.allocate(4 * words)
    source.memory.view("<u4")[:] = np.arange(words)
    return source.address, target.address


def words_at(system: System, address: int, count: int) -> list[int]:
    part = system.memory.view(address, 4 * count)
    assert part is not None
    return part.view("<u4").tolist()


def test_status_after_reset_start_and_transfer(system: System) -> None:
    source, target = buffers(system, 64)
    assert status(system, SEND) == status(system, RECEIVE) == axi_dma.HALTED
    system.write(IP, 3)
    start(system, RECEIVE, target, 256)
    start(system, SEND, source, 256)
    assert system.dmas[0].read(SEND + axi_dma.STATUS) == 0
    assert status(system, SEND) == IDLE_DONE
    assert status(system, RECEIVE) == IDLE_DONE
    assert words_at(system, target, 64) == list(range(3, 67))
    assert system.read(BASE + RECEIVE + axi_dma.LENGTH) == 256
    system.write(BASE + SEND + axi_dma.STATUS, axi_dma.IOC_IRQ)
    assert status(system, SEND) == axi_dma.IDLE


def test_short_packet_reports_its_length(system: System) -> None:
    source, target = buffers(system, 64)
    start(system, RECEIVE, target, 256)
    start(system, SEND, source, 40)
    assert status(system, RECEIVE) == IDLE_DONE
    assert system.read(BASE + RECEIVE + axi_dma.LENGTH) == 40


def test_length_without_run_has_no_effect(system: System) -> None:
    source, _ = buffers(system, 8)
    system.write(BASE + axi_dma.ADDRESS, source)
    system.write(BASE + axi_dma.LENGTH, 32)
    assert status(system, SEND) == axi_dma.HALTED
    assert system.models[0].waiting() == 0


def test_length_is_masked_to_its_width() -> None:
    dma = AxiDma(Memory(0, 1 << 16), Adder(), length_bits=14)
    dma.write(axi_dma.CONTROL, axi_dma.RUN)
    dma.write(axi_dma.LENGTH, 1 << 14)
    assert not dma.send.active


def test_overflow_halts_until_reset(system: System) -> None:
    source, target = buffers(system, 64)
    start(system, RECEIVE, target, 64)
    start(system, SEND, source, 256)
    error = axi_dma.HALTED | axi_dma.INTERNAL_ERROR | axi_dma.ERROR_IRQ
    assert status(system, RECEIVE) == error
    assert words_at(system, target, 17) == [*range(16), 0]
    start(system, RECEIVE, target, 64)
    assert status(system, RECEIVE) == error
    system.write(BASE + axi_dma.CONTROL, axi_dma.RESET)
    assert status(system, SEND) == status(system, RECEIVE) == axi_dma.HALTED


@pytest.mark.parametrize(
    ("offset", "size", "error"),
    [(1 << 24, 64, axi_dma.DECODE_ERROR), (0, PAGE + 4, axi_dma.DECODE_ERROR), (4, 64, axi_dma.INTERNAL_ERROR)],
    ids=["outside memory", "past the buffer", "misaligned"],
)
def test_bad_addresses_are_errors(system: System, offset: int, size: int, error: int) -> None:
    source, _ = buffers(system, PAGE // 4)
    start(system, SEND, source + offset, size)
    assert status(system, SEND) == axi_dma.HALTED | error | axi_dma.ERROR_IRQ


def test_a_wait_that_cannot_end_names_what_stalled(system: System) -> None:
    source, _ = buffers(system, 64)
    start(system, SEND, source, 256)
    with pytest.raises(SimulationHang, match=r"waited for MM2S: MM2S moved 64 of 256 bytes, S2MM is halted; adder"):
        status(system, SEND)


def test_progress_renews_the_limit(system: System) -> None:
    source, target = buffers(system, 20_000)
    start(system, RECEIVE, target, 80_000)
    start(system, SEND, source, 80_000)
    assert status(system, RECEIVE) == IDLE_DONE
    assert system.cycles > 20_000 > system.cycle_limit


def test_cycles_of_a_transfer_are_the_models(system: System) -> None:
    source, target = buffers(system, 100)
    start(system, RECEIVE, target, 400)
    start(system, SEND, source, 396)
    system.read(BASE + axi_dma.CONTROL)
    before = system.cycles
    status(system, RECEIVE)
    # One word a cycle and the latency, less what passed during the read before; the access itself comes first.
    assert system.cycles - before == 99 + 7 - system.access_cycles


def test_stop_aborts_the_transfer(system: System) -> None:
    _, target = buffers(system, 64)
    start(system, RECEIVE, target, 256)
    system.write(BASE + RECEIVE + axi_dma.CONTROL, 0)
    assert status(system, RECEIVE) == axi_dma.HALTED
    assert system.models[0].credit == 0  # type: ignore[attr-defined]


def test_unknown_address_and_lost_device(system: System) -> None:
    with pytest.raises(BusFault, match="no peripheral answers at 0x50000000; there is adder_0 at 0x43c00000"):
        system.read(0x5000_0000)
    system.switch_off("unplugged")
    with pytest.raises(SimulationGone, match="unplugged"):
        system.read(IP)


def test_cache_is_flushed_and_invalidated() -> None:
    memory = Memory(0, 1 << 16)
    block = memory.allocate(64)
    block.host[:] = 7
    assert not block.memory.any()
    memory.flush(block.address + 8, 8)
    assert block.memory.tolist() == [0] * 8 + [7] * 8 + [0] * 48
    memory.invalidate(block.address, 64)
    assert block.host.tolist() == block.memory.tolist()


def test_memory_is_reused_and_runs_out() -> None:
    memory = Memory(0x1000, 4 * PAGE)
    first, second = memory.allocate(PAGE), memory.allocate(2 * PAGE)
    memory.free(first.address)
    assert memory.allocate(10).address == first.address
    with pytest.raises(MemoryError, match=r"8192 bytes .* 4096 of 16384 are free"):
        memory.allocate(2 * PAGE)
    memory.free(second.address)
    assert memory.allocate(2 * PAGE).address == second.address
    assert memory.view(first.address + PAGE - 1, 1) is None


@pytest.mark.parametrize(
    ("source", "clock", "pair"), [(1000, 125, (8, 1)), (1500, 250, (6, 1)), (1500, 187.5, (8, 1)), (1000, 10, (50, 2))]
)
def test_clock_divisors(source: float, clock: float, pair: tuple[int, int]) -> None:
    assert clock_divisors(source, clock) == pair


def test_impossible_clock_names_the_nearest() -> None:
    from hw_amc.errors import ConfigError

    with pytest.raises(ConfigError, match="clock_mhz = 130 cannot be divided from 1000 MHz; take 125"):
        clock_divisors(1000, 130)
