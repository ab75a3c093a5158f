"""What `data info` says of a file, and each warning with its number; converting any file."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hw_amc.config import InputSettings
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.radio import (
    CLASSES,
    RECIPES,
    CaptureOptions,
    RadioMlFile,
    convert,
    describe,
    from_wire,
    make_dataset,
    open_frames,
    to_wire,
)
from hw_amc.radio.classes import CLASSES_2016
from hw_amc.radio.quality import InputPath, Quality

SHORT = replace(RECIPES["radioml2018-v1"], frame_len=64)
LABEL = CaptureOptions(32, "QPSK", 10)


def noise(frames: int = 64, T: int = 32) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((frames, T, 2)).astype(np.float32) / np.float32(np.sqrt(2))


def problems(frames: np.ndarray, path: InputPath | None = None) -> list[str]:
    quality = Quality(path or InputPath())
    for part in np.array_split(frames, 3):
        quality.add(part)
    return quality.problems()


def test_a_description_says_what_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "set.h5"
    make_dataset(path, SHORT, 5, ["QPSK", "GMSK"], [0, 30], workers=1)
    with RadioMlFile(path) as file:
        frames = file.read(np.arange(20))[0]
    found = describe(path)
    assert (found["format"], found["frames"], found["frame_len"], found["frames_examined"]) == ("RadioMl", 20, 64, 20)
    assert found["classes"] == {"QPSK": 10, "GMSK": 10}
    assert (found["snrs_db"], found["frames_per_cell"]) == ([0, 30], (5, 5))
    assert found["mean_power"] == pytest.approx(float((frames.astype(float) ** 2).sum(2).mean()))
    assert found["mean_offset"] == pytest.approx(frames.astype(float).mean(axis=(0, 1)))
    assert found["saturated"] == np.mean((frames * 16384 > 32767.5) | (frames * 16384 < -32768.5))
    assert (found["input_range"], found["silent_frames"], found["problems"]) == (2.0, 0, [])
    assert (found["recipe_name"], found["digest"]) == ("radioml2018-v1", SHORT.digest())
    assert np.abs(from_wire(to_wire(frames))).max() <= 2


def test_saturation_is_counted_against_the_networks_own_input() -> None:
    frames = noise() * 2
    for shift, fmt in ((0, FixedFormat(8, 6)), (2, FixedFormat(8, 6)), (-1, FixedFormat(6, 5)), (0, FixedFormat(8, 4))):
        path = InputPath(input_shift=shift, fmt=fmt)
        words = to_wire(frames).astype(np.int64)
        wide = requantize(words, 14 - shift, FixedFormat(24, fmt.frac))
        wanted = (wide != requantize(words, 14 - shift, fmt)) | (frames * 16384 > 32767.5) | (frames * 16384 < -32768.5)
        np.testing.assert_array_equal(path.saturates(frames), wanted)
    line, *rest = problems(frames, InputPath(fmt=FixedFormat(8, 6)))
    share = InputPath(fmt=FixedFormat(8, 6)).saturates(frames).mean()
    assert line.startswith(f"{share:.1%} of the I and Q values saturate: the network's input ends at 2 and")
    assert not rest
    assert problems(frames, InputPath("rms", fmt=FixedFormat(8, 5))) == []


@pytest.mark.parametrize(("saturating", "told"), [(20, False), (21, True)])
def test_one_value_in_a_hundred_may_saturate(saturating: int, told: bool) -> None:
    """Of 2,000 values 20 or 21 lie beyond 1, where the network's input ends."""
    frames = np.tile(np.float32([[0.5, -0.5], [-0.5, 0.5]]), (10, 50, 1))
    frames.reshape(-1)[: 4 * saturating : 4] = np.linspace(1.5, 1.6, saturating)
    path = InputPath(fmt=FixedFormat(8, 7))
    assert path.saturates(frames).sum() == saturating
    assert any("saturate" in line for line in problems(frames, path)) == told


def test_an_offset_is_told_and_random_carriers_are_not() -> None:
    frames = noise() + np.float32([0.3, 0])
    i, q = frames.astype(float).mean(axis=(0, 1))
    share = (i * i + q * q) / np.square(frames, dtype=float).sum(axis=2).mean()
    assert problems(frames) == [
        f"a constant offset of ({i:.3g}, {q:.3g}) is {share:.1%} of the power: the receiver's DC, or a carrier at 0 Hz;"
        " subtract it unless the network was trained with it"
    ]
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, (64, 1))
    carriers = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    assert problems(noise() / 2 + carriers) == []


def test_clipping_is_told() -> None:
    clipped = np.clip(noise(), -1, 1)
    (line,) = problems(clipped)
    share = np.mean(np.abs(clipped) == 1)
    assert line.startswith(f"{share:.1%} of the I and Q values are the highest or lowest value itself")


def test_silent_frames_are_told() -> None:
    frames = noise()
    frames[[3, 40]] = 0
    assert problems(frames) == ["2 of 64 frames hold nothing but zeros; drop them"]
    assert problems(np.zeros((5, 8, 2), np.float32)) == ["5 of 5 frames hold nothing but zeros; drop them"]


