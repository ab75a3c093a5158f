"""The command line: `hw-amc`. Each command reads its options, calls one function, and prints what came of it."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hw_amc import __version__
from hw_amc.cli import cache as cache_cli
from hw_amc.cli import data as data_cli
from hw_amc.errors import ConfigError, HwAmcError
from hw_amc.flows.command import shown
from hw_amc.tools import handle_termination

app = typer.Typer(
    name="hw-amc",
    help="FPGA accelerators for automatic modulation classification, equal to Keras in every bit.\n\n"
    "Start with: hw-amc hls gru_cnn_sparse07",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(data_cli.app, name="data")
app.command()(cache_cli.cache)

# A pipe or a log has no width of its own; tables need more than the 80 columns that Rich would take.
console = Console(width=None if sys.stdout.isatty() else 140)
problems = Console(stderr=True)


class Tool(str, Enum):
    """HLS tools under hls4ml's names."""

    VIVADO = "Vivado"
    VITIS = "Vitis"


Model = Annotated[str, typer.Argument(help="Model name; `hw-amc models` lists them.", metavar="MODEL")]
Board = Annotated[str | None, typer.Option(help="Board folder under boards/; project.toml's by default.")]
Backend = Annotated[
    Tool | None, typer.Option(help="HLS tool; project.toml's by default.", case_sensitive=False, show_choices=True)
]
Cycles = Annotated[
    int | None, typer.Option("-R", "--cycles-per-step", help="Clock cycles a sample; project.toml's by default.", min=1)
]
Lanes = Annotated[int | None, typer.Option(help="Accelerators side by side; project.toml's by default.", min=1, max=16)]
Data = Annotated[
    Path | None, typer.Option(help="File of labelled frames, of any format of `data info`; generated ones by default.")
]


@app.command()
def models() -> None:
    """List the models, and which of them are trained."""
    from hw_amc.flows.rtl import trained_models
    from hw_amc.models import MODELS

    having = trained_models()
    table = Table("model", "cells", "sparsity", "parameters", "nonzeros", "trained")
    for spec in MODELS.values():
        row = (spec.name, spec.cells, f"{spec.sparsity:g}", f"{spec.parameters:,}", f"{spec.nonzeros:,}")
        table.add_row(*map(str, row), "yes" if spec.name in having else "")
    console.print(table)


@app.command()
def hls(
    model: Model,
    backend: Backend = None,
    board: Board = None,
    frames: Annotated[int, typer.Option(help="Held-out frames of the proof.", min=1)] = 64,
    data: Data = None,
    start: Annotated[str | None, typer.Option(help="First step: graph golden project csim vendor report.")] = None,
    stop: Annotated[str | None, typer.Option(help="Last step to run.")] = None,
) -> None:
    """Make the HLS project and prove it: Keras = golden = C-sim in every integer of every layer."""
    from hw_amc import report
    from hw_amc.flows import hls as flow

    road = flow.open_road(model, console, board, _name(backend), frames, data)
    flow.run(road, start, stop)
    report.print_summary(console, report.load(road.workspace.build))


@app.command()
def csim(
    model: Model,
    frames: Annotated[int, typer.Option(help="Held-out frames to run.", min=1)] = 1000,
    backend: Backend = None,
    board: Board = None,
    data: Data = None,
) -> None:
    """Run a long regression: Keras = native-integer C-sim, which must first equal the ap_fixed build."""
    from hw_amc.flows import hls as flow

    flow.regress(flow.open_road(model, console, board, _name(backend), frames, data))


@app.command()
def graph(
    model: Model,
    update: Annotated[bool, typer.Option("--update", help="Save the graph that weights.h5 gives now.")] = False,
) -> None:
    """Print the integer graph that weights.h5 gives; `hls` compares it with the committed one."""
    from hw_amc.flows import hls as flow

    road = flow.open_road(model, console)
    built = flow.build_graph(road.workspace, road.deployed)
    if update:
        built.save(road.workspace.take_over())
    table = Table("node", "operation", "shape", "format", title=f"{built.name}  {built.digest()[:16]}")
    for node in built.nodes:
        table.add_row(node.name, node.op, " x ".join(map(str, node.shape)), str(node.fmt))
    console.print(table)


@app.command()
def estimate(
    model: Model,
    board: Board = None,
    backend: Backend = None,
) -> None:
    """Estimate cycles and resources of the HLS road for each reuse factor, without a vendor tool."""
    from hw_amc import report as reports
    from hw_amc.flows import hls as flow

    road = flow.open_road(model, console, board, _name(backend))
    flow.merge_estimate(road)
    reports.print_estimate(console, reports.load(road.workspace.build))


