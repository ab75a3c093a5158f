"""The shell's automatic gain: the shift of a channel's frame follows from the level of its frame before.

The *level* of a frame is the sum of |I| + |Q| + 2 max(|I|, |Q|) over its wire words: within 0.51 dB of 3 times the sum
of the magnitudes, whatever the phases, and twice as large for a signal twice as large, exactly. Its *gain* is the whole
number g with

    T 2^(wire_frac + 1) <= level 2^g < T 2^(wire_frac + 2),

or `highest` where that is less: frames of mean power 1, the level of training, lie near the middle of that octave and
need none. A frame is shifted by INPUT_SHIFT and the gain of the last frame of its channel that was whole and not
silent: 0 for the first one after a reset. docs/rtl.md says it as well; the Verilog is `amc_shell_gain.v`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.interface.manifest import Manifest
from hw_amc.interface.registers import HIGHEST_GAIN
from hw_amc.interface.wire import WIRE_BITS

#: The mend where an accelerator lacks it.
MISSING = (
    "the accelerator is built without an automatic gain: set automatic_gain = true under [rtl] in project.toml and "
    "build it again"
)

#: Gains of the channels, as the frames so far have left them.
Gains = tuple[int, ...]

#: Least and largest shift that the hardware passes on.
_SHIFTS = (-128, 127)


@dataclass(frozen=True)
class AutomaticGain:
    """The rule of one accelerator."""

    #: Samples in a frame, T.
    frame_len: int
    #: Fraction bits of the wire words, 0 to 15.
    wire_frac: int
    #: Channels whose frames take turns.
    n_channels: int = 1
    #: Highest gain, -128 to 127.
    highest: int = HIGHEST_GAIN

    @classmethod
    def of(cls, manifest: Manifest) -> AutomaticGain:
        """Return the rule of an accelerator as it stands after a reset."""
        return cls(manifest.frame_len, manifest.wire_frac, manifest.n_channels)

    @property
    def least_level(self) -> int:
        """Least level that needs no gain."""
        return self.frame_len << (self.wire_frac + 1)

    @property
    def highest_level(self) -> int:
        """Level of a frame of the largest words there are."""
        return self.frame_len * 4 << (WIRE_BITS - 1)

    @property
    def start(self) -> Gains:
        """Gains after a reset."""
        return (0,) * self.n_channels

    def levels(self, frames: NDArray[np.int16]) -> NDArray[np.int64]:
        """Levels (n,) of wire words (n, T, 2)."""
        sizes = np.abs(frames.astype(np.int32))
        found: NDArray[np.int64] = (sizes.sum(axis=2) + 2 * sizes.max(axis=2)).sum(axis=1, dtype=np.int64)
        return found

    def gains(self, levels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Gains (n,) that levels ask for; of silence, which asks for none, `highest`."""
        # Levels are below 2^53: their mantissas and exponents are exact.
        wanted, exponent = np.frexp(self.least_level)
        found, exponents = np.frexp(levels)
        needed = np.where(levels > 0, exponent - exponents + (found < wanted), self.highest)
        return np.minimum(needed.astype(np.int64), self.highest)

    def follow(
        self, frames: NDArray[np.int16], gains: Gains, broken: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], Gains]:
        """Return the gains (n,) that frames have, in order of arrival, and those that they leave to the next ones.

        Parameters
        ----------
        frames : int16 array (n, T, 2)
            Frame i is of channel i mod n_channels.
        gains : Gains
            Of the channels, before: `start`, or what the frames before have left.
        broken : bool array (n,), optional
            Frames that a TLAST has cut short.
        """
        levels = self.levels(frames)
        heard = levels > 0 if broken is None else (levels > 0) & ~broken
        wanted = self.gains(levels)
        had, left = np.zeros(len(frames), np.int64), list(gains)
        for channel in range(self.n_channels):
            rows = slice(channel, None, self.n_channels)
            own = wanted[rows][heard[rows]]
            # How many frames that count came before each one; 0: the gain is still that of before.
            before = np.cumsum(heard[rows]) - heard[rows]
            had[rows] = np.concatenate([[gains[channel]], own])[before]
            left[channel] = int(own[-1]) if len(own) else gains[channel]
        return had, tuple(left)

    @staticmethod
    def shifts(gains: NDArray[Any], input_shift: int) -> NDArray[np.int64]:
        """Shifts (n,) of frames that have these gains, beside the register's `input_shift`."""
        found: NDArray[np.int64] = np.clip(gains + input_shift, *_SHIFTS)
        return found
