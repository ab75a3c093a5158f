from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hw_amc.errors import DataError
from hw_amc.interface import registers
from hw_amc.interface.manifest import Head, Manifest

MANIFEST = Manifest(
    name="net", graph_digest="ab" * 32, project_digest="cd" * 32, flow="rtl", interface=65536, frame_len=1024,
    wire_frac=14, normalise="rms", input_shift=-2, input_bits=8, input_frac=6,
    heads=(Head("a", ("x", "y")), Head("b", ("z",))), logit_frac=17, mode="channels", contexts=4, n_channels=4, lanes=1,
    cycles_per_frame=10240, latency_cycles=None, board="pynq-z2", part="xc7z020clg400-1", clock_mhz=125.0,
)  # fmt: skip


def test_saves_and_loads(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(MANIFEST.to_json())
    assert Manifest.load(tmp_path / "manifest.json") == MANIFEST
    assert MANIFEST.classes == 3
    assert MANIFEST.result_words == 4


def test_constant_registers_are_those_of_the_table() -> None:
    words = MANIFEST.constants()
    constant = {r.name for r in registers.TABLE if all(field.access == "constant" for field in r.fields)}
    assert set(words) == constant
    assert (words["DIGEST_LO"], words["CLASSES"], words["RESULT_WORDS"]) == (0xABABABAB, 3, 4)
    assert words["MODE"] == 0x0004_0401
    assert words["FORMAT"] == 0x1108_060E


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="build the accelerator"):
        Manifest.load(tmp_path / "manifest.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1}', "{"])
def test_damaged_text_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="manifest"):
        Manifest.load(tmp_path / "manifest.json")


def test_unknown_field_is_named() -> None:
    data = json.loads(MANIFEST.to_json()) | {"colour": 1}
    with pytest.raises(DataError, match="colour"):
        Manifest.from_json(json.dumps(data))


def test_none_survives() -> None:
    assert Manifest.from_json(replace(MANIFEST, cycles_per_frame=None).to_json()).cycles_per_frame is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("frame_len", "1024"), ("frame_len", 0), ("lanes", True), ("clock_mhz", -1), ("mode", ["frames"]), ("heads", [1]),
     ("graph_digest", "xyz"), ("name", None), ("logit_frac", 1 << 40), ("contexts", None)],
)  # fmt: skip
def test_a_value_that_none_can_be_is_named(field: str, value: object) -> None:
    data = json.loads(MANIFEST.to_json()) | {field: value}
    with pytest.raises(DataError, match=f"manifest: {field} must be"):
        Manifest.from_json(json.dumps(data))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(DataError, match="not a manifest"):
        Manifest.load(tmp_path / "manifest.json")


@pytest.mark.parametrize("depth", [5, 900, 100_000])
def test_depth_is_bounded(depth: int) -> None:
    """A value of 900 levels was parsed, and then too deep to be shown."""
    text = MANIFEST.to_json().replace('"frame_len": 1024', f'"frame_len": {"[" * depth}{"]" * depth}')
    assert text != MANIFEST.to_json()
    with pytest.raises(DataError, match="not a manifest"):
        Manifest.from_json(text)
