"""hls4ml as host: a user's stock calls with our back ends equal Keras, and hls4ml's own back ends stay as they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
import yaml

from hw_amc.errors import ConfigError, ToolMissing, UnsupportedLayer
from hw_amc.hls.host import ensure_registered

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
FRAMES = np.random.default_rng(3).uniform(-2, 2, (5, 16, 2)).astype(np.float32)
HOST = "HwAmcVivado"


def python(args: list[str], folder: Path) -> str:
    """Run Python in a process of its own: what hls4ml loads there, it finds by itself."""
    done = subprocess.run([sys.executable, *args], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_script_of_the_guide_equals_keras(tmp_path: Path) -> None:
    """Word by word; the network's weights are what Keras draws, so that no seed makes it pass."""
    script = re.search(r"```python\n(.*?)```", (GUIDES / "hls4ml.md").read_text(), re.DOTALL)
    assert script
    (tmp_path / "script.py").write_text(script[1])
    said = python(["script.py"], tmp_path)
    assert "WARNING: failed" not in said
    assert "plugin" not in said
    assert (tmp_path / "project" / "hls4ml_config.yml").is_file()


@pytest.mark.cosim
def test_the_notebook_of_the_guide_runs(tmp_path: Path) -> None:
    notebook = GUIDES / "hls4ml.ipynb"
    assert all(cell.get("outputs", []) == [] for cell in json.loads(notebook.read_text())["cells"])
    args = ["-q", "-p", "no:cacheprovider", "--nbmake", str(notebook), "--rootdir", str(tmp_path)]
    assert "1 passed" in python(["-m", "pytest", *args], tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return deployed.build("random", tmp_path_factory.mktemp("host") / "weights.h5")[0]


def convert(model: Any, folder: Path, backend: str = HOST, **changes: Any) -> Any:
    import hls4ml

    ensure_registered()
    config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend=backend)
    for settings in config["LayerName"].values():
        settings["Trace"] = True
    for layer, settings in changes.items():
        config["LayerName"][layer].update(settings)
    return hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, backend=backend, output_dir=str(folder), io_type="io_stream"
    )


def test_predict_and_trace_equal_keras(model: Any, tmp_path: Path) -> None:
    from tensorflow import keras

    shared = {"ReuseFactor": 6, "CellsReuseFactor": 3}
    network = convert(model, tmp_path / "project", gru=shared, conv1={"ReuseFactor": 9}, head={"Strategy": "Latency"})
    network.compile()
    logits, layers = network.trace(FRAMES)
    np.testing.assert_array_equal(logits, model.predict(FRAMES, verbose=0))
    np.testing.assert_array_equal(network.predict(FRAMES), logits)
    # Our GRU has the quantiser of its state in it, which in Keras is a layer.
    assert set(layers) == {layer.name for layer in model.layers[2:]} - {"gru_quant"}
    for name, tensor in layers.items():
        layer = model.get_layer("gru_quant" if name == "gru" else name)
        wanted = keras.Model(model.input, layer.output).predict(FRAMES, verbose=0)
        np.testing.assert_array_equal(np.reshape(tensor, wanted.shape), wanted, err_msg=name)
    text = (tmp_path / "project" / "firmware" / "products.h").read_text()
    assert "each used up to 6 times a time step" in text
    assert "mac(a, x[" in text[text.index("struct head_product") :]
    written = yaml.safe_load((tmp_path / "project" / "hls4ml_config.yml").read_text())
    assert written["HLSConfig"]["LayerName"]["gru"]["ReuseFactor"] == 6
    assert written["Backend"] == HOST


@pytest.mark.parametrize(
    ("layer", "settings", "said"),
    [
        ("gru", {"ReuseFactor": 7}, r"\[hls.layers.gru\] reuse_factor = 7 is not legal"),
        ("conv1", {"Strategy": "fastest"}, "strategy = 'fastest' is not one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    model: Any, tmp_path: Path, layer: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        convert(model, tmp_path, **{layer: settings})


def test_a_layer_without_an_exact_form_is_refused(tmp_path: Path) -> None:
    from tensorflow import keras

    inputs = keras.Input((16, 2), name="frames")
    x = keras.layers.GlobalAveragePooling1D(name="mean")(deployed.act("iq")(inputs))
    softmax = keras.layers.Activation("softmax", name="probabilities")(deployed.dense("head", 3)(x))
    with pytest.raises(UnsupportedLayer, match="probabilities"):
        convert(keras.Model(inputs, softmax), tmp_path)


def test_build_needs_the_tool(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = convert(model, tmp_path / "project")
    network.write()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(ToolMissing, match="vivado_hls is not on PATH"):
        network.build()


#: Writes what a stock back end makes of a network that it can read; prints what it says of one that it cannot.
STOCK = """
import sys
if sys.argv[1] == "without":
    import importlib.metadata as metadata
    whole = metadata.entry_points
    metadata.entry_points = lambda **_: whole(group="none")
import hls4ml
from tensorflow import keras
keras.utils.set_random_seed(1)
x = keras.Input((8, 2))
model = keras.Model(x, keras.layers.Dense(3, activation="relu", name="dense")(keras.layers.Flatten(name="flat")(x)))
config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis")
network = hls4ml.converters.convert_from_keras_model(model, hls_config=config, backend="Vitis", output_dir=sys.argv[1])
network.write()
from hls4ml.backends import get_available_backends
print(sorted(get_available_backends()))
"""


def test_stock_back_ends_are_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "stock.py").write_text(STOCK)
    said = {name: python(["stock.py", name], tmp_path) for name in ("with", "without")}
    assert "hwamcvitis" in said["with"]
    assert "hwamc" not in said["without"]
    texts = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in sorted((tmp_path / name / "firmware").rglob("*"))
            if path.is_file()
        }
        for name in said
    ]
    assert texts[0] == texts[1]
    assert os.path.join("firmware", "myproject.cpp") in map(str, texts[0])
