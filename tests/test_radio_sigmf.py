"""SigMF recordings: frames from labelled stretches, and every way in which a recording can be unfit."""

from __future__ import annotations

import gc
import io
import json
import multiprocessing
import os
import pickle
import tarfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf

from hw_amc.errors import DataError
from hw_amc.radio import CaptureOptions, open_frames
from hw_amc.radio.files import sigmf_storage
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB
from hw_amc.radio.files.sigmf import SigMfFile
from hw_amc.radio.files.sigmf_storage import DATA, META

T = 32
OPTIONS = CaptureOptions(frame_len=T)


def record(path: Path, samples: np.ndarray, annotations: Any = (), captures: Any = (0,), **fields: Any) -> Path:
    """Write a recording by hand, so that the reader's library is not also the writer."""
    kinds = {"complex64": "cf32_le", "int16": "ci16_le", "uint8": "cu8", "float32": "rf32_le"}
    samples.tofile(path.with_suffix(".sigmf-data"))
    meta = {
        "global": {"core:datatype": kinds[str(samples.dtype)], "core:version": "1.2.0", **fields},
        "captures": [{"core:sample_start": start} for start in captures],
        "annotations": [
            {"core:sample_start": start, **({"core:sample_count": count} if count else {}), **more}
            for start, count, more in annotations
        ],
    }
    meta_path = path.with_suffix(".sigmf-meta")
    meta_path.write_text(json.dumps(meta))
    return meta_path


def noise(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, 2)) @ [1, 1j]).astype(np.complex64)


def label(name: str, snr: float | None = None) -> dict[str, object]:
    return {"core:label": name, **({} if snr is None else {"capture_details:SNRdB": snr})}


def pairs(samples: np.ndarray) -> np.ndarray:
    return samples.view(np.float32).reshape(-1, 2)


def test_frames_are_cut_within_annotations_and_captures(tmp_path: Path) -> None:
    samples = noise(1000)
    marks = [(10, 3 * T + 5, label("QPSK", 9.6)), (400, 4 * T, label("16QAM")), (900, 0, label("qpsk", -3))]
    meta = record(tmp_path / "air", samples, marks, captures=(0, 400 + T + 7), **{"core:sample_rate": 1e6})
    with pytest.warns(UserWarning, match="one class, QPSK"):
        file = open_frames(meta, OPTIONS)
    with file:
        frames, labels, snrs = file.read(np.arange(len(file)))
        assert file.attributes == {"sample_rate_hz": 1e6, "datatype": "cf32_le"}
    second = 400 + T + 7
    starts = [10, 10 + T, 10 + 2 * T, 400, second, second + T, 900, 900 + T, 900 + 2 * T]
    np.testing.assert_array_equal(frames, np.stack([pairs(samples)[start : start + T] for start in starts]))
    assert [file.classes[i] for i in labels] == ["QPSK"] * 3 + ["16QAM"] * 3 + ["QPSK"] * 3
    assert list(snrs) == [10] * 3 + [UNKNOWN_SNR_DB] * 3 + [-3] * 3


@pytest.mark.parametrize("ending", [".sigmf-meta", ".sigmf-data", ".sigmf", ".sigmf.gz"])
def test_any_file_of_a_recording_will_do(tmp_path: Path, ending: str) -> None:
    samples = noise(4 * T)
    meta = record(tmp_path / "air", samples, [(0, 4 * T, label("FM"))])
    path = tmp_path / f"air{ending}"
    if ending.startswith(".sigmf-") is False:
        found = sigmf.fromfile(meta)
        found.tofile(path, toarchive=True) if ending == ".sigmf" else found.archive(path, compression="gz")
    with open_frames(path, OPTIONS) as file:
        np.testing.assert_array_equal(file.read([3, 1])[0], pairs(samples).reshape(4, T, 2)[[3, 1]])


