from __future__ import annotations

import io
import json
import os
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.untrusted import (
    is_plain_name,
    load_json,
    load_npz,
    load_toml,
    open_regular,
    parse_json,
    read_bytes,
    read_npy_header,
    require_regular,
)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


KINDS = [
    (make_folder, "is a folder"),
    (make_pipe, "is a pipe"),
    (make_socket, "is a socket"),
    (make_link_to_a_device, "is a device"),
    (make_link_to_itself, "Too many levels of symbolic links"),
]


@pytest.mark.parametrize(("make", "said"), KINDS)
@pytest.mark.parametrize("read", [require_regular, open_regular, load_json, load_toml, load_npz])
def test_only_plain_files_are_opened(
    make: Callable[[Path], None], said: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "x")
    with pytest.raises(DataError, match=said):
        read(tmp_path / "x")


def test_missing_files_and_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_regular(tmp_path / "x")
    with pytest.raises(DataError, match="does not exist"):
        open_regular(Path(__file__) / "x")
    with pytest.raises(DataError, match="is no name of a file"):
        open_regular(Path("a\0b"))


def test_a_file_may_be_too_long(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_bytes(tmp_path / "x", 5) == b"12345"
    with pytest.raises(DataError, match="longer than 4 bytes"):
        read_bytes(tmp_path / "x", 4)


BAD_JSON = [
    ("[" * 100_000, "nested too deeply"),
    ("[" * 70 + "]" * 70, "nested deeper than 64 levels"),
    ("1" * 5000, "an integer of 5000 digits"),
    ("[NaN]", "NaN is no number of JSON"),
    ("[-Infinity]", "-Infinity is no number of JSON"),
    ("[1e999]", "the number 1e999 is out of range"),
    (r'["\ud800"]', "surrogates not allowed"),
    (r'{"\ud800": 1}', "surrogates not allowed"),
    ("[99999999999999999999]", "an integer of 67 bits"),
    (b"\xff", "can't decode byte 0xff"),
    ("", "Expecting value"),
]


@pytest.mark.parametrize(("text", "said"), BAD_JSON, ids=[said for _, said in BAD_JSON])
def test_json_that_no_one_may_mean(text: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=f"thing is not readable JSON: .*{said}"):
        parse_json(text, "thing")


def test_json_that_is_right() -> None:
    data = {"a": [1, -2.5, None, True, "\u00e4\U0001f4e1"], "b": {"c": 2**63}}
    assert parse_json(json.dumps(data), "x") == data
    assert parse_json(b"\xef\xbb\xbf{}", "x") == {}


BAD_TOML = [
    (b"a = " + b"[" * 5000, "nested too deeply"),
    (b"a = " + b"[" * 70 + b"]" * 70, "nested deeper than 64 levels"),
    (b"a" + b".a" * 2000 + b" = 1", "nested deeper than 64 levels"),
    (b"a" + b".a" * 60_000 + b" = 1", "a line has more than 2000 dots"),
    (b"a = " + b"1" * 5000, "integer string conversion"),
    (b"a = 0x" + b"f" * 5000, "an integer of 20000 bits"),
    (b"a = \xff", "decode"),
    (b"#" * (1 << 18), "longer than 131,072 bytes"),
]


@pytest.mark.parametrize(("text", "said"), BAD_TOML, ids=[said for _, said in BAD_TOML])
def test_toml_that_no_one_may_mean(text: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(text)
    with pytest.raises(DataError, match=said):
        load_toml(tmp_path / "x.toml")


@pytest.mark.parametrize("name", ["a.sigmf-data", "ä b", "x" * 255, "ä" * 127])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "/etc/passwd", "a\\b", ".a", "a\0", "a\n", 1, None, "x" * 256, "ä" * 128]
)
def test_names_that_lead_elsewhere(name: object) -> None:
    assert not is_plain_name(name)


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


