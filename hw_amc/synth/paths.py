"""Logic-only timing of a mapped netlist for 7-series parts: the longest path through cells, without any wire.

Yosys' own `sta` knows no delays of flip-flops, carry cells, LUTs with two outputs and LUT RAM, which are what a
digit-serial design is made of. The delays here are the slowest that Project X-Ray measured of Artix-7 (speed grade
-1; github.com/f4pga/prjxray-db, artix7/timings), as far as Yosys uses them for mapping (techlibs/xilinx/cells_sim.v);
an xc7z020 is made of the same cells. Pins of a LUT are exchanged freely, as routers do: the latest input gets the
fastest. Clocks are ideal, ports arrive at 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_amc.errors import ToolFailed

#: Inputs of a LUT to its output, ps, slowest pin first; a LUT of n inputs uses the last n.
LUT_PINS = (642, 631, 472, 407, 238, 127)
#: LUT6_2: the sixth pin chooses between the outputs and is tied.
LUT6_2_PINS = LUT_PINS[:5]

_CARRY_O = {
    "CYINIT": (482, 598, 584, 642),
    "CI": (222, 334, 239, 313),
    "DI": ((None, 407, 556, 615), (None, None, 537, 596), (None, None, None, 438), (None, None, None, None)),
    "S": ((223, 400, 523, 582), (None, 205, 558, 618), (None, None, 226, 330), (None, None, None, 227)),
}
_CARRY_CO = {
    "CYINIT": (536, 494, 592, 580),
    "CI": (271, 157, 228, 114),
    "DI": ((379, 465, 540, 526), (None, 445, 520, 507), (None, None, 356, 398), (None, None, None, 385)),
    "S": ((340, 433, 512, 508), (None, 469, 548, 528), (None, None, 292, 378), (None, None, None, 380)),
}
#: Through arcs of other cells: (input pin, bit) is left out where it does not matter.
_THROUGH: dict[str, dict[str, int]] = {
    "INV": {"I": 127},
    "BUFG": {"I": 0},
    "IBUF": {"I": 0},
    "OBUF": {"I": 0},
    "MUXF7": {"I0": 217, "I1": 223, "S": 296},
    "MUXF8": {"I0": 104, "I1": 94, "S": 273},
}
#: Cells with the delays of another.
_ALIKE = {"FDSE": "FDRE", "FDCE": "FDRE", "FDPE": "FDRE", "RAMB18E1": "RAMB36E1"}
#: Clock to output.
_LAUNCH: dict[str, dict[str, int]] = {
    "FDRE": {"Q": 303},
    "SRL16E": {"Q": 1472},
    "SRLC32E": {"Q": 1472, "Q31": 1114},
    "RAM32M": {"DOA": 1188, "DOB": 1187, "DOC": 1180, "DOD": 1190},
    "RAM64M": {"DOA": 1153, "DOB": 1161, "DOC": 1158, "DOD": 1163},
}
#: Input to clock.
_SETUP: dict[str, dict[str, int]] = {
    "FDRE": {"D": 0, "CE": 109, "R": 404, "S": 404, "CLR": 404, "PRE": 404},
    "SRL16E": {"D": 173, "CE": 109},
    "SRLC32E": {"D": 173, "CE": 109},
    "RAM32M": {"ADDRD": 245, "DIA": 453, "DIB": 461, "DIC": 457, "DID": 334, "WE": 654},
    "RAM64M": {"ADDRD": 362, "DIA": 384, "DIB": 354, "DIC": 375, "DID": 310, "WE": 654},
    "RAMB36E1": {
        "ADDRARDADDR": 566, "ADDRBWRADDR": 566, "WEA": 532, "WEBWE": 532, "DIADI": 737, "DIBDI": 737, "DIPADIP": 737,
        "DIPBDIP": 737, "REGCEAREGCE": 360, "REGCEB": 360, "RSTREGARSTREG": 342, "RSTREGB": 342,
    },
}  # fmt: skip

Bit = int | str


@dataclass(frozen=True)
class PathStep:
    """A cell on a path, and when its output (at the end: its input, setup included) is ready."""

    cell: str
    type: str
    pin: str
    ready_ns: float


@dataclass(frozen=True)
class LongestPath:
    """From clock to clock, through cells alone."""

    ns: float
    steps: tuple[PathStep, ...]

    def describe(self) -> str:
        """One line: cells from the first to the last, with the time at each."""
        return " > ".join(f"{step.type} {step.ready_ns:.2f}" for step in self.steps)


def load_longest_path(path: Path, top: str) -> LongestPath:
    """Analyse module `top` of a netlist that Yosys' `write_json` wrote.

    Raises
    ------
    ToolFailed
        The netlist holds no such module, a cell whose delays are unknown, or a loop without a register.
    """
    modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
    if top not in modules:
        raise ToolFailed(f"{path} holds no module {top!r}")
    return find_longest_path(modules[top]["cells"])


def find_longest_path(cells: dict[str, dict[str, Any]]) -> LongestPath:
    """Find the longest path of a flat netlist.

    Parameters
    ----------
    cells : dict
        By name: `type`, `parameters`, `connections` (pin -> bits) and `port_directions`, as in Yosys' JSON.

    Raises
    ------
    ToolFailed
        As `load_longest_path`.
    """
    analysis = _Analysis(cells)
    analysis.run()
    return analysis.longest()


class _Analysis:
    """Arrival times of all nets, cell by cell from registers on."""

    def __init__(self, cells: dict[str, dict[str, Any]]) -> None:
        self.cells = {name: cell for name, cell in cells.items() if not cell["type"].startswith("$scopeinfo")}
        #: Net -> time in ps, cell that drives it, its output pin, and the net before (None: a register).
        self.arrival: dict[Bit, tuple[int, str, str, Bit | None]] = {}

    def run(self) -> None:
        """Work off combinational cells as soon as all their inputs are known."""
        waiting: dict[str, int] = {}
        readers: dict[Bit, list[str]] = {}
        driven: set[Bit] = set()
        through = {}
        for name, cell in self.cells.items():
            self._launch(name, cell)
            inputs = set(_through_inputs(cell))
            if inputs:
                through[name] = inputs
                driven.update(bit for _, bits in _pins(cell, "output") for bit in bits)
        for name, inputs in through.items():
            pending = inputs & driven
            waiting[name] = len(pending)
            for bit in pending:
                readers.setdefault(bit, []).append(name)
        ready = [name for name, count in waiting.items() if count == 0]
        while ready:
            name = ready.pop()
            self._propagate(name, self.cells[name])
            for bit in {bit for _, bits in _pins(self.cells[name], "output") for bit in bits}:
                for reader in readers.get(bit, ()):
                    waiting[reader] -= 1
                    if waiting[reader] == 0:
                        ready.append(reader)
        stuck = [name for name, count in waiting.items() if count > 0]
        if stuck:
            raise ToolFailed(f"the netlist has a loop without a register, through {stuck[0]}")

    def _time(self, bit: Bit) -> int:
        return self.arrival[bit][0] if bit in self.arrival else 0

    def _set(self, bit: Bit, time: int, name: str, pin: str, before: Bit | None) -> None:
        if isinstance(bit, int) and time >= self._time(bit):
            self.arrival[bit] = (time, name, pin, before)

    def _launch(self, name: str, cell: dict[str, Any]) -> None:
        for pin, time in _launches(cell).items():
            for bit in cell["connections"].get(pin, ()):
                self._set(bit, time, name, pin, None)

    def _propagate(self, name: str, cell: dict[str, Any]) -> None:
        for source, target, pin, delay in self._arcs(cell):
            self._set(target, self._time(source) + delay, name, pin, source)

    def _arcs(self, cell: dict[str, Any]) -> Iterator[tuple[Bit, Bit, str, int]]:
        """(input net, output net, output pin, ps) of a combinational cell."""
        kind, wires = cell["type"], cell["connections"]
        outputs = _pins(cell, "output")
        if kind.startswith("LUT"):
            inputs = [(pin, bit) for pin, (bit,) in _pins(cell, "input") if isinstance(bit, int)]
            inputs.sort(key=lambda item: self._time(item[1]))
            delays = LUT6_2_PINS if kind == "LUT6_2" else LUT_PINS
            for (source, bit), delay in zip(inputs, delays[len(delays) - len(inputs) :], strict=True):
                for pin, (target,) in outputs:
                    if kind != "LUT6_2" or _lut6_2_depends(cell, pin, source):
                        yield bit, target, pin, delay
        elif kind == "CARRY4":
            yield from _carry_arcs(wires)
        elif kind.startswith(("RAM", "SRL")):
            for bank, pin in _read_ports(kind):
                addresses = wires.get(bank, ())
                for bit, delay in zip(addresses, LUT_PINS[6 - max(len(addresses), 1) :], strict=False):
                    yield from ((bit, target, pin, delay) for target in wires.get(pin, ()))
        else:
            for source, delay in _THROUGH[kind].items():
                yield from ((wires[source][0], target, pin, delay) for pin, (target,) in outputs)

    def longest(self) -> LongestPath:
        """Search all registers' inputs."""
        worst: tuple[int, str, str, Bit] | None = None
        for name, cell in self.cells.items():
            for pin, setup in _setups(cell).items():
                for bit in cell["connections"].get(pin, ()):
                    if bit in self.arrival and (worst is None or self._time(bit) + setup > worst[0]):
                        worst = (self._time(bit) + setup, name, pin, bit)
        if worst is None:
            return LongestPath(0.0, ())
        time, name, pin, bit = worst
        steps = [PathStep(_label(name, self.cells[name]), self.cells[name]["type"], pin, time / 1000)]
        at: Bit | None = bit
        while at is not None and at in self.arrival:
            ready, driver, out, before = self.arrival[at]
            steps.append(PathStep(_label(driver, self.cells[driver]), self.cells[driver]["type"], out, ready / 1000))
            at = before
        return LongestPath(time / 1000, tuple(reversed(steps)))


