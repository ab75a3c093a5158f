"""Bench: an accelerator through driver and PYNQ, every frame's logits against the golden interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.driver import AmcOverlay, Benchmark, Classified
from hw_amc.errors import ConfigError, Mismatch
from hw_amc.graph import Graph, golden


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
    # All heads of a result come one after another.
    tensors = golden.run(graph, frames)
    wanted = np.concatenate([tensors[name] for name in graph.outputs], axis=1)
    with AmcOverlay(overlay, batch=batch) as amc:
        require_network(amc, graph)

        def check(answer: Classified) -> None:
            require_equal(answer.logits, wanted, answer.labels, wanted[:, : len(graph.classes[0])].argmax(axis=1))

        benchmark = amc.benchmark(frames, repeats, singles, check)
    return Bench(benchmark, len(frames), 0)


def require_network(amc: AmcOverlay, graph: Graph) -> None:
    """Require that the overlay was built from `graph`; ConfigError names both digests."""
    if amc.manifest.graph_digest != graph.digest():
        raise ConfigError(
            f"the overlay holds network {amc.manifest.graph_digest[:16]}, the model is {graph.digest()[:16]}; "
            "build the overlay again"
        )


def require_equal(
    logits: NDArray[np.int32], wanted: NDArray[Any], labels: NDArray[Any], wanted_labels: NDArray[Any]
) -> None:
    """Raise Mismatch with the number of wrong frames and the first wrong integer, unless all are equal."""
    wrong = np.argwhere(logits != wanted)
    if len(wrong):
        frame, place = map(int, wrong[0])
        count = len(np.unique(wrong[:, 0]))
        raise Mismatch(
            f"{count} of {len(wanted)} frames differ from golden; first: frame {frame}, logit {place}: "
            f"{logits[frame, place]} on the device, {wanted[frame, place]} in golden"
        )
    bad = np.flatnonzero(labels != wanted_labels)
    if len(bad):
        raise Mismatch(
            f"logits are equal, but frame {int(bad[0])} has class {labels[bad[0]]}, not {wanted_labels[bad[0]]}"
        )