@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
def test_integers_are_scaled_to_unit_range(tmp_path: Path, dtype: Any) -> None:
    info = np.iinfo(dtype)
    raw = np.random.default_rng(0).integers(info.min, info.max, (2 * T, 2), dtype, endpoint=True)
    raw[0] = info.min, info.max
    meta = record(tmp_path / "air", raw, [(0, 2 * T, label("FM"))])
    half = 2.0 ** (8 * raw.itemsize - 1)
    wanted = (raw.astype(float) - (half if info.min == 0 else 0)) / half
    with open_frames(meta, OPTIONS) as file:
        np.testing.assert_array_equal(file.read([0, 1])[0], wanted.astype(np.float32).reshape(2, T, 2))


def test_absolute_sample_numbers_of_a_split_recording(tmp_path: Path) -> None:
    samples = noise(3 * T)
    meta = record(tmp_path / "air", samples, [(1000 + T, T, label("FM"))], (1000,), **{"core:offset": 1000})
    with open_frames(meta, OPTIONS) as file:
        np.testing.assert_array_equal(file.read([0])[0][0], pairs(samples)[T : 2 * T])


def test_an_unlabelled_recording_needs_a_label(tmp_path: Path) -> None:
    meta = record(tmp_path / "air", noise(3 * T), [(0, T, {"core:comment": "a burst"})])
    with pytest.raises(DataError, match=r"no annotation has a core:label.*--label QPSK"):
        open_frames(meta, OPTIONS)
    with open_frames(meta, CaptureOptions(T, "8psk", 7)) as file:
        assert ({file.classes[i] for i in file.labels}, len(file), set(file.snrs_db)) == ({"8PSK"}, 3, {7})


def _sums(file: SigMfFile, rows: np.ndarray) -> np.ndarray:
    return file.read(rows)[0].sum(axis=(1, 2))


def test_an_open_recording_goes_to_other_processes(tmp_path: Path) -> None:
    meta = record(tmp_path / "air", noise(40 * T), [(3, 39 * T, label("FM"))])
    with open_frames(meta, OPTIONS) as file:
        wanted = _sums(file, np.arange(39))
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork"), initializer=gc.disable) as pool:
            got = list(pool.map(_sums, [file] * 2, np.array_split(np.arange(39), 2)))
        np.testing.assert_array_equal(np.concatenate(got), wanted)
        np.testing.assert_array_equal(_sums(pickle.loads(pickle.dumps(file)), np.arange(39)), wanted)


def test_overlaps_of_one_label_are_taken_once(tmp_path: Path) -> None:
    samples = noise(6 * T)
    marks = [(0, 4 * T, label("FM")), (2 * T, 4 * T, label("FM")), (T, T, label("FM"))]
    with open_frames(record(tmp_path / "air", samples, marks), OPTIONS) as file:
        np.testing.assert_array_equal(file.read(np.arange(6))[0].reshape(-1, 2), pairs(samples))


def test_short_stretches_are_left_out_and_told(tmp_path: Path) -> None:
    meta = record(tmp_path / "air", noise(4 * T), [(0, T - 1, label("FM")), (T, T, label("BPSK"))])
    with pytest.warns(UserWarning, match="1 stretches shorter than 32 samples"):
        file = open_frames(meta, OPTIONS)
    assert [file.classes[i] for i in file.labels] == ["BPSK"]


@pytest.mark.parametrize(
    ("annotations", "fields", "message"),
    [
        ([(0, T - 1, label("FM"))], {}, "longest stretch of one label has 31 samples, shorter than a frame of 32"),
        ([(0, 100 * T, label("FM"))], {}, "covers samples 0 to 3199, but the recording has 128; is it cut short"),
        ([(0, 2 * T, label("FM")), (T, T, label("AM"))], {}, "sample 32 is both 'FM' and 'AM'"),
        ([(0, T, label("FM", 500))], {}, "SNRdB of 500"),
        ([(0, T, label("FM"))], {"core:num_channels": 2}, "has 2 channels"),
        ([(0, T, label("FM"))], {"core:datatype": "rf32_le"}, "real samples"),
        ([(0, T, label("FM"))], {"core:datatype": "qq"}, "no SigMF recording"),
        ([(0, T, label("FM"))], {"core:datatype": None}, "no SigMF recording"),
    ],
)
def test_recordings_that_make_no_frames(tmp_path: Path, annotations: Any, fields: Any, message: str) -> None:
    meta = record(tmp_path / "air", noise(4 * T), annotations, **fields)
    with pytest.raises(DataError, match=message) as caught:
        open_frames(meta, OPTIONS)
    assert "\n" not in str(caught.value)


