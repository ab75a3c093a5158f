"""The commands `hw-amc data ...`: make, look into, draw and convert files of frames, and the limit that noise sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hw_amc.cli.common import CONTEXT, complete_model, with_common
from hw_amc.cli.options import Context, Markdown, Yes, command_of, integers, show_help
from hw_amc.cli.output import printer
from hw_amc.errors import ConfigError
from hw_amc.text import shown

if TYPE_CHECKING:
    from hw_amc.radio.files.captures import CaptureOptions
    from hw_amc.radio.generator.limit import Limit
    from hw_amc.radio.quality import InputPath
    from hw_amc.train.reach import Reach

app = typer.Typer(
    help="Radio frames: make, look into, draw and convert files of them.",
    context_settings=CONTEXT,
    callback=show_help,
    invoke_without_command=True,
)


def _command(function: Callable[..., None]) -> Callable[..., None]:
    return app.command(function.__name__)(with_common(function))


#: Looking at a recording asks for no label.
_UNLABELLED = "unlabelled"


class Samples(str, Enum):
    """Sample formats of raw files."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    FLOAT32 = "float32"


class Phase(str, Enum):
    """What a classifier knows of the carrier's phase."""

    UNKNOWN = "unknown"
    KNOWN = "known"


File = Annotated[
    Path, typer.Argument(help="RadioML 2018 (HDF5) or 2016 (pickle), RadCom (HDF5), SigMF, .npy, or raw samples.")
]
FrameLen = Annotated[int | None, typer.Option(help="Samples a frame of a recording; 1024 by default.", min=1)]
Format = Annotated[Samples | None, typer.Option(help="Samples of a raw file whose ending does not tell.")]


@_command
def make(
    path: Annotated[Path, typer.Argument(help="HDF5 file to write, in RadioML 2018.01A's schema.")],
    preset: Annotated[
        str, typer.Option("--preset", "--recipe", help="Preset or recipe; a wrong name lists them.")
    ] = "radioml2018",
    frames: Annotated[int, typer.Option(help="Frames for each class and SNR.", min=1)] = 100,
    classes: Annotated[str | None, typer.Option(help="Some of the classes: BPSK,QPSK.")] = None,
    snrs: Annotated[str | None, typer.Option(help="Some of the SNRs, dB: -10,0,10.")] = None,
    split: Annotated[int, typer.Option(help="0 training, 1 validation, 2 test.", min=0, max=2)] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; all cores by default.", min=1)] = None,
    yes: Yes = False,
) -> None:
    """Generate frames of all classes and SNRs of a preset. Goes on where it was stopped."""
    from hw_amc.radio import load_recipe, make_dataset

    names = None if classes is None else [name.strip() for name in classes.split(",")]
    levels = None if snrs is None else integers(snrs, "--snrs")
    replace = _may_replace(path, yes)
    make_dataset(
        path, load_recipe(preset), frames, names, levels, split=split, workers=workers, progress=True, replace=replace
    )
    printer.done(shown(path))
    printer.result({"path": path})


@_command
def info(
    path: File,
    model: Annotated[str | None, typer.Option(help="Model whose input the samples must fit.")] = None,
    frame_len: FrameLen = None,
    samples: Format = None,
) -> None:
    """Print classes, SNRs, counts, power, offset and saturation of a file, and warn of what will hurt."""
    from hw_amc.radio import describe

    found = describe(path, _to_look_at(frame_len, samples), _input_path(model))
    printer.result({key: list(value) if isinstance(value, tuple) else value for key, value in found.items()})
    problems = found.pop("problems")
    printer.table(("figure", "value"), [(key, _told(value)) for key, value in found.items()], path.name)
    for problem in problems:
        printer.warning(problem)


