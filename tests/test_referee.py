"""The bench that lets a foreign Keras network judge frames of ours."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras

from hw_amc.radio import CLASSES, load_recipe, make_dataset

BENCH = Path(__file__).parents[1] / "benchmarks" / "referee.py"


def network(path: Path, answer: int) -> Path:
    """A network that takes every frame for the same class."""
    model = keras.Sequential([keras.layers.Input((1024, 2)), keras.layers.Flatten(), keras.layers.Dense(24)])
    weights, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([0 * weights, np.eye(24)[answer]])
    model.save(path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [str(BENCH), *arguments])
    runpy.run_path(str(BENCH), run_name="__main__")


def test_accuracy_by_class_and_snr_beside_the_published_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = network(tmp_path / "always.h5", CLASSES.index("QPSK"))
    theirs, found = tmp_path / "theirs.json", tmp_path / "found.json"
    theirs.write_text(json.dumps({"30": 0.955, "28": 0.9}))
    make_dataset(tmp_path / "two.h5", load_recipe("awgn-v1"), 3, ["QPSK", "FM"], [0, 30], split=2, workers=1)
    sources = [str(weights), "radioml2018-v2", str(tmp_path / "two.h5")]
    options = ["--frames", "1", "--snr", "30", "0", "-20", "--published", str(theirs), "--json", str(found)]
    run(monkeypatch, *sources, *options)
    recipe, file = json.loads(found.read_text())
    assert recipe["accuracy"] == {"30": 0.0417, "0": 0.0417, "-20": 0.0417}
    assert recipe["by_class"]["0"] == {name: float(name == "QPSK") for name in CLASSES}
    # The file holds two classes and no frame at -20 dB.
    assert file["accuracy"] == {"30": 0.5, "0": 0.5}
    assert file["by_class"] == {"30": {"QPSK": 1.0, "FM": 0.0}, "0": {"QPSK": 1.0, "FM": 0.0}}
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert told[0] == ["radioml2018-v2", "30", "dB", "4.2", "%", "0", "dB", "4.2", "%", "-20", "dB", "4.2", "%"]
    assert told[-1] == ["published", "30", "dB", "95.5", "%"]
