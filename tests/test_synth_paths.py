"""The longest path of small netlists, added up by hand from the delays that hw_amc/synth/delays.py states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hw_amc.errors import ToolFailed
from hw_amc.synth.delays import SEVEN_SERIES, ULTRASCALE_PLUS
from hw_amc.synth.paths import find_longest_path, load_longest_path

OUTPUTS = {"O", "CO", "Q", "O5", "O6", "P", "DOA", "DOADO", "DOUTADOUT"}


def cell(kind: Any, parameters: Any = None, **wires: Any) -> Any:
    """A cell as Yosys writes it; a single bit may stand without its list."""
    connections = {pin: bits if isinstance(bits, list) else [bits] for pin, bits in wires.items()}
    directions = {pin: "output" if pin in OUTPUTS else "input" for pin in connections}
    return {"type": kind, "parameters": parameters or {}, "connections": connections, "port_directions": directions}


def flop(d: Any, q: Any) -> Any:
    return cell("FDRE", C=1, CE="1", R="0", D=d, Q=q)


def test_a_late_input_gets_the_fast_pin() -> None:
    early, late = flop("x", 10), flop("x", 11)
    cells = {
        "early": early, "late": late,
        "first": cell("LUT1", I0=11, O=20),
        "second": cell("LUT3", I0=20, I1=10, I2=10, O=21),
        "end": flop(21, 30),
    }  # fmt: skip
    path = find_longest_path(cells)
    # Over the early inputs 303 + 407, over the late one 303 + 127 + 127.
    assert path.ns == pytest.approx(0.303 + 0.407)
    del cells["second"]["connections"]["I2"], cells["second"]["connections"]["I1"]
    cells["second"]["type"] = "LUT1"
    path = find_longest_path(cells)
    assert path.ns == pytest.approx(0.303 + 0.127 + 0.127)
    assert [step.type for step in path.steps] == ["FDRE", "LUT1", "LUT1", "FDRE"]
    assert path.steps[0].cell == "late"
    assert path.describe() == "FDRE 0.30 > LUT1 0.43 > LUT1 0.56 > FDRE 0.56"


def test_a_carry_chain() -> None:
    first = cell(
        "CARRY4", CI="0", CYINIT="0", DI=[10, "0", "0", "0"], S=["0"] * 4, CO=[21, 22, 23, 24], O=[31, 32, 33, 34]
    )
    second = cell("CARRY4", CI=24, CYINIT="0", DI=["0"] * 4, S=["0"] * 4, CO=[41, 42, 43, 44], O=[51, 52, 53, 54])
    cells = {"a": flop("x", 10), "first": first, "second": second, "end": flop(52, 60)}
    assert find_longest_path(cells).ns == pytest.approx(0.303 + 0.526 + 0.334)


def test_memories_multipliers_and_setup() -> None:
    ram = cell("RAM32M", ADDRA=[10, 10, 10, 10, 10], ADDRD=["0"] * 5, DOA=[20, 21], DIA=["0", "0"], WE="1", WCLK=1)
    assert find_longest_path({"a": flop("x", 10), "ram": ram, "end": flop(20, 30)}).ns == pytest.approx(1.188)
    slow = cell("LUT6", I0=20, I1=20, I2=20, I3=20, I4=20, I5=20, O=22)
    cells = {"ram": ram, "slow": slow, "end": cell("FDRE", C=1, CE=22, R="0", D="x", Q=30)}
    assert find_longest_path(cells).ns == pytest.approx(1.188 + 0.642 + 0.109)
    block = cell("RAMB36E1", {"DOA_REG": "00000000"}, DOADO=[40])
    assert find_longest_path({"block": block, "end": flop(40, 41)}).ns == pytest.approx(2.454)
    dsp = cell("DSP48E1", {"PREG": "1", "AREG": "1", "BREG": "0", "MREG": "1"}, A=[10], B=[11], P=[50])
    cells = {"a": flop("x", 10), "b": flop("x", 11), "dsp": dsp, "end": flop(50, 51)}
    assert find_longest_path(cells).ns == pytest.approx(0.303 + 1.285)


def test_cells_of_ultrascale_plus() -> None:
    """A carry that comes from a carry cell is faster than one that comes from logic; a multiplier without registers."""

    def ns(end: int, **cells: Any) -> float:
        return find_longest_path({**cells, "end": flop(end, 99)}, ULTRASCALE_PLUS).ns

    register = flop("x", 10)
    first = cell("CARRY8", CI=10, DI=["0"] * 8, S=["0"] * 8, CO=list(range(20, 28)), O=list(range(30, 38)))
    second = cell("CARRY8", CI=27, DI=["0"] * 8, S=["0"] * 8, CO=list(range(40, 48)), O=list(range(50, 58)))
    assert ns(57, a=register, first=first, second=second) == pytest.approx(0.077 + 0.160 + 0.116 + 0.025)
    half = cell(
        "CARRY4", CI="0", CYINIT="0", DI=["0"] * 4, S=[10, "0", "0", "0"], CO=[20, 21, 22, 23], O=[30, 31, 32, 33]
    )
    assert ns(33, a=register, half=half) == pytest.approx(0.077 + 0.139 + 0.025)
    dsp = cell("DSP48E2", {"AREG": "0"}, A=[10], B=["0"], C=["0"], P=[60])
    assert ns(60, a=register, dsp=dsp) == pytest.approx(0.077 + 1.510 + 0.025)
    dsp["parameters"]["PREG"] = "1"
    with pytest.raises(ToolFailed, match="no delays are known for the registers of a DSP48E2"):
        ns(60, a=register, dsp=dsp)
    for registered, time in (("00000000", 1.003), ("00000001", 0.229)):
        block = cell("RAMB18E2", {"DOA_REG": registered}, DOUTADOUT=[70])
        assert ns(70, block=block) == pytest.approx(time + 0.025)
    ram = cell("RAM64M8", ADDRH=[10] + ["0"] * 5, DOH=[80], DIA=["0"], WE="1", WCLK=1)
    ram["port_directions"]["DOH"] = "output"
    assert ns(80, a=register, ram=ram) == pytest.approx(0.312 + 0.025)


@pytest.mark.parametrize("delays", [SEVEN_SERIES, ULTRASCALE_PLUS])
def test_a_carry_cell_has_an_arc_from_each_bit_to_all_above_it(delays: Any) -> None:
    for kind, outputs in delays.carry.items():
        bits = int(kind.removeprefix("CARRY"))
        for output, carry in outputs.items():
            assert all(len(row) == bits for row in (carry.start, carry.chained, *carry.DI, *carry.S)), (kind, output)
            for place in range(bits):
                # A bit's DI goes into its carry, not into its own sum.
                assert carry.S[place].count(None) == place
                assert carry.DI[place].count(None) == place + (output == "O")


#: a ^ b ^ c ^ m and the majority of a, b and c: the lower half of the table does not look at m (I3).
SUM3 = format(0x69966996E8E8E8E8, "064b")


def test_both_outputs_of_a_lut() -> None:
    pins = {"I0": 10, "I1": 10, "I2": 10, "I3": 10, "I4": "1", "I5": "1"}
    lut = cell("LUT6_2", {"INIT": SUM3}, **pins, O5=20, O6=21)
    for output in (20, 21):
        assert find_longest_path({"a": flop("x", 10), "lut": lut, "end": flop(output, 30)}).ns == pytest.approx(0.934)


def test_an_output_that_does_not_look_at_a_pin() -> None:
    """The carries of a sum of three numbers do not ripple from LUT to LUT."""
    luts = {
        f"bit{i}": cell("LUT6_2", {"INIT": SUM3}, I0=10, I1=10, I2=10, I3=40 + i, I4="1", I5="1", O5=41 + i, O6=60 + i)
        for i in range(9)
    }
    cells = {"a": flop("x", 10), **luts, "end": flop(68, 30)}
    # Majority of bit 7 over the slowest pin of four, parity of bit 8 over the fastest.
    assert find_longest_path(cells).ns == pytest.approx(0.303 + 0.631 + 0.238)
    assert len(find_longest_path(cells).steps) == 4


def test_what_cannot_be_timed() -> None:
    with pytest.raises(ToolFailed, match="no delays are known for the cell ICESTORM_LC"):
        find_longest_path({"a": cell("ICESTORM_LC", I0=1, O=2)})
    loop = {"a": cell("LUT1", I0=1, O=2), "b": cell("LUT1", I0=2, O=1)}
    with pytest.raises(ToolFailed, match="a loop without a register"):
        find_longest_path(loop)
    assert find_longest_path({}).ns == 0


def test_a_netlist_file(tmp_path: Path) -> None:
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": {"cells": {"a": flop("x", 10), "b": flop(10, 11)}}}}))
    assert load_longest_path(path, "top").ns == pytest.approx(0.303)
    with pytest.raises(ToolFailed, match="no module 'other'"):
        load_longest_path(path, "other")