@_command
def plot(
    path: File,
    picture: Annotated[Path, typer.Argument(help="Picture to write: .png, .svg or .pdf.")],
    rows: Annotated[str | None, typer.Option(help="Frames by number: 0,17.")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="Frames of this class only.")] = None,
    snr_db: Annotated[int | None, typer.Option(help="Frames of this SNR only, dB.")] = None,
    count: Annotated[int, typer.Option(help="Frames to draw.", min=1, max=16)] = 4,
    frame_len: FrameLen = None,
    samples: Format = None,
    yes: Yes = False,
) -> None:
    """Draw frames: I and Q, constellation, spectrum and spectrogram."""
    from hw_amc.radio import open_frames
    from hw_amc.radio.plots import choose_rows, plot_frames

    numbers = () if rows is None else integers(rows, "--rows")
    with open_frames(path, _to_look_at(frame_len, samples)) as file:
        chosen = choose_rows(file, count, numbers, class_name, snr_db)
        plot_frames(file, chosen, picture, replace=printer.confirm_new(picture, yes))
    printer.done(shown(picture))


@_command
def convert(
    source: File,
    target: Annotated[Path, typer.Argument(help="HDF5 file to write, in RadioML 2018.01A's schema.")],
    label: Annotated[str | None, typer.Option(help="Modulation of a recording that carries no labels.")] = None,
    snr_db: Annotated[int | None, typer.Option(help="SNR of a recording that does not give it, dB.")] = None,
    frame_len: FrameLen = None,
    samples: Format = None,
    yes: Yes = False,
) -> None:
    """Write the frames of any file in RadioML 2018.01A's schema. Goes on where it was stopped."""
    from hw_amc.radio import CaptureOptions, open_frames
    from hw_amc.radio import convert as convert_frames

    options = CaptureOptions(frame_len, label, snr_db, samples.value if samples else None)
    with open_frames(source, options) as file:
        convert_frames(file, target, progress=True, replace=_may_replace(target, yes))
        printer.done(f"{len(file):,} frames of {file.frame_len} samples in {shown(target)}")
        printer.result({"path": target, "frames": len(file), "frame_len": file.frame_len})


@_command
def limit(
    context: Context,
    preset: Annotated[str, typer.Option("--preset", "--recipe", help="Recipe without channel.")] = "awgn-v1",
    frame_len: Annotated[int | None, typer.Option(help="Samples a frame; the recipe's by default.", min=16)] = None,
    snrs: Annotated[str | None, typer.Option(help="SNRs, dB; all by default.")] = None,
    frames: Annotated[int | None, typer.Option(help="Simulate this many frames of each class and SNR.", min=1)] = None,
    phase: Annotated[Phase, typer.Option(help="What the classifier knows of the carrier's phase.")] = Phase.UNKNOWN,
    picture: Annotated[Path | None, typer.Option(help="Draw it, too: .png, .svg or .pdf.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the result with the package, for reports.")] = False,
    yes: Yes = False,
) -> None:
    """Print the accuracy that no classifier can pass on frames with noise only: the average-likelihood classifier's.

    Limits that come with the package are printed at once; others, and all with --frames, are simulated.
    """
    from dataclasses import asdict, replace

    from hw_amc.radio import CLASSES, load_recipe
    from hw_amc.radio.generator import limit as limits

    if picture:
        printer.confirm_new(picture, yes)
    recipe = load_recipe(preset)
    recipe = replace(recipe, frame_len=frame_len or recipe.frame_len)
    found = None if frames or snrs else limits.kept_limit(recipe.name, recipe.frame_len, phase.value)
    if found is None:
        levels = recipe.classes.snrs_db if snrs is None else integers(snrs, "--snrs")
        with printer.status("simulating") as change:
            found = limits.compute_limit(
                recipe, levels, frames or 100, phase=phase.value,
                progress=lambda point: change(f"{point.snr_db} dB: {100 * point.accuracy:.2f} %"),
            )  # fmt: skip
        if keep:
            limits.keep_limit(found, recipe.sps, command_of(context))
    _print_limit(found, CLASSES)
    printer.result({"points": [asdict(point) for point in found.points]})
    if picture:
        from hw_amc.radio.plots import plot_limit

        plot_limit(found, CLASSES, picture, replace=True)
        printer.done(shown(picture))


