"""In which range of levels a network keeps its accuracy: frames of the level of training, louder and softer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.interface.wire import WIRE_BITS

#: Gains at which a network is measured, dB of the amplitude.
GAINS_DB = (-12.0, -6.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0)

#: Accuracy that may be lost within the range in which a network counts as keeping it, share.
KEPT = 0.05

#: Heading of the section of a model's card.
HEADING = "## Level"


@dataclass(frozen=True)
class GainAccuracy:
    """Accuracy of a network on the same frames at several gains, ascending."""

    frames: int
    #: dB -> share, 0..1
    accuracy: Mapping[float, float]
    #: Lowest SNR of the frames, dB; None where frames of all SNRs are taken.
    snr_db_from: int | None
    #: The same accuracies behind the accelerator's automatic gain, where it has one.
    automatic: Mapping[float, float] | None = None

    @classmethod
    def load(cls, section: Mapping[str, Any]) -> GainAccuracy:
        """Read `gain_db` of an accuracy.json."""
        automatic = section.get("accuracy_automatic_gain")
        found = (_by_gain(section["accuracy"]), None if automatic is None else _by_gain(automatic))
        return cls(int(section["frames"]), found[0], section.get("snr_db_from"), found[1])

    def to_section(self) -> dict[str, Any]:
        """Return `gain_db` of an accuracy.json."""
        low, high = self.kept_db
        of = {} if self.snr_db_from is None else {"snr_db_from": self.snr_db_from}
        behind = {} if self.automatic is None else {"accuracy_automatic_gain": _rounded(self.automatic)}
        accuracy = {"accuracy": _rounded(self.accuracy), **behind}
        return {"frames": self.frames, **of, **accuracy, "kept_from_db": low, "kept_to_db": high}

    @property
    def kept_db(self) -> tuple[float, float]:
        """Lowest and highest gain about 0 dB up to which accuracy stays within `KEPT` of that at 0 dB."""
        floor = self.accuracy[0.0] - KEPT
        ends = []
        for way in (sorted((g for g in self.accuracy if g <= 0), reverse=True), [g for g in self.accuracy if g >= 0]):
            kept = 0.0
            for gain in way:
                if self.accuracy[gain] < floor:
                    break
                kept = gain
            ends.append(kept)
        return ends[0], ends[1]

    def told(self) -> str:
        """Say in which range the accuracy is kept."""
        low, high = self.kept_db
        told = (
            f"Accuracy stays within {100 * KEPT:g} points of that at the level of training from {low:+g} to {high:+g}"
            " dB."
        )
        if self.automatic is None:
            return told
        shares = self.automatic.values()
        return (
            f"{told} Behind the accelerator's automatic gain (--automatic-gain) it is {100 * min(shares):.1f} to"
            f" {100 * max(shares):.1f} % from {min(self.automatic):+g} to {max(self.automatic):+g} dB."
        )

    def lines(self) -> Iterator[str]:
        """Write it up as a section of a card."""
        yield from (HEADING, "")
        snrs = "all SNRs" if self.snr_db_from is None else f"{self.snr_db_from} dB SNR and more"
        yield (
            f"Measured on {self.frames} held-out frames of {snrs}, louder and softer than"
            f' those of training. {self.told()} Frames of other levels: `normalise = "rms"`, a gain, or `input_shift`.'
        )
        yield from ("", "| gain, dB | top-1 accuracy, % |", "| --- | --- |")
        yield from (f"| {gain:+g} | {100 * share:.2f} |" for gain, share in self.accuracy.items())


def _by_gain(shares: Mapping[str, Any]) -> dict[float, float]:
    return dict(sorted((float(gain), float(share)) for gain, share in shares.items()))


def _rounded(shares: Mapping[float, float]) -> dict[str, float]:
    return {f"{gain:g}": round(share, 5) for gain, share in shares.items()}


def scale_words(words: NDArray[np.int16], gain_db: float) -> NDArray[np.int16]:
    """Scale wire words as a receiver with another gain would have put them onto the wire, saturated at its ends."""
    half = 1 << (WIRE_BITS - 1)
    scaled: NDArray[np.int16] = np.rint(words * 10 ** (gain_db / 20)).clip(-half, half - 1).astype(np.int16)
    return scaled


def accuracy_by_gain(
    words: NDArray[np.int16], judge: Callable[[list[NDArray[np.int16]]], Iterable[NDArray[np.bool_]]]
) -> dict[float, float]:
    """Share of right answers at each of `GAINS_DB`.

    Parameters
    ----------
    words : int16 array (n, T, 2)
        Frames of the level of training.
    judge : callable
        Takes such frames of every gain, and says of each gain's (n,) which are answered rightly.
    """
    answers = judge([scale_words(words, gain_db) for gain_db in GAINS_DB])
    return {gain_db: float(right.mean()) for gain_db, right in zip(GAINS_DB, answers, strict=True)}


def put_into_card(card: str, found: GainAccuracy) -> str:
    """Return a model's card with its section on levels, in place of the one that it has or before the next."""
    text = "\n".join(found.lines()) + "\n\n"
    kept = re.sub(rf"^{HEADING}\n.*?(?=^## )", "", card, flags=re.MULTILINE | re.DOTALL)
    place = re.search(r"^## (Confusion|Network)$", kept, re.MULTILINE)
    assert place is not None  # of every card
    return kept[: place.start()] + text + kept[place.start() :]
