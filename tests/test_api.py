"""`import hw_amc`: models by name and from memory, and each command as a method."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import guide_model
import numpy as np
import pytest
import sigmf
from board_overlays import BOARDS, golden_overlay, small_graph, trained_model
from guide_model import programs_with

import hw_amc
from hw_amc import sim_device
from hw_amc.api.words import in_python
from hw_amc.errors import ConfigError, DataError, HwAmcError, UnsupportedLayer
from hw_amc.interface.wire import to_wire
from hw_amc.radio import generate_frames, load_recipe
from hw_amc.verify.results import golden_logits

CLASSES = ["BPSK", "QPSK", "8PSK"]
RECIPE = load_recipe("radioml2018")
#: Cells of the recipe's class set.
CELLS = [RECIPE.classes.heads[0].classes.index(name) for name in CLASSES]
LABELS = [0, 1, 2, 1, 0, 2, 2, 1]


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    cells = [CELLS[label] for label in LABELS]
    return generate_frames(RECIPE, cells, [20] * len(cells), range(len(cells)))[:, :64]


@pytest.fixture(scope="module")
def mine(frames: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> hw_amc.Model:
    """The guide's QKeras network as a model of ours."""
    folder = tmp_path_factory.mktemp("work")
    return hw_amc.convert(guide_model.keras_model(), CLASSES, frames, labels=LABELS, name="mine", folder=folder)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results of models by name go; and the current folder."""
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plain_model() -> Any:
    from tensorflow import keras

    keras.utils.set_random_seed(2)
    layers = keras.layers
    return keras.Sequential([
        keras.Input((32, 2)), layers.Conv1D(4, 3, padding="same", activation="relu", name="conv"),
        layers.GlobalAveragePooling1D(), layers.Dense(2, activation="softmax", name="head"),
    ], name="plain")  # fmt: skip


def convert_plain(*arguments: Any, **options: Any) -> hw_amc.Model:
    return hw_amc.convert(plain_model(), *arguments, **options)


#: Frames of the plain network's length.
TWO = np.ones((2, 32, 2))


def run_python(code: str, *options: str) -> str:
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_import_alone_brings_nothing_along() -> None:
    code = "import time, sys; a = time.process_time(); import hw_amc; print(time.process_time() - a, len(sys.modules))"
    plain = "import time, sys; a = time.process_time(); print(time.process_time() - a, len(sys.modules))"
    runs = [run_python(code).split() for _ in range(3)]
    assert int(runs[0][1]) - int(run_python(plain).split()[1]) <= 10
    assert min(float(seconds) for seconds, _ in runs) < 0.04
    listed = run_python("import hw_amc; print(*dir(hw_amc))").split()
    assert {"load", "convert", "Model", "__version__"} <= set(listed)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        hw_amc.lode  # noqa: B018


def test_a_committed_model_needs_no_tensorflow(tmp_path: Path) -> None:
    """By name: load, classify, estimate; and the Verilog of a small one."""
    trained_model(tmp_path, "small")
    code = f"""
import sys
for name in ("tensorflow", "keras", "qkeras", "hls4ml", "pynq"):
    sys.modules[name] = None
import numpy as np
import hw_amc
from hw_amc.radio import generate_frames, load_recipe

model = hw_amc.load("gru_cnn_sparse07")
answers = model.classify(generate_frames(load_recipe("radioml2018"), {CELLS}, [20] * 3, range(3)))
print(*answers.labels, model.frame_len, len(model.classes[0]), round(model.estimate().frames_per_s))
small = hw_amc.load("small")
built = small.rtl()
print(len(built.files), built.fits, small.estimate("rtl").cycles_per_frame == built.estimate.cycles_per_frame)
"""
    told = """
try:
    hw_amc.convert("mine.h5")
except hw_amc.errors.ToolMissing as error:
    print(error)
