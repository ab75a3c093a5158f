"""The commands that show what there is: models, report."""

from __future__ import annotations

from hw_amc.cli.options import Model
from hw_amc.cli.output import printer


def models() -> None:
    """List the models, and which of them are trained."""
    from hw_amc.models import MODELS
    from hw_amc.workspace import trained_models

    trained = trained_models()
    rows = []
    for spec in MODELS.values():
        counts = (f"{spec.sparsity:g}", f"{spec.parameters:,}", f"{spec.nonzeros:,}")
        rows.append((spec.name, spec.summary, *counts, "yes" if spec.name in trained else ""))
    printer.table(("model", "network", "sparsity", "parameters", "nonzeros", "trained"), rows)


def report(model: Model) -> None:
    """Write report.md and report.html anew from report.json, and print the summary."""
    from hw_amc import report as reports
    from hw_amc.workspace import Workspace

    workspace = Workspace.open(model)
    reports.write_pages(workspace.build, model)
    reports.print_summary(printer.console, reports.load(workspace.build))
