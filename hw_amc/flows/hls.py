"""The HLS flow as a list of steps: graph, golden, project, csim, vendor, report.

Each step is a function of the `HlsFlow`; it keeps what it made in the model's build folder, merges its figures into
report.json, and can be run alone: what an earlier step left on disk is used again as long as it fits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from hw_amc import report, tools
from hw_amc.config import HlsSettings
from hw_amc.errors import DataError
from hw_amc.flows import base
from hw_amc.flows.graph import build_graph
from hw_amc.flows.init_report import quantisation_section
from hw_amc.graph import Graph
from hw_amc.hls import backends, estimate
from hw_amc.sources import Sources
from hw_amc.text import shown
from hw_amc.untrusted import read_text
from hw_amc.verify.backend import Backend, Golden, prove
from hw_amc.verify.equality import require_equal
from hw_amc.verify.heldout import Stimulus
from hw_amc.verify.keras import KerasReference, nodes_beyond_float32
from hw_amc.verify.reference import Reference, keras_reference
from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.radio.files.memory import Source

#: Frames of the ap_fixed proof, and of one chunk of a long regression.
FRAMES = 64
#: Frames in the written test bench: RTL co-simulation by a vendor tool takes minutes for each.
BENCH_FRAMES = 8

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class HlsOptions:
    """What a command may ask for in place of project.toml's settings."""

    board: str | None = None
    backend: str | None = None
    frames: int = FRAMES
    data: Source | None = None
    #: Compile the C++ that lies in the build folder, whatever it is.
    edited: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class HlsFlow(base.Flow):
    """A model on its way through hls4ml: settings, and what its steps share."""

    settings: HlsSettings
    #: Held-out frames of the proof.
    frames: int = FRAMES
    edited: bool = False

    @classmethod
    def open(
        cls,
        model: str | Workspace,
        options: HlsOptions = HlsOptions(),
        command: str = base.PROGRAM,
        output: base.Output | None = None,
    ) -> HlsFlow:
        """Read a model's settings; `options` go before project.toml.

        Raises
        ------
        ConfigError
            Unknown model, board or back end, or an error in project.toml.
        """
        workspace = Workspace.open(model) if isinstance(model, str) else model
        settings = workspace.settings().hls
        if options.backend:
            settings = settings.model_copy(update={"backend": backends.find(options.backend).name})
        return cls(
            workspace=workspace,
            board=workspace.board(options.board),
            command=command,
            output=output or base.Silent(),
            data=options.data,
            settings=settings,
            frames=options.frames,
            edited=options.edited,
        )

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
    def kept(self) -> Reference:
        """What Keras gave on the first frames, `FRAMES` at most, now or in an earlier run; Keras is slow."""
        wire = self.stimulus.wire[:FRAMES]
        return keras_reference(self.keras, wire, self.layers, self.graph.weights_digest)

    @property
    def reference(self) -> Tensors:
        """Keras' integers of every layer on the first frames, `FRAMES` at most."""
        return self.kept.tensors

    @property
    def project_folder(self) -> Path:
        """Where the HLS project is written."""
        return self.workspace.build / self.settings.backend.lower() / self.board.name

    @cached_property
    def project(self) -> Sources:
        """The HLS project that weights.h5 and project.toml give."""
        from hw_amc import hls

        bench = {name: self.reference[name][:BENCH_FRAMES] for name in self.graph.outputs}
        target = hls.Target.of(self.settings, self.board)
        return hls.build_project(self.deployed, self.graph, target, self.stimulus.wire[:BENCH_FRAMES], bench)

    def build_graph(self) -> Graph:
        """Build the graph that weights.h5 and project.toml give now."""
        return build_graph(self.workspace, self.deployed)


