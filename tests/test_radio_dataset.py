"""Generated sets: RadioML's schema and order, the same for any number of workers, whole or absent."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hw_amc.errors import ConfigError, DataError, HwAmcError
from hw_amc.files import exclusive
from hw_amc.parallel import map_blocks
from hw_amc.radio import (
    CLASSES,
    RECIPES,
    RadioMlFile,
    generate_frames,
    generate_wire_set,
    make_dataset,
    open_frames,
    to_wire,
)
from hw_amc.radio.generator import dataset

SHORT = replace(RECIPES["radioml2018-v1"], frame_len=64)


def test_a_file_has_radiomls_schema_and_order(tmp_path: Path) -> None:
    path = tmp_path / "set.h5"
    make_dataset(path, SHORT, 3, ["FM", "BPSK"], [-10, 20], split=2, workers=1)
    with h5py.File(path) as file:
        X, Y, Z = (file[name][:] for name in "XYZ")
        assert json.loads(file.attrs["recipe"]) == SHORT.to_dict()
        assert (file.attrs["digest"], file.attrs["split"]) == (SHORT.digest(), 2)
    assert (X.dtype, Y.dtype, Z.dtype) == (np.float32, np.int64, np.int64)
    assert (X.shape, Y.shape, Z.shape) == ((12, 64, 2), (12, 24), (12, 1))
    labels = np.repeat([CLASSES.index("FM"), CLASSES.index("BPSK")], 6)
    snrs = np.tile(np.repeat([-10, 20], 3), 2)
    np.testing.assert_array_equal(Y, np.eye(24, dtype=int)[labels])
    np.testing.assert_array_equal(Z[:, 0], snrs)
    np.testing.assert_array_equal(X, generate_frames(SHORT, labels, snrs, list(range(3)) * 4, split=2))


def test_workers_do_not_change_a_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for workers in (1, 2):
        make_dataset(tmp_path / f"{workers}.h5", SHORT, 70, CLASSES[::5], [0], workers=workers)
    with h5py.File(tmp_path / "1.h5") as one, h5py.File(tmp_path / "2.h5") as two:
        for name in "XYZ":
            np.testing.assert_array_equal(one[name][:], two[name][:])
    sets = [generate_wire_set(SHORT, 3, [-20, 6], split=1, workers=workers) for workers in (1, 2)]
    for one_part, two_part in zip(*sets, strict=True):
        np.testing.assert_array_equal(one_part, two_part)
    monkeypatch.setattr(dataset, "_BLOCK", 2)
    np.testing.assert_array_equal(generate_wire_set(SHORT, 3, [-20, 6], split=1, workers=1)[0], sets[0][0])


def test_a_wire_set_is_the_generated_frames_as_words() -> None:
    wire, labels, snrs = generate_wire_set(SHORT, 2, [-4, 30], workers=1)
    assert (wire.dtype, labels.dtype, snrs.dtype) == (np.int16, np.uint8, np.int8)
    np.testing.assert_array_equal(labels, np.repeat(np.arange(24), 4))
    np.testing.assert_array_equal(snrs, np.tile([-4, -4, 30, 30], 24))
    frames = generate_frames(SHORT, labels, snrs, [0, 1] * 48)
    np.testing.assert_array_equal(wire, to_wire(frames))
    scaled = generate_wire_set(SHORT, 2, [-4, 30], workers=1, normalise="rms")[0]
    np.testing.assert_array_equal(scaled, to_wire(frames, normalise="rms"))


def require_same(one: Path, two: Path) -> None:
    """Every array and attribute; the bytes between them are HDF5's own."""
    with h5py.File(one) as a, h5py.File(two) as b:
        assert dict(a.attrs) == dict(b.attrs)
        assert set(a) == set(b)
        for name in a:
            np.testing.assert_array_equal(a[name][:], b[name][:])


class Interrupter:
    """Stands for `FrameBlock.frames` and is interrupted once, at one of its calls."""

    def __init__(self, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[int, int]] = []
        self.at = at
        whole = dataset.FrameBlock.frames

        def frames(block: Any) -> Any:
            self.made.append((block.label, block.snr_db))
            if len(self.made) == self.at:
                raise KeyboardInterrupt
            return whole(block)

        monkeypatch.setattr(dataset.FrameBlock, "frames", frames)


