"""QKeras under TensorFlow 2.14: three names that its QGRU expects have moved."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.ops import array_ops
from tensorflow.python.util import nest


def load_qkeras() -> Any:
    """Import QKeras with the names in place that its recurrent layers look up."""
    for module, name, value in (
        (nest, "is_sequence", nest.is_nested),
        (array_ops, "unstack", tf.unstack),
        (array_ops, "split", tf.split),
    ):
        if not hasattr(module, name):
            setattr(module, name, value)
    import qkeras

    return qkeras
