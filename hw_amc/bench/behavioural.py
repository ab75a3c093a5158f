"""A behavioural accelerator: the shell's protocol in Python, its results from the golden interpreter.

Answers as the RTL does, word for word: framing, padding, flags, packets, registers and counters. Its *time* is not the
RTL's but an estimate from the manifest: a frame's samples are taken at the pace of `cycles_per_frame`, and its result
leaves `latency_cycles` after its first sample. The verilated RTL (`hw_amc.bench.simulated`) is the one to measure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat, shift_round
from hw_amc.interface import registers
from hw_amc.interface.gain import AutomaticGain, Gains
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.registers import OFFSET, REGISTERS
from hw_amc.interface.words import Results, Words, pack_results, unpack_frames
from hw_amc.verify.results import first_labels, golden_logits

_GAIN_SETTINGS = ("AUTOMATIC_GAIN", "HIGHEST_GAIN", "GAIN_CHANNEL")
_COUNTERS = ("FRAMES_IN", "FRAMES_OUT", "FRAMING_ERRORS", "SATURATED", "CYCLES_BUSY", "CYCLES_STALLED")


@dataclass
class _Result:
    """Words of one frame's result and the cycle from which they may leave."""

    words: Words
    ready: int
    sent: int = 0


@dataclass(frozen=True)
class _Group:
    """One frame of each channel: what comes of it, and what it leaves behind."""

    logits: NDArray[np.int32]
    saturated: int
    #: Shift that each channel had, and the gain that its next frame has.
    shifts: list[int]
    gains: Gains