@pytest.mark.parametrize("version", [None, (1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("array", [np.float32(3), np.zeros((4, 3), "<i2"), np.zeros((2, 5), ">c16", order="F")])
def test_headers_are_read_as_numpy_reads_them(array: np.ndarray, version: tuple[int, int] | None) -> None:
    array = np.asarray(array)
    data = npy(array, version)
    header = read_npy_header(io.BytesIO(data), "x")
    assert (np.dtype(header.dtype), header.shape) == (array.dtype, array.shape)
    assert header.fortran_order == (array.ndim > 1 and array.flags.f_contiguous)
    assert data[header.offset :] == array.tobytes("A")


def test_headers_of_other_writers_are_read() -> None:
    text = b'{"shape": (3L,4L), "fortran_order":True , "descr": "<f8"}'
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    header = read_npy_header(io.BytesIO(data), "x")
    assert (header.dtype, header.shape, header.fortran_order, header.offset) == ("<f8", (3, 4), True, len(data))


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
BAD_HEADERS = [
    GOOD.replace("<f4", "|O"),
    GOOD.replace("'<f4'", "[('a', '<f4')]"),
    GOOD.replace("(3,)", "(-3,)"),
    GOOD.replace("(3,)", "(3.0,)"),
    GOOD.replace("(3,)", "(3 3,)"),
    GOOD.replace("(3,)", "(" + "9" * 30 + ",)"),
    GOOD.replace("(3,)", "(1," * 1 + "1," * 40 + ")"),
    GOOD.replace("(3,)", "__import__('os')"),
    GOOD.replace("False", "0"),
    GOOD[:-1],
    GOOD + "}",
    GOOD.replace("}", "'x': 1}"),
    GOOD.replace("}", "'shape': (4,)}"),
    "(" * 9000,
    "-" * 9000,
]


@pytest.mark.parametrize("text", BAD_HEADERS, ids=range(len(BAD_HEADERS)))
def test_headers_that_say_something_else(text: str) -> None:
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    with pytest.raises(DataError, match="thing: its header describes no array of numbers"):
        read_npy_header(io.BytesIO(data), "thing")


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00\x00\x00", b"\x93NUMPY\x02\x00\xff\xff\xff\xff"]
)
def test_headers_that_are_none(data: bytes) -> None:
    with pytest.raises(DataError, match=r"save it again with numpy\.save"):
        read_npy_header(io.BytesIO(data), "thing")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.arange(1000, dtype=np.int32), b=np.ones((3, 4), order="F"))
    return path


def test_archives_are_read_as_numpy_reads_them(archive: Path) -> None:
    found = load_npz(archive)
    with np.load(archive) as wanted:
        assert sorted(found) == sorted(wanted)
        for name, array in found.items():
            np.testing.assert_array_equal(array, wanted[name])
            assert array.flags.f_contiguous == wanted[name].flags.f_contiguous


def test_no_byte_of_an_archive_may_change(archive: Path) -> None:
    """One exception, whatever byte is damaged: the archive's own check sums see to the rest."""
    whole, good = archive.read_bytes(), load_npz(archive)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        archive.write_bytes(damaged)
        try:
            found = load_npz(archive)
        except DataError:
            continue
        # Dates, names and flags have no check sum; the numbers are those that were written.
        for name in found:
            if name in good:
                np.testing.assert_array_equal(found[name], good[name])


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 500])
def test_a_cut_archive_is_one_line(archive: Path, keep: int) -> None:
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a.npz is not a whole .npz archive"):
        load_npz(archive)


def test_an_archive_of_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    with pytest.raises(DataError, match=r"a.npy: its header describes no array of numbers"):
        load_npz(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.npy", npy(np.zeros(1 << 20, np.uint8)))
    with pytest.raises(DataError, match="unpacks to 1 arrays of 1,048,704 bytes; 1,048,576 are most"):
        load_npz(tmp_path / "a.npz", 1 << 20)


def test_an_archive_whose_array_is_shorter_than_it_says(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as made:
        made.writestr("a.npy", npy(np.zeros(4, np.uint8)).replace(b"(4,)", b"(9,)"))
    with pytest.raises(DataError, match=r"a.npy does not fill its shape \(9,\)"):
        load_npz(tmp_path / "a.npz")
