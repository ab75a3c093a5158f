"""Wrong files of formats that hold arrays, pickles, or JSON of a file within: archives, HDF5, protocol buffers."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import h5py
import numpy as np
from fuzz_inputs import WRONG, WRONG_ARRAYS, Json, Plain


class Arrays:
    """An archive of arrays; what stands in `note` is JSON."""

    def __init__(self, valid: bytes) -> None:
        with np.load(io.BytesIO(valid)) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self.names = list(self.arrays)
        self.wrong = WRONG_ARRAYS
        self.count = len(self.names) * len(self.wrong)
        text = str(self.arrays["note"]) if "note" in self.arrays else None
        self.note = None if text is None else Json(text)

    def single(self, number: int) -> bytes:
        place, wrong = divmod(number, len(self.wrong))
        return packed_arrays({**self.arrays, self.names[place]: self.wrong[wrong]})

    def several(self, rng: Random) -> bytes:
        arrays = dict(self.arrays)
        for _ in range(rng.randint(1, 3)):
            name = rng.choice(self.names)
            arrays[name] = other_array(arrays.get(name, np.zeros(1)), rng)
        if rng.random() < 0.2:
            del arrays[rng.choice(list(arrays))]
        if self.note is not None and rng.random() < 0.5:
            arrays["note"] = np.array(self.note.several(rng).decode(errors="replace"))
        return packed_arrays(arrays)


def packed_arrays(arrays: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=True)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return stream.getvalue()


def other_array(array: Any, rng: Random) -> Any:
    """Return an array that is nearly as it was, or quite another."""
    what = rng.randrange(6)
    if what == 0 or array.dtype.kind not in "biufc":
        return rng.choice(WRONG_ARRAYS)
    if what == 1:
        return array.astype(rng.choice((np.int8, np.uint64, np.float16, np.float64, np.complex64, bool, object)))
    if what == 2:
        return array.reshape(-1) if rng.random() < 0.5 or array.ndim > 8 else array[None]
    if what == 3:
        return array[: rng.randrange(len(array))] if array.ndim and len(array) else array
    if what == 4:
        return np.asfortranarray(array.T) if rng.random() < 0.5 else array.byteswap().view(array.dtype.newbyteorder())
    changed = array.copy().reshape(-1)
    if changed.size:
        with np.errstate(all="ignore"):
            value = np.array(rng.choice((0, -1, 1, 127, 255, 2**31 - 1, float("nan"), float("inf"), 1e30)))
            changed[rng.randrange(changed.size)] = value.astype(changed.dtype)
    return changed.reshape(array.shape)


class Npy(Plain):
    """One array."""

    def __init__(self, valid: bytes) -> None:
        super().__init__(valid)
        self.array = np.load(io.BytesIO(valid))
        self.count = len(WRONG_ARRAYS)

    def single(self, number: int) -> bytes:
        return self._saved(WRONG_ARRAYS[number])

    def several(self, rng: Random) -> bytes:
        return self._saved(other_array(self.array, rng))

    def _saved(self, array: Any) -> bytes:
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=True)
        return stream.getvalue()


@contextmanager
def hdf5_of(valid: bytes) -> Iterator[Any]:
    """Open an HDF5 file that lies in memory, for changing it; `file.id.get_file_image()` gives it back."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(1 << 16, False)
    access.set_file_image(valid)
    with h5py.File(h5py.h5f.open(b"in memory", h5py.h5f.ACC_RDWR, fapl=access)) as file:
        yield file


def image_of(file: Any) -> bytes:
    file.flush()
    return bytes(file.id.get_file_image())


