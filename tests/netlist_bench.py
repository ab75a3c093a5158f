"""What Yosys makes of a core in the part's own cells, simulated with Yosys' models of them, against golden.

`python tests/netlist_bench.py gru_cnn_sparse07 --cycles 10 --out docs/results/netlist-gru_cnn_sparse07.json` maps and
simulates a whole model, over frames of 16 samples: a longer frame has a deeper buffer and wider counters, no other
logic.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from networks import random_frames
from rtl_bench import Traffic, check_rhythm, compile_bench, core_samples

from hw_amc import graph as ir
from hw_amc.config import RtlSettings
from hw_amc.graph import Graph, Node, golden
from hw_amc.graph.ops.pool import mean_format
from hw_amc.parts import FAMILIES, Family
from hw_amc.rtl import RtlCore, build_core
from hw_amc.sources import Sources
from hw_amc.synth.yosys import run_yosys, synthesis

PROJECTS = Path(__file__).parents[1] / "hls_projects"
#: Yosys has no model of block RAM (7 series: ports without a memory behind them), and none of UltraScale+'s DSP48E2.
WITHOUT = {"xc7": ("-nobram",), "xcup": ("-nodsp", "-nobram")}
#: The net alone, no buffers of pins and clocks.
BARE = ("-noiopad", "-noclkbuf")
#: Source and sink that pause at random, and such as never do.
TRAFFIC = {"uneven": Traffic(busy=0.6, ready=0.3), "full": Traffic()}


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Processor seconds of the programs that run inside; the most memory that one has taken by then, in GB."""
    figures: dict[str, float] = {}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield figures
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures["cpu_s"] = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)
    figures["memory_gb"] = round(after.ru_maxrss / 1e6, 2)


def cell_models() -> str:
    """Yosys' models of a part's cells."""
    spec = importlib.util.find_spec("pyosys")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "share" / "xilinx" / "cells_sim.v").read_text()


def map_core(core: RtlCore, script: list[str], family: Family, folder: Path) -> RtlCore:
    """Synthesise: the core with its netlist, and Yosys' models of the cells, in place of its Verilog."""
    # To Verilator, a wire that nothing drives is zero.
    script = [*script, "check -assert", "write_verilog -noattr -noexpr netlist.v"]
    run_yosys(core.sources, folder, script, family.defines)
    netlist = (folder / "netlist.v").read_text()
    assert "RAMB" not in netlist, "block RAM has no model"
    return replace(core, sources=Sources({"netlist.v": netlist, "cells.v": cell_models()}))


def count_cells(netlist: RtlCore) -> dict[str, int]:
    """Cells of a mapped core by type."""
    found = re.findall(r"^  ([A-Z]\w+) (?:#\(|\S+ +\()", netlist.sources.files["netlist.v"], re.M)
    return dict(sorted(Counter(found).items()))


def check(
    netlist: RtlCore, graph: Graph, folder: Path, simulator: str = "icarus", runs: int = 1
) -> dict[str, dict[str, float]]:
    """Golden's logits with uneven traffic, and at full speed each in its cycle; what that took.

    In each run every context of the core has two frames.
    """
    raw = random_frames(np.random.default_rng(5), graph, runs * 2 * netlist.contexts)
    want = golden.run(graph, raw)["head"].reshape(runs, -1)
    words = core_samples(graph, raw, netlist).reshape(runs, -1)
    with counted() as compiling:
        bench = compile_bench(netlist, words[0], want[0].size, folder, TRAFFIC["uneven"], simulator)
    told = {"compile": compiling}
    for name, traffic in TRAFFIC.items():
        cycles = 0
        with counted() as told[name]:
            for sent, logits in zip(words, want, strict=True):
                bench.give(sent, traffic)
                run = bench.run()
                np.testing.assert_array_equal(run.words, logits)
                cycles += run.word_cycles[-1]
                if name == "full":
                    check_rhythm(netlist, run)
        told[name]["cycles"] = cycles
    return told


def shortened(graph: Graph, frame_len: int) -> Graph:
    """The same layers over shorter frames; the format of the mean over a frame follows."""
    nodes = dict[str, Node]()
    for node in graph.nodes:
        shape = node.shape
        if len(shape) > 1:
            shape = (shape[0] * frame_len // graph.frame_len, *shape[1:])
        source = nodes[node.inputs[0]] if node.inputs else node
        is_mean = isinstance(node, ir.GlobalAvgPool1d)
        fmt = mean_format(source.fmt, source.shape[0]) if is_mean else node.fmt
        nodes[node.name] = replace(node, shape=shape, fmt=fmt)
    return replace(graph, nodes=tuple(nodes.values()))


def check_model(model: str, cycles: int, family: Family, folder: Path, runs: int) -> dict[str, Any]:
    """Map a model's core and check its netlist by Verilator: Icarus takes too long for 100,000 cells."""
    graph = shortened(Graph.load(PROJECTS / model), 16)
    core = build_core(graph, RtlSettings(cycles_per_step=cycles))
    script = synthesis(family.yosys, core.name, (*BARE, *WITHOUT[family.yosys]))
    with counted() as mapping:
        netlist = map_core(core, script, family, folder / "synth")
    told = check(netlist, graph, folder / "sim", "netlist", runs)
    return {
        "R": cycles,
        "K": core.contexts,
        "samples": core.frame_len,
        "family": family.yosys,
        "cells": count_cells(netlist),
        "frames": runs * 2 * core.contexts,
        "mismatches": 0,  # one would have ended it
        "phases": {"map": mapping, **told},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--cycles", type=int, default=1, help="R")
    parser.add_argument("--family", choices=sorted(WITHOUT), default="xc7")
    parser.add_argument("--runs", type=int, default=20, help="each of two frames for every context")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    family = next(known for known in FAMILIES if known.yosys == chosen.family)
    with tempfile.TemporaryDirectory(prefix="hw_amc_netlist_") as folder:
        found = check_model(chosen.model, chosen.cycles, family, Path(folder), chosen.runs)
    told = {
        "date": f"{date.today()}",
        "kind": "measured",
        "command": " ".join(["python", *sys.argv]),
        "versions": {name: metadata.version(name) for name in ("pyosys", "verilator")},
        **found,
    }
    text = json.dumps({"schema": 1, "netlist": told}, indent=1) + "\n"
    print(text)
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
