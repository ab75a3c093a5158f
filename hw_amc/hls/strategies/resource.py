"""Strategy resource: few multipliers, each with its own ROM of weights and selection of inputs.

A step's terms are packed by `hls.folding`; a dense layer over a map takes the places of `hls.places` one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from hw_amc.hls import lanes
from hw_amc.hls.cpp import braces, constant, integer_type, rom, select
from hw_amc.hls.folding import Folding, Multiplier
from hw_amc.hls.places import Rounds
from hw_amc.hls.product import Product
from hw_amc.hls.roms import in_bram
from hw_amc.hls.strategies.base import Integers, Strategy, title

_ROM = re.compile(r"static const [\w ]+ (\w+)\[\d+\] = \{([^;]*)\};")
_BANK = re.compile(r"\bs\[(\d+)\] = ([^;]*);")
_PRODUCT = re.compile(r"multiply<x_T, s_T, (?:true|false)>\((.*), weights(\d+)\[r\]\)")
_LEAF = re.compile(r"x\[(\d+)\]")
_KEEP = re.compile(r"if \(position == (\d+)\) cells\[(\d+)\] = lanes\[(\d+)\];")
_TAKEN = re.compile(r"taken\[(\d+)\] = ([^;]*);")
_PLACED = re.compile(r"multiply<x_T, s_T, (?:true|false)>\(taken\[(\d+)\], weights(\d+)\[at\]\)")
_PLACED_ROM = re.compile(r"static const [\w ]+ weights(\d+)\[\d+\] = \{([^;]*)\};")
_BIAS = re.compile(r"bias\w*\[\d+\]\[\d+\] = \{(.*)\};")


class Resource(Strategy):
    """Multipliers that serve one round after another."""

    name: ClassVar[str] = "resource"

    def emit(self, product: Product) -> str:
        folding = product.folding
        uses = [int(np.count_nonzero(each.weights)) for bank in folding.banks for each in bank.multipliers]
        lines = [
            title(product),
            f"// {folding.multipliers} multipliers in {len(folding.banks)} banks, each used up to"
            f" {max(uses, default=0)} times a time step;",
            f"// {folding.lanes} lanes with up to {folding.positions} cells one after another.",
            f"struct {product.name} {{",
            f"    {constant('rounds', folding.rounds)}",
            f"    {constant('positions', folding.positions)}",
            f"    {constant('lanes', folding.lanes)}",
            f"    {constant('members', product.members)}",
            f"    {constant('shift', product.shift)}",
            *_schedule(folding),
            *_biases(_bank_rows(product)),
            *_sums(product),
            *lanes.functions(folding.cells),
            "};",
            "",
        ]
        return "\n".join(lines)

    def parse(self, text: str, shape: tuple[int, int]) -> tuple[Integers, Integers]:
        roms = {name: _numbers(values) for name, values in _ROM.findall(text)}
        positions = roms["positions_of"]
        lanes, count = _constant(text, "lanes"), _constant(text, "positions")
        cells = shape[1] // _constant(text, "members")
        #: Cell by lane and position.
        owner = {(int(lane), int(position)): int(cell) for position, cell, lane in _KEEP.findall(text)}
        matrix, bias = np.zeros(shape, np.int64), np.zeros(shape[1], np.int64)
        biases = _parse_biases(text, count)
        for bank, products in _BANK.findall(text):
            member, lane = divmod(int(bank), lanes)
            for position in range(count):
                if (lane, position) in owner:
                    bias[member * cells + owner[lane, position]] = biases[int(bank), position]
            for taps, number in _multiplications(products):
                weights, picks = roms[f"weights{number}"], roms.get(f"picks{number}", np.arange(len(positions)))
                for r in np.flatnonzero(weights):
                    cell = owner[lane, int(positions[r])]
                    tap = taps[int(picks[r])] if len(taps) > 1 else taps[0]
                    matrix[tap, member * cells + cell] += weights[r]
        return matrix, bias

    def multiplications(self, product: Product) -> int:
        return product.folding.multipliers


class ByPlace(Strategy):
    """Multipliers that serve the rounds of one place after another."""

    name: ClassVar[str] = "resource"

    def emit(self, product: Product) -> str:
        found = Rounds.of(product)
        lines = [
            title(product),
            f"// {found.multipliers} multipliers in {found.lanes} lanes, each used {found.slots * found.rounds} times"
            f" a place, at {found.places} places.",
            f"struct {product.name} {{",
            *(f"    {constant(name, getattr(found, name))}" for name in ("places", "taps", "rounds", "slots", "lanes")),
            *_take(found),
            *_biases(product.bias.reshape(found.slots, found.lanes).T),
            *_placed_sums(product, found),
            "};",
            "",
        ]
        return "\n".join(lines)

    def parse(self, text: str, shape: tuple[int, int]) -> tuple[Integers, Integers]:
        places, rounds, slots, lanes = (_constant(text, n) for n in ("places", "rounds", "slots", "lanes"))
        taken = {tap: [int(channel) for channel in _LEAF.findall(values)] for tap, values in _TAKEN.findall(text)}
        owner = {
            number: (int(lane), taken[tap])
            for lane, sums in _BANK.findall(text)
            for tap, number in _PLACED.findall(sums)
        }
        matrix = np.zeros(shape, np.int64)
        by_place = matrix.reshape(places, -1, slots, lanes)
        for found in _PLACED_ROM.finditer(text):
            lane, channels = owner[found[1]]
            values = np.fromstring(found[2], np.int64, sep=",").reshape(places, slots, rounds)
            by_place[..., lane][:, channels] = values.transpose(0, 2, 1)
        return matrix, _parse_biases(text, slots).T.ravel()

    def multiplications(self, product: Product) -> int:
        return Rounds.of(product).multipliers


def _schedule(folding: Folding) -> list[str]:
    """Functions that say which position a round belongs to, and whether it begins or ends there."""
    positions = np.repeat(np.arange(folding.positions), folding.lengths)
    starts = np.isin(np.arange(folding.rounds), folding.starts)
    ends = np.roll(starts, -1)
    rows = (("position", "int", "positions_of", positions), ("starts", "bool", "first_rounds", starts),
            ("ends", "bool", "last_rounds", ends))  # fmt: skip
    lines = []
    for function, kind, table, values in rows:
        lines += [
            f"    static {kind} {function}(int r) {{",
            "        #pragma HLS INLINE",
            f"        {rom(table, values.astype(np.int64))}",
            f"        return {table}[r];",
            "    }",
        ]
    return lines


def _bank_rows(product: Product) -> Integers:
    """Value with which each bank's accumulator begins, (banks, positions)."""
    banks = product.folding.banks
    rows = [[0 if output is None else int(product.bias[output]) for output in bank.outputs] for bank in banks]
    return np.array(rows, np.int64)


