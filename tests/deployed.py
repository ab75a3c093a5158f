"""Small deployed QKeras models with random or adversarial weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc import compress, models
from hw_amc.compress.deploy import deploy_with
from hw_amc.compress.layers import qkeras
from hw_amc.files import file_digest
from hw_amc.graph import Graph
from hw_amc.graph.reader import build_graph

#: Names of five classes, of one head.
FIVE = (tuple(f"class{i}" for i in range(5)),)
SMALL = models.GruCnnSpec("small", 6, classes=FIVE, frame=(16, 2))

#: Ways to fill a weight array; each stresses another edge of the arithmetic.
FILLS = {
    "random": lambda rng, shape: rng.normal(0, 0.4, shape),
    "largest": lambda rng, shape: np.full(shape, 9.0),
    "smallest": lambda rng, shape: np.full(shape, -9.0),
    "alternating": lambda rng, shape: np.where(np.indices(shape).sum(axis=0) % 2, 9.0, -9.0),
    "zero": lambda rng, shape: np.zeros(shape),
    "ties": lambda rng, shape: rng.integers(-2, 3, shape) / 2,
    "sparse": lambda rng, shape: rng.normal(0, 0.5, shape) * (rng.random(shape) < 0.2),
}


def untrained(spec: models.NetworkSpec, formats: dict[str, dict[str, int]] | None = None) -> Any:
    """Deployed form of a network, with untrained weights; `formats` differ from the defaults."""
    return deploy_with(spec.build(), formats)


def build(kind: str, path: Path, formats: dict[str, dict[str, int]] | None = None, seed: int = 0) -> tuple[Any, Graph]:
    """Save a small model to `path` and return it as loaded again, with its graph."""
    model = fill(untrained(SMALL, formats), kind, seed)
    compress.save_deployed(model, path)
    loaded = compress.load_deployed(path)
    return loaded, build_graph(loaded, SMALL.name, SMALL.classes, file_digest(path))


def wire_frames(count: int, seed: int = 1) -> np.ndarray:
    """Wire words: noise, silence, and both ends of the range."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(-(1 << 15), 1 << 15, (count, SMALL.frame[0], 2))
    frames[0], frames[1], frames[2] = 0, (1 << 15) - 1, -(1 << 15)
    return frames.astype(np.int16)


def signed(bits: int, integer: int = 0) -> str:
    """QKeras' name of a signed power-of-two format."""
    return f"quantized_bits({bits},{integer},0,alpha=1)"


def act(name: str, bits: int = 8, integer: int = 0) -> Any:
    """Rounding onto a signed format."""
    return qkeras.QActivation(signed(bits, integer), name=name)


def relu(name: str, bits: int = 8, integer: int = 0) -> Any:
    """Rounding onto an unsigned format."""
    return qkeras.QActivation(f"quantized_relu({bits},{integer})", name=name)


def conv1d(name: str, filters: int, taps: int) -> Any:
    formats = {"kernel_quantizer": signed(6), "bias_quantizer": signed(8, 1)}
    return qkeras.QConv1D(filters, taps, padding="same", name=name, **formats)


def lstm(name: str, units: int, state: tuple[int, int] = (8, 0), bits: int = 8, **changes: Any) -> Any:
    """A QLSTM in its deployed form; `state` are bits and integer bits of both states."""
    settings = {
        **dict.fromkeys(("kernel_quantizer", "recurrent_quantizer", "bias_quantizer"), signed(bits)),
        "state_quantizer": signed(*state),
        "activation": f"quantized_tanh({bits})",
        "recurrent_activation": f"quantized_sigmoid({bits})",
        "return_sequences": True,
        "name": name,
    }
    return qkeras.QLSTM(units, **{**settings, **changes})


def fill(model: Any, kind: str, seed: int = 0) -> Any:
    """Set every weight array of a model; `kind` is one of FILLS, rounded by the layers' own quantisers."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.set_weights([FILLS[kind](rng, w.shape).astype(np.float32) for w in layer.get_weights()])
    return model


def residual_model(frame_len: int = 16) -> Any:
    """Two branches that join in other formats, and a global maximum."""
    inputs = keras.Input((frame_len, 2), name="frames")
    x = relu("stem_q", 6, 1)(conv1d("stem", 4, 3)(act("input_quant", 8, 1)(inputs)))
    y = act("body_q", 8, 2)(conv1d("body", 4, 4)(x))
    x = relu("sum_q", 7, 2)(keras.layers.Add(name="sum")([x, y]))
    x = keras.layers.GlobalMaxPooling1D(name="most")(keras.layers.Dropout(0.2)(x))
    formats = {"kernel_quantizer": signed(6), "bias_quantizer": signed(8)}
    heads = [qkeras.QDense(units, name=f"head{units}", **formats)(x) for units in (3, 2)]
    return keras.Model(inputs, heads)


def conv2d(name: str, filters: int, size: tuple[int, int], padding: str = "same") -> Any:
    formats = {"kernel_quantizer": signed(6), "bias_quantizer": signed(8, 1)}
    return qkeras.QConv2D(filters, size, padding=padding, name=name, **formats)


def dense(name: str, units: int) -> Any:
    return qkeras.QDense(units, kernel_quantizer=signed(6), bias_quantizer=signed(8), name=name)


def hakimi_model(frame_len: int = 64, filters: tuple[int, ...] = (4, 3, 4), taps: tuple[int, ...] = (8, 4, 2)) -> Any:
    """Hakimi's form: images of height 1, wide and even kernels, a maximum after each but the last, a mean."""
    inputs = keras.Input((frame_len, 2), name="frames")
    x = keras.layers.Reshape((1, frame_len, 2), name="image")(act("input_quant", 8, 1)(inputs))
    for index, (count, width) in enumerate(zip(filters, taps, strict=True)):
        x = relu(f"relu{index}", 8, 1)(conv2d(f"conv{index}", count, (1, width))(x))
        if index < len(filters) - 1:
            x = keras.layers.MaxPooling2D((1, 2), name=f"pool{index}")(x)
            x = keras.layers.SpatialDropout2D(0.1)(x)
    x = keras.layers.AveragePooling2D((1, x.shape[2]), name="mean")(x)
    return keras.Model(inputs, dense("head", 5)(keras.layers.Flatten(name="flat")(x)))


def mtl_model() -> Any:
    """The multi-task learner's form, smaller: 32 samples as 8x8x1, a shared trunk, two heads."""
    inputs = keras.Input((32, 2), name="frames")
    x = keras.layers.Reshape((8, 8, 1), name="image")(act("input_quant", 8, 1)(inputs))
    x = relu("trunk_relu", 8, 1)(conv2d("trunk", 4, (3, 3), "valid")(x))
    x = keras.layers.MaxPooling2D((2, 2), strides=1, name="trunk_pool")(x)
    heads = []
    for task, classes in (("modulation", 3), ("signal", 4)):
        y = relu(f"{task}_relu", 6, 2)(conv2d(f"{task}_conv", 2, (3, 3), "valid")(x))
        y = keras.layers.Flatten(name=f"{task}_flat")(y)
        y = relu(f"{task}_dense_relu", 8, 3)(dense(f"{task}_dense", 6)(y))
        heads.append(dense(task, classes)(y))
    return keras.Model(inputs, heads)
