"""Every reader of a file that the package has, each with a small valid file."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fuzz_containers as containers
import fuzz_inputs as forms
import h5py
import numpy as np
import scipy.io
import scipy.io.wavfile
from fuzz_inputs import Inputs
from networks import gru_cnn_graph

from hw_amc import config
from hw_amc.adders import solutions
from hw_amc.adders.graph import AdderGraph, _Builder
from hw_amc.driver.handoff import Handoff
from hw_amc.driver.identity import check_files
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import HwAmcError
from hw_amc.flows import init_files
from hw_amc.flows.init_report import quantisation_section
from hw_amc.graph import Graph, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import reports
from hw_amc.interface.manifest import Head, Manifest
from hw_amc.overlay import vivado_reports
from hw_amc.overlay.design import build_design
from hw_amc.radio.annotations import find_target
from hw_amc.radio.classes import load_class_names
from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.readers import open_frames
from hw_amc.report import store
from hw_amc.report.evaluation import load_accuracy
from hw_amc.sim_device.hwh import emit_hwh
from hw_amc.train.checkpoint import load_arrays, save_arrays
from hw_amc.train.data import FrameSet, keep_frames
from hw_amc.train.predictions import load_predictions
from hw_amc.train.recipe import load_recipe_file
from hw_amc.untrusted import load_json

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "hls_projects" / "gru_cnn_sparse07"
#: Where `kept_frames` keeps its samples.
KEPT = f"k-{hashlib.sha256(b'[1]').hexdigest()[:16]}-wire.npy"
WEIGHTS = hashlib.sha256(b"weights").hexdigest()
UNLABELLED = CaptureOptions(frame_len=16, samples="float32", stand_in="unlabelled")
#: Inputs that a reader is to be given, in all runs together; those of which Keras makes a model take longest.
GOAL, GOAL_OF_MODELS = 1_000_000, 10_000
#: What a valid file gives.
READ, REFUSED = "read", "refused"


@dataclass(frozen=True)
class Target:
    """One reader: the file it reads, how a valid one is made, reading it, and what is made of the valid one."""

    name: str
    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]
    form: Callable[[bytes], Inputs] = forms.Plain
    #: What the reader says to the valid file: formats that are known only to be refused are read by nobody.
    valid: str = READ
    #: Its worker needs TensorFlow.
    heavy: bool = False
    goal: int = GOAL


def read_frames(path: Path) -> None:
    options = CaptureOptions(frame_len=16)
    if path.suffix in (".npy", ".wav", ".iq"):
        options = CaptureOptions(
            frame_len=16, label="BPSK", snr_db=0, samples="float32" if path.suffix == ".iq" else None
        )
    with open_frames(path, options) as frames:
        count = len(frames)
        _ = frames.attributes, frames.index, frames.classes
        frames.read(np.arange(min(count, 4)))
        if count <= 1000 and frames.frame_len <= 4096:
            _ = frames.origins


def frames(count: int = 8) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(1).normal(size=(count, 16, 2)).astype(np.float32)


def make_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({("BPSK", 0): frames().swapaxes(1, 2), ("QPSK", 2): frames().swapaxes(1, 2)}, 2))


def make_hdf5(path: Path) -> None:
    with h5py.File(path, "w", track_order=False) as file:
        file["X"], file["Z"] = frames(), np.zeros((8, 1), np.int64)
        file["Y"] = np.eye(24, dtype=np.int64)[:8]
        file.attrs["recipe"], file.attrs["seed"] = "radioml2018-v2", 1


def make_two_heads(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["X"], file["Z"] = frames(), np.zeros((8, 1), np.int64)
        file["Y"], file["S"] = np.eye(2, dtype=np.int64)[[0, 1] * 4], np.eye(3, dtype=np.int64)[[0, 1] * 4]
        file.attrs["classes"], file.attrs["signals"] = '["a", "b"]', '["x", "y", "z"]'


def make_radcom(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for modulation, signal in (("pulsed", "Airborne-detection"), ("bpsk", "Satcom"), ("amdsb", "AM radio")):
            for number in range(2):
                file[str((modulation, signal, 0, number))] = frames(1).reshape(-1)


SIGMF = {
    "global": {"core:datatype": "cf32_le", "core:sample_rate": 1e6, "core:version": "1.0.0"},
    "captures": [{"core:sample_start": 0, "core:frequency": 1e9}],
    "annotations": [{"core:sample_start": 0, "core:sample_count": 64, "core:label": "BPSK"}],
}


def make_sigmf(path: Path) -> None:
    frames().tofile(path.with_suffix(".sigmf-data"))
    path.write_text(json.dumps(SIGMF))


def make_sigmf_archive(path: Path) -> None:
    members = (("a/a.sigmf-meta", json.dumps(SIGMF).encode()), ("a/a.sigmf-data", frames().tobytes()))
    path.write_bytes(containers.packed_tar(members))


def make_annotated(path: Path) -> None:
    frames().tofile(path.parent / "b.iq")
    with open_frames(path.parent / "b.iq", UNLABELLED) as file:
        find_target(file, "net", "ab" * 32).write([], ["BPSK"])
    (path.parent / "b.net.sigmf-meta").replace(path)


def read_annotated(path: Path) -> None:
    shutil.copy(path, path.parent / "b.net.sigmf-meta")
    with open_frames(path.parent / "b.iq", UNLABELLED) as file:
        find_target(file, "net", "ab" * 32)


def make_mat(path: Path) -> None:
    scipy.io.savemat(path, {"x": frames()})


def make_csv(path: Path) -> None:
    np.savetxt(path, frames().reshape(-1, 2), delimiter=",")


def manifest() -> Manifest:
    return Manifest(
        name="net", graph_digest="ab" * 32, project_digest="cd" * 32, flow="rtl", interface=65536, frame_len=1024,
        wire_frac=14, normalise="rms", input_shift=-2, input_bits=8, input_frac=6, heads=(Head("a", ("x", "y")),),
        logit_frac=17, mode="channels", contexts=4, n_channels=4, lanes=1, cycles_per_frame=10240, latency_cycles=None,
        board="pynq-z2", part="xc7z020clg400-1", clock_mhz=125.0,
    )  # fmt: skip


def make_report(path: Path) -> None:
    run = {"frames": 2, "mismatches": 0, "frames_per_s": 9.5, "command": "c", "kind": "measured"}
    path.write_text(json.dumps({"schema": 1, "golden": run, "csim": {"native": run}}))


def copy(source: Path) -> Callable[[Path], object]:
    return lambda path: shutil.copy(source, path)


def make_graph(path: Path) -> None:
    gru_cnn_graph(np.random.default_rng(1), 8, 2, (2, 3)).save(path.parent)


def read_graph(path: Path) -> None:
    graph = Graph.load(path.parent)
    graph.digest()
    golden.run(graph, np.zeros((1, *graph.input.shape), np.int32))


def make_adders(path: Path) -> None:
    stages = [{
        "inp_shifts": [0, 0, 0], "out_idxs": [3, 4], "out_shifts": [0, 1], "out_negs": [False, True],
        "ops": [[0, -1, -1, 0], [1, -1, -1, 0], [2, -1, -1, 0], [0, 1, 0, 1], [3, 2, 1, 0]],
    }]  # fmt: skip
    path.write_text(json.dumps({"stages": stages}))


def read_adders(path: Path) -> None:
    stages, inputs = solutions.parse_stages(load_json(path).get("stages"), (3, 2)), (FixedFormat(8, 7),) * 3
    builder = _Builder(inputs)
    outputs = builder.translate(stages, [0, 1, 2])
    _ = AdderGraph(inputs, tuple(builder.adders), tuple(outputs)).matrix


def make_predictions(path: Path) -> None:
    from hw_amc.train.predictions import Predictions, save_predictions

    (path.parent / "weights.h5").write_bytes(b"weights")
    answers = np.arange(6, dtype=np.uint8)
    save_predictions(path.parent, Predictions(answers, answers, np.zeros(6, np.int8), {"recipe": "awgn-v1"}))


def kept_frames(folder: Path, make: Callable[[], FrameSet]) -> FrameSet:
    return keep_frames("k", [1], folder, make)


def make_kept(path: Path) -> None:
    words, counts = np.zeros((4, 16, 2), np.int16), np.zeros(4, np.int8)
    kept_frames(path.parent, lambda: FrameSet(words, counts.astype(np.uint8), counts))


def read_kept(path: Path) -> None:
    _ = np.array(kept_frames(path.parent, no_set).wire)


def no_set() -> FrameSet:
    raise AssertionError("the kept set is there")


def make_vectors(path: Path) -> None:
    wire, logits = np.zeros((2, 1024, 2), np.int16), np.zeros((2, 2), np.int32)
    path.write_bytes(Vectors(wire, logits, manifest().graph_digest).to_bytes())


def make_hwh(path: Path) -> None:
    path.write_text(emit_hwh(build_design(manifest(), config.load_board("pynq-z2", ROOT / "boards"))))


def read_hwh(path: Path) -> None:
    handoff = Handoff.load(path)
    _ = handoff.family, handoff.ps, handoff.dma, handoff.accelerator, handoff.clock_mhz, handoff.divisor


def make_sums(path: Path) -> None:
    from hw_amc.overlay.archive import emit_checksums

    (path.parent / "a.bit").write_bytes(b"bits")
    path.write_text(emit_checksums({"a.bit": b"bits"}))


def make_mark(path: Path) -> None:
    (path.parent / "weights.h5").write_bytes(b"weights")
    path.write_text(json.dumps({"from": "m.h5", "files": {"weights.h5": WEIGHTS}}))


def make_figures(path: Path) -> None:
    (path.parent / "weights.h5").write_bytes(b"weights")
    frames = {"frames": 8, "source": "a.hdf5"}
    told = {"calibration": frames, "evaluation": {**frames, "same": 0.9, "before": 0.8, "after": 0.75}}
    layers = [{"layer": "c1", "operation": "conv", "sqnr_db": 30.5}, {"layer": "r1", "operation": "relu"}]
    made = {"command": "hw-amc init m.h5", "date": "2026-11-28", "kind": "measured", "weights_sha256": WEIGHTS}
    path.write_text(json.dumps({**made, **told, "layers": layers}))


UTILIZATION = """| Slice LUTs | 36128 | 0 | 0 | 53200 | 67.91 |
| Slice Registers | 41000 | 0 | 0 | 106400 | 38.53 |
| Block RAM Tile | 2.5 | 0 | 0 | 140 | 1.79 |
| DSPs | 0 | 0 | 0 | 220 | 0.00 |
"""
TIMING = """WNS(ns) TNS(ns) TNS Failing Endpoints TNS Total Endpoints WHS(ns) THS(ns)
------- ------- --------------------- ------------------- ------- -------
0.113 0.000 0 80123 0.021 0.000 0 80123
"""


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def parsed(parse: Callable[[str], object]) -> Callable[[Path], object]:
    return lambda path: parse(path.read_text(errors="replace"))


LIGHT = (
    Target("train.toml", "train.toml", copy(MODEL / "train.toml"), load_recipe_file, forms.toml),
    Target("project.toml", "project.toml", copy(MODEL / "project.toml"),
           lambda path: config.load_project(path.parent), forms.toml),
    Target("board.toml", "board.toml", copy(ROOT / "boards/pynq-z2/board.toml"),
           lambda path: config.load_settings(path, config.BoardSettings), forms.toml),
    Target("accuracy.json", "accuracy.json", copy(MODEL / "accuracy.json"),
           lambda path: load_accuracy(path.parent), forms.Json),
    Target("manifest.json", "manifest.json", lambda path: path.write_text(manifest().to_json()), Manifest.load,
           forms.Json),
    Target("report.json", "report.json", make_report, lambda path: store.load(path.parent), forms.Json),
    Target("init.json", "init.json", make_mark, lambda path: init_files.require_replaceable(path.parent), forms.Json),
    Target("figures of init.json", "init.json", make_figures,
           lambda path: quantisation_section(path.parent), forms.Json),
    Target("graph.json", "graph.json", make_graph, read_graph, forms.Json),
    Target("graph.npz", "graph.npz", make_graph, read_graph, containers.Arrays),
    Target("adders", "stages.json", make_adders, read_adders, forms.Json),
    Target("checkpoint", "state.npz", lambda path: save_arrays(path, [frames(), np.zeros(3)], {"step": 1}),
           load_arrays, containers.Arrays),
    Target("predictions", "predictions.npz", make_predictions, lambda path: load_predictions(path.parent),
           containers.Arrays),
    Target("kept set", KEPT, make_kept, read_kept, containers.Npy),
    Target("vectors", "golden.npz", make_vectors, lambda path: Vectors.load(path, manifest()), containers.Arrays),
    Target("hwh", "net.hwh", make_hwh, read_hwh, forms.xml),
    Target("checksums", "SHA256SUMS", make_sums, lambda path: check_files(path.parent), forms.words),
    Target("classes.txt", "classes.txt", text("OOK\n4ASK\n"), load_class_names, forms.words),
    Target("csynth.xml", "csynth.xml", copy(ROOT / "tests/data/hls/vitis_csynth.xml"),
           parsed(reports.parse_csynth), forms.xml),
    Target("cosim.rpt", "cosim.rpt", copy(ROOT / "tests/data/hls/cosim.rpt"), parsed(reports.parse_cosim),
           forms.words),
    Target("export.rpt", "export.rpt", copy(ROOT / "tests/data/hls/export.rpt"), parsed(reports.parse_export),
           forms.words),
    Target("utilization.rpt", "utilization.rpt", text(UTILIZATION), parsed(vivado_reports.parse_utilization),
           forms.words),
    Target("timing.rpt", "timing.rpt", text(TIMING), parsed(vivado_reports.parse_timing), forms.words),
    Target("npy", "a.npy", lambda path: np.save(path, frames()), read_frames, containers.Npy),
    Target("npz", "a.npz", lambda path: np.savez(path, x=frames()), read_frames, containers.Arrays, REFUSED),
    Target("mat", "a.mat", make_mat, read_frames, valid=REFUSED),
    Target("csv", "a.csv", make_csv, read_frames, forms.words, REFUSED),
    Target("pickle", "a.pkl", make_pickle, read_frames, containers.Pickled),
    Target("hdf5", "a.hdf5", make_hdf5, read_frames, containers.Hdf5),
    Target("hdf5 of two heads", "b.hdf5", make_two_heads, read_frames, containers.Hdf5),
    Target("radcom", "RadComAWGN.hdf5", make_radcom, read_frames, containers.Hdf5),
    Target("sigmf", "a.sigmf-meta", make_sigmf, read_frames, forms.Json),
    Target("sigmf archive", "a.sigmf", make_sigmf_archive, read_frames, containers.json_in_tar),
    Target("annotations", "a.sigmf-meta", make_annotated, read_annotated, forms.Json),
    Target("wav", "a.wav", lambda path: scipy.io.wavfile.write(path, 48000, frames().reshape(-1, 2)), read_frames),
    Target("raw", "a.iq", lambda path: frames().tofile(path), read_frames),
)  # fmt: skip


def model(quantised: bool) -> Any:
    """Give a model of few weights that has the layers of both kinds of users."""
    from tensorflow import keras

    from hw_amc.compress.layers import QAffine, qkeras

    x = inputs = keras.Input((8, 2), name="frames")
    if quantised:
        bits = "quantized_bits(8,0,0,alpha=1)"
        x = qkeras.QActivation("quantized_bits(8,1,0,alpha=1)", name="q")(x)
        x = qkeras.QConv1D(2, 3, padding="same", kernel_quantizer=bits, bias_quantizer=bits, name="c1")(x)
        x = qkeras.QActivation("quantized_relu(8,1)", name="r1")(x)
        x = keras.layers.GlobalAveragePooling1D(name="gap")(x)
        return keras.Model(inputs, QAffine(bits, bits, name="head")(x), name="small")
    x = keras.layers.Conv1D(2, 3, padding="same", activation="relu", name="c1")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Flatten(name="flat")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x), name="small")


def make_weights(path: Path) -> None:
    model(True).save(path, save_format="h5", include_optimizer=False)


def make_model(path: Path) -> None:
    model(False).save(path, **({"save_format": "h5"} if path.suffix == ".h5" else {}))


def make_saved(path: Path) -> None:
    top = path.parent if path.name == "keras_metadata.pb" else path.parents[1]
    model(False).save(top, save_format="tf")


def read_weights(path: Path) -> None:
    from hw_amc.compress import load_deployed

    load_deployed(path)
    clear()


def check_weights(path: Path) -> None:
    from hw_amc.compress.safe_h5 import require_safe

    require_safe(path)


def make_pruned_config(path: Path) -> None:
    """Write a configuration whose layers are wrapped as pruning wraps them."""
    config = json.loads(model(False).to_json())
    names = {each["config"]["name"] for each in config["config"]["layers"] if each["class_name"] in ("Conv1D", "Dense")}
    path.write_text(json.dumps(wrap(config, names)))


def wrap(config: Any, names: set[str]) -> Any:
    """Put the layers of these names into pruning's wrappers."""
    text = json.dumps(config)
    for name in names:
        text = text.replace(f'[["{name}"', f'[["prune_low_magnitude_{name}"')
    wrapped = json.loads(text)
    for layer in wrapped["config"]["layers"]:
        if (name := layer["config"]["name"]) in names:
            inner = {"class_name": layer["class_name"], "config": layer["config"]}
            layer |= {"class_name": "PruneLowMagnitude", "name": f"prune_low_magnitude_{name}"}
            layer["config"] = {"name": f"prune_low_magnitude_{name}", "trainable": True, "layer": inner}
    return wrapped


