"""`SimDevice`: the simulated system as a `pynq.Device`.

Works with the plug-in point of PYNQ 3 and 4: a subclass with `_probe_` registers itself when its class is created,
and `Device.active_device` probes the registered classes in order of priority the first time that it is asked.
"""

from __future__ import annotations

import importlib
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pynq
import pynq.ps
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device

from hw_amc.errors import ConfigError
from hw_amc.files import load_json
from hw_amc.parts import FAMILIES
from hw_amc.sim_device.axi_dma import AxiDma
from hw_amc.sim_device.boot import DEFAULT_FEEDBACK, booted_feedback
from hw_amc.sim_device.memory import Memory
from hw_amc.sim_device.model import StreamModel
from hw_amc.sim_device.ps import ARCH, PsClocks
from hw_amc.sim_device.system import ACCESS_CYCLES, CYCLE_LIMIT, System
from hw_amc.untrusted import load_xml

DMA_TYPE = "xilinx.com:ip:axi_dma:"
#: Contiguous memory that the device gives out, inside the DDR of every board.
CMA_BASE, CMA_SIZE = 0x1000_0000, 0x0800_0000
#: Overrides of the cycle limit and of the tag by which lock files tell devices apart.
LIMIT_VARIABLE, TAG_VARIABLE = "PYNQ_SIM_CYCLE_LIMIT", "PYNQ_SIM_TAG"
#: Fields of an instance in a .sim.json, and what they are called.
_FIELDS: dict[str, tuple[type, str]] = {
    "dma": (str, "a text"),
    "factory": (str, "a text"),
    "arguments": (dict, "a table"),
}
#: IP of the PS -> its kind.
_KINDS = {family.ps_ip: family.ps for family in FAMILIES}

#: Makes the model behind one IP: (folder of the overlay, arguments from the .sim.json) -> model.
Factory = Callable[..., StreamModel]


class _SimMemory:
    """What `pynq.allocate` allocates from."""

    def __init__(self, device: SimDevice) -> None:
        # The device owns its memory object; buffers must not keep a closed device alive.
        self._device = weakref.proxy(device)

    def allocate(self, shape: Any, dtype: Any, coherent: bool = False, cacheable: bool = True) -> PynqBuffer:
        """Make a buffer that host and DMA share; `cacheable=False` is PYNQ's older name for coherent."""
        coherent = coherent or not cacheable
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        block = self._device.memory.allocate(size, coherent)
        buffer = PynqBuffer(
            shape,
            kind,
            buffer=block.host,
            device_address=block.address,
            device=self._device,
            bo=block.address,
            coherent=coherent,
        )
        # With a pointer and an owner PYNQ hands memory back instead of unmapping it; `freed` guards a second call.
        buffer.pointer, buffer.return_to, buffer.memory, buffer.freed = block.address, self, self, True
        return buffer

    def return_pointer(self, address: int) -> None:
        """Take memory back."""
        try:
            self._device.memory.free(address)
        except ReferenceError:  # the device is gone and its memory with it
            return


