"""manifest.json: what bench, overlay and driver must know of one built accelerator.

Needs the standard library only, because the driver reads it on the board.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from hw_amc.errors import DataError
from hw_amc.interface import registers

SCHEMA = 3


@dataclass(frozen=True)
class Head:
    """One output of the network: its node and the names of its classes, in the order of the logits."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """One built accelerator; written beside its sources, shipped beside its bitstream."""

    #: Top module, IP name, and name of the block in the overlay.
    name: str
    #: SHA-256 of the saved graph, in hex; its first 64 bits stand in the registers.
    graph_digest: str
    #: SHA-256 over the accelerator's sources.
    project_digest: str
    #: Where the core comes from.
    flow: Literal["rtl", "hls"]
    #: Version of the register interface (`registers.VERSION`).
    interface: int
    #: Samples in a frame, T.
    frame_len: int
    #: Fraction bits of the 16-bit wire words.
    wire_frac: int
    #: How float frames become wire words, as in training (`hw_amc.radio.to_wire`).
    normalise: Literal["none", "rms"]
    #: Left shift of the wire words after reset (register INPUT_SHIFT).
    input_shift: int
    #: Format of the network's input.
    input_bits: int
    input_frac: int
    heads: tuple[Head, ...]
    #: Fraction bits of every logit.
    logit_frac: int
    mode: Literal["frames", "channels"]
    #: Frames that the core works on at a time, K.
    contexts: int
    #: Channels that arrive round robin; 1 in frames mode.
    n_channels: int
    #: Independent pairs of streams.
    lanes: int
    #: Predicted clock cycles between results, input back to back, averaged over K of them (channel
    #: mode: over n_channels); None when unknown (HLS).
    cycles_per_frame: int | None
    #: Predicted clock cycles from the first frame's first sample to its last result word; None when unknown (HLS). A
    #: frame that finds the contexts' slots at another phase takes up to one round of K slots more or fewer.
    latency_cycles: int | None
    board: str
    part: str
    clock_mhz: float

    @property
    def classes(self) -> int:
        """Logits in a result, all heads together."""
        return sum(len(head.classes) for head in self.heads)

    @property
    def result_words(self) -> int:
        """Words in a result."""
        return 1 + self.classes

    @property
    def round_results(self) -> int:
        """Results over which `cycles_per_frame` is an average: those of frames that are computed together."""
        return self.n_channels if self.mode == "channels" else self.contexts

    def constants(self) -> dict[str, int]:
        """Return what the accelerator's constant registers read, by register name."""
        low, high = registers.digest_words(self.graph_digest)
        mode = {"channel_mode": self.mode == "channels", "n_channels": self.n_channels, "contexts": self.contexts}
        points = {"wire_frac": self.wire_frac, "input_frac": self.input_frac, "logit_frac": self.logit_frac}
        return {
            "MAGIC": registers.MAGIC,
            "VERSION": self.interface,
            "DIGEST_LO": low,
            "DIGEST_HI": high,
            "FRAME_LEN": self.frame_len,
            "CLASSES": self.classes,
            "RESULT_WORDS": self.result_words,
            "MODE": registers.REGISTERS["MODE"].pack(**mode),
            "FORMAT": registers.REGISTERS["FORMAT"].pack(**points, input_bits=self.input_bits),
        }

    def to_json(self) -> str:
        """Return the text of manifest.json."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises
        ------
        DataError
            The file is missing, is not JSON, or lacks a field.
        """
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}; build the accelerator first") from error
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Parse the text of a manifest.json; DataError when it is not one."""
        try:
            data: dict[str, Any] = json.loads(text)
            schema = data.pop("schema")
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise DataError(f"not a manifest: {error}") from error
        if schema != SCHEMA:
            raise DataError(f"manifest has schema {schema!r}, expected {SCHEMA}; build the accelerator again")
        wanted = {field.name for field in fields(cls)}
        if set(data) != wanted:
            raise DataError(f"manifest fields differ: {', '.join(sorted(set(data) ^ wanted))}")
        data["heads"] = tuple(Head(head["name"], tuple(head["classes"])) for head in data["heads"])
        return cls(**data)
