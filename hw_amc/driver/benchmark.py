"""Throughput and latency of an accelerator, with the device's own cycles kept apart from the host's clock.

`cycles` come from the hardware's counters and are exact on a board and on verilated RTL alike; `wall` is this
computer's time and says nothing about a board when the device is simulated. Frames per second *of the device* are its
cycles at its clock, without host and driver.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.driver import batches
from hw_amc.driver.errors import DeviceError
from hw_amc.errors import ConfigError

if TYPE_CHECKING:
    from hw_amc.driver.overlay import AmcOverlay, Classified

    Check = Callable[[Classified], None]

SEED = 20160818
#: Runs of the driver's own time; the least counts, since a busy host only ever adds.
DRIVER_RUNS = 5
#: A slow simulation gets no further run after so many seconds.
DRIVER_LIMIT_S = 5.0


@dataclass(frozen=True)
class Latency:
    """Percentiles over single frames, microseconds."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, samples_us: NDArray[np.float64]) -> Latency:
        """Percentiles of measured samples."""
        p50, p90, p99 = (float(value) for value in np.percentile(samples_us, (50, 90, 99)))
        return cls(p50, p90, p99)


@dataclass(frozen=True)
class Benchmark:
    """What `AmcOverlay.benchmark` measured; `str()` is a table."""

    model: str
    board: str
    #: Wall time is that of a simulation.
    simulated: bool
    frames: int
    batch: int
    frame_len: int
    clock_mhz: float
    #: Hardware counter CYCLES_BUSY over full batches, per frame.
    cycles_per_frame: float
    device_frames_per_s: float
    device_samples_per_s: float
    wall_frames_per_s: float
    wall_samples_per_s: float
    #: One frame at a time: CYCLES_BUSY at the clock, and the whole call on the host.
    device_latency_us: Latency
    wall_latency_us: Latency
    #: Host time to convert a float frame to wire words.
    convert_us_per_frame: float
    #: Host time of a call for int16 frames in a device buffer, less the wait for the device, per frame.
    driver_us_per_frame: float
    #: Time that a frame's samples take on a 32-bit stream at the clock: what the driver must stay below.
    wire_us_per_frame: float
    dma_transfers_per_frame: float
    bytes_per_frame: float
    #: Frames of int16 words, checked for equal answers in every repeat.
    repeats: int
    #: Single-frame samples, for the plot.
    device_samples_us: tuple[float, ...] = ()
    wall_samples_us: tuple[float, ...] = ()

    def __str__(self) -> str:
        kind = "simulated: wall time is the simulation's" if self.simulated else "measured on the device"
        rows = [
            ("clock", f"{self.clock_mhz:g} MHz"),
            ("device: cycles per frame", f"{self.cycles_per_frame:,.1f}"),
            ("device: frames/s, samples/s", f"{self.device_frames_per_s:,.0f}, {self.device_samples_per_s:,.0f}"),
            ("device: latency p50, p90, p99", _latency(self.device_latency_us)),
            ("wall: frames/s, samples/s", f"{self.wall_frames_per_s:,.1f}, {self.wall_samples_per_s:,.0f}"),
            ("wall: latency p50, p90, p99", _latency(self.wall_latency_us)),
            ("host: float to wire, per frame", f"{self.convert_us_per_frame:,.2f} us"),
            ("host: driver, per frame", f"{self.driver_us_per_frame:,.2f} us"),
            ("wire time per frame", f"{self.wire_us_per_frame:,.2f} us"),
            ("DMA transfers, bytes per frame", f"{self.dma_transfers_per_frame:.4f}, {self.bytes_per_frame:,.1f}"),
        ]
        width = max(len(name) for name, _ in rows)
        head = f"{self.model} on {self.board}, {self.frames} frames in batches of {self.batch} ({kind})"
        return "\n".join([head, *(f"  {name:<{width}}  {value}" for name, value in rows)])

    def to_section(self, mismatches: int | None = None) -> dict[str, Any]:
        """Return what belongs under `bench.<device>` of report.json."""
        measured = {
            "frames": self.frames,
            "batch": self.batch,
            "clock_mhz": self.clock_mhz,
            "wall_frames_per_s": self.wall_frames_per_s,
            "cycles_per_frame": self.cycles_per_frame,
            "device_frames_per_s": self.device_frames_per_s,
            "wall_latency_us": asdict(self.wall_latency_us),
            "device_latency_us": asdict(self.device_latency_us),
            "convert_us_per_frame": self.convert_us_per_frame,
            "driver_us_per_frame": self.driver_us_per_frame,
            "dma_transfers_per_frame": self.dma_transfers_per_frame,
            "bytes_per_frame": self.bytes_per_frame,
        }
        return measured if mismatches is None else {"mismatches": mismatches, **measured}

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw single-frame latency, device and wall apart; needs matplotlib. Saves to `path` if given."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 3), layout="constrained")
        wall = "wall, simulated" if self.simulated else "wall"
        for index, (name, samples) in enumerate((("device", self.device_samples_us), (wall, self.wall_samples_us)), 1):
            axis = figure.add_subplot(1, 2, index)
            axis.hist(np.asarray(samples), bins=min(30, max(len(samples), 1)))
            axis.set_xlabel(f"{name} latency of one frame, us")
            axis.set_ylabel("frames")
        figure.suptitle(
            f"{self.model} on {self.board}: {self.device_frames_per_s:,.0f} frames/s at {self.clock_mhz:g} MHz"
        )
        if path is not None:
            figure.savefig(path)
        return figure


