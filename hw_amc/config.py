"""Settings: a model's project.toml and a board's board.toml, read strictly.

Unknown keys, wrong types and impossible numbers are refused with the key's full name. Every field carries a
default, so that an empty project.toml describes a working project.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from hw_amc.errors import ConfigError, DataError
from hw_amc.parts import PsKind, family_with
from hw_amc.untrusted import load_toml

#: Characters of a wrong value that a message shows.
MOST_SHOWN = 80
#: Classes of a head: a result word has 8 bits for them.
MOST_CLASSES = 256

Bits = Annotated[int, Field(ge=2, le=24)]
Reuse = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """A table of a settings file, read strictly: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _classes(value: object) -> str | tuple[tuple[str, ...], ...]:
    """Check `classes`: the name of a set, a list of names, or such a list for each head."""
    if isinstance(value, str):
        return value
    heads = value if isinstance(value, list) and value and all(isinstance(head, list) for head in value) else [value]
    for head in heads:
        if not isinstance(head, list) or not all(isinstance(name, str) and name.strip() for name in head):
            raise ValueError("must be the name of a set, a list of names, or a list of names for each head")
        if len(set(head)) < len(head) or not 2 <= len(head) <= MOST_CLASSES:
            raise ValueError(f"a head has 2 to {MOST_CLASSES} classes, each with a name of its own")
    return tuple(map(tuple, heads))


class InputSettings(Settings):
    """From float frames to wire words (DESIGN: the accelerator's interface)."""

    #: Fraction bits of the 16-bit wire words.
    wire_frac: Annotated[int, Field(ge=8, le=15)] = 14
    #: Left shift that the accelerator applies to wire words (register default).
    input_shift: Annotated[int, Field(ge=-15, le=15)] = 0
    #: `none`: frames are used as they are; `rms`: each frame is scaled to unit power.
    normalise: Literal["none", "rms"] = "none"


class LayerHls(Settings):
    """How the HLS flow builds one layer (docs/hls.md)."""

    #: How often a multiplier serves a time step, as in hls4ml.
    reuse_factor: Reuse = 1
    #: The same for the recurrent product; `reuse_factor` then holds for the input's.
    recurrent_reuse_factor: Reuse | None = None
    #: Cells of a recurrent layer that one lane works out one after another; by default what costs least.
    cells_reuse_factor: Reuse | None = None
    #: latency, resource or distributed_arithmetic; by default what the reuse factor asks for.
    strategy: str | None = None
    #: Multipliers on DSP blocks at most, the others are of LUTs; all by default.
    dsp_multipliers: Annotated[int, Field(ge=0)] | None = None


class HlsSettings(Settings):
    """The HLS flow."""

    #: hls4ml's name of the tool; hls/backends has one file for each.
    backend: str = "Vitis"
    #: Target clock period; the board's clock when not given.
    clock_ns: Annotated[float, Field(gt=0.5, le=100)] | None = None
    layers: dict[str, LayerHls] = {}

    def layer(self, name: str) -> LayerHls:
        """Return the settings of one layer, defaults where project.toml is silent."""
        return self.layers.get(name, LayerHls())


class LayerRtl(Settings):
    """How the RTL flow builds one layer."""

    cycles_per_step: Reuse


class RtlSettings(Settings):
    """The RTL flow."""

    #: Initiation interval R: clock cycles per input sample.
    cycles_per_step: Reuse = 1
    #: Contexts K of the C-slow loop; 0 takes as many as keep it busy.
    contexts: Annotated[int, Field(ge=0, le=256)] = 0
    mode: Literal["frames", "channels"] = "frames"
    #: Channels that arrive round robin, in channel mode; 0 takes one for each context.
    n_channels: Annotated[int, Field(ge=0, le=255)] = 0
    #: Copies of the core, each with its own streams.
    lanes: Annotated[int, Field(ge=1, le=16)] = 1
    #: Registers that have the shell choose each frame's shift from the level of its channel's frame before.
    automatic_gain: bool = False
    #: Adder levels between registers in layers of one cycle; 0 takes as many as the clock allows.
    cut: Annotated[int, Field(ge=0, le=64)] | None = None
    #: Adders of three terms where they save LUTs; false: of two only, whose chains are faster.
    ternary_adders: bool = True
    #: Clock that `cut` is chosen for; the board's when not given.
    clock_mhz: Annotated[float, Field(gt=1, le=1000)] | None = None
    #: Where layers differ; the core's R is that of the slowest.
    layers: dict[str, LayerRtl] = {}

    @model_validator(mode="after")
    def _channels_need_their_mode(self) -> RtlSettings:
        if self.n_channels and self.mode != "channels":
            raise ValueError(f"n_channels = {self.n_channels} needs mode = 'channels'")
        return self


class ProjectSettings(Settings):
    """A model's project.toml."""

    board: str = "pynq-z2"
    #: A known class set by name, a list of class names, or one list a head; the network's own where not given.
    classes: Annotated[str | tuple[tuple[str, ...], ...] | None, PlainValidator(_classes)] = None
    #: Samples and channels of a frame; the network's own where not given.
    frame: Annotated[list[Annotated[int, Field(ge=1, le=1 << 20)]], Field(min_length=2, max_length=2)] | None = None
    input: InputSettings = InputSettings()
    #: Bit widths by layer and field where they differ from those of `compress.formats`.
    quant: dict[str, dict[str, Bits]] = {}
    hls: HlsSettings = HlsSettings()
    rtl: RtlSettings = RtlSettings()

    @property
    def frame_shape(self) -> tuple[int, int] | None:
        """`frame` as a pair."""
        return None if self.frame is None else (self.frame[0], self.frame[1])


