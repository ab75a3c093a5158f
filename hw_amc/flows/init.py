"""From a user's model file to a project's folder: deployed, proven by golden, and its cost measured."""

from __future__ import annotations

import math
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.flows import base, init_files
from hw_amc.flows.graph import WIDTH_OF, build_graph
from hw_amc.flows.init_classes import choose_classes
from hw_amc.flows.init_frames import UserFrames, draw_frames, read_frames
from hw_amc.graph import Graph
from hw_amc.models import Classes
from hw_amc.radio.quality import SATURATED_LIMIT, Quality
from hw_amc.verify.backend import Golden, prove
from hw_amc.workspace import Workspace, find_root

#: Frames on which Keras and golden are compared, and on which the noise of quantisation is measured.
PROVEN, COMPARED = 8, 64

#: Bits of the network's input where frames are of a usual level, and at most: the wire's.
INPUT_BITS, MOST_INPUT_BITS = 8, 16
#: Steps of the input that the root mean square of I and of Q should have.
LEAST_STEPS = 8.0
#: Deviation of a capture's level from that of training that is warned about, dB.
LEVEL_DB = 6.0

#: Name of the quantiser that the deploy pass puts behind the input.
_INPUT = "input_quant"

Widths = dict[str, dict[str, int]]


@dataclass(frozen=True)
class InitOptions:
    """What `hw-amc init` was asked for."""

    model_file: Path
    name: str | None = None
    #: A class set's name, or names with commas between them, and semicolons between heads.
    classes: str | None = None
    data: Path | None = None
    #: `LAYER.FIELD=BITS`, or `FIELD=BITS` for every layer that has the field.
    widths: Sequence[str] = ()
    board: str | None = None


@dataclass(frozen=True)
class Layer:
    """A layer of the graph and what quantisation costs there."""

    name: str
    operation: str
    shape: tuple[int, ...]
    format: str
    #: None where the float model has no such layer.
    sqnr_db: float | None


@dataclass(frozen=True)
class Judgement:
    """Answers before and after quantisation, on frames that nothing was calibrated on."""

    frames: int
    source: str
    #: Share (0..1) of the frames to which float and deployed network give the same answer; None without a float one.
    same: float | None
    #: Shares (0..1) of right answers in all heads; None without labels.
    before: float | None = None
    after: float | None = None
    #: Answers of the deployed network, (n, heads).
    answers: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Outcome:
    """What `init` made."""

    folder: Path
    graph: Graph
    layers: Sequence[Layer]
    judgement: Judgement
    #: Why `make hls` would stop, where it would.
    no_hls: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class InitFlow:
    """A user's model on its way to a project."""

    options: InitOptions
    workspace: Workspace
    board: BoardSettings
    command: str = base.PROGRAM
    output: base.Output = field(default_factory=base.Silent)

    @classmethod
    def open(
        cls,
        options: InitOptions,
        command: str = base.PROGRAM,
        output: base.Output | None = None,
        root: Path | None = None,
    ) -> InitFlow:
        """Choose the project's name, and require that its folder may be written.

        Raises
        ------
        ConfigError
            The name is no identifier or belongs to a network of ours; the folder is somebody's; no such board.
        """
        name = init_files.project_name(options.name, options.model_file)
        workspace = Workspace(root or find_root(), name)
        init_files.require_replaceable(workspace.own_folder)
        board = workspace.board(options.board or "pynq-z2")
        return cls(options=options, workspace=workspace, board=board, command=command, output=output or base.Silent())

    @cached_property
    def model(self) -> Any:
        """The user's model, taking frames (T, 2)."""
        from hw_amc.compress import entry, model_files

        return entry.take_frames(model_files.load_model_file(self.options.model_file))

    @cached_property
    def is_float(self) -> bool:
        """Whether the model has no quantised layer, so that the deploy pass makes its quantised form."""
        from hw_amc.compress import entry

        return not entry.is_quantised(self.model)

    @cached_property
    def frame_len(self) -> int:
        """Samples of a frame."""
        return int(self.model.input_shape[1])

    @cached_property
    def classes(self) -> Classes:
        """Class names of every head."""
        from hw_amc.compress import entry

        return choose_classes(self.options.classes, entry.heads_of(self.model), self.options.data, self.frame_len)

    @cached_property
    def frames(self) -> UserFrames:
        """Frames for calibration and evaluation."""
        data = self.options.data
        if data is None:
            return draw_frames(self.classes, self.frame_len)
        return read_frames(data, self.classes, self.frame_len)

    @cached_property
    def wire_frac(self) -> int:
        """Fraction bits of the wire: 14, or fewer where the user's frames for a float model are larger than 2."""
        chosen = self.is_float and self.options.data is not None
        top = float(np.quantile(np.abs(self.frames.calibration), 1 - SATURATED_LIMIT)) if chosen else 0.0
        integer = max(1, math.ceil(math.log2(top))) if top > 0 else 1
        if integer > 7:
            raise ConfigError(
                f"the calibration frames have values up to {top:.4g}, and a wire word holds 128 at most; scale the"
                " frames, and the model's first layer with them"
            )
        return 15 - integer

    @cached_property
    def widths(self) -> Widths:
        """Bits by layer and field: what was asked for, and those of the input where the frames need others."""
        from hw_amc.compress.formats import default_formats

        if not self.is_float:
            if self.options.widths:
                raise ConfigError("--widths is for float models: the formats of a quantised one are its quantisers'")
            return {}
        found = parse_widths(self.options.widths, default_formats(self.plan))
        step = 2.0 ** (16 - self.wire_frac - INPUT_BITS)
        rms = float(np.sqrt(np.mean(np.square(self.frames.calibration, dtype=np.float64))))
        lacking = math.ceil(math.log2(LEAST_STEPS * step / rms)) if rms > 0 else 0
        fields = found.setdefault(_INPUT, {})
        if lacking > 0 and "bits" not in fields:
            fields["bits"] = min(INPUT_BITS + lacking, MOST_INPUT_BITS)
            warnings.warn(
                f"the frames are quiet: their root mean square of {rms:.3g} is {rms / step:.2g} steps of an input of"
                f" {INPUT_BITS} bits, which gets {fields['bits']} bits; captures at another level than that of training"
                " are answered wrongly whatever the bits",
                stacklevel=2,
            )
        return {layer: fields for layer, fields in found.items() if fields}

    @cached_property
    def plan(self) -> Any:
        """The float model as the steps of its deployed form."""
        from hw_amc.compress.deploy import plan_deploy

        return plan_deploy(self.model)

    def deploy(self) -> Any:
        """The deployed model, with its weights not rounded yet."""
        from hw_amc.compress import deploy, entry

        if not self.is_float:
            quantised = entry.cut_softmax(self.model)
            deploy.require_exact(quantised)
            return quantised
        pinned = {**self.widths, _INPUT: {"int": 15 - self.wire_frac, **self.widths.get(_INPUT, {})}}
        return deploy.deploy_plan(self.plan, self.frames.calibration, pinned)