def measure(
    amc: AmcOverlay, frames: NDArray[Any] | None, repeats: int, singles: int, check: Check | None = None
) -> Benchmark:
    """Measure an open overlay.

    Parameters
    ----------
    amc : AmcOverlay
    frames : (n, T, 2) int16, optional
        Wire words; random ones, one batch, by default.
    repeats : int
        Passes over the frames.
    singles : int
        Frames sent one by one for the latency.
    check : callable, optional
        Gets the answer of the first pass, which all others are compared with, and raises if it is wrong.

    Raises
    ------
    ConfigError
        Nothing to measure.
    DeviceError
        The device failed, or answered the same frames differently.
    """
    if repeats < 1 or singles < 1:
        raise ConfigError("benchmark needs at least one repeat and one single frame")
    manifest = amc.manifest
    words = _random_frames(amc) if frames is None else batches.as_frames(frames, manifest.frame_len)[0]
    if words.dtype != np.int16:
        words = batches.wire_words(words, manifest.wire_frac, amc.normalise)
    if not len(words):
        raise ConfigError("benchmark needs frames")
    traffic = amc.link.traffic
    before = (traffic.sends + traffic.receives, traffic.bytes_sent + traffic.bytes_received)
    wall_s, cycles, answer = _throughput(amc, words, repeats)
    if check is not None:
        check(answer)
    after = (traffic.sends + traffic.receives, traffic.bytes_sent + traffic.bytes_received)
    clock = amc.clock_mhz
    device_us, wall_us = _singles(amc, words, answer.logits, singles, clock)
    n, T = len(words) * repeats, manifest.frame_len
    per_frame = cycles / n
    return Benchmark(
        model=manifest.name,
        board=manifest.board,
        simulated=amc.simulated,
        frames=n,
        batch=amc.batch,
        frame_len=T,
        clock_mhz=clock,
        cycles_per_frame=per_frame,
        device_frames_per_s=clock * 1e6 / per_frame,
        device_samples_per_s=clock * 1e6 / per_frame * T,
        wall_frames_per_s=n / wall_s,
        wall_samples_per_s=n / wall_s * T,
        device_latency_us=Latency.of(device_us),
        wall_latency_us=Latency.of(wall_us),
        convert_us_per_frame=_convert_us(amc, words),
        driver_us_per_frame=_driver_us(amc, words),
        wire_us_per_frame=T / clock,
        dma_transfers_per_frame=(after[0] - before[0]) / n,
        bytes_per_frame=(after[1] - before[1]) / n,
        repeats=repeats,
        device_samples_us=tuple(map(float, device_us)),
        wall_samples_us=tuple(map(float, wall_us)),
    )


def _throughput(amc: AmcOverlay, words: NDArray[np.int16], repeats: int) -> tuple[float, int, Classified]:
    """Wall seconds and busy cycles of `repeats` passes, and what they all answered."""
    amc.clear_counters()
    start = time.perf_counter()
    first = amc.classify(words)
    for _ in range(1, repeats):
        _require_same(amc.classify(words).logits, first.logits, 0)
    wall_s = time.perf_counter() - start
    return wall_s, amc.counters()["cycles_busy"], first


def _require_same(answer: NDArray[np.int32], first: NDArray[np.int32], at: int) -> None:
    different = np.flatnonzero((answer != first).any(axis=1))
    if len(different):
        raise DeviceError(f"frame {at + int(different[0])} got another answer when it was sent again")


def _singles(
    amc: AmcOverlay, words: NDArray[np.int16], logits: NDArray[np.int32], count: int, clock_mhz: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Latency of `count` single frames, device and wall, in microseconds; each must be answered with its `logits`."""
    group = amc.manifest.n_channels
    device, wall = np.empty(count), np.empty(count)
    amc.classify(words[:group])
    for i in range(count):
        at = i * group % max(len(words) - group + 1, 1)
        amc.clear_counters()
        start = time.perf_counter()
        answer = amc.classify(words[at : at + group]).logits
        wall[i] = 1e6 * (time.perf_counter() - start)
        _require_same(answer, logits[at : at + group], at)
        device[i] = amc.counters()["cycles_busy"] / clock_mhz
    return device, wall


def _convert_us(amc: AmcOverlay, words: NDArray[np.int16]) -> float:
    floats = words[: amc.batch].astype(np.float32) / np.float32(1 << (amc.manifest.wire_frac + 1))
    start = time.perf_counter()
    batches.wire_words(floats, amc.manifest.wire_frac, amc.normalise)
    return 1e6 * (time.perf_counter() - start) / len(floats)


def _driver_us(amc: AmcOverlay, words: NDArray[np.int16]) -> float:
    """Host time around a batch that lies in device memory: everything but the wait for the device or its simulation."""
    from pynq import allocate

    part = words[: amc.batch]
    with allocate(part.shape, np.int16, target=amc.device) as buffer:
        buffer[:] = part
        least, begin = math.inf, time.perf_counter()
        for run in range(DRIVER_RUNS):
            if run and time.perf_counter() - begin > DRIVER_LIMIT_S:
                break
            start = _host_s(amc)
            amc.classify(buffer)
            least = min(least, _host_s(amc) - start)
    return 1e6 * least / len(part)


def _host_s(amc: AmcOverlay) -> float:
    """Clock of the host that stands while the device works.

    A simulation in this process is taken out by processor time, which other programs on a busy computer do not touch.
    """
    simulated = getattr(amc.device, "simulation_s", None)
    return time.perf_counter() - amc.link.traffic.waited_s if simulated is None else time.thread_time() - simulated


def _latency(latency: Latency) -> str:
    return f"{latency.p50:,.2f}, {latency.p90:,.2f}, {latency.p99:,.2f} us"


def _random_frames(amc: AmcOverlay) -> NDArray[np.int16]:
    shape = (amc.batch, amc.manifest.frame_len, 2)
    limit = 1 << amc.manifest.wire_frac
    return np.random.default_rng(SEED).integers(-limit, limit, shape).astype(np.int16)
