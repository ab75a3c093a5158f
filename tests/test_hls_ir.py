"""The core as hardware: every pragma is understood, and clang's IR has the multipliers, memories and loops planned."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import Any

import deployed
import hls_ir
import hls_pragmas
import numpy as np
import pytest

from hw_amc import compress, hls, tools
from hw_amc.config import LayerHls
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import csim, ops
from hw_amc.hls.estimate.whole import legal_reuse_factors
from hw_amc.hls.streams import CoreStreams, network_name
from hw_amc.verify import equality

PART = "xc7z020clg400-1"
FRAMES = deployed.wire_frames(4)
CODE, TYPES, LOOPS = "firmware/products.h", "firmware/hw_amc_types.h", "firmware/hw_amc_recurrent.h"

#: Multipliers shared below, at and above the fan-in.
SHARED = {
    "gru": LayerHls(reuse_factor=18),
    "gru_affine": LayerHls(reuse_factor=2),
    "conv1": LayerHls(reuse_factor=9),
    "conv2": LayerHls(reuse_factor=48),
    "head": LayerHls(reuse_factor=5),
}
#: Adder graphs, literals, a GRU's cells in lanes; pools of its own.
CASES: dict[str, tuple[str, dict[str, LayerHls]]] = {
    "shared": ("Vitis", SHARED),
    "adders": ("Vivado", {}),
    "lanes": ("Vivado", {"gru": LayerHls(strategy="latency", cells_reuse_factor=4)}),
    "pools": (
        "Vitis",
        {
            "gru": LayerHls(reuse_factor=4, recurrent_reuse_factor=6),
            "conv1": LayerHls(reuse_factor=9, dsp_multipliers=2),
        },
    ),
}


def write(folder: Path, model: Any, graph: Graph, backend: str, layers: dict[str, LayerHls]) -> dict[str, Any]:
    tensors = golden.run(graph, FRAMES, [node.name for node in graph.nodes[1:]])
    heads = {name: tensors[name] for name in graph.outputs}
    hls.build_project(model, graph, hls.Target(backend, PART, 8.0, layers), FRAMES, heads).write(folder)
    return tensors


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Graph]:
    return deployed.build("random", tmp_path_factory.mktemp("small") / "weights.h5")


@pytest.fixture(scope="module")
def projects(small: tuple[Any, Graph], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small network, written in each way."""
    folders = {}
    for name, (backend, layers) in CASES.items():
        folders[name] = tmp_path_factory.mktemp("ir") / name
        write(folders[name], *small, backend, layers)
    return folders


def planned(graph: Graph, layers: dict[str, LayerHls]) -> dict[str, int]:
    """Multiplications of two variables by layer."""
    return {
        node.name: ops.find(node).multiplications(ops.LayerBuild.of(graph, node.name, layers.get(node.name)))
        for node in CoreStreams.of(graph).layers
    }


def require_hardware(folder: Path, graph: Graph, layers: dict[str, LayerHls], clang: str) -> hls_ir.Core:
    core = hls_ir.compile_core(folder, clang)
    assert core.problems() == []
    counted = {name: hls_ir.multiplications(process) for name, process in core.processes.items()}
    wanted = planned(graph, layers)
    assert {name: counted[name] for name in wanted} == wanted
    assert set(counted) - set(wanted) == {name for name in counted if "_copy" in name}
    return core


@hls_ir.every_clang
@pytest.mark.parametrize("case", CASES)
def test_the_ir_is_the_planned_hardware(
    small: tuple[Any, Graph], projects: dict[str, Path], case: str, clang: str
) -> None:
    require_hardware(projects[case], small[1], CASES[case][1], clang)


@hls_ir.every_clang
def test_branches_and_heads_are_the_planned_hardware(tmp_path: Path, clang: str) -> None:
    model = deployed.fill(deployed.residual_model(), "random")
    graph = build_graph(model, "residual", (("a", "b", "c"), ("d", "e")))
    layers = {"body": LayerHls(reuse_factor=16), "head3": LayerHls(reuse_factor=4)}
    write(tmp_path, model, graph, "Vitis", layers)
    core = require_hardware(tmp_path, graph, layers, clang)
    assert {name for name in core.processes if "_copy" in name} == {"stem_q_copy1", "most_copy1"}


@pytest.mark.parametrize("source", ["network", "core"])
@pytest.mark.parametrize("case", CASES)
def test_every_pragma_is_one_of_the_tools(
    small: tuple[Any, Graph], projects: dict[str, Path], case: str, source: str
) -> None:
    name = network_name(small[1]) if source == "network" else "hw_amc_core"
    text = hls_ir.preprocess(projects[case], f"firmware/{name}.cpp")
    assert hls_pragmas.problems(text, CASES[case][0]) == []
    assert hls_pragmas.count(text) > (40 if source == "network" else 5)


