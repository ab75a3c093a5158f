"""From a deployed QKeras model to the integer Graph.

Only layers that fixed point represents exactly are admitted: anything else is refused by name, with the reason.
The weights become the integers that the layer's quantiser makes of them; accumulators get the narrowest format
that holds every value which the real weights can produce.

A function that reads a class of layers registers itself (`base.reads`) and is found because its file lies here.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from hw_amc.graph.reader.base import format_of
from hw_amc.graph.reader.build import build_graph, keras_tensor_of
from hw_amc.graph.reader.linear import DECLARED_BITS
from hw_amc.graph.reader.names import identifier

__all__ = ["DECLARED_BITS", "build_graph", "format_of", "identifier", "keras_tensor_of"]

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
