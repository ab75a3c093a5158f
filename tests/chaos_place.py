"""The small workspace in which commands are killed, and the commands: see chaos.py."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos_starter import Started, Starter

MODEL = "little"
FRAME_LEN = 32
#: Figures that differ from run to run.
_VARIES = re.compile(r"seconds|date|frames_per_s|cycles_per_s|wall_|^(convert|driver)_us|reference")

RECIPE = """
seed = 5
validate_every = 4
validate_frames = 24
checkpoint_every = 2
[data]
recipe = "radioml2018-v1"
train = [[10, 20, 10, 2]]
validation = [[20, 20, 2, 1]]
test = [[10, 10, 2, 1]]
[[stage]]
name = "dense"
kind = "float"
dropout = 0.0
phases = [{ crop = 64, steps = 8, batch = 8, learning_rate = 3e-3, warmup = 1 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 64, steps = 8, batch = 8, warmup = 1 }]
"""


@dataclass(frozen=True)
class Command:
    """A command, what must have run before, and which of its files must be the same after a kill."""

    arguments: tuple[str, ...]
    #: Patterns below the workspace.
    results: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    #: Parts of the cache that an earlier run of any model fills; the rest is empty.
    warm: tuple[str, ...] = ()


_BUILD = f"hls_projects/{MODEL}/build"
_REPORT = f"{_BUILD}/report.json"
_HLS = ("hls", MODEL, "--frames", "4")
_MADE = ("data", "make", "frames.hdf5", "--frames", "40", "--snrs", "0,10", "--workers", "2")
_RUNTIME = ("verilated-runtime",)
COMMANDS = {
    "graph": Command(("graph", MODEL, "--update"), ("hls_projects/*/graph.*",)),
    "rtl": Command(("rtl", MODEL), (f"{_BUILD}/rtl/**/*", _REPORT)),
    "hls": Command(_HLS, (f"{_BUILD}/vitis/**/*.h", f"{_BUILD}/vitis/**/*.cpp", _REPORT)),
    "csim": Command(("csim", MODEL, "--frames", "100"), (_REPORT,), (_HLS,)),
    "cosim": Command(("cosim", MODEL, "--frames", "8"), (_REPORT,), warm=_RUNTIME),
    "synth": Command(("synth", MODEL), (_REPORT,)),
    "overlay": Command(("overlay", MODEL), (f"{_BUILD}/overlay/**/*", _REPORT)),
    "bench": Command(("bench", MODEL, "--frames", "8"), (_REPORT,), warm=_RUNTIME),
    "sim-overlays": Command(("sim-overlays", "gallery", MODEL, "--frames", "16"), ("gallery/**/*",), warm=_RUNTIME),
    "train": Command(
        ("train", "gru_cnn_c40"), ("hls_projects/gru_cnn_c40/weights.h5", "hls_projects/gru_cnn_c40/graph.*")
    ),
    "data make": Command(_MADE, ("frames.hdf5",)),
    "data convert": Command(("data", "convert", "frames.hdf5", "other.hdf5"), ("other.hdf5",), (_MADE,)),
    "evaluate": Command(("evaluate", MODEL, "air.sigmf-meta"), (_REPORT,)),
    "classify": Command(("classify", MODEL, "air.sigmf-meta", "--annotate"), ("air.*.sigmf-meta",)),
    "init": Command(("init", "users.h5", "--classes", "A,B,C,D,E"), ("hls_projects/users/**/*",)),
    "report": Command(("report", MODEL), (f"{_BUILD}/report.html", f"{_BUILD}/report.md"), (("rtl", MODEL),)),
}


class Place:
    """A workspace at one path, made anew for every trial: results name that path."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.template = folder / "work", folder / "template"
        self.template.mkdir(parents=True)
        prepare(self.template)
        self.starter = Starter()

    def renew(self, command: Command) -> None:
        """Go back to the workspace in which `command` has not run yet."""
        ready = self._ready(command)
        if not ready.is_dir():
            self._copy(self.template)
            for arguments in command.before:
                self.run(arguments)
            shutil.copytree(self.folder, ready)
        self._copy(ready)

    def keep_warm(self, command: Command) -> None:
        """Let all later runs find what a run of `command` left in the warm parts of the cache."""
        for part in command.warm:
            shutil.copytree(self.folder / "cache" / part, self._ready(command) / "cache" / part, dirs_exist_ok=True)

    def _ready(self, command: Command) -> Path:
        return self.template.with_name("ready-" + "-".join(command.arguments[:2]).replace("/", "-"))

    def _copy(self, source: Path) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder)

    def run(self, arguments: Sequence[str]) -> None:
        """Run a command that nobody kills to its good end."""
        code, said = self.start(arguments).finish()
        if code:
            raise RuntimeError(f"{' '.join(arguments)}: exit code {code}: {said}")

    def start(self, arguments: Sequence[str]) -> Started:
        """Start a command in a session of its own."""
        environment = {
            "HW_AMC_ROOT": str(self.folder),
            "HW_AMC_CACHE": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
        }
        mark = uuid.uuid4().hex
        return self.starter.start(arguments, self.folder, environment, self.template.with_name(mark), mark)

    def files(self) -> set[str]:
        """Every file and folder, but the cache's entries: their names are digests of what may differ."""
        return set(_names(self.folder))

    def results(self, command: Command) -> dict[str, str]:
        """Digests of the files that the command is for, by name."""
        paths = {path for pattern in command.results for path in self.folder.glob(pattern) if path.is_file()}
        return {path.relative_to(self.folder).as_posix(): _digest(path) for path in sorted(paths)}


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        # TensorBoard's event files carry time and process; __pycache__ is Python's; pages of the report may be older.
        if not re.search(r"events\.out|__pycache__", name):
            yield re.sub(r"-[0-9a-f]{16}\.", "-DIGEST.", name)


