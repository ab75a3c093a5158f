"""The HLS road as a list of steps: graph, golden, project, csim, vendor, report.

Each step is a function of the `Road`; it keeps what it made in the model's build folder, merges its figures into
report.json, and can be run alone: what an earlier step left on disk is used again as long as it fits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from hw_amc import report
from hw_amc.config import BoardSettings, HlsSettings
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import atomic_path, exclusive, file_digest, load_json
from hw_amc.flows.command import command_line, shown
from hw_amc.graph import Graph, golden
from hw_amc.hls import estimate
from hw_amc.verify import equality as compare
from hw_amc.verify.heldout import Stimulus, held_out
from hw_amc.verify.keras import KerasReference, nodes_beyond_float32
from hw_amc.workspace import Workspace

#: Frames of the ap_fixed proof, and of one chunk of a long regression.
FRAMES = 64
#: Frames in the written test bench: RTL co-simulation by a vendor tool takes minutes for each.
BENCH_FRAMES = 8

Tensors = dict[str, NDArray[Any]]


@dataclass
class Road:
    """What the steps share: where they work, with which settings, and what they made so far."""

    workspace: Workspace
    console: Console
    board: BoardSettings
    settings: HlsSettings
    frames: int = FRAMES
    data: Path | None = None

    @cached_property
    def graph(self) -> Graph:
        """The committed graph, required to belong to the weights."""
        return self.workspace.load_graph()

    @cached_property
    def deployed(self) -> Any:
        """The deployed Keras model."""
        from hw_amc.compress import load_deployed

        return load_deployed(self.workspace.weights)

    @cached_property
    def keras(self) -> KerasReference:
        """The deployed Keras model as a back end."""
        return KerasReference(self.deployed, self.graph)

    @cached_property
    def layers(self) -> list[str]:
        """Every layer that is compared: all nodes but the input."""
        return [node.name for node in self.graph.nodes[1:]]

    @cached_property
    def stimulus(self) -> Stimulus:
        """Held-out frames of the proof."""
        return self.take(self.frames)

    @cached_property
    def reference(self) -> Tensors:
        """Keras' integers of every layer on the proof's frames; kept on disk, since Keras is slow."""
        key = sha256(self.graph.digest().encode() + self.stimulus.wire.tobytes()).hexdigest()[:16]
        path = self.workspace.build / "reference" / f"keras-{key}.npz"
        if path.is_file():
            with np.load(path) as saved:
                return {name: saved[name] for name in self.layers}
        tensors = self.keras.run(self.stimulus.wire, self.layers)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **{name: tensor.astype(np.int32) for name, tensor in tensors.items()})
        return tensors

    @property
    def project_folder(self) -> Path:
        """Where the HLS project is written."""
        return self.workspace.build / self.settings.backend.lower() / self.board.name

    def take(self, count: int) -> Stimulus:
        """Held-out frames, generated or from the user's file."""
        return held_out(self.graph, self.workspace.settings().input, count, self.data)

    def merge(self, section: dict[str, Any]) -> None:
        """Merge figures into report.json."""
        report.merge(self.workspace.build, section, self.graph.digest())


def open_road(
    model: str,
    console: Console,
    board: str | None = None,
    backend: str | None = None,
    frames: int = FRAMES,
    data: Path | None = None,
) -> Road:
    """Read a model's settings; options given here override project.toml.

    Raises
    ------
    ConfigError
        Unknown model, board or back end, or an error in project.toml.
    """
    workspace = Workspace.open(model)
    device = workspace.board(board)
    hls = workspace.settings().hls
    settings = hls.model_copy(update={"backend": backend}) if backend else hls
    return Road(workspace, console, device, settings, frames, data)


def build_graph(workspace: Workspace, deployed: Any) -> Graph:
    """Build the graph of a model's weights with the settings of its project.toml."""
    from hw_amc.graph import reader as frontend
    from hw_amc.radio import CLASSES

    settings = workspace.settings()
    digest = file_digest(workspace.weights)
    graph = frontend.build_graph(deployed, workspace.model, CLASSES, digest, settings.input.wire_frac)
    require_widths(graph, settings.quant)
    return graph


