"""Delays of the cells that Yosys maps to, ps, without any wire.

7 series: the slowest that Project X-Ray measured of Artix-7 (speed grade -1; github.com/f4pga/prjxray-db,
artix7/timings), as far as Yosys uses them for mapping (techlibs/xilinx/cells_sim.v); an xc7z020 is made of the same
cells. UltraScale+: those of RapidWright's timing model (github.com/Xilinx/RapidWright, timing/ultrascaleplus, delays of
the slow corner; Maidee et al., FPT 2019), and of multipliers the ones that it was tested with (tcl/rwroute/test_data).
What it has none of has another's, slower: enable and reset of a flip-flop the 7 series', F8MUX and F9MUX F7MUX's, both
outputs of a LUT those of the slower one, a third summand of a multiplier those of its second factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: From one pin to each output bit of a carry cell; None: no arc.
Row = tuple[int | None, ...]


@dataclass(frozen=True)
class Carry:
    """A carry cell's arcs to one of its outputs, O or CO."""

    #: Of a carry that comes from other cells, and of one that comes from a carry cell.
    start: Row
    chained: Row
    #: Of each bit of DI and S.
    DI: tuple[Row, ...]
    S: tuple[Row, ...]


@dataclass(frozen=True)
class Dsp:
    """A multiplier's block."""

    #: Clock to P: behind the result's register, behind the product's, behind those of the inputs.
    launch: tuple[int, int, int] | None = None
    #: Input -> its register; setup where it is used, where the product's register follows, where neither.
    setup: Mapping[str, tuple[str, int, int, int]] = field(default_factory=dict)
    #: Input to P of a block without any register; empty: it is timed as if its inputs had some.
    through: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Delays:
    """A family's cells."""

    #: Inputs of a LUT to its output, slowest pin first; a LUT of n inputs uses the last n.
    lut: tuple[int, ...]
    #: LUT6_2: the sixth pin chooses between the outputs and is tied.
    lut6_2: tuple[int, ...]
    #: Carry cell -> output -> arcs.
    carry: Mapping[str, Mapping[str, Carry]]
    #: Any other cell without a clock -> input -> delay; pins that do not matter are left out.
    through: Mapping[str, Mapping[str, int]]
    #: Cell -> output -> clock to output.
    launch: Mapping[str, Mapping[str, int]]
    #: Cell -> input -> input to clock.
    setup: Mapping[str, Mapping[str, int]]
    #: Port that gives, (output, parameter of its register) -> clock to output without it and with it: block RAM.
    block_ram: Mapping[tuple[str, str], tuple[int, int]]
    dsp: Mapping[str, Dsp]
    #: LUT RAM -> its read ports.
    lut_ram: Mapping[str, str]
    #: Cells with the delays of another.
    alike: Mapping[str, str]


_BUFFERS = {"BUFG": {"I": 0}, "IBUF": {"I": 0}, "OBUF": {"I": 0}}
_FLIP_FLOPS = {"FDSE": "FDRE", "FDCE": "FDRE", "FDPE": "FDRE"}


def _upper(*rows: tuple[int, ...], of: int = 4) -> tuple[Row, ...]:
    """Rows of a triangle: what a bit does not reach is left out before it."""
    return tuple((None,) * (of - len(row)) + row for row in rows)


SEVEN_SERIES = Delays(
    lut=(642, 631, 472, 407, 238, 127),
    lut6_2=(642, 631, 472, 407, 238),
    carry={
        "CARRY4": {
            "O": Carry(
                start=(482, 598, 584, 642),
                chained=(222, 334, 239, 313),
                DI=_upper((407, 556, 615), (537, 596), (438,), ()),
                S=_upper((223, 400, 523, 582), (205, 558, 618), (226, 330), (227,)),
            ),
            "CO": Carry(
                start=(536, 494, 592, 580),
                chained=(271, 157, 228, 114),
                DI=_upper((379, 465, 540, 526), (445, 520, 507), (356, 398), (385,)),
                S=_upper((340, 433, 512, 508), (469, 548, 528), (292, 378), (380,)),
            ),
        }
    },
    through={
        **_BUFFERS,
        "INV": {"I": 127},
        "MUXF7": {"I0": 217, "I1": 223, "S": 296},
        "MUXF8": {"I0": 104, "I1": 94, "S": 273},
    },
    launch={
        "FDRE": {"Q": 303},
        "SRL16E": {"Q": 1472},
        "SRLC32E": {"Q": 1472, "Q31": 1114},
        "RAM32M": {"DOA": 1188, "DOB": 1187, "DOC": 1180, "DOD": 1190},
        "RAM64M": {"DOA": 1153, "DOB": 1161, "DOC": 1158, "DOD": 1163},
    },
    setup={
        "FDRE": {"D": 0, "CE": 109, "R": 404, "S": 404, "CLR": 404, "PRE": 404},
        "SRL16E": {"D": 173, "CE": 109},
        "SRLC32E": {"D": 173, "CE": 109},
        "RAM32M": {"ADDRD": 245, "DIA": 453, "DIB": 461, "DIC": 457, "DID": 334, "WE": 654},
        "RAM64M": {"ADDRD": 362, "DIA": 384, "DIB": 354, "DIC": 375, "DID": 310, "WE": 654},
        "RAMB36E1": {
            "ADDRARDADDR": 566, "ADDRBWRADDR": 566, "WEA": 532, "WEBWE": 532, "DIADI": 737, "DIBDI": 737,
            "DIPADIP": 737, "DIPBDIP": 737, "REGCEAREGCE": 360, "REGCEB": 360, "RSTREGARSTREG": 342, "RSTREGB": 342,
        },
    },
    block_ram={
        ("DOADO", "DOA_REG"): (2454, 882), ("DOPADOP", "DOA_REG"): (2454, 882),
        ("DOBDO", "DOB_REG"): (2454, 882), ("DOPBDOP", "DOB_REG"): (2454, 882),
    },
    dsp={
        "DSP48E1": Dsp(
            launch=(329, 1671, 2952),
            setup={"A": ("AREG", 254, 1416, 2739), "B": ("BREG", 324, 1285, 2608), "C": ("CREG", 168, 1244, 1244)},
        )
    },
    lut_ram={"RAM32M": "ABCD", "RAM64M": "ABCD"},
    alike={**_FLIP_FLOPS, "RAMB18E1": "RAMB36E1"},
)  # fmt: skip

