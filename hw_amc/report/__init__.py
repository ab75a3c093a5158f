"""The report of a model's build: report.json for machines, report.md and report.html for people."""

from __future__ import annotations

from hw_amc.report.schema import KINDS, SCHEMA
from hw_amc.report.sections import layers_section, model_section
from hw_amc.report.store import FILE, load, merge

__all__ = ["FILE", "KINDS", "SCHEMA", "layers_section", "load", "merge", "model_section"]
