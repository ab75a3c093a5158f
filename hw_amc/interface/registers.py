"""The accelerator's AXI4-Lite registers: the one table that Verilog, driver and docs/registers.md come from.

Needs the standard library only: the driver imports it on the board. `hw_amc.rtl.shell.register_file` writes the Verilog
and the page from it.

A driver reads and writes whole words by name::

    mmio.write(OFFSET["FRAMES_PER_PACKET"], 256)
    busy = REGISTERS["STATUS"].extract(mmio.read(OFFSET["STATUS"]), "busy")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: Value of MAGIC: "AMC1" read as a big-endian word.
MAGIC = 0x414D4331
#: Value of VERSION: major << 16 | minor; the major number changes when a driver must.
VERSION = 0x0001_0000
#: The same of an accelerator that has the registers of the automatic gain.
GAIN_VERSION = VERSION + 1
#: Bits of an AXI4-Lite byte address.
ADDRESS_BITS = 8

#: Highest gain of the automatic gain after a reset, a shift.
HIGHEST_GAIN = 15

#: Bits of a result's first word: [7:0] class, [15:8] channel, [23:16] sequence number, [31:24] flags.
CLASS_LSB, CHANNEL_LSB, SEQUENCE_LSB, FLAGS_LSB = 0, 8, 16, 24
#: Error flag: TLAST came inside this frame; zeros stand for the samples that were missing.
FLAG_FRAMING = 1 << 0

#: What hardware and software do with a field:
#: constant: fixed when the accelerator is built; status: live wires; rw: stored; pulse: acts when 1 is written,
#: reads 0; count: counts events, reset by CONTROL.clear.
Access = Literal["constant", "status", "rw", "pulse", "count"]


@dataclass(frozen=True)
class Field:
    """Adjacent bits of a register with one meaning."""

    name: str
    lsb: int
    bits: int
    access: Access
    doc: str
    #: Value after reset; only of an `rw` field. None: a parameter of the register file decides.
    reset: int | None = 0
    signed: bool = False
    #: Smallest value that the hardware takes; a smaller one is stored as this one.
    minimum: int | None = None
    #: Whether hardware is told of a write, even of the same value.
    strobe: bool = False

    @property
    def mask(self) -> int:
        """Bits of the field inside the register."""
        return ((1 << self.bits) - 1) << self.lsb

    def extract(self, word: int) -> int:
        """Return the field's value in a register's `word`, its sign respected."""
        value = (word & self.mask) >> self.lsb
        return value - (1 << self.bits) if self.signed and value >> (self.bits - 1) else value


@dataclass(frozen=True)
class Register:
    """One word, or two for a 64-bit counter (low word first)."""

    name: str
    offset: int
    fields: tuple[Field, ...]
    doc: str = ""

    @property
    def words(self) -> int:
        """Number of 32-bit words."""
        return 2 if any(field.bits > 32 for field in self.fields) else 1

    def field(self, name: str) -> Field:
        """Return the field `name`; KeyError names the ones there are."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"register {self.name} has no field {name!r}; it has {', '.join(f.name for f in self.fields)}")

    def pack(self, **values: int) -> int:
        """Return the word with these values in its fields and zeros in the others."""
        return sum((value << self.field(name).lsb) & self.field(name).mask for name, value in values.items())

    def extract(self, word: int, field: str) -> int:
        """Return the value of `field` in `word`."""
        return self.field(field).extract(word)


def _whole(name: str, offset: int, access: Access, doc: str, bits: int = 32) -> Register:
    return Register(name, offset, (Field(name.lower(), 0, bits, access, doc),), doc)


