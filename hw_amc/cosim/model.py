"""The proof of one accelerator: every simulator, every frame, every logit, and the cycles that were predicted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.cosim import bench
from hw_amc.cosim.backend import SimulatedRtl
from hw_amc.cosim.bench import Case
from hw_amc.cosim.library import build_library
from hw_amc.cosim.results import MeasuredRhythm, require_rhythm
from hw_amc.cosim.simulators import Simulator, environment, versions
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.parallel import crew
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.verify.results import golden_logits, require_results

#: What is predicted, not seen.
_KIND = {"predicted_cycles_per_frame": "estimated"}


@dataclass(frozen=True)
class Plan:
    """How much to simulate, and where."""

    #: Builds, logs and waveforms.
    folder: Path
    #: Frames under cocotb, by simulator; Verilator's fast runner takes all frames that are given.
    cocotb_frames: dict[Simulator, int] = field(default_factory=lambda: {"verilator": 8, "icarus": 1})
    #: Threads of the fast runner, and processes of golden.
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    #: FST waveforms of the cocotb runs.
    waves: bool = False
    timeout_s: float | None = None
    cache: Path | None = None


@dataclass(frozen=True)
class FastRun:
    """What the fast runner saw of a run of frames."""

    frames: int
    rhythm: MeasuredRhythm
    latency_cycles: int
    #: Clock cycles of all threads together, and the seconds that they took.
    cycles: int
    seconds: float
    seconds_compile: float


def run_model(
    graph: Graph,
    accelerator: Accelerator,
    frames: NDArray[np.int16],
    plan: Plan,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Simulate `frames` and compare every logit with golden; Icarus, the slowest, runs beside Verilator.

    Parameters
    ----------
    graph : Graph
    accelerator : Accelerator
    frames : int16 array (n, T, 2)
        Wire words; all go through the fast runner, the first ones through cocotb as well. In channel mode a number
        that does not fill the channels is cut down (cocotb: rounded up).
    plan : Plan
    tell : callable
        Receives one line per step.

    Returns
    -------
    dict
        ``{"verilator": {...}, "icarus": {...}}``: report sections below `cosim`, without `command`.

    Raises
    ------
    Mismatch
        A logit, class or flag differs (frame, class, both integers), or the cycles are not those predicted.
    ToolMissing, ToolFailed
        A simulator is missing, fails, or stalls.
    """
    # What is missing is noticed before another simulator works for minutes.
    versions("verilator")
    for simulator in plan.cocotb_frames:
        environment(simulator)
    manifest = accelerator.manifest
    frames = _whole_groups(frames, manifest.n_channels)
    expected = golden_logits(graph, frames, manifest.input_shift, plan.workers)
    case = Case(graph, frames, expected)
    with crew(1) as pool:
        beside = pool.submit(_cocotb, accelerator, case, "icarus", plan) if "icarus" in plan.cocotb_frames else None
        fast = run_fast(graph, accelerator, frames, expected, plan)
        tell(f"fast runner: {fast.frames} frames, {fast.cycles} cycles in {fast.seconds:.1f} s, all equal")
        sections = {"verilator": _section(accelerator, vars(fast))}
        if "verilator" in plan.cocotb_frames:
            measured = _cocotb(accelerator, case, "verilator", plan)
            tell(f"verilator under cocotb: {measured['frames']} frames, {measured['cycles']} cycles, all equal")
        if beside is not None:
            measured = beside.result()
            sections["icarus"] = _section(accelerator, measured)
            tell(f"icarus under cocotb: {measured['frames']} frames, {measured['cycles']} cycles, all equal")
    return sections


def _whole_groups(frames: NDArray[np.int16], n_channels: int) -> NDArray[np.int16]:
    whole = len(frames) - len(frames) % n_channels
    if not whole:
        raise ConfigError(f"{len(frames)} frames do not fill {n_channels} channels; give more")
    return frames[:whole]


