"""`hw-amc init`: models of users' kinds become projects whose golden equals Keras in every integer."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from command_line import run
from tensorflow import keras

from hw_amc.cli.main import app
from hw_amc.compress import load_deployed
from hw_amc.compress.build import formats_of
from hw_amc.compress.layers import qkeras
from hw_amc.compress.model_files import load_model_file
from hw_amc.errors import ConfigError, DataError, UnsupportedLayer
from hw_amc.flows.init import run as run_init
from hw_amc.flows.init_classes import choose_classes
from hw_amc.flows.init_state import InitFlow, InitOptions, Outcome, parse_widths
from hw_amc.graph import Graph, golden
from hw_amc.models import hard_tanh
from hw_amc.radio.classes import CLASS_SETS, CLASSES_2016
from hw_amc.report.evaluation import load_accuracy
from hw_amc.verify.backend import Golden, prove
from hw_amc.verify.keras import KerasReference
from hw_amc.workspace import Workspace

ROOT = Path(__file__).parents[1]
K = keras.layers
T = 32
B8 = "quantized_bits(8,0,0,alpha=1)"


def fill(model: Any, seed: int = 5) -> Any:
    """Random weights; scales and variances are positive, and what is called `dead` is zero."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [rng.normal(0, 0.0 if layer.name == "dead" else 0.4, w.shape) for w in layer.get_weights()]
        if isinstance(layer, K.BatchNormalization):
            weights[0], weights[3] = np.abs(weights[0]) + 0.5, np.abs(weights[3]) + 0.1
        layer.set_weights(weights)
    return model


def stack() -> Any:
    """A convolutional stack with the names that Keras gives, compiled."""
    x = inputs = keras.Input((T, 2))
    for filters in (4, 3):
        x = K.ReLU()(K.BatchNormalization()(K.Conv1D(filters, 3, padding="same")(x)))
        x = K.MaxPooling1D(2)(x)
    model = keras.Model(inputs, K.Dense(24, activation="softmax")(K.GlobalAveragePooling1D()(x)))
    model.compile("adam", "categorical_crossentropy")
    return model


def sequential() -> Any:
    return keras.Sequential([
        keras.Input((T, 2)), K.Conv1D(3, 3, padding="same", activation="relu", name="conv-1"), K.Dropout(0.2),
        K.Flatten(), K.Dense(6, activation="relu", name="while"), K.Dense(5, activation="softmax"),
    ])  # fmt: skip


def residual() -> Any:
    """Two branches, and means over three samples."""
    x = inputs = keras.Input((T, 2))
    x = K.Conv1D(4, 3, padding="same", activation="relu")(x)
    x = K.ReLU()(K.Add()([x, K.Conv1D(4, 3, padding="same")(x)]))
    x = K.Flatten()(K.AveragePooling1D(3)(x))
    return keras.Model(inputs, K.Softmax()(K.Dense(3)(x)))


def two_heads() -> Any:
    x = inputs = keras.Input((T, 2))
    x = K.GlobalAveragePooling1D()(K.Conv1D(4, 3, padding="same", activation="relu")(x))
    heads = [K.Dense(units, activation="softmax", name=name)(x) for name, units in (("modulation", 3), ("signal", 2))]
    return keras.Model(inputs, heads)


def rows_of_128() -> Any:
    """VTCNN2's form, smaller: I and Q in two rows of 128 samples, 11 classes."""
    x = inputs = keras.Input((2, 128, 1))
    x = K.Conv2D(3, (1, 3), activation="relu")(x)
    x = K.Flatten()(K.Conv2D(2, (2, 3), activation="relu")(x))
    return keras.Model(inputs, K.Dense(11, activation="softmax")(x))


def selu() -> Any:
    return keras.Sequential([
        keras.Input((T, 2)), K.Flatten(), K.Dense(8, activation="selu"), K.AlphaDropout(0.1),
        K.Dense(4, activation="softmax"),
    ])  # fmt: skip


def image() -> Any:
    """Frames as an image (T, 2, 1), depthwise."""
    return keras.Sequential([
        keras.Input((T, 2, 1)), K.Conv2D(3, (3, 2), activation="relu"), K.DepthwiseConv2D((3, 1), activation="relu"),
        K.Flatten(), K.Dense(4, activation="softmax"),
    ])  # fmt: skip


