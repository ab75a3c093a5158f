"""Pictures of frames, the bound in the report's accuracy plot, and the data commands end to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command_line import run

from hw_amc.errors import ConfigError, DataError
from hw_amc.radio import CLASSES, RECIPES, CaptureOptions, RadioMlFile, make_dataset, open_frames
from hw_amc.radio.generator import limit
from hw_amc.radio.generator.limit import LINEAR, Limit, Point
from hw_amc.radio.plots import choose_rows, plot_frames, plot_limit, spectrogram, spectrum
from hw_amc.report import accuracy, plots
from hw_amc.report.accuracy import Head, accuracy_chapter
from hw_amc.report.subject import Subject

SHORT = replace(RECIPES["awgn-v1"], frame_len=128)
LIMIT = Limit(LINEAR, 128, "unknown", 0, (Point(-10, -1, 100, 0.2, 0.1), Point(10, 19, 100, 0.9, 0.0)))


def tone(frequency: float, T: int = 256) -> np.ndarray:
    return np.exp(2j * np.pi * frequency * np.arange(T))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plots") / "set.h5"
    make_dataset(path, SHORT, 2, ["BPSK", "FM", "16QAM"], [0, 20], workers=1)
    return path


def test_a_tone_stands_at_its_frequency() -> None:
    for frequency in (-0.25, 0.125):
        bins, level = spectrum(tone(frequency))
        assert (bins[level.argmax()], level.max()) == (frequency, 0)
        assert level[np.abs(bins - frequency) > 0.02].max() < -40
        levels = spectrogram(tone(frequency))
        assert levels.shape == (64, 13)
        rows = levels.argmax(axis=0)
        assert (np.fft.fftshift(np.fft.fftfreq(64))[rows] == frequency).all()


def test_silence_and_short_frames_can_be_drawn() -> None:
    assert np.isfinite(spectrum(np.zeros(8, complex))[1]).all()
    assert np.isfinite(spectrogram(np.zeros(8, complex))).all()


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_a_picture_is_whole_and_the_same_each_time(made: Path, tmp_path: Path, ending: str) -> None:
    with open_frames(made) as file:
        for name in ("a", "b"):
            plot_frames(file, choose_rows(file, 2), tmp_path / f"{name}{ending}")
    one, two = ((tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
    assert one == two
    assert one.startswith(b"\x89PNG" if ending == ".png" else b"<?xml")


def test_frames_are_chosen_by_number_class_and_snr(made: Path) -> None:
    with open_frames(made) as file:
        assert list(choose_rows(file, 9, [7, 3])) == [7, 3]
        rows = choose_rows(file, 9, (), "qam16", 20)
        assert {(CLASSES[file.labels[row]], file.snrs_db[row]) for row in rows} == {("16QAM", 20)}
        assert len(rows) == 2
        assert list(choose_rows(file, 3)) == [0, 5, 11]
        with pytest.raises(DataError, match="no class 'GFSK'"):
            choose_rows(file, 1, (), "GFSK")
        with pytest.raises(DataError, match="no frame of FM at 7 dB"):
            choose_rows(file, 1, (), "FM", 7)


def test_pictures_that_cannot_be(made: Path, tmp_path: Path) -> None:
    with open_frames(made) as file:
        with pytest.raises(ConfigError, match=r"pictures end in .png, .svg, .pdf, not 'x.bmp'"):
            plot_frames(file, np.array([0]), tmp_path / "x.bmp")
        with pytest.raises(ConfigError, match="1 to 16 frames, not 17"):
            plot_frames(file, np.zeros(17, np.int64), tmp_path / "x.png")
        with pytest.raises(DataError, match="rows 0 to 11"):
            plot_frames(file, np.array([12]), tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_a_recording_and_a_limit_are_drawn(tmp_path: Path) -> None:
    np.save(tmp_path / "air.npy", tone(0.1, 4096).astype(np.complex64))
    with open_frames(tmp_path / "air.npy", CaptureOptions(1024, "FM")) as file:
        plot_frames(file, np.arange(2), tmp_path / "air.png")
    plot_limit(LIMIT, CLASSES, tmp_path / "limit.svg")
    assert (tmp_path / "air.png").stat().st_size > 10_000
    assert (tmp_path / "limit.svg").stat().st_size > 10_000


def test_the_reports_plot_has_the_bound_where_the_set_is_one_of_noise_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "kept_limit", lambda name: LIMIT if name == "awgn-v1" else None)
    drawn: list[dict[int, float] | None] = []
    monkeypatch.setattr(plots, "accuracy", lambda curves: drawn.append(curves.bound) or "<svg/>")

    def subject(recipe: str, classes: Sequence[str]) -> Subject:
        found = {"accuracy": {"-10": 0.1, "10": 0.8}, "eval_set": {"recipe": recipe}}
        return Subject("", Path(), {}, found, [Head("", tuple(classes))])

    captions = []
    for recipe in ("awgn-v1", "radioml2018-v1"):
        chapter = accuracy_chapter(subject(recipe, CLASSES))
        assert chapter is not None
        captions.append(next(part.caption for part in chapter.parts if hasattr(part, "caption")))
    accuracy_chapter(subject("awgn-v1", CLASSES[3:]))
    assert drawn == [LIMIT.bound(CLASSES), None, None]
    assert ["Wei and Mendel" in caption for caption in captions] == [True, False]


def test_the_bound_is_a_line_of_its_own() -> None:
    plain = plots.Curves({-10: 0.1, 0: 0.4, 10: 0.8}, {}, {}, None, 24)
    drawn = [
        plots.accuracy(curves).split("</defs>", 1)[1] for curves in (plain, replace(plain, bound=LIMIT.bound(CLASSES)))
    ]
    assert [plots.TEAL in picture for picture in drawn] == [False, True]


def test_the_commands_make_look_draw_and_convert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--frames", "2", "--classes", "BPSK, 16QAM", "--snrs=-10,20", "--workers", "1")
    assert run("data", "make", "set.h5", "--preset", "awgn", *options) == 0
    with RadioMlFile(Path("set.h5")) as file:
        assert (len(file), file.frame_len, set(file.snrs_db)) == (8, 1024, {-10, 20})
    assert run("data", "info", "set.h5") == 0
    shown = capsys.readouterr()
    assert "BPSK 4, 16QAM 4" in shown.out
    assert "warning" not in shown.err
    assert run("data", "plot", "set.h5", "set.png", "--class", "BPSK", "--count", "1") == 0
    assert run("data", "convert", "set.h5", "again.h5") == 0
    with h5py.File("set.h5") as one, h5py.File("again.h5") as two:
        for name in "XYZ":
            np.testing.assert_array_equal(one[name][:], two[name][:])


def test_a_recording_without_labels_can_be_looked_at_but_not_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.clip(3 * np.random.default_rng(0).standard_normal((4096, 2)), -4, 4).astype(np.float32).tofile("air.iq")
    assert run("data", "info", "air.iq", "--samples", "float32", "--frame-len", "256") == 0
    shown = capsys.readouterr()
    assert "unlabelled 16" in shown.out
    assert "of the I and Q values saturate: the network's input ends at 2" in shown.err
    assert "the receiver clipped" in shown.err
    assert run("data", "plot", "air.iq", "air.svg", "--samples", "float32", "--count", "1") == 0
    assert run("data", "convert", "air.iq", "set.h5", "--samples", "float32") == DataError.exit_code
    assert "give --snr-db" not in capsys.readouterr().err
    assert run("data", "convert", "air.iq", "set.h5", "--samples", "float32", "--label", "FM", "--snr-db", "9") == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("make", "x.h5", "--preset", "awgnn"), 2, "no recipe is called 'awgnn'; choose from"),
        (("make", "x.h5", "--snrs", "ten"), 2, "--snrs takes whole numbers"),
        (("info", "none.h5"), 7, "none.h5 does not exist"),
        (("limit", "--preset", "radioml2018-v1"), 2, "has a channel"),
    ],
)
def test_errors_are_one_line_and_a_code(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: Any,
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("data", *arguments) == code
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_limits_are_simulated_kept_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(limit, "_KEPT", tmp_path / "limits.json")
    monkeypatch.setattr(limit.keep_limit, "__defaults__", (tmp_path / "limits.json",))
    assert run("data", "limit", "--frame-len", "32", "--snrs=-20", "--frames", "4", "--keep") == 0
    kept = json.loads((tmp_path / "limits.json").read_text())
    assert list(kept) == ["4 symbols of 8 samples, phase unknown"]
    assert run("data", "limit", "--frame-len", "32", "--picture", "limit.png") == 0
    first, second = capsys.readouterr().out.split("average-likelihood classifier, 4 symbols a frame")[1:]
    assert [line for line in second.splitlines() if "-20" in line] == [
        line for line in first.splitlines() if "-20" in line
    ]
    assert Path("limit.png").exists()
