"""The device families: one table of what differs between parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw_amc.errors import UnsupportedLayer

PsKind = Literal["zynq7", "zynqmp"]


@dataclass(frozen=True)
class PsClock:
    """Names under which a PS block keeps its first PL clock: Vivado's CONFIG properties, and parameters of a .hwh."""

    #: MHz asked for, and what Vivado makes of it.
    requested: str
    actual: str
    divisors: tuple[str, str]
    #: PLL that it is divided from, and how that of the peripherals is called.
    source: str
    io_pll: str
    feedback: str
    #: Whether the PLL's output is halved; empty where it never is.
    halved: str
    #: Reference oscillator in MHz, and what PYNQ takes it for.
    reference: str
    reference_mhz: float
    #: Whether divisors that are set stay; otherwise Vivado computes them.
    manual: str


@dataclass(frozen=True)
class Energy:
    """What a resource takes, fJ (estimated): docs/power.md says from what, and how uncertain it is."""

    #: VCCINT that it is for, in volts.
    volts: float
    #: A flip-flop's clock: tree and pin, each cycle.
    clock: float
    #: A toggle of a net between cells, of a LUT's inside, and of a flip-flop's.
    net: float
    lut: float
    register: float
    #: A cycle of a DSP block all of whose inputs toggle; in proportion where fewer do.
    dsp: float
    #: A cycle of a BRAM36.
    bram36: float


@dataclass(frozen=True)
class Family:
    """A family of parts with a processing system (PS)."""

    #: How the names of its parts begin.
    prefixes: tuple[str, ...]
    #: Its PS in board.toml, and that PS in a block design: IP, pins of the first PL clock and reset.
    ps: PsKind
    ps_ip: str
    ps_clock: str
    ps_reset: str
    clock: PsClock
    #: Addresses that the PS' general-purpose master port drives (UG585 section 4.1, UG1085 chapter 10).
    control_window: tuple[int, int]
    #: Yosys' name of the family, and the bits of its carry cell.
    yosys: Literal["xc7", "xcup"]
    carry_bits: int
    #: Macros under which the blocks instantiate the part's own LUTs, flip-flops and carry cells.
    defines: tuple[str, ...]
    #: Names of the family in IP-XACT.
    ipxact: tuple[str, ...]
    #: Delays by which HLS decides what fits into one clock cycle, ns (estimated): an adder, what each of its bits adds,
    #: a multiplier. 7 series at speed grade -1, UltraScale+ at -2.
    add_ns: float
    add_bit_ns: float
    mul_ns: float
    #: What a third term adds to an adder: a LUT and the wire to the next bit's, ns (estimated).
    sum3_ns: float
    #: Clock-to-output and set-up of a flip-flop with a clock's skew, ns (estimated): Yosys' cells (from Project X-Ray's
    #: xc7 timings) have 0.30 ns to the output and 0.11 ns of set-up, a -1 part is slower.
    register_ns: float
    energy: Energy


SEVEN_SERIES = Family(
    prefixes=("xc7",),
    ps="zynq7",
    ps_ip="processing_system7",
    ps_clock="FCLK_CLK0",
    ps_reset="FCLK_RESET0_N",
    clock=PsClock(
        requested="PCW_FPGA0_PERIPHERAL_FREQMHZ",
        actual="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ",
        divisors=("PCW_FCLK0_PERIPHERAL_DIVISOR0", "PCW_FCLK0_PERIPHERAL_DIVISOR1"),
        source="PCW_FCLK0_PERIPHERAL_CLKSRC",
        io_pll="IO PLL",
        feedback="PCW_IOPLL_CTRL_FBDIV",
        halved="",
        reference="PCW_CRYSTAL_PERIPHERAL_FREQMHZ",
        reference_mhz=50.0,
        manual="PCW_OVERRIDE_BASIC_CLOCK",
    ),
    control_window=(0x4000_0000, 0x7FFF_FFFF),
    yosys="xc7",
    carry_bits=4,
    defines=("AMC_XILINX",),
    ipxact=("zynq",),
    add_ns=1.70,
    add_bit_ns=0.0266,
    mul_ns=4.2,
    sum3_ns=1.1,
    register_ns=1.0,
    energy=Energy(volts=1.0, clock=30, net=120, lut=140, register=6, dsp=27_000, bram36=7_400),
)
ULTRASCALE_PLUS = Family(
    prefixes=("xcz", "xck"),
    ps="zynqmp",
    ps_ip="zynq_ultra_ps_e",
    ps_clock="pl_clk0",
    ps_reset="pl_resetn0",
    clock=PsClock(
        requested="PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
        actual="PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ",
        divisors=("PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0", "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1"),
        source="PSU__CRL_APB__PL0_REF_CTRL__SRCSEL",
        io_pll="IOPLL",
        feedback="PSU__CRL_APB__IOPLL_CTRL__FBDIV",
        halved="PSU__CRL_APB__IOPLL_CTRL__DIV2",
        reference="PSU__PSS_REF_CLK__FREQMHZ",
        reference_mhz=33.333,
        manual="PSU__OVERRIDE__BASIC_CLOCK",
    ),
    control_window=(0xA000_0000, 0xAFFF_FFFF),
    yosys="xcup",
    carry_bits=8,
    defines=("AMC_XILINX", "AMC_CARRY8"),
    ipxact=("zynquplus", "zynquplusRFSOC"),
    add_ns=0.60,
    add_bit_ns=0.0130,
    mul_ns=2.0,
    sum3_ns=0.35,
    register_ns=0.5,
    energy=Energy(volts=0.85, clock=22, net=78, lut=130, register=7, dsp=18_000, bram36=3_800),
)
#: Static power of parts at 25 degrees around them, W (published: Vivado's reports that docs/power.md lists).
STATIC_W = {"xc7z020": 0.15, "xczu48dr": 1.29, "xck26": 0.30}
FAMILIES = (SEVEN_SERIES, ULTRASCALE_PLUS)


def family_of(part: str) -> Family:
    """Find a part's family by its name.

    Raises
    ------
    UnsupportedLayer
        The family is unknown.
    """
    for family in FAMILIES:
        if part.startswith(family.prefixes):
            return family
    known = ", ".join(prefix for family in FAMILIES for prefix in family.prefixes)
    raise UnsupportedLayer(f"no delays are known for part {part!r}; known families: {known}")


def family_with(ps: PsKind) -> Family:
    """Find the family that has a PS of this kind."""
    return next(family for family in FAMILIES if family.ps == ps)
