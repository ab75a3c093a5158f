"""A user's model on its way to a project: what was asked for, what is found out, and what comes of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError
from hw_amc.flows import base, init_files
from hw_amc.flows.init_classes import choose_classes
from hw_amc.flows.init_frames import UserFrames, draw_frames, read_frames
from hw_amc.graph import Graph
from hw_amc.models import Classes
from hw_amc.radio.files.memory import Source
from hw_amc.radio.quality import SATURATED_LIMIT
from hw_amc.workspace import Workspace, find_root

if TYPE_CHECKING:
    from hw_amc.compress.onnx.read import OnnxModel
    from hw_amc.train.tune import Tuned

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
    #: A class set's name, or names with commas between them, and semicolons between heads; or names by head.
    classes: str | Classes | None = None
    data: Source | None = None
    #: `LAYER.FIELD=BITS`, or `FIELD=BITS` for every layer that has the field.
    widths: Sequence[str] = ()
    board: str | None = None
    #: Steps of training with quantisation; 0 leaves the weights as they are.
    tune: int = 0


@dataclass(frozen=True)
class Layer:
    """A layer of the graph and what quantisation costs there."""

    name: str
    operation: str
    shape: tuple[int, ...]
    format: str
    #: None where the float model has no such layer.
    sqnr_db: float | None
    #: Its name in the model as it came, which may be no identifier.
    given: str = ""

    @property
    def shown(self) -> str:
        """Its name for people: beside the identifier the name that it had, where that is another."""
        return f"{self.name} ({self.given})" if self.given not in ("", self.name) else self.name


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
    #: Share of right answers of the deployed network before it was trained on; None where it was not.
    untuned: float | None = None
    #: How it was trained on.
    tuned: Tuned | None = None
    #: What it was compared with.
    beside: str = "the float model"
    #: Answers of the deployed network, (n, heads).
    answers: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class FileNoise:
    """Golden beside the file's own numbers.

    Attributes
    ----------
    sqnr_db : layer -> dB; infinite without noise, NaN where the file gives zeros alone
    integers : that were compared
    differ : of these
    """

    sqnr_db: Mapping[str, float]
    integers: int
    differ: int

    def describe(self, refitted: Any) -> str:
        """Say it in one line."""
        if not refitted:
            return f"{self.integers:,} integers equal those of the file: all scales are powers of two"
        exact = sum(each.moved == 0 for each in refitted)
        told = "1 factor is no power of two" if len(refitted) == 1 else f"{len(refitted)} factors are no powers of two"
        return (
            f"{told}: {exact} refitted without changing an integer, {len(refitted) - exact} approximately;"
            f" {self.differ:,} of {self.integers:,} integers differ from the file's"
        )


@dataclass(frozen=True)
class Outcome:
    """What `init` made."""

    folder: Path
    graph: Graph
    layers: Sequence[Layer]
    judgement: Judgement
    #: Why `make hls` would stop, where it would.
    no_hls: str | None
    #: Section `golden` of report.json: what was proven.
    golden: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: Beside a quantised file in ONNX.
    file_noise: FileNoise | None = None


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
        if options.tune and options.data is None:
            raise ConfigError("--tune learns from labelled frames; give them: --data FILE")
        name = init_files.project_name(options.name, options.model_file)
        workspace = Workspace(root or find_root(), name)
        init_files.require_replaceable(workspace.own_folder)
        board = workspace.board(options.board or "pynq-z2")
        return cls(options=options, workspace=workspace, board=board, command=command, output=output or base.Silent())

    @cached_property
    def onnx(self) -> OnnxModel | None:
        """The user's file in ONNX; None of another format."""
        from hw_amc.compress.onnx.read import load_onnx

        return load_onnx(self.options.model_file) if self.options.model_file.suffix.lower() == ".onnx" else None

    @cached_property
    def model(self) -> Any:
        """The user's model, taking frames (T, 2)."""
        from hw_amc.compress import entry, model_files

        if self.onnx is not None:
            return self.onnx.model

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
        return read_frames(data, self.classes, self.frame_len, self.options.tune > 0)

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
        from hw_amc.compress.plain import plain

        if not self.is_float:
            quantised = plain(entry.cut_softmax(self.model))
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


def describe_tuning(tuned: Tuned) -> str:
    """Say in a few words what training on did."""
    losses = f"loss {tuned.loss_before:.3f} before, {tuned.loss_after:.3f} after, on {tuned.validated} other frames"
    kept = "" if tuned.is_kept else ": the weights stay as they were"
    return f"trained on for {tuned.steps} steps on {tuned.frames} frames ({losses}){kept}"


def describe(judgement: Judgement) -> str:
    """Say in one line what quantisation does to the answers."""
    parts = []
    if judgement.after is not None:
        parts.append(f"accuracy {100 * judgement.after:.2f} %")
        if judgement.before is not None:
            parts[0] = (
                f"accuracy {100 * judgement.before:.2f} % before and {100 * judgement.after:.2f} % after quantisation"
            )
    if judgement.tuned is not None and judgement.untuned is not None:
        parts.insert(0, f"accuracy {100 * judgement.untuned:.2f} % after quantisation alone")
        parts.append(describe_tuning(judgement.tuned))
    if judgement.same is not None:
        parts.append(f"{100 * judgement.same:.2f} % of the answers are those of {judgement.beside}")
    said = "; ".join(parts) or "no labels and no float model to compare with"
    return f"{said} ({judgement.frames} frames, {judgement.source}, measured)"