#: Width field in project.toml -> the node's format that it sets.
_WIDTH_OF = {
    "bits": "fmt",
    "kernel_bits": "kernel_fmt",
    "scale_bits": "kernel_fmt",
    "recurrent_bits": "recurrent_fmt",
    "bias_bits": "bias_fmt",
    "gate_bits": "gate_fmt",
    "candidate_bits": "candidate_fmt",
    "state_bits": "fmt",
}


def require_widths(graph: Graph, widths: dict[str, dict[str, int]]) -> None:
    """Require the widths that project.toml names.

    Raises
    ------
    ConfigError
        project.toml names a layer or width that does not exist.
    DataError
        The weights were trained with another width.
    """
    for layer, fields in widths.items():
        node = graph[layer]
        for name, bits in fields.items():
            fmt = getattr(node, _WIDTH_OF.get(name, ""), None)
            if fmt is None:
                raise ConfigError(f"project.toml: quant.{layer}.{name} is not a width of that layer")
            if fmt.bits != bits:
                raise DataError(f"project.toml says quant.{layer}.{name} = {bits}, weights.h5 has {fmt.bits} bits")


def check_graph(road: Road) -> str:
    """Rebuild the graph from the weights and compare it with the committed one."""
    if build_graph(road.workspace, road.deployed).digest() != road.graph.digest():
        raise DataError(
            f"{road.workspace.folder}/graph.json is not what weights.h5 and project.toml give; "
            f"run `hw-amc graph {road.workspace.model} --update` if they are right"
        )
    path = road.workspace.folder / "accuracy.json"
    accuracy = load_json(path) if path.is_file() else None
    road.merge({"model": report.model_section(road.graph, accuracy, command_line())})
    beyond = nodes_beyond_float32(road.graph)
    note = f"; Keras runs in float64 for {', '.join(beyond)}" if beyond else ""
    return f"{len(road.graph.nodes)} nodes equal weights.h5{note}"


def check_golden(road: Road) -> str:
    """Keras = golden in every layer."""
    expected = road.reference
    started = time.perf_counter()
    tensors = golden.run(road.graph, road.stimulus.wire, road.layers)
    seconds = time.perf_counter() - started
    integers = compare.require_equal(road.graph, ("Keras", "golden"), expected, tensors)
    run = _run_section(road, integers, frames_per_s=len(road.stimulus) / seconds)
    road.merge({"golden": run})
    return f"{integers:,} integers of {len(road.layers)} layers equal Keras"


def write_project(road: Road) -> str:
    """Convert with hls4ml and write the project."""
    from hw_amc import hls

    bench = {name: road.reference[name][:BENCH_FRAMES] for name in road.graph.outputs}
    target = hls.Target.of(road.settings, road.board)
    project = hls.build_project(road.deployed, road.graph, target, road.stimulus.wire[:BENCH_FRAMES], bench)
    project.write(road.project_folder)
    return f"{len(project.files)} files in {shown(road.project_folder)}"


def check_csim(road: Road) -> str:
    """Keras = C-sim of the synthesizable types, in every layer."""
    return simulate(road, "ap_fixed")


def run_vendor(road: Road) -> str:
    """Run the vendor's synthesis where it is on PATH."""
    from hw_amc.hls import vendor

    figures = vendor.run(road.project_folder, road.settings)
    if figures is None:
        reason = "vitis_hls, vitis-run and vivado_hls are not on PATH: csynth, RTL co-simulation and export did not run"
        road.merge({"not_run": {"hls": {"reason": reason, "command": command_line()}}})
        return f"left out: {reason}"
    road.merge({"hls": figures})
    return "synthesis reports merged"


def write_report(road: Road) -> str:
    """Estimate cycles and resources, and write the pages for people."""
    merge_estimate(road)
    report.write_pages(road.workspace.build, road.workspace.model)
    return shown(road.workspace.build / "report.html")


def merge_estimate(road: Road) -> None:
    """Estimate the accelerator as set, each layer, and the whole at other reuse factors."""
    command = command_line()
    rows = estimate.sweep(road.graph, road.settings, road.board)
    whole = estimate.hls(road.graph, road.settings, road.board).section(command, rows)
    layers = report.layers_section(road.graph, road.settings, road.board, command)
    road.merge({"layers": layers, "estimate": {"hls": whole}})


