"""Float models of users' kinds go from `.h5` through `hw-amc init` to `hw-amc hls`, and to Verilog, board and all."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run
from tensorflow import keras

from hw_amc.graph import Graph
from hw_amc.hls import csim

ROOT = Path(__file__).parents[1]
MODELS = runpy.run_path(str(ROOT / "benchmarks" / "users_models.py"))
USERS, SIZE = MODELS["USERS"], MODELS["Size"]
FRAMES = 4
K = keras.layers


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace, whose C++ is optimised less: these networks run for milliseconds."""
    root = tmp_path_factory.mktemp("users")
    (root / "boards").symlink_to(ROOT / "boards")
    (root / "hls_projects").mkdir()
    flavours = {name: ("-O0", *flags[1:]) for name, flags in csim.FLAVOURS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HW_AMC_ROOT", str(root))
        patch.setattr(csim, "FLAVOURS", flavours)
        yield root


def save(path: Path, build: Any, size: Any) -> None:
    """Save a float model with random weights, as Keras writes it."""
    model, rng = build(size), np.random.default_rng(7)
    for layer in model.layers:
        weights = [rng.normal(0, 0.4, w.shape) for w in layer.get_weights()]
        if type(layer).__name__ == "BatchNormalization":
            weights[0], weights[3] = np.abs(weights[0]) + 0.5, np.abs(weights[3]) + 0.1
        layer.set_weights(weights)
    model.save(path, save_format="h5")


def require_equal(root: Path, name: str, size: Any) -> None:
    """Take a model all the way by the commands, and require what the report says."""
    save(root / f"{name}.h5", USERS[name.removeprefix("whole_")][0], size)
    assert run("init", str(root / f"{name}.h5"), "--classes", ";".join(map(_names, size.classes))) == 0
    assert run("hls", name, "--frames", str(FRAMES)) == 0
    folder = root / "hls_projects" / name
    report = json.loads((folder / "build" / "report.json").read_text())["csim"]["ap_fixed"]
    wanted = FRAMES * sum(int(np.prod(node.shape)) for node in Graph.load(folder).nodes[1:])
    assert (report["frames"], report["mismatches"], report["integers"]) == (FRAMES, 0, wanted)


def _names(count: int) -> str:
    return ",".join(f"class{number}" for number in range(count))


@pytest.mark.parametrize("name", USERS)
def test_a_users_model_becomes_hls_with_every_integer_equal(root: Path, name: str) -> None:
    whole = USERS[name][1]
    require_equal(root, name, SIZE(128 if name == "rows" else 18, 4, whole.classes))


@pytest.mark.slow
@pytest.mark.parametrize("name", USERS)
def test_a_whole_model_becomes_hls_with_every_integer_equal(root: Path, name: str) -> None:
    require_equal(root, f"whole_{name}", USERS[name][1])


def mixed(size: Any) -> Any:
    """Branches of an LSTM and of a tanh, joined and added to; two heads; names that are no identifiers."""
    x = inputs = keras.Input((size.frame, 2))
    states = K.LSTM(size.width, return_sequences=True, name="while")(x)
    curved = K.Conv1D(size.width, 3, padding="same", activation="tanh", name="block/conv-1")(x)
    x = K.Concatenate()([states, curved])
    x = K.Add()([x, K.Conv1D(2 * size.width, 3, padding="same", activation="relu")(x)])
    x = K.GlobalAveragePooling1D()(x)
    names = ("modulation", "signal")
    heads = [K.Dense(n, activation="softmax", name=name)(x) for n, name in zip(size.classes, names, strict=True)]
    return keras.Model(inputs, heads)


def image(size: Any) -> Any:
    """Two rows, two convolutions, a maximum, a selu in front of dense layers."""
    x = inputs = keras.Input((2, size.frame, 1))
    x = K.MaxPooling2D((1, 2))(K.Conv2D(size.width, (1, 3), activation="relu")(x))
    x = K.Flatten()(K.Conv2D(size.width, (2, 3), activation="selu")(x))
    return keras.Model(inputs, K.Dense(size.classes[0], activation="softmax")(K.Dense(4, activation="relu")(x)))


@pytest.mark.cosim
@pytest.mark.parametrize(("build", "classes"), [(mixed, (3, 2)), pytest.param(image, (3,), marks=pytest.mark.slow)])
def test_a_users_model_becomes_verilog_and_an_overlay(root: Path, build: Any, classes: tuple[int, ...]) -> None:
    name = f"verilog_{build.__name__}"
    save(root / f"{name}.h5", build, SIZE(16, 3, classes))
    assert run("init", str(root / f"{name}.h5"), "--classes", ";".join(map(_names, classes))) == 0
    for command in (("rtl",), ("cosim", "--fast", "--frames", "6"), ("bench", "--frames", "6"), ("overlay",)):
        assert run(command[0], name, *command[1:]) == 0
    report = json.loads((root / "hls_projects" / name / "build" / "report.json").read_text())
    simulated, bench = report["cosim"]["verilator"], report["bench"]["sim"]
    assert (simulated["frames"], simulated["mismatches"]) == (6, 0)
    assert simulated["cycles_per_frame"] == simulated["predicted_cycles_per_frame"]
    assert (bench["frames"], bench["mismatches"]) == (6, 0)
    assert (root / "hls_projects" / name / "build" / "overlay" / "pynq-z2").is_dir()