def hard_gru() -> Any:
    gates: dict[str, Any] = {"activation": hard_tanh, "recurrent_activation": "hard_sigmoid"}
    return keras.Sequential([
        keras.Input((16, 2)), K.GRU(4, return_sequences=True, **gates), K.GlobalAveragePooling1D(),
        K.Dense(3, activation="softmax"),
    ])  # fmt: skip


def smooth_lstm() -> Any:
    return keras.Sequential([keras.Input((8, 2)), K.LSTM(4), K.Dense(4, activation="softmax")])


def bidirectional() -> Any:
    return keras.Sequential([
        keras.Input((8, 2)), K.Bidirectional(K.GRU(3, return_sequences=True)), K.GlobalAveragePooling1D(), K.Dense(3),
    ])  # fmt: skip


def separable() -> Any:
    return keras.Sequential([
        keras.Input((T, 2)), K.SeparableConv1D(4, 5, padding="same", activation="relu"), K.MaxPooling1D(2),
        K.SeparableConv1D(3, 3, use_bias=False), K.BatchNormalization(), K.ReLU(), K.Flatten(),
        K.Dense(4, activation="softmax"),
    ])  # fmt: skip


def act(name: str) -> Any:
    return qkeras.QActivation("quantized_bits(8,1,0,alpha=1)", name=name)


def relu(name: str) -> Any:
    return qkeras.QActivation("quantized_relu(8,1)", name=name)


def conv(name: str) -> Any:
    return qkeras.QConv1D(3, 3, padding="same", kernel_quantizer=B8, bias_quantizer=B8, name=name)


def quantised_layers(first: str = "c1", units: int = 24, second: str = "c2") -> list[Any]:
    """A QKeras model as users build it, with a softmax at its end."""
    head = qkeras.QDense(units, kernel_quantizer=B8, bias_quantizer=B8, name="head")
    return [act("iq"), conv(first), relu("r1"), conv(second), relu("r2"), K.GlobalAveragePooling1D(name="g"),
            act("gq"), head, K.Activation("softmax", name="softmax")]  # fmt: skip


def functional(layers: list[Any]) -> Any:
    x = inputs = keras.Input((T, 2), name="frames")
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


FLOATS: dict[str, Callable[[], Any]] = {
    "stack": stack,
    "sequential": sequential,
    "residual": residual,
    "two_heads": two_heads,
    "rows_of_128": rows_of_128,
    "selu": selu,
    "image": image,
    "hard_gru": hard_gru,
    "smooth_lstm": smooth_lstm,
    "bidirectional": bidirectional,
    "separable": separable,
}
QUANTISED: dict[str, Callable[[], Any]] = {
    "functional": lambda: functional(quantised_layers()),
    "qsequential": lambda: keras.Sequential([keras.Input((T, 2), name="frames"), *quantised_layers()]),
    "hyphen": lambda: functional(quantised_layers("conv-1")),
    "slash": lambda: functional(quantised_layers("block1/conv")),
    "eleven": lambda: functional(quantised_layers(units=11)),
    "dead": lambda: functional(quantised_layers(second="dead")),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "boards").symlink_to(ROOT / "boards")
    (root / "hls_projects").mkdir()
    return root


@pytest.fixture(scope="module")
def made(root: Path) -> Callable[[str], Outcome]:
    """Save a model and bring it in, once."""
    kept: dict[str, Outcome] = {}

    def make(name: str) -> Outcome:
        if name not in kept:
            fill({**FLOATS, **QUANTISED}[name]()).save(root / f"{name}.h5", save_format="h5")
            with pytest.warns(UserWarning, match="classes"):
                kept[name] = bring_in(root, root / f"{name}.h5")
        return kept[name]

    return make


def bring_in(root: Path, model_file: Path, **options: Any) -> Outcome:
    return run_init(InitFlow.open(InitOptions(model_file, **options), root=root))


