"""Constant matrices as adder graphs, for every back end that builds them."""

from __future__ import annotations

from hw_amc.adders.graph import Adder, AdderGraph, Output, build_graph, formats_of, integer_format, integers

__all__ = ["Adder", "AdderGraph", "Output", "build_graph", "formats_of", "integer_format", "integers"]
