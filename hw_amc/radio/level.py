"""The level of frames against that of a network's training, and by how much to change it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.interface.gain import AutomaticGain
from hw_amc.interface.wire import to_wire
from hw_amc.radio.files.frames import FrameFile
from hw_amc.radio.quality import LOST_LIMIT, SATURATED_LIMIT, InputPath, Quality

#: Deviation from the levels of training that is not warned about, dB. Measured on gru_cnn_sparse07 from 10 dB SNR on:
#: frames 1 dB below take its accuracy from 89 % to 79 %, 1 dB above to 62 %.
TOLERANCE_DB = 0.5

#: Spread of the frames' levels (10th to 90th of a hundred) from which one gain cannot serve them all, dB.
SPREAD_DB = 2.0

#: Frames that are looked at, spread evenly over the file, and how many at a time.
EXAMINED, _BATCH = 4096, 256

#: Decibels of one bit of `input_shift`, and the shifts that the accelerator has.
_BIT_DB, _SHIFTS = 20 * math.log10(2), range(-15, 16)


@dataclass
class Level:
    """Level of frames on their way into a network, as far as they were looked at."""

    path: InputPath
    #: Factor of the samples before anything else.
    gain: float = 1.0
    #: Lowest and highest level of training, dB about a mean power of 1; None where nobody knows it.
    trained_db: tuple[float, float] | None = None
    #: Whether the command has options that mend the level; else project.toml does.
    has_options: bool = True
    #: The accelerator's automatic gain, where it has one; and whether frames have it.
    rule: AutomaticGain | None = None
    is_levelled: bool = False
    quality: Quality = field(init=False)
    #: Powers as taken, times the gain; and those times the automatic gain, where frames have it.
    _taken: list[NDArray[np.float64]] = field(default_factory=list)
    _powers: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.quality = Quality(self.path)

    def add(self, frames: NDArray[np.float32]) -> None:
        """Take in frames (n, T, 2), not yet scaled by the gain."""
        scaled = scale(frames, self.gain)
        self._taken.append(_power_of(scaled))
        if self.rule is not None and self.is_levelled:
            # As if the frame before had been of the same level: those that are examined do not follow each other.
            gains = self.rule.gains(self.rule.levels(to_wire(scaled, self.path.wire_frac)))
            scaled = np.ldexp(scaled, gains[:, None, None].astype(np.int32))
        self.quality.add(scaled)
        self._powers.append(_power_of(scaled))

    @property
    def percentiles_db(self) -> tuple[float, float, float] | None:
        """Levels that 10, 50 and 90 of a hundred frames stay below, at the network's input; None of silence."""
        levels = _percentiles_db(self._powers)
        if levels is not None and self.path.normalise == "rms":
            levels = 0.0, 0.0, 0.0
        if levels is None:
            return None
        low, middle, high = (level + _BIT_DB * self.path.input_shift for level in levels)
        return low, middle, high

    @property
    def taken_db(self) -> tuple[float, float, float] | None:
        """The same of the samples as they are, times the gain."""
        return _percentiles_db(self._taken)

    def summary(self) -> str:
        """Give level, share of zeros and saturation in one line."""
        levels, taken = self.percentiles_db, self.taken_db
        if levels is None or taken is None:
            told = "silence"
        elif self.path.normalise == "rms":
            brought = f"each frame brought to {_told(levels[1])} dB (normalise = rms)"
            told = f"level {_told(taken[1])} dB ({_told(taken[0])} to {_told(taken[2])}), {brought}"
        else:
            told = f"level {_told(levels[1])} dB ({_told(levels[0])} to {_told(levels[2])})"
            if self.is_levelled:
                told = f"level {_told(taken[1])} dB, brought to {told.removeprefix('level ')} by the automatic gain"
        if self.trained_db is None:
            trained = "the level of training is not known"
        else:
            trained = "trained at " + " to ".join(map(_told, dict.fromkeys(self.trained_db))) + " dB"
        return (
            f"{told}; {trained}; {self.quality.lost_share:.1%} of the values round to zero,"
            f" {self.quality.saturated_share:.1%} saturate"
        )

    def problems(self) -> Iterator[str]:
        """Say what to mend, each in one line with its number."""
        advice = self._advice()
        if advice is None:
            yield from self.quality.problems()
            return
        yield advice
        yield from self.quality.receiver_problems()

    def _advice(self) -> str | None:
        """Say how the level comes to that of training; None where it is there, or nobody knows."""
        levels = self.percentiles_db
        if levels is None or self.trained_db is None:
            return None
        low, middle, high = levels
        deviation = middle - min(max(middle, self.trained_db[0]), self.trained_db[1])
        if abs(deviation) <= TOLERANCE_DB and max(self.trained_db[0] - low, high - self.trained_db[1]) <= SPREAD_DB:
            return None
        said = f"frames are {_told(deviation)} dB from the level of training{self._hurt()}"
        mend = "--normalise rms" if self.has_options else 'normalise = "rms" in project.toml'
        if high - low > SPREAD_DB:
            return f"{said} and spread over {high - low:.1f} dB, more than one gain mends: {mend}{self._automatic()}"
        gain = f"{self.gain * 10 ** (-deviation / 20):.4g}"
        first = f"--gain {gain}" if self.has_options else f"scale the samples by {gain}"
        return f"{said}: {first}{self._shift(deviation)}, or {mend}{self._automatic()}"

    def _automatic(self) -> str:
        """Say what the accelerator does by itself; nothing where it has no automatic gain, or does it already."""
        if self.rule is None or self.is_levelled or not self.has_options:
            return ""
        return ", or --automatic-gain (which leaves up to 4 dB)"

    def _hurt(self) -> str:
        """Say what the level has done to the values already."""
        lost, saturated = self.quality.lost_share, self.quality.saturated_share
        told = f", {lost:.0%} of the values round to zero" if lost > LOST_LIMIT else ""
        return told + (f", {saturated:.1%} saturate" if saturated > SATURATED_LIMIT else "")

    def _shift(self, deviation: float) -> str:
        """Say which shift comes nearest, and what it leaves; nothing where that is the present one."""
        wanted = self.path.input_shift - round(deviation / _BIT_DB)
        shift = min(max(wanted, _SHIFTS[0]), _SHIFTS[-1])
        left = deviation + _BIT_DB * (shift - self.path.input_shift)
        if shift == self.path.input_shift:
            return ""
        how = f"--input-shift {shift}" if self.has_options else f"input_shift = {shift} in project.toml"
        return f", {how} (which leaves {_told(left)} dB)"


