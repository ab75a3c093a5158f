"""What made the files beside it, with Keras 3.15.1 in an environment of its own: `python make.py .`."""

import os

os.environ["KERAS_BACKEND"] = "numpy"  # before Keras is imported

import sys
from pathlib import Path

import keras
import numpy as np

L = keras.layers


def sequential() -> keras.Model:
    return keras.Sequential([
        keras.Input((32, 2)), L.Conv1D(3, 3, padding="same", activation="relu", name="conv-1"), L.BatchNormalization(),
        L.MaxPooling1D(2), L.SeparableConv1D(4, 3), L.LeakyReLU(negative_slope=0.1), L.Flatten(), L.Dropout(0.1),
        L.Dense(5, activation="softmax"),
    ])  # fmt: skip


def functional() -> keras.Model:
    inputs = keras.Input((16, 2))
    x = L.Conv1D(4, 3, padding="same")(inputs)
    x = L.ReLU()(L.Add()([x, L.Conv1D(4, 3, padding="same")(x)]))
    y = L.GRU(3, return_sequences=True)(x)
    z = L.Bidirectional(L.LSTM(2, return_sequences=True))(x)
    x = L.GlobalAveragePooling1D()(L.Concatenate()([y, z, x]))
    heads = [L.Dense(units, activation="softmax", name=name)(x) for name, units in (("modulation", 3), ("signal", 2))]
    return keras.Model(inputs, heads)


if __name__ == "__main__":
    folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
    for build in (sequential, functional):
        model = build()
        for layer in model.layers:
            weights = [rng.normal(0, 0.4, w.shape) for w in layer.get_weights()]
            if isinstance(layer, L.BatchNormalization):
                weights[0], weights[3] = np.abs(weights[0]) + 0.5, np.abs(weights[3]) + 0.1
            layer.set_weights(weights)
        x = rng.normal(0, 1, (4, *model.input_shape[1:])).astype(np.float32)
        y = model(x)
        heads = {f"y{n}": np.asarray(head) for n, head in enumerate(y if isinstance(y, (list, tuple)) else [y])}
        for ending in ("keras", "h5"):
            model.save(folder / f"{build.__name__}.{ending}")
        np.savez(folder / f"{build.__name__}.npz", x=x, **heads)