#: The table, in the order of offsets.
TABLE: tuple[Register, ...] = (
    _whole("MAGIC", 0x00, "constant", "0x414D4331 (`AMC1`): there is an accelerator behind this address."),
    _whole("VERSION", 0x04, "constant", "Version of this interface, 65536 * major + minor."),
    _whole("DIGEST_LO", 0x08, "constant", "Graph digest: bits 31:0 of the first 64 bits of the SHA-256."),
    _whole("DIGEST_HI", 0x0C, "constant", "Graph digest: bits 63:32, the first eight hex digits."),
    Register(
        "CONTROL",
        0x10,
        (
            Field("enable", 0, 1, "rw", "Accept samples. While 0, s_axis waits; frames inside go on.", reset=1),
            Field("reset", 1, 1, "pulse", "Drop every frame inside and begin anew; settings and counters stay."),
            Field("clear", 2, 1, "pulse", "Set all counters to zero."),
        ),
        "Control.",
    ),
    Register(
        "STATUS",
        0x14,
        (
            Field("busy", 0, 1, "status", "A frame is inside: begun, or its result not yet fetched."),
            Field("resetting", 1, 1, "status", "CONTROL.reset is at work; samples wait."),
            Field("mid_frame", 2, 1, "status", "A frame is begun and not complete."),
            Field("padding", 3, 1, "status", "A broken frame is being filled with zeros."),
            Field("input_waits", 4, 1, "status", "s_axis offers a sample that is not taken."),
            Field("output_waits", 5, 1, "status", "m_axis offers a result word that nobody takes."),
            Field("in_flight", 16, 16, "status", "Complete frames whose results are not yet fetched."),
        ),
        "What the accelerator is doing.",
    ),
    _whole("FRAME_LEN", 0x18, "constant", "Samples in a frame, T."),
    _whole("CLASSES", 0x1C, "constant", "Logits in a result, all heads together."),
    _whole("RESULT_WORDS", 0x20, "constant", "Words in a result: 1 + CLASSES."),
    Register(
        "MODE",
        0x24,
        (
            Field("channel_mode", 0, 1, "constant", "0: frames one after another; 1: channels sample by sample."),
            Field("n_channels", 8, 8, "constant", "Channels that arrive round robin; 1 in frames mode."),
            Field("contexts", 16, 16, "constant", "Frames that the core works on at a time, K."),
        ),
        "How frames share the accelerator.",
    ),
    Register(
        "FORMAT",
        0x28,
        (
            Field("wire_frac", 0, 8, "constant", "Fraction bits of a wire word.", signed=True),
            Field("input_frac", 8, 8, "constant", "Fraction bits of the network's input.", signed=True),
            Field("input_bits", 16, 8, "constant", "Bits of the network's input."),
            Field("logit_frac", 24, 8, "constant", "Fraction bits of a logit.", signed=True),
        ),
        "Binary points.",
    ),
    Register(
        "FRAMES_PER_PACKET",
        0x30,
        (Field("frames_per_packet", 0, 32, "rw", "Results in a packet.", reset=1, minimum=1, strobe=True),),
        "Results until TLAST on m_axis. Writing it begins a new packet with the next result word 0.",
    ),
    Register(
        "INPUT_SHIFT",
        0x34,
        (Field("input_shift", 0, 8, "rw", "Left shift of wire words; negative attenuates.", reset=None, signed=True),),
        "Level of the input: value = raw * 2^(input_shift - wire_frac). Write it between frames.",
    ),
    _whole("FRAMES_IN", 0x40, "count", "Frames accepted, filled ones included."),
    _whole("FRAMES_OUT", 0x44, "count", "Results fetched."),
    _whole("FRAMING_ERRORS", 0x48, "count", "TLASTs that came inside a frame."),
    _whole("SATURATED", 0x50, "count", "Samples with I or Q outside the network's input range.", 64),
    _whole("CYCLES_BUSY", 0x58, "count", "Clock cycles with a frame inside, first sample to last result word.", 64),
    _whole("CYCLES_STALLED", 0x60, "count", "Clock cycles in which m_axis offered a word that nobody took.", 64),
)

#: Registers that an accelerator with automatic gain has behind them.
GAIN_TABLE: tuple[Register, ...] = (
    Register(
        "AUTOMATIC_GAIN",
        0x70,
        (Field("automatic_gain", 0, 1, "rw", "1: a frame is shifted by INPUT_SHIFT and its channel's gain together."),),
        "Gain of each channel, a power of two, from the level of its frame before. Write it between frames.",
    ),
    Register(
        "HIGHEST_GAIN",
        0x74,
        (Field("highest_gain", 0, 8, "rw", "Highest gain, a left shift.", reset=HIGHEST_GAIN, signed=True),),
        "Bounds what noise is amplified by while there is no signal. Write it between frames.",
    ),
    _whole("GAIN_CHANNEL", 0x78, "rw", "Channel that GAIN_SHIFT speaks of.", 8),
    Register(
        "GAIN_SHIFT",
        0x7C,
        (Field("gain_shift", 0, 8, "status", "Left shift of that channel's last sample.", signed=True),),
        "INPUT_SHIFT and gain together, -128 to 127.",
    ),
)


def table(automatic_gain: bool) -> tuple[Register, ...]:
    """Return the registers of an accelerator, in the order of offsets."""
    return TABLE + GAIN_TABLE if automatic_gain else TABLE


#: Every register by name.
REGISTERS: Mapping[str, Register] = {register.name: register for register in TABLE + GAIN_TABLE}
#: Byte offset by register name.
OFFSET: Mapping[str, int] = {name: register.offset for name, register in REGISTERS.items()}


def digest_words(digest: str) -> tuple[int, int]:
    """Return (DIGEST_LO, DIGEST_HI) of a graph's SHA-256 in hex."""
    return int(digest[8:16], 16), int(digest[:8], 16)