def _pins(cell: dict[str, Any], direction: str) -> list[tuple[str, list[Bit]]]:
    directions = cell["port_directions"]
    return [(pin, bits) for pin, bits in cell["connections"].items() if directions[pin] == direction]


def _label(name: str, cell: dict[str, Any]) -> str:
    return str(cell.get("attributes", {}).get("hdlname", name)).replace(" ", ".")


def _lut6_2_depends(cell: dict[str, Any], output: str, pin: str) -> bool:
    """Whether an output of a LUT with two outputs changes with a pin: each has half of the table while I5 is 1."""
    table = str(cell["parameters"]["INIT"])[::-1]
    half = table[32:] if output == "O6" else table[:32]
    if pin == "I5":
        return output == "O6"
    step = 1 << int(pin[1:])
    return any(half[index] != half[index ^ step] for index in range(32))


def _carry_arcs(wires: dict[str, list[Bit]]) -> Iterator[tuple[Bit, Bit, str, int]]:
    for pin, table in (("O", _CARRY_O), ("CO", _CARRY_CO)):
        for index, target in enumerate(wires.get(pin, ())):
            for source, delays in table.items():
                rows = delays if source in ("DI", "S") else (delays,)
                for bit, row in zip(wires.get(source, ()), rows, strict=False):
                    delay = row[index]  # type: ignore[index]
                    if delay is not None:
                        yield bit, target, pin, delay


