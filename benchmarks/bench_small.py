"""Bench and soak of a small network's Verilog behind driver, PYNQ and simulated device.

    python benchmarks/bench_small.py [FOLDER]

The network is that of the tests (random GRU-CNN, 6 cells, 16 samples a frame, R = 1); every logit is compared with
golden. With a folder, the figures are written there as docs/results has them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from board_overlays import BOARDS, small_graph
from networks import random_frames

from hw_amc import config, report
from hw_amc.bench.measure import run_bench
from hw_amc.bench.simulated import write_sim_overlay
from hw_amc.driver import AmcOverlay
from hw_amc.graph import golden
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import build_accelerator

GRAPH = small_graph()
COMMAND = "python benchmarks/bench_small.py"
BENCH_FRAMES, SOAK_FRAMES, BLOCK = 2048, 100_000, 1000


def soak(overlay: Path, block: np.ndarray) -> dict[str, Any]:
    """Stream frames, and require every logit, every frame counted, and no buffer left."""
    wanted = golden.classify(GRAPH, block)[1]
    with AmcOverlay(overlay) as amc:
        memory, clock = amc.device.memory, amc.clock_mhz
        before, answered, start = (memory.blocks, memory.used), 0, time.monotonic()
        for part in amc.stream(block for _ in range(SOAK_FRAMES // BLOCK)):
            np.testing.assert_array_equal(part.logits, wanted[(answered + np.arange(len(part.logits))) % BLOCK])
            answered += len(part.logits)
        seconds, counters = time.monotonic() - start, amc.counters()
        assert (memory.blocks, memory.used) == before, "device buffers were left behind"
        assert counters["frames_in"] == counters["frames_out"] == answered == SOAK_FRAMES, "frames were lost"
    cycles = counters["cycles_busy"] / answered
    told = (
        f"soak: device buffers before and after {before[0]} ({before[1]:,} bytes), after closing {memory.blocks}; "
        f"{counters['framing_errors']} framing errors"
    )
    figures = {
        "frames": answered,
        "mismatches": 0,
        "wall_frames_per_s": answered / seconds,
        "cycles_per_frame": cycles,
        "device_frames_per_s": clock * 1e6 / cycles,
    }
    kind = {**dict.fromkeys(figures, "measured"), "device_frames_per_s": "estimated"}
    return {
        "bench": {"sim": {**figures, "batch": 256, "clock_mhz": clock, "command": COMMAND, "note": told, "kind": kind}}
    }


def main() -> None:
    board = config.load_board("pynq-z2", BOARDS)
    settings = config.ProjectSettings()
    accelerator = build_accelerator(GRAPH, build_core(GRAPH, settings.rtl), settings, board)
    frames = random_frames(np.random.default_rng(4), GRAPH, BENCH_FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        overlay = write_sim_overlay(Path(folder), accelerator, GRAPH, board)
        found = run_bench(overlay, GRAPH, frames, singles=50)
        print(found.benchmark)
        endured = soak(overlay, frames[:BLOCK])
    print(json.dumps(endured, indent=2))
    for what, section in (("bench", found.to_section("sim", COMMAND)), ("soak", endured)):
        if sys.argv[1:]:
            # Through the store, which checks the schema.
            with tempfile.TemporaryDirectory() as folder:
                whole = report.merge(Path(folder), section, GRAPH.digest())
            path = Path(sys.argv[1]) / f"{what}-{GRAPH.name}-sim.json"
            path.write_text(json.dumps({**whole, "date": time.strftime("%Y-%m-%d")}, indent=2) + "\n")


if __name__ == "__main__":
    main()