def check_graph(flow: HlsFlow) -> str:
    """Rebuild the graph from the weights and compare it with the committed one."""
    if flow.build_graph().digest() != flow.graph.digest():
        raise DataError(
            f"{flow.workspace.folder}/graph.json is not what weights.h5 and project.toml give; "
            f"run `hw-amc graph {flow.workspace.model} --update` if they are right"
        )
    accuracy, problem = report.load_accuracy(flow.workspace.folder)
    flow.merge({"model": report.model_section(flow.graph, accuracy, flow.command)})
    if (quantisation := quantisation_section(flow.workspace.folder)) is not None:
        flow.merge({"quantisation": quantisation})
    beyond = nodes_beyond_float32(flow.graph)
    note = f"; Keras runs in float64 for {', '.join(beyond)}" if beyond else ""
    note += f"; no accuracy is shown: {problem}" if problem else ""
    return f"{len(flow.graph.nodes)} nodes equal weights.h5{note}"


def check_golden(flow: HlsFlow) -> str:
    """Keras = golden in every layer."""
    integers, seconds = _compare(flow, Golden(flow.graph))
    flow.merge({"golden": _run_section(flow, integers, frames_per_s=flow.frames / seconds)})
    return f"{integers:,} integers of {len(flow.layers)} layers equal Keras"


def write_project(flow: HlsFlow) -> str:
    """Convert with hls4ml and write the project."""
    flow.project.write(flow.project_folder)
    return f"{len(flow.project.files)} files in {shown(flow.project_folder)}"


def check_csim(flow: HlsFlow) -> str:
    """Keras = C-sim of the synthesizable types, in every layer."""
    return simulate(flow, "ap_fixed")


def run_vendor(flow: HlsFlow) -> str:
    """Run the tool's synthesis where it is on PATH."""
    from hw_amc.hls import vendor

    require_sources(flow, vendor=True)
    flow.settle()  # the tools take hours: what is proven by now stays
    outcome = vendor.run(
        flow.project_folder, flow.settings.backend, done=lambda step, found: _merge_vendor(flow, step, found)
    )
    if outcome is None:
        reason = backends.find(flow.settings.backend).absence
        flow.merge({"not_run": {"hls": {"reason": reason, "command": flow.command}}})
        return f"left out: {reason}"
    return "; ".join(["synthesis reports merged", *(f"{step} failed: {why}" for step, why in outcome.failed.items())])


def _merge_vendor(flow: HlsFlow, step: str, found: dict[str, Any]) -> None:
    flow.merge({"hls": {step: found}})
    flow.settle()


def write_report(flow: HlsFlow) -> str:
    """Estimate cycles and resources, and write the pages for people."""
    merge_estimate(flow)
    flow.settle()
    report.write_pages(flow.workspace.build, flow.workspace.model, flow.workspace.folder)
    return shown(flow.workspace.build / "report.html")


def merge_estimate(flow: HlsFlow) -> None:
    """Estimate the accelerator as set, each layer, and the whole at other reuse factors."""
    rows = estimate.sweep(flow.graph, flow.settings, flow.board)
    whole = estimate.hls(flow.graph, flow.settings, flow.board).section(flow.command, rows)
    layers = report.layers_section(flow.graph, flow.settings, flow.board, flow.command)
    flow.merge({"layers": layers, "estimate": {"hls": whole}})


STEPS: dict[str, Callable[[HlsFlow], str]] = {
    "graph": check_graph,
    "golden": check_golden,
    "project": write_project,
    "csim": check_csim,
    "vendor": run_vendor,
    "report": write_report,
}


def run(flow: HlsFlow, start: str | None = None, stop: str | None = None) -> None:
    """Run the steps from `start` to `stop`; see `hw_amc.flows.base.run_steps`.

    Raises
    ------
    ToolMissing
        No compiler for the C simulation, before the minutes in which Keras runs; else as `run_steps`.
    """
    if "csim" in base.choose(STEPS, start, stop):
        tools.require("g++")
    base.run_steps(flow, STEPS, start, stop)


def regress(flow: HlsFlow) -> None:
    """Run the long regression: Keras = native C-sim on `flow.frames` frames, after native = ap_fixed.

    Raises
    ------
    Mismatch
        The first integer that differs.
    ToolMissing
        No compiler, before Keras runs.
    """
    tools.require("g++")
    with flow.exclusive():
        said = simulate(flow, "native")
    flow.output.done(said)