class Hdf5(Plain):
    """Data sets and attributes."""

    def __init__(self, valid: bytes) -> None:
        super().__init__(valid)
        with hdf5_of(valid) as file:
            self.arrays = {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)}
            self.attributes = list(file.attrs) or ["x"]
        self.names = list(self.arrays)
        self.wrong = [array for array in map(np.asanyarray, WRONG_ARRAYS) if array.dtype.kind not in "UM"]
        self.count = len(self.names) * len(self.wrong)

    def single(self, number: int) -> bytes:
        place, wrong = divmod(number, len(self.wrong))
        return self._changed([(self.names[place], self.wrong[wrong])])

    def several(self, rng: Random) -> bytes:
        names = rng.sample(self.names, min(len(self.names), rng.randint(1, 3)))
        changes = [(name, other_array(self.arrays[name], rng)) for name in names]
        return self._changed([change for change in changes if change[1].dtype.kind not in "UMO"], rng)

    def _changed(self, changes: list[tuple[str, Any]], rng: Random | None = None) -> bytes:
        with hdf5_of(self.valid) as file:
            for name, array in changes:
                del file[name]
                if rng is None or rng.random() < 0.7:
                    file.create_dataset(name, data=array)
                else:
                    self._odd(file, name, array, rng)
            if rng is not None and rng.random() < 0.5:
                name = rng.choice(self.attributes)
                file.attrs[name] = rng.choice((1, -1.5, "x", "\n", "9" * 5000, np.zeros(3), b"\xff", h5py.Empty("f")))
            return image_of(file)

    @staticmethod
    def _odd(file: Any, name: str, array: Any, rng: Random) -> None:
        """Make a link, a group, or a data set of chunks in place of a plain one."""
        what = rng.randrange(6)
        if what == 0:
            file[name] = h5py.SoftLink(rng.choice((f"/{name}", "/", "/X")))
        elif what == 1:
            file[name] = h5py.ExternalLink("/etc/passwd", "/X")
        elif what == 2:
            file.create_group(name)
        elif what == 3 and array.ndim:
            file.create_dataset(name, (10**11, *array.shape[1:]), array.dtype, compression="gzip")
        elif what == 4:
            file.create_dataset(name, array.shape, array.dtype, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
        else:
            file.create_dataset(name, data=["a", "b"], dtype=h5py.string_dtype())


class Pickled(Plain):
    """A dict of arrays, as the first RadioML files are; the wrong ones are pickled whole."""

    def __init__(self, valid: bytes) -> None:
        super().__init__(valid)
        self.data = pickle.loads(valid)  # made just before
        self.wrong = (*WRONG, *WRONG_ARRAYS, (), ("BPSK",), ("BPSK", "0"), (0, "BPSK"), b"\xff", {1, 2}, 1j, ...)
        self.count = 2 * len(self.wrong)

    def single(self, number: int) -> bytes:
        as_key, wrong = divmod(number, len(self.wrong))
        value, data = self.wrong[wrong], dict(self.data)
        first = next(iter(data))
        try:
            data |= {value: data[first]} if as_key else {first: value}
        except TypeError:  # no key
            data = value
        return pickle.dumps(data, 2)

    def several(self, rng: Random) -> bytes:
        data: Any = {}
        for key, array in self.data.items():
            parts = list(key)
            if rng.random() < 0.4:
                parts[rng.randrange(len(parts))] = rng.choice(WRONG[:17])
            value = other_array(array, rng) if rng.random() < 0.5 else array
            data[tuple(parts)] = value if rng.random() < 0.9 else rng.choice(self.wrong)
        data = rng.choice((data, list(data.items()), {"x": data}, (data,))) if rng.random() < 0.1 else data
        return pickle.dumps(data, rng.randrange(5))


def packed_tar(members: Sequence[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def json_in_tar(valid: bytes) -> Json:
    with tarfile.open(fileobj=io.BytesIO(valid)) as archive:
        members = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    meta = next(name for name in members if name.endswith("meta"))
    return Json(members[meta], lambda text: packed_tar(list({**members, meta: text.encode()}.items())))


def json_in_zip(name: str) -> Callable[[bytes], Json]:
    def make(valid: bytes) -> Json:
        with zipfile.ZipFile(io.BytesIO(valid)) as archive:
            members = {entry: archive.read(entry) for entry in archive.namelist()}

        def pack(text: str) -> bytes:
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w") as archive:
                for entry, data in {**members, name: text.encode()}.items():
                    archive.writestr(zipfile.ZipInfo(entry), data)
            return stream.getvalue()

        return Json(members[name], pack)

    return make


def json_in_hdf5(valid: bytes) -> Json:
    """Make inputs of a model's file, whose configuration is an attribute."""

    def pack(text: str) -> bytes:
        with hdf5_of(valid) as file:
            file.attrs["model_config"] = text
            return image_of(file)

    with hdf5_of(valid) as file:
        return Json(file.attrs["model_config"], pack)


def json_in_protobuf(valid: bytes) -> Json:
    """Make inputs of a SavedModel's keras_metadata.pb, whose root node holds the model's configuration."""
    from tensorflow.python.keras.protobuf import saved_metadata_pb2

    parsed = saved_metadata_pb2.SavedMetadata()
    parsed.ParseFromString(valid)
    root = next(node for node in parsed.nodes if node.node_path == "root")

    def pack(text: str) -> bytes:
        root.metadata = text
        return bytes(parsed.SerializeToString())

    return Json(root.metadata, pack)