_CARRY8 = {
    "O": Carry(
        start=(110, 132, 131, 135, 193, 228, 216, 231),
        chained=(56, 76, 67, 82, 86, 116, 103, 116),
        DI=_upper(
            (81, 109, 115, 178, 208, 196, 211), (99, 102, 162, 196, 183, 198), (94, 150, 186, 174, 188),
            (147, 182, 170, 185), (84, 115, 123), (102, 107), (93,), (), of=8,
        ),
        S=_upper(
            (65, 96, 134, 139, 206, 240, 226, 241), (56, 117, 123, 204, 237, 224, 238), (58, 86, 167, 200, 188, 202),
            (61, 149, 184, 172, 187), (63, 95, 129, 137), (58, 131, 138), (56, 85), (56,), of=8,
        ),
    ),
    "CO": Carry(
        start=(107, 105, 110, 177, 203, 191, 206, 160),
        chained=(52, 42, 57, 60, 92, 77, 92, 23),
        DI=_upper(
            (57, 83, 90, 182, 184, 170, 186, 140), (73, 78, 144, 172, 158, 173, 127), (69, 134, 160, 148, 163, 117),
            (131, 157, 144, 160, 113), (59, 87, 98, 100), (74, 82, 95), (69, 67), (60,), of=8,
        ),
        S=_upper(
            (71, 109, 115, 186, 216, 201, 217, 199), (91, 98, 184, 213, 199, 214, 197), (63, 148, 176, 162, 177, 168),
            (133, 159, 146, 162, 170), (70, 103, 113, 163), (105, 113, 166), (61, 124), (124,), of=8,
        ),
    ),
}  # fmt: skip


def _lower_half(whole: Carry) -> Carry:
    """A CARRY4, which takes half of a CARRY8."""
    return Carry(
        whole.start[:4],
        whole.chained[:4],
        tuple(row[:4] for row in whole.DI[:4]),
        tuple(row[:4] for row in whole.S[:4]),
    )


_BANKS = "ABCDEFGH"
_LUT_RAM_OUT = {f"DO{bank}": 312 for bank in _BANKS}
_LUT_RAM_IN = {"ADDRH": 117, "WE": 180, **{f"DI{bank}": 81 for bank in _BANKS}}

ULTRASCALE_PLUS = Delays(
    lut=(150, 125, 100, 90, 50, 35),
    lut6_2=(165, 140, 115, 100, 70),
    carry={"CARRY8": _CARRY8, "CARRY4": {output: _lower_half(carry) for output, carry in _CARRY8.items()}},
    through={
        **_BUFFERS,
        "INV": {"I": 35},
        **{f"MUXF{number}": {"I0": 70, "I1": 70, "S": 77} for number in (7, 8, 9)},
    },
    launch={
        "FDRE": {"Q": 77},
        "SRL16E": {"Q": 312},
        "SRLC32E": {"Q": 312, "Q31": 312},
        "RAM32M16": _LUT_RAM_OUT,
        "RAM64M8": _LUT_RAM_OUT,
    },
    setup={
        "FDRE": {"D": 25, "CE": 109, "R": 404, "S": 404, "CLR": 404, "PRE": 404},
        "SRL16E": {"D": 81, "CE": 180},
        "SRLC32E": {"D": 81, "CE": 180},
        "RAM32M16": _LUT_RAM_IN,
        "RAM64M8": _LUT_RAM_IN,
        "RAMB36E2": {
            "ADDRARDADDR": 383, "ADDRBWRADDR": 383, "ENARDEN": 445, "ENBWREN": 445, "WEA": 394, "WEBWE": 394,
            "DINADIN": 313, "DINBDIN": 313, "DINPADINP": 313, "DINPBDINP": 313, "REGCEAREGCE": 233, "REGCEB": 233,
            "RSTREGARSTREG": 313, "RSTREGB": 313,
        },
    },
    block_ram={
        ("DOUTADOUT", "DOA_REG"): (1003, 229), ("DOUTPADOUTP", "DOA_REG"): (1003, 229),
        ("DOUTBDOUT", "DOB_REG"): (1003, 229), ("DOUTPBDOUTP", "DOB_REG"): (1003, 229),
    },
    dsp={"DSP48E2": Dsp(through={"A": 1510, "B": 1560, "C": 1560})},
    lut_ram={"RAM32M16": _BANKS, "RAM64M8": _BANKS},
    alike={**_FLIP_FLOPS, "RAMB18E2": "RAMB36E2"},
)  # fmt: skip
