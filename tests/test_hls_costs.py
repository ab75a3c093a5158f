"""Cycles and resources that the HLS flow is estimated at, layer by layer: who changes one does it on purpose, here too.

`python tests/test_hls_costs.py` writes tests/data/hls_costs.json anew. What the figures are worth, beside tools that
count, is in docs/estimate.md; how they come about by hand, in tests/test_estimate.py and tests/test_hls_layers.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hls_networks import NETWORKS
from test_hls_layers import settings_of

from hw_amc.config import HlsSettings, load_board
from hw_amc.hls import estimate

DATA = Path(__file__).parent / "data" / "hls_costs.json"
BOARD = load_board("pynq-z2", Path(__file__).parents[1] / "boards")
#: Clocks, ns: from one in which much is done to one in which little is.
CLOCKS = (20.0, 8.0, 4.0)
#: Clock, and whether multipliers are shared -> layer -> cycles of a frame, latency, LUT, FF, DSP, BRAM36.
Figures = dict[str, dict[str, list[float]]]


def figures(name: str) -> Figures:
    found: Figures = {}
    for shared, layers in (("alone", {}), ("shared", settings_of(name))):
        for clock in CLOCKS:
            told = estimate.hls(NETWORKS[name](1), HlsSettings(clock_ns=clock, layers=layers), BOARD)
            rows = {cost.name: list(cost.figures().values()) for cost in (*told.layers, told.total)}
            found[f"{clock:g} ns, {shared}"] = rows
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_estimates_stay_as_they_are(name: str) -> None:
    assert figures(name) == json.loads(DATA.read_text(encoding="utf-8"))[name]


def test_figures_have_the_names_of_the_report() -> None:
    cost = estimate.Cost("layer", 1, 2, 3, 4, 5, 6.5)
    assert cost.figures() == {"cycles": 1, "latency_cycles": 2, "lut": 3, "ff": 4, "dsp": 5, "bram36": 6.5}


def main() -> None:
    lines = []
    for name in NETWORKS:
        cases = [
            f"  {json.dumps(case)}: {{\n"
            + ",\n".join(f"   {json.dumps(layer)}: {json.dumps(row)}" for layer, row in rows.items())
            + "\n  }"
            for case, rows in figures(name).items()
        ]
        lines.append(f" {json.dumps(name)}: {{\n" + ",\n".join(cases) + "\n }")
    DATA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
