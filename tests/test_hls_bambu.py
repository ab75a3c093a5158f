"""The core for bambu: its dialect simulated by clang, its reports and Verilog, and the compiler itself where it is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import deployed
import hls_ir
import numpy as np
import pytest
from shell_farm import BOARD
from tensorflow import keras

from hw_amc import hls, tools
from hw_amc.config import LayerHls, ProjectSettings
from hw_amc.cosim.model import Plan, run_fast
from hw_amc.errors import DataError, ToolFailed, UnsupportedLayer
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import backends, csim, lanes, reports, vendor
from hw_amc.rtl.hls_core import load_hls_core
from hw_amc.rtl.shell.accelerator import build_accelerator
from hw_amc.verify.results import golden_logits

PART = "xc7z020clg400-1"
DATA = Path(__file__).parent / "data" / "hls" / "bambu"
FRAMES = deployed.wire_frames(4)

#: Multipliers shared below, at and above the fan-in.
SHARED = {
    "gru": LayerHls(reuse_factor=18),
    "gru_affine": LayerHls(reuse_factor=2),
    "conv1": LayerHls(reuse_factor=9),
    "conv2": LayerHls(reuse_factor=48),
    "head": LayerHls(reuse_factor=5),
}


def dense_model() -> Any:
    """The smallest network that goes all the way."""
    x = inputs = keras.Input((8, 2), name="frames")
    x = deployed.act("input_quant", 8, 1)(x)
    x = deployed.relu("body_q", 6, 1)(deployed.dense("body", 3)(x))
    x = keras.layers.GlobalAveragePooling1D(name="mean")(x)
    return deployed.fill(keras.Model(inputs, deployed.dense("head", 3)(x)), "random")


def write(folder: Path, model: Any, graph: Graph, frames: np.ndarray, layers: dict[str, LayerHls]) -> np.ndarray:
    """Write a project; returns the logits."""
    tensors = golden.run(graph, frames, list(graph.outputs))
    hls.build_project(model, graph, hls.Target("Bambu", PART, 8.0, layers), frames, tensors).write(folder)
    return np.concatenate([tensors[name] for name in graph.outputs], axis=1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Graph]:
    return deployed.build("random", tmp_path_factory.mktemp("small") / "weights.h5")


@pytest.fixture(scope="module")
def project(small: tuple[Any, Graph], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """The small network with shared multipliers, and its logits."""
    folder = tmp_path_factory.mktemp("bambu") / "shared"
    return folder, write(folder, *small, FRAMES, SHARED)


def simulate(folder: Path, frames: int, steps: int) -> np.ndarray:
    """Logits of the bench's frames by the processes, with queues for channels."""
    sizes = [f"-DFRAMES={frames}", f"-DSTEPS={steps}", "-D__SYNTHESIS__"]
    paths = [f"-I{DATA}", f"-I{folder}/bambu", f"-I{folder}/firmware"]
    command = [hls_ir.CLANGS[0], "-O1", "-std=c++17", "-w", *sizes, *paths, DATA / "simulate.cpp", "-o", "processes"]
    tools.run(command, folder)
    samples = np.loadtxt(folder / "tb_data" / "samples.dat", np.int64)
    (folder / "words").write_text("\n".join(map(str, (samples[:, 0] & 255) | (samples[:, 1] & 255) << 8)))
    said = tools.run(["sh", "-c", "./processes < words"], folder)
    return np.array(said.split(), np.int64).reshape(frames, -1)


def test_the_processes_are_exact(project: tuple[Path, np.ndarray]) -> None:
    """Packing into words of 64 bits, several to an element, included."""
    folder, logits = project
    assert np.array_equal(simulate(folder, len(FRAMES), 16), logits)


def test_adder_graphs_as_processes_are_exact(small: tuple[Any, Graph], tmp_path: Path) -> None:
    logits = write(tmp_path, *small, FRAMES, {})
    assert np.array_equal(simulate(tmp_path, len(FRAMES), 16), logits)


def test_the_c_simulation_reads_the_same_text(small: tuple[Any, Graph], project: tuple[Path, np.ndarray]) -> None:
    folder, logits = project
    assert np.array_equal(csim.build(folder, "native").run(FRAMES, workers=1)["head"], logits)


def test_pragmas_are_bambus(project: tuple[Path, np.ndarray]) -> None:
    """In the common text only clang's; in its own, where they stand."""
    folder, _ = project
    for path in (*(folder / "firmware").glob("*.h"), *(folder / "firmware").glob("*.cpp")):
        assert "#pragma HLS" not in path.read_text(), path.name
    core = (folder / "bambu" / "core.cpp").read_text()
    lines = [line.strip() for line in core.splitlines() if "#pragma HLS" in line]
    assert lines == [
        "#pragma HLS interface port=samples mode=axis", "#pragma HLS interface port=logits mode=axis",
        "#pragma HLS dataflow",
    ]  # fmt: skip
    assert "process_gru(frame, gru_out);" in core
    assert "process_pack(head0, words);\n    process_logits(words, logits);" in core
    types = (folder / "firmware" / "hw_amc_types.h").read_text()
    assert "    #pragma clang loop unroll(full)\n    for (int bank = 0; bank < banks; bank++) {\n        sums" in types


