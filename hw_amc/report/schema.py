"""What report.json may hold: one table of keys, and one of sections.

A new figure is added here first: its rule in `RULES`, and its key in the sections that may carry it. The schema
is written up in docs/report.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hw_amc.config import suggest
from hw_amc.errors import ConfigError
from hw_amc.text import plain

#: Version of the schema; a report of another version is refused. New keys and sections leave it as it is.
SCHEMA = 1
#: `measured` here, `estimated` by a formula or an assumed clock, `published` by somebody else.
KINDS = ("measured", "estimated", "published")
#: Characters of a text.
MOST_CHARACTERS = 4000
#: Any name that stands for a board, a device, a step or a tool's report.
ANY = "*"

Number = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(pattern=r"\S")]
Scalar = bool | int | Number | Text
BySnr = dict[Annotated[str, Field(pattern=r"^-?[0-9]+$")], Fraction]


def _with_percentiles(table: dict[str, float]) -> dict[str, float]:
    if not {"p50", "p90", "p99"} <= set(table):
        raise ValueError("p50, p90 and p99 belong to it")
    return table


def _occurring(counts: dict[str, int]) -> dict[str, int]:
    if not any(counts.values()):
        raise ValueError("no frame is counted")
    return counts


class _Sent(BaseModel):
    """A class that occurs, with the counts of what its frames were taken for."""

    model_config = ConfigDict(extra="forbid")

    sent: Text
    recognised: Annotated[dict[Text, Count], AfterValidator(_occurring)]


@dataclass(frozen=True)
class Rule:
    """What a key's value must be; a `figure` needs a kind, a setting does not."""

    type: Any
    wanted: str
    figure: bool = True

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.type)

    def check(self, value: Any) -> bool:
        """Tell whether a value of a report is of the type."""
        try:
            self._adapter.validate_python(value, strict=True)
        except ValidationError:
            return False
        return True


_COUNT = Rule(Count, "a whole number, 0 or more")
_AMOUNT = Rule(Amount, "a number, 0 or more")
_FRACTION = Rule(Fraction, "a number from 0 to 1")
_AMOUNTS = Rule(dict[Text, Amount], "a table of numbers, 0 or more")
_NUMBERS = Rule(dict[Text, Number], "a table of numbers")
_PERCENTILES = Rule(Annotated[dict[Text, Amount], AfterValidator(_with_percentiles)], "a table with p50, p90 and p99")
_BY_SNR = Rule(BySnr, 'a table of fractions by SNR in dB, such as {"10": 0.93}')
_ROWS = Rule(list[dict[Text, Scalar | dict[Text, Scalar]]], "a list of tables of numbers or words")
_CONFUSION = Rule(list[_Sent], "a list of tables of `sent` and `recognised`, a table of counts")
_TEXT = Rule(Text, "a word or sentence", figure=False)
_TEXTS = Rule(dict[Text, Text], "a table of words", figure=False)
_SETTING = Rule(Count, "a whole number, 0 or more", figure=False)
_AMOUNT_SET = Rule(Amount, "a number, 0 or more", figure=False)
_FREE = Rule(Text | dict[Text, Scalar], "words, or a table", figure=False)