def make_third_config(path: Path) -> None:
    import hw_amc.compress.model_files  # noqa: F401 - it takes seconds, which are not the reader's

    with zipfile.ZipFile(ROOT / "tests/data/keras3/functional.keras") as archive:
        path.write_bytes(archive.read("config.json"))


def check_config(path: Path) -> None:
    """Read a model's configuration up to the point where Keras would make layers of it."""
    from hw_amc.compress.model_files import admit

    admit(load_json(path), path)


def read_model(path: Path) -> None:
    from hw_amc.compress.model_files import load_model_file

    load_model_file(path)
    clear()


def make_onnx(path: Path) -> None:
    import hw_amc.compress.onnx.exact  # noqa: F401 - it takes seconds, which are not the reader's

    copy(ROOT / "tests/data/onnx/po2.onnx")(path)


def read_onnx(path: Path) -> None:
    from hw_amc.compress.onnx.exact import Exact
    from hw_amc.compress.onnx.file import load_graph

    Exact(load_graph(path)).walk()


def clear() -> None:
    """Forget the names of layers that were made, which Keras keeps for ever."""
    from tensorflow import keras

    keras.backend.clear_session()


HEAVY = (
    Target("weights.h5, before Keras", "weights.h5", make_weights, check_weights, containers.json_in_hdf5, heavy=True),
    Target("config of a pruned model", "config.json", make_pruned_config, check_config, forms.Json, heavy=True),
    Target("config of Keras 3", "config.json", make_third_config, check_config, forms.Json, heavy=True),
    Target("weights.h5", "weights.h5", make_weights, read_weights, containers.json_in_hdf5, heavy=True,
           goal=GOAL_OF_MODELS),
    Target("model.h5", "model.h5", make_model, read_model, containers.json_in_hdf5, heavy=True, goal=GOAL_OF_MODELS),
    Target("model.keras", "model.keras", make_model, read_model, containers.json_in_zip("config.json"), heavy=True,
           goal=GOAL_OF_MODELS),
    Target("saved model", "keras_metadata.pb", make_saved, lambda path: read_model(path.parent),
           containers.json_in_protobuf, heavy=True, goal=GOAL_OF_MODELS),
    Target("saved variables", "variables/variables.index", make_saved, lambda path: read_model(path.parents[1]),
           heavy=True),
    Target("onnx", "a.onnx", make_onnx, read_onnx, heavy=True),
)  # fmt: skip

TARGETS = LIGHT + HEAVY


def refused(error: BaseException) -> bool:
    """Whether an error is the package's own, in one line."""
    return isinstance(error, HwAmcError) and "\n" not in str(error)