def _digest(path: Path) -> str:
    try:
        if path.name == "report.json":
            data = json.dumps(_steady(json.loads(path.read_bytes())), sort_keys=True).encode()
        else:
            data = _contents(path) if path.suffix in {".h5", ".hdf5"} else path.read_bytes()
    except (OSError, ValueError) as error:
        return f"{path.name} cannot be read: {error}"
    return hashlib.sha256(data).hexdigest()


def _contents(path: Path) -> bytes:
    """Digest of all datasets and attributes of an HDF5 file; its bytes carry the time in which it was made."""
    import h5py

    told = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        told.update(f"{name} {sorted((key, str(value)) for key, value in item.attrs.items())}\n".encode())
        if isinstance(item, h5py.Dataset):
            told.update(f"{item.dtype} {item.shape}\n".encode() + item[()].tobytes())

    with h5py.File(path) as file:
        add("/", file)
        file.visititems(add)
    return told.digest()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if not _VARIES.search(key)}
    return [_steady(item) for item in value] if isinstance(value, list) else value


def prepare(folder: Path) -> None:
    """A workspace with a small trained network, one to train in seconds, a user's model and a recording."""
    (folder / "tmp").mkdir(parents=True)
    _save_network(folder / "hls_projects" / MODEL)
    other = folder / "hls_projects" / "gru_cnn_c40"
    other.mkdir()
    (other / "train.toml").write_text(RECIPE)
    _save_users_model(folder / "users.h5")
    _record(folder / "air.sigmf-meta")


def _save_network(folder: Path) -> None:
    import deployed
    from tensorflow import keras

    from hw_amc import compress
    from hw_amc.files import file_digest
    from hw_amc.graph.reader import build_graph

    folder.mkdir(parents=True)
    x = inputs = keras.Input((FRAME_LEN, 2), name="frames")
    for layer in (
        deployed.act("iq", integer=1),
        deployed.conv1d("conv", 3, 3),
        deployed.relu("conv_relu", integer=1),
        keras.layers.GlobalAveragePooling1D(name="gap"),
        deployed.act("gap_quant"),
        deployed.dense("head", 5),
    ):
        x = layer(x)
    model = deployed.fill(keras.Model(inputs, x), "random")
    compress.save_deployed(model, folder / "weights.h5")
    loaded = compress.load_deployed(folder / "weights.h5")
    classes = deployed.FIVE
    build_graph(loaded, MODEL, classes, file_digest(folder / "weights.h5")).save(folder)
    (folder / "project.toml").write_text(f"classes = {json.dumps(classes)}\n[rtl]\ncycles_per_step = 4\n")


def _save_users_model(path: Path) -> None:
    import deployed
    from tensorflow import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((FRAME_LEN, 2)), layers.Conv1D(3, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling1D(), layers.Dense(5, activation="softmax"),
    ])  # fmt: skip
    deployed.fill(model, "random").save(path, save_format="h5")


def _record(path: Path, frames: int = 300) -> None:
    """Noise with a label and an SNR for every tenth of it."""
    import deployed
    import numpy as np

    samples = np.random.default_rng(2).normal(0, 0.4, size=(frames * FRAME_LEN, 2)).astype(np.float32)
    samples.tofile(path.with_suffix(".sigmf-data"))
    part = frames * FRAME_LEN // 10
    marks = [
        {
            "core:sample_start": index * part,
            "core:sample_count": part,
            "core:label": deployed.FIVE[0][index % 5],
            "capture_details:SNRdB": 10 * (index % 2),
        }
        for index in range(10)
    ]
    told = {"core:datatype": "cf32_le", "core:sample_rate": 1e6, "core:version": "1.0.0"}
    captures = [{"core:sample_start": 0, "core:frequency": 1e9}]
    path.write_text(json.dumps({"global": told, "captures": captures, "annotations": marks}))
