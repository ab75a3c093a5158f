"""Numbers of the dialect for bambu: what sums, differences and products are as wide as, and hold."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import hls_ir

from hw_amc import tools

#: Bits, of them left of the binary point, signed or not.
Kind = tuple[int, int, bool]
KINDS: tuple[Kind, ...] = ((5, 3, True), (5, 3, False), (9, 2, True), (8, 7, False))
PROGRAM = """
#include <cstdio>
#include "ap_fixed.h"

template <class T> void show(const T &x) { printf("%d %d %lld\\n", T::width, T::is_signed, (long long)x.v); }

int main() {
LINES
}
"""


def _ends(kind: Kind) -> tuple[int, int]:
    bits, _, signed = kind
    return (-1 << (bits - 1), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _results(left: Kind, right: Kind, a: int, b: int) -> list[tuple[int, bool, int]]:
    """Width, sign and bits of sum, difference and product, by the rules of AMD's user guides (UG902)."""
    signed = left[2] or right[2]
    frac = max(left[0] - left[1], right[0] - right[1])
    whole = max(kind[1] + (signed and not kind[2]) for kind in (left, right)) + 1
    a_there, b_there = (x << (frac - kind[0] + kind[1]) for x, kind in ((a, left), (b, right)))
    return [
        (whole + frac, signed, a_there + b_there),
        (whole + frac + (not signed), True, a_there - b_there),
        (left[0] + right[0], signed, a * b),
    ]


def _printed(folder: Path, lines: list[str]) -> list[tuple[int, bool, int]]:
    (folder / "types.cc").write_text(PROGRAM.replace("LINES", "\n".join(lines)))
    tools.run([hls_ir.CLANGS[0], "-std=c++17", "-w", f"-I{hls_ir.NUMBERS}", "-o", "types", "types.cc"], folder)
    rows = [line.split() for line in tools.run([folder / "types"], folder).splitlines()]
    return [(int(width), bool(int(signed)), int(value)) for width, signed, value in rows]


def test_results_of_integers(tmp_path: Path) -> None:
    lines, want = [], []
    for left, right in product([(bits, bits, signed) for bits, _, signed in KINDS], repeat=2):
        for a, b in product(_ends(left), _ends(right)):
            names = [f"ap_{'' if kind[2] else 'u'}int<{kind[0]}>({value})" for kind, value in ((left, a), (right, b))]
            lines += [f"show({names[0]} {operator} {names[1]});" for operator in "+-*"]
            want += _results(left, right, a, b)
    assert _printed(tmp_path, lines) == want


def test_results_of_fixed_point_numbers(tmp_path: Path) -> None:
    lines, want = [], []
    for left, right in product(KINDS, repeat=2):
        for a, b in product(_ends(left), _ends(right)):
            lines.append("{")
            for name, kind, value in (("a", left, a), ("b", right, b)):
                lines.append(f"ap_{'' if kind[2] else 'u'}fixed<{kind[0]}, {kind[1]}> {name}; {name}.v = {value};")
            lines += [f"show(a {operator} b);" for operator in "+-*"] + ["}"]
            want += _results(left, right, a, b)
    assert _printed(tmp_path, lines) == want