@pytest.mark.parametrize("name", [*FLOATS, *QUANTISED])
def test_golden_equals_keras_in_every_integer_over_the_whole_range(
    root: Path, made: Callable[[str], Outcome], name: str
) -> None:
    outcome, workspace = made(name), Workspace(root, name)
    graph = workspace.load_graph()
    assert graph.digest() == outcome.graph.digest()
    wire = np.random.default_rng(1).integers(-(2**15), 2**15, (6, *graph.input.shape)).astype(np.int16)
    keras_model = KerasReference(load_deployed(workspace.weights), graph)
    layers = [node.name for node in graph.nodes[1:]]
    assert prove(graph, (keras_model, Golden(graph)), wire, layers) == 6 * sum(
        int(np.prod(node.shape)) for node in graph.nodes[1:]
    )
    assert len(np.unique(golden.run(graph, wire)[graph.outputs[0]])) > 4  # or it would prove nothing
    files = {path.name for path in workspace.folder.iterdir()} - {"build"}
    assert files == {"weights.h5", "graph.json", "graph.npz", "project.toml", "MODEL_CARD.md", "init.json"}
    assert outcome.layers[0].operation == "quantize" or name in ("rows_of_128", "image")
    measured = [layer.sqnr_db for layer in outcome.layers if layer.sqnr_db is not None]
    assert bool(measured) == (name in FLOATS)
    assert all(value > 8 for value in measured)


@pytest.mark.parametrize("name", FLOATS)
def test_most_answers_stay(made: Callable[[str], Outcome], name: str) -> None:
    judged = made(name).judgement
    assert judged.same is not None
    assert judged.same >= 0.8  # of random weights, whose logits lie close together
    assert (judged.before, judged.after) == (None, None)
    assert "generated" in judged.source


def test_a_sequential_model_is_the_functional_one(root: Path, made: Callable[[str], Outcome]) -> None:
    one, other = made("functional").graph, made("qsequential").graph
    said = [[(node.name, node.op, str(node.fmt)) for node in graph.nodes] for graph in (one, other)]
    assert said[0] == said[1]
    assert said[0][:3] == [("frames", "input", "s16.14"), ("iq", "quantize", "s8.6"), ("c1", "conv1d", "s17.13")]
    wire = np.random.default_rng(0).integers(-(2**15), 2**15, (64, T, 2)).astype(np.int16)
    model = fill(keras.Sequential([keras.Input((T, 2)), *quantised_layers()[:-1]]))
    expected = model.predict(wire / 2.0**14, verbose=0)
    for graph in (one, other):
        np.testing.assert_array_equal(golden.run(graph, wire)["head"] / 2.0**graph.logit_frac, expected)


@pytest.mark.parametrize(
    ("name", "layer", "node"),
    [("hyphen", "conv-1", "conv_1"), ("slash", "block1/conv", "block1_conv"), ("sequential", "while", "layer_while")],
)
def test_names_become_identifiers(made: Callable[[str], Outcome], name: str, layer: str, node: str) -> None:
    outcome = made(name)
    assert outcome.graph[node].layer_name == layer
    assert f"{node} ({layer})" in [each.shown for each in outcome.layers]  # both are shown
    assert f"| {node} ({layer}) |" in (outcome.folder / "MODEL_CARD.md").read_text()


def test_classes_come_from_the_set_of_as_many(made: Callable[[str], Outcome]) -> None:
    assert made("eleven").graph.classes == (CLASSES_2016,)
    assert made("rows_of_128").graph.classes == (CLASSES_2016,)
    assert made("two_heads").graph.classes == (("class0", "class1", "class2"), ("class0", "class1"))