def test_a_join_that_its_fifos_cannot_hold_is_refused() -> None:
    model = deployed.fill(deployed.residual_model(), "random")
    graph = build_graph(model, "residual", (("a", "b", "c"), ("d", "e")))
    tensors = golden.run(graph, FRAMES, list(graph.outputs))
    with pytest.raises(UnsupportedLayer, match=r"sum: the FIFO from 'stem_q' must hold \d+ elements .* bambu's hold 3"):
        hls.build_project(model, graph, hls.Target("Bambu", PART, 8.0, {}), FRAMES, tensors)


def test_a_lane_without_a_first_cell_loads_another_one() -> None:
    """Exchanges of cells may leave the empty place first; the text named a cell called None."""
    text = "\n".join(lanes.functions(((0, 1), (None, 2), (None, None))))
    assert "None" not in text
    assert "lanes[1] = choose(position >> 0 & 1, cells[2], cells[2]);" in text
    assert "lanes[2] = choose(position >> 0 & 1, cells[0], cells[0]);" in text


#: As bambu prints it, shortened.
LOG = """
  State Transition Graph Information of function _ZL11process_gruR10ac_channelItERS_IyE:
    Number of states: 31

  Module binding information for function _ZL11process_gruR10ac_channelItERS_IyE:
    Total estimated area: 29346
    Estimated number of DSPs: 9
  Total number of flip-flops in function _ZL11process_gruR10ac_channelItERS_IyE: 1835

  State Transition Graph Information of function hw_amc_core:
    Number of states: 3
    Estimated number of DSPs: 0
"""


def test_the_log_is_read() -> None:
    found = reports.parse_bambu(LOG)
    assert found == {
        "ff": 1835, "dsp": 9, "blocks": [{"name": "gru", "states": 31, "area": 29346, "dsp": 9, "ff": 1835}]
    }  # fmt: skip
    for damaged in ("", LOG.replace("Number of states: 31", "")):
        with pytest.raises(DataError, match=r"run csynth.sh again"):
            reports.parse_bambu(damaged)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that with the system's is all of PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return programs


def test_a_stand_in_is_run_and_its_log_kept(project: tuple[Path, np.ndarray], path: Path) -> None:
    folder, _ = project
    assert vendor.run(folder, "Bambu") is None
    assert backends.find("bambu").absence == "bambu is not on PATH: csynth did not run"
    program = path / "bambu"
    program.write_text(f"#!/bin/sh\necho \"$@\" > called\ncat <<'END'\n{LOG}END\n")
    program.chmod(0o755)
    outcome = vendor.run(folder, "Bambu")
    assert outcome is not None
    assert outcome.figures["csim"]["mismatches"] == 0
    assert outcome.figures["csynth"]["dsp"] == 9
    called = (folder / vendor.SOLUTION / "syn" / "verilog" / "called").read_text()
    assert "core.cpp" in called
    assert "--top-fname=hw_amc_core --generate-interface=INFER" in called
    program.write_text("#!/bin/sh\necho 'error -> no such thing'\nexit 1\n")
    with pytest.raises(ToolFailed, match="no such thing"):
        vendor.run(folder, "Bambu", ["csynth"])


