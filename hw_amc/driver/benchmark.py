"""Throughput and latency of an accelerator, with the device's own cycles kept apart from the host's clock.

`cycles` come from the hardware's counters and are exact on a board and on verilated RTL alike; `wall` is this
computer's time and says nothing about a board when the device is simulated. Frames per second *of the device* are its
cycles at its clock, without host and driver.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hw_amc.driver import batches
from hw_amc.driver.answers import Classified
from hw_amc.driver.devices import is_estimated
from hw_amc.driver.errors import DeviceError
from hw_amc.driver.transfer import Link
from hw_amc.errors import ConfigError
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.wire import Normalisation

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
    def of(cls, samples_us: tuple[float, ...]) -> Latency:
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
    #: Cycles too are only an estimate: a model of the accelerator answered, not its Verilog.
    estimated: bool
    frames: int
    batch: int
    frame_len: int
    clock_mhz: float
    #: Hardware counter CYCLES_BUSY over full batches, per frame.
    cycles_per_frame: float
    wall_frames_per_s: float
    #: One frame at a time: CYCLES_BUSY at the clock, and the whole call on the host.
    device_samples_us: tuple[float, ...]
    wall_samples_us: tuple[float, ...]
    #: Host time to convert a float frame to wire words.
    convert_us_per_frame: float
    #: Host time of a call for int16 frames in a device buffer, less the wait for the device, per frame.
    driver_us_per_frame: float
    dma_transfers_per_frame: float
    bytes_per_frame: float

    @property
    def device(self) -> str:
        """Name of what was measured, which says so where it was simulated."""
        return f"simulated {self.board}" if self.simulated else self.board

    @property
    def device_frames_per_s(self) -> float:
        """Frames per second of the device alone, at its clock."""
        return 1e6 * self.clock_mhz / self.cycles_per_frame

    @property
    def device_latency_us(self) -> Latency:
        """Latency of a frame that comes alone, by the device's own cycles."""
        return Latency.of(self.device_samples_us)

    @property
    def wall_latency_us(self) -> Latency:
        """The same as the host sees it, driver included."""
        return Latency.of(self.wall_samples_us)

    @property
    def wire_us_per_frame(self) -> float:
        """Time of a frame's samples on a 32-bit stream at the clock: what the driver must stay below."""
        return self.frame_len / self.clock_mhz

    def __str__(self) -> str:
        kind = "simulated: wall time is the simulation's" if self.simulated else "measured on the device"
        kind += ", cycles are estimates" if self.estimated else ""
        rows = [
            ("clock", f"{self.clock_mhz:g} MHz"),
            ("device: cycles per frame", f"{self.cycles_per_frame:,.1f}"),
            ("device: frames/s, samples/s", _rate(self.device_frames_per_s, self.frame_len, 0)),
            ("device: latency p50, p90, p99", _latency(self.device_latency_us)),
            ("wall: frames/s, samples/s", _rate(self.wall_frames_per_s, self.frame_len, 1)),
            ("wall: latency p50, p90, p99", _latency(self.wall_latency_us)),
            ("host: float to wire, per frame", f"{self.convert_us_per_frame:,.2f} us"),
            ("host: driver, per frame", f"{self.driver_us_per_frame:,.2f} us"),
            ("wire time per frame", f"{self.wire_us_per_frame:,.2f} us"),
            ("DMA transfers, bytes per frame", f"{self.dma_transfers_per_frame:.4f}, {self.bytes_per_frame:,.1f}"),
        ]
        width = max(len(name) for name, _ in rows)
        head = f"{self.model} on {self.device}, {self.frames} frames in batches of {self.batch} ({kind})"
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
        wall = "simulation's wall" if self.simulated else "wall"
        for index, (name, samples) in enumerate((("device", self.device_samples_us), (wall, self.wall_samples_us)), 1):
            axis = figure.add_subplot(1, 2, index)
            axis.hist(np.asarray(samples), bins=min(30, max(len(samples), 1)))
            axis.set_xlabel(f"{name} latency of one frame, us")
            axis.set_ylabel("frames")
        figure.suptitle(
            f"{self.model} on {self.device}: {self.device_frames_per_s:,.0f} frames/s at {self.clock_mhz:g} MHz"
        )
        if path is not None:
            figure.savefig(path)
        return figure


class Measured(Protocol):
    """What of an open `AmcOverlay` a measurement uses."""

    manifest: Manifest
    device: Any
    simulated: bool
    batch: int
    normalise: Normalisation
    link: Link

    @property
    def clock_mhz(self) -> float:
        """Clock of the accelerator."""

    def classify(self, frames: NDArray[Any]) -> Classified:
        """Classify wire words."""

    def counters(self) -> dict[str, int]:
        """Read the counters by name."""

    def clear_counters(self) -> None:
        """Set the counters to zero."""