def simulate(flow: HlsFlow, flavour: str) -> str:
    """Compare the C-simulation of one flavour with Keras, chunk by chunk, and merge its figures."""
    from hw_amc.hls import csim

    require_sources(flow)
    simulator = csim.build(flow.project_folder, flavour)
    if flavour == "native":
        # Only where both builds say the same does the native one stand for the synthesizable.
        synthesizable = csim.build(flow.project_folder, "ap_fixed")
        prove(flow.graph, (synthesizable, simulator), flow.stimulus.wire[:FRAMES], flow.layers)
    integers, seconds = _compare(flow, simulator)
    figures = {"frames_per_s": flow.frames / seconds, "seconds_compile": simulator.seconds_compile}
    told = {"backend": flow.settings.backend, "versions": {"g++": tools.version("g++")}}
    section = {**_run_section(flow, integers, **figures), **told}
    if flow.edited:
        section["reference"] += "; the C++ as it lay in the build folder, which may have been edited"
    flow.merge({"csim": {flavour: section}})
    return f"{integers:,} integers of {flow.frames} frames equal Keras ({flavour}, {flow.settings.backend})"


def require_sources(flow: HlsFlow, vendor: bool = False) -> None:
    """Require that the build folder holds the project that weights and settings give: what lies there will be run.

    Raises
    ------
    DataError
        There is none, or a file of it is another, and nobody asked for that (`--edited`).
    """
    from hw_amc.hls import csim

    folder, model = flow.project_folder, flow.workspace.model
    if not folder.is_dir():
        raise DataError(f"{shown(folder)} does not exist; run `hw-amc hls {model}` first")
    if flow.edited:
        return
    found = csim.load_sources(folder).files
    texts = {name: text for name, text in flow.project.files.items() if not name.startswith("tb_data/")}
    # The test bench counts the frames of the run that wrote it; only a vendor's tool compiles it.
    wanted = texts if vendor else {name: text for name, text in texts.items() if csim.is_compiled(name)}
    as_is = f"or `hw-amc csim {model} --edited` to run what lies there"
    for name, text in wanted.items():
        if not (folder / name).exists() or read_text(folder / name, csim.FILE_BYTES) != text:
            said = f"is not what weights.h5 and project.toml give; run `hw-amc hls {model}` to write it again"
            raise DataError(f"{shown(folder / name)} {said}, {as_is}")
    for name in sorted(found.keys() - wanted.keys()):
        raise DataError(f"{shown(folder / name)} is no file of the project; delete it, {as_is}")


def _compare(flow: HlsFlow, backend: Backend) -> tuple[int, float]:
    """Require Keras' integers of a back end in every layer; return how many, and the seconds that it took."""
    integers, seconds = 0, 0.0
    for first, wire, expected in _chunks(flow, backend.name):
        started = time.perf_counter()
        tensors = backend.run(wire, flow.layers)
        seconds += time.perf_counter() - started
        integers += require_equal(flow.graph, (flow.keras.name, backend.name), expected, tensors, first)
    return integers, seconds


def _chunks(flow: HlsFlow, name: str) -> Iterator[tuple[int, NDArray[Any], Tensors]]:
    """Yield (number of the first frame, wire words, Keras' integers), FRAMES at a time."""
    yield 0, flow.stimulus.wire[:FRAMES], flow.reference
    for first in flow.output.track(range(FRAMES, flow.frames, FRAMES), f"Keras and {name}"):
        wire = flow.stimulus.wire[first : first + FRAMES]
        yield first, wire, flow.keras.run(wire, flow.layers)


def _run_section(flow: HlsFlow, integers: int, **figures: float) -> dict[str, Any]:
    """Figures of a comparison that found no difference: a mismatch would have raised."""
    return {
        "frames": len(flow.stimulus),
        "mismatches": 0,
        "integers": integers,
        "reference": f"Keras ({flow.keras.dtype}), {flow.stimulus.source}{_earlier(flow)}",
        **figures,
        "command": flow.command,
        "date": date.today().isoformat(),
        "kind": "measured",
    }


def _earlier(flow: HlsFlow) -> str:
    """Say when Keras ran, where that was not today."""
    made = flow.kept.made
    return "" if made == date.today().isoformat() else f", computed on {made}"
