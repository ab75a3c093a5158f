"""Read-only memories beside those of products: functions of one variable, factors of means."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from hw_amc.hls.cpp import bits_of, braces, integer_type

Integers = NDArray[np.int64]

#: Bits of a ROM from which it lies in block RAM; a LUT holds 64.
BRAM_BITS = 4096
#: Readers of one block RAM.
BRAM_PORTS = 2

_ROWS = re.compile(r"static const [\w ]+ values(?:\[\d+\])+ = \{(.*)\};")


def in_bram(values: Integers) -> bool:
    """Whether a ROM lies in block RAM."""
    return len(values) * bits_of(values) > BRAM_BITS


def rows_for(values: Integers, readers: int) -> int:
    """Copies of a ROM that has so many readers in one cycle: block RAM has two ports, LUTs have one."""
    return -(-readers // BRAM_PORTS) if in_bram(values) else readers


def name_of(layer: str) -> str:
    """Name of a layer's struct."""
    return f"{layer}_table"


def emit_function(layer: str, values: Integers, readers: int) -> str:
    """Struct whose `at(reader, value)` looks a value up by its bits, as many readers at once as are given."""
    rows = rows_for(values, readers)
    row = "reader" if rows == readers else f"reader / {BRAM_PORTS}"
    kind, place = ("rom_2p", "bram") if in_bram(values) else ("rom_1p", "lutram")
    lines = [
        f"// {len(values)} entries, read {readers} times at once.",
        f"struct {name_of(layer)} {{",
        "    template <class res_T, class T> static res_T at(unsigned reader, const T &value) {",
        "        #pragma HLS INLINE",
        f"        static const {integer_type(values)} values[{rows}][{len(values)}] = "
        f"{braces([braces(values.tolist())] * rows)};",
        "        #pragma HLS ARRAY_PARTITION variable=values complete dim=1",
        f"        #pragma HLS BIND_STORAGE variable=values type={kind} impl={place}",
        f"        return hw_amc::look_up<res_T>(values[{row}], value);",
        "    }",
        "};",
        "",
    ]
    return "\n".join(lines)


def emit_list(layer: str, values: Integers) -> str:
    """Struct whose `at(index)` gives one of the integers."""
    place = "bram" if in_bram(values) else "lutram"
    lines = [
        f"struct {name_of(layer)} {{",
        "    template <class raw_T> static raw_T at(int index) {",
        "        #pragma HLS INLINE",
        f"        static const {integer_type(values)} values[{len(values)}] = {braces(values.tolist())};",
        f"        #pragma HLS BIND_STORAGE variable=values type=rom_1p impl={place}",
        "        return hw_amc::constant<raw_T>(values[index]);",
        "    }",
        "};",
        "",
    ]
    return "\n".join(lines)


def parse(text: str, words: int) -> Integers:
    """Read the integers back out of an emitted struct: (copies, words)."""
    found = _ROWS.search(text)
    numbers = re.findall(r"-?\d+", found.group(1) if found else "")
    return np.array(numbers, np.int64).reshape(-1, words)