class SimDevice(Device):  # type: ignore[misc]
    """A Zynq-7000 or Zynq UltraScale+ in simulation; the overlay's .hwh says which.

    Parameters
    ----------
    tag : str, optional
        Identifier of the device; one a process by default, since each process simulates its own.
    """

    _probe_priority_ = 10
    _instance: SimDevice | None = None
    #: Drivers must keep wall time and device time apart.
    simulated = True

    def __init__(self, tag: str | None = None) -> None:
        super().__init__(tag or os.environ.get(TAG_VARIABLE) or f"sim-{os.getpid()}")
        self.name = "sim"
        self.arch = ARCH["zynq7"]
        self.capabilities = {"REGISTER_RW": True, "MEMORY_MAPPED": False, "CALLABLE": False}
        self.handle = None
        self.memory = Memory(CMA_BASE, CMA_SIZE)
        self.default_memory = _SimMemory(self)
        #: Processor time of the calling thread spent simulating so far, which a board would not spend.
        self.simulation_s = 0.0
        self.cycle_limit = int(os.environ.get(LIMIT_VARIABLE, CYCLE_LIMIT))
        self.access_cycles = ACCESS_CYCLES
        clocks = PsClocks("zynq7", DEFAULT_FEEDBACK["zynq7"])
        self.system = System(clocks, self.memory, self.cycle_limit, self.access_cycles)
        #: Models by IP name, for programs that put a model of their own behind an overlay.
        self.factories: dict[str, Factory] = {}

    @classmethod
    def _probe_(cls) -> list[SimDevice]:
        return [cls.activate()]

    @classmethod
    def activate(cls) -> SimDevice:
        """Make the one device of this process active and return it."""
        if cls._instance is None:
            cls._instance = cls()
        Device.active_device = cls._instance
        return cls._instance

    @property
    def clock_mhz(self) -> float:
        """Programmable-logic clock, as the PS registers set it."""
        return self.system.clocks.clock_mhz

    @property
    def cycles(self) -> int:
        """Programmable-logic cycles since the overlay was loaded."""
        return self.system.cycles

    @property
    def time_estimated(self) -> bool:
        """Whether a model says that its cycles are an estimate (`time_estimated`); a verilated one counts them."""
        return any(getattr(model, "time_estimated", False) for model in self.system.models)

    @property
    def device_time_s(self) -> float:
        """Simulated seconds since the overlay was loaded."""
        return self.cycles / (self.clock_mhz * 1e6)

    def elapse(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.system.run(round(seconds * self.clock_mhz * 1e6))

    def switch_off(self, reason: str = "it was switched off") -> None:
        """Stop answering, as a board that loses power; loading an overlay switches it on again."""
        self.system.switch_off(reason)

    def read_registers(self, address: int, length: int) -> bytes:
        """Read registers; `address` on a word boundary, `length` in bytes."""
        begin = time.thread_time()
        try:
            words = [self.system.read(address + offset) for offset in range(0, length, 4)]
        finally:
            self.simulation_s += time.thread_time() - begin
        return np.array(words, "<u4").tobytes()[:length]

    def write_registers(self, address: int, data: bytes) -> None:
        """Write whole words."""
        begin = time.thread_time()
        try:
            for offset, value in zip(range(0, len(data), 4), np.frombuffer(bytes(data), "<u4"), strict=True):
                self.system.write(address + offset, int(value))
        finally:
            self.simulation_s += time.thread_time() - begin

    def flush(self, bo: int, offset: int, vaddr: int, nbytes: int) -> None:
        """Write the host's cache back."""
        self.memory.flush(bo + offset, nbytes)

    def invalidate(self, bo: int, offset: int, vaddr: int, nbytes: int) -> None:
        """Drop the host's cache."""
        self.memory.invalidate(bo + offset, nbytes)

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """Parse the .hwh beside a bitstream and take the PS kind from it."""
        from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser
        from pynqmetadata.frontends import Metadata

        path = Path(bitfile_name).with_suffix(".hwh")
        if not path.is_file():
            raise ConfigError(f"{path} does not exist; PYNQ needs the .hwh beside the bitstream")
        parser = RuntimeMetadataParser(Metadata(input=str(path)))
        if parser.family_ps not in _KINDS:
            raise ConfigError(f"{path}: cannot simulate the processing system {parser.family_ps!r}")
        # Programs poll here: there is no interrupt controller behind /dev/uio.
        parser.interrupt_pins, parser.interrupt_controllers = {}, {}
        for entry in parser.ip_dict.values():
            entry["interrupts"] = {}
        parser.refresh_hierarchy_dict()
        # PYNQ programs the clocks before it downloads: the device must answer from here on.
        self.system.gone = ""
        kind = _KINDS[parser.family_ps]
        self._adopt_ps(PsClocks(kind, booted_feedback(kind, _parse_device(path))))
        for clock in parser.clock_dict.values():
            # PYNQ 4 programs clocks by frequency, and finds none in the .hwh of a Zynq-7000.
            if clock.get("frequency", 0) is None:
                clock["frequency"] = self.system.clocks.source_mhz / (clock["divisor0"] * clock["divisor1"])
        return parser

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Build the models of an overlay and put them on the bus."""
        if parser is None:
            raise ConfigError(f"{bitstream.bitfile_name}: the simulated device loads overlays, not bare bitstreams")
        path = Path(bitstream.bitfile_name)
        clocks = self.system.clocks
        self.system.close()
        self.system = System(clocks, self.memory, self.cycle_limit, self.access_cycles)
        dmas = {name: ip for name, ip in parser.ip_dict.items() if str(ip["type"]).startswith(DMA_TYPE)}
        for name, model, dma in self._build_models(path, parser, list(dmas)):
            ip, entry = parser.ip_dict[name], dmas[dma]
            settings = entry["parameters"]
            engine = AxiDma(
                self.memory,
                model,
                int(settings.get("c_sg_length_width", 14)),
                int(settings.get("c_m_axi_mm2s_data_width", 32)),
            )
            self.system.attach(name, ip["phys_addr"], ip["addr_range"], model)
            self.system.attach(dma, entry["phys_addr"], entry["addr_range"], engine)
        self.post_download(bitstream, parser, self.name)

    def _build_models(self, path: Path, parser: Any, dmas: list[str]) -> list[tuple[str, StreamModel, str]]:
        """Instances with their models and DMAs, from `<stem>.sim.json` and the program's own factories."""
        description = path.with_suffix(".sim.json")
        entries = _load_entries(description) if description.is_file() else {}
        entries |= {name: {} for name in self.factories if name in parser.ip_dict}
        if not entries:
            raise ConfigError(
                f"nothing says how to simulate {path.name}: write {description.name} beside it "
                "or add a model to SimDevice.factories (docs/guides/sim_device.md)"
            )
        models = []
        for name, entry in entries.items():
            dma = entry.get("dma", dmas[0] if dmas else None)
            if name not in parser.ip_dict or dma not in dmas:
                raise ConfigError(f"{description.name}: {name!r} behind DMA {dma!r} is not in {path.stem}.hwh")
            factory = self.factories.get(name) or _load_factory(entry.get("factory", ""), description)
            models.append((name, factory(path.parent, **entry.get("arguments", {})), dma))
        return models

    def _adopt_ps(self, clocks: PsClocks) -> None:
        present = self.system.clocks
        if not self.system.slaves or (clocks.kind, clocks.source_mhz) != (present.kind, present.source_mhz):
            self.arch = ARCH[clocks.kind]
            self.system.clocks = clocks
        # pynq.Clocks picks its registers by the host's architecture, once; the host is the simulated PS.
        pynq.ps.CPU_ARCH = self.arch
        if hasattr(pynq.ps.Clocks, "_real_instance"):
            del pynq.ps.Clocks._real_instance


def _parse_device(handoff: Path) -> str:
    """Device that a .hwh was made for; empty where it does not say."""
    info = load_xml(handoff, ".hwh").find("SYSTEMINFO")
    return "" if info is None else info.get("DEVICE", "")


def _load_entries(description: Path) -> dict[str, dict[str, Any]]:
    """Read what a .sim.json says of each instance; ConfigError where its fields are of other types."""
    found = load_json(description).get("ip", {})
    for name, entry in found.items() if isinstance(found, dict) else [("ip", None)]:
        if not isinstance(entry, dict):
            raise ConfigError(f"{description}: {name} must be a table")
        for key, (kind, said) in _FIELDS.items():
            if not isinstance(entry.get(key, kind()), kind):
                raise ConfigError(f"{description}: {key} of {name} must be {said}")
    return dict(found)


def _load_factory(name: str, source: Path) -> Factory:
    module, _, function = name.partition(":")
    try:
        factory: Factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{source}: factory {name!r} cannot be imported ({error}); write module:function") from error
    return factory