def parse_widths(asked: Sequence[str], formats: Mapping[str, Mapping[str, int]]) -> Widths:
    """Read `LAYER.FIELD=BITS` and `FIELD=BITS`; `formats` are those that there are.

    Raises
    ------
    ConfigError
        One is of another form, or names no field of bits.
    """
    found: Widths = {}
    for text in asked:
        name, _, bits = text.partition("=")
        layer, _, width = name.strip().rpartition(".")
        if not bits.strip().isdecimal() or not width.endswith("bits"):
            raise ConfigError(
                f"--widths takes LAYER.FIELD=BITS or FIELD=BITS, such as conv1.kernel_bits=6, not {text!r}"
            )
        layers = [layer] if layer else [each for each, fields in formats.items() if width in fields]
        if not layers:
            raise ConfigError(f"--widths {text}: no layer of this model has {width}")
        for each in layers:
            found.setdefault(each, {})[width] = int(bits)
    return found


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
        kind = "float" if flow.is_float else "quantised: it is taken as it is"
        say(f"{len(flow.model.layers)} layers, {flow.model.count_params():,} parameters, {kind}")
    with _timed(flow, "frames", "reading frames") as say:
        say(flow.frames.describe())
    _warn_of_level(flow)
    projects = flow.workspace.own_folder.parent
    projects.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".init-", dir=projects) as folder:
        staged = Workspace(Path(folder), flow.workspace.model)
        with _timed(flow, "deploy", "choosing formats") as say:
            deployed = _deploy(flow, staged)
            say(f"{len(deployed.layers)} layers, each with an exact form")
        outcome = _finish(flow, staged, deployed)
        init_files.put(staged.own_folder, flow.workspace.own_folder)
    return outcome


@contextmanager
def _timed(flow: InitFlow, step: str, text: str) -> Iterator[Any]:
    started, said = time.perf_counter(), list[str]()
    with flow.output.status(f"{step}: {text}"):
        yield said.append
    flow.output.done(said[0], step, time.perf_counter() - started)


def _deploy(flow: InitFlow, staged: Workspace) -> Any:
    """Write project.toml and weights.h5, and load what the latter holds."""
    from hw_amc.compress import load_deployed, save_deployed

    staged.own_folder.mkdir(parents=True)
    deployed = flow.deploy()
    init_files.write_settings(staged.own_folder, _settings(flow, {}, {}, None))
    save_deployed(deployed, staged.own_folder / "weights.h5")
    return load_deployed(staged.own_folder / "weights.h5")


def _settings(flow: InitFlow, quant: Widths, reuse: dict[str, int], no_hls: str | None) -> init_files.ProjectText:
    return init_files.ProjectText(
        flow.options.model_file.name, flow.board.name, flow.classes, (flow.frame_len, 2), flow.wire_frac, quant, reuse,
        no_hls,
    )  # fmt: skip


