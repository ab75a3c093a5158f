"""Accelerator = shell + core: the one interface that bench, overlay and driver see, for RTL and HLS cores alike.

The shell is hand-written Verilog in hw_amc/rtl/shell; this module gives it its numbers and writes the top module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from hw_amc.config import BoardSettings, ProjectSettings
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.interface import registers
from hw_amc.interface.gain import AutomaticGain
from hw_amc.interface.manifest import Head, Manifest
from hw_amc.rtl.blocks.base import Resources
from hw_amc.rtl.rhythm import Rhythm
from hw_amc.rtl.shell.lanes import emit_lanes, lane_module
from hw_amc.rtl.shell.limits import require_limits
from hw_amc.rtl.shell.register_file import MODULE as REGISTER_FILE
from hw_amc.rtl.shell.register_file import emit_verilog
from hw_amc.rtl.verilog import is_name, resolve
from hw_amc.sources import Sources

SOURCES = Path(__file__).parent

#: Macro of what the shell has for the automatic gain, and the files that it has for nothing else.
GAIN_MACRO, GAIN_FILES = "AMC_AUTOMATIC_GAIN", ("amc_shell_gain.v", "amc_shell_store.v")

#: Clock cycles from a sample on s_axis to the same sample on the core's input: slice, two quantiser stages; and those
#: of the automatic gain where there is one.
INPUT_CYCLES, GAIN_CYCLES = 3, 9

#: Clock cycles from the end of the reset to the core's first without it.
RESET_CYCLES = 16

#: Measured: Yosys 0.70 counts 808 LUTs, 13 memories of 4 LUTs, 837 flip-flops and 132 CARRY4 in the shell of
#: gru_cnn_sparse07. Formats, classes and contexts move it by a few percent.
SHELL_COST = Resources(lut=860, ff=837, carry=132)

#: Measured: what the automatic gain adds in Yosys 0.70's counts, frames of 1,024 samples in 4 channels; in one channel
#: it is 332 LUTs, 228 flip-flops and 33 CARRY4, and frames of no power of two samples take 92 LUTs more.
GAIN_COST = Resources(lut=384, ff=228, carry=33)


def shell_cost(automatic_gain: bool) -> Resources:
    """Estimate the shell of one lane."""
    return SHELL_COST + GAIN_COST if automatic_gain else SHELL_COST


class CoreLike(Protocol):
    """What the shell needs to know of a core (`hw_amc.rtl.RtlCore`, or an HLS core)."""

    @property
    def sources(self) -> Sources:
        """Sources; the core is module `<graph name>_core`."""

    @property
    def contexts(self) -> int:
        """Frames that the core works on at a time, K."""

    @property
    def mode(self) -> Literal["frames", "channels"]:
        """Whether frames come one after another or channels take turns sample by sample."""

    @property
    def n_channels(self) -> int:
        """Channels that take turns; 1 in frames mode."""

    @property
    def latency_cycles(self) -> int | None:
        """Cycles from a frame's first sample to its first logit, core idle; None when unknown."""

    @property
    def cycles_per_frame(self) -> int | None:
        """Cycles between results, input back to back, averaged over K of them; None when unknown."""

    @property
    def rhythm(self) -> Rhythm | None:
        """When each result comes; None when unknown."""


@dataclass(frozen=True)
class Accelerator:
    """Sources and manifest of one accelerator; the top module is `manifest.name`."""

    sources: Sources
    manifest: Manifest
    #: Of the core; None where its cycles are unknown.
    rhythm: Rhythm | None = None

    def result_cycles(self, start: int) -> Iterator[int]:
        """Predict the cycles from the first sample's acceptance to the last word of each result, without end.

        Source and sink are always ready; `start` is the cycle of the first sample, counted from the end of the reset.
        """
        assert self.rhythm is not None
        begin = start - RESET_CYCLES
        return (end - begin for end in self.rhythm.ends(shell=True, start=begin + self.input_cycles))

    @property
    def input_cycles(self) -> int:
        """Clock cycles from a sample on s_axis to the same sample on the core's input."""
        return INPUT_CYCLES + GAIN_CYCLES * self.manifest.automatic_gain

    @property
    def lane(self) -> Accelerator:
        """One lane by itself, streams and registers as of an accelerator with one; this one where it has no more."""
        if self.manifest.lanes == 1:
            return self
        return replace(self, manifest=replace(self.manifest, name=lane_module(self.manifest.name), lanes=1))