RULES: dict[str, Rule] = {
    **dict.fromkeys(("command", "date", "note", "tool", "part", "board", "device", "reference"), _TEXT),
    **dict.fromkeys(("name", "op", "mode", "reason", "log_sha256", "graph_sha256", "weights_sha256"), _TEXT),
    **dict.fromkeys(("backend", "strategy", "source", "version", "calibration"), _TEXT),
    **dict.fromkeys(("formats", "versions"), _TEXTS),
    "eval_set": _FREE,
    **dict.fromkeys(
        ("R", "K", "lanes", "n_channels", "reuse_factor", "batch", "frame_samples", "tuning_steps"), _SETTING
    ),
    **dict.fromkeys(("clock_mhz", "clock_ns"), _AMOUNT_SET),
    **dict.fromkeys(("parameters", "nonzeros", "weight_bits", "kernel_weights", "kernel_nonzeros"), _COUNT),
    **dict.fromkeys(("macs_per_frame", "nonzero_macs_per_frame", "memory_bytes", "weights", "macs"), _COUNT),
    **dict.fromkeys(("frames", "mismatches", "tensors", "integers", "calibration_frames"), _COUNT),
    "cycles_per_frame": _AMOUNT,  # a mean over a run need not be whole
    **dict.fromkeys(("predicted_cycles_per_frame", "latency_cycles", "cycles", "interval_cycles"), _COUNT),
    **dict.fromkeys(("lut", "ff", "dsp", "uram", "carry"), _COUNT),
    **dict.fromkeys(("bram36", "bram18", "seconds", "seconds_compile", "frames_per_s", "cycles_per_s"), _AMOUNT),
    **dict.fromkeys(("convert_us_per_frame", "driver_us_per_frame"), _AMOUNT),
    **dict.fromkeys(("dma_transfers_per_frame", "bytes_per_frame"), _AMOUNT),
    **dict.fromkeys(("wall_frames_per_s", "device_frames_per_s", "arrival_ns", "fmax_mhz"), _AMOUNT),
    **dict.fromkeys(("sparsity", "average_accuracy", "accuracy_at_least_10_db"), _FRACTION),
    **dict.fromkeys(("accuracy_before", "accuracy_untuned", "accuracy_after", "same_answers"), _FRACTION),
    **dict.fromkeys(("dynamic_w", "static_w", "energy_uj_per_frame"), _AMOUNT),
    "toggle_rate": _FRACTION,
    "energy_uj": _AMOUNTS,
    "accuracy": _BY_SNR,
    "confusion": _CONFUSION,
    **dict.fromkeys(("wall_latency_us", "device_latency_us"), _PERCENTILES),
    **dict.fromkeys(("percent", "estimated"), _AMOUNTS),
    **dict.fromkeys(("error_percent", "timing", "sqnr_db"), _NUMBERS),
    **dict.fromkeys(("sweep", "blocks", "routed", "heads"), _ROWS),
}

_EVERY = ("command", "kind", "date", "note", "seconds", "version", "versions", "log_sha256")
_RESOURCES = ("lut", "ff", "dsp", "bram36", "uram", "carry", "percent")
_COMPARED = ("frames", "mismatches", "tensors", "integers", "frames_per_s", "reference")

#: Path of each innermost object -> its keys. `ANY` stands for a name.
SECTIONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("model",): (
        *("name", "graph_sha256", "weights_sha256", "parameters", "nonzeros", "weight_bits", "sparsity"),
        *("kernel_weights", "kernel_nonzeros", "macs_per_frame", "nonzero_macs_per_frame", "memory_bytes"),
        *("frame_samples", "heads", "eval_set", "accuracy", "average_accuracy", "accuracy_at_least_10_db"),
    ),
    ("evaluation", ANY): (
        *("source", "frames", "accuracy", "average_accuracy", "accuracy_at_least_10_db", "confusion"),
    ),
    ("quantisation",): (
        *("source", "frames", "accuracy_before", "accuracy_after", "same_answers", "sqnr_db"),
        *("calibration", "calibration_frames", "accuracy_untuned", "tuning_steps"),
    ),
    ("golden",): _COMPARED,
    ("csim", "ap_fixed"): (*_COMPARED, "seconds_compile", "backend"),
    ("csim", "native"): (*_COMPARED, "seconds_compile", "backend"),
    ("hls", ANY): (
        *("tool", "part", "clock_ns", "latency_cycles", "interval_cycles", "cycles_per_frame", "fmax_mhz", "bram18"),
        *("frames", "mismatches", "blocks"),
        *_RESOURCES,
    ),
    ("estimate", ANY): (
        *("board", "part", "clock_mhz", "R", "K", "lanes", "reuse_factor", "cycles_per_frame", "latency_cycles"),
        *("frames_per_s", "sweep"),
        *_RESOURCES,
    ),
    ("cosim", "verilator"): (
        *_COMPARED,
        *("cycles_per_frame", "predicted_cycles_per_frame", "latency_cycles", "cycles_per_s", "seconds_compile"),
        *("R", "K", "lanes", "n_channels", "mode", "source"),
    ),
    ("synth", ANY): (
        *("tool", "part", "R", "K", "lanes", "mode", "clock_mhz", "arrival_ns", "fmax_mhz", "cycles_per_frame"),
        *("frames_per_s", "timing", "estimated", "error_percent", "blocks", "routed"),
        *_RESOURCES,
    ),
    ("power", ANY): (
        *("part", "R", "K", "lanes", "mode", "clock_mhz", "frames", "cycles", "cycles_per_frame", "frames_per_s"),
        *("toggle_rate", "energy_uj_per_frame", "energy_uj", "dynamic_w", "static_w", "lut", "ff", "blocks", "sweep"),
    ),
    ("bench", ANY): (
        *("device", "frames", "mismatches", "wall_frames_per_s", "cycles_per_frame", "device_frames_per_s"),
        *("wall_latency_us", "device_latency_us", "clock_mhz", "batch", "R", "K", "n_channels", "mode"),
        *("convert_us_per_frame", "driver_us_per_frame", "dma_transfers_per_frame", "bytes_per_frame"),
    ),
    ("steps", ANY): (),
    ("not_run", ANY): ("reason",),
}
SECTIONS["cosim", "icarus"] = SECTIONS["cosim", "verilator"]