@pytest.mark.cosim
@pytest.mark.parametrize("name", ["stack", "dead"])
def test_make_hls_works_on_it(
    root: Path, made: Callable[[str], Outcome], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras = C-sim in every layer, and a report; the layer of zeros ended the simulation once, the report too."""
    graph = made(name).graph
    monkeypatch.setenv("HW_AMC_ROOT", str(root))
    assert run("hls", name, "--frames", "4") == 0
    report = json.loads((root / "hls_projects" / name / "build" / "report.json").read_text())
    wanted = 4 * sum(int(np.prod(node.shape)) for node in graph.nodes[1:])
    assert report["csim"]["ap_fixed"]["mismatches"] == 0
    assert report["csim"]["ap_fixed"]["integers"] == wanted
    assert (root / "hls_projects" / name / "build" / "report.html").is_file()


def by_quadrature(level: float = 1.0) -> Any:
    """Tells BPSK, all of whose values are I, from QPSK by the mean of |Q|, of frames of a level."""
    model = keras.Sequential([
        keras.Input((T, 2)), K.Conv1D(2, 1, activation="relu", name="rectify"), K.GlobalAveragePooling1D(name="mean"),
        K.Dense(2, activation="softmax", name="head"),
    ])  # fmt: skip
    model.get_layer("rectify").set_weights([np.array([[[0, 0], [1, -1]]]) / level, np.zeros(2)])
    model.get_layer("head").set_weights([np.array([[-1, 1], [-1, 1]]), np.array([0.35, -0.35])])
    return model


def capture(path: Path, level: float = 1.0) -> Path:
    """Sixty labelled frames in RadioML 2018.01A's schema."""
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 2
    symbols = np.where(labels, 2 * rng.integers(0, 4, (T, 60)) + 1, 4 * rng.integers(0, 2, (T, 60))).T
    signal = np.exp(1j * np.pi / 4 * symbols)
    noisy = np.stack([signal.real, signal.imag], axis=-1) + rng.normal(0, 0.02, (60, T, 2))
    with h5py.File(path, "w") as file:
        file["X"] = (level * noisy).astype(np.float32)
        file["Y"] = np.eye(24, dtype=np.int64)[np.where(labels, 4, 3)]
        file["Z"] = np.full((60, 1), 30, np.int64)
    return path


def test_accuracy_before_and_after_on_labelled_frames(root: Path, tmp_path: Path) -> None:
    by_quadrature().save(tmp_path / "m.h5", save_format="h5")
    outcome = bring_in(root, tmp_path / "m.h5", name="labelled", classes="BPSK,QPSK", data=capture(tmp_path / "x.h5"))
    judged = outcome.judgement
    assert (judged.frames, judged.source, judged.before, judged.after, judged.same) == (30, "x.h5", 1.0, 1.0, 1.0)
    accuracy, problem = load_accuracy(outcome.folder)
    assert problem is None
    assert accuracy is not None
    assert (accuracy["average"], accuracy["accuracy"]) == (1.0, {"30": 1.0})
    card = (outcome.folder / "MODEL_CARD.md").read_text()
    assert "accuracy 100.00 % before and 100.00 % after quantisation" in card
    assert json.loads((outcome.folder / "init.json").read_text())["evaluation"]["after"] == 1.0
    text = (outcome.folder / "project.toml").read_text()
    assert 'classes = ["BPSK", "QPSK"]' in text
    assert "wire_frac = 14" in text


@pytest.mark.parametrize(("level", "bits", "wire_frac"), [(0.003, 14, 14), (20.0, 8, 10)])
def test_a_model_of_another_scale_gets_an_input_that_holds_its_frames(
    root: Path, tmp_path: Path, level: float, bits: int, wire_frac: int, recwarn: pytest.WarningsRecorder
) -> None:
    by_quadrature(level).save(tmp_path / "m.h5", save_format="h5")
    data = capture(tmp_path / "x.h5", level)
    outcome = bring_in(root, tmp_path / "m.h5", name=f"scale{bits}", classes="BPSK,QPSK", data=data)
    assert outcome.graph["input_quant"].fmt.bits == bits
    assert outcome.graph.input.fmt.frac == wire_frac
    assert (outcome.judgement.before, outcome.judgement.after) == (1.0, 1.0)
    assert any("the frames are quiet" in str(each.message) for each in recwarn) == (level < 1)
    settings = Workspace(root, f"scale{bits}").settings()
    assert settings.input.wire_frac == wire_frac
    assert settings.quant == ({"input_quant": {"bits": bits}} if level < 1 else {})


def test_a_capture_below_one_step_is_warned_about(root: Path, tmp_path: Path) -> None:
    """Of a quantised model, whose input is what it is."""
    fill(functional(quantised_layers())).save(tmp_path / "m.h5", save_format="h5")
    quiet = capture(tmp_path / "x.h5", 0.003)
    wanted = (
        r"100% of the values round to zero at the network's input, whose step is 0.0156; the mean power is 9\S*e-06"
    )
    with pytest.warns(UserWarning, match=wanted) as told:
        bring_in(root, tmp_path / "m.h5", name="quiet", classes="radioml2018", data=quiet)
    assert "scale the samples by 256, or set input_shift = 8 in project.toml" in "".join(
        str(each.message) for each in told
    )


def test_frames_of_another_scale_than_training_are_warned_about(root: Path, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((T, 2)), K.BatchNormalization(name="norm"), K.Flatten(), K.Dense(2)])
    model.get_layer("norm").set_weights([np.ones(2), np.zeros(2), np.zeros(2), np.full(2, 50.0)])
    model.save(tmp_path / "m.h5", save_format="h5")
    with pytest.warns(UserWarning, match=r"batch normalisation 'norm' they are -21 dB from what it remembers"):
        bring_in(root, tmp_path / "m.h5", name="level", classes="BPSK,QPSK", data=capture(tmp_path / "x.h5"))