class GoldenAccelerator:
    """A `hw_amc.sim_device.StreamModel` of a graph behind the shell.

    Parameters
    ----------
    graph : Graph
    manifest : Manifest
        Its `graph_digest` is what the identity registers show.
    """

    #: Its cycles come from the manifest: what is measured with it must not be called measured.
    time_estimated = True

    def __init__(self, graph: Graph, manifest: Manifest) -> None:
        self._graph, self._manifest = graph, manifest
        self._group = manifest.frame_len * manifest.n_channels
        cycles = manifest.cycles_per_frame or manifest.frame_len
        #: Cycles from one accepted sample to the next.
        self._pace = max(1, -(-cycles // manifest.frame_len))
        self._latency = max(manifest.latency_cycles or 0, manifest.frame_len * self._pace)
        #: Groups of frames that fit inside before s_axis waits.
        self._depth = 2 * manifest.contexts + 2
        self._constants = manifest.constants()
        self._table = registers.table(manifest.automatic_gain)
        self.now = 0
        self.reset()

    def reset(self) -> None:
        """Return to the state after power-on."""
        self._settings = {"CONTROL": 1, "FRAMES_PER_PACKET": 1, "INPUT_SHIFT": self._manifest.input_shift}
        if self._manifest.automatic_gain:
            self._settings |= {"AUTOMATIC_GAIN": 0, "HIGHEST_GAIN": registers.HIGHEST_GAIN, "GAIN_CHANNEL": 0}
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self._queue = np.zeros(0, np.uint32)
        #: Indices in the queue whose words carry TLAST.
        self._lasts: deque[int] = deque()
        self._out: list[tuple[Words, bool]] = []
        self._credit = self._open = 0
        self._drop_frames()

    def _drop_frames(self) -> None:
        """Lose everything inside; what CONTROL.reset does. Words that s_axis has not taken still come."""
        self._forget(self._open)
        self._phase = 0
        self._results: deque[_Result] = deque()
        self._ahead: deque[_Group] = deque()
        self._forget_gains()
        self._sequence = self._packet = 0
        self._started: deque[int] = deque()

    # Registers.

    def read(self, offset: int) -> int:
        """Read a register."""
        register = next((r for r in self._table if r.offset <= offset < r.offset + 4 * r.words), None)
        if register is None:
            return 0
        if register.name == "STATUS":
            return self._status()
        if register.name == "GAIN_SHIFT":
            return self._gain_shift() & 0xFFFF_FFFF
        if register.name in self._settings:
            return self._settings[register.name] & 0xFFFF_FFFF
        value = self._counts.get(register.name, self._constants.get(register.name, 0))
        return value >> 8 * (offset - register.offset) & 0xFFFF_FFFF

    def write(self, offset: int, value: int) -> None:
        """Write a register; constants and counters ignore it."""
        if offset == OFFSET["CONTROL"]:
            self._settings["CONTROL"] = value & 1
            if REGISTERS["CONTROL"].extract(value, "reset"):
                self._drop_frames()
            if REGISTERS["CONTROL"].extract(value, "clear"):
                self._counts = dict.fromkeys(_COUNTERS, 0)
        elif offset == OFFSET["FRAMES_PER_PACKET"]:
            self._settings["FRAMES_PER_PACKET"] = max(value, 1)
            self._packet = 0
        elif offset == OFFSET["INPUT_SHIFT"]:
            self._settings["INPUT_SHIFT"] = value & 0xFF
            self._ahead.clear()
        elif name := next((name for name in _GAIN_SETTINGS if OFFSET[name] == offset and name in self._settings), None):
            self._settings[name] = value & sum(field.mask for field in REGISTERS[name].fields)
            self._ahead.clear()
            if not self._automatic:
                self._forget_gains()

    def _forget_gains(self) -> None:
        """Begin with gain 0 in every channel, and none used."""
        self._gains, self._shifts = self._rule().start, list[int]()

    def _gain_shift(self) -> int:
        channel = self._settings["GAIN_CHANNEL"]
        return self._shifts[channel] if channel < len(self._shifts) else self._shift()

    def _status(self) -> int:
        bits = {
            "busy": bool(self._open or self._results),
            "mid_frame": self._open > 0,
            "input_waits": self.waiting() > 0,
            "output_waits": bool(self._results) and self._results[0].ready <= self.now and not self._credit,
            "in_flight": len(self._results),
        }
        return sum(int(value) << REGISTERS["STATUS"].field(name).lsb for name, value in bits.items())

    # Streams.

    def push(self, words: Words, last: bool) -> None:
        """Queue words for s_axis."""
        self._queue = np.concatenate([self._queue, np.asarray(words, np.uint32)])
        if last and len(words):
            self._lasts.append(len(self._queue) - 1)

    def drop(self) -> None:
        """Forget the queued words that were not accepted."""
        self._queue = self._queue[: self._open]
        self._lasts.clear()
        self._ahead.clear()

    def waiting(self) -> int:
        """Words queued and not accepted."""
        return len(self._queue) - self._open

    def allow(self, words: int) -> None:
        """Let m_axis deliver so many words."""
        self._credit = words

    def pop(self) -> tuple[Words, bool]:
        """Delivered words up to a TLAST."""
        end = next((i + 1 for i, (_, last) in enumerate(self._out) if last), len(self._out))
        taken, self._out = self._out[:end], self._out[end:]
        if not taken:
            return np.zeros(0, np.uint32), False
        return np.concatenate([words for words, _ in taken]), taken[-1][1]

    def advance(self, cycles: int) -> int:
        """Clock until an event that the DMA must see, or for `cycles`."""
        start = self.now
        while self.now - start < cycles:
            step = min(cycles - (self.now - start), *self._events())
            busy = bool(self._open or self._results)
            stop = self._tick(step)
            self.now += step
            self._counts["CYCLES_BUSY"] += step if busy or self._open or self._results else 0
            if stop:
                break
        return self.now - start

    def describe(self) -> str:
        """Where the accelerator stands."""
        return (
            f"accelerator: {self._open} of {self._group} samples of the open frame, {len(self._results)} results wait, "
            f"{self.waiting()} words not accepted"
        )

    def close(self) -> None:
        """Nothing to free."""

    def _accepting(self) -> bool:
        groups = -(-len(self._results) // self._manifest.n_channels)
        return bool(self._settings["CONTROL"] & 1) and self.waiting() > 0 and groups < self._depth

    def _events(self) -> list[int]:
        """Cycles until something changes: a frame completes, the queue runs dry, a result is ready or gone."""
        events = [1 << 40]
        if self._accepting():
            words = min(self.waiting(), self._group - self._open, *self._to_last())
            events.append(words * self._pace - self._phase)
        if self._results and self._credit:
            head = self._results[0]
            ready = head.ready - self.now
            events.append(ready if ready > 0 else min(len(head.words) - head.sent, self._credit))
        return events

    def _to_last(self) -> list[int]:
        return [self._lasts[0] + 1 - self._open] if self._lasts else []

    def _tick(self, step: int) -> bool:
        """Pass `step` cycles, in which nothing changes before their end; True when the DMA must look."""
        stop = False
        if self._results and self._results[0].ready <= self.now:
            if self._credit:
                stop = self._deliver(step)
            else:
                self._counts["CYCLES_STALLED"] += step
        if self._accepting():
            taken, self._phase = divmod(self._phase + step, self._pace)
            if taken and not self._open:
                self._started.append(self.now)
            self._open += taken
            last = bool(self._lasts) and self._lasts[0] == self._open - 1
            if self._open == self._group or last:
                self._close_group(last)
            stop = stop or not self.waiting()
        return stop

    def _deliver(self, step: int) -> bool:
        head = self._results[0]
        count = min(step, len(head.words) - head.sent, self._credit)
        words = head.words[head.sent : head.sent + count]
        head.sent += count
        self._credit -= count
        last = False
        if head.sent == len(head.words):
            self._results.popleft()
            self._counts["FRAMES_OUT"] += 1
            self._packet += 1
            last = self._packet >= self._settings["FRAMES_PER_PACKET"]
            self._packet = 0 if last else self._packet
        self._out.append((words, last))
        return last or not self._credit

    # Frames.

    def _close_group(self, last: bool) -> None:
        """End one frame of each channel: whole, or broken by a TLAST and filled with zeros."""
        n, T, size = self._manifest.n_channels, self._manifest.frame_len, self._open
        whole = [len(range(channel, size, n)) == T for channel in range(n)]
        if not self._ahead:
            self._look_ahead()
        if size < self._group:
            self._counts["FRAMING_ERRORS"] += 1
            words = np.concatenate([self._queue[:size], np.zeros(self._group - size, np.uint32)])
            group = self._execute(words, np.array([not every for every in whole]))[0]
            self._ahead.clear()
        else:
            group = self._ahead.popleft()
        logits = group.logits
        self._counts["SATURATED"] += group.saturated
        self._counts["FRAMES_IN"] += n
        if self._automatic:
            self._gains, self._shifts = group.gains, group.shifts
        ready = max(self.now + 1, self._started.popleft() + self._latency)
        for channel in range(n):
            self._results.append(_Result(self._result(channel, logits[channel], whole[channel]), ready))
        self._forget(size)

    def _forget(self, size: int) -> None:
        """Take the accepted words of the open group off the queue."""
        self._queue = self._queue[size:]
        self._lasts = deque(index - size for index in self._lasts if index >= size)
        self._open = 0

    def _result(self, channel: int, logits: NDArray[np.int32], whole: bool) -> Words:
        row, flags = logits[np.newaxis], 0 if whole else registers.FLAG_FRAMING
        channels, sequence, flagged = (np.array([value]) for value in (channel, self._sequence, flags))
        self._sequence = (self._sequence + 1) % 256
        return pack_results(Results(first_labels(self._graph, row), channels, sequence, flagged, row))

    def _look_ahead(self) -> None:
        """Compute all whole frames of the queue at once: the interpreter is fast on batches only."""
        end = self._lasts[0] + 1 if self._lasts else len(self._queue)
        groups = end // self._group
        if groups:
            self._ahead.extend(self._execute(self._queue[: groups * self._group]))

    def _execute(self, words: Words, broken: NDArray[np.bool_] | None = None) -> list[_Group]:
        """Compute whole groups, in order of arrival; `broken` (frames,) are padded."""
        raw, n = unpack_frames(words, self._manifest.frame_len, self._manifest.n_channels), self._manifest.n_channels
        gains, left = np.zeros(len(raw), np.int64), [self._gains] * (len(raw) // n)
        if self._automatic:
            rule, before = self._rule(), self._gains
            for group in range(len(left)):
                rows = slice(group * n, (group + 1) * n)
                gains[rows], before = rule.follow(raw[rows], before, broken)
                left[group] = before
        shifts = AutomaticGain.shifts(gains, self._shift())
        logits = self._logits(raw, shifts)
        saturated = self._saturated(raw, shifts)
        return [
            _Group(logits[rows], int(saturated[rows].sum()), shifts[rows].tolist(), left[group])
            for group in range(len(left))
            for rows in (slice(group * n, (group + 1) * n),)
        ]

    def _logits(self, raw: NDArray[np.int16], shifts: NDArray[np.int64]) -> NDArray[np.int32]:
        """Logits (n, classes) of frames in order of arrival, each at its own shift."""
        return golden_logits(self._graph, raw, shifts)

    def _saturated(self, raw: NDArray[np.int16], shifts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Samples (n,) of each frame of which I or Q saturates; the zeros of a broken one never do."""
        fmt = FixedFormat(self._manifest.input_bits, self._manifest.input_frac)
        counts = np.zeros(len(raw), np.int64)
        for shift in np.unique(shifts).tolist():
            rows = shifts == shift
            rounded = shift_round(raw[rows].astype(np.int64), self._manifest.wire_frac - shift - fmt.frac)
            counts[rows] = ((rounded < fmt.min_raw) | (rounded > fmt.max_raw)).any(axis=2).sum(axis=1)
        return counts

    @property
    def _automatic(self) -> bool:
        return bool(self._settings.get("AUTOMATIC_GAIN", 0))

    def _rule(self) -> AutomaticGain:
        highest = REGISTERS["HIGHEST_GAIN"].extract(self._settings.get("HIGHEST_GAIN", 0), "highest_gain")
        return replace(AutomaticGain.of(self._manifest), highest=highest)

    def _shift(self) -> int:
        return REGISTERS["INPUT_SHIFT"].extract(self._settings["INPUT_SHIFT"], "input_shift")