def build_accelerator(
    graph: Graph,
    core: CoreLike,
    settings: ProjectSettings,
    board: BoardSettings,
    flow: Literal["rtl", "hls"] = "rtl",
) -> Accelerator:
    """Wrap `core` in the shell.

    Parameters
    ----------
    graph : Graph
        The network; its name becomes the top module's.
    core : CoreLike
        Module `<name>_core`, bare streams (see hw_amc/rtl/shell/amc_shell.v).
    settings, board
        Of project.toml and board.toml.
    flow : {"rtl", "hls"}
        Where the core comes from; only recorded.

    Returns
    -------
    Accelerator
        Sources with `<name>.v`, the shell, the register file, the core's files and manifest.json; for several lanes
        also `<name>_lane.v`.

    Raises
    ------
    UnsupportedLayer
        The network's input or logits do not fit the interface.
    ConfigError
        The name is no Verilog identifier, two files share a name, or a number exceeds what the board's DMA or a
        register carries.
    """
    _require_fit(graph)
    manifest = _manifest(graph, core, settings, board, flow)
    require_limits(manifest, board)
    files = shell_files(manifest.automatic_gain)
    if manifest.lanes == 1:
        files[f"{graph.name}.v"] = emit_top(manifest)
    else:
        name = lane_module(graph.name)
        files[f"{name}.v"] = emit_top(manifest, name)
        files |= emit_lanes(graph.name, manifest.lanes, _bus_ports())
    twice = sorted(files.keys() & core.sources.files.keys())
    if twice:
        raise ConfigError(f"the core's file {twice[0]} has the name of a file of the shell; rename the model")
    sources = Sources({**files, **core.sources.files})
    manifest = Manifest(**{**vars(manifest), "project_digest": sources.digest()})
    return Accelerator(Sources({**sources.files, "manifest.json": manifest.to_json()}), manifest, core.rhythm)


def shell_files(automatic_gain: bool = False) -> dict[str, str]:
    """Return the Verilog of the shell, with the automatic gain or without: file name -> text."""
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.v"))}
    if not automatic_gain:
        files = {name: text for name, text in files.items() if name not in GAIN_FILES}
    files = {name: resolve(text, GAIN_MACRO, automatic_gain) for name, text in files.items()}
    return files | {f"{REGISTER_FILE}.v": emit_verilog(registers.table(automatic_gain))}


def input_format(graph: Graph) -> FixedFormat:
    """Return the format of the words that the core receives: that of the quantiser behind the input.

    Raises
    ------
    UnsupportedLayer
        The input does not feed exactly one quantiser into a signed format of at most 16 bits.
    """
    entry = graph.input_quantizer
    if entry is None:
        raise UnsupportedLayer(f"graph {graph.name!r}: the input must feed one quantize node and nothing else")
    fmt = entry.fmt
    if not fmt.signed or fmt.bits > 16:
        raise UnsupportedLayer(f"graph {graph.name!r}: input format {fmt} must be signed and of 16 bits at most")
    return fmt


def _require_fit(graph: Graph) -> None:
    if not is_name(graph.name):
        raise ConfigError(
            f"model name {graph.name!r} is no name for a Verilog module; use letters, digits and underscores, "
            "and none of the language's own words"
        )
    input_format(graph)
    wire = graph.input.fmt
    if wire.bits != 16 or not wire.signed:
        raise UnsupportedLayer(f"graph {graph.name!r}: wire format {wire} must be signed, 16 bits")
    wide = [name for name in graph.outputs if graph[name].fmt.bits > 32 - (not graph[name].fmt.signed)]
    if wide:
        raise UnsupportedLayer(f"logits {wide[0]!r} need more than 32 bits; requantise them")
    classes = sum(map(len, graph.classes))
    if classes > 256:
        raise UnsupportedLayer(f"graph {graph.name!r} has {classes} logits; a result carries 256 at most")
    if not 2 <= graph.frame_len < 1 << 24:
        raise UnsupportedLayer(f"frames of {graph.frame_len} samples; the shell counts 2 to 2^24 - 1")