#: Keys of one entry of the list `layers`.
LAYER = (
    *("name", "op", "weights", "nonzeros", "macs", "formats", "reuse_factor", "strategy", "cycles"),
    *("latency_cycles", "lut", "ff", "dsp", "bram36", "uram", "carry"),
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def keys_of(path: tuple[str, ...]) -> tuple[str, ...] | None:
    """Keys of the innermost object at `path`, None where there is none."""
    if path in SECTIONS:
        return SECTIONS[path]
    return SECTIONS.get((*path[:-1], ANY)) if path[1:] and _NAME.fullmatch(path[-1]) else None


def to_plain(value: Any) -> Any:
    """Return `value` as JSON gives it back: numpy numbers as Python's, tuples as lists, keys as text.

    Texts become printable lines: a file name may hold bytes that no JSON can.
    """
    if isinstance(value, dict):
        return {plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return plain(value, limit=MOST_CHARACTERS)
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def figures(item: dict[str, Any]) -> list[str]:
    """Keys of an innermost object that need a kind."""
    return [key for key in item if key in RULES and RULES[key].figure]


def check_report(report: dict[str, Any]) -> None:
    """Raise ConfigError, naming the key, unless `report` is a whole report: sections, `schema` and `graph_sha256`."""
    sections = {name: value for name, value in report.items() if name not in ("schema", "graph_sha256")}
    digest = report.get("graph_sha256", "0" * 64)
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ConfigError(f"report: graph_sha256 must be 64 hex digits, not {digest!r}")
    check_section(sections)


def check_section(section: dict[str, Any]) -> None:
    """Raise ConfigError, naming the key, unless `section` is a part of a report.

    Parameters
    ----------
    section : dict
        Nested from the top of the report, plain JSON values only (see `to_plain`).
    """
    for name, value in section.items():
        if name == "layers":
            _check_layers(value)
        else:
            _check_branch((name,), value)


def _check_branch(path: tuple[str, ...], value: Any) -> None:
    if not isinstance(value, dict):
        raise ConfigError(f"report: {'.'.join(path)} must be a table, not {value!r}")
    keys = keys_of(path)
    if keys is not None:
        _check_item(".".join(path), value, keys)
        return
    known = sorted({known[len(path) - 1] for known in SECTIONS if known[: len(path) - 1] == path[:-1]})
    if path[-1] not in known:
        raise ConfigError(f"report: unknown section {'.'.join(path)}{suggest(path[-1], known)}")
    for name, item in value.items():
        _check_branch((*path, name), item)


def _check_layers(value: Any) -> None:
    if not isinstance(value, list):
        raise ConfigError("report: layers must be a list of tables")
    for index, item in enumerate(value):
        if not isinstance(item, dict) or "name" not in item:
            raise ConfigError(f"report: layers[{index}] must be a table with a name")
        _check_item(f"layers[{index}]", item, LAYER)


def _check_item(where: str, item: dict[str, Any], keys: tuple[str, ...]) -> None:
    known = (*_EVERY, *keys)
    for key, value in item.items():
        if key not in known:
            raise ConfigError(f"report: unknown key {where}.{key}{suggest(key, sorted(known))}")
        if key != "kind" and not RULES[key].check(value):
            missing = " (leave out what is not there)" if value is None else ""
            raise ConfigError(f"report: {where}.{key} must be {RULES[key].wanted}, not {value!r}{missing}")
    if "command" not in item:
        raise ConfigError(f"report: {where} lacks its command")
    _check_kind(where, item)


def _check_kind(where: str, item: dict[str, Any]) -> None:
    kind, wanted = item.get("kind"), figures(item)
    words = list(kind.values()) if isinstance(kind, dict) else [kind]
    if kind is None and not wanted:
        return
    if any(word not in KINDS for word in words):
        raise ConfigError(f"report: {where}.kind must be {', '.join(KINDS)}, or a table of them, not {kind!r}")
    if isinstance(kind, dict) and set(kind) != set(wanted):
        key = sorted(set(kind) ^ set(wanted))[0]
        raise ConfigError(f"report: {where}.kind and the figures differ in {key!r}; every figure has one kind")
