"""The Python interface: a model by name or from memory, and each command as a method that returns its results."""

from __future__ import annotations

from hw_amc.api.conversion import convert
from hw_amc.api.loading import load
from hw_amc.api.model import Model

__all__ = ["Model", "convert", "load"]
