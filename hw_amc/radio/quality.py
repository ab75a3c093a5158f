"""What of some frames will hurt: saturation on the way into a network, an offset, clipping, silence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat, shift_round
from hw_amc.interface.wire import WIRE_BITS, WIRE_FRAC, Normalisation, saturates, to_wire

#: Shares from which a figure is warned about: of the values, of the power, of the values.
SATURATED_LIMIT, OFFSET_LIMIT, CLIPPED_LIMIT = 0.01, 0.01, 0.001

#: Share of the values that rounding to the network's input may take to zero, before it is warned about.
LOST_LIMIT = 0.5

#: Values that must share an end before it counts as clipping: any two frames have a highest and a lowest value.
_CLIPPED_VALUES = 16

#: How much larger than that of carriers of random phase a common offset must be, in power.
_COMMON = 4


@dataclass(frozen=True)
class InputPath:
    """How float frames reach a network: normalised, to wire words, to the network's own input format."""

    normalise: Normalisation = "none"
    wire_frac: int = WIRE_FRAC
    input_shift: int = 0
    #: Of the network; None stops at the wire.
    fmt: FixedFormat | None = None

    @property
    def highest(self) -> float:
        """Bound of the values that pass without saturation."""
        wire = 2.0 ** (WIRE_BITS - 1 - self.wire_frac)
        if self.fmt is None:
            return wire
        return float(min(wire, self.fmt.max_abs * 2.0 ** (-self.fmt.frac - self.input_shift)))

    @property
    def step(self) -> float:
        """Difference of neighbouring values at the network's input, or on the wire."""
        return float(2.0 ** -(self.wire_frac if self.fmt is None else self.fmt.frac + self.input_shift))

    def to_raw(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Integers at the network's input, or on the wire, not saturated: (n, T, 2); errors are those of `to_wire`."""
        words: NDArray[Any] = to_wire(frames, self.wire_frac, self.normalise)
        if self.fmt is None:
            return words
        return shift_round(words.astype(np.int64), self.wire_frac - self.input_shift - self.fmt.frac)

    def are_alike(self, frames: NDArray[Any]) -> bool:
        """Whether several frames are all the same at the network's input."""
        raw = self.to_raw(frames)
        return len(raw) > 1 and bool((raw == raw[:1]).all())

    def loses(self, frames: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values other than zero become zero on the way: (n, T, 2); errors are those of `to_wire`."""
        found: NDArray[np.bool_] = (self.to_raw(frames) == 0) & (frames != 0)
        return found

    def saturates(self, frames: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values saturate on the way: (n, T, 2); errors are those of `to_wire`."""
        on_wire, words = saturates(frames, self.wire_frac, self.normalise)
        if self.fmt is None:
            return on_wire
        raw = shift_round(words.astype(np.int64), self.wire_frac - self.input_shift - self.fmt.frac)
        found: NDArray[np.bool_] = on_wire | (raw < self.fmt.min_raw) | (raw > self.fmt.max_raw)
        return found


@dataclass
class Quality:
    """Figures over frames that come a batch at a time."""

    path: InputPath = field(default_factory=InputPath)
    frames: int = 0
    values: int = 0
    power: float = 0.0
    saturated: int = 0
    lost: int = 0
    silent: int = 0
    #: Sums over frames of the mean (I, Q), and of its square.
    offset: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    offset_power: float = 0.0
    #: Lowest and highest value so far, and how many values equal them.
    _ends: dict[int, tuple[float, int]] = field(default_factory=dict)

    def add(self, frames: NDArray[np.float32]) -> None:
        """Take in frames (n, T, 2)."""
        wide = frames.astype(np.float64)
        energy = np.square(wide).sum(axis=(1, 2))
        means = wide.mean(axis=1)
        self.frames += len(frames)
        self.values += frames.size
        self.power += float(energy.sum())
        self.silent += int(np.count_nonzero(energy == 0))
        self.saturated += int(np.count_nonzero(self.path.saturates(frames)))
        self.lost += int(np.count_nonzero(self.path.loses(frames)))
        self.offset += means.sum(axis=0)
        self.offset_power += float(np.square(means).sum())
        for sign in (-1, 1):
            self._count_end(sign, frames)

    def _count_end(self, sign: int, frames: NDArray[np.float32]) -> None:
        end = float((sign * frames).max(initial=-np.inf))
        count = int(np.count_nonzero(sign * frames == end))
        known, before = self._ends.get(sign, (-np.inf, 0))
        if end >= known:
            self._ends[sign] = (end, count + (before if end == known else 0))

    @property
    def mean_power(self) -> float:
        """Mean of I**2 + Q**2."""
        return 2 * self.power / self.values if self.values else 0.0

    @property
    def mean_offset(self) -> tuple[float, float]:
        """Mean of I and of Q."""
        i, q = self.offset / max(self.frames, 1)
        return float(i), float(q)

    @property
    def saturated_share(self) -> float:
        """Share (0..1) of the I and Q values that saturate on the way into the network."""
        return self.saturated / max(self.values, 1)

    @property
    def lost_share(self) -> float:
        """Share (0..1) of the I and Q values that are not zero and become zero on the way into the network."""
        return self.lost / max(self.values, 1)

    def _quiet(self) -> str:
        shift = self.path.input_shift - math.ceil(math.log2(self.mean_power) / 2)
        mend = "" if self.path.normalise == "rms" else ', or normalise = "rms"'
        return (
            f"{self.lost_share:.0%} of the values round to zero at the network's input, whose step is"
            f" {self.path.step:.3g}; the mean power is {self.mean_power:.3g}: scale the samples by"
            f" {2.0 ** (shift - self.path.input_shift):g}, or set input_shift = {min(shift, 15)} in project.toml{mend}"
        )

    @property
    def clipped_share(self) -> float:
        """Share (0..1) of the I and Q values that sit at the very lowest or highest value of all."""
        low, high = self._ends.get(-1, (0.0, 0)), self._ends.get(1, (0.0, 0))
        count = low[1] + high[1]
        return 0.0 if -low[0] == high[0] or count < _CLIPPED_VALUES else count / self.values

    def problems(self) -> list[str]:
        """Say what to mend, each in one line with its number; empty when all is well."""
        return [*self._silence(), *self._of_level(), *self.receiver_problems()]

    def _silence(self) -> list[str]:
        return [f"{self.silent} of {self.frames} frames hold nothing but zeros; drop them"] if self.silent else []

    def _of_level(self) -> list[str]:
        found = []
        if self.saturated_share > SATURATED_LIMIT:
            mend = "" if self.path.normalise == "rms" else ', or train and run with normalise = "rms"'
            found.append(
                f"{self.saturated_share:.1%} of the I and Q values saturate: the network's input ends at"
                f" {self.path.highest:g} and the mean power is {self.mean_power:.3g}; scale the samples{mend}"
            )
        if self.lost_share > LOST_LIMIT and self.mean_power:
            found.append(self._quiet())
        return found

    def receiver_problems(self) -> list[str]:
        """Say what no other level mends: a constant offset, clipping."""
        found = []
        i, q = self.mean_offset
        common = i * i + q * q
        if common > max(OFFSET_LIMIT * self.mean_power, _COMMON * self.offset_power / max(self.frames, 1) ** 2):
            found.append(
                f"a constant offset of ({i:.3g}, {q:.3g}) is {common / self.mean_power:.1%} of the power: the"
                " receiver's DC, or a carrier at 0 Hz; subtract it unless the network was trained with it"
            )
        if self.clipped_share > CLIPPED_LIMIT:
            found.append(
                f"{self.clipped_share:.1%} of the I and Q values are the highest or lowest value itself: the receiver"
                " clipped; record again with less gain"
            )
        return found