def test_labels_are_not_overridden(tmp_path: Path) -> None:
    meta = record(tmp_path / "air", noise(T), [(0, T, label("FM"))])
    with pytest.raises(DataError, match="leave --label out"):
        open_frames(meta, CaptureOptions(T, "BPSK"))


def test_damaged_and_missing_parts(tmp_path: Path) -> None:
    meta = record(tmp_path / "air", noise(T), [(0, T, label("FM"))])
    (tmp_path / "air.sigmf-data").unlink()
    with pytest.raises(DataError, match="are not beside it"):
        open_frames(meta, OPTIONS)
    for text in ("{", "[]", "{}", '{"global": 3}', "", "[" * 100_000, '{"global": {"core:datatype": NaN}}'):
        meta.write_text(text)
        with pytest.raises(DataError, match="no SigMF recording"):
            open_frames(meta, OPTIONS)
    with pytest.raises(DataError, match="does not exist"):
        open_frames(tmp_path / "other.sigmf-meta", OPTIONS)
    (tmp_path / "x.sigmf").write_bytes(b"no archive")
    with pytest.raises(DataError, match="no SigMF recording"):
        open_frames(tmp_path / "x.sigmf", OPTIONS)


def pack(path: Path, recordings: dict[str, tuple[np.ndarray, str]], mode: str = "w", **changes: object) -> Path:
    """An archive of recordings, each of one label."""
    with tarfile.open(path, mode) as archive:
        for stem, (samples, name) in recordings.items():
            fields = {"core:datatype": "cf32_le", "core:version": "1.2.0", **changes}
            mark = {"core:sample_start": 0, "core:sample_count": len(samples), "core:label": name}
            meta = {"global": fields, "captures": [{"core:sample_start": 0}], "annotations": [mark] if name else []}
            contents = {META: json.dumps(meta).encode(), DATA: samples.tobytes()}
            for ending, content in contents.items():
                member = tarfile.TarInfo(f"{stem}/{stem}{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


ONE, TWO = np.full(4 * T, 1, np.complex64), np.full(4 * T, 0.25, np.complex64)


def seen(file: SigMfFile) -> list[tuple[str, float]]:
    frames, labels, _ = file.read(np.arange(len(file)))
    assert all((frame == frame[0]).all() for frame in frames)
    return [(file.classes[label], float(frame[0, 0])) for label, frame in zip(labels, frames, strict=True)]


@pytest.mark.parametrize(("ending", "mode"), [(".sigmf", "w"), (".sigmf.gz", "w:gz"), (".sigmf.xz", "w:xz")])
def test_an_archive_of_two_recordings_keeps_them_apart(tmp_path: Path, ending: str, mode: str) -> None:
    """Seen before: samples of the one under the labels of the other."""
    path = pack(tmp_path / f"both{ending}", {"one": (ONE, "QPSK"), "two": (TWO, "16QAM")}, mode)
    with open_frames(path, OPTIONS) as file:
        assert seen(file) == [("QPSK", 1.0)] * 4 + [("16QAM", 0.25)] * 4
        np.testing.assert_array_equal(file.read([5, 1])[0][:, 0, 0], [0.25, 1])
        again = pickle.loads(pickle.dumps(file))
        assert seen(again) == seen(file)


def test_a_zip_archive(tmp_path: Path) -> None:
    record(tmp_path / "air", ONE, [(0, 4 * T, label("QPSK"))])
    with zipfile.ZipFile(tmp_path / "air.sigmf.zip", "w") as archive:
        for ending in (META, DATA):
            archive.write(tmp_path / f"air{ending}", f"air/air{ending}")
    with open_frames(tmp_path / "air.sigmf.zip", OPTIONS) as file:
        assert seen(file) == [("QPSK", 1.0)] * 4


def test_recordings_without_labels_beside_others_are_left_out_and_told(tmp_path: Path) -> None:
    path = pack(tmp_path / "both.sigmf", {"one": (ONE, ""), "two": (TWO, "16QAM")})
    with pytest.warns(UserWarning, match="1 recordings in it have no labels and are left out"):
        file = open_frames(path, OPTIONS)
    assert seen(file) == [("16QAM", 0.25)] * 4


@pytest.mark.parametrize(
    ("version", "two", "one"),
    [
        ("1.2.5", ["QPSK", "QPSK", "BPSK", "BPSK"], ["QPSK", "QPSK"]),
        ("1.2.1", ["QPSK", "QPSK", "BPSK", "BPSK"], ["QPSK", "QPSK"]),
        ("v1.3", ["QPSK", "QPSK", "BPSK", "BPSK"], ["QPSK", "QPSK"]),
        ("1.2.0", None, ["QPSK"] * 4),
        ("1.0.0", None, ["QPSK"] * 4),
    ],
)
def test_an_open_annotation_ends_as_its_version_says(
    tmp_path: Path, version: str, two: list[str] | None, one: list[str]
) -> None:
    """Seen before: refused as "both 'QPSK' and 'BPSK'", or the second capture under the first one's label."""
    marks = [(0, 0, label("QPSK")), (2 * T, 0, label("BPSK"))]
    for names, some in ((two, marks), (one, marks[:1])):
        meta = record(tmp_path / "air", noise(4 * T), some, (0, 2 * T), **{"core:version": version})
        if names is None:
            with pytest.raises(DataError, match="both 'QPSK' and 'BPSK'"):
                open_frames(meta, OPTIONS)
            continue
        with open_frames(meta, OPTIONS) as file:
            assert [file.classes[i] for i in file.labels] == names


def test_headers_of_captures_are_no_samples(tmp_path: Path) -> None:
    """core:header_bytes and core:trailing_bytes: a data file of another format, described by SigMF."""
    samples = noise(6 * T)
    meta = record(tmp_path / "air", samples, [(0, 6 * T, label("FM"))])
    data = json.loads(meta.read_text())
    data["global"] |= {"core:dataset": "air.dat", "core:trailing_bytes": 5}
    data["captures"] = [
        {"core:sample_start": 0, "core:header_bytes": 13},
        {"core:sample_start": 4 * T, "core:header_bytes": 3},
    ]
    meta.write_text(json.dumps(data))
    (tmp_path / "air.sigmf-data").unlink()
    raw = b"h" * 13 + samples[: 4 * T].tobytes() + b"hhh" + samples[4 * T :].tobytes() + b"trail"
    (tmp_path / "air.dat").write_bytes(raw)
    with open_frames(meta, OPTIONS) as file:
        np.testing.assert_array_equal(file.read(np.arange(6))[0].reshape(-1, 2), pairs(samples))
        np.testing.assert_array_equal(file.read([5, 0])[0], pairs(samples).reshape(6, T, 2)[[5, 0]])


@pytest.mark.parametrize("datatype", ["cf32_be", "cf64_le", "ci32_be", "ci16_be", "cu16_le", "cu32_le", "ci8"])
def test_every_complex_datatype(tmp_path: Path, datatype: str) -> None:
    kind, order = datatype[1:].partition("_")[::2]
    dtype = np.dtype(f"{'>' if order == 'be' else '<'}{kind[0]}{int(kind[1:]) // 8}")
    half = 1 if kind[0] == "f" else 2 ** (int(kind[1:]) - 1)
    middle = half if kind[0] == "u" else 0
    wanted = np.clip(np.round(noise(2 * T).view("f4") * 32) / 128, -1, 0.75).reshape(2, T, 2)
    meta = record(tmp_path / "air", noise(2 * T), [(0, 2 * T, label("FM"))], **{"core:datatype": datatype})
    (wanted.astype("f8") * half + middle).astype(dtype).tofile(tmp_path / "air.sigmf-data")
    with open_frames(meta, OPTIONS) as file:
        np.testing.assert_array_equal(file.read([0, 1])[0], wanted)


def test_what_may_mean_something_else_is_told(tmp_path: Path) -> None:
    extensions = [{"name": "scramble", "version": "1.0.0", "optional": False}, {"name": "x", "optional": True}]
    meta = record(tmp_path / "air", ONE, [(0, T, label("FM"))], **{"core:extensions": extensions})
    with pytest.warns(UserWarning, match="needs the SigMF extension 'scramble'"):
        open_frames(meta, OPTIONS)
    meta = record(tmp_path / "air", ONE, [(0, T, label("FM"))], **{"core:datatype": "cf32"})
    with pytest.warns(UserWarning, match="gives no byte order; little-endian is taken"):
        open_frames(meta, OPTIONS)


@pytest.mark.parametrize("dataset", ["../secret.txt", "/etc/passwd", "a/b", ".", "..", "", 3, ["air"], "a\nb"])
def test_samples_are_never_looked_for_elsewhere(tmp_path: Path, dataset: object) -> None:
    """Seen before: another file's bytes become samples, and `data convert` hands them on."""
    (tmp_path / "secret.txt").write_bytes(b"S" * 4096)
    (tmp_path / "sent").mkdir()
    meta = record(tmp_path / "sent" / "air", ONE, [(0, T, label("FM"))], **{"core:dataset": dataset})
    with pytest.raises(DataError, match=r"core:dataset is .*, which is no name of a file beside it"):
        open_frames(meta, OPTIONS)


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(b"S" * 4096)
    (tmp_path / "sent").mkdir()
    meta = record(tmp_path / "sent" / "air", ONE, [(0, T, label("FM"))])
    (tmp_path / "sent" / "air.sigmf-data").unlink()
    (tmp_path / "sent" / "air.sigmf-data").symlink_to("../secret.txt")
    with pytest.raises(DataError, match="are a link out of its folder; give the recording itself"):
        open_frames(meta, OPTIONS)
    os.remove(tmp_path / "sent" / "air.sigmf-data")
    os.mkfifo(tmp_path / "sent" / "air.sigmf-data")
    with pytest.raises(DataError, match="is a pipe"):
        open_frames(meta, OPTIONS)


def test_links_to_a_recording_are_followed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    record(tmp_path / "store" / "air", ONE, [(0, 4 * T, label("FM"))])
    for ending in (META, DATA):
        (tmp_path / f"link{ending}").symlink_to(tmp_path / "store" / f"air{ending}")
    (tmp_path / f"air{META}").symlink_to(tmp_path / "store" / f"air{META}")
    for name in (f"link{META}", f"link{DATA}", f"air{META}"):
        with open_frames(tmp_path / name, OPTIONS) as file:
            assert len(file) == 4


def _member(kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo("air/air.sigmf-data")
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member", [_member(tarfile.SYMTYPE, "/etc/passwd"), _member(tarfile.LNKTYPE, "x"), _member(tarfile.FIFOTYPE)]
)
def test_an_archive_of_links_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    path = pack(tmp_path / "air.sigmf", {"air": (ONE, "QPSK")})
    with tarfile.open(path, "a") as archive:
        archive.addfile(member)
    with pytest.raises(DataError, match="is no plain file; pack it again"):
        open_frames(path, OPTIONS)


@pytest.mark.parametrize("ending", [".sigmf.gz", ".sigmf.xz"])
def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigmf_storage, "UNPACKED_BYTES", 1 << 20)
    path = tmp_path / f"big{ending}"
    with tarfile.open(path, f"w:{ending[-2:]}") as archive:
        member = tarfile.TarInfo("big.sigmf-data")
        member.size = 2 << 20
        archive.addfile(member, Zeros())
    with pytest.raises(DataError, match="unpacks to more than 1 MiB; unpack it"):
        open_frames(path, OPTIONS)


