"""The simulated system on chip: bus, PS clocks, DMA, accelerator and the time they share.

Time is counted in programmable-logic cycles. The accelerator's cycles are those of its model, exactly. A host access
costs `access_cycles`, which is an assumption, not a measurement. A host that polls a busy DMA channel waits in one
step until that channel ends, since nothing else can change what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hw_amc.sim_device.axi_dma import STATUS, AxiDma, Channel
from hw_amc.sim_device.errors import BusFault, SimulationGone, SimulationHang
from hw_amc.sim_device.memory import Memory
from hw_amc.sim_device.model import StreamModel
from hw_amc.sim_device.ps import PsClocks

#: Cycles that one register access of the host takes (assumed).
ACCESS_CYCLES = 20
#: Cycles without any progress after which a wait is a hang.
CYCLE_LIMIT = 2_000_000
#: Cycles simulated at a time, between which Ctrl-C is noticed.
CHUNK = 1 << 16


@dataclass
class Slave:
    """One register window on the bus: the accelerator's or the DMA's."""

    name: str
    base: int
    size: int
    target: StreamModel | AxiDma


@dataclass
class System:
    """Everything behind the host's bus.

    Parameters
    ----------
    clocks : PsClocks
    memory : Memory
    cycle_limit : int
        Cycles without progress that make a wait a `SimulationHang`.
    """

    clocks: PsClocks
    memory: Memory
    cycle_limit: int = CYCLE_LIMIT
    access_cycles: int = ACCESS_CYCLES
    #: Programmable-logic cycles since the overlay was loaded.
    cycles: int = 0
    #: Register reads and writes of the host.
    accesses: int = 0
    slaves: list[Slave] = field(default_factory=list)
    models: list[StreamModel] = field(default_factory=list)
    dmas: list[AxiDma] = field(default_factory=list)
    #: Transfers started, by channel name.
    transfers: dict[str, int] = field(default_factory=lambda: {"MM2S": 0, "S2MM": 0})
    #: Cycles since something moved, while the host waited.
    _idle: int = 0
    #: Why the system no longer answers; set by `switch_off`.
    gone: str = ""

    def attach(self, name: str, base: int, size: int, target: StreamModel | AxiDma) -> None:
        """Put a peripheral on the bus."""
        self.slaves.append(Slave(name, base, size, target))
        if isinstance(target, AxiDma):
            self.dmas.append(target)
        else:
            self.models.append(target)

    def switch_off(self, reason: str) -> None:
        """Make every later access raise `SimulationGone`, as a board that lost power."""
        self.gone = reason

    def close(self) -> None:
        """Free the models."""
        for model in self.models:
            model.close()
        self.slaves.clear()
        self.models.clear()
        self.dmas.clear()

    def read(self, address: int) -> int:
        """Host read of one 32-bit register."""
        slave, offset = self._decode(address)
        if slave is None:
            return self.clocks.read(address)
        if isinstance(slave.target, AxiDma):
            channel, register = slave.target.channel(offset)
            if register == STATUS and channel.active:
                self._wait(slave.target, channel)
        return slave.target.read(offset)

    def write(self, address: int, value: int) -> None:
        """Host write of one 32-bit register."""
        slave, offset = self._decode(address)
        if slave is None:
            self.clocks.write(address, value)
            return
        before = [channel.active for channel in self._channels(slave)]
        slave.target.write(offset, value)
        for channel, was in zip(self._channels(slave), before, strict=True):
            if channel.active and not was:
                self.transfers[channel.name] += 1

    def peek(self, address: int) -> int:
        """What a DMA register holds, without time passing."""
        for slave in self.slaves:
            if slave.base <= address < slave.base + slave.size and isinstance(slave.target, AxiDma):
                return slave.target.read(address - slave.base)
        raise BusFault(f"no DMA answers at {address:#x}")

    def run(self, cycles: int) -> None:
        """Let time pass."""
        left = cycles
        while left > 0:
            passed = self._step(left)
            left -= passed

    def _channels(self, slave: Slave) -> tuple[Channel, ...]:
        return (slave.target.send, slave.target.receive) if isinstance(slave.target, AxiDma) else ()

    def _decode(self, address: int) -> tuple[Slave | None, int]:
        if self.gone:
            raise SimulationGone(f"the simulated device does not answer: {self.gone}")
        self.accesses += 1
        if self.clocks.owns(address):
            return None, 0
        self.run(self.access_cycles)
        for slave in self.slaves:
            if slave.base <= address < slave.base + slave.size:
                return slave, address - slave.base
        known = ", ".join(f"{slave.name} at {slave.base:#x}" for slave in self.slaves) or "nothing; load an overlay"
        raise BusFault(f"no peripheral answers at {address:#x}; there is {known}")

    def _wait(self, dma: AxiDma, channel: Channel) -> None:
        """Advance until the channel ends, or the other one has failed and the host may want to look there.

        Words that move on either side are progress; without any, the cycles of successive waits add up.
        """
        other = dma.send if channel is dma.receive else dma.receive
        while channel.active:
            progress = dma.moved
            # After a failure short steps: the host polls some more before it counts as hanging.
            chunk = self.cycle_limit // 64 if other.failed else CHUNK
            self._idle += self._step(max(min(chunk, self.cycle_limit - self._idle), 1))
            if dma.moved != progress or not channel.active:
                self._idle = 0
            elif self._idle >= self.cycle_limit:
                idle, self._idle = self._idle, 0
                models = "; ".join(model.describe() for model in self.models)
                raise SimulationHang(
                    f"nothing moved for {idle} cycles while the host waited for {channel.name}: "
                    f"{dma.send.state}, {dma.receive.state}; {models}"
                )
            if other.failed:
                break

    def _step(self, cycles: int) -> int:
        """Clock everything for up to `cycles`; all models share the clock and run in step."""
        passed = cycles
        for model in self.models:
            passed = max(model.advance(passed), 1)
        for dma in self.dmas:
            dma.service()
        self.cycles += passed
        return passed