def test_frames_of_another_length_are_refused(root: Path, tmp_path: Path) -> None:
    keras.Sequential([keras.Input((T + 2, 2)), K.Flatten(), K.Dense(2)]).save(tmp_path / "m.h5", save_format="h5")
    with pytest.raises(DataError, match=f"frames of {T} samples"):
        bring_in(root, tmp_path / "m.h5", name="longer", classes="BPSK,QPSK", data=capture(tmp_path / "x.h5"))


def test_widths_reach_the_weights_and_project_toml(root: Path, tmp_path: Path) -> None:
    by_quadrature().save(tmp_path / "m.h5", save_format="h5")
    widths = ["kernel_bits=6", "rectify.kernel_bits=5"]
    outcome = bring_in(root, tmp_path / "m.h5", name="narrow", classes="BPSK,QPSK", widths=widths)
    formats = formats_of(load_deployed(outcome.folder / "weights.h5"))
    assert (formats["rectify"]["kernel_bits"], formats["head"]["kernel_bits"]) == (5, 6)
    assert Workspace(root, "narrow").settings().quant == {"rectify": {"kernel_bits": 5}, "head": {"kernel_bits": 6}}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("conv.kernel_bits", "takes LAYER.FIELD=BITS"),
        ("x=8", "takes LAYER"),
        ("gate_bits=8", "no layer of this model has"),
    ],
)
def test_widths_that_mean_nothing_are_refused(asked: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_widths([asked], {"conv": {"kernel_bits": 8}})


def flat(units: int) -> list[Any]:
    return [K.Flatten(), K.Dense(units)]


REFUSED: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "lstm": (lambda: [K.LSTM(3, activation="relu", name="lstm"), K.Dense(3)], r"layer 'lstm' \(LSTM\): its activation"),
    "norm": (lambda: [K.LayerNormalization(name="ln"), *flat(3)], r"layer 'ln' \(LayerNormalization\) has no exact"),
    "both_ways": (lambda: [K.Bidirectional(K.GRU(3), "ave", name="bi"), K.Dense(3)], r"layer 'bi' \(Bidirectional\)"),
    "code": (lambda: [K.Lambda(lambda x: x, name="lam"), *flat(3)], r"layer 'lam' \('Lambda'\) is not loaded"),
    "sequence": (lambda: [K.Conv1D(3, 3, name="c")], r"output 'c' is \(30, 3\), and each head must be a vector"),
    "single": (lambda: flat(1), "a head gives 1 numbers"),
    "channels_first": (
        lambda: [K.GlobalAveragePooling1D(data_format="channels_first", name="g"), K.Dense(3)],
        r"layer 'g' \(GlobalAveragePooling1D\) has its channels first; build the network with data_format=",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_layers_without_an_exact_form_are_refused_by_name(root: Path, tmp_path: Path, name: str) -> None:
    layers, message = REFUSED[name]
    keras.Sequential([keras.Input((T, 2)), *layers()]).save(tmp_path / f"{name}.h5", save_format="h5")
    with pytest.raises(UnsupportedLayer, match=message):
        bring_in(root, tmp_path / f"{name}.h5", classes=None if name == "single" else "a,b,c")
    assert not (root / "hls_projects" / name).exists()


def shared_layer() -> Any:
    x, layer = keras.Input((T, 2)), K.Conv1D(2, 3, padding="same", name="c")
    return keras.Model(x, K.Dense(3)(K.Flatten()(layer(layer(x)))))


def two_inputs() -> Any:
    inputs = [keras.Input((T, 2)), keras.Input((T, 2))]
    return keras.Model(inputs, K.Dense(3)(K.Flatten()(K.Add()(inputs))))


@pytest.mark.parametrize(
    ("build", "message"), [(shared_layer, "layer 'c' is used twice"), (two_inputs, "has 2 inputs; one of")]
)
def test_models_that_are_no_chain_from_frames_to_logits_are_refused(
    root: Path, tmp_path: Path, build: Callable[[], Any], message: str
) -> None:
    build().save(tmp_path / "m.h5", save_format="h5")
    with pytest.raises(UnsupportedLayer, match=message):
        bring_in(root, tmp_path / "m.h5", classes="a,b,c")


@pytest.mark.parametrize("file", ["m.h5", "m.keras", "saved"])
def test_weights_that_are_no_numbers_are_refused_in_every_format(tmp_path: Path, file: str) -> None:
    model = keras.Sequential([keras.Input((T, 2)), *flat(3)])
    kernel, bias = model.layers[-1].get_weights()
    kernel[:2, 1] = np.nan, np.inf
    model.layers[-1].set_weights([kernel, bias])
    model.save(tmp_path / file, **({"save_format": "h5"} if file == "m.h5" else {}))
    with pytest.raises(DataError, match=f"2 of the {kernel.size} values of .* are not finite; take the weights"):
        load_model_file(tmp_path / file)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
def test_files_cut_short_are_refused_in_one_line(tmp_path: Path, share: float) -> None:
    model = keras.Sequential([keras.Input((T, 2)), *flat(3)])
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "saved")
    places = ["keras_metadata.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
    for path in [tmp_path / "m.keras", *(tmp_path / "saved" / place for place in places)]:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError) as told:
            load_model_file(path if path.suffix == ".keras" else tmp_path / "saved")
        assert "\n" not in str(told.value)
        path.write_bytes(whole)
    assert load_model_file(tmp_path / "saved").count_params() == model.count_params()


@pytest.mark.parametrize("name", ["two words\n", 7, None])
def test_the_name_of_a_model_does_not_matter(tmp_path: Path, name: Any) -> None:
    """TensorFlow refuses some when it computes, with a page of its own frames."""
    model = fill(keras.Sequential([keras.Input((T, 2)), *flat(3)]))
    model.save(tmp_path / "m.h5", save_format="h5")
    x = np.random.default_rng(3).normal(0, 1, (4, T, 2)).astype(np.float32)
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["name"] = name
        file.attrs["model_config"] = json.dumps(config)
    np.testing.assert_array_equal(load_model_file(tmp_path / "m.h5").predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("shape", [(2 * T,), (None, 2), (T, 3), (T, 2, 2)])
def test_inputs_that_are_no_frames_are_refused(tmp_path: Path, root: Path, shape: tuple[int | None, ...]) -> None:
    pooled = [K.Flatten()] if None not in shape else [K.GlobalAveragePooling1D()]
    keras.Sequential([keras.Input(shape), *pooled, K.Dense(3)]).save(tmp_path / "m.h5", save_format="h5")
    with pytest.raises(UnsupportedLayer, match=r"the model's input must be \(T, 2\)"):
        bring_in(root, tmp_path / "m.h5")


def test_all_formats_of_keras_hold_the_same_model(tmp_path: Path) -> None:
    model = fill(stack())
    x = np.random.default_rng(3).normal(0, 1, (4, T, 2)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "m.h5", save_format="h5")
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "saved")
    for name in ("m.h5", "m.keras", "saved"):
        loaded = load_model_file(tmp_path / name)
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
        assert not loaded._is_compiled


def test_gates_of_ours_and_tuples_are_read_in_every_format(tmp_path: Path) -> None:
    model = fill(hard_gru())
    model.save(tmp_path / "m.h5", save_format="h5")
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "saved")
    for name in ("m.h5", "m.keras", "saved"):
        loaded = load_model_file(tmp_path / name)
        assert loaded.layers[0].activation is hard_tanh
        for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def all_pruned(model: Any) -> Any:
    return pytest.importorskip("tensorflow_model_optimization").sparsity.keras.prune_low_magnitude(model)


