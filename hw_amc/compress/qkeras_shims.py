"""QKeras under TensorFlow 2.14: three names that its QGRU expects have moved; cells get names without numbers."""

from __future__ import annotations

from functools import wraps
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

    _name(qkeras.QGRUCell, "qgru_cell")
    _name(qkeras.QLSTMCell, "qlstm_cell")
    return qkeras


def _name(kind: Any, default: str) -> None:
    """Give layers of a class one name, where they are given none.

    Keras numbers them by what the process has made before, and the digest of a file with their weights would tell.
    """
    make = kind.__init__

    @wraps(make)
    def named(self: Any, *arguments: Any, name: str = default, **settings: Any) -> None:
        make(self, *arguments, name=name, **settings)

    kind.__init__ = named
