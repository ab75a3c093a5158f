"""A progress bar for a training run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hw_amc.train.recipe import Progress as Report
from hw_amc.train.recipe import Stage

#: Weight of the newest step in the loss and accuracy shown.
SMOOTHING = 0.05


@contextmanager
def training_bar(console: Console | None = None) -> Iterator[Report]:
    """Show a bar a phase with its loss, accuracy, last validation and time left.

    Yields
    ------
    A function to give to `run_recipe` as `progress`.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    shown: dict[str, float] = {}
    tasks: dict[tuple[str, int], TaskID] = {}
    with Progress(*columns, console=console) as bar:

        def report(stage: Stage, phase: int, step: int, figures: dict[str, float]) -> None:
            key = (stage.name, phase)
            if key not in tasks:
                total = stage.phases[phase].steps
                label = f"{stage.name} {phase + 1}/{len(stage.phases)}, {stage.phases[phase].crop} samples"
                tasks[key] = bar.add_task(label, total=total, figures="", completed=step)
            for name, value in figures.items():
                smooth = not name.startswith("val_") and name in shown
                shown[name] = shown[name] + SMOOTHING * (value - shown[name]) if smooth else value
            text = " ".join(f"{name} {value:.3f}" for name, value in shown.items())
            bar.update(tasks[key], completed=step + 1, figures=text)

        yield report
