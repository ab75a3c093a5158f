"""manifest.json: what bench, overlay and driver must know of one built accelerator.

Needs the standard library only, because the driver reads it on the board.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from hw_amc.errors import DataError
from hw_amc.interface import registers

SCHEMA = 3
#: Most bytes of a manifest: 256 classes of long names are less.
_MOST_BYTES = 1 << 20
_DIGEST = re.compile("[0-9a-f]{64}")


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
    #: Whether the shell has the automatic gain (registers `GAIN_TABLE`).
    automatic_gain: bool = False

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
        told = asdict(self)
        for name in _OPTIONS:
            if not told[name]:  # what an accelerator lacks is not spoken of
                del told[name]
        return json.dumps({"schema": SCHEMA, **told}, indent=2) + "\n"

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises
        ------
        DataError
            The file is missing, is not JSON, lacks a field or holds what none can be.
        """
        try:
            if path.exists() and not path.is_file():
                raise DataError(f"{path} is no plain file; build the accelerator first")
            with path.open("rb") as stream:
                text = stream.read(_MOST_BYTES + 1)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}; build the accelerator first") from error
        try:
            return cls.from_json(text)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Parse the text of a manifest.json; DataError when it is not one."""
        if len(text) > _MOST_BYTES:
            raise DataError(f"not a manifest: it is longer than {_MOST_BYTES:,} bytes")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"not a manifest: {error}") from error
        if not isinstance(data, dict) or _is_deep(data):
            raise DataError("not a manifest: it must hold a JSON object, of few levels")
        schema = data.pop("schema", None)
        if schema != SCHEMA:
            raise DataError(f"manifest has schema {schema!r}, expected {SCHEMA}; build the accelerator again")
        wanted = {field.name for field in fields(cls)}
        if differing := (set(data) ^ wanted) - (_OPTIONS - set(data)):
            raise DataError(f"manifest fields differ: {', '.join(sorted(differing))}")
        heads = data["heads"]
        if not isinstance(heads, list) or not heads or not all(map(_is_head, heads)):
            raise DataError("manifest: heads must be a list of a name and class names each")
        for name, value in data.items():
            _require_value(name, value)
        data["heads"] = tuple(Head(head["name"], tuple(head["classes"])) for head in heads)
        return cls(**data)


#: Levels of a manifest: itself, the list of heads, a head, its classes.
_LEVELS = 4

_TEXTS = ("name", "board", "part")
_DIGESTS = ("graph_digest", "project_digest")
_WORDS = {"flow": ("rtl", "hls"), "mode": ("frames", "channels"), "normalise": ("none", "rms")}
_UNKNOWN = ("cycles_per_frame", "latency_cycles")
#: Left out where an accelerator does not have them.
_OPTIONS = frozenset({"automatic_gain"})
_FRACTIONS = ("wire_frac", "input_shift", "input_frac", "logit_frac")


def _is_deep(data: Any) -> bool:
    level = [data]
    for _ in range(_LEVELS):
        level = [
            below
            for item in level
            for below in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        ]
    return any(isinstance(item, (dict, list)) for item in level)


def _is_head(head: Any) -> bool:
    if not isinstance(head, dict) or set(head) != {"name", "classes"} or not isinstance(head["classes"], list):
        return False
    return bool(head["classes"]) and all(isinstance(text, str) for text in (head["name"], *head["classes"]))


def _require_value(name: str, value: Any) -> None:
    """Require one field of a manifest to be of its kind and in its range."""
    if name == "heads":
        return
    if name in _TEXTS:
        fits, wanted = isinstance(value, str), "a text"
    elif name == "project_digest" and value == "":  # not yet packed
        fits, wanted = True, ""
    elif name in _DIGESTS:
        fits, wanted = isinstance(value, str) and _DIGEST.fullmatch(value) is not None, "a SHA-256 in hex"
    elif name in _WORDS:
        fits, wanted = value in _WORDS[name], " or ".join(_WORDS[name])
    elif name == "clock_mhz":
        fits, wanted = type(value) in (int, float) and 0 < value < 10**5, "a clock in MHz"
    elif name in _OPTIONS:
        fits, wanted = value is True, "true, or left out"
    elif name in _FRACTIONS:
        fits, wanted = type(value) is int and -128 <= value <= 127, "a whole number from -128 to 127"
    else:
        fits = (type(value) is int and 1 <= value < 1 << 32) or (value is None and name in _UNKNOWN)
        wanted = "a whole number from 1 to 4,294,967,295"
    if not fits:
        raise DataError(f"manifest: {name} must be {wanted}, not {repr(value)[:80]}; build the accelerator again")
