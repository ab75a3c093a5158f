"""From a user's model file to a project's folder: deployed, proven by golden, and its cost measured."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hw_amc.config import BoardSettings, HlsSettings
from hw_amc.errors import ConfigError, HwAmcError, UnsupportedLayer
from hw_amc.files import temporary_folder
from hw_amc.flows import init_card, init_files, init_judge, init_onnx, init_report, init_tune
from hw_amc.flows.graph import WIDTH_OF, build_graph
from hw_amc.flows.init_state import COMPARED, LEVEL_DB, PROVEN, InitFlow, Layer, Outcome, Widths, describe
from hw_amc.graph import Graph
from hw_amc.radio.level import Level
from hw_amc.text import shown
from hw_amc.verify.backend import Golden, prove
from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.train.tune import Tuned


def run(flow: InitFlow) -> Outcome:
    """Make the project's folder.

    Raises
    ------
    UnsupportedLayer
        A layer that has no exact form, by name, with the way out.
    ConfigError, DataError
        An option, the model's file or the frames do not fit.
    Mismatch
        Golden differs from Keras: nothing is written.
    """
    with _timed(flow, "model", "reading the model") as say:
        flow.model.name  # noqa: B018 - loads it
        kind = "float" if flow.is_float else "quantised: its numbers stay"
        say(f"{len(flow.model.layers)} layers, {flow.model.count_params():,} parameters, {kind}")
    if flow.options.tune and not flow.is_float:
        raise ConfigError(
            "--tune is for float models: of a quantised one the numbers stay; train it on where it was made"
        )
    with _timed(flow, "frames", "reading frames") as say:
        say(flow.frames.describe())
    _warn_of_level(flow)
    projects = flow.workspace.own_folder.parent
    projects.mkdir(parents=True, exist_ok=True)
    with temporary_folder(projects, "init") as folder:
        staged = Workspace(folder, flow.workspace.model)
        with _timed(flow, "deploy", "choosing formats") as say:
            deployed, exact_weights = _deploy(flow, staged)
            say(f"{len(deployed.layers)} layers, each with an exact form")
        with _timed(flow, "noise", "measuring the noise of each layer") as say:
            noise = init_onnx.compare(flow, staged, deployed) if flow.onnx and not flow.is_float else None
            sqnr = _measure_noise(flow, deployed) if noise is None else noise.sqnr_db
            if noise is not None and flow.onnx is not None:
                say(noise.describe(flow.onnx.refitted))
            say(f"{len(sqnr)} layers beside those of the float model" if sqnr else "none: its numbers stay")
        tuned = init_tune.tune(flow, staged, deployed, exact_weights) if flow.options.tune else None
        outcome = replace(_finish(flow, staged, deployed, sqnr, tuned), file_noise=noise)
        init_card.write_card(staged.own_folder, flow, outcome)
        init_files.put(staged.own_folder, flow.workspace.own_folder)
    with _timed(flow, "report", "writing the report") as say:
        say(shown(init_report.write_report(outcome, flow.command)))
    return outcome


@contextmanager
def _timed(flow: InitFlow, step: str, text: str) -> Iterator[Any]:
    started, said = time.perf_counter(), list[str]()
    with flow.output.status(f"{step}: {text}"):
        yield said.append
    flow.output.done(said[0], step, time.perf_counter() - started)


def _deploy(flow: InitFlow, staged: Workspace) -> tuple[Any, list[Any]]:
    """Write project.toml and weights.h5; load what the latter holds, and return it with the weights not rounded."""
    from hw_amc.compress import load_deployed, save_deployed

    staged.own_folder.mkdir(parents=True)
    deployed = flow.deploy()
    exact_weights = deployed.get_weights()
    init_files.write_settings(staged.own_folder, _settings(flow, {}, {}, None))
    save_deployed(deployed, staged.own_folder / "weights.h5")
    return load_deployed(staged.own_folder / "weights.h5"), exact_weights


def _settings(flow: InitFlow, quant: Widths, reuse: dict[str, int], no_hls: str | None) -> init_files.ProjectText:
    return init_files.ProjectText(
        flow.options.model_file.name, flow.board.name, flow.classes, (flow.frame_len, 2), flow.wire_frac, quant, reuse,
        no_hls,
    )  # fmt: skip


def _finish(
    flow: InitFlow, staged: Workspace, deployed: Any, sqnr: Mapping[str, float], tuned: tuple[float, Tuned] | None
) -> Outcome:
    """Build the graph, prove and measure it, and write what is left of the folder."""
    folder = staged.own_folder
    graph = build_graph(staged, deployed)
    reuse, no_hls = _reuse_factors(graph, flow.board)
    init_files.write_settings(folder, _settings(flow, _by_node(flow.widths, graph), reuse, no_hls))
    graph = build_graph(staged, deployed)
    graph.save(folder)
    _warn_of_frames(flow, graph, staged)
    with _timed(flow, "golden", "comparing with Keras") as say:
        said, golden = _prove(flow, graph, deployed)
        say(said)
    with _timed(flow, "cost", "measuring what quantisation costs") as say:
        layers = [
            Layer(node.name, node.op, node.shape, str(node.fmt), sqnr.get(node.layer_name), node.layer_name)
            for node in graph.nodes[1:]
        ]
        judgement = init_judge.judge(flow, graph)
        if tuned is not None:
            judgement = replace(judgement, untuned=tuned[0], tuned=tuned[1])
        say(describe(judgement))
    outcome = Outcome(flow.workspace.own_folder, graph, layers, judgement, no_hls, golden)
    if judgement.after is not None and flow.frames.has_snrs:
        init_card.write_accuracy(folder, flow, judgement)
    return outcome


def _by_node(widths: Widths, graph: Graph) -> Widths:
    """Widths under the names that layers have in the graph, without those that are no width there."""
    names = {node.layer_name: node.name for node in graph.nodes}
    return {
        names[layer]: kept
        for layer, fields in widths.items()
        if layer in names and (kept := {name: bits for name, bits in fields.items() if name in WIDTH_OF})
    }


def _reuse_factors(graph: Graph, board: BoardSettings) -> tuple[dict[str, int], str | None]:
    """Reuse factors at which it fits the board, else of few multipliers a layer, and why the HLS flow would stop.

    Where the estimate knows no formula for the part, or nothing fits, `hw-amc estimate` says so.
    """
    from hw_amc.hls import estimate

    try:
        few = estimate.sharing(graph, estimate.MOST_MULTIPLIERS)
    except UnsupportedLayer as error:
        return {}, str(error)
    try:
        found = estimate.fitting(graph, HlsSettings(), board) or few
    except HwAmcError:  # the part is unknown to the estimate
        found = few
    return {name: layer.reuse_factor for name, layer in found.items()}, None


def _warn_of_level(flow: InitFlow) -> None:
    if not flow.is_float:
        return
    from hw_amc.compress.cost import training_level_db

    found = training_level_db(flow.model, flow.frames.calibration[:COMPARED])
    if found is not None and abs(found[1]) > LEVEL_DB:
        mend = "give frames as the model saw them in training" + ("" if flow.options.data else ": --data FILE")
        warnings.warn(
            f"the calibration frames are not of the scale of training: at batch normalisation {found[0]!r} they are"
            f" {found[1]:+.0f} dB from what it remembers; {mend}",
            stacklevel=2,
        )


def _warn_of_frames(flow: InitFlow, graph: Graph, staged: Workspace) -> None:
    if flow.options.data is None:
        return
    from hw_amc.verify.heldout import input_path

    level = Level(input_path(graph, staged.settings().input), has_options=False)
    level.add(flow.frames.calibration)
    flow.output.done(f"{flow.options.data.name}: {level.summary()}")
    for line in level.problems():
        warnings.warn(f"{flow.options.data.name}: {line}", stacklevel=2)


def _prove(flow: InitFlow, graph: Graph, deployed: Any) -> tuple[str, dict[str, Any]]:
    """Require that golden equals Keras; return what to say of it, and section `golden` of the report."""
    from hw_amc.verify.keras import KerasReference

    keras, layers = KerasReference(deployed, graph), [node.name for node in graph.nodes[1:]]
    integers = prove(graph, (keras, Golden(graph)), init_judge.to_words(flow, flow.frames.calibration[:PROVEN]), layers)
    note = "" if keras.dtype == "float32" else f"; Keras runs in {keras.dtype}: its sums are past 2^24"
    section = {
        "frames": min(PROVEN, len(flow.frames.calibration)),
        "mismatches": 0,
        "integers": integers,
        "reference": f"Keras ({keras.dtype}), {flow.frames.calibrated}",
        "command": flow.command,
        "kind": "measured",
    }
    return f"{integers:,} integers of {len(layers)} layers equal Keras{note}", section


def _measure_noise(flow: InitFlow, deployed: Any) -> dict[str, float]:
    """Signal to quantisation noise of the deployed layers that a float model has, in dB."""
    if not flow.is_float:
        return {}
    from hw_amc.compress.cost import measure_sqnr
    from hw_amc.radio import from_wire

    frames = from_wire(init_judge.to_words(flow, flow.frames.calibration[:COMPARED]), flow.wire_frac)
    return measure_sqnr(flow.plan, deployed, frames)
