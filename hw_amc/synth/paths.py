"""Logic-only timing of a mapped netlist: the longest path through cells, without any wire.

Yosys' own `sta` knows no delays of flip-flops, carry cells, LUTs with two outputs and LUT RAM, which are what a
digit-serial design is made of. Pins of a LUT are exchanged freely, as routers do: the latest input gets the fastest.
Clocks are ideal, ports arrive at 0. The delays are those of hw_amc/synth/delays.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_amc.errors import ToolFailed
from hw_amc.synth.delays import SEVEN_SERIES, Carry, Delays, Dsp

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


def load_longest_path(path: Path, top: str, delays: Delays = SEVEN_SERIES) -> LongestPath:
    """Analyse module `top` of a netlist that Yosys' `write_json` wrote.

    Raises
    ------
    ToolFailed
        The netlist holds no such module, a cell whose delays are unknown, or a loop without a register.
    """
    modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
    if top not in modules:
        raise ToolFailed(f"{path} holds no module {top!r}")
    return find_longest_path(modules[top]["cells"], delays)


def find_longest_path(cells: dict[str, dict[str, Any]], delays: Delays = SEVEN_SERIES) -> LongestPath:
    """Find the longest path of a flat netlist.

    Parameters
    ----------
    cells : dict
        By name: `type`, `parameters`, `connections` (pin -> bits) and `port_directions`, as in Yosys' JSON.
    delays : Delays
        Of the family that they are mapped to.

    Raises
    ------
    ToolFailed
        As `load_longest_path`.
    """
    analysis = _Analysis(cells, delays)
    analysis.run()
    return analysis.longest()


class _Analysis:
    """Arrival times of all nets, cell by cell from registers on."""

    def __init__(self, cells: dict[str, dict[str, Any]], delays: Delays) -> None:
        self.delays = delays
        self.cells = {name: cell for name, cell in cells.items() if not cell["type"].startswith("$scopeinfo")}
        #: Net -> time in ps, cell that drives it, its output pin, and the net before (None: a register).
        self.arrival: dict[Bit, tuple[int, str, str, Bit | None]] = {}
        carries = (cell["connections"].get("CO", ()) for cell in self.cells.values() if cell["type"] in delays.carry)
        #: Nets that carry cells drive.
        self.carries: set[Bit] = {bit for bits in carries for bit in bits}

    def run(self) -> None:
        """Work off combinational cells as soon as all their inputs are known."""
        waiting: dict[str, int] = {}
        readers: dict[Bit, list[str]] = {}
        driven: set[Bit] = set()
        through = {}
        for name, cell in self.cells.items():
            self._launch(name, cell)
            inputs = set(self._through_inputs(cell))
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
        for pin, time in self._launches(cell).items():
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
            pins = self.delays.lut6_2 if kind == "LUT6_2" else self.delays.lut
            for (source, bit), delay in zip(inputs, pins[len(pins) - len(inputs) :], strict=True):
                for pin, (target,) in outputs:
                    if kind != "LUT6_2" or _lut6_2_depends(cell, pin, source):
                        yield bit, target, pin, delay
        elif kind in self.delays.carry:
            for pin, carry in self.delays.carry[kind].items():
                yield from self._carry_arcs(carry, pin, wires)
        elif kind.startswith(("RAM", "SRL")):
            for bank in self.delays.lut_ram.get(kind, ()):
                addresses, pin = wires.get(f"ADDR{bank}", ()), f"DO{bank}"
                for bit, delay in zip(addresses, self.delays.lut[6 - max(len(addresses), 1) :], strict=False):
                    yield from ((bit, target, pin, delay) for target in wires.get(pin, ()))
        elif kind in self.delays.dsp:
            for source, delay in self.delays.dsp[kind].through.items():
                for bit in (bit for bit in wires.get(source, ()) if isinstance(bit, int)):
                    yield from ((bit, target, "P", delay) for target in wires["P"])
        else:
            for source, delay in self.delays.through[kind].items():
                yield from ((wires[source][0], target, pin, delay) for pin, (target,) in outputs)

    def _carry_arcs(self, carry: Carry, pin: str, wires: dict[str, list[Bit]]) -> Iterator[tuple[Bit, Bit, str, int]]:
        arcs = [
            (bit, row)
            for name in ("DI", "S")
            for bit, row in zip(wires.get(name, ()), getattr(carry, name), strict=False)
        ]
        for name in ("CYINIT", "CI"):
            arcs += [(bit, carry.chained if bit in self.carries else carry.start) for bit in wires.get(name, ())]
        for bit, row in arcs:
            for target, delay in zip(wires.get(pin, ()), row, strict=False):
                if delay is not None:
                    yield bit, target, pin, delay

    def _through_inputs(self, cell: dict[str, Any]) -> list[Bit]:
        """Nets that a cell's outputs follow without a clock."""
        kind, wires = cell["type"], cell["connections"]
        if kind.startswith("LUT"):
            return [bit for _, bits in _pins(cell, "input") for bit in bits]
        if kind in self.delays.carry:
            pins = ["CYINIT", "CI", "DI", "S"]
        elif kind in self.delays.dsp:
            pins = list(self.delays.dsp[kind].through)
        else:
            banks = [f"ADDR{bank}" for bank in self.delays.lut_ram.get(kind, "")]
            pins = [*self.delays.through.get(kind, ()), *banks]
        return [bit for pin in pins for bit in wires.get(pin, ())]

    def _launches(self, cell: dict[str, Any]) -> dict[str, int]:
        """Clock-to-output times of a cell's pins."""
        known, kind = self.delays, self.delays.alike.get(cell["type"], cell["type"])
        if kind in known.launch:
            return dict(known.launch[kind])
        if kind.startswith("RAMB"):
            outputs = known.block_ram.items()
            return {pin: times[_parameter(cell, register) > 0] for (pin, register), times in outputs}
        if kind in known.dsp:
            return _dsp_launch(cell, known.dsp[kind])
        if kind.startswith("LUT") or kind in known.through or kind in known.carry or kind in ("GND", "VCC"):
            return {}
        raise ToolFailed(f"no delays are known for the cell {kind}; see hw_amc/synth/delays.py")

    def _setups(self, cell: dict[str, Any]) -> dict[str, int]:
        """Setup times of a cell's pins."""
        kind = self.delays.alike.get(cell["type"], cell["type"])
        if kind not in self.delays.dsp:
            return dict(self.delays.setup.get(kind, {}))
        found = {}
        for pin, (register, own, to_product, beyond) in self.delays.dsp[kind].setup.items():
            found[pin] = own if _parameter(cell, register) else to_product if _parameter(cell, "MREG") else beyond
        return found

    def longest(self) -> LongestPath:
        """Search all registers' inputs."""
        worst: tuple[int, str, str, Bit] | None = None
        for name, cell in self.cells.items():
            for pin, setup in self._setups(cell).items():
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


def _dsp_launch(cell: dict[str, Any], known: Dsp) -> dict[str, int]:
    if known.launch is None:
        if any(_parameter(cell, name) for name in ("PREG", "MREG", "AREG", "BREG", "CREG")):
            raise ToolFailed(f"no delays are known for the registers of a {cell['type']}; see hw_amc/synth/delays.py")
        return {}
    result, product, inputs = known.launch
    return {"P": result if _parameter(cell, "PREG") else product if _parameter(cell, "MREG") else inputs}


def _parameter(cell: dict[str, Any], name: str) -> int:
    value = cell.get("parameters", {}).get(name, "0")
    return int(value, 2) if isinstance(value, str) else int(value)
