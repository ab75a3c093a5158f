"""hls4ml as host: back ends of ours that its own calls find by name, beside its own.

hls4ml loads `register` through the entry-point group `hls4ml.backends` (pyproject.toml), so that
`config_from_keras_model(model, granularity="name", backend="HwAmcVitis")`, `convert_from_keras_model`, `compile`,
`predict`, `trace`, `write` and `build` work in a user's script.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hw_amc.hls.backends import TOOLS

Register = Callable[[str, Callable[[], Any]], None]


def register(register_backend: Register, register_writer: Register) -> None:
    """Register one back end of hls4ml for each tool, its layers and its readers; what is registered already stays."""
    from hls4ml.backends.backend import get_available_backends

    from hw_amc.hls.host import backend, handlers, layers, writer

    layers.register()
    for tool in TOOLS.values():
        if tool.host_name.lower() not in get_available_backends():
            register_writer(tool.host_name, writer.Writer)
            register_backend(tool.host_name, partial(backend.Backend, tool))
    handlers.install_in_turn()


def ensure_registered() -> None:
    """Register where the installed package's entry points have not: in a checkout that pip does not know."""
    from hls4ml.backends.backend import register_backend
    from hls4ml.writer.writers import register_writer

    register(register_backend, register_writer)
