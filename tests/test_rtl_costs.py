"""Latencies and estimated resources of every block as they stand: who changes one does it on purpose, and here too.

`python tests/test_rtl_costs.py` writes tests/data/rtl_costs.json anew. What the figures are worth, against Yosys, is
in docs/rtl.md; that latencies are right, the simulations tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from networks import gru_cnn_graph, hakimi_graph, lstm_graph, mtl_graph, residual_graph
from test_rtl_streams import ALL

from hw_amc.config import RtlSettings
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import (
    Resources,
    SlotTiming,
    adder_cost,
    block_memory_cost,
    counter_cost,
    delay_cost,
    memory_cost,
)
from hw_amc.rtl.blocks.retime import RetimeBlock
from hw_amc.rtl.schedule import build_schedule

DATA = Path(__file__).parent / "data" / "rtl_costs.json"
#: Network -> how it is made, and the R that are looked at.
NETWORKS: dict[str, tuple[Callable[[], Graph], tuple[int, ...]]] = {
    "gru_cnn": (lambda: gru_cnn_graph(np.random.default_rng(0)), (1, 3, 16)),
    "residual": (lambda: residual_graph(np.random.default_rng(8), taps=(3, 3, 1)), (1, 4)),
    "lstm": (lambda: lstm_graph(np.random.default_rng(0), 16, 4), (1, 3)),
    "hakimi": (lambda: hakimi_graph(np.random.default_rng(32), 32, taps=(8, 4, 2)), (1, 2)),
    "mtl": (lambda: mtl_graph(np.random.default_rng(2)), (1, 4)),
    **{name: (lambda build=build: build(0), (1, 3)) for name, build in ALL.items()},  # type: ignore[misc]
}
Figures = dict[str, list[float]]


def figures(build: Callable[[], Graph], cycles: int, cache: Path) -> Figures:
    """Of the core: contexts, cycles of slot, loop, latency and frame; of each block: latency and resources."""
    schedule = build_schedule(build(), RtlSettings(cycles_per_step=cycles), cache=cache)
    latencies = {step.block.name: step.block.latency(step.timing) for step in schedule.steps}
    latencies |= {"entry": schedule.entry.latency, "results": schedule.chain.results.latency}
    found: Figures = {
        "core": [
            schedule.timing.contexts, schedule.timing.slot_cycles, schedule.loop_latency, schedule.latency_cycles,
            schedule.cycles_per_frame,
        ]
    }  # fmt: skip
    return found | {name: [latencies[name], *asdict(cost).values()] for name, cost in schedule.costs().items()}


@pytest.mark.parametrize(("name", "kept"), json.loads(DATA.read_text()).items(), ids=json.loads(DATA.read_text()))
def test_latencies_and_resources_stay_as_they_are(name: str, kept: dict[str, Figures], tmp_path: Path) -> None:
    """Of the networks that were there when the file was written."""
    build, rates = NETWORKS[name]
    assert {str(cycles): figures(build, cycles, tmp_path) for cycles in rates} == kept


def test_primitives_by_hand() -> None:
    """A carry cell for four bits; 32 cycles, or 32 words of 1.5 bits, to a LUT; halves of 36 x 512 bits."""
    assert adder_cost(9) == Resources(lut=9, ff=9, carry=3)
    assert delay_cost(5, 3) == Resources(ff=15)
    assert delay_cost(5, 0) == delay_cost(5, -1) == Resources()
    assert delay_cost(5, 4) == delay_cost(5, 33) == Resources(lut=5, ff=5)
    assert delay_cost(5, 34) == Resources(lut=10, ff=5)
    assert memory_cost(7, 1) == Resources(ff=7)
    assert memory_cost(7, 2) == memory_cost(7, 32) == Resources(lut=8, ff=7)
    assert memory_cost(7, 33) == memory_cost(7, 64) == Resources(lut=12, ff=7)
    assert memory_cost(7, 65) == Resources(lut=24, ff=7)
    assert block_memory_cost(32, 32) == memory_cost(32, 32)
    assert block_memory_cost(36, 512) == Resources(bram36=0.5)
    assert block_memory_cost(37, 513) == Resources(bram36=2)
    assert counter_cost(3, 5) == Resources(lut=3 * 7 + 5, ff=15)
    assert Resources(1, 2, 3, 4, 0.5) * 3 == Resources(3, 6, 9, 12, 1.5)
    assert Resources(1, 2, 3, 4, 0.5) + Resources(5, 4, 3, 2, 1) == Resources(6, 6, 6, 6, 1.5)
    assert [SlotTiming(contexts, 3).ctx_bits for contexts in (1, 2, 3, 4, 5)] == [1, 1, 2, 2, 3]
    assert SlotTiming(5, 3).round_cycles == 15
    assert [SlotTiming(5, 3, used).used_contexts for used in (None, 2)] == [5, 2]


def test_a_retimer_by_hand() -> None:
    """A place of 2 x 4 bits with both ends for each of 3 contexts, a bit that says whether it is full, counters."""
    control = Resources(lut=3 + 20, ff=3 + 12)
    cost = RetimeBlock("slow", 2, FixedFormat(4, 3)).cost(SlotTiming(3, 5))
    assert cost == control + memory_cost(2 * 4 + 2, 3) + delay_cost(2 + 4, 1)


def main() -> None:
    with TemporaryDirectory() as cache:
        found = {
            name: {str(cycles): figures(build, cycles, Path(cache)) for cycles in rates}
            for name, (build, rates) in NETWORKS.items()
        }
    lines = [
        f" {json.dumps(name)}: {{\n"
        + ",\n".join(
            f"  {json.dumps(cycles)}: {{\n"
            + ",\n".join(f"   {json.dumps(block)}: {json.dumps(row)}" for block, row in blocks.items())
            + "\n  }"
            for cycles, blocks in rates.items()
        )
        + "\n }"
        for name, rates in found.items()
    ]
    DATA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
