"""Step of the recurrent layer in training: floats and quantised, stock layers and this project's.

    python benchmarks/bench_training.py

A step is forwards and backwards to the weights, compiled by tf.function. Stock: Keras' GRU with hard gates, and QKeras'
QGRU with its state quantiser, whose cell quantises the weights in every time step. Ours quantises them once a step: as
TensorFlow operations (what a machine without a compiler and a GPU run), and on the C++ kernel. The three quantised
forms must give the same output, to the bit, before they are timed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress import round_weights
from hw_amc.compress.deploy import deploy_with
from hw_amc.models import GruCnnSpec
from hw_amc.train import kernel
from hw_amc.train.fast_gru import FastGru

Layer = Callable[[Any], Any]


def layers(cells: int, samples: int) -> dict[str, tuple[Any, Layer]]:
    """What is timed: a layer's weights, and a function of them; the third is to run without the C++ kernel."""
    model = GruCnnSpec("bench", cells, frame=(samples, 2)).build()
    stock, deployed = model.get_layer("gru"), deploy_with(model)
    quantised, state = deployed.get_layer("gru"), deployed.get_layer("gru_quant")
    return {
        "Keras GRU, floats": (stock, stock),
        "QKeras QGRU, quantised": (quantised, lambda x: state(quantised(x))),
        "ours as TensorFlow operations, quantised": (quantised, FastGru(quantised)),
        "ours, floats": (stock, FastGru(stock)),
        "ours, quantised": (quantised, FastGru(quantised)),
    }


def seconds_per_step(layer: Layer, weights: list[Any], x: Any, pull: Any, steps: int) -> float:
    """Median over some steps, after one that compiles."""

    @tf.function
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x) * pull)
        return [tf.reduce_sum(gradient) for gradient in tape.gradient(total, weights)]

    times = []
    for _ in range(steps + 1):
        began = time.perf_counter()
        [value.numpy() for value in step(x)]
        times.append(time.perf_counter() - began)
    return median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=80)
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    shape = (options.batch, options.samples, 2)
    # On the grid of the deployed input: 8 bits, one of them left of the point.
    x = tf.constant((rng.integers(-128, 128, shape) / 64).astype(np.float32))
    pull = tf.constant(rng.standard_normal((*shape[:2], options.cells)).astype(np.float32))
    made = layers(options.cells, options.samples)
    # Rounded once, for all: the quantised forms must agree.
    quantised, _ = made["ours, quantised"]
    quantised.set_weights([rng.normal(0, 0.3, w.shape).astype(np.float32) for w in quantised.get_weights()])
    round_weights(keras.Sequential([quantised]))
    outputs, seconds = {}, {}
    for name, (layer, function) in made.items():
        layer.set_weights(quantised.get_weights())
        without = mock.patch.object(kernel, "available", return_value=False)
        with without if "operations" in name else nullcontext():
            outputs[name] = np.asarray(function(x[:4]))
            seconds[name] = seconds_per_step(function, layer.trainable_weights, x, pull, options.steps)
        print(f"{name:42} {seconds[name]:8.3f} s a step", flush=True)
    stock, *others = (output for name, output in outputs.items() if name.endswith("quantised"))
    if not all(np.array_equal(stock, other) for other in others):
        raise SystemExit("the quantised forms differ; the times say nothing")
    for left, right in (
        ("QKeras QGRU, quantised", "Keras GRU, floats"),
        ("QKeras QGRU, quantised", "ours as TensorFlow operations, quantised"),
        ("QKeras QGRU, quantised", "ours, quantised"),
        ("ours, quantised", "ours, floats"),
    ):
        print(f"{left} / {right}: {seconds[left] / seconds[right]:.2f}")


if __name__ == "__main__":
    main()
