"""In which range of levels a network keeps its accuracy: frames of the level of training, louder and softer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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

    @classmethod
    def load(cls, section: Mapping[str, Any]) -> GainAccuracy:
        """Read `gain_db` of an accuracy.json."""
        found = {float(gain): float(share) for gain, share in section["accuracy"].items()}
        return cls(int(section["frames"]), dict(sorted(found.items())), section.get("snr_db_from"))

    def to_section(self) -> dict[str, Any]:
        """Return `gain_db` of an accuracy.json."""
        shares = {f"{gain:g}": round(share, 5) for gain, share in self.accuracy.items()}
        low, high = self.kept_db
        of = {} if self.snr_db_from is None else {"snr_db_from": self.snr_db_from}
        return {"frames": self.frames, **of, "accuracy": shares, "kept_from_db": low, "kept_to_db": high}

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
        return (
            f"Accuracy stays within {100 * KEPT:g} points of that at the level of training from {low:+g} to {high:+g}"
            " dB."
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


def put_into_card(card: str, found: GainAccuracy) -> str:
    """Return a model's card with its section on levels, in place of the one that it has or before the next."""
    text = "\n".join(found.lines()) + "\n\n"
    kept = re.sub(rf"^{HEADING}\n.*?(?=^## )", "", card, flags=re.MULTILINE | re.DOTALL)
    place = re.search(r"^## (Confusion|Network)$", kept, re.MULTILINE)
    assert place is not None  # of every card
    return kept[: place.start()] + text + kept[place.start() :]
