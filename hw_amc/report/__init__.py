"""The report of a model's build: report.json for machines, report.md and report.html for people."""

from __future__ import annotations

from hw_amc.report.schema import KINDS, SCHEMA
from hw_amc.report.store import FILE, load, merge

__all__ = ["FILE", "KINDS", "SCHEMA", "load", "merge"]
