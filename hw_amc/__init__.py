"""hw_amc: FPGA accelerators for automatic modulation classification, equal to Keras in every bit.

    import hw_amc

    model = hw_amc.load("gru_cnn_sparse07")                     # by name, needs no TensorFlow
    model = hw_amc.convert(keras_model, classes=["BPSK", "QPSK"], frames=frames)    # a Keras or QKeras model of yours
    answers = model.classify("air.sigmf-meta")
    print(answers.shares)

What they return offers `classify`, `verify`, `hls`, `rtl`, `simulate`, `estimate`, `overlay` and `report`
(docs/guides/python.md). Importing this package alone takes no time: the rest comes when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hw_amc.api import Model, convert, load

__version__ = "0.2.0"

__all__ = ["Model", "__version__", "convert", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("hw_amc.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