STEPS: dict[str, Callable[[Road], str]] = {
    "graph": check_graph,
    "golden": check_golden,
    "project": write_project,
    "csim": check_csim,
    "vendor": run_vendor,
    "report": write_report,
}


def run(road: Road, start: str | None = None, stop: str | None = None) -> None:
    """Run the steps from `start` to `stop`, both included; all by default.

    Raises
    ------
    ConfigError
        No such step, or another run works on the same model.
    HwAmcError
        Whatever a step found wrong.
    """
    names = list(STEPS)
    for name in (start, stop):
        if name is not None and name not in STEPS:
            raise ConfigError(f"no step {name!r}; the steps are {', '.join(names)}")
    chosen = names[names.index(start or names[0]) : names.index(stop or names[-1]) + 1]
    if not chosen:
        raise ConfigError(f"step {start} comes behind {stop}; the order is {', '.join(names)}")
    with exclusive(road.workspace.build, f"hw-amc on {road.workspace.model}"):
        for name in chosen:
            with road.console.status(f"[bold]{name}[/] {STEPS[name].__doc__}"):
                started = time.perf_counter()
                said = STEPS[name](road)
                seconds = time.perf_counter() - started
            road.merge({"steps": {name: {"seconds": round(seconds, 2), "command": command_line(), "kind": "measured"}}})
            road.console.print(f"[green]✓[/] [bold]{name:8}[/] {said} [dim]({seconds:.1f} s)[/]")


def regress(road: Road) -> None:
    """Run the long regression: Keras = native C-sim on `road.frames` frames, after native = ap_fixed.

    Raises
    ------
    Mismatch
        The first integer that differs.
    """
    with exclusive(road.workspace.build, f"hw-amc on {road.workspace.model}"):
        said = simulate(road, "native")
    road.console.print(f"[green]✓[/] {said}")


def simulate(road: Road, flavour: str) -> str:
    """Compare the C-simulation of one flavour with Keras, chunk by chunk, and merge its figures."""
    from hw_amc.hls import csim

    if not road.project_folder.is_dir():
        raise DataError(f"{shown(road.project_folder)} does not exist; run `hw-amc hls {road.workspace.model}` first")
    simulator = csim.build(road.project_folder, flavour)
    if flavour == "native":
        _require_flavours_equal(road, simulator)
    integers, seconds = 0, 0.0
    for first, wire, expected in _chunks(road):
        started = time.perf_counter()
        tensors = simulator.run(wire, road.layers)
        seconds += time.perf_counter() - started
        integers += compare.require_equal(road.graph, ("Keras", f"C-sim ({flavour})"), expected, tensors, first)
    figures = {"frames_per_s": road.frames / seconds, "seconds_compile": simulator.seconds_compile}
    section = {**_run_section(road, integers, **figures), "backend": road.settings.backend}
    road.merge({"csim": {flavour: section}})
    return f"{integers:,} integers of {road.frames} frames equal Keras ({flavour}, {road.settings.backend})"


def _require_flavours_equal(road: Road, native: Any) -> None:
    """Require both builds to say the same: only then does the native one stand for the synthesizable."""
    from hw_amc.hls import csim

    wire = road.stimulus.wire[:FRAMES]
    reference = csim.build(road.project_folder, "ap_fixed").run(wire, road.layers)
    compare.require_equal(road.graph, ("C-sim (ap_fixed)", "C-sim (native)"), reference, native.run(wire, road.layers))


def _chunks(road: Road) -> Iterator[tuple[int, NDArray[Any], Tensors]]:
    """Yield (number of the first frame, wire words, Keras' integers), FRAMES at a time."""
    if road.frames <= FRAMES:
        yield 0, road.stimulus.wire, road.reference
        return
    for first in track(range(0, road.frames, FRAMES), "Keras and C-sim", console=road.console):
        wire = road.stimulus.wire[first : first + FRAMES]
        yield first, wire, road.keras.run(wire, road.layers)


def _run_section(road: Road, integers: int, **figures: float) -> dict[str, Any]:
    """Figures of a comparison that found no difference: a mismatch would have raised."""
    return {
        "frames": len(road.stimulus),
        "mismatches": 0,
        "integers": integers,
        "reference": f"Keras ({road.keras.dtype}), {road.stimulus.source}",
        **figures,
        "command": command_line(),
        "date": date.today().isoformat(),
        "kind": "measured",
    }