def some_pruned() -> Any:
    """Wrapped and plain layers of the same classes side by side, and two branches."""
    x = inputs = keras.Input((T, 2))
    x = K.BatchNormalization()(K.Conv1D(3, 3, padding="same")(all_pruned(K.Conv1D(3, 3, padding="same"))(x)))
    branches = [all_pruned(K.GRU(4))(x), K.GRU(4)(x)]
    x = all_pruned(K.Dense(6, use_bias=False))(K.Dense(6)(K.Add()(branches)))
    return fill(keras.Model(inputs, K.Dense(3)(all_pruned(qkeras.QDense(4, B8, B8))(x))))


def recurrent() -> Any:
    return keras.Sequential([
        keras.Input((T, 2)), K.Conv1D(3, 3), K.GRU(4, return_sequences=True), K.LSTM(4), K.Dropout(0.2), K.Dense(3),
    ])  # fmt: skip


@pytest.mark.parametrize("build", [stack, sequential, recurrent, some_pruned])
def test_the_wrappers_of_pruning_are_taken_off(tmp_path: Path, build: Callable[[], Any]) -> None:
    pruned = build() if build is some_pruned else all_pruned(fill(build()))
    expected = pytest.importorskip("tensorflow_model_optimization").sparsity.keras.strip_pruning(pruned)
    pruned.save(tmp_path / "m.keras")
    pruned.save(tmp_path / "saved")
    if build in (stack, sequential):  # both masks of a recurrent layer have one name, which .h5 does not take
        pruned.save(tmp_path / "m.h5", save_format="h5")
    x = np.random.default_rng(3).normal(0, 1, (4, T, 2)).astype(np.float32)
    logits = expected(x).numpy()
    for path in tmp_path.iterdir():
        loaded = load_model_file(path)
        assert [layer.name for layer in loaded.layers] == [layer.name for layer in expected.layers]
        for one, other in zip(loaded.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(loaded(x).numpy(), logits)


def rewrite_archive(path: Path, change: Callable[[Any], None]) -> None:
    """Change the weights of a .keras archive."""
    weights = path.with_name("model.weights.h5")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights.write_bytes(members[weights.name])
    with h5py.File(weights, "r+") as file:
        change(file)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, weights.name: weights.read_bytes()}.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("damage", ["lost", "shape"])
