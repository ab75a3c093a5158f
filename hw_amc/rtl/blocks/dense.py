"""Dense layers behind a whole frame: its vectors are kept, and a program works off some products a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Node
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.rtl.blocks.base import Resources, SlotTiming, Tensor, Wires, adder_cost, memory_cost
from hw_amc.rtl.blocks.lanes import table_luts
from hw_amc.rtl.blocks.recurrent import half
from hw_amc.rtl.control import DenseControl, ProgramStep
from hw_amc.rtl.verilog import constant, instance, library, packed, vector

#: Cycles from the flags of a frame's last vector to the first logit on the port, besides the steps up to it.
RESULT_CYCLES = 8
#: Idle steps between a group and the first that may read it.
DRAIN = 4


@dataclass(frozen=True)
class DenseStage:
    """A dense layer of the program."""

    node: ir.Dense
    source: Node
    #: Quantiser behind it; None for logits.
    rounded: ir.Quantize | None
    #: Where each input stands: (vector of the frame, element), or of a hidden layer (unit, -1).
    places: tuple[tuple[int, int], ...]
    #: Function of what is rounded; None where there is none.
    table: ir.Table | None = None

    @property
    def kept(self) -> Node:
        """What later layers read."""
        return self.table or self.rounded or self.node

    @property
    def units(self) -> int:
        """Outputs."""
        return self.node.shape[0]

    @property
    def shift(self) -> int:
        """Bits that the rounding cuts; 0 for logits."""
        return 0 if self.rounded is None else self.node.fmt.frac - self.rounded.fmt.frac


@dataclass(frozen=True)
class DenseProgram:
    """Keeps a frame's vectors and works off dense layers, heads last; takes the place of `PooledResults`."""

    prefix: str
    #: Hidden layers in order, then the heads.
    stages: tuple[DenseStage, ...]
    #: Elements of a vector.
    channels: int
    #: Vectors of a frame.
    vectors: int
    #: Bits of an element.
    element_bits: int
    #: Products a cycle.
    lanes: int

    @property
    def latency(self) -> int:
        """Cycles from the last vector of a frame to its first logit, sink ready."""
        step = 0
        for stage in self.stages:
            step += self._idle(stage)
            if stage.rounded is None:
                return RESULT_CYCLES + step + len(stage.places) - 1
            step += self._groups(stage) * len(stage.places)
        raise AssertionError("a program without logits")

    @property
    def cycles_per_result(self) -> int:
        """Cycles between results when frames finish faster; logits leave while the next group is worked on."""
        stall = left = 0
        for stage in self.stages:
            left = max(left - self._idle(stage), 0)
            for group in range(self._groups(stage)):
                left = max(left - len(stage.places), 0)
                if stage.rounded is None:
                    stall, left = stall + left, min(self.lanes, stage.units - group * self.lanes)
        return 1 + self.steps + stall

    def control(self, contexts: int) -> DenseControl:
        """Fresh state of the program's control."""
        program = list[ProgramStep]()
        for stage in self.stages:
            program += [ProgramStep()] * self._idle(stage)
            for group in range(self._groups(stage)):
                logits = min(self.lanes, stage.units - group * self.lanes) if stage.rounded is None else 0
                program += [ProgramStep()] * (len(stage.places) - 1) + [ProgramStep(True, logits)]
        return DenseControl(program)

    @property
    def words(self) -> int:
        """Logits of all heads."""
        return sum(stage.units for stage in self.stages if stage.rounded is None)

    @property
    def steps(self) -> int:
        """Steps of the program."""
        return sum(self._idle(stage) + self._groups(stage) * len(stage.places) for stage in self.stages)

    def _groups(self, stage: DenseStage) -> int:
        return -(-stage.units // self.lanes)

    @staticmethod
    def _idle(stage: DenseStage) -> int:
        return DRAIN if stage.places[0][1] < 0 else 0

    @cached_property
    def _bases(self) -> dict[str, int]:
        """First word of each hidden layer, by the name of its quantiser."""
        bases, word = {}, 0
        for stage in self.stages:
            if stage.rounded is not None:
                bases[stage.kept.name] = word
                word += self._groups(stage)
        return bases

    @property
    def _shift(self) -> int:
        """Bits that every hidden layer's rounding cuts: weights of the others are shifted up to it."""
        return max([0, *(stage.shift for stage in self.stages)])

    def _weights(self, stage: DenseStage) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Kernel and bias as the hardware has them."""
        up = self._shift - stage.shift if stage.rounded is not None else 0
        kernel = stage.node.kernel.astype(np.int64) << up
        bias = stage.node.scaled_bias(stage.source.fmt) << up
        return kernel, bias + (half(self._shift) if stage.rounded is not None else 0)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Bits by the names of amc_dense's parameters."""
        x, time = self.element_bits, max((self.vectors - 1).bit_length(), 1)
        hidden = sum(self._groups(stage) for stage in self.stages if stage.rounded is not None)
        weight, total = 2, 2
        for stage in self.stages:
            kernel, bias = self._weights(stage)
            low, high = ir.linear_range(kernel, bias, stage.source.fmt)
            least, most = int(kernel.min()), int(kernel.max())
            weight = max(weight, 1 + max(least.bit_length(), (~least).bit_length(), most.bit_length()))
            # Partial sums lie between the bias and what all positive or all negative products add to it.
            bound = int(np.abs(kernel).sum(axis=0).max()) * stage.source.fmt.max_abs + int(np.abs(bias).max())
            total = max(total, 1 + max(int(low.min()).bit_length(), int(high.max()).bit_length(), bound.bit_length()))
        return {
            "TIME": time,
            "X": x,
            "SELECT": max((max(self.channels, self.lanes) - 1).bit_length(), 1),
            "ADDRESS": max(time, (hidden - 1).bit_length(), 1),
            "WEIGHT": weight,
            "SUM": max(total, x + weight + 1, self._shift + x + 1),
            "COUNT": self.lanes.bit_length(),
            "INDEX": max((self.steps - 1).bit_length(), 1),
            "GROUP": max((sum(map(self._groups, self.stages)) - 1).bit_length(), 1),
        }

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        """Return the instances, which drive the result stream.

        Raises
        ------
        UnsupportedLayer
            There are several contexts.
        """
        if timing.contexts != 1:
            raise UnsupportedLayer(
                f"rtl: dense layers over a frame ({self.stages[0].node.name!r}) have one context; set contexts = 1"
            )
        w = self.widths
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "CHANNELS": self.channels,
            "LANES": self.lanes,
            "SHIFT": self._shift,
            "STEPS": self.steps,
            "GROUPS": sum(map(self._groups, self.stages)),
            **w,
            **self._table_parameters(),
        }
        program = {"step": "step", "step_enable": "step_enable", "word": "word"}
        program |= {"group": "group", "group_enable": "group_enable", "note": "note"}
        program = {"clk": "clk"} | {key: f"dense_{value}" for key, value in program.items()}
        ports = {"clk": "clk", "rst": "rst", "in_flags": source.flags, "in_data": source.data, **program}
        ports |= {"taken": "taken", "m_tdata": "m_tdata", "m_tvalid": "m_tvalid", "m_tready": "m_tready"}
        return "\n".join(
            [
                f"\n    wire {vector(w['INDEX'])} dense_step;\n    wire {vector(w['GROUP'])} dense_group;",
                "    wire dense_step_enable, dense_group_enable;",
                f"    wire {vector(self._word_bits)} dense_word;\n    wire {vector(self._note_bits)} dense_note;",
                instance(f"{self.prefix}_program", "dense_program", {}, program),
                instance("amc_dense", "dense", parameters, ports),
            ]
        )

    @property
    def _word_bits(self) -> int:
        return self.widths["SELECT"] + self.widths["ADDRESS"] + 4 + self.lanes * self.widths["WEIGHT"]

    @property
    def _note_bits(self) -> int:
        w = self.widths
        return 2 * w["X"] + w["COUNT"] + w["ADDRESS"] + self._choice_bits + self.lanes * w["SUM"]

    @cached_property
    def _tables(self) -> list[DenseStage]:
        """Layers with a function behind them."""
        return [stage for stage in self.stages if stage.table is not None]

    @property
    def _choice_bits(self) -> int:
        return len(self._tables).bit_length()

    @property
    def _table_bits(self) -> int:
        """Bits of the widest input of a table."""
        return max(stage.rounded.fmt.bits for stage in self._tables if stage.rounded is not None)

    def _table_parameters(self) -> dict[str, int | str]:
        """Tables one after the other behind an empty one, each addressed by the low bits of what is rounded."""
        if not self._tables:
            return {}
        words, count = list[int](), 1 << self._table_bits
        for stage in self._tables:
            assert stage.table is not None  # it is one of `_tables`
            assert stage.rounded is not None
            fmt, values = stage.rounded.fmt, stage.table.table
            integers = (raw - count if fmt.signed and raw >= count // 2 else raw for raw in range(count))
            words += [int(values[raw - fmt.min_raw]) if fmt.holds(raw) else 0 for raw in integers]
        return {
            "TABLES": len(self._tables),
            "TABLE_IN": self._table_bits,
            "CHOICE": self._choice_bits,
            "TABLE": packed([0] * count + words, self.widths["X"]),
        }

    def files(self) -> dict[str, str]:
        """Modules that `emit` instantiates."""
        return library("amc_dense") | {f"{self.prefix}_program.v": self._program()}

    def _program(self) -> str:
        """Text of the module that holds the program."""
        words, notes = list[int](), list[int]()
        for stage in self.stages:
            words += [0] * self._idle(stage)
            for group in range(self._groups(stage)):
                words += self._words(stage, group)
                notes.append(self._note(stage, group))
        tables = []
        for name, values, bits in (("words", words, self._word_bits), ("notes", notes, self._note_bits)):
            rows = "".join(f"        {name}[{i}] = {constant(value, bits)};\n" for i, value in enumerate(values))
            tables.append(f"    reg {vector(bits)} {name}[0:{len(values) - 1}];\n    initial begin\n{rows}    end\n")
        return _PROGRAM.format(
            name=f"{self.prefix}_program",
            layers=", ".join(stage.node.name for stage in self.stages),
            index=vector(self.widths["INDEX"]),
            word=vector(self._word_bits),
            group=vector(self.widths["GROUP"]),
            note=vector(self._note_bits),
            tables="".join(tables),
        )

    def _words(self, stage: DenseStage, group: int) -> list[int]:
        w, (kernel, _) = self.widths, self._weights(stage)
        columns = kernel[:, group * self.lanes : (group + 1) * self.lanes]
        words = []
        for row, (place, element) in enumerate(stage.places):
            hidden = element < 0
            address = self._bases[stage.source.name] + place // self.lanes if hidden else place
            word = place % self.lanes if hidden else element
            word |= address << w["SELECT"]
            flags = hidden | (row == 0) << 1 | (row == len(stage.places) - 1) << 2 | (stage.rounded is None) << 3
            word |= flags << (w["SELECT"] + w["ADDRESS"])
            weights = _integer((int(weight) for weight in columns[row]), w["WEIGHT"])
            words.append(word | weights << (w["SELECT"] + w["ADDRESS"] + 4))
        return words

    def _note(self, stage: DenseStage, group: int) -> int:
        w, (_, bias) = self.widths, self._weights(stage)
        mine = bias[group * self.lanes : (group + 1) * self.lanes]
        note = 0
        if stage.rounded is not None:
            fmt = stage.rounded.fmt
            note = _integer((fmt.min_raw, fmt.max_raw), w["X"])
            note |= (self._bases[stage.kept.name] + group) << (2 * w["X"] + w["COUNT"])
        note |= len(mine) << (2 * w["X"])
        above = 2 * w["X"] + w["COUNT"] + w["ADDRESS"]
        if stage.table is not None:
            note |= (1 + self._tables.index(stage)) << above
        return note | _integer(map(int, mine), w["SUM"]) << (above + self._choice_bits)

    def model(self, x: NDArray[np.integer]) -> Tensor:  # type: ignore[type-arg]
        """Integer model: one frame (vectors, channels) -> logits (words,)."""
        frame, hidden, logits = np.asarray(x, np.int64), dict[str, Tensor](), list[Tensor]()
        for stage in self.stages:
            rows, elements = (list(part) for part in zip(*stage.places, strict=True))
            inputs = frame[rows, elements] if elements[0] >= 0 else hidden[stage.source.name][rows]
            total = inputs @ stage.node.kernel.astype(np.int64) + stage.node.scaled_bias(stage.source.fmt)
            if stage.rounded is None:
                logits.append(total)
            else:
                kept = np.asarray(requantize(total, stage.node.fmt.frac, stage.rounded.fmt))
                if stage.table is not None:
                    kept = stage.table.table.astype(np.int64)[kept - stage.rounded.fmt.min_raw]
                hidden[stage.kept.name] = kept
        return np.concatenate(logits)

    def cost(self, timing: SlotTiming) -> Resources:
        """Frames and program in block RAM, a multiplier and an accumulator a lane, the element's multiplexer."""
        w = self.widths
        blocks = -(-self._word_bits // 72) * -(-self.steps // 512) + 0.5 * -(-self._note_bits // 36)
        frames = -(-(self.channels * w["X"]) // 72) * -(-(2 << w["TIME"]) // 512)
        select = w["X"] * (-(-self.channels // 4) + -(-self.lanes // 4))
        lane = adder_cost(w["SUM"]) + Resources(lut=3 * w["X"], ff=w["X"] + 3 * w["WEIGHT"] + 4 * w["SUM"], dsp=1)
        hidden = memory_cost(self.lanes * w["X"], 1 << w["ADDRESS"])
        if self._tables:
            lane += Resources(lut=table_luts(self._table_bits, w["X"]) * len(self._tables))
        control = Resources(lut=select + 80, ff=(self.channels + self.lanes) * w["X"] + 100, bram36=blocks + frames)
        return lane * self.lanes + hidden + control


def _integer(values: object, bits: int) -> int:
    """Several integers as one, element 0 in the lowest bits."""
    return int(packed(values, bits).split("'h")[1], 16)  # type: ignore[arg-type]


def choose_lanes(stages: tuple[DenseStage, ...], cycles: int) -> int:
    """Products a cycle: the fewest that work a frame off in `cycles`, or one for each unit of the widest layer."""
    widest = max(stage.units for stage in stages)
    for lanes in range(1, widest):
        steps = sum(DRAIN + -(-stage.units // lanes) * len(stage.places) for stage in stages)
        if steps < cycles:
            return lanes
    return widest


def element_format(formats: list[FixedFormat]) -> FixedFormat:
    """Signed integers that hold every one of these formats' integers."""
    return FixedFormat(max(fmt.bits + (not fmt.signed) for fmt in formats), 0)


_PROGRAM = """\
// {name}: the program of amc_dense for {layers}: a word a step, a note a group.
module {name} (
    input  clk,
    input  {index} step,
    input  step_enable,
    output reg {word} word,
    input  {group} group,
    input  group_enable,
    output reg {note} note
);
{tables}    always @(posedge clk) begin
        if (step_enable) word <= words[step];
        if (group_enable) note <= notes[group];
    end
endmodule
"""
