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

from hw_amc.train.recipe import Stage

#: Weight of the newest step in the loss and accuracy shown.
SMOOTHING = 0.05


class TrainingBar:
    """Bars of a training, one a phase; called as the `progress` of `run_recipe`."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._figures: dict[str, float] = {}
        self._tasks: dict[tuple[str, int], TaskID] = {}

    def __call__(self, stage: Stage, phase: int, step: int, figures: dict[str, float]) -> None:
        """Show a step with loss, accuracy, last validation and time left."""
        key = (stage.name, phase)
        if key not in self._tasks:
            total = stage.phases[phase].steps
            label = f"{stage.name} {phase + 1}/{len(stage.phases)}, {stage.phases[phase].crop} samples"
            self._tasks[key] = self._bars.add_task(label, total=total, figures="", completed=step)
        shown = self._figures
        for name, value in figures.items():
            smooth = not name.startswith("val_") and name in shown
            shown[name] = shown[name] + SMOOTHING * (value - shown[name]) if smooth else value
        text = " ".join(f"{name} {value:.3f}" for name, value in shown.items())
        self._bars.update(self._tasks[key], completed=step + 1, figures=text)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show, as long as it takes, what has no steps of its own."""
        task = self._bars.add_task(text, total=None, figures="")
        self._bars.refresh()
        try:
            yield
        finally:
            self._bars.remove_task(task)


@contextmanager
def training_bar(console: Console | None = None, disable: bool = False) -> Iterator[TrainingBar]:
    """Show what a training does; nothing where that is told otherwise (`disable`)."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=disable) as bars:
        yield TrainingBar(bars)