def _told(level_db: float) -> str:
    """Give a level with its sign, and zero as +0.0."""
    return f"{round(level_db, 1) + 0.0:+.1f}"


def _power_of(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean power (n,) of frames (n, T, 2)."""
    found: NDArray[np.float64] = np.square(frames, dtype=np.float64).sum(axis=2).mean(axis=1)
    return found


def _percentiles_db(parts: list[NDArray[np.float64]]) -> tuple[float, float, float] | None:
    """Levels that 10, 50 and 90 of a hundred powers stay below; None of silence."""
    powers = np.concatenate(parts) if parts else np.zeros(0)
    heard = powers[powers > 0]
    if not len(heard):
        return None
    low, middle, high = 10 * np.log10(np.percentile(heard, (10, 50, 90)))
    return float(low), float(middle), float(high)


def scale(frames: NDArray[np.float32], gain: float) -> NDArray[np.float32]:
    """Multiply frames by a gain, in the type that they have."""
    return frames if gain == 1 else frames * np.float32(gain)


def examine(level: Level, file: FrameFile) -> None:
    """Take in frames of all over a file."""
    rows: NDArray[Any] = np.unique(np.linspace(0, len(file) - 1, min(len(file), EXAMINED)).astype(np.int64))
    for frames, _, _ in file.batches(rows, _BATCH):
        level.add(frames)
        file.release()
