"""Pickles of RadioML 2016.10A: read as Python 2 wrote them; whatever is not an array of floats is refused unrun."""

from __future__ import annotations

import io
import os
import pickle
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.radio import CLASSES, open_frames
from hw_amc.radio.classes import CLASSES_2016
from hw_amc.radio.files.pickled import PickledFrames
from hw_amc.radio.files.unpickle import load_arrays

T = 16


def make_cells(seed: int = 0) -> dict[tuple[str, int], np.ndarray]:
    rng = np.random.default_rng(seed)
    names = ("QAM64", "WBFM", "BPSK", "AM-DSB")
    return {(n, s): rng.standard_normal((3 + i, 2, T)).astype("f4") for i, n in enumerate(names) for s in (18, -20, 0)}


def python2_pickle(cells: dict[tuple[str, int], np.ndarray], protocol: int) -> bytes:
    """Write what cPickle.dump(dict, file, protocol) writes under Python 2, opcode by opcode."""
    mark, out = b"(", io.BytesIO()

    def text(value: bytes) -> bytes:
        if protocol == 0:
            return b"S" + repr(value)[1:].encode() + b"\n"
        return (
            b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + len(value).to_bytes(4, "little") + value
        )

    def number(value: int) -> bytes:
        return b"I%d\n" % value if protocol == 0 else b"J" + value.to_bytes(4, "little", signed=True)

    out.write({0: b"(dp1\n", 2: b"\x80\x02}q\x01"}[protocol])
    for (name, snr), array in cells.items():
        dtype = b"cnumpy\ndtype\n(" + text(b"f4") + number(0) + number(1) + b"tR("
        dtype += number(3) + text(b"<") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
        shape = mark + b"".join(number(size) for size in array.shape) + b"t"
        state = mark + number(1) + shape + dtype + number(0) + text(array.tobytes()) + b"tb"
        built = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + number(0) + b"t" + text(b"b") + b"tR"
        out.write(mark + text(name.encode()) + number(snr) + b"t" + built + state + b"s")
    out.write(b".")
    return out.getvalue()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_python_2_pickle_is_read_in_order_of_name_and_snr(tmp_path: Path, protocol: int) -> None:
    cells = make_cells()
    with open_frames(written(tmp_path / "RML2016.10a_dict.pkl", python2_pickle(cells, protocol))) as file:
        assert isinstance(file, PickledFrames)
        assert file.classes == CLASSES_2016
        assert (len(file), file.frame_len) == (sum(map(len, cells.values())), T)
        place = {"QAM64": CLASSES_2016.index("64QAM"), **{name: i for i, name in enumerate(CLASSES_2016)}}
        order = sorted(cells, key=lambda key: (place[key[0]], key[1]))
        frames, labels, snrs = file.read(np.arange(len(file)))
        np.testing.assert_array_equal(frames, np.concatenate([cells[key].transpose(0, 2, 1) for key in order]))
        counts = [len(cells[key]) for key in order]
        np.testing.assert_array_equal(snrs, np.repeat([snr for _, snr in order], counts))
        np.testing.assert_array_equal(labels, np.repeat([place[name] for name, _ in order], counts))
        rows = np.random.default_rng(1).permutation(len(file))[:20]
        np.testing.assert_array_equal(file.read(rows)[0], frames[rows])
        again = pickle.loads(pickle.dumps(file))
        np.testing.assert_array_equal(again.read(rows)[0], frames[rows])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["f4", ">f8", "f2"])
def test_pickles_of_python_3_are_read_too(protocol: Any, dtype: str) -> None:
    cells = {key: np.asfortranarray(array.astype(dtype)) for key, array in make_cells(1).items()}
    found = load_arrays(pickle.dumps(cells, protocol), "file")
    assert found.keys() == cells.keys()
    for key, array in cells.items():
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)