def _biases(table: Integers) -> list[str]:
    """Function that gives the value with which each bank's accumulator begins, from all of them, (banks, positions)."""
    rows = table.tolist()
    size = f"[{len(rows)}][{len(rows[0])}]"
    return [
        "    template <class s_T> static void biases(int position, s_T *s) {",
        "        #pragma HLS INLINE",
        f"        static const {integer_type(table)} bias{size} = {{{', '.join(map(braces, rows))}}};",
        "        #pragma HLS ARRAY_PARTITION variable=bias complete dim=1",
        f"        for (int bank = 0; bank < {len(rows)}; bank++) {{",
        "            #pragma HLS UNROLL",
        "            s[bank] = hw_amc::constant<s_T>(bias[bank][position]);",
        "        }",
        "    }",
    ]


def _sums(product: Product) -> list[str]:
    """Function that adds up the products of one round, bank by bank."""
    lines = [
        "    template <class x_T, class s_T> static void sums(int r, const x_T *x, s_T *s) {",
        "        #pragma HLS INLINE",
        "        using namespace hw_amc::folded;",
    ]
    number = 0
    for place, bank in enumerate(product.folding.banks):
        terms = []
        for multiplier in bank.multipliers:
            roms, term = _multiplier(number, multiplier, product.dsp is None or number < product.dsp)
            lines += [f"        {line}" for line in roms]
            terms.append(term)
            number += 1
        lines.append(f"        s[{place}] = {_tree(terms)};")
    return [*lines, "    }"]


