"""Self-test of an overlay where it runs: every logit of its golden vectors, the clock, counters, errors, limits.

What cannot be known before the first day on a board is measured here, and written into a report to attach.
"""

from __future__ import annotations

import contextlib
import json
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hw_amc.driver.answers import Classified
from hw_amc.driver.clock import differs
from hw_amc.driver.devices import is_estimated
from hw_amc.driver.errors import DeviceError, reason, transport_errors
from hw_amc.driver.identity import check_identity
from hw_amc.driver.stopwatch import Measured, measure_clock
from hw_amc.driver.transfer import Link
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import HwAmcError
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.registers import FLAG_FRAMING
from hw_amc.interface.words import Results, pack_frames, unpack_results

SCHEMA = 1
#: Frames in the largest transfer of a simulated device, whose wall time is the simulation's.
SIMULATED_FRAMES = 64
#: Clock cycles a sample at most, where the manifest knows none (an HLS core).
HLS_CYCLES_PER_SAMPLE = 256


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    #: passed, failed, or not done (a simulated device has no clock to measure).
    outcome: str
    detail: str


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found; `str()` is a table, `save` writes the report."""

    model: str
    board: str
    #: The device was simulated; and a model of the accelerator answered in place of its Verilog.
    simulated: bool
    estimated: bool
    graph_digest: str
    checks: tuple[Check, ...]
    #: Releases of what ran: Python, numpy, pynq, the machine.
    software: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not any(check.outcome == "failed" for check in self.checks)

    def __str__(self) -> str:
        where = f"simulated {self.board}" if self.simulated else self.board
        width = max(len(check.name) for check in self.checks)
        lines = [f"  {check.name:<{width}}  {check.outcome:<8}  {check.detail}" for check in self.checks]
        versions = ", ".join(f"{name} {value}" for name, value in self.software.items())
        verdict = "self-test passed" if self.passed else "self-test FAILED"
        return "\n".join([f"{self.model} on {where} ({versions})", *lines, verdict])

    def to_json(self) -> str:
        """Return the report's text."""
        return json.dumps({"schema": SCHEMA, "passed": self.passed, **asdict(self)}, indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the report."""
        Path(path).write_text(self.to_json(), encoding="utf-8")


class Tested(Protocol):
    """What of an open `AmcOverlay` a self-test uses."""

    manifest: Manifest
    device: Any
    simulated: bool
    batch: int
    link: Link

    @property
    def clock_mhz(self) -> float:
        """Clock as the PS's registers have it."""

    def classify(self, frames: NDArray[Any]) -> Classified:
        """Classify wire words."""

    def counters(self) -> dict[str, int]:
        """Read the counters by name."""

    def clear_counters(self) -> None:
        """Set the counters to zero."""

    def reset(self) -> None:
        """Drop whatever is under way."""

    def hold(self) -> AbstractContextManager[Link]:
        """Hold the device for transfers of one's own."""


def run_selftest(amc: Tested, vectors: Vectors, largest: int | None = None) -> SelfTest:
    """Test an open overlay.

    Parameters
    ----------
    amc : AmcOverlay
    vectors : Vectors
        Of its own accelerator.
    largest : int, optional
        Frames in the largest transfer; as many as the DMA and the memory allow on a board, fewer in simulation.

    Returns
    -------
    SelfTest
        A check that fails does not end the others; the device is reset in between.
    """
    checks: list[Callable[[], tuple[str, str]]] = [
        lambda: _identity(amc),
        lambda: _clock_registers(amc),
        lambda: _clock_measured(amc, vectors),
        lambda: _logits(amc, vectors),
        lambda: _singles(amc, vectors),
        lambda: _counters(amc, vectors),
        lambda: _framing(amc, vectors),
        lambda: _reset(amc, vectors),
        lambda: _largest(amc, vectors, largest),
    ]
    names = ("identity", "clock: registers", "clock: measured", "logits", "frame by frame", "counters", "framing error",
             "reset", "largest transfer")  # fmt: skip
    with _default_level(amc):
        done = [_attempt(amc, name, check) for name, check in zip(names, checks, strict=True)]
    return SelfTest(
        model=amc.manifest.name,
        board=amc.manifest.board,
        simulated=amc.simulated,
        estimated=is_estimated(amc.device),
        graph_digest=amc.manifest.graph_digest,
        checks=tuple(done),
        software=software(),
    )


def software() -> dict[str, str]:
    """Releases of what a self-test runs on."""
    import pynq

    version = ".".join(map(str, sys.version_info[:3]))
    return {"python": version, "numpy": np.__version__, "pynq": pynq.__version__, "machine": platform.machine()}


@contextlib.contextmanager
def _default_level(amc: Tested) -> Iterator[None]:
    """Test at the input level that the vectors were made for, and put back the user's."""
    wanted = {"INPUT_SHIFT": amc.manifest.input_shift}
    if amc.manifest.automatic_gain:
        wanted["AUTOMATIC_GAIN"] = 0
    before = dict(wanted)
    # A device that does not answer is what the checks are to say.
    with contextlib.suppress(DeviceError), amc.hold() as link:
        for name, value in wanted.items():
            before[name] = link.read(name)
            link.write(name, value)
    try:
        yield
    finally:
        with contextlib.suppress(DeviceError), amc.hold() as link:
            for name, value in before.items():
                link.write(name, value)


def _attempt(amc: Tested, name: str, check: Callable[[], tuple[str, str]]) -> Check:
    """Do one check; whatever goes wrong is its result, and the device is reset for the next."""
    try:
        return Check(name, *check())
    except (HwAmcError, MemoryError) as error:
        detail = str(error)
    except transport_errors() as error:
        detail = reason(error)
    try:
        amc.reset()
    except DeviceError as error:
        detail += f"; and the reset after it: {error}"
    return Check(name, "failed", detail)


def _verdict(right: bool, detail: str) -> tuple[str, str]:
    return "passed" if right else "failed", detail


def _identity(amc: Tested) -> tuple[str, str]:
    with amc.hold() as link:
        check_identity(link, amc.manifest)
    return "passed", f"network {amc.manifest.graph_digest[:16]}, {amc.manifest.frame_len} samples a frame"


def _clock_registers(amc: Tested) -> tuple[str, str]:
    found, wanted = amc.clock_mhz, amc.manifest.clock_mhz
    return _verdict(not differs(found, wanted), f"{found:g} MHz, built for {wanted:g} MHz")


def _clock_measured(amc: Tested, vectors: Vectors) -> tuple[str, str]:
    """Cycles that pass while a result waits, by the CPU's time: the oscillator may be another than PYNQ assumes."""
    words = pack_frames(vectors.wire[: amc.manifest.n_channels], amc.manifest.n_channels)
    with amc.hold() as link:
        found: Measured | None = measure_clock(link, amc.device, words)
    amc.reset()
    if found is None:
        return "not done", "a simulation on another computer keeps no time"
    wanted = amc.manifest.clock_mhz
    right = abs(found.mhz - wanted) <= found.uncertainty_mhz + 0.005 * wanted
    kind = "by the simulation's own time" if amc.simulated else "by the time of the CPU"
    return _verdict(right, f"{found.mhz:.3f} +- {found.uncertainty_mhz:.3f} MHz {kind}, built for {wanted:g} MHz")


def compare(logits: NDArray[np.int32], expected: NDArray[np.int32]) -> tuple[str, str]:
    """Compare every logit; the detail names the first that is wrong."""
    wrong = np.argwhere(logits != expected)
    if not len(wrong):
        return "passed", f"{len(expected):,} frames, {expected.size:,} logits, all equal to golden"
    frame, place = map(int, wrong[0])
    count = len(np.unique(wrong[:, 0]))
    return "failed", (
        f"{count} of {len(expected)} frames differ; first: frame {frame}, logit {place}: {logits[frame, place]} on the "
        f"device, {expected[frame, place]} in golden"
    )


def _logits(amc: Tested, vectors: Vectors) -> tuple[str, str]:
    return compare(amc.classify(vectors.wire).logits, vectors.logits)


def _singles(amc: Tested, vectors: Vectors) -> tuple[str, str]:
    """Frames (channel mode: groups) one at a time, which find the accelerator empty."""
    n = amc.manifest.n_channels
    parts = [amc.classify(vectors.wire[i : i + n]).logits for i in range(0, len(vectors.wire), n)]
    return compare(np.concatenate(parts), vectors.logits)


def _counters(amc: Tested, vectors: Vectors) -> tuple[str, str]:
    amc.clear_counters()
    amc.classify(vectors.wire)
    found, n = amc.counters(), len(vectors.wire)
    expected = {
        "frames_in": n,
        "frames_out": n,
        "framing_errors": 0,
        "saturated": count_saturated(vectors, amc.manifest),
    }
    wrong = [f"{name} = {found[name]}, not {value}" for name, value in expected.items() if found[name] != value]
    if not found["cycles_busy"]:
        wrong.append("cycles_busy = 0")
    told = ", ".join(f"{name} {value:,}" for name, value in found.items())
    return _verdict(not wrong, "; ".join(wrong) or told)


def count_saturated(vectors: Vectors, manifest: Manifest) -> int:
    """Samples of which I or Q leaves the network's input range, as the accelerator rounds them: half to even."""
    shift = manifest.wire_frac - manifest.input_frac - manifest.input_shift
    raw = vectors.wire.astype(np.float64) * 2.0**-shift
    half = 1 << (manifest.input_bits - 1)
    rounded = np.rint(raw)
    return int(((rounded < -half) | (rounded >= half)).any(axis=2).sum())


def _framing(amc: Tested, vectors: Vectors) -> tuple[str, str]:
    """Half a frame with TLAST: answered with its flag, counted, and the next frame is right."""
    n, frame_len = amc.manifest.n_channels, amc.manifest.frame_len
    words = pack_frames(vectors.wire[:n], n)
    amc.clear_counters()
    results = exchange(amc, words[: max(n * frame_len // 2, 1)], n)
    amc.reset()
    flagged, counted = int((results.flags & FLAG_FRAMING).sum()), amc.counters()["framing_errors"]
    if flagged != n or counted != 1:
        return "failed", f"{flagged} of {n} results carry the flag, and {counted} errors were counted, not 1"
    outcome, detail = compare(amc.classify(vectors.wire[:n]).logits, vectors.logits[:n])
    return outcome, "flagged and counted; the next frame is right" if outcome == "passed" else f"afterwards: {detail}"


def _reset(amc: Tested, vectors: Vectors) -> tuple[str, str]:
    """Reset while results wait and nobody fetches them."""
    n = amc.manifest.n_channels
    with amc.hold() as link, device_words(amc, pack_frames(vectors.wire[:n], n)) as source:
        link.dma.sendchannel.transfer(source)
        link.reset()
    amc.reset()
    with amc.hold() as link:
        left = link.read("STATUS", "in_flight")
    outcome, detail = compare(amc.classify(vectors.wire).logits, vectors.logits)
    if left:
        return "failed", f"{left} frames are still inside after a reset"
    return outcome, "frames inside are dropped; the next are right" if outcome == "passed" else f"afterwards: {detail}"


def _largest(amc: Tested, vectors: Vectors, frames: int | None) -> tuple[str, str]:
    """As many frames in one transfer as the DMA and the memory allow."""
    n = amc.manifest.n_channels
    size = 4 * n * max(amc.manifest.frame_len, amc.manifest.result_words)
    limit = int(amc.link.dma.buffer_max_size) // size
    wanted = SIMULATED_FRAMES if frames is None and amc.simulated else frames
    groups = limit if wanted is None else max(min(limit, wanted // n), 1)
    while True:
        places = np.arange(n * groups) % len(vectors.wire)
        try:
            results = exchange(amc, pack_frames(vectors.wire[places], n), n * groups)
            break
        except (MemoryError, RuntimeError) as error:
            if groups == 1:
                raise DeviceError(f"no device memory for a single transfer: {error}") from error
            groups //= 2
    amc.reset()
    outcome, detail = compare(results.logits, vectors.logits[places])
    told = f"{4 * n * groups * amc.manifest.frame_len:,} bytes in one transfer (the DMA carries {limit * size:,})"
    return outcome, f"{told}: {detail}"


def device_words(amc: Tested, words: NDArray[np.uint32]) -> Any:
    """Return words in device memory, freed at the end of a `with`."""
    from pynq import allocate

    buffer = allocate(words.shape, np.uint32, target=amc.device)
    buffer[:] = words
    return buffer


def exchange(amc: Tested, words: NDArray[np.uint32], frames: int) -> Results:
    """Send words as they are in one transfer and return its results, flags and all."""
    size = frames * amc.manifest.result_words
    with (
        amc.hold() as link,
        device_words(amc, words) as source,
        device_words(amc, np.zeros(size, np.uint32)) as target,
        _time_for(link, amc.manifest, frames),
    ):
        link.start(source, target, frames, 4 * size)
        link.finish(4 * size)
        return unpack_results(np.array(target), amc.manifest.classes)


@contextlib.contextmanager
def _time_for(link: Link, manifest: Manifest, frames: int) -> Iterator[None]:
    """Wait at least four times as long as the frames should take."""
    limit = link.timeout_s
    cycles = manifest.cycles_per_frame or HLS_CYCLES_PER_SAMPLE * manifest.frame_len
    if limit is not None:
        link.timeout_s = max(limit, 4e-6 * frames * cycles / manifest.clock_mhz)
    try:
        yield
    finally:
        link.timeout_s = limit