class Runs:
    """Calls a function when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _hostile(canary: Path) -> dict[str, bytes]:
    command = f"touch {canary}"
    array = np.zeros((1, 2, T), "f4")
    key = b"(S'BPSK'\nI0\nt"
    rebuilt = b"cnumpy.core.multiarray\n_reconstruct\n"
    return {
        "system": pickle.dumps({("BPSK", 0): Runs(os.system, command)}),
        "eval": pickle.dumps(Runs(eval, f"__import__('os').system({command!r})")),
        "at the end": pickle.dumps([{("BPSK", 0): array}, Runs(os.system, command)]),
        "old opcodes": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "object opcode": b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
        "below numpy": b"cnumpy\nf2py.os.system\n(S'" + command.encode() + b"'\ntR.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x12core.os.system.foo\x93.",
        "numpy's own": b"cnumpy.testing._private.utils\nrunstring\n(S'1'\n}tR.",
        "numpy.load": b"cnumpy\nload\n(S'x'\nN\x88tR.",
        "subclass": rebuilt + b"(cnumpy\nmatrix\n(I0\ntS'b'\ntR.",
        "wrong kind": rebuilt + b"(I5\n(I0\ntS'b'\ntR.",
        "objects": pickle.dumps({("BPSK", 0): np.array([Runs(os.system, command)], object)}),
        "object dtype": b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.",
        "records": pickle.dumps({("BPSK", 0): np.zeros(3, [("a", "f4")])}),
        "integers": pickle.dumps({("BPSK", 0): np.zeros((1, 2, T), "i4")}),
        "state of a function": rebuilt + b"}S'__defaults__'\nNsb.",
        "slots of a function": rebuilt + b"N}S'__call__'\nNs\x86b.",
        "short array": pickle.dumps({("BPSK", 0): array}, 2).replace(b"K\x10\x87", b"K\x11\x87"),
        "negative shape": b"(dp0\n" + key + rebuilt + b"(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I-1\ntcnumpy\ndtype\n"
        b"(S'f4'\ntRI0\nS''\ntbs.",
        "extension": b"\x82\x01.",
        "persistent": b"P1\n.",
        "truncated": pickle.dumps({("BPSK", 0): array})[:-20],
        "text": b"OOK, 4ASK, 8ASK",
        "empty": b"",
        "list": pickle.dumps([1, 2]),
        "no frames": pickle.dumps({}),
        "key": pickle.dumps({"BPSK": array}),
        "fractional SNR": pickle.dumps({("BPSK", 0.5): array}),
        "number": pickle.dumps({("BPSK", 0): 7}),
        "unbuilt array": b"(dp0\n" + key + rebuilt + b"(cnumpy\nndarray\n(I0\ntS'b'\ntRs.",
    }


#: (3, 2, T) in protocol 2.
SHAPE = b"K\x03K\x02K\x10\x87"


@cache
def _endless() -> dict[str, bytes]:
    """Pickles that name no function and do harm: no end, a crash, memory, an exception of another kind."""
    array = np.zeros((3, 2, T), "f4")
    shared = b"".join(b"q\x01h\x01h\x01\x86" for _ in range(40))
    return {
        "a hash without end": b"\x80\x02}()" + shared + b"K\x01\x86K\x01u.",
        "nested 200,000 deep": b"\x80\x02}()" + b"\x85" * 200_000 + b"K\x01u.",
        "a memo of 2 GB": b"}r" + (2**27).to_bytes(4, "little") + b".",
        "an SNR of 6,000 digits": pickle.dumps({("QPSK", 10**6000): array}, 2),
        "an SNR of 6,000 digits as text": pickle.dumps({("QPSK", 10**3000): array}, 0),
        "a stack of 64 MB": b"}" + b"N" * (64 << 20) + b".",
        "a memo of many": b"}" + b"".join(b"r" + place.to_bytes(4, "little") for place in range(110_000)) + b".",
        "a text of 2**63 bytes": b"\x80\x04\x8e" + (2**63).to_bytes(8, "little") + b".",
        "a text of -1 bytes": b"\x80\x02T\xff\xff\xff\xff.",
        "a frame of 2**63 bytes": b"\x80\x04\x95" + (2**63).to_bytes(8, "little") + b".",
        "a shape without end": pickle.dumps({("A", 0): array}, 2).replace(
            b"K\x03K\x02K\x10\x87", b"(" + b"K\x01" * 60 + b"t"
        ),
        "no data": pickle.dumps({("A", 0): np.zeros((0, 2, T), "f4")}, 2),
        "half a character": b"\x80\x04}(X\x03\x00\x00\x00\xed\xa0\x80K\x00\x86Nu.",
        "characters that latin1 has not": b"\x80\x03c_codecs\nencode\nX\x02\x00\x00\x00\xc4\x80\x85R.",
        "no characters at all": b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'U1'\ntRU\x04\xff\xff\xff\xfftR.",
        "a key twice": b"}(" + b"".join(_pair(b"U\x01A", 0) * 2) + b"u.",
        "a dict in a dict": b"\x80\x02}(" + b"U\x01AK\x00\x86}u.",
        "an array in a key": b"}(cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\ntRK\x00\x86Nu.",
    }


def _pair(name: bytes, snr: int) -> list[bytes]:
    whole = pickle.dumps({("A", 0): np.zeros((1, 2, 1), "f4")}, 2)
    value = whole[whole.index(b"cnumpy") : whole.index(b"s.")]
    return [name + b"K" + bytes([snr]) + b"\x86", re.sub(rb"(?s)q.", b"", value)]


@pytest.mark.parametrize("name", _endless())
def test_pickles_without_end_are_refused_at_once(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "evil.pkl", _endless()[name])
    started = time.monotonic()
    with pytest.raises(DataError) as caught:
        PickledFrames(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.monotonic() - started < 2


def test_what_a_saved_copy_has_in_its_keys_is_read() -> None:
    """Seen before: "fetch it again" for RadioML's own dict that a Python 3 program had saved."""
    cells = {("QPSK", 0): np.ones((4, 2, T), "f4"), ("8PSK", -18): np.zeros((2, 2, T), "f4")}
    forms: list[Callable[[str, int], object]] = [
        lambda name, snr: (name, np.int64(snr)),
        lambda name, snr: (name, np.int8(snr)),
        lambda name, snr: (name, np.float32(snr)),
        lambda name, snr: (name, float(snr)),
        lambda name, snr: (name.encode(), snr),
        lambda name, snr: (np.str_(name), snr),
        lambda name, snr: (np.bytes_(name), snr),
    ]
    for form in forms:
        saved = {form(*key): array for key, array in cells.items()}
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            found = load_arrays(pickle.dumps(saved, protocol), "file")
            assert found.keys() == cells.keys()
            np.testing.assert_array_equal(found["QPSK", 0], 1)