def run_fast(
    graph: Graph, accelerator: Accelerator, frames: NDArray[np.int16], expected: NDArray[np.int32], plan: Plan
) -> FastRun:
    """Stream `frames` back to back through verilated models in several threads and compare.

    Raises
    ------
    Mismatch
        As `run_model`.
    """
    name = accelerator.manifest.name
    start = time.perf_counter()
    build_library(accelerator.sources, name, plan.cache)
    seconds_compile = time.perf_counter() - start
    n_channels, together = accelerator.manifest.n_channels, accelerator.manifest.round_results
    # A part must be long enough to show its rhythm.
    least = n_channels * -(-(2 * together + 1) // n_channels)
    count = max(1, min(plan.workers, len(frames) // least))
    size = -(-len(frames) // count // n_channels) * n_channels
    starts = range(0, len(frames), size)
    backend = SimulatedRtl(graph, accelerator, plan.cache)

    def simulate(first: int) -> tuple[MeasuredRhythm, int, int]:
        """One thread: (rhythm, latency, cycles)."""
        stream = backend.stream(frames[first : first + size])
        require_results(graph, expected[first : first + size], stream.results, backend.name, first)
        ends = [int(cycle) - stream.began for cycle in stream.ends]
        rhythm = require_rhythm(accelerator, stream.began - stream.released, ends, backend.name)
        return rhythm, ends[0], stream.cycles

    start = time.perf_counter()
    with crew(len(starts)) as pool:  # the models run outside Python's lock
        seen = list(pool.map(simulate, starts))
    seconds = time.perf_counter() - start
    rhythm, latency, _ = seen[0]
    return FastRun(len(frames), rhythm, latency, sum(part[2] for part in seen), seconds, seconds_compile)


def _cocotb(accelerator: Accelerator, case: Case, simulator: Simulator, plan: Plan) -> dict[str, Any]:
    """Run the plan's number of frames, rounded up to whole rounds of channels."""
    start, n_channels = time.perf_counter(), accelerator.manifest.n_channels
    count = -(-plan.cocotb_frames[simulator] // n_channels) * n_channels
    first = Case(case.graph, case.frames[:count], case.expected[:count])
    settings = bench.BenchRun(
        simulator, plan.folder / simulator, waves=plan.waves, timeout_s=plan.timeout_s, cache=plan.cache
    )
    measured = bench.run(accelerator, first, settings)
    rhythm = require_rhythm(accelerator, measured["start"], measured["ends"], simulator)
    return {**measured, "rhythm": rhythm, "seconds": time.perf_counter() - start}


def _section(accelerator: Accelerator, measured: dict[str, Any]) -> dict[str, Any]:
    """Return one simulator's entry of the report."""
    manifest = accelerator.manifest
    rhythm: MeasuredRhythm = measured["rhythm"]
    section = {
        "frames": measured["frames"],
        "mismatches": 0,
        "cycles_per_frame": rhythm.cycles_per_frame,
        "predicted_cycles_per_frame": rhythm.predicted,
        "latency_cycles": measured["latency_cycles"],
        "seconds": round(measured["seconds"], 2),
        "seconds_compile": round(measured["seconds_compile"], 2) if "seconds_compile" in measured else None,
        "cycles_per_s": round(measured["cycles"] / measured["seconds"]) if measured["seconds"] else None,
        "frames_per_s": round(measured["frames"] / measured["seconds"], 3) if measured["seconds"] else None,
        "K": manifest.contexts,
        "lanes": manifest.lanes,
        "n_channels": manifest.n_channels,
        "mode": manifest.mode,
        "source": manifest.flow,
    }
    section = {key: value for key, value in section.items() if value is not None}
    figures = ("frames", "mismatches", "cycles_per_frame", "latency_cycles", "seconds", "seconds_compile")
    kind = {key: "measured" for key in (*figures, "cycles_per_s", "frames_per_s") if key in section}
    return {**section, "kind": {**kind, **{key: word for key, word in _KIND.items() if key in section}}}
