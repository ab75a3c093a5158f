"""What a .hwh says of its overlay: the part, the PS and its clock, the DMA, the accelerator, and where they stand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from hw_amc.errors import DataError
from hw_amc.parts import FAMILIES, Family
from hw_amc.untrusted import load_xml

DMA, IP_PREFIX = "axi_dma", "hw_amc:user:"

#: No parameter is as large.
_MOST = 1e15


@dataclass(frozen=True)
class Module:
    """One instance of a block design."""

    instance: str
    vlnv: str
    #: Parameters as Vivado resolved them; the DMA has most of its own in two cases.
    parameters: dict[str, str]

    @property
    def kind(self) -> str:
        """Name of the IP, without vendor, library and version."""
        return self.vlnv.split(":")[2] if self.vlnv.count(":") == 3 else ""

    def number(self, name: str) -> float:
        """Return a parameter as a number; DataError where there is none."""
        text = self.parameters.get(name)
        try:
            number = float(text or "")
        except ValueError:
            number = math.nan
        if not abs(number) < _MOST:
            raise DataError(f"{self.instance} has {name} = {repr(text)[:80]} in the .hwh, which is no number")
        return number


@dataclass(frozen=True)
class Handoff:
    """A block design, as far as driver and board need it."""

    #: Name of the design, and release of the Vivado that wrote it.
    name: str
    vivado: str
    device: str
    #: Board part; empty where the design was built without board files.
    board: str
    modules: tuple[Module, ...]
    #: Instance -> base address, as the PS sees it.
    addresses: dict[str, int]

    @classmethod
    def load(cls, path: Path) -> Handoff:
        """Read a .hwh.

        Raises
        ------
        DataError
            There is none, or it is not what Vivado writes.
        """
        if not path.exists():
            raise DataError(f"{path} does not exist; it belongs beside the bitstream")
        root = load_xml(path, ".hwh")
        info = root.find("SYSTEMINFO")
        if info is None:
            raise DataError(f"{path} is no .hwh: it has no SYSTEMINFO")
        modules = tuple(_parse_module(module) for module in root.iter("MODULE"))
        ranges = {
            entry.get("INSTANCE", ""): _parse_address(entry.get("BASEVALUE", "0"), path)
            for module in root.iter("MODULE")
            if module.get("MODTYPE") in {family.ps_ip for family in FAMILIES}
            for entry in module.iter("MEMRANGE")
        }
        return cls(
            name=info.get("NAME", ""),
            vivado=root.get("VIVADOVERSION", ""),
            device=info.get("DEVICE", ""),
            board=info.get("BOARD", ""),
            modules=modules,
            addresses=ranges,
        )

    @property
    def family(self) -> Family:
        """Family of the part, by its PS; DataError where there is no PS or another one."""
        found = [family for family in FAMILIES for module in self.modules if module.kind == family.ps_ip]
        if len(found) != 1:
            known = ", ".join(family.ps_ip for family in FAMILIES)
            raise DataError(f"the .hwh has {len(found)} processing systems of the kinds {known}; one is needed")
        return found[0]

    @property
    def ps(self) -> Module:
        """The processing system."""
        return self._one(self.family.ps_ip, "a processing system")

    @property
    def dma(self) -> Module:
        """The DMA."""
        return self._one(DMA, "an AXI DMA")

    @property
    def accelerator(self) -> Module:
        """The accelerator of this package."""
        found = [module for module in self.modules if module.vlnv.startswith(IP_PREFIX)]
        if len(found) != 1:
            raise DataError(f"the .hwh has {len(found)} IPs that are an accelerator of this package; one is needed")
        return found[0]

    @property
    def clock_mhz(self) -> float:
        """First PL clock for which Vivado closed the timing."""
        return self.ps.number(self.family.clock.actual)

    @property
    def divisor(self) -> int:
        """What PYNQ divides the booted PLL by."""
        first, second = (int(self.ps.number(name)) for name in self.family.clock.divisors)
        if first * second < 1:
            raise DataError(f"the .hwh divides the clock by {first} and {second}")
        return first * second

    def _one(self, kind: str, what: str) -> Module:
        found = [module for module in self.modules if module.kind == kind]
        if len(found) != 1:
            raise DataError(f"the .hwh has {len(found)} modules that are {what}; one is needed")
        return found[0]


def _parse_address(text: str, path: Path) -> int:
    try:
        return int(text[:20], 16)
    except ValueError:
        raise DataError(f"{path} has the address {repr(text)[:80]}, which is no number") from None


def _parse_module(module: ElementTree.Element) -> Module:
    settings = {entry.get("NAME", ""): entry.get("VALUE", "") for entry in module.iterfind("PARAMETERS/PARAMETER")}
    return Module(module.get("INSTANCE", ""), module.get("VLNV", ""), settings)