def _read_ports(kind: str) -> list[tuple[str, str]]:
    """Address and output of each read port of a LUT RAM; of a shift register, whose length is fixed, none."""
    return [(f"ADDR{bank}", f"DO{bank}") for bank in "ABCD"] if kind in ("RAM32M", "RAM64M") else []


def _through_inputs(cell: dict[str, Any]) -> list[Bit]:
    """Nets that a cell's outputs follow without a clock."""
    kind, wires = cell["type"], cell["connections"]
    if kind.startswith("LUT"):
        return [bit for _, bits in _pins(cell, "input") for bit in bits]
    if kind == "CARRY4":
        return [bit for pin in ("CYINIT", "CI", "DI", "S") for bit in wires.get(pin, ())]
    if kind in _THROUGH:
        return [wires[pin][0] for pin in _THROUGH[kind]]
    return [bit for bank, _ in _read_ports(kind) for bit in wires.get(bank, ())]


def _launches(cell: dict[str, Any]) -> dict[str, int]:
    """Clock-to-output times of a cell's pins."""
    kind = _ALIKE.get(cell["type"], cell["type"])
    if kind in _LAUNCH:
        return _LAUNCH[kind]
    if kind == "RAMB36E1":
        return {
            pin: 882 if _parameter(cell, f"DO{side}_REG") else 2454
            for side, pins in (("A", ("DOADO", "DOPADOP")), ("B", ("DOBDO", "DOPBDOP")))
            for pin in pins
        }
    if kind == "DSP48E1":
        return {"P": 329 if _parameter(cell, "PREG") else 1671 if _parameter(cell, "MREG") else 2952}
    if kind.startswith("LUT") or kind in _THROUGH or kind in ("CARRY4", "GND", "VCC"):
        return {}
    raise ToolFailed(f"no delays are known for the cell {kind}; see hw_amc/synth/paths.py")


def _setups(cell: dict[str, Any]) -> dict[str, int]:
    """Setup times of a cell's pins."""
    kind = _ALIKE.get(cell["type"], cell["type"])
    if kind != "DSP48E1":
        return _SETUP.get(kind, {})
    multiplied = {"A": 1416, "B": 1285} if _parameter(cell, "MREG") else {"A": 2739, "B": 2608}
    return {
        "A": 254 if _parameter(cell, "AREG") else multiplied["A"],
        "B": 324 if _parameter(cell, "BREG") else multiplied["B"],
        "C": 168 if _parameter(cell, "CREG") else 1244,
    }


def _parameter(cell: dict[str, Any], name: str) -> int:
    value = cell.get("parameters", {}).get(name, "0")
    return int(value, 2) if isinstance(value, str) else int(value)