def changed(folder: Path, source: Path, file: str, old: str, new: str) -> Path:
    """Copy a project with the first place of a text changed."""
    shutil.copytree(source, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return folder


#: Change that leaves the C++ right, or nearly, and makes other hardware -> file, old text, new text, what is said.
CHANGES = {
    "a result goes to a register chosen at run time": (
        CODE, "if (position == 0) cells[", "cells[position + ", "gru: array fresh.* run-time index"
    ),
    "an accumulator is chosen at run time": (
        TYPES, "sums[bank] = accumulate", "sums[(bank + r) % banks] = accumulate", "array .* run-time index"
    ),
    "registers are read in a loop that stays one": (
        TYPES, "        #pragma HLS UNROLL\n        sums[bank] =", "        sums[bank] =", "gru: array .* run-time"
    ),
    "a ROM of one port is read twice": (
        CODE, ", weights0[r])", ", weights0[r] + weights0[(r + 3) % 9])", "gru_product::weights0 is read 2 times"
    ),
    "biases of all banks lie in one memory": (
        CODE, "#pragma HLS ARRAY_PARTITION variable=bias complete dim=1", "", "gru_product::bias is read 4 times"
    ),
    "the state is written where it is read": (
        LOOPS,
        "recurrent_cells<CONFIG_T, product>(product::position(r), members, operands, fresh);",
        "{ recurrent_cells<CONFIG_T, product>(product::position(r), members, operands, fresh);"
        " operands[CONFIG_T::inputs] = extend<typename CONFIG_T::operand_raw_t>(fresh[0]); }",
        "gru: a turn of .* waits for the one before through mul",
    ),
}  # fmt: skip


@hls_ir.every_clang
@pytest.mark.parametrize("change", CHANGES)
def test_other_hardware_is_found(projects: dict[str, Path], tmp_path: Path, change: str, clang: str) -> None:
    file, old, new, said = CHANGES[change]
    folder = changed(tmp_path / "changed", projects["shared"], file, old, new)
    problems = hls_ir.compile_core(folder, clang).problems()
    assert re.search(said, "; ".join(problems))


@hls_ir.every_clang
def test_a_multiplication_too_many_is_found(
    small: tuple[Any, Graph], projects: dict[str, Path], tmp_path: Path, clang: str
) -> None:
    old, new = ", weights0[r])", " * weights0[r], weights0[r])"
    folder = changed(tmp_path / "changed", projects["shared"], CODE, old, new)
    found = hls_ir.multiplications(hls_ir.compile_core(folder, clang).processes["gru"])
    assert found == planned(small[1], SHARED)["gru"] + 1


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (LOOPS, "#pragma HLS DATA_PACK variable=out", "#pragma HLS DATA_PACK out = out", "its options are none"),
        (LOOPS, "variable=fresh complete", "variable=fresher complete", "no fresher is declared above it"),
        (LOOPS, "#pragma HLS LOOP_FLATTEN off", "#pragma HLS BIND_OP variable=fresh op=mul impl=dsp", "no such direc"),
        (TYPES, "core=DSP48", "core=DSP", "its options are none"),
        (TYPES, "        #pragma HLS UNROLL\n", "        int n;\n        #pragma HLS UNROLL\n", "beginning of a loop"),
    ],
)  # fmt: skip
def test_a_pragma_that_no_tool_reads_is_found(
    small: tuple[Any, Graph], projects: dict[str, Path], tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    folder = changed(tmp_path / "changed", projects["lanes"], file, old, new)
    text = hls_ir.preprocess(folder, f"firmware/{network_name(small[1])}.cpp")
    problems = hls_pragmas.problems(text, "Vivado")
    assert problems
    assert all(said in problem for problem in problems)


def simulate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> csim.CSim:
    """The C simulation with the IR's types."""
    monkeypatch.setitem(csim.BATCH, "ir", 4)
    library = folder / "ir.so"
    flags = ["-O1", "-std=c++17", "-w", "-shared", "-fPIC"]
    started = time.perf_counter()
    tools.run([hls_ir.CLANGS[0], *flags, f"-I{hls_ir.IR}", f"-I{hls_ir.NUMBERS}", csim.SOURCE, "-o", library], folder)
    library.with_suffix(csim.SECONDS).write_text(str(time.perf_counter() - started))
    return csim.CSim(folder, "ir", library)


@pytest.mark.parametrize("case", ["shared", "lanes"])
def test_the_types_of_the_ir_are_exact(
    small: tuple[Any, Graph], projects: dict[str, Path], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """What is checked is the same network: its integers are golden's in every layer."""
    graph = small[1]
    tensors = golden.run(graph, FRAMES, [node.name for node in graph.nodes[1:]])
    got = simulate(projects[case], monkeypatch).run(FRAMES, list(tensors), workers=1)
    equality.require_equal(graph, ("golden", "ir"), tensors, got)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_bench_runs_under_sanitizers(small: tuple[Any, Graph], projects: dict[str, Path], case: str) -> None:
    """No index outside an array, no shift too far, no use of memory that is gone: of our text, in the tools' types."""
    network = f"firmware/{network_name(small[1])}.cpp"
    flags = ["-O1", "-g", "-std=c++14", "-w", "-fwrapv", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = ["hw_amc_test.cpp", "firmware/hw_amc_core.cpp", network]
    tools.run(["g++", *flags, "-Ifirmware/ap_types", *sources, "-o", "sanitized"], projects[case])
    assert f"PASS: {len(FRAMES)} frames" in tools.run([projects[case] / "sanitized"], projects[case])


COMMITTED = Path(__file__).parents[1] / "hls_projects" / "gru_cnn_sparse07"


#: Reuse factor and release; at 2, release 19 makes one multiplication of the two of both rounds here and there.
WHOLE = [
    (factor, clang)
    for factor in (1, 2, 8, 40, 80, 160, 400)
    for clang in hls_ir.CLANGS
    if (factor, clang) != (2, "clang++-19")
]


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "clang"), WHOLE)
def test_the_committed_network_is_the_planned_hardware(tmp_path: Path, factor: int, clang: str) -> None:
    graph, model = Graph.load(COMMITTED), compress.load_deployed(COMMITTED / "weights.h5")
    layers = {
        node.name: LayerHls(reuse_factor=max(f for f in legal_reuse_factors(graph, node) if f <= factor))
        for node in graph.nodes[1:]
        if node.arrays()
    }
    frames = np.zeros((1, *graph.input.shape), np.int16)
    target = hls.Target("Vitis", PART, 8.0, layers)
    hls.build_project(model, graph, target, frames, golden.run(graph, frames)).write(tmp_path)
    require_hardware(tmp_path, graph, layers, clang)