def _manifest(
    graph: Graph, core: CoreLike, settings: ProjectSettings, board: BoardSettings, flow: Literal["rtl", "hls"]
) -> Manifest:
    fmt = input_format(graph)
    heads = tuple(Head(name, classes) for name, classes in zip(graph.outputs, graph.classes, strict=True))
    words = 1 + sum(map(len, graph.classes))
    return Manifest(
        name=graph.name,
        graph_digest=graph.digest(),
        project_digest="",
        flow=flow,
        interface=registers.GAIN_VERSION if settings.rtl.automatic_gain else registers.VERSION,
        frame_len=graph.frame_len,
        wire_frac=graph.input.fmt.frac,
        normalise=settings.input.normalise,
        input_shift=settings.input.input_shift,
        input_bits=fmt.bits,
        input_frac=fmt.frac,
        heads=heads,
        logit_frac=graph.logit_frac,
        mode=core.mode,
        contexts=core.contexts,
        n_channels=core.n_channels,
        lanes=settings.rtl.lanes if flow == "rtl" else 1,
        cycles_per_frame=_cycles_per_frame(core, words),
        latency_cycles=_latency_cycles(core, words, settings.rtl.automatic_gain),
        board=board.name,
        part=board.part,
        clock_mhz=board.clock_mhz,
        automatic_gain=settings.rtl.automatic_gain,
    )


def _latency_cycles(core: CoreLike, words: int, automatic_gain: bool) -> int | None:
    """Cycles from a sample on s_axis to the last of a result's words, core idle."""
    if core.latency_cycles is None:
        return None
    return core.latency_cycles + INPUT_CYCLES + GAIN_CYCLES * automatic_gain + 2 * words - 1


def _cycles_per_frame(core: CoreLike, words: int) -> int | None:
    """Cycles between results, whose words leave one a cycle."""
    if core.cycles_per_frame is None:
        return None
    steady = max(core.cycles_per_frame, words)
    return steady if core.rhythm is None else core.rhythm.cycles_per_frame(steady, shell=True)