"""
    first, second, third = run_python(code + told).splitlines()
    assert "is not installed, of the extra 'train'" in third
    assert first.split()[:5] == [*CLASSES, "1024", "24"]
    assert int(first.split()[5]) > 1000
    files, fits, same = second.split()
    written = tmp_path / "hls_projects" / "small" / "build" / "rtl" / "pynq-z2"
    assert int(files) == len(list(written.iterdir()))
    assert (fits, same) == ("True", "True")


@pytest.mark.cosim
def test_simulated_hardware_needs_no_tensorflow(tmp_path: Path) -> None:
    trained_model(tmp_path, "small")
    code = """
import sys
for name in ("tensorflow", "keras", "qkeras", "hls4ml", "pynq"):
    sys.modules[name] = None
import numpy as np
import hw_amc

small = hw_amc.load("small")
frames = np.random.default_rng(1).normal(0, 0.7, (12, small.frame_len, 2))
run = small.simulate(frames)
print(run.frames, *(each["mismatches"] for each in run.runs.values()))
"""
    assert run_python(code).split() == ["12", "0"]


def test_classify_an_array_a_file_and_a_recording(mine: hw_amc.Model, frames: np.ndarray, tmp_path: Path) -> None:
    expected = golden_logits(mine.graph, to_wire(frames, mine.graph.input.fmt.frac)).argmax(axis=1)
    complex_frames = (frames @ (1, 1j)).astype(np.complex64)
    np.save(tmp_path / "frames.npy", frames)
    ways = [frames, complex_frames, frames.transpose(0, 2, 1), complex_frames.ravel(), complex_frames.tolist(),
            tmp_path / "frames.npy", str(tmp_path / "frames.npy")]  # fmt: skip
    for way in ways:
        answers = mine.classify(way)
        np.testing.assert_array_equal(answers.indices, expected)
        assert answers.labels.tolist() == [CLASSES[index] for index in expected]
        assert (len(answers), answers.by, answers.times_s) == (8, "golden", None)
        assert (answers.margins >= 0).all()
    keras = guide_model.keras_model().predict(frames, verbose=0)
    np.testing.assert_array_equal(expected, keras.argmax(axis=1))
    assert sum(answers.shares.values()) == 1
    np.testing.assert_array_equal(mine.classify(complex_frames.ravel(), every=3).indices, expected[::3])


def test_answers_to_a_recording(mine: hw_amc.Model, frames: np.ndarray, tmp_path: Path) -> None:
    recording = sigmf.fromarray((frames @ (1, 1j)).astype(np.complex64).ravel())
    recording.sample_rate = 1e6
    recording.tofile(tmp_path / "air")
    answers = mine.classify(tmp_path / "air.sigmf-meta")
    np.testing.assert_allclose(answers.times_s, np.arange(8) * 64e-6)
    annotations = json.loads(answers.annotate().read_text())["annotations"]
    assert sum(each["hw_amc:frames"] for each in annotations) == 8
    assert annotations[0]["core:label"] == answers.labels[0]
    picture = answers.plot(tmp_path / "air.png")
    assert picture._repr_mimebundle_()["image/png"] == (tmp_path / "air.png").read_bytes()
    assert answers.plot().data.startswith(b"\x89PNG")
    shown = answers._repr_html_()
    assert shown.count("<tr>") == 1 + 8 + 1 + len(answers.shares)
    assert "6.4e-05" in shown
    with pytest.raises(DataError, match="frames is no recording"):
        mine.classify(frames).annotate()


def test_convert_says_what_it_cost(mine: hw_amc.Model) -> None:
    shown = mine._repr_html_()
    assert "GRU" in shown or "gru" in shown
    assert "<td>conv</td>" in shown
    right = re.search(r"accuracy ([\d.]+) %", shown)
    assert right is not None
    assert repr(mine).startswith("<hw_amc model mine: 3 classes, frames of 64 samples, in ")


def test_convert_a_float_model() -> None:
    """A plain Keras network in a temporary workspace: quantised, widths as asked; the user's own stays as it is."""
    keras_model = plain_model()
    before = [array.copy() for array in keras_model.get_weights()]
    rng = np.random.default_rng(4)
    data = rng.standard_normal((24, 32, 2)).astype(np.float32) * 0.6
    truth = keras_model.predict(data, verbose=0).argmax(axis=1)
    names = np.array(["up", "down"])[truth]
    model = hw_amc.convert(keras_model, [["up", "down"]], data, labels=list(names), widths={"conv.kernel_bits": 5})
    assert model.name == "plain"
    assert model.classes == (("up", "down"),)
    assert model.graph["conv"].array_format("kernel").bits == 5
    assert "SQNR" in model._repr_html_()
    assert np.mean(model.classify(data).labels == names) > 0.9
    proofs = model.verify(data, against=["golden"]).proofs
    assert [(proof.claim, proof.frames) for proof in proofs] == [("Keras = golden", 24)]
    for old, new in zip(before, keras_model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_convert_takes_a_file(tmp_path: Path) -> None:
    plain_model().save(tmp_path / "saved.h5", save_format="h5")
    assert hw_amc.convert(tmp_path / "saved.h5", ["a", "b"]).name == "saved"


def test_folders_are_not_overwritten(mine: hw_amc.Model, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first = convert_plain(["a", "b"], folder=work)
    assert first.folder == work / "hls_projects" / "plain"
    for same in (hw_amc.load("plain", folder=work), hw_amc.load(first.folder), hw_amc.load(str(work) + "/")):
        assert same.graph.digest() == first.graph.digest()
    other = plain_model()
    other.set_weights([array + 0.25 for array in other.get_weights()])
    hw_amc.convert(other, ["a", "b"], folder=work)
    with pytest.raises(DataError, match="another network than when this model was made; load it again"):
        first.classify(np.zeros((1, 32, 2)))
    with (first.folder / "project.toml").open("a") as file:
        file.write("# mine\n")
    with pytest.raises(ConfigError, match=r"was changed since hw-amc init made it; choose another name \(name\)"):
        hw_amc.convert(other, ["a", "b"], folder=work)


def test_verify_and_hls(mine: hw_amc.Model, frames: np.ndarray) -> None:
    found = mine.verify(frames)
    counted = [(proof.claim, proof.frames) for proof in found.proofs]
    assert counted == [("Keras = golden", 8), ("Keras = C simulation (ap_fixed)", 8)]
    integers = 8 * sum(int(np.prod(node.shape)) for node in mine.graph.nodes[1:])
    assert [proof.integers for proof in found.proofs] == [integers, integers]
    assert found._repr_html_().count(f"{integers:,}") == 2
    project = mine.hls(frames)
    assert list((project.folder / "firmware").glob("*.cpp"))
    assert project.verification.proofs == found.proofs
    assert project.estimate.layers == project.report.sections["layers"]
    assert "vitis_hls" in project.not_run
    assert "Keras = golden" in project.report._repr_html_()
    assert "Equal in every integer, on up to 8 frames." in repr(project.report)
    assert project.report.page.is_file()


def test_estimate(mine: hw_amc.Model) -> None:
    hls, rtl = mine.estimate(), mine.estimate("rtl")
    assert (hls.flow, rtl.flow, hls.board, hls.part) == ("hls", "rtl", "pynq-z2", "xc7z020clg400-1")
    assert hls.frames_per_s == pytest.approx(125e6 / hls.cycles_per_frame, abs=0.1)
    assert [row["R"] for row in rtl.rows] == sorted({row["R"] for row in rtl.rows})
    assert rtl.chosen in rtl.rows
    assert all(each.fits for each in (hls, rtl))
    assert "<td>as set</td>" in hls._repr_html_()
    assert "estimated" in repr(rtl)
    assert mine.estimate(board="zcu104").board == "zcu104"


def test_a_part_that_is_too_small_is_warned_of(
    tmp_path: Path, mine: hw_amc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = mine.folder.parents[1] / "boards" / "tiny"
    board.mkdir(parents=True)
    text = (BOARDS / "pynq-z2" / "board.toml").read_text()
    board.joinpath("board.toml").write_text(re.sub(r"(?m)^lut = .*", "lut = 100", text))
    with pytest.warns(UserWarning, match="is too small at cycles_per_step = 10: lut"):
        assert not mine.rtl(board="tiny").fits


def test_overlay_project(mine: hw_amc.Model) -> None:
    built = mine.overlay()
    assert built.archive is None
    assert list(built.folder.glob("*.tcl"))


@pytest.mark.cosim
def test_simulated_hardware_answers_as_golden(mine: hw_amc.Model, frames: np.ndarray) -> None:
    answers, golden = mine.classify(frames, board="sim"), mine.classify(frames)
    assert answers.by == "the simulated device"
    np.testing.assert_array_equal(answers.indices, golden.indices)
    np.testing.assert_array_equal(answers.margins, golden.margins)
    run = mine.simulate(frames)
    assert (run.frames, run.cycles_per_frame) == (8, mine.rtl().estimate.cycles_per_frame)
    assert run.frames_per_s == pytest.approx(125e6 / run.cycles_per_frame)
    assert "every logit equal to golden" in run._repr_html_()
    assert mine.verify(frames, against=("rtl",)).proofs[0].claim == "golden = RTL (Verilator)"


@pytest.mark.board
def test_an_overlay_answers(tmp_path: Path) -> None:
    trained_model(tmp_path, "small")
    overlay = golden_overlay(tmp_path / "overlay", small_graph())
    sim_device.enable()
    small, data = hw_amc.load("small"), np.random.default_rng(1).standard_normal((4, 16, 2))
    np.testing.assert_array_equal(small.classify(data, overlay=overlay).indices, small.classify(data).indices)
    with pytest.raises(ConfigError, match="leave board and cycles_per_step out"):
        small.classify(data, overlay=overlay, board="sim")


def test_level_is_warned_of_in_arguments() -> None:
    data = generate_frames(RECIPE, CELLS, [20] * 3, range(3))
    model = hw_amc.load("gru_cnn_sparse07")
    with pytest.warns(UserWarning, match=r'level of training: gain=4\.003, input_shift=2 .*, or normalise="rms"'):
        quiet = model.classify(data / 8)
    assert quiet.problems
    assert "normalise" in quiet._repr_html_()
    assert model.classify(data / 8, normalise="rms").labels.tolist() == CLASSES
    assert model.classify(data / 8, input_shift=3).labels.tolist() == CLASSES
    assert "Accuracy over all SNRs" in model._repr_html_()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: hw_amc.load("gru_cnn_sparse7"), ConfigError, "did you mean"),
        (lambda: hw_amc.load(Path("nowhere")), ConfigError, "no model's folder"),
        (lambda: hw_amc.load("here/small", folder="."), ConfigError, "leave folder out"),
        (lambda: convert_plain(["a"]), ConfigError, "^classes names 1 classes, and the model gives 2"),
        (lambda: convert_plain(["a", "b"], np.zeros((2, 9, 2))), DataError, "9 samples each, and the network takes 32"),
        (lambda: convert_plain(["a", "b"], TWO, labels=[0]), DataError, "1 labels for 2"),
        (lambda: convert_plain(["a", "b"], TWO, labels=[0, 2]), ConfigError, "0 to 2"),
        (lambda: convert_plain(None, TWO, labels=[0, 1]), ConfigError, "labels by number"),
        (lambda: convert_plain(["a", "b"], "x.npy", labels=[0]), ConfigError, "leave labels"),
        (lambda: convert_plain(["a", "b"], widths={"conv.x": 3}), ConfigError, "^widths takes"),
        (lambda: convert_plain(["a", "b"], name="gru_cnn_c80"), ConfigError, 'name="my_gru_cnn_c80"'),
        (lambda: hw_amc.load("gru_cnn_sparse07").classify([[1, 2], [3]]), ConfigError, "of one length"),
        (lambda: hw_amc.load("gru_cnn_sparse07").classify(np.zeros((2, 9, 2))), DataError, "takes 1024"),
        (lambda: hw_amc.load("gru_cnn_sparse07").classify(np.zeros((2, 3, 4, 5))), DataError, "neither samples"),
        (lambda: hw_amc.load("gru_cnn_sparse07").classify(np.zeros((0, 1024, 2))), DataError, "empty"),
        (lambda: hw_amc.load("gru_cnn_sparse07").classify(np.array(["a"])), DataError, "array of numbers"),
        (lambda: hw_amc.load("gru_cnn_sparse07").classify("none.sigmf-meta"), DataError, "none.sigmf"),
        (lambda: hw_amc.load("gru_cnn_sparse07").verify(against=["keras"]), ConfigError, "against takes"),
        (lambda: hw_amc.load("gru_cnn_sparse07").estimate("asic"), ConfigError, "estimate takes"),  # type: ignore[arg-type]
        (lambda: hw_amc.load("gru_cnn_sparse07").rtl(board="pynq-z3"), ConfigError, "pynq-z2"),
    ],
)  # fmt: skip
def test_errors_are_one_line_with_the_mend(call: Any, error: type[HwAmcError], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        call()
    assert "\n" not in str(raised.value)
    assert not re.search(r"(^|[^`\w])--[a-z]", re.sub("`[^`]*`", "", str(raised.value)))
    assert raised.value._render_traceback_() == [f"{error.__name__}: {raised.value}"]


def test_models_that_cannot_be_written() -> None:
    from tensorflow import keras

    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(DataError, match=r"not builtins\.int; build or save it with TensorFlow 2\.14's Keras"):
        hw_amc.convert(3)
    with pytest.raises(DataError, match="no input shape yet"):
        hw_amc.convert(keras.Sequential([keras.layers.Dense(2)]))
    inputs = keras.Input((32, 2))
    lambdas = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Lambda(abs)(inputs))))
    with pytest.raises((UnsupportedLayer, DataError), match="Lambda"):
        hw_amc.convert(lambdas, ["a", "b"])
    own = Own()
    own.build((None, 32, 2))
    with pytest.raises(HwAmcError):
        hw_amc.convert(own)