def test_an_interrupted_file_leaves_the_old_one_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole = tmp_path / "set.h5", tmp_path / "whole.h5"
    make_dataset(whole, SHORT, 3, CLASSES[:3], [0, 10], workers=1)
    make_dataset(path, SHORT, 1, CLASSES[:1], [0], workers=1)
    old = path.read_bytes()
    interrupter = Interrupter(4, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(path, SHORT, 3, CLASSES[:3], [0, 10], workers=1)
    assert path.read_bytes() == old
    make_dataset(path, SHORT, 3, CLASSES[:3], [0, 10], workers=1)
    assert interrupter.made[4:] == [(1, 10), (2, 0), (2, 10)]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["set.h5", "whole.h5"]
    require_same(path, whole)


def test_a_killed_process_loses_seconds_only(tmp_path: Path) -> None:
    """SIGKILL gives no chance to save: what was saved before stands, and the rest is made again."""
    path, whole = tmp_path / "set.h5", tmp_path / "whole.h5"
    program = (
        "import os, sys; from dataclasses import replace; from pathlib import Path\n"
        "from hw_amc.radio import RECIPES, make_dataset; from hw_amc.radio.generator import dataset, storage\n"
        "storage._SAVE_EVERY_S = 0.0; calls = []; whole = dataset.FrameBlock.frames\n"
        "def frames(block):\n"
        "    calls.append(block)\n"
        "    if len(calls) == 4: os.kill(os.getpid(), 9)\n"
        "    return whole(block)\n"
        "dataset.FrameBlock.frames = frames\n"
        "recipe = replace(RECIPES['radioml2018-v1'], frame_len=64)\n"
        "make_dataset(Path(sys.argv[1]), recipe, 3, ['OOK', 'FM'], [0, 10, 20], workers=1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    assert not path.exists()
    assert json.loads((tmp_path / ".set.h5.part" / "progress.json").read_text())["rows"] == 9
    for target in (path, whole):
        make_dataset(target, SHORT, 3, ["OOK", "FM"], [0, 10, 20], workers=1)
    require_same(path, whole)


def test_another_set_does_not_go_on_with_an_unfinished_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "set.h5"
    Interrupter(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(path, SHORT, 3, CLASSES[:3], [0], workers=1)
    with pytest.raises(ConfigError, match=r"another unfinished set .*rm -r"):
        make_dataset(path, SHORT, 4, CLASSES[:3], [0], workers=1)
    make_dataset(path, SHORT, 3, CLASSES[:3], [0], workers=1)
    assert len(RadioMlFile(path)) == 9


@pytest.mark.parametrize("kind", ["text", "an HDF5 file", "a cut set"])
def test_a_file_of_somebody_elses_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """Seen before: any existing file was replaced without a word."""
    path = tmp_path / "set.h5"
    if kind == "text":
        path.write_text("my notes")
    else:
        with h5py.File(path, "w") as file:
            file["mine"] = np.arange(9)
    if kind == "a cut set":
        make_dataset(tmp_path / "b.h5", SHORT, 1, CLASSES[:1], [0], workers=1)
        path.write_bytes((tmp_path / "b.h5").read_bytes()[:500])
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"set.h5 is there already and hw-amc did not make it; give another name"):
        make_dataset(path, SHORT, 1, CLASSES[:1], [0], workers=1)
    assert path.read_bytes() == before
    make_dataset(path, SHORT, 1, CLASSES[:1], [0], workers=1, replace=True)
    make_dataset(path, SHORT, 2, CLASSES[:1], [0], workers=1)  # its own
    assert len(RadioMlFile(path)) == 2


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """Seen before: a foreign `.<name>.part` was deleted."""
    folder = tmp_path / ".set.h5.part"
    for files in (["notes.txt"], ["frames.h5"], ["frames.h5", "notes.txt", "progress.json"]):
        folder.mkdir()
        for name in files:
            (folder / name).write_text("mine")
        with pytest.raises(ConfigError, match=r"it is no unfinished set of hw-amc; move it away"):
            make_dataset(tmp_path / "set.h5", SHORT, 1, CLASSES[:1], [0], workers=1)
        assert sorted(entry.name for entry in folder.iterdir()) == files
        assert {entry.read_text() for entry in folder.iterdir()} == {"mine"}
        shutil.rmtree(folder)
    (tmp_path / "else").mkdir()
    folder.symlink_to(tmp_path / "else")
    with pytest.raises(ConfigError, match="is a link"):
        make_dataset(tmp_path / "set.h5", SHORT, 1, CLASSES[:1], [0], workers=1)
    assert not (tmp_path / "set.h5").exists()


def test_what_is_put_beside_an_unfinished_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, note = tmp_path / "set.h5", tmp_path / ".set.h5.part" / "note"
    whole = dataset.FrameBlock.frames

    def frames(block: Any) -> Any:
        note.write_text("mine")
        return whole(block)

    monkeypatch.setattr(dataset.FrameBlock, "frames", frames)
    make_dataset(path, SHORT, 1, CLASSES[:1], [0], workers=1)
    assert path.exists()
    assert note.read_text() == "mine"


def interrupt(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Begin a set, stop in it, and return its note of progress."""
    with monkeypatch.context() as patch:
        Interrupter(2, patch)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(path, SHORT, 3, CLASSES[:3], [0], workers=1)
    return path.parent / f".{path.name}.part" / "progress.json"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("[]", "must hold a JSON object"),
        ("{", "not readable JSON"),
        ({"digest": 1}, "another unfinished set"),
        ({"rows": -1}, "is damaged; begin again"),
        ({"rows": 1e9}, "is damaged; begin again"),
        ({"offset": "x"}, "is damaged; begin again"),
    ],
)
def test_a_damaged_note_of_progress_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, said: str
) -> None:
    note = interrupt(tmp_path / "set.h5", monkeypatch)
    kept = json.loads(note.read_text())
    note.write_text(change if isinstance(change, str) else json.dumps({**kept, **change}))
    with pytest.raises(HwAmcError, match=said):
        make_dataset(tmp_path / "set.h5", SHORT, 3, CLASSES[:3], [0], workers=1)


@pytest.mark.parametrize("damage", ["cut", "gone", "far"])
def test_an_unfinished_file_that_is_not_whole_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    note = interrupt(tmp_path / "set.h5", monkeypatch)
    frames = note.with_name("frames.h5")
    if damage == "gone":
        frames.unlink()
    elif damage == "cut":
        os.truncate(frames, 100)
    else:
        note.write_text(json.dumps({**json.loads(note.read_text()), "offset": 1 << 40}))
    for name in ("set.h5", "whole.h5"):
        make_dataset(tmp_path / name, SHORT, 3, CLASSES[:3], [0], workers=1)
    require_same(tmp_path / "set.h5", tmp_path / "whole.h5")


def test_equal_sets_are_equal_files_at_any_time(tmp_path: Path) -> None:
    """Seen before: the time stood in the file."""
    files = []
    for name in ("a.h5", "b.h5"):
        make_dataset(tmp_path / name, SHORT, 1, CLASSES[:2], [0], workers=1)
        files.append((tmp_path / name).read_bytes())
        time.sleep(1.1)  # HDF5 counts in seconds
    assert files[0] == files[1]


def test_two_makers_of_one_file_keep_apart(tmp_path: Path) -> None:
    with exclusive(tmp_path / ".set.h5.part", "a test"), pytest.raises(ConfigError, match="already running"):
        make_dataset(tmp_path / "set.h5", SHORT, 1, CLASSES[:1], [0], workers=1)


def test_a_full_disk_is_told_before_and_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "set.h5"
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(HwAmcError, match="GB free"):
        make_dataset(path, SHORT, 3, CLASSES[:3], [0], workers=1)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(HwAmcError, match="No space left on device; run the same command again"):
        make_dataset(path, SHORT, 3, CLASSES[:3], [0], workers=1)
    monkeypatch.undo()
    make_dataset(path, SHORT, 3, CLASSES[:3], [0], workers=1)


def test_memory_does_not_grow_with_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the frames, no more memory, and less of it than the larger set has samples."""
    monkeypatch.setattr(dataset, "_BLOCK", 32)
    recipe = replace(RECIPES["awgn-v1"], frame_len=1024)
    peaks = []
    for frames in (64, 640):
        tracemalloc.start()
        make_dataset(tmp_path / f"{frames}.h5", recipe, frames, ["OOK"], [0], workers=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert (tmp_path / "640.h5").stat().st_size > 640 * 8192 > peaks[1]


@pytest.mark.parametrize("name", ["radioml2016-v1", "radcom-dynamic-v1"])
def test_every_recipe_keeps_its_own_classes(tmp_path: Path, name: str) -> None:
    recipe = RECIPES[name]
    path = tmp_path / "set.h5"
    make_dataset(path, recipe, 2, snrs_db=[-4, 18], workers=1)
    known = recipe.classes
    cells = np.repeat(np.arange(len(known)), 4)
    with open_frames(path) as file:
        assert isinstance(file, RadioMlFile)
        assert (file.classes, file.signals or None) == (
            known.heads[0].classes,
            known.heads[1].classes if len(known.heads) > 1 else None,
        )
        frames, labels, snrs = file.read(np.arange(len(file)))
        np.testing.assert_array_equal(labels, known.labels[cells, 0])
        if file.signals:
            np.testing.assert_array_equal(file.signal_labels, known.labels[cells, 1])
    np.testing.assert_array_equal(snrs, np.tile([-4, -4, 18, 18], len(known)))
    wanted = generate_frames(recipe, cells, snrs, np.tile([0, 1], 2 * len(known)))
    np.testing.assert_array_equal(frames, wanted)


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "set.h5").mkdir()
    with pytest.raises(HwAmcError, match="cannot write"):
        make_dataset(tmp_path / "set.h5", SHORT, 1, CLASSES[:1], [0], workers=1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"frames_per_cell": 0}, ConfigError, "at least one frame"),
        ({"classes": []}, ConfigError, "one class"),
        ({"classes": ["FM", "FM"]}, ConfigError, "named twice"),
        ({"classes": ["FSK"]}, DataError, "'FSK'"),
        ({"snrs_db": [0, 40]}, ConfigError, "-20 to 30 dB, not 0 to 40"),
        ({"workers": 0}, ConfigError, "1 or more"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: Any, error: Any, message: str
) -> None:
    path = tmp_path / "set.h5"
    with pytest.raises(error, match=message):
        make_dataset(path, SHORT, **{"frames_per_cell": 1, "workers": 1, **arguments})
    assert not list(tmp_path.iterdir())


def test_blocks_come_back_in_order_and_errors_come_through() -> None:
    results = map_blocks(math.sqrt, [float(k * k) for k in range(9)] + [-1.0], 2)
    assert [next(results) for _ in range(9)] == list(range(9))
    with pytest.raises(ValueError, match="math domain"):
        next(results)
    assert list(map_blocks(abs, [-1], None)) == [1]
