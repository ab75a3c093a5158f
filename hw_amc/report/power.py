"""Power and energy per frame: the tables of section `power`, for terminal and pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hw_amc.report.document import Cell, Chapter, Table, number

#: What takes energy, as columns.
_PARTS = {"clock": "Clock", "nets": "Nets", "logic": "Logic", "dsp": "DSP", "bram36": "BRAM"}


def power_table(section: dict[str, Any]) -> Table:
    """Energy of a frame by block and by what takes it, and the toggles that were counted."""
    heads = ("Block", "Toggles a bit and cycle", *_PARTS.values(), "All")
    rows = tuple(
        (Cell(block["name"]), Cell(f"{block['toggle_rate']:.3f}", "measured"), *_energies(block, block["energy_uj"]))
        for block in section["blocks"]
    )
    whole = (Cell("all"), Cell(f"{section['toggle_rate']:.3f}", "measured"))
    return Table(heads, rows, total=(*whole, *_energies(section["energy_uj"], section["energy_uj_per_frame"])))


def rank_table(section: dict[str, Any]) -> Table | None:
    """Each R that was simulated, least energy first."""
    if "sweep" not in section:
        return None
    keys = ("K", "frames_per_s", "toggle_rate", "dynamic_w", "energy_uj_per_frame", "lut", "ff")
    rows = tuple(
        (
            Cell(f"{row['R']}{' *' if row['R'] == section['R'] else ''}"),
            *(Cell(number(row[key]), "measured" if key == "toggle_rate" else "estimated") for key in keys),
        )
        for row in section["sweep"]
    )
    heads = ("R", "K", "Frames/s", "Toggles a bit and cycle", "Dynamic, W", "µJ a frame", "LUT", "FF")
    return Table(heads, rows, caption="* the others were compared with. Least energy a frame comes first")


def power_sentence(section: dict[str, Any]) -> str:
    """Power of the whole in a sentence."""
    static = f", beside {number(section['static_w'])} W static of the part (published)" if "static_w" in section else ""
    return (
        f"{number(section['dynamic_w'])} W dynamic at {number(section['frames_per_s'])} frames/s, "
        f"{number(section['energy_uj_per_frame'])} µJ a frame{static}: estimated, from toggles counted in "
        f"{number(section['cycles'])} cycles. Watts are uncertain by a factor of four; the figures rank configurations."
    )


def power_chapters(report: dict[str, Any]) -> Iterator[Chapter]:
    """Yield a chapter for each board."""
    for board, section in report.get("power", {}).items():
        table, ranked = power_table(section), rank_table(section)
        parts = (power_sentence(section), table, *((ranked,) if ranked is not None else ()))
        yield Chapter(f"Power on {board}, R = {section['R']}, energy of a frame in µJ", parts)


def _energies(parts: dict[str, float], whole: float) -> Iterator[Cell]:
    for name in _PARTS:
        yield Cell(f"{parts[name]:.3f}", "estimated")
    yield Cell(f"{whole:.3f}", "estimated")
