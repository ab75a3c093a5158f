"""Ten float models of the kinds that users bring: what `users_accuracy.py` trains, and the tests build small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tensorflow import keras

K = keras.layers


@dataclass(frozen=True)
class Size:
    """How large a model is built: samples of a frame, filters or cells, classes of each head."""

    frame: int
    width: int
    classes: tuple[int, ...]


def conv_stack(size: Size) -> Any:
    """Convolutions with batch normalisation behind them, each pooled, and the mean over time."""
    x = inputs = keras.Input((size.frame, 2))
    for factor in (1, 2):
        x = K.Conv1D(factor * size.width, 5, padding="same", use_bias=False)(x)
        x = K.MaxPooling1D(2)(K.ReLU()(K.BatchNormalization()(x)))
    x = K.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, K.Dense(size.classes[0], activation="softmax")(x))


def lstm(size: Size) -> Any:
    """An LSTM as Keras makes it, with tanh and sigmoid; its last state is classified."""
    return keras.Sequential(
        [keras.Input((size.frame, 2)), K.LSTM(size.width), K.Dense(size.classes[0], activation="softmax")]
    )


def residual(size: Size) -> Any:
    """A way around two convolutions, and means over three samples, which are no power of two."""
    x = inputs = keras.Input((size.frame, 2))
    x = K.Conv1D(size.width, 5, padding="same", activation="relu")(x)
    y = K.Conv1D(size.width, 3, padding="same", activation="relu")(x)
    x = K.ReLU()(K.Add()([x, K.Conv1D(size.width, 3, padding="same")(y)]))
    x = K.AveragePooling1D(3)(x)
    x = K.Conv1D(size.width, 3, activation="relu")(x)
    x = K.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, K.Dense(size.classes[0], activation="softmax")(x))


def image(size: Size) -> Any:
    """Frames as images (T, 2, 1)."""
    return keras.Sequential([
        keras.Input((size.frame, 2, 1)), K.Conv2D(size.width, (5, 2), activation="relu"), K.MaxPooling2D((2, 1)),
        K.Conv2D(size.width, (3, 1), activation="relu"), K.Flatten(), K.Dropout(0.3),
        K.Dense(2 * size.width, activation="relu"), K.Dense(size.classes[0], activation="softmax"),
    ])  # fmt: skip


def separable(size: Size) -> Any:
    """Separable convolutions, one of them with batch normalisation."""
    return keras.Sequential([
        keras.Input((size.frame, 2)), K.SeparableConv1D(size.width, 7, padding="same", activation="relu"),
        K.MaxPooling1D(2), K.SeparableConv1D(2 * size.width, 5, use_bias=False), K.BatchNormalization(), K.ReLU(),
        K.GlobalAveragePooling1D(), K.Dense(size.classes[0], activation="softmax"),
    ])  # fmt: skip


def sequential(size: Size) -> Any:
    """A Sequential model with dropout, flattened into dense layers."""
    return keras.Sequential([
        keras.Input((size.frame, 2)), K.Conv1D(size.width, 5, padding="same", activation="relu", name="conv-1"),
        K.MaxPooling1D(4), K.Dropout(0.2), K.Flatten(), K.Dense(2 * size.width, activation="relu"),
        K.Dense(size.classes[0], activation="softmax"),
    ])  # fmt: skip


def two_heads(size: Size) -> Any:
    """One trunk, two answers."""
    x = inputs = keras.Input((size.frame, 2))
    for kernel in (7, 5):
        x = K.MaxPooling1D(2)(K.Conv1D(size.width, kernel, padding="same", activation="relu")(x))
    x = K.GlobalAveragePooling1D()(x)
    names = ("modulation", "family")
    heads = [K.Dense(n, activation="softmax", name=name)(x) for n, name in zip(size.classes, names, strict=True)]
    return keras.Model(inputs, heads)


def rows(size: Size) -> Any:
    """VTCNN2's form, smaller: I and Q in two rows of samples."""
    x = inputs = keras.Input((2, size.frame, 1))
    x = K.Conv2D(size.width, (1, 3), activation="relu")(x)
    x = K.Conv2D(size.width // 2, (2, 3), activation="relu")(x)
    x = K.Dense(2 * size.width, activation="relu")(K.Flatten()(x))
    return keras.Model(inputs, K.Dense(size.classes[0], activation="softmax")(x))


def selu(size: Size) -> Any:
    """Dense layers with selu, as self-normalising networks are built."""
    dense = {"activation": "selu", "kernel_initializer": "lecun_normal"}
    return keras.Sequential([
        keras.Input((size.frame, 2)), K.Flatten(), K.Dense(4 * size.width, **dense), K.AlphaDropout(0.1),
        K.Dense(2 * size.width, **dense), K.Dense(size.classes[0], activation="softmax"),
    ])  # fmt: skip


def bidirectional(size: Size) -> Any:
    """A GRU that reads the frame from both ends, as Keras makes it, and the mean over time."""
    return keras.Sequential([
        keras.Input((size.frame, 2)), K.Bidirectional(K.GRU(size.width, return_sequences=True)),
        K.GlobalAveragePooling1D(), K.Dense(size.classes[0], activation="softmax"),
    ])  # fmt: skip


#: Name -> what builds the model, and the size at which it is trained and judged.
USERS: dict[str, tuple[Callable[[Size], Any], Size]] = {
    "conv_stack": (conv_stack, Size(128, 16, (5,))),
    "lstm": (lstm, Size(64, 20, (4,))),
    "residual": (residual, Size(128, 16, (5,))),
    "image": (image, Size(128, 12, (5,))),
    "separable": (separable, Size(128, 16, (5,))),
    "sequential": (sequential, Size(128, 16, (5,))),
    "two_heads": (two_heads, Size(128, 16, (5, 2))),
    "rows": (rows, Size(128, 16, (11,))),
    "selu": (selu, Size(128, 16, (3,))),
    "bidirectional": (bidirectional, Size(64, 12, (4,))),
}