#: The shape of bambu's Verilog: a memory's table is a parameter that modules hand on.
VERILOG = """
module inner(clock, out1);
  parameter MEMORY_INIT_file="array_a.mem", n_elements=2;
  input clock;
  output [7:0] out1;
  reg [7:0] memory [0:n_elements-1];
  initial
  begin
    if (MEMORY_INIT_file != "")
      $readmemb(MEMORY_INIT_file, memory, 0, n_elements-1);
  end
  assign out1 = memory[1];
endmodule
module outer(clock, out1);
  parameter MEMORY_INIT_file="array_a.mem", n_elements=2;
  input clock;
  output [7:0] out1;
  inner #(.MEMORY_INIT_file(MEMORY_INIT_file), .n_elements(n_elements)) one (.clock(clock), .out1(out1));
endmodule
module unused(clock, out1);
  parameter MEMORY_INIT_file="array_a.mem";
  input clock;
  output [7:0] out1;
  inner #(.MEMORY_INIT_file(clock ? MEMORY_INIT_file : "")) one (.clock(clock), .out1(out1));
endmodule
module banks(clock, out1);
  parameter MEMORY_INIT_file="array_a.mem", n_elements=2;
  input clock;
  output [15:0] out1;
  generate
  genvar ii1;
    for (ii1=0; ii1<2; ii1=ii1+1)
    begin : L1
      inner #(
        .MEMORY_INIT_file(ii1 == 0 ? MEMORY_INIT_file : ""),
        .n_elements(n_elements)
      ) one (.clock(clock), .out1(out1[8*ii1+:8]));
    end
  endgenerate
endmodule
module halves(clock, out1);
  parameter MEMORY_INIT_file_a="array_a.mem", MEMORY_INIT_file_b="array_b.mem";
  input clock;
  output [15:0] out1;
  inner #(.MEMORY_INIT_file(MEMORY_INIT_file_a), .n_elements(2)) even (.clock(clock), .out1(out1[7:0]));
  inner #(.MEMORY_INIT_file(MEMORY_INIT_file_b), .n_elements(2)) odd (.clock(clock), .out1(out1[15:8]));
endmodule
module hw_amc_core(clock, reset, start_port, samples_TDATA, samples_TVALID, samples_TREADY, logits_TDATA,
  logits_TVALID, logits_TREADY, done_port);
  input clock;
  input reset;
  input start_port;
  input [15:0] samples_TDATA;
  input samples_TVALID;
  output samples_TREADY;
  output [31:0] logits_TDATA;
  output logits_TVALID;
  input logits_TREADY;
  output done_port;
  wire [7:0] a, b;
  outer #(.MEMORY_INIT_file("first.mem"), .n_elements(2)) x (.clock(clock), .out1(a));
  outer #(.MEMORY_INIT_file("other.mem"), .n_elements(2)) y (.clock(clock), .out1(b));
  wire [15:0] c;
  banks #(.MEMORY_INIT_file("third.mem"), .n_elements(2)) z (.clock(clock), .out1(c));
  wire [15:0] d;
  halves #(.MEMORY_INIT_file_a("first.mem"), .MEMORY_INIT_file_b("other.mem")) w (.clock(clock), .out1(d));
  assign logits_TDATA = {c, a, b} ^ d;
endmodule
"""


def test_memories_of_bambu_hold_their_words(tmp_path: Path) -> None:
    graph = build_graph(dense_model(), "dense", (tuple("abc"),))
    (tmp_path / "hw_amc_core.v").write_text(VERILOG)
    (tmp_path / "first.mem").write_text("00000001\n00000011\n")
    (tmp_path / "other.mem").write_text("00000111\n10000000\n")
    (tmp_path / "third.mem").write_text("00000001\n01000000\n")
    core = load_hls_core(tmp_path, graph)
    text = core.sources.files["hw_amc_core.v"]
    assert "readmem" not in text
    assert "module unused" not in text
    assert "outer__first #(" in text
    assert "memory[1] = 8'b00000011;" in text
    assert "memory[1] = 8'b10000000;" in text
    assert re.search(r'inner__third #\(\s*\.MEMORY_INIT_file\(ii1 == 0 \? "third.mem" : ""\)', text)
    assert 'halves__first__other #(.MEMORY_INIT_file_a("first.mem"), .MEMORY_INIT_file_b("other.mem"))' in text
    assert 'inner__first #(.MEMORY_INIT_file("first.mem"), .n_elements(2)) even' in text
    assert 'inner__other #(.MEMORY_INIT_file("other.mem"), .n_elements(2)) odd' in text
    assert "if (MEMORY_INIT_file != \"\")\n      begin\nmemory[0] = 8'b00000001;\nmemory[1] = 8'b01000000;" in text
    adapter = core.sources.files["dense_core.v"]
    assert ".clock(clk), .reset(!rst), .start_port(1'b1), .done_port()," in adapter
    (tmp_path / "hw_amc_core.v").write_text(VERILOG.replace('"first.mem"', '"", .n(1)').replace('(""', "(clock"))
    with pytest.raises(DataError, match="module inner is given its table in a way that is not known"):
        load_hls_core(tmp_path, graph)


#: Network and reuse factors, the largest above the fan-in.
REAL: dict[str, tuple[Any, dict[str, LayerHls]]] = {
    "dense": (dense_model, {"body": LayerHls(reuse_factor=2), "head": LayerHls(reuse_factor=3)}),
    "dense_adders": (dense_model, {}),
}


@pytest.mark.vendor
@pytest.mark.skipif(shutil.which("bambu") is None, reason="bambu is not on PATH")
@pytest.mark.parametrize("name", REAL)
def test_bambus_verilog_is_golden(tmp_path: Path, name: str) -> None:
    """The compiler, its Verilog in the shell, every logit."""
    make, layers = REAL[name]
    model = make()
    graph = build_graph(model, name, (tuple("abc"),))
    frames = np.random.default_rng(1).integers(-(1 << 15), 1 << 15, (6, *graph.input.shape)).astype(np.int16)
    write(tmp_path, model, graph, frames, layers)
    outcome = vendor.run(tmp_path, "Bambu")
    assert outcome is not None
    assert {block["name"] for block in outcome.figures["csynth"]["blocks"]} >= {"body", "body_q", "mean", "head"}
    core = load_hls_core(tmp_path / vendor.SOLUTION / "syn" / "verilog", graph)
    accelerator = build_accelerator(graph, core, ProjectSettings(), BOARD, "hls")
    assert run_fast(graph, accelerator, frames, golden_logits(graph, frames, 0), Plan(tmp_path / "cosim")).frames == 6