def test_every_format_is_described(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise())
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({("QAM16", 0): noise().transpose(0, 2, 1)}))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file[str(("bpsk", "Satcom", 10, 0))] = np.ones(64, "f4")
    found = describe(tmp_path / "x.npy", CaptureOptions(label="qpsk"))
    assert (found["format"], found["classes"], found["snrs_db"]) == ("Plain", {"QPSK": 64}, [])
    found = describe(tmp_path / "x.pkl")
    assert (found["format"], found["classes"], found["snrs_db"]) == ("Pickled", {"16QAM": 64}, [0])
    found = describe(tmp_path / "x.h5")
    assert (found["format"], found["classes"], found["signals"]) == ("RadCom", {"BPSK": 1}, {"SATCOM": 1})


def test_conversion_keeps_frames_and_labels(tmp_path: Path) -> None:
    cells = {("WBFM", 18): noise(3), ("QAM16", -20): noise(600) * 2, ("WBFM", -20): noise(2) * 3}
    pickled = {key: np.ascontiguousarray(frames.transpose(0, 2, 1)) for key, frames in cells.items()}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(pickled))
    with open_frames(tmp_path / "x.pkl") as source:
        convert(source, tmp_path / "set.h5")
    with RadioMlFile(tmp_path / "set.h5") as file:
        frames, labels, snrs = file.read(np.arange(605))
        assert file.classes == CLASSES_2016
        assert file.attributes["source"] == "x.pkl"
    np.testing.assert_array_equal(frames, np.concatenate([cells["QAM16", -20], cells["WBFM", -20], cells["WBFM", 18]]))
    assert [CLASSES_2016[i] for i in labels] == ["16QAM"] * 600 + ["WBFM"] * 5
    np.testing.assert_array_equal(snrs, [-20] * 602 + [18] * 3)


def test_a_recording_of_radioml_classes_becomes_a_file_of_radioml_schema(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise())
    with open_frames(tmp_path / "x.npy", LABEL) as source:
        convert(source, tmp_path / "set.h5")
    with h5py.File(tmp_path / "set.h5") as file:
        assert {name: file[name].shape for name in file} == {"X": (64, 32, 2), "Y": (64, 24), "Z": (64, 1)}
        assert (file["X"].dtype, file["Y"].dtype, file["Z"].dtype) == (np.float32, np.int64, np.int64)
        assert "classes" not in file.attrs
        assert (file["Y"][:].argmax(1) == CLASSES.index("QPSK")).all()
        np.testing.assert_array_equal(file["X"][:], noise())


def test_both_labels_of_a_radcom_file_are_converted(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number, (mod, sig) in enumerate((("pulsed", "Ground mapping"), ("bpsk", "Satcom"), ("ask", "short-range"))):
            file[str((mod, sig, 32, 0))] = np.full(64, number, "f4")
    with open_frames(tmp_path / "x.h5") as source:
        convert(source, tmp_path / "set.h5")
    with RadioMlFile(tmp_path / "set.h5") as file:
        frames, labels, snrs = file.read([0, 1, 2])
        names = [(file.classes[a], file.signals[b]) for a, b in zip(labels, file.signal_labels, strict=True)]
        assert dict(zip(frames[:, 0, 0], names, strict=True)) == {
            0: ("PCW", "Ground mapping"), 1: ("BPSK", "SATCOM"), 2: ("ASK", "short-range"),
        }  # fmt: skip
        assert set(snrs) == {32}


def test_an_interrupted_conversion_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", noise(1200))
    source = open_frames(tmp_path / "x.npy", LABEL)
    whole, reads = type(source)._read_span, []

    def interrupted(self: Any, first: Any, stop: Any) -> Any:
        reads.append(first)
        if len(reads) == 2:
            raise KeyboardInterrupt
        return whole(self, first, stop)

    monkeypatch.setattr(type(source), "_read_span", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "set.h5")
    other = open_frames(tmp_path / "x.npy", replace(LABEL, snr_db=4))
    with pytest.raises(ConfigError, match="another unfinished set"):
        convert(other, tmp_path / "set.h5")
    convert(source, tmp_path / "set.h5")
    assert reads == [0, 512, 512, 1024]
    np.testing.assert_array_equal(RadioMlFile(tmp_path / "set.h5").read(np.arange(1200))[0], noise(1200))


def test_conversions_that_cannot_be(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise())
    with open_frames(tmp_path / "x.npy", CaptureOptions(label="QPSK")) as source:
        with pytest.raises(DataError, match="does not say its SNR; give --snr-db"):
            convert(source, tmp_path / "set.h5")
        with pytest.raises(DataError, match="into itself"):
            convert(source, tmp_path / "x.npy")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"classes": "BPSK"}, "attribute classes must be a JSON list"),
        ({"classes": '["BPSK", "BPSK"]'}, "each once"),
        ({"classes": "[]"}, "1 to 256 names"),
        ({"classes": '["BPSK"]'}, r"need Y \(3, 1\)"),
        ({"signals": '["radar"]'}, "has no S"),
    ],
)
def test_attributes_that_do_not_fit_the_file(tmp_path: Path, attributes: Any, message: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.update({"X": np.zeros((3, 8, 2), "f4"), "Y": np.eye(24, dtype=int)[:3], "Z": np.zeros((3, 1), int)})
        file.attrs.update(attributes)
    with pytest.raises(DataError, match=message):
        RadioMlFile(Path(tmp_path / "x.h5"))


def test_settings_say_how_frames_reach_a_network() -> None:
    assert InputPath("none", 14, 0).highest == 2
    assert InputPath("none", 15, 0, FixedFormat(8, 6)).highest == 1
    assert InputPath("none", 14, 1, FixedFormat(8, 6)).highest == 1
    assert InputSettings().wire_frac == InputPath().wire_frac
