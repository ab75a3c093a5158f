"""The report of a model's build: report.json for machines, report.md and report.html for people."""

from __future__ import annotations

from hw_amc.report.compare import to_json
from hw_amc.report.evaluation import load_accuracy
from hw_amc.report.pages import load_side, write_comparison, write_pages
from hw_amc.report.schema import KINDS, SCHEMA, check_section
from hw_amc.report.sections import layers_section, model_section
from hw_amc.report.store import FILE, load, merge
from hw_amc.report.terminal import (
    print_comparison,
    print_estimate,
    print_power,
    print_rates,
    print_summary,
    print_synthesis,
)

__all__ = [
    "FILE",
    "KINDS",
    "SCHEMA",
    "check_section",
    "layers_section",
    "load",
    "load_accuracy",
    "load_side",
    "merge",
    "model_section",
    "print_comparison",
    "print_estimate",
    "print_power",
    "print_rates",
    "print_summary",
    "print_synthesis",
    "to_json",
    "write_comparison",
    "write_pages",
]
