"""Colours and lines of every picture: one look for reports, frames and benches."""

from __future__ import annotations

from typing import Any

INK, MUTED, GRID = "#1f2933", "#6b7785", "#dfe4ea"
BLUE, ORANGE, TEAL, RED = "#2f6db5", "#d9822b", "#2a9d8f", "#c0392b"
SERIES = (BLUE, ORANGE, TEAL, "#8e6bbf", "#7a8794", RED)
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
