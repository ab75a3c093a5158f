"""Cells in lanes: the C++ that brings a cell's values to its lane at its position, and takes its result back."""

from __future__ import annotations

from hw_amc.hls.cpp import constant, select
from hw_amc.hls.folding import Cells


def in_order(units: int, positions: int) -> Cells:
    """Give cells to lanes in their own order, where nothing else decides."""
    lanes = -(-units // positions)
    return tuple(
        tuple(cell if (cell := place * lanes + lane) < units else None for place in range(-(-units // lanes)))
        for lane in range(lanes)
    )


def emit_struct(name: str, cells: Cells) -> str:
    """Struct of lanes that no product brings with it."""
    constants = [constant("positions", len(cells[0])), constant("lanes", len(cells))]
    return "\n".join([f"struct {name} {{", *(f"    {line}" for line in constants), *functions(cells), "};", ""])


def functions(cells: Cells) -> list[str]:
    """Functions `load` and `keep`; all indices in them are constants."""
    lines = [
        "    template <class T> static void load(int position, const T *cells, T *lanes) {",
        "        #pragma HLS INLINE",
        "        using namespace hw_amc::folded;",
    ]
    for lane, own in enumerate(cells):
        # A lane without a cell somewhere works out some other one there, which nobody keeps.
        other = next((cell for cell in own if cell is not None), 0)
        values = [f"cells[{other if cell is None else cell}]" for cell in own]
        lines.append(f"        lanes[{lane}] = {select(values, 'position')};")
    lines += [
        "    }",
        "    template <class T> static void keep(int position, const T *lanes, T *cells) {",
        "        #pragma HLS INLINE",
    ]
    for lane, own in enumerate(cells):
        for position, cell in enumerate(own):
            if cell is not None:
                lines.append(f"        if (position == {position}) cells[{cell}] = lanes[{lane}];")
    return [*lines, "    }"]