def _multiplier(number: int, multiplier: Multiplier, on_dsp: bool) -> tuple[list[str], str]:
    """ROMs of a multiplier, and its product."""
    rounds = len(multiplier.weights)
    roms = [(f"weights{number}", multiplier.weights)]
    pick = "r"
    if len(multiplier.inputs) > 1 and not np.array_equal(multiplier.picks, np.arange(rounds)):
        roms.append((f"picks{number}", multiplier.picks))
        pick = f"picks{number}[r]"
    lines = []
    for name, values in roms:
        kind = "bram" if in_bram(values) else "lutram"
        lines += [rom(name, values), f"#pragma HLS BIND_STORAGE variable={name} type=rom_1p impl={kind}"]
    tap = select([f"x[{index}]" for index in multiplier.inputs], pick)
    flag = "true" if on_dsp else "false"
    return lines, f"multiply<x_T, s_T, {flag}>({tap}, weights{number}[r])"


def _take(found: Rounds) -> list[str]:
    """Function that selects the channels of a round."""
    return [
        "    template <class x_T> static void take(int r, const x_T *x, x_T *taken) {",
        "        #pragma HLS INLINE",
        "        using namespace hw_amc::folded;",
        *(
            f"        taken[{tap}] = {select([f'x[{channel}]' for channel in found.channels(tap)], 'r')};"
            for tap in range(found.taps)
        ),
        "    }",
    ]


def _placed_sums(product: Product, found: Rounds) -> list[str]:
    """Function that adds up the products of one round, lane by lane."""
    lines = [
        "    template <class x_T, class s_T> static void sums(int at, const x_T *taken, s_T *s) {",
        "        #pragma HLS INLINE",
        "        using namespace hw_amc::folded;",
    ]
    for number, values in enumerate(found.weights(product.matrix)):
        kind = "bram" if in_bram(values) else "lutram"
        name = f"weights{number}"
        lines += [f"        {rom(name, values)}"]
        lines += [f"        #pragma HLS BIND_STORAGE variable={name} type=rom_1p impl={kind}"]
    for lane in range(found.lanes):
        terms = []
        for tap in range(found.taps):
            number = lane * found.taps + tap
            flag = "true" if product.dsp is None or number < product.dsp else "false"
            terms.append(f"multiply<x_T, s_T, {flag}>(taken[{tap}], weights{number}[at])")
        lines.append(f"        s[{lane}] = {_tree(terms)};")
    return [*lines, "    }"]


def _tree(terms: Sequence[str]) -> str:
    """Balanced tree of additions; the integer 0 of nothing."""
    found = list(terms) or ["zero<s_T>()"]
    while len(found) > 1:
        pairs = [f"add<s_T>({a}, {b})" for a, b in zip(found[::2], found[1::2], strict=False)]
        found = pairs + found[2 * len(pairs) :]
    return found[0]


def _multiplications(text: str) -> Iterator[tuple[list[int], str]]:
    """Inputs in the order of selection, and the number, of each multiplication in a sum."""
    for part in text.split("multiply<")[1:]:
        found = _PRODUCT.match(f"multiply<{part}")
        assert found is not None, part
        yield [int(index) for index in _LEAF.findall(found.group(1))], found.group(2)


def _parse_biases(text: str, positions: int) -> Integers:
    """Read the values back with which the accumulators begin: (banks, positions)."""
    found = _BIAS.search(text)
    return _numbers(found.group(1) if found else "").reshape(-1, positions)


def _constant(text: str, name: str) -> int:
    """Read a constant of an emitted struct back."""
    found = re.search(rf"static const int {name} = (\d+);", text)
    assert found is not None, name
    return int(found.group(1))


def _numbers(values: str) -> Integers:
    return np.array([int(word) for word in re.findall(r"-?\d+", values)], np.int64)


RESOURCE, BY_PLACE = Resource(), ByPlace()