def test_what_is_no_dict_of_arrays_is_refused_in_words_that_help() -> None:
    other = pickle.dumps({("QPSK", 0.5): np.zeros((1, 2, T), "f4")})
    with pytest.raises(DataError, match=r"keys must be \(modulation, SNR in whole dB\), not \('QPSK', 0.5\)"):
        load_arrays(other, "file")
    ordered = pickle.dumps(OrderedDict({("QPSK", 0): np.zeros((1, 2, T), "f4")}))
    with pytest.raises(DataError, match=r"it names collections.OrderedDict, .*; save it again as a dict of arrays"):
        load_arrays(ordered, "file")
    with pytest.raises(DataError, match=r"numpy arrays, or not all of it .it ends too early.; fetch it again"):
        load_arrays(pickle.dumps(make_cells())[:-5000], "file")


@pytest.mark.parametrize("name", _hostile(Path()))
def test_hostile_and_damaged_pickles_are_refused_and_nothing_runs(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    path = written(tmp_path / "evil.pkl", _hostile(canary)[name])
    with pytest.raises(DataError) as caught:
        PickledFrames(path)
    assert "\n" not in str(caught.value)
    assert not canary.exists()


def test_the_hostile_pickles_do_run_elsewhere(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    for name in ("system", "eval", "old opcodes", "object opcode"):
        canary = tmp_path / name.replace(" ", "")
        pickle.loads(_hostile(canary)[name])
        assert canary.exists(), name


def test_a_hostile_pickle_leaves_the_reader_as_it_was() -> None:
    before = load_arrays(pickle.dumps(make_cells()), "file")
    for name, data in _hostile(Path("unused")).items():
        with pytest.raises(DataError):
            load_arrays(data, name)
    after = load_arrays(pickle.dumps(make_cells()), "file")
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({("A", 0): np.zeros((2, 2, 8), "f4"), ("B", 0): np.zeros((2, 2, 9), "f4")}, "of one T; B at 0 dB"),
        ({("A", 0): np.zeros((2, 8, 2), "f4")}, r"must be \(n, 2, T\)"),
        ({("A", 500): np.zeros((2, 2, 8), "f4")}, "SNR of 500 dB"),
    ],
)
def test_frames_of_another_form(tmp_path: Path, cells: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        PickledFrames(written(tmp_path / "x.pkl", pickle.dumps(cells)))


def test_two_spellings_of_one_class_become_one_and_are_told(tmp_path: Path) -> None:
    cells = {("QAM16", 0): np.zeros((2, 2, 8), "f4"), ("16qam", 0): np.ones((1, 2, 8), "f4")}
    with pytest.warns(UserWarning, match="'QAM16', '16qam' are taken as one class, 16QAM"):
        file = PickledFrames(written(tmp_path / "x.pkl", pickle.dumps(cells)))
    assert len(file.select([CLASSES.index("16QAM")], [0])) == 3


def test_a_missing_pickle(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        PickledFrames(tmp_path / "none.pkl")