class Budget(Settings):
    """What a part offers; a resource that it lacks is left out."""

    lut: int
    ff: int
    dsp: int
    bram36: int
    uram: int | None = None
    #: CARRY4 of 7 series, CARRY8 of UltraScale+.
    carry: int | None = None


class DmaSettings(Settings):
    """The AXI DMA of the overlay and the PS ports that it uses; the defaults suit Zynq-7000."""

    #: Width of the length registers: one transfer carries up to 2**length_bits - 1 bytes.
    length_bits: Annotated[int, Field(ge=8, le=26)] = 26
    #: Memory side of the DMA, as wide as the PS port.
    memory_bits: Literal[32, 64, 128] = 64
    burst_beats: Literal[2, 4, 8, 16, 32, 64, 128, 256] = 16
    memory_port: str = "S_AXI_HP0"
    control_port: str = "M_AXI_GP0"


class AddressMap(Settings):
    """Where the PS sees what; the defaults suit Zynq-7000."""

    accelerator: int = 0x43C0_0000
    dma: int = 0x4040_0000
    #: Bytes of one register window.
    window: int = 0x1_0000
    #: Bytes of PS memory that the DMA reaches, from address 0.
    memory_bytes: int = 0x2000_0000


class BoardSettings(Settings):
    """A board's board.toml."""

    name: str
    part: str
    board_part: str = ""
    #: Names of the same board files in older releases of Vivado's board store.
    board_parts_before: list[str] = []
    ps: PsKind
    #: Programmable-logic clock that the overlay asks for.
    clock_mhz: Annotated[float, Field(gt=1, le=1000)]
    #: PLL behind it, as the board's image boots it; divided by two 6-bit numbers.
    pl_source_mhz: Annotated[float, Field(gt=1, le=4000)] = 1000.0
    budget: Budget
    dma: DmaSettings = DmaSettings()
    address: AddressMap = AddressMap()
    #: Where the figures come from.
    sources: list[str] = []

    @property
    def resources(self) -> dict[str, int]:
        """What the part offers, carry cells in CARRY4: a CARRY8 is two."""
        found: dict[str, int] = self.budget.model_dump(exclude_none=True)
        if "carry" in found:
            found["carry"] *= family_with(self.ps).carry_bits // 4
        return found

    @model_validator(mode="after")
    def _addresses_are_reachable(self) -> BoardSettings:
        low, high = family_with(self.ps).control_window
        spans = {}
        for name in ("accelerator", "dma"):
            base = getattr(self.address, name)
            if base % self.address.window or not low <= base <= base + self.address.window - 1 <= high:
                raise ValueError(
                    f"address.{name} = {base:#x} must be a multiple of {self.address.window:#x}"
                    f" within {low:#x}..{high:#x}, the control port of {self.ps}"
                )
            spans[base] = name
        if len(spans) < 2:
            raise ValueError(f"address.accelerator and address.dma are both {self.address.dma:#x}")
        return self


S = TypeVar("S", bound=Settings)


def load_project(folder: Path) -> ProjectSettings:
    """Read `folder`/project.toml.

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or holds an unknown key or an impossible value.
    """
    return load_settings(folder / "project.toml", ProjectSettings)


def load_board(name: str, boards: Path) -> BoardSettings:
    """Read `boards`/`name`/board.toml.

    Raises
    ------
    ConfigError
        No such board (near names are suggested), or its file is wrong.
    """
    known = sorted(path.parent.name for path in boards.glob("*/board.toml"))
    if name not in known:
        raise ConfigError(f"unknown board {name!r}{suggest(name, known)}")
    return load_settings(boards / name / "board.toml", BoardSettings)


def suggest(name: str, known: list[str]) -> str:
    """Return the end of an error message: near names, or all of them."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; known: {', '.join(known) or 'none'}"


def load_settings(path: Path, kind: type[S]) -> S:
    """Read a TOML file strictly; `kind` may ask for its folder in the validation context, under "folder".

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or holds an unknown key or an impossible value: one line with the key.
    """
    try:
        table = load_toml(path)
    except DataError as error:
        raise ConfigError(str(error)) from error
    try:
        return kind.model_validate(table, context={"folder": path.parent})
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first(error, kind)}") from None


def _first(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return the first of pydantic's complaints, as one line with the key's full name."""
    problems = error.errors(include_url=False)
    # A key that is misspelt explains another one that is missing.
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    where = [str(part) for part in problem["loc"]]
    name = ".".join(where)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {name}{suggest(where[-1], _keys(kind, where[:-1]))}"
    message = problem["msg"].removeprefix("Value error, ")
    message = f"{message[0].lower()}{message[1:]}"
    if problem["type"] == "missing":
        return f"{name} is missing"
    if isinstance(problem["input"], dict):  # several keys that do not go together
        return f"{name}: {message}" if name else message
    return f"{name} = {shortened(problem['input'])}: {message}"


def shortened(value: object) -> str:
    """Write a value as Python does, cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _keys(kind: type[BaseModel], where: list[str]) -> list[str]:
    """Return the keys that a table may have; `where` is its path from the top."""
    for part in where:
        named = {field.alias or name: field for name, field in kind.model_fields.items()}
        if part in named:  # else a layer's name, the key of a dict[str, LayerX], or a place in a list
            kind = next(_models(named[part].annotation), kind)
    return [field.alias or name for name, field in kind.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Return the settings that an annotation names, as in `dict[str, LayerHls]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