@app.command()
def rtl(model: Model, board: Board = None, cycles: Cycles = None, lanes: Lanes = None) -> None:
    """Write the accelerator's Verilog and manifest, and estimate it at each R; fail where the part is too small."""
    from hw_amc import report as reports
    from hw_amc.flows import rtl as road
    from hw_amc.rtl import require_fit

    hardware = road.open_hardware(model, board, cycles, lanes)
    with console.status("adder graphs, Verilog, estimate"):
        rows = hardware.estimate()
        folder = road.write(hardware, rows)
    title = f"{model} on {hardware.board.part} at {hardware.board.clock_mhz:g} MHz (assumed), with shell"
    reports.print_rates(console, title, rows, hardware.core.cycles_per_step)
    console.print(f"[green]✓[/] {len(hardware.accelerator.sources.files)} files in {shown(folder)} (R marked *)")
    require_fit(rows, hardware.core.cycles_per_step, hardware.board)


def _tick(line: str) -> None:
    """Print a step that is done."""
    console.print(f"[green]✓[/] {line}")


@app.command()
def cosim(
    model: Model,
    frames: Annotated[
        int | None, typer.Option(help="Held-out frames of the fast runner; 8, or more where the rhythm asks it.", min=1)
    ] = None,
    board: Board = None,
    cycles: Cycles = None,
    data: Data = None,
    hls: Annotated[Path | None, typer.Option("--hls", help="Verilog that an HLS tool exported, as the core.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Fast runner only, no cocotb: long regressions.")] = False,
    waves: Annotated[bool, typer.Option("--waves", help="Keep FST waveforms of the cocotb runs.")] = False,
) -> None:
    """Simulate the Verilog in Verilator and Icarus against golden: every logit, and the cycles predicted."""
    from hw_amc.flows import rtl as road

    hardware = road.open_hardware(model, board, cycles)
    hardware.hls = hls
    stimulus = hardware.take(frames or road.least_frames(hardware), data)
    road.cosimulate(hardware, stimulus, _tick, waves=waves, fast_only=fast)


@app.command()
def synth(
    model: Model,
    board: Board = None,
    cycles: Cycles = None,
    lanes: Lanes = None,
    blocks: Annotated[bool, typer.Option("--blocks", help="Each block by itself; a few LUTs more in all.")] = False,
    route: Annotated[bool, typer.Option("--route", help="Place and route blocks on an ECP5-85F as well.")] = False,
) -> None:
    """Synthesise the accelerator by Yosys (many minutes) and set its counts beside the estimate."""
    from hw_amc import report as reports
    from hw_amc.flows import rtl as road

    hardware = road.open_hardware(model, board, cycles, lanes)
    with console.status("Yosys: about 20 s for each 1,000 LUTs"):
        found = road.synthesise(hardware, blocks, route, _tick)
    reports.print_synthesis(console, found)


@app.command()
def overlay(
    model: Model,
    board: Board = None,
    cycles: Cycles = None,
    hls: Annotated[Path | None, typer.Option("--hls", help="Verilog that an HLS tool exported, as the core.")] = None,
) -> None:
    """Write the overlay's project for Vivado, and build the bitstream where Vivado is on PATH."""
    from hw_amc import tools
    from hw_amc.flows import rtl as road

    hardware = road.open_hardware(model, board, cycles)
    hardware.hls = hls
    folder = road.write_overlay(hardware)
    console.print(f"[green]✓[/] {shown(folder)}")
    if tools.find("vivado"):
        with console.status("Vivado: many minutes"):
            archive = road.implement(hardware, folder)
        console.print(f"[green]✓[/] {shown(archive)}")
    else:
        console.print("left out: vivado is not on PATH, so no bitstream was built")


@app.command()
def bench(
    model: Model,
    frames: Annotated[int, typer.Option(help="Held-out frames to classify.", min=1)] = 32,
    board: Annotated[
        str | None, typer.Option(help="Board to simulate: a folder under boards/, or sim for project.toml's (default).")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Bitstream to measure on a real board, which this computer is or drives.")
    ] = None,
    cycles: Cycles = None,
    data: Data = None,
) -> None:
    """Measure the driver on the simulated accelerator, or on a board; every frame's logits equal to golden."""
    from hw_amc.flows import rtl as road

    hardware = road.open_hardware(model, board, cycles)
    if overlay is None:
        console.print(
            f"simulated {hardware.board.name}, no board is touched: a large network takes Verilator some minutes "
            "the first time, and about a second for each frame",
            soft_wrap=True,
        )
        found = road.bench_simulated(hardware, hardware.take(frames, data), _tick)
    else:
        if cycles is not None:
            raise ConfigError("the overlay has its cycles per step already; leave -R out, or --overlay")
        road.require_board(overlay, board)
        found = road.bench_board(hardware, overlay, hardware.take(frames, data), _tick)
    # As text: Rich would print a dataclass field by field.
    console.print(str(found.benchmark), highlight=False)