@pytest.mark.parametrize("file", ["m.h5", "m.keras", "saved"])
def test_pruned_layers_without_their_weights_are_refused(tmp_path: Path, file: str, damage: str) -> None:
    def model(units: int = 5, bias: bool = True) -> Any:
        layers = [K.Flatten(), K.Dense(units, use_bias=bias, name="hidden"), K.Dense(3)]
        return all_pruned(keras.Sequential([keras.Input((T, 2)), *layers]))

    def change(place: Any, weight: str) -> None:
        bias = place[weight][()]
        del place[weight]
        if damage == "shape":
            place[weight] = bias[1:]

    path, other = tmp_path / file, tmp_path / "other"
    model().save(path, **({"save_format": "h5"} if file == "m.h5" else {}))
    if file == "m.h5":
        with h5py.File(path, "r+") as held:
            change(held["model_weights/prune_low_magnitude_hidden"], "hidden/bias:0")
    elif file == "m.keras":
        rewrite_archive(
            path, lambda held: change(held["_layer_checkpoint_dependencies"], "prune_low_magnitude_1/layer/vars/1")
        )
    else:  # another model's checkpoint
        (model(bias=False) if damage == "lost" else model(units=4)).save(other)
        shutil.rmtree(path / "variables")
        (other / "variables").rename(path / "variables")
    with pytest.raises(
        DataError, match=r"weight.* of layer .*hidden.*tfmot.sparsity.keras.strip_pruning\(model\)$"
    ) as told:
        load_model_file(path)
    assert "\n" not in str(told.value)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.pth").write_bytes(b"\x08\x07")
    with pytest.raises(DataError, match=r"m.pth is a PyTorch file; a Keras model is read from .h5, .keras"):
        load_model_file(tmp_path / "m.pth")
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"is not a whole .keras file"):
        load_model_file(tmp_path / "m.keras")
    (tmp_path / "saved").mkdir()
    with pytest.raises(DataError, match=r"no SavedModel of Keras 2: it has no keras_metadata.pb"):
        load_model_file(tmp_path / "saved")
    with pytest.raises(DataError, match="nothing"):
        load_model_file(tmp_path / "nothing")
    model = fill(selu())
    model.save(tmp_path / "m.h5", save_format="h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        del file["model_weights"][model.layers[1].name]
    with pytest.raises(DataError, match=f"holds no weights of layer '{model.layers[1].name}'"):
        load_model_file(tmp_path / "m.h5")


def test_code_in_a_keras_archive_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "ran"
    monkeypatch.setenv("MARKER", str(marker))
    inputs = keras.Input((T, 2))
    touch = K.Lambda(lambda t: (open(__import__("os").environ["MARKER"], "w").close(), t)[1], name="lam")
    model = keras.Model(inputs, touch(inputs))
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "saved")
    marker.unlink()
    for name in ("m.keras", "saved"):
        with pytest.raises(UnsupportedLayer, match=r"layer 'lam' \('Lambda'\) is not loaded"):
            load_model_file(tmp_path / name)
    assert not marker.exists()