def emit_top(manifest: Manifest, name: str | None = None) -> str:
    """Return the Verilog of the top module, `manifest.name` or `name`: ports named for Vivado's IP packager."""
    field_bits = -(-manifest.input_bits // 8) * 8
    parameters = ",\n".join(f"        .{key}({value})" for key, value in _parameters(manifest, field_bits).items())
    bus = _bus_ports()
    ports = ",\n".join(f"    {direction:<6} wire {width:<7}{name}" for direction, width, name in bus)
    pins = ",\n".join(f"        .{name}({name})" for _, _, name in bus)
    return _TOP.format(
        name=name or manifest.name,
        core=f"{manifest.name}_core",
        word_top=2 * field_bits - 1,
        parameters=parameters,
        ports=ports,
        pins=pins,
    )


def _parameters(manifest: Manifest, field_bits: int) -> dict[str, str]:
    low, high = registers.digest_words(manifest.graph_digest)
    classes = manifest.classes
    return {
        "MAGIC": f"32'h{registers.MAGIC:08x}",
        "VERSION": f"32'h{manifest.interface:08x}",
        "DIGEST_LO": f"32'h{low:08x}",
        "DIGEST_HI": f"32'h{high:08x}",
        "FRAME_LEN": f"32'd{manifest.frame_len}",
        "CLASSES": f"9'd{classes}",
        "HEAD_CLASSES": f"9'd{len(manifest.heads[0].classes)}",
        "LOGIT_BITS": str(max(2, (classes - 1).bit_length())),
        "CHANNEL_MODE": f"1'b{int(manifest.mode == 'channels')}",
        "N_CHANNELS": f"8'd{manifest.n_channels}",
        "CONTEXTS": f"16'd{manifest.contexts}",
        # Frames inside the core: K at work, as many again in its buffers, and the two banks of results; and those of
        # which all samples are in the stages of the gain.
        "TAG_BITS": str((2 * manifest.contexts + 2 + _frames_in_gain(manifest)).bit_length()),
        "WIRE_FRAC": f"8'h{manifest.wire_frac & 0xFF:02x}",
        "INPUT_BITS": str(manifest.input_bits),
        "INPUT_FRAC": f"8'h{manifest.input_frac & 0xFF:02x}",
        "LOGIT_FRAC": f"8'h{manifest.logit_frac & 0xFF:02x}",
        "INPUT_SHIFT": f"8'h{manifest.input_shift & 0xFF:02x}",
        "FIELD_BITS": str(field_bits),
        **(_gain_parameters(manifest) if manifest.automatic_gain else {}),
    }


def _frames_in_gain(manifest: Manifest) -> int:
    return GAIN_CYCLES // manifest.frame_len if manifest.automatic_gain else 0


def _gain_parameters(manifest: Manifest) -> dict[str, str]:
    gain = AutomaticGain.of(manifest)
    bits = gain.highest_level.bit_length()
    return {
        "INDEX_BITS": str((manifest.n_channels - 1).bit_length()),
        "SUM_BITS": str(bits),
        "LEVEL": f"{bits}'h{gain.least_level:x}",
        "LEVEL_ZEROS": str(bits - gain.least_level.bit_length()),
    }


def _bus_ports() -> list[tuple[str, str, str]]:
    """Return (direction, width, name) of the ports of streams and bus."""
    address, word = f"[{registers.ADDRESS_BITS - 1}:0]", "[31:0]"
    ports = []
    for stream, into, out in (("s_axis", "input", "output"), ("m_axis", "output", "input")):
        ports += [
            (into, word, f"{stream}_tdata"),
            (into, "", f"{stream}_tlast"),
            (into, "", f"{stream}_tvalid"),
            (out, "", f"{stream}_tready"),
        ]
    for channel, signals, into, out in (
        ("aw", [("addr", address)], "input", "output"),
        ("w", [("data", word), ("strb", "[3:0]")], "input", "output"),
        ("b", [("resp", "[1:0]")], "output", "input"),
        ("ar", [("addr", address)], "input", "output"),
        ("r", [("data", word), ("resp", "[1:0]")], "output", "input"),
    ):
        ports += [(into, width, f"s_axi_{channel}{name}") for name, width in signals]
        ports += [(into, "", f"s_axi_{channel}valid"), (out, "", f"s_axi_{channel}ready")]
    return ports


_TOP = """\
// {name}: shell and core. Generated by hw_amc.rtl.shell.
module {name} (
    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK" *)
    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis:s_axi, ASSOCIATED_RESET aresetn" *)
    input  wire        aclk,
    (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST" *)
    (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)
    input  wire        aresetn,
{ports}
);
    wire        core_rst;
    wire [{word_top}:0] core_s_tdata;
    wire        core_s_tvalid;
    wire        core_s_tready;
    wire [31:0] core_m_tdata;
    wire        core_m_tvalid;
    wire        core_m_tready;

    amc_shell #(
{parameters}
    ) shell (
        .aclk(aclk), .aresetn(aresetn),
{pins},
        .core_rst(core_rst),
        .core_s_tdata(core_s_tdata), .core_s_tvalid(core_s_tvalid), .core_s_tready(core_s_tready),
        .core_m_tdata(core_m_tdata), .core_m_tvalid(core_m_tvalid), .core_m_tready(core_m_tready)
    );

    {core} core (
        .clk(aclk), .rst(core_rst),
        .s_tdata(core_s_tdata), .s_tvalid(core_s_tvalid), .s_tready(core_s_tready),
        .m_tdata(core_m_tdata), .m_tvalid(core_m_tvalid), .m_tready(core_m_tready)
    );
endmodule
"""