def measure(
    amc: Measured, frames: NDArray[Any] | None, repeats: int, singles: int, check: Check | None = None
) -> Benchmark:
    """Measure an open overlay.

    Parameters
    ----------
    amc : AmcOverlay
        Open.
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
    words = _wire_frames(amc, frames)
    batched = _run_batches(amc, words, repeats)
    if check is not None:
        check(batched.answer)
    clock = amc.clock_mhz
    device_us, wall_us = _singles(amc, words, batched.answer.logits, singles, clock)
    return Benchmark(
        model=amc.manifest.name,
        board=amc.manifest.board,
        simulated=amc.simulated,
        estimated=is_estimated(amc.device),
        frames=len(words) * repeats,
        batch=amc.batch,
        frame_len=amc.manifest.frame_len,
        clock_mhz=clock,
        cycles_per_frame=batched.cycles,
        wall_frames_per_s=1 / batched.wall_s,
        device_samples_us=device_us,
        wall_samples_us=wall_us,
        convert_us_per_frame=_convert_us(amc, words),
        driver_us_per_frame=_driver_us(amc, words),
        dma_transfers_per_frame=batched.transfers,
        bytes_per_frame=batched.bytes,
    )


def _wire_frames(amc: Measured, frames: NDArray[Any] | None) -> NDArray[np.int16]:
    """Return the frames to measure with as wire words; a batch of random ones by default."""
    if frames is None:
        shape, limit = (amc.batch, amc.manifest.frame_len, 2), 1 << amc.manifest.wire_frac
        return np.random.default_rng(SEED).integers(-limit, limit, shape).astype(np.int16)
    words, _ = batches.as_frames(frames, amc.manifest.frame_len)
    if not len(words):
        raise ConfigError("benchmark needs frames")
    return batches.wire_words(words, amc.manifest.wire_frac, amc.normalise)


@dataclass(frozen=True)
class _Batched:
    """What a frame took in full batches, and what they all answered."""

    wall_s: float
    cycles: float
    transfers: float
    bytes: float
    answer: Classified


def _run_batches(amc: Measured, words: NDArray[np.int16], repeats: int) -> _Batched:
    """Pass over the frames `repeats` times and require the same answers."""
    before = replace(amc.link.traffic)
    amc.clear_counters()
    start = time.perf_counter()
    first = amc.classify(words)
    for _ in range(1, repeats):
        _require_same(amc.classify(words).logits, first.logits, 0)
    wall_s = time.perf_counter() - start
    cycles, after, n = amc.counters()["cycles_busy"], amc.link.traffic, len(words) * repeats
    transfers = after.sends - before.sends + after.receives - before.receives
    moved = after.bytes_sent - before.bytes_sent + after.bytes_received - before.bytes_received
    return _Batched(wall_s / n, cycles / n, transfers / n, moved / n, first)


def _require_same(answer: NDArray[np.int32], first: NDArray[np.int32], at: int) -> None:
    different = np.flatnonzero((answer != first).any(axis=1))
    if len(different):
        raise DeviceError(f"frame {at + int(different[0])} got another answer when it was sent again")


def _singles(
    amc: Measured, words: NDArray[np.int16], logits: NDArray[np.int32], count: int, clock_mhz: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
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
    return tuple(device.tolist()), tuple(wall.tolist())


def _convert_us(amc: Measured, words: NDArray[np.int16]) -> float:
    floats = words[: amc.batch].astype(np.float32) / np.float32(1 << (amc.manifest.wire_frac + 1))
    start = time.perf_counter()
    batches.wire_words(floats, amc.manifest.wire_frac, amc.normalise)
    return 1e6 * (time.perf_counter() - start) / len(floats)


def _driver_us(amc: Measured, words: NDArray[np.int16]) -> float:
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


def _host_s(amc: Measured) -> float:
    """Clock of the host that stands while the device works.

    A simulation in this process is taken out by processor time, which other programs on a busy computer do not touch.
    """
    simulated = getattr(amc.device, "simulation_s", None)
    return time.perf_counter() - amc.link.traffic.waited_s if simulated is None else time.thread_time() - simulated


def _rate(frames_per_s: float, frame_len: int, digits: int) -> str:
    return f"{frames_per_s:,.{digits}f}, {frames_per_s * frame_len:,.0f}"


def _latency(latency: Latency) -> str:
    return f"{latency.p50:,.2f}, {latency.p90:,.2f}, {latency.p99:,.2f} us"
