"""Bench: an accelerator through driver and PYNQ, every frame's logits against the golden interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.bench.backend import Device
from hw_amc.driver import AmcOverlay, Benchmark, Classified
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.verify.results import golden_logits, require_logits


@dataclass(frozen=True)
class Bench:
    """One run: what was measured, and that every integer was right."""

    benchmark: Benchmark
    frames: int
    mismatches: int

    def to_section(self, device: str, command: str) -> dict[str, Any]:
        """Return `{"bench": {device: ...}}` for report.json; a simulation's wall figures carry a note."""
        figures = {**self.benchmark.to_section(self.mismatches), "frames": self.frames}
        kinds = {key: "measured" for key in figures if key not in ("batch", "clock_mhz")}
        told: dict[str, Any] = {"command": command, "device": self.benchmark.device}
        if self.benchmark.simulated:
            # Cycles are seen; a time on a device that is not here assumes its clock.
            kinds |= dict.fromkeys(("device_frames_per_s", "device_latency_us"), "estimated")
            if self.benchmark.estimated:
                kinds["cycles_per_frame"] = "estimated"
            told["note"] = "wall figures are the simulator's, device figures the accelerator's at its clock"
        return {"bench": {device: {**figures, **told, "kind": kinds}}}


def run_bench(
    overlay: Path, graph: Graph, frames: NDArray[np.int16], repeats: int = 1, singles: int = 8, batch: int = 256
) -> Bench:
    """Classify frames through the driver, require golden's logits, and measure.

    Parameters
    ----------
    overlay : Path
        Bitstream of a board, or of `hw_amc.bench.simulated.write_sim_overlay` on the simulated device.
    graph : Graph
        The network that the overlay holds.
    frames : int16 array (n, T, 2)
        Wire words.
    repeats, singles : int
        Passes over the frames, and frames sent one by one for the latency.
    batch : int
        Frames in one DMA transfer.

    Raises
    ------
    ConfigError
        No frames.
    Mismatch
        A logit or a label differs from golden; names the first.
    DeviceError
        The device failed, or holds another network.
    """
    if not len(frames):
        raise ConfigError("bench needs at least one frame")
    with AmcOverlay(overlay, batch=batch) as amc:
        device = Device(graph, amc)
        expected = golden_logits(graph, frames)

        def check(answer: Classified) -> None:
            require_logits(graph, expected, answer, device.name)

        benchmark = amc.benchmark(frames, repeats, singles, check)
    return Bench(benchmark, len(frames), 0)