class Zeros(io.RawIOBase):
    """A file of zeros without end."""

    def read(self, size: int = -1) -> bytes:
        return bytes(size)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"global": {"core:metadata_only": True}}, "says that it has no samples"),
        ({"global": {"core:num_channels": "one"}}, "core:num_channels must be a whole number, not 'one'"),
        ({"global": {"core:offset": -1}}, "core:offset must be a whole number"),
        ({"global": {"core:offset": 1.5}}, "core:offset must be a whole number"),
        ({"global": {"core:offset": True}}, "core:offset must be a whole number"),
        ({"global": {"core:trailing_bytes": 10**6}}, "are not whole samples .*cut short"),
        ({"global": {"core:trailing_bytes": 3}}, "are not whole samples .*cut short"),
        ({"captures": 7}, "`captures` must be a list of objects"),
        ({"captures": [7]}, "`captures` must be a list of objects"),
        ({"captures": [{"core:sample_start": []}]}, "core:sample_start must be a whole number"),
        ({"captures": [{"core:sample_start": 9999, "core:header_bytes": 8}]}, "are not whole samples"),
        ({"annotations": {}}, "`annotations` must be a list of objects"),
        ({"annotations": [{"core:label": "FM"}]}, "core:sample_start must be a whole number, not None"),
        ({"annotations": [{"core:label": 7, "core:sample_start": 0}]}, "core:label must be text, not 7"),
        ({"annotations": [{"core:label": ["FM"], "core:sample_start": 0}]}, "core:label must be text"),
        ({"annotations": [{"core:label": "F" * 200, "core:sample_start": 0}]}, "core:label has 200 letters"),
        ({"annotations": [{**label("FM", True), "core:sample_start": 0}]}, "SNRdB of True"),
        ({"annotations": [{"core:label": "FM", "core:sample_start": 2**70}]}, "integer of 22 digits"),
    ],
)
def test_fields_of_other_types_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    meta = record(tmp_path / "air", ONE, [(0, T, label("FM"))])
    data = json.loads(meta.read_text())
    for key, value in change.items():
        data[key] = {**data[key], **value} if isinstance(value, dict) and isinstance(data[key], dict) else value
    meta.write_text(json.dumps(data))
    with pytest.raises(DataError, match=message) as caught:
        open_frames(meta, OPTIONS)
    assert "\n" not in str(caught.value)


def test_a_recording_cut_short_while_it_is_open(tmp_path: Path) -> None:
    meta = record(tmp_path / "air", ONE, [(0, 4 * T, label("FM"))])
    with open_frames(meta, OPTIONS) as file:
        file.close()
        (tmp_path / "air.sigmf-data").write_bytes(ONE[: 2 * T].tobytes())
        with pytest.raises(DataError, match="has become shorter since it was opened"):
            file.read([3])


def test_the_metadata_are_missing(tmp_path: Path) -> None:
    record(tmp_path / "air", ONE, [(0, T, label("FM"))]).unlink()
    with pytest.raises(DataError, match=r"no SigMF recording without its metadata; air\.sigmf-meta is not beside it"):
        open_frames(tmp_path / "air.sigmf-data", OPTIONS)
    path = pack(tmp_path / "air.sigmf", {"air": (ONE, "FM")}, **{"core:dataset": "other.dat"})
    with pytest.raises(DataError, match=r"its samples, other\.dat, are not in the archive"):
        open_frames(path, OPTIONS)
