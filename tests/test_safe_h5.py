"""Model files from strangers: refused in one line before Keras loads them, and nothing of them runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tensorflow import keras

from hw_amc.compress import load_deployed
from hw_amc.compress.layers import QAffine, qkeras
from hw_amc.compress.safe_h5 import require_safe
from hw_amc.errors import DataError, UnsupportedLayer

BITS = "quantized_bits(8,0,0,alpha=1)"
T = 16


def build() -> keras.Model:
    x = inputs = keras.Input((T, 2), name="frames")
    x = qkeras.QActivation("quantized_bits(8,1,0,alpha=1)", name="q")(x)
    for name in ("c1", "c2"):
        x = qkeras.QConv1D(4, 3, padding="same", kernel_quantizer=BITS, bias_quantizer=BITS, name=name)(x)
        x = qkeras.QActivation("quantized_relu(8,1)", name=f"{name}_relu")(x)
    x = keras.layers.GlobalAveragePooling1D(name="gap")(x)
    return keras.Model(inputs, QAffine(BITS, BITS, name="head")(x), name="small")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "weights.h5"
    build().save(path, save_format="h5")
    return path.read_bytes()


@pytest.fixture
def path(good: bytes, tmp_path: Path) -> Path:
    (tmp_path / "weights.h5").write_bytes(good)
    return tmp_path / "weights.h5"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the configuration that a file holds."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        changed = change(config)
        file.attrs["model_config"] = json.dumps(config if changed is None else changed)


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in config["config"]["layers"] if item["name"] == name)
    return found


def test_a_good_file_is_loaded_as_it_was_saved(path: Path) -> None:
    stored = sum(weight.nbytes for weight in map(np.asarray, build().get_weights()))
    assert require_safe(path) == stored
    model = load_deployed(path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(model.get_layer("c1").get_weights()[0], file["model_weights/c1/c1/kernel:0"])


@pytest.mark.parametrize("name", ["gru_cnn_c40", "gru_cnn_sparse07"])
def test_the_committed_models_pass(name: str) -> None:
    root = Path(__file__).parents[1] / "hls_projects"
    assert require_safe(root / name / "weights.h5") > 30_000


LAYERS = [
    keras.layers.GRU(3, return_sequences=True),
    keras.layers.LSTM(3, return_sequences=True, kernel_regularizer=keras.regularizers.L1L2(1e-3, 1e-4)),
    keras.layers.Bidirectional(keras.layers.GRU(2, return_sequences=True)),
    keras.layers.BatchNormalization(momentum=0.9),
    keras.layers.Dense(3, "relu", kernel_initializer="he_normal", kernel_constraint="max_norm"),
    keras.layers.SeparableConv1D(3, 2, activation="tanh"),
    keras.layers.TimeDistributed(keras.layers.Dense(3)),
    keras.layers.Activation("hard_sigmoid"),
    keras.layers.Reshape((T // 2, 4)),
    qkeras.QDense(3, kernel_quantizer="quantized_bits(4, integer=0, keep_negative=True, alpha='auto_po2')"),
    qkeras.QGRU(3, kernel_quantizer=BITS, recurrent_quantizer=BITS, bias_quantizer=BITS, state_quantizer=BITS),
    qkeras.QActivation("quantized_tanh(4)"),
    qkeras.QActivation(qkeras.quantized_po2(4)),
]


@pytest.mark.parametrize("other", LAYERS, ids=lambda other: type(other).__name__)
def test_layers_of_keras_and_qkeras_pass_and_the_reader_names_what_it_cannot(other: Any, tmp_path: Path) -> None:
    inputs = keras.Input((T, 2))
    keras.Model(inputs, other(inputs)).save(tmp_path / "m.h5", save_format="h5")
    require_safe(tmp_path / "m.h5")
    assert type(load_deployed(tmp_path / "m.h5").layers[-1]) is type(other)


def test_a_sequential_model_passes(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((T, 2)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(np.zeros((2, T, 2)), np.zeros((2, 3)), verbose=0)
    model.save(tmp_path / "m.h5", save_format="h5")  # with the optimiser's own weights
    assert len(load_deployed(tmp_path / "m.h5").get_weights()) == 2


def test_the_code_of_a_lambda_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen before: refused with the right words, after the code ran."""
    marker = tmp_path / "ran"
    monkeypatch.setenv("MARKER", str(marker))
    inputs = keras.Input((T, 2))
    touch = keras.layers.Lambda(lambda t: (open(__import__("os").environ["MARKER"], "w").close(), t)[1], name="lam")
    keras.Model(inputs, touch(inputs)).save(tmp_path / "m.h5", save_format="h5")
    marker.unlink()
    with pytest.raises(UnsupportedLayer, match=r"layer 'lam' \('Lambda'\) is not loaded"):
        load_deployed(tmp_path / "m.h5")
    assert not marker.exists()
    keras.models.load_model(tmp_path / "m.h5")  # otherwise this would prove nothing
    assert marker.exists()


