"""`AmcOverlay`: load an accelerator, require that it is the right one, and classify frames with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.driver import batches
from hw_amc.driver.answers import Classified, join
from hw_amc.driver.benchmark import Benchmark, measure
from hw_amc.driver.buffers import Buffers, Following
from hw_amc.driver.clock import keep_from_download, read_clock, require_clock, set_clock
from hw_amc.driver.devices import choose_device, is_remote, is_simulated, lock_tag
from hw_amc.driver.errors import DeviceError, reason, transport_errors
from hw_amc.driver.gain import GainControl
from hw_amc.driver.handoff import DMA, IP_PREFIX
from hw_amc.driver.identity import check_files, check_identity, find_bitstream
from hw_amc.driver.lock import DeviceLock
from hw_amc.driver.selftest import SelfTest, run_selftest
from hw_amc.driver.transfer import Link
from hw_amc.driver.turns import Turns
from hw_amc.driver.vectors import NAME as VECTORS
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import ConfigError, DataError
from hw_amc.interface import registers
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.wire import Normalisation
from hw_amc.interface.words import Results, interleave, unpack_results
from hw_amc.untrusted import load_xml

#: Label of a frame whose margin is below the threshold.
UNKNOWN = -1
_DMA_TYPE = f"xilinx.com:ip:{DMA}:"

Frames = NDArray[Any]


class AmcOverlay(GainControl):
    """An accelerator on a PYNQ device; a context manager.

    Calls from several threads are safe: they take turns. A second object, or a second process, on the same device is
    refused.

    Parameters
    ----------
    path : str or Path
        The bitstream, or the folder that holds one, with its .hwh and manifest.json.
    device : pynq.Device, optional
        PYNQ's active device by default; the simulated one for an overlay with a .sim.json beside it.
    batch : int
        Frames in one DMA transfer, at most.
    normalise : {"none", "rms"}, optional
        How float frames become wire words, see `hw_amc.radio.to_wire`; the manifest says how the network was trained.
    timeout_s : float
        Wall time for one transfer. A simulated device in the same process counts cycles instead.

    Raises
    ------
    ConfigError, DataError
        Files are missing, damaged or of another build.
    DeviceBusy
        The device is in use.
    DeviceError
        What answers on the device is another accelerator, or nothing.
    """

    def __init__(
        self,
        path: str | Path,
        device: Any = None,
        batch: int = 256,
        normalise: Normalisation | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        if batch < 1:
            raise ConfigError(f"batch must be 1 or more, not {batch}")
        bitstream = find_bitstream(Path(path))
        check_files(bitstream.parent)
        load_xml(bitstream.with_suffix(".hwh"), ".hwh; copy or build the overlay again")
        self._folder = bitstream.parent
        self.manifest = Manifest.load(self._folder / "manifest.json")
        self.normalise: Normalisation = normalise or self.manifest.normalise
        self.device = device if device is not None else choose_device(bitstream)
        #: Whether time on the device is simulated, and wall time says nothing about a board.
        self.simulated = is_simulated(self.device)
        self._turns = Turns()
        # Sets of buffers that no call uses; every call borrows one, so that streams of several threads keep apart.
        self._pool: list[Buffers] = []
        self._sequence: int | None = None
        self._lock: DeviceLock | None = DeviceLock(lock_tag(self.device))
        try:
            self.link = self._open(bitstream, timeout_s)
            self.batch = self._fit_batch(batch)
            self._pool.append(self._allocate())
        except BaseException:
            self.close()
            raise

    def _open(self, bitstream: Path, timeout_s: float) -> Link:
        from pynq import Overlay

        try:
            self.overlay = Overlay(str(bitstream), device=self.device, download=False)
            set_clock(self.manifest.clock_mhz)
            require_clock(self.manifest.clock_mhz)
            keep_from_download(self.overlay)
            self.overlay.download()
        except transport_errors() as error:
            raise DeviceError(f"cannot load {bitstream}: {reason(error)}") from error
        ip = self._find(IP_PREFIX, "an accelerator of this package", bitstream)
        # A simulation in this process notices a hang by itself, and may be slow.
        limit = None if self.simulated and not is_remote(self.device) else timeout_s
        require_clock(self.manifest.clock_mhz)
        link = Link(ip, self._find(_DMA_TYPE, "an AXI DMA", bitstream), limit)
        check_identity(link, self.manifest)
        link.reset()
        return link

    def _find(self, kind: str, what: str, bitstream: Path) -> Any:
        names = [name for name, ip in self.overlay.ip_dict.items() if str(ip["type"]).startswith(kind)]
        if len(names) != 1:
            raise ConfigError(f"{bitstream.with_suffix('.hwh')} has {len(names)} IPs that are {what}; one is needed")
        return getattr(self.overlay, names[0])

    def _fit_batch(self, batch: int) -> int:
        """Largest batch that the DMA's length register and whole groups of channels allow, frames and results alike."""
        group, limit = self.manifest.n_channels, int(self.link.dma.buffer_max_size)
        size = 4 * group * max(self.manifest.frame_len, self.manifest.result_words)
        if size > limit:
            raise ConfigError(
                f"{size} bytes, a frame of each channel or its result, do not fit one DMA transfer of {limit}; build "
                f"the overlay with dma.length_bits = {size.bit_length()} or more in board.toml"
            )
        return group * min(-(-batch // group), limit // size)

    def _allocate(self) -> Buffers:
        from pynq import allocate

        shape, words = (self.batch, self.manifest.frame_len, 2), self.batch * self.manifest.result_words
        try:
            sources = tuple(allocate(shape, np.int16, target=self.device) for _ in range(2))
            return Buffers(sources, allocate(words, np.uint32, target=self.device))
        except transport_errors() as error:
            raise DeviceError(f"no device memory for batches of {self.batch} frames: {reason(error)}") from error

    # Life.

    def __enter__(self) -> AmcOverlay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free buffers and device; calling it again does nothing."""
        while self._pool:
            self._pool.pop().free()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def reset(self) -> None:
        """Drop whatever is under way, on the DMA and in the accelerator."""
        with self._turns.transfer():
            self._recover()

    # Use.

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of the first head, by label."""
        return self.manifest.heads[0].classes

    def names(self, labels: NDArray[np.int64]) -> list[str]:
        """Names of labels; that of `UNKNOWN`, which as an index would be the last class, is "unknown"."""
        return ["unknown" if label == UNKNOWN else self.classes[label] for label in np.atleast_1d(labels)]

    def classify(self, frames: Frames | Iterable[Frames], threshold: float | None = None) -> Classified:
        """Classify one frame, many, or all that an iterable gives.

        Parameters
        ----------
        frames : (T, 2) or (n, T, 2) float or int16, nested lists of floats, or an iterable of such arrays
            Float samples are converted with `hw_amc.radio.to_wire`; int16 are wire words. An int16 PYNQ buffer is
            sent from where it lies. In channel mode frame i belongs to channel i mod n_channels.
        threshold : float, optional
            Frames whose best logit leads the next by less are `UNKNOWN`; in units of a real logit.

        Raises
        ------
        DataError
            A frame has the wrong shape or type, holds NaN, or is far out of range; nothing was sent of its batch.
        DeviceStalled, DeviceError
            The device failed; it was reset, and the next call starts clean.
        """
        if batches.is_nested(frames):
            frames = batches.as_array(frames)
        if not isinstance(frames, np.ndarray):
            return join(list(self.stream(frames, threshold)), self.manifest.classes)
        array, single = batches.as_frames(frames, self.manifest.frame_len)
        found = join(list(self._run(batches.split(array, self.batch), threshold)), self.manifest.classes)
        return Classified(found.labels[0], found.logits[0]) if single else found

    def stream(self, source: Iterable[Frames], threshold: float | None = None) -> Iterator[Classified]:
        """Classify frames as they come and yield the answers batch by batch.

        While a batch is on the device the next one is drawn from `source`. Arguments and errors are those of
        `classify`.
        """
        return self._run(batches.collect(source, self.batch, self.manifest.frame_len), threshold)

    def counters(self) -> dict[str, int]:
        """Hardware counters since the overlay was loaded or `clear_counters` was called."""
        names = [r.name for r in registers.TABLE if any(field.access == "count" for field in r.fields)]
        with self._turns.ask():
            self._require_open()
            return {name.lower(): self.link.read(name) for name in names}

    def clear_counters(self) -> None:
        """Set the hardware counters to zero."""
        with self._turns.ask():
            self._require_open()
            self.link.clear_counters()

    def set_input_shift(self, shift: int) -> None:
        """Set the left shift of wire words, for captures at another level; negative attenuates."""
        if not -16 <= shift <= 15:
            raise ConfigError(f"input shift must be -16 to 15, not {shift}")
        with self._turns.transfer():
            self._require_open()
            self.link.write("INPUT_SHIFT", shift & 0xFF)

    @property
    def clock_mhz(self) -> float:
        """Clock of the accelerator, as the PS's registers have it now."""
        return read_clock()

    def benchmark(
        self,
        frames: Frames | None = None,
        repeats: int = 3,
        singles: int = 100,
        check: Callable[[Classified], None] | None = None,
    ) -> Benchmark:
        """Measure throughput over full batches and latency of single frames; see `hw_amc.driver.benchmark.measure`."""
        return measure(self, frames, repeats, singles, check)

    def selftest(self, largest: int | None = None) -> SelfTest:
        """Test this overlay where it runs, with the golden vectors beside its bitstream.

        Compares every logit, measures the clock against the CPU's, exercises counters, a framing error, a reset and the
        largest transfer; see `hw_amc.driver.selftest.run_selftest`. `str()` of the answer is a table, `save(path)`
        writes the report that belongs to a question about a board.

        Raises
        ------
        DataError
            The overlay came without vectors, or with another network's.
        """
        return run_selftest(self, Vectors.load(self._folder / VECTORS, self.manifest), largest)

    @contextlib.contextmanager
    def hold(self) -> Iterator[Link]:
        """Hold the device for transfers of one's own; `reset` afterwards puts it back in step."""
        with self._turns.transfer():
            self._require_open()
            yield self.link

    # Work.

    def _run(self, parts: Iterator[Frames], threshold: float | None) -> Iterator[Classified]:
        """Double-buffered: while one batch is on the device, the next is drawn and converted into the other buffer."""
        buffers = self._pool.pop() if self._pool else self._allocate()
        try:
            first, turn = 0, 0
            ready = self._prepare(parts, first, buffers.sources[turn])
            while ready is not None:
                count, turn = len(ready), 1 - turn
                following = Following(partial(self._prepare, parts, first + count, buffers.sources[turn]))
                with self._turns.transfer():
                    results = self._exchange(ready, buffers.target, following)
                yield self._decide(results, threshold)
                first += count
                ready = following.get()
        finally:
            if self._lock is None:
                buffers.free()
            else:
                self._pool.append(buffers)

    def _exchange(self, source: Any, target: Any, following: Following) -> Results:
        """Send one batch, prepare the next meanwhile, and receive the answer; a failure leaves a device in reset."""
        self._require_open()
        size = 4 * len(source) * self.manifest.result_words
        try:
            self.link.start(source, target, len(source), size)
            with self._turns.pause():
                following.run()
            self.link.finish(size)
            return self._check(np.array(target[: size // 4]), len(source))
        except BaseException:
            # A device that does not come back must not hide why it failed.
            with contextlib.suppress(DeviceError):
                self._recover()
            raise

    def _prepare(self, parts: Iterator[Frames], first: int, into: Any) -> Any:
        """Next batch in device memory, or None at the end; `first` is the number of its first frame."""
        frames = next(parts, None)
        if frames is None or not len(frames):
            return None
        if len(frames) % self.manifest.n_channels:
            raise DataError(f"{len(frames)} frames do not fill {self.manifest.n_channels} channels")
        if self.manifest.n_channels == 1 and batches.is_device_buffer(frames):
            return frames
        words = batches.wire_words(frames, self.manifest.wire_frac, self.normalise, first)
        buffer = into[: len(frames)]
        interleave(words, self.manifest.n_channels, buffer)
        return buffer

    def _check(self, words: NDArray[np.uint32], count: int) -> Results:
        """Split results and require that none is missing, doubled or flagged."""
        results = unpack_results(words, self.manifest.classes)
        begin = int(results.sequence[0]) if self._sequence is None else self._sequence
        expected = (begin + np.arange(count)) % 256
        wrong = np.flatnonzero(results.sequence != expected)
        if len(wrong):
            raise DeviceError(f"result {int(wrong[0])} of a batch of {count} is missing or out of order")
        flagged = np.flatnonzero(results.flags)
        if len(flagged):
            raise DeviceError(
                f"frame {int(flagged[0])} of a batch of {count} came back with error flags "
                f"{int(results.flags[flagged[0]]):#x}: TLAST inside the frame; {self.link.describe()}"
            )
        self._sequence = (begin + count) % 256
        return results

    def _decide(self, results: Results, threshold: float | None) -> Classified:
        labels = results.labels
        if threshold is not None:
            head = results.logits[:, : len(self.classes)].astype(np.int64)
            if head.shape[1] > 1:
                top = np.partition(head, -2, axis=1)[:, -2:]
                margin = (top[:, 1] - top[:, 0]) / 2.0**self.manifest.logit_frac
                labels = np.where(margin < threshold, UNKNOWN, labels)
        return Classified(labels, results.logits)

    def _recover(self) -> None:
        self._sequence = None
        self.link.reset()

    def _require_open(self) -> None:
        if self._lock is None:
            raise DeviceError("the overlay is closed; open a new AmcOverlay")