def test_words() -> None:
    said = "say them: --classes NAME,NAME,...; --gain 1.995, --input-shift -2, or --normalise rms; leave --lanes out"
    meant = 'say them: classes=["NAME", "NAME", ...]; gain=1.995, input_shift=-2, or normalise="rms"; leave lanes out'
    assert in_python(said) == meant
    assert in_python("run `hw-amc graph x --update`, --frames 3") == "run `hw-amc graph x --update`, count=3"


def test_progress_goes_to_logging(mine: hw_amc.Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hw_amc"):
        mine.verify(against=["golden"], count=2)
    assert any(record.message.startswith("golden: ") for record in caplog.records)


@pytest.mark.cosim
def test_the_guides_programs_run_one_after_another(tmp_path: Path) -> None:
    """docs/guides/python.md, word for word, in an empty folder."""
    began, names = time.time(), {"__name__": "guide"}
    handlers = logging.getLogger().handlers[:]
    try:
        for program in guide_model.PROGRAMS:
            exec(program, names)  # the guide's own text
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger("hw_amc").setLevel(logging.NOTSET)
    assert {path.name for path in tmp_path.iterdir()} >= {"air.png", "air.gru_cnn_sparse07.sigmf-meta", "work"}
    assert (tmp_path / "air.png").stat().st_mtime >= began - 1
    assert len(programs_with("hw_amc.convert(")) == 2