def set_class(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: layer(config, "c1").update(class_name=name)


def set_field(name: str, value: object, where: str = "c1") -> Callable[[dict[str, Any]], None]:
    return lambda config: layer(config, where)["config"].update({name: value})


def set_nodes(value: object, where: str = "c1") -> Callable[[dict[str, Any]], None]:
    return lambda config: layer(config, where).update(inbound_nodes=value)


def nest(config: dict[str, Any]) -> dict[str, Any]:
    inner: Any = 1
    for _ in range(60):
        inner = {"class_name": "Dense", "config": {"name": "d", "x": [inner]}}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}


def many_layers(config: dict[str, Any]) -> dict[str, Any]:
    one = {"class_name": "Activation", "config": {"name": "a", "activation": "relu"}}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [one] * 3000}}


def quantiser(**changes: object) -> dict[str, object]:
    config = {"bits": 8, "integer": 0, "symmetric": 0, "alpha": 1, "keep_negative": True}
    return {"module": "qkeras.quantizers", "class_name": "quantized_bits", "config": {**config, **changes}}


#: What a configuration must not say, and the words that refuse it.
CONFIGS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an operation by its name": (set_class("TFOpLambda"), r"layer 'c1' \('TFOpLambda'\) is not loaded"),
    "a slice by its name": (set_class("SlicingOpLambda"), r"layer 'c1' \('SlicingOpLambda'\) is not loaded"),
    "a class of the file's own": (set_class("os>system"), r"layer 'c1' \('os>system'\) is not loaded"),
    "no class": (set_class(7), r"layer 'c1' \(7\) is not loaded"),  # type: ignore[arg-type]
    "code in an object": (
        set_field("kernel_initializer", {"class_name": "__lambda__", "config": {"value": "4wEAAA=="}}),
        "c1 holds '__lambda__', which is not known here",
    ),
    "a function": (
        set_field("activation", {"module": "builtins", "class_name": "function", "config": "exec"}),
        "c1 holds 'function', which is not known here",
    ),
    "another module": (
        set_field("kernel_quantizer", {"module": "os", "class_name": "quantized_bits", "config": {}}),
        "c1 names the module 'os'",
    ),
    "a module within ours": (
        set_field("kernel_quantizer", {"module": "keras.utils.data_utils", "class_name": "L2", "config": {}}),
        "c1 names the module 'keras.utils.data_utils'",
    ),
    "another registered name": (
        set_field("kernel_quantizer", {"class_name": "L2", "config": {}, "registered_name": "evil>System"}),
        "c1 names 'evil>System', which is not known here",
    ),
    "a call in a text": (set_field("activation", "__import__('os').system('id')", "q"), "is not known here"),
    "a call in an argument": (set_field("activation", "quantized_bits(exec('1'))", "q"), "is not known here"),
    "a nested call": (set_field("activation", "quantized_bits(quantized_bits(8))", "q"), "is not known here"),
    "a name of the module": (set_field("kernel_quantizer", "get_quantizer"), "'get_quantizer' of c1 is not known here"),
    "an attribute": (set_field("kernel_quantizer", "np.load"), "'np.load' of c1 is not known here"),
    "bits without end": (set_field("kernel_quantizer", "quantized_bits(9999999999)"), "is not known here"),
    "bits without end as a number": (set_field("kernel_quantizer", quantiser(bits=10**7)), "c1: bits = 10000000"),
    "a million units": (set_field("filters", 10**12), "filters = 1000000000000 of c1 is too large"),
    "a number without end": (set_field("filters", 1e300), r"filters = 1e\+300 of c1 is too large"),
    "a long text": (set_field("padding", "same" * 1000), "padding of c1 has 4000 letters"),
    "a layer that feeds itself": (set_nodes([[["c1", 0, 0, {}]]]), "layer 'c1' depends on itself"),
    "layers that feed each other": (set_nodes([[["c2", 0, 0, {}]]]), "layer 'c[12](_relu)?' depends on itself"),
    "a source that is none": (
        set_nodes([[["nobody", 0, 0, {}]]]),
        "layer 'c1' is fed by 'nobody', call 0, which is none",
    ),
    "a call that is none": (set_nodes([[["q", 3, 0, {}]]]), "layer 'c1' is fed by 'q', call 3, which is none"),
    "a call with arguments": (set_nodes([[["q", 0, 0, {"f": ["q", 0, 0]}]]]), "layer 'c1' is called with arguments"),
    "calls of another form": (set_nodes([{"args": [], "kwargs": {}}]), "are of a form that is not known here"),
    "no calls": (set_nodes(None), "a layer 'c1' has no name or no inbound_nodes"),
    "two of a name": (lambda config: layer(config, "c2").update(name="c1"), "two layers are called 'c1'"),
    "objects in objects": (nest, "nested deeper than 64 levels"),
    "many layers": (many_layers, "it has more than 2000 layers"),
    "another model": (lambda config: {"class_name": "Pipeline"}, "its model is 'Pipeline', neither functional nor"),
    "no model": (lambda config: [1], "its model is list, neither functional nor sequential"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_what_a_configuration_must_not_say(path: Path, name: str) -> None:
    change, said = CONFIGS[name]
    edit(path, change)
    started = time.monotonic()
    with pytest.raises((DataError, UnsupportedLayer), match=said) as caught:
        load_deployed(path)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 5


def write_text(path: Path, text: str) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = text


@pytest.mark.parametrize(
    ("text", "said"),
    [("[" * 5000, "nested too deeply"), ("{", "not readable JSON"), ('{"class_name": NaN}', "NaN is no number")],
)
def test_json_that_is_none(path: Path, text: str, said: str) -> None:
    write_text(path, text)
    with pytest.raises(DataError, match=said):
        load_deployed(path)


def test_weights_without_a_model_say_what_to_save(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["model_config"]
    with pytest.raises(DataError, match="it has no model_config; save the whole model"):
        load_deployed(path)


KERNEL = "model_weights/c1/c1/kernel:0"


def replace_kernel(file: h5py.File, **how: Any) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, **how)


def outside(file: h5py.File) -> None:
    secret = Path(file.filename).with_name("secret.txt")
    secret.write_bytes(b"S" * 4096)
    replace_kernel(file, shape=(3, 2, 4), dtype="f4", external=[(str(secret), 0, 96)])


def linked(target: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = target

    return change


def spoilt(value: complex, dtype: str = "f4") -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        values = file[KERNEL][()].astype(dtype)
        values[1, 0, 2:] = value
        replace_kernel(file, data=values)

    return change


def ring(file: h5py.File) -> None:
    """A group that holds itself, by a hard link."""
    file["model_weights/c1/again"] = file["model_weights"]


def deep(file: h5py.File) -> None:
    file["/".join(["model_weights", *"a" * 100, "x"])] = np.zeros(3)


#: What the rest of a file must not hold.
CONTENTS: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "bytes of another file": (outside, "c1/kernel:0 lies in other files, which are not read"),
    "a link to itself": (linked(h5py.SoftLink(f"/{KERNEL}")), "is a link, which is not followed"),
    "a link to another": (linked(h5py.SoftLink("/model_weights/c2/c2/kernel:0")), "is a link, which is not followed"),
    "a link to another file": (linked(h5py.ExternalLink("o.h5", "/x")), "is a link, which is not followed"),
    "a size of 10^11": (
        lambda file: replace_kernel(file, shape=(10**11,), dtype="f4", compression="gzip", chunks=(10**6,)),
        "declares 400,000,000,000 bytes and holds 0",
    ),
    "not a number": (spoilt(np.nan), "2 of the 24 values of 'c1/c1/kernel:0' are not finite"),
    "infinity": (spoilt(-np.inf), "2 of the 24 values of 'c1/c1/kernel:0' are not finite"),
    "complex numbers": (spoilt(1j, "c8"), "holds complex64, not real numbers"),
    "texts": (lambda file: replace_kernel(file, data=np.full((3, 2, 4), b"1")), "not real numbers"),
    "no shape of the layer's": (lambda file: replace_kernel(file, data=np.zeros((9, 9))), "is not a deployed model"),
    "groups in groups": (deep, "lies too deep"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_the_weights_must_not_hold(path: Path, name: str) -> None:
    change, said = CONTENTS[name]
    with h5py.File(path, "r+") as file:
        change(file)
    started = time.monotonic()
    with pytest.raises(DataError, match=said) as caught:
        load_deployed(path)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 5


def test_groups_that_hold_each_other_end(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        ring(file)
    require_safe(path)


def test_layers_may_not_make_more_weights_than_the_file_holds(path: Path) -> None:
    """Seen before: MemoryError for 10^6 units."""

    def grow(config: dict[str, Any]) -> None:
        for name in ("c1", "c2"):
            layer(config, name)["config"]["filters"] = 10**5

    edit(path, grow)
    with pytest.raises(DataError, match="its layers need more weights than the file holds"):
        load_deployed(path)


@pytest.mark.parametrize("part", [0, 1, 100, 2048, 5000, 12000])
def test_a_cut_file_is_one_line(good: bytes, part: int, tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(good[:part])
    with pytest.raises(DataError, match=r"is not a whole HDF5 file|cannot be read"):
        load_deployed(tmp_path / "weights.h5")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist; train the model"):
        load_deployed(tmp_path / "none.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(DataError, match="is a pipe; give a plain file"):
        load_deployed(tmp_path / "pipe.h5")


def test_ctrl_c_while_keras_reads_is_no_fault_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C code that runs when Ctrl-C comes may raise an error of its own, with the interruption behind it."""

    def interrupted(*_: object, **__: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as cause:
            raise SystemError("returned a result with an exception set") from cause

    monkeypatch.setattr(keras.models, "load_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_deployed(path)