@_command
def reach(
    models: Annotated[list[str], typer.Argument(help="Trained models.", autocompletion=complete_model)],
    preset: Annotated[str, typer.Option("--preset", "--recipe", help="Recipe without channel.")] = "awgn-v1",
    frames: Annotated[int, typer.Option(help="Held-out frames of each class and SNR.", min=1)] = 100,
    markdown: Markdown = False,
    picture: Annotated[Path | None, typer.Option(help="Draw it, too: .png, .svg or .pdf.")] = None,
    yes: Yes = False,
) -> None:
    """Measure models on frames with noise only, and say which share of the limit they reach.

    Limit and models choose among the linear modulations, on the same kind of frames.
    """
    from hw_amc.radio import load_recipe
    from hw_amc.radio.generator.limit import kept_limit
    from hw_amc.train.reach import load_linear_set, measure_reach
    from hw_amc.workspace import Workspace

    if picture:
        printer.confirm_new(picture, yes)
    recipe = load_recipe(preset)
    limit = kept_limit(recipe.name)
    if limit is None:
        raise ConfigError(
            f"no limit of {recipe.name} is kept; make it: hw-amc data limit --recipe {recipe.name} --keep"
        )
    opened = [Workspace.open(name) for name in models]
    held_out = load_linear_set(recipe.name, limit, frames, opened[0].root / "data")
    with printer.status("golden"):
        reached = {each.model: measure_reach(each.weights, held_out, limit) for each in opened}
    printer.result({name: {"accuracy": found.accuracy} for name, found in reached.items()})
    _print_reach(reached, limit, markdown)
    if picture:
        from hw_amc.radio.plots import plot_limit

        accuracy = {name: found.accuracy for name, found in reached.items()}
        plot_limit(limit, limit.classes, picture, accuracy, replace=True)
        printer.done(shown(picture))


def _may_replace(path: Path, yes: bool) -> bool:
    """Ask before a file is replaced that is no set of ours; a folder is refused when it is written."""
    from hw_amc.radio.generator.storage import is_ours

    return path.is_dir() or printer.confirm_new(path, yes, is_ours)


def _print_reach(reached: Mapping[str, Reach], limit: Limit, markdown: bool) -> None:
    heads = ("SNR, dB", "limit, %", *(head for name in reached for head in (f"{name}, %", "of the limit, %")))
    bound = limit.bound(limit.classes)
    groups = {str(snr): [snr] for snr in bound} | {"all": list(bound), "from 10": [snr for snr in bound if snr >= 10]}
    rows = []
    for label, snrs in groups.items():
        figures = [fmean(bound[snr] for snr in snrs)]
        for found in reached.values():
            figures += [fmean(found.accuracy[snr] for snr in snrs), found.share(snrs)]
        rows.append((label, *(f"{100 * figure:.2f}" for figure in figures)))
    printer.table(heads, rows, markdown=markdown)


def _print_limit(found: Limit, classes: tuple[str, ...]) -> None:
    title = f"average-likelihood classifier, {found.symbols} symbols a frame, phase {found.phase}"
    heads = ("SNR, dB", "Es/N0, dB", f"{len(found.classes)} linear classes, %", "± (1 sigma)", f"all {len(classes)}, %")
    bound = found.bound(classes)
    rows = []
    for point in found.points:
        figures = (f"{100 * point.accuracy:.2f}", f"{100 * point.error:.2f}", f"{100 * bound[point.snr_db]:.2f}")
        rows.append((point.snr_db, f"{point.es_n0_db:.2f}", *figures))
    printer.table(heads, rows, title)


def _to_look_at(frame_len: int | None, samples: Samples | None) -> CaptureOptions:
    """Options of a recording that need not say what it holds."""
    from hw_amc.radio import CaptureOptions

    return CaptureOptions(frame_len, samples=samples.value if samples else None, stand_in=_UNLABELLED)


def _input_path(model: str | None) -> InputPath | None:
    if model is None:
        return None
    from hw_amc.verify.heldout import input_path
    from hw_amc.workspace import Workspace

    workspace = Workspace.open(model)
    return input_path(workspace.load_graph(), workspace.settings().input)


def _told(value: Any) -> str:
    """Give a figure in few digits."""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, tuple):
        return ", ".join(_told(item) for item in value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "unknown"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    return str(value)