def test_a_folder_of_somebody_elses_is_never_replaced(root: Path, tmp_path: Path) -> None:
    by_quadrature().save(tmp_path / "mine.h5", save_format="h5")
    folder = root / "hls_projects" / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="hw-amc init did not make it; choose another name"):
        bring_in(root, tmp_path / "mine.h5", classes="BPSK,QPSK")
    shutil.rmtree(folder)
    first = bring_in(root, tmp_path / "mine.h5", classes="BPSK,QPSK")
    assert bring_in(root, tmp_path / "mine.h5", classes="QPSK,BPSK").graph.classes == (("QPSK", "BPSK"),)
    assert Graph.load(first.folder).classes == (("QPSK", "BPSK"),)
    with (first.folder / "project.toml").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(ConfigError, match=r"project.toml was changed since hw-amc init made it"):
        bring_in(root, tmp_path / "mine.h5", classes="BPSK,QPSK")
    assert not list((root / "hls_projects").glob(".init.*"))


@pytest.mark.parametrize("name", ["9lives", "a/b", "../x", "gru_cnn_c40", "a" * 65])
def test_names_that_are_none_are_refused(root: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        InitFlow.open(InitOptions(tmp_path / "m.h5", name), root=root)


def test_class_lists_of_another_length_are_refused() -> None:
    assert choose_classes("a, b; c,d,e", (2, 3), None, T) == (("a", "b"), ("c", "d", "e"))
    assert choose_classes("radioml2016", (11,), None, T) == (CLASS_SETS["radioml2016"].heads[0].classes,)
    for asked, heads, message in (
        ("a,b", (3,), "names 2 classes, and the model gives 3 logits"),
        ("a,b", (2, 2), r"names 2 classes, and the model gives 2 \+ 2 logits"),
        ("a,a", (2,), "a name of its own"),
        ("radioml2017", (24,), "unknown class set 'radioml2017'; did you mean"),
    ):
        with pytest.raises(ConfigError, match=message):
            choose_classes(asked, heads, None, T)


def test_the_command_says_what_it_did(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("HW_AMC_ROOT", str(root))
    by_quadrature().save(tmp_path / "told.h5", save_format="h5")
    assert run("init", str(tmp_path / "told.h5"), "--classes", "BPSK,QPSK") == 0
    said = capsys.readouterr().out
    assert "3 layers, 12 parameters, float" in said
    assert "192 to calibrate on (generated, radioml2018-v2, split 1" in said
    assert "integers of 6 layers equal Keras" in said
    assert "next: make hls MODEL=told" in said
    assert run("init", str(tmp_path / "none.h5"), "--name", "none") == 7
    assert capsys.readouterr().err.count("\n") == 1


def test_the_guide_is_followed_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (ROOT / "docs" / "guides" / "own_model.md").read_text()
    program, _ = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)  # the second needs Brevitas
    blocks = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    commands = "".join(blocks).splitlines()
    frames, tuned = "data make frames.h5 --preset radioml2016-v1 --snrs 18 --frames 40", "init mine.h5 --data frames.h5"
    assert commands == [
        ".venv/bin/python mine.py",
        ".venv/bin/hw-amc init mine.h5",
        f".venv/bin/hw-amc {frames}",
        f".venv/bin/hw-amc {tuned} --tune 100",
        "make hls MODEL=mine",
    ]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hls_projects").mkdir()
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    exec(program, {})  # the guide's own text
    assert run(*commands[1].split()[1:]) == 0
    assert "next: make hls MODEL=mine" in capsys.readouterr().out
    assert run(*commands[2].split()[1:], "--workers", "1") == 0
    assert run(*commands[3].split()[1:]) == 0
    assert "308 to train on with" in capsys.readouterr().out
    assert run("hls", "mine", "--frames", "2", "--stop", "golden") == 0
    options = typer.main.get_command(app).commands["init"].params  # type: ignore[attr-defined]
    known = {option for each in options for option in each.opts}
    assert set(re.findall(r"`(--[a-z]+)", guide)) <= known
