"""The commands that train and compare networks: train, compare."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from hw_amc import extras
from hw_amc.cli.common import complete_model
from hw_amc.cli.options import Markdown, Model, Yes
from hw_amc.cli.output import printer
from hw_amc.workspace import Workspace


def train(
    model: Model,
    recipe: Annotated[Path | None, typer.Option(help="train.toml; the model folder's by default.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again instead of resuming.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it takes here.")] = False,
    device: Annotated[str, typer.Option(help="cpu, or cuda: float and pruning stages of a GRU-CNN on a GPU.")] = "cpu",
    minutes: Annotated[
        float | None,
        typer.Option(help="Take fewer steps, evenly, so that stages end in time; frames come on top.", min=0.01),
    ] = None,
    yes: Yes = False,
) -> None:
    """Train: float, pruned, quantised, deployable. Resumes where it was stopped; TensorBoard reads checkpoints/logs."""
    workspace = Workspace.open(model)
    path = recipe or workspace.folder / "train.toml"
    extras.require("tensorflow")
    if estimate:
        _print_duration(workspace, path)
        return
    if restart:
        _confirm_restart(workspace, path, yes)
    with printer.status("TensorFlow starts"):
        from hw_amc.train import RunOptions, run_recipe

    with printer.log(f"training {model}"):
        options = RunOptions(restart, workspace.root / "data", device=device, minutes=minutes)
        weights = run_recipe(model, path, workspace.take_over(), options)
    printer.result({"weights": weights})


def _confirm_restart(workspace: Workspace, path: Path, yes: bool) -> None:
    """Ask before hours of training are thrown away."""
    from hw_amc.train.recipe import load_recipe_file

    files = load_recipe_file(path).files(workspace.folder / "checkpoints")
    kept = sorted(file.name for file in files if file.exists())
    if kept:
        printer.confirm(f"--restart removes what was trained of {workspace.model}: {', '.join(kept)}", yes)


def _print_duration(workspace: Workspace, path: Path) -> None:
    from hw_amc.train.duration import estimate_duration
    from hw_amc.train.recipe import load_recipe_file

    with printer.status("some steps of each phase"):
        times = estimate_duration(workspace.network(), load_recipe_file(path))
    rows: list[tuple[object, ...]] = [
        (t.stage, t.phase, t.steps, f"{t.seconds_per_step:.3f}", f"{t.seconds / 3600:.2f}") for t in times
    ]
    printer.result({"phases": [dataclasses.asdict(each) for each in times]})
    total = ("all", "", sum(t.steps for t in times), "", f"{sum(t.seconds for t in times) / 3600:.2f}")
    printer.table(("stage", "phase", "steps", "s/step (measured)", "hours (estimated)"), [*rows, (), total])


def compare(
    models: Annotated[
        list[str],
        typer.Argument(help="Two models or more; the first is the reference.", autocompletion=complete_model),
    ],
    markdown: Markdown = False,
) -> None:
    """Compare trained models on the same held-out frames, by McNemar's test.

    Each stands against the first and against the one before it. A model without answers classifies the frames first.
    """
    from hw_amc.train.paired import compare_predictions, neighbours, recall_predictions

    pairs, opened = neighbours(models), [Workspace.open(name) for name in models]
    with printer.status("answers to the held-out frames"):
        answers = {each.model: recall_predictions(each.folder, each.root / "data") for each in opened}
    rows = []
    for label, floor in (("all SNRs", None), ("from 10 dB", 10)):
        for a, b in pairs:
            paired = compare_predictions(answers[a], answers[b], floor)
            first, second = (100 * share for share in paired.accuracy)
            shares = (f"{first:.2f}", f"{second:.2f}", f"{first - second:+.2f} ± {100 * paired.error:.2f}")
            p = f"{paired.p_value:.2g}" if paired.p_value else "< 1e-300"
            rows.append((label, a, b, *shares, f"{paired.only_first:,}", f"{paired.only_second:,}", p))
    heads = ("frames", "A", "B", "A, %", "B, %", "A - B, points", "only A right", "only B right", "p")
    printer.table(heads, rows, markdown=markdown)
    printer.result({"pairs": [dict(zip(heads, row, strict=True)) for row in rows]})