@app.command("sim-overlays")
def sim_overlays(
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    models: Annotated[list[str] | None, typer.Argument(help="Models; all trained ones by default.")] = None,
    frames: Annotated[int, typer.Option(help="Held-out frames.", min=1)] = 960,
    rtl: Annotated[bool, typer.Option("--rtl", help="The Verilog behind them (slow), not golden.")] = False,
) -> None:
    """Write simulated overlays of the trained models, and frames, for the notebooks; minutes for each model, once."""
    from hw_amc.flows import rtl as road
    from hw_amc.flows.gallery import write_gallery

    trained = map(road.open_hardware, models or road.trained_models())
    gallery = write_gallery(
        folder, trained, frames, "rtl" if rtl else "golden", lambda line: console.print(f"[green]✓[/] {line}")
    )
    for name, value in gallery.variables().items():
        console.print(f"export {name}={value}", soft_wrap=True)


# What follows the program's name is the program's, --help too.
@app.command(
    "sim-device",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def sim_device(context: typer.Context) -> None:
    """Run a PYNQ program on the simulated device: hw-amc sim-device program.py, or -m module, or jupyter lab."""
    from hw_amc.sim_device import launch

    raise typer.Exit(launch.main(context.args))


@app.command()
def train(
    model: Model,
    recipe: Annotated[Path | None, typer.Option(help="train.toml; the model folder's by default.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again instead of resuming.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it takes here.")] = False,
) -> None:
    """Train: float, pruned, quantised, deployable. Resumes where it was stopped; TensorBoard reads checkpoints/logs."""
    from hw_amc.workspace import Workspace

    workspace = Workspace.open(model)
    path = recipe or workspace.folder / "train.toml"
    if estimate:
        _print_duration(model, path)
        return
    from hw_amc.train import run_recipe

    run_recipe(model, path, workspace.take_over(), restart, workspace.root / "data")


def _print_duration(model: str, path: Path) -> None:
    from hw_amc.models import find
    from hw_amc.train.duration import estimate_duration
    from hw_amc.train.recipe import load_recipe_file

    table = Table("stage", "phase", "steps", "s/step (measured)", "hours (estimated)")
    times = estimate_duration(find(model), load_recipe_file(path))
    for t in times:
        table.add_row(t.stage, str(t.phase), str(t.steps), f"{t.seconds_per_step:.3f}", f"{t.seconds / 3600:.2f}")
    table.add_section()
    table.add_row("all", "", str(sum(t.steps for t in times)), "", f"{sum(t.seconds for t in times) / 3600:.2f}")
    console.print(table)


@app.command()
def compare(
    models: Annotated[list[str], typer.Argument(help="Two models or more; the first is the reference.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Compare trained models on the same held-out frames, by McNemar's test.

    Each stands against the first and against the one before it. Who has no answers yet classifies the frames first.
    """
    from rich import box

    from hw_amc.train.paired import compare_predictions, neighbours, recall_predictions
    from hw_amc.workspace import Workspace

    pairs, opened = neighbours(models), [Workspace.open(name) for name in models]
    answers = {each.model: recall_predictions(each.folder, each.root / "data") for each in opened}
    heads = ("frames", "A", "B", "A, %", "B, %", "A - B, points", "only A right", "only B right", "p")
    table = Table(*heads, box=box.MARKDOWN if markdown else box.HEAVY_HEAD)
    for label, floor in (("all SNRs", None), ("from 10 dB", 10)):
        for a, b in pairs:
            paired = compare_predictions(answers[a], answers[b], floor)
            first, second = (100 * share for share in paired.accuracy)
            shares = (f"{first:.2f}", f"{second:.2f}", f"{first - second:+.2f} ± {100 * paired.error:.2f}")
            counts = (
                f"{paired.only_first:,}",
                f"{paired.only_second:,}",
                f"{paired.p_value:.2g}" if paired.p_value else "< 1e-300",
            )
            table.add_row(label, a, b, *shares, *counts)
    console.print(table)


@app.command()
def report(model: Model) -> None:
    """Write report.md and report.html anew from report.json, and print the summary."""
    from hw_amc import report as reports
    from hw_amc.workspace import Workspace

    workspace = Workspace.open(model)
    reports.write_pages(workspace.build, model)
    reports.print_summary(console, reports.load(workspace.build))


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        console.print(__version__)
        raise typer.Exit


def _name(tool: Tool | None) -> str | None:
    return tool.value if tool else None


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Print a warning as one line; where in the code it arose says nothing to a user."""
    problems.print(f"[bold yellow]warning:[/] {escape(str(message))}", highlight=False, soft_wrap=True)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; errors that a user can mend become one line and an exit code."""
    # TensorFlow's banners and Keras' notes on file formats say nothing that a user of this flow can act on.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=UserWarning, module="keras")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.showwarning = _show_warning
    handle_termination()
    try:
        return app(args=arguments)
    except HwAmcError as error:
        problems.print(f"[bold red]error:[/] {error}", markup=True, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        problems.print("stopped; nothing is half written, run the same command to go on")
        sys.exit(130)