def _finish(flow: InitFlow, staged: Workspace, deployed: Any) -> Outcome:
    """Build the graph, prove and measure it, and write what is left of the folder."""
    folder = staged.own_folder
    graph = build_graph(staged, deployed)
    reuse, no_hls = _reuse_factors(graph)
    init_files.write_settings(folder, _settings(flow, _by_node(flow.widths, graph), reuse, no_hls))
    graph = build_graph(staged, deployed)
    graph.save(folder)
    _warn_of_frames(flow, graph, staged)
    with _timed(flow, "golden", "comparing with Keras") as say:
        say(_prove(flow, graph, deployed))
    with _timed(flow, "cost", "measuring what quantisation costs") as say:
        layers = _layers(flow, graph, deployed)
        judgement = _judge(flow, graph)
        say(describe(judgement))
    outcome = Outcome(flow.workspace.own_folder, graph, layers, judgement, no_hls)
    if judgement.after is not None and flow.frames.has_snrs:
        init_files.write_accuracy(folder, flow, judgement)
    init_files.write_card(folder, flow, outcome)
    return outcome


def _by_node(widths: Widths, graph: Graph) -> Widths:
    """Widths under the names that layers have in the graph, without those that are no width there."""
    names = {node.layer_name: node.name for node in graph.nodes}
    return {
        names[layer]: kept
        for layer, fields in widths.items()
        if layer in names and (kept := {name: bits for name, bits in fields.items() if name in WIDTH_OF})
    }


#: Multipliers of a layer that the first project.toml allows.
_MULTIPLIERS = 64


def _reuse_factors(graph: Graph) -> tuple[dict[str, int], str | None]:
    """Reuse factors that leave few multipliers to each layer, and why the HLS flow would stop, where it would."""
    from hw_amc.hls.estimate.whole import legal_reuse_factors

    found, why = {}, None
    for node in graph.nodes[1:]:
        try:
            legal = legal_reuse_factors(graph, node)
        except UnsupportedLayer as error:
            why = why or str(error)
            continue
        weights = sum(int(np.count_nonzero(array)) for array in node.arrays().values())
        factor = next((each for each in legal if weights <= _MULTIPLIERS * each), legal[-1])
        if factor > 1:
            found[node.name] = factor
    return found, why


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

    quality = Quality(input_path(graph, staged.settings().input))
    quality.add(flow.frames.calibration)
    for line in quality.problems():
        warnings.warn(f"{flow.options.data.name}: {line}", stacklevel=2)


def _wire(flow: InitFlow, frames: Any) -> Any:
    from hw_amc.radio import to_wire

    return to_wire(frames, flow.wire_frac)


def _prove(flow: InitFlow, graph: Graph, deployed: Any) -> str:
    from hw_amc.verify.keras import KerasReference

    keras, layers = KerasReference(deployed, graph), [node.name for node in graph.nodes[1:]]
    integers = prove(graph, (keras, Golden(graph)), _wire(flow, flow.frames.calibration[:PROVEN]), layers)
    note = "" if keras.dtype == "float32" else f"; Keras runs in {keras.dtype}: its sums are past 2^24"
    return f"{integers:,} integers of {len(layers)} layers equal Keras{note}"


def _layers(flow: InitFlow, graph: Graph, deployed: Any) -> list[Layer]:
    sqnr: dict[str, float] = {}
    if flow.is_float:
        from hw_amc.compress.cost import measure_sqnr
        from hw_amc.radio import from_wire

        frames = from_wire(_wire(flow, flow.frames.calibration[:COMPARED]), flow.wire_frac)
        sqnr = measure_sqnr(flow.plan, deployed, frames)
    return [Layer(node.name, node.op, node.shape, str(node.fmt), sqnr.get(node.layer_name)) for node in graph.nodes[1:]]


def _judge(flow: InitFlow, graph: Graph) -> Judgement:
    from hw_amc.compress.cost import answers_of

    frames = flow.frames
    logits = Golden(graph).run(_wire(flow, frames.evaluation))
    after = np.stack([logits[name].argmax(axis=1) for name in graph.outputs], axis=1)
    before = answers_of(flow.model, frames.evaluation) if flow.is_float else None
    same = None if before is None else float((before == after).all(axis=1).mean())
    shares = [
        None if answers is None or frames.labels is None else float(frames.right(answers).mean())
        for answers in (before, after)
    ]
    return Judgement(len(after), frames.evaluated, same, shares[0], shares[1], after)


def describe(judgement: Judgement) -> str:
    """Say in one line what quantisation does to the answers."""
    parts = []
    if judgement.after is not None:
        parts.append(f"accuracy {100 * judgement.after:.2f} %")
        if judgement.before is not None:
            parts[0] = (
                f"accuracy {100 * judgement.before:.2f} % before and {100 * judgement.after:.2f} % after quantisation"
            )
    if judgement.same is not None:
        parts.append(f"{100 * judgement.same:.2f} % of the answers are those of the float model")
    said = "; ".join(parts) or "no labels and no float model to compare with"
    return f"{said} ({judgement.frames} frames, {judgement.source}, measured)"
