"""Colours and lines of every picture: one look for reports, frames and benches."""

from __future__ import annotations

from typing import Any

INK, MUTED, GRID, PAPER = "#1f2933", "#6b7785", "#dfe4ea", "#ffffff"
BLUE, ORANGE, TEAL, RED = "#2f6db5", "#d9822b", "#2a9d8f", "#c0392b"
SERIES = (BLUE, ORANGE, TEAL, "#8e6bbf", "#7a8794", RED)
#: What a colour becomes on dark paper.
DARK = {
    INK: "#e4e9ee",
    MUTED: "#98a4b0",
    GRID: "#2c343d",
    PAPER: "#171c22",
    BLUE: "#6ea8ea",
    ORANGE: "#f0a35a",
    TEAL: "#4fc3b5",
    RED: "#f2786b",
    "#8e6bbf": "#b99ce8",
    "#7a8794": "#a6b1bc",
    "#000000": "#e4e9ee",
}
#: matplotlib's settings.
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "svg.fonttype": "path",
    # Equal input gives equal files.
    "svg.hashsalt": "hw_amc",
}


def dark_rules() -> str:
    """CSS that gives pictures the colours of dark paper, where a reader's system asks for it."""
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in DARK.items()
        for what in ("fill", "stroke")
    )
    return f"@media screen and (prefers-color-scheme: dark){{{rules}}}"
