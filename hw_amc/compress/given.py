"""A user's Keras model that is in memory, written where `model_files` reads it: a copy, under the same checks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from tensorflow import keras

from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.untrusted import brief


def save_given(model: Any, folder: Path) -> Path:
    """Write a model to `folder` under its own name, and return the file.

    Raises
    ------
    DataError
        It is no Keras 2 model, has no weights yet, or cannot be written.
    UnsupportedLayer
        It is a class of its own, of which Keras knows no list of layers.
    """
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise DataError(
            f"a model is a tensorflow.keras (Keras 2) model or a file of one, not {kind}; build or save it with"
            f" TensorFlow {_TENSORFLOW}'s Keras"
        )
    if not model.built or not model.inputs:
        raise DataError(f"model {model.name!r} has no input shape yet; put a keras.Input((T, 2)) in front")
    path = folder / f"{model.name.replace('/', '_')}.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras thinks .h5 old
        try:
            model.save(path, save_format="h5", include_optimizer=False)
        except NotImplementedError as error:
            raise UnsupportedLayer(
                f"model {model.name!r} is a class of its own; build it of layers, as Sequential or keras.Model(in, out)"
            ) from error
        except (TypeError, ValueError, RuntimeError, OSError) as error:
            raise DataError(f"model {model.name!r} cannot be written ({brief(error)})") from error
    return path


#: The one whose Keras is read.
_TENSORFLOW = "2.14"
