"""From a graph to proven Verilog: cocotb benches, the fast runner, and that they can fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from behavioural_core import mean_core, mean_graph
from hls_exports import write_export
from networks import gru_cnn_graph
from shell_farm import BOARD, Member, member, mutant

from hw_amc.config import ProjectSettings, RtlSettings
from hw_amc.cosim.bench import BenchRun, Case, require_passed, run
from hw_amc.cosim.model import Plan, run_fast, run_model
from hw_amc.cosim.results import cycles_between_results
from hw_amc.errors import ConfigError, Mismatch, ToolFailed, ToolMissing
from hw_amc.graph import Graph
from hw_amc.interface.words import Results
from hw_amc.report.schema import check_section
from hw_amc.rtl import build_core
from hw_amc.rtl.hls_core import load_hls_core
from hw_amc.rtl.shell.accelerator import Accelerator, build_accelerator
from hw_amc.sources import Sources
from hw_amc.verify.results import golden_logits, require_results


def case_of(item: Any, count: int, seed: int = 3) -> Any:
    frames = item.frames(np.random.default_rng(seed), count)
    return Case(item.graph, frames, golden_logits(item.graph, frames, item.manifest.input_shift))


#: Digit-serial.
SIX_CYCLES = RtlSettings(cycles_per_step=6)


def accelerator_of(graph: Graph, settings: Any) -> Any:
    return build_accelerator(graph, build_core(graph, settings), ProjectSettings(), BOARD)


def results_of(logits: Any, labels: Any = None, flags: Any = None) -> Any:
    n = len(logits)
    labels = logits.argmax(axis=1) if labels is None else labels
    zeros = np.zeros(n, np.int64)
    return Results(labels, zeros, np.arange(n), zeros if flags is None else flags, logits.astype(np.int32))


# Comparison.


def test_equal_results_pass() -> None:
    item = member("net", heads=(3, 2))
    case = case_of(item, 4)
    require_results(item.graph, case.expected, results_of(case.expected, case.expected[:, :3].argmax(axis=1)), "sim")


def test_first_difference_is_named() -> None:
    item = member("net", heads=(3, 2))
    case = case_of(item, 5)
    wrong = case.expected.copy()
    wrong[2, 4] += 1
    wrong[4, 3] -= 7
    golden = int(case.expected[2, 4])
    message = (
        rf"layer head1, frame 102, class 1 \(class1\): golden {golden}, sim {golden + 1} "
        r"\(2 of 10 integers of this layer and 2 of 5 frames differ\)"
    )
    with pytest.raises(Mismatch, match=message):
        require_results(item.graph, case.expected, results_of(wrong), "sim", first_frame=100)


@pytest.mark.parametrize("change", ["label", "flag", "count"])
def test_other_differences(change: str) -> None:
    item = member("net", heads=(3,))
    case = case_of(item, 3)
    labels = case.expected.argmax(axis=1)
    flags = np.zeros(3, np.int64)
    logits = case.expected
    if change == "label":
        labels[1] = (labels[1] + 1) % 3
    elif change == "flag":
        flags[1] = 1
    else:
        logits, labels, flags = logits[:2], labels[:2], flags[:2]
    message = {"label": "frame 1: golden class", "flag": "0x01", "count": "2 results"}[change]
    with pytest.raises(Mismatch, match=message):
        require_results(item.graph, case.expected, results_of(logits, labels, flags), "sim")


def test_input_shift_is_a_move_of_the_binary_point() -> None:
    item = member("net")
    frames = item.frames(np.random.default_rng(1), 5)
    frames //= 4
    assert np.array_equal(golden_logits(item.graph, frames, 2), golden_logits(item.graph, frames * 4))


def test_rhythm_of_results() -> None:
    assert cycles_between_results([100], 1) is None
    assert cycles_between_results([100, 160], 1) == 60
    assert cycles_between_results([100, 170, 230, 290], 1) == 60
    # Three at a time, every 300 cycles; the first round finds the core empty.
    ends = [500, 501, 502, 900, 901, 902, 1200, 1201, 1202, 1500]
    assert cycles_between_results(ends, 3) == 100
    assert cycles_between_results(ends[:3], 3) is None


def test_a_failed_bench_names_the_test(tmp_path: Path) -> None:
    path = tmp_path / "results.xml"
    path.write_text('<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure message="1 is\n not 2"/>'
                    "</testcase></testsuite></testsuites>")  # fmt: skip
    with pytest.raises(Mismatch, match="icarus, bench test b: 1 is not 2"):
        require_passed(path, "icarus")
    path.write_text("<testsuites/>")
    with pytest.raises(ToolFailed, match="no bench test"):
        require_passed(path, "icarus")


def test_missing_simulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    item = member("net")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="iverilog"):
        run(item.accelerator, case_of(item, 1), BenchRun("icarus", tmp_path))


def test_too_few_frames_for_the_channels(tmp_path: Path) -> None:
    item = member("net", n_channels=3)
    with pytest.raises(ConfigError, match="do not fill 3 channels"):
        run_model(item.graph, item.accelerator, item.frames(np.random.default_rng(1), 2), Plan(tmp_path))


# Simulation.


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("plain", {"heads": (5, 3)}),
        ("channels", {"frame_len": 8, "heads": (4,), "n_channels": 3, "cycles_per_step": 2}),
    ],
)
def test_the_interface_in_icarus(tmp_path: Path, name: str, shape: Any) -> None:
    item = member(name, **shape)
    run(item.accelerator, case_of(item, 6), BenchRun("icarus", tmp_path, tests=None))


@pytest.mark.cosim
def test_a_model_in_all_simulators(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    graph = gru_cnn_graph(rng)
    item = Member(graph, accelerator_of(graph, RtlSettings(cycles_per_step=2, contexts=2)))
    plan = Plan(tmp_path, workers=2, cocotb_frames={"verilator": 8, "icarus": 5})
    said = []
    frames = item.frames(rng, 50)
    sections = run_model(item.graph, item.accelerator, frames, plan, said.append)
    assert [sections[name]["frames"] for name in ("verilator", "icarus")] == [50, 5]
    predicted, latency = item.manifest.cycles_per_frame, item.manifest.latency_cycles
    for section in sections.values():
        assert section["cycles_per_frame"] == section["predicted_cycles_per_frame"] == predicted
        # When the first sample comes, its context's turn may be up to a round of turns away.
        assert abs(section["latency_cycles"] - latency) < item.manifest.contexts * predicted / graph.frame_len
    check_section({"cosim": {name: {**section, "command": "test"} for name, section in sections.items()}})
    assert len(said) == 3
    # What the network is not, the hardware is not.
    wrong = golden_logits(item.graph, frames)
    wrong[31, 2] += 1
    with pytest.raises(Mismatch, match=r"layer head, frame 31, class 2 .*1 of 25 frames differ"):
        run_fast(item.graph, item.accelerator, frames, wrong, plan)
    slower = Accelerator(item.accelerator.sources, replace(item.manifest, cycles_per_frame=predicted + 1))
    with pytest.raises(Mismatch, match=f"cycles per frame: {predicted + 1} predicted, {predicted} measured"):
        run_model(item.graph, slower, frames, replace(plan, cocotb_frames={}))


@pytest.mark.cosim
def test_waves_on_demand(tmp_path: Path) -> None:
    item = member("net", frame_len=8, heads=(4,))
    run(item.accelerator, case_of(item, 2), BenchRun("icarus", tmp_path, waves=True))
    (wave,) = tmp_path.glob("**/*.fst")
    assert wave.stat().st_size > 1000


@pytest.mark.cosim
def test_verilog_that_does_not_compile_is_quoted(tmp_path: Path) -> None:
    item = member("net", frame_len=8, heads=(4,))
    broken = Sources({**item.accelerator.sources.files, "net_core.v": "module net_core (input wire clk;\nendmodule\n"})
    with pytest.raises(ToolFailed, match=r"net_core\.v:1: .*error"):
        run(Accelerator(broken, item.manifest), case_of(item, 2), BenchRun("icarus", tmp_path))


MUTATIONS = {
    "weight": ("core", "sum_i * (", "sum_i * (1 + ", "prove"),
    "round": ("amc_shell_quantize.v", "|| wide[16])", "|| 1'b1)", "prove"),
    "shift": ("amc_shell_quantize.v", "10'sd16;", "10'sd15;", "frames/idle=0/stall=0"),
    "saturate": ("amc_shell_quantize.v", "            if (fits)", "            if (1'b1)", "level"),
    "tie": ("amc_shell_results.v", "$signed(logit) > $signed(best)", "$signed(logit) >= $signed(best)", "prove"),
    "filling": ("amc_shell_framer.v", "padding ? 32'd0 : in_data", "in_data", "misplaced_tlast"),
    "flag": ("amc_shell_framer.v", "tag_broken    = padding", "tag_broken    = misplaced", "misplaced_tlast"),
    "skid": ("amc_shell_skid.v", "spare_full <= 1'b1;", "spare_full <= 1'b0;", "prove"),
    "packet": ("amc_shell_results.v", "sent_results + 32'd1 >= frames_per_packet", "1'b1", "packets"),
    "strobe": ("amc_registers.v", "{8{w_strobe[0]}}", "8'hff", "register_access"),
    "dropped": ("amc_registers.v", "do_write || (s_axi_bvalid && !s_axi_bready)", "do_write", "responses_wait"),
    "doubled": ("amc_registers.v", "w_full && (!s_axi_bvalid || s_axi_bready)", "w_full", "responses_wait"),
    "overrun": ("amc_registers.v", "(!s_axi_rvalid || s_axi_rready) && !rst", "!rst", "responses_wait"),
    "reset": ("amc_shell_results.v", "            in_index        <= 9'd0;\n", "", "reset_in_mid_frame/kind=pin"),
    "counter": ("amc_shell.v", ".cycles_busy_event(busy)", ".cycles_busy_event(busy && mid_frame)", "counters"),
}


@pytest.mark.cosim
@pytest.mark.parametrize("name", MUTATIONS)
def test_the_bench_finds_a_mutation(tmp_path: Path, name: str) -> None:
    """Flip one thing in the Verilog: the test that is about it fails, and passes without the change."""
    file, old, new, test = MUTATIONS[name]
    # A slow core makes the samples wait.
    item = member("plain", heads=(5, 3), cycles_per_step=3 if name == "skid" else 1)
    if file == "core":
        file, old, new = "plain_core.v", f"0: logit = {old}", f"0: logit = {new}"
    case = case_of(item, 3)
    if name == "round":  # every word halfway between 0 and 1, which is even
        frames = np.full_like(case.frames, 128)
        case = Case(item.graph, frames, golden_logits(item.graph, frames))
    if name == "tie":
        item, case = _tied(case)
    changed = mutant(item, 1, file, old, new)
    settings = BenchRun("icarus", tmp_path / "changed", tests=rf"\.{test}$")
    with pytest.raises(Mismatch, match=test.partition("/")[0]):
        run(changed.accelerator, case, settings)


def _tied(case: Any) -> Any:
    """A network whose classes 1 and 3 are always equal and highest."""
    head = case.graph["head0"]
    kernel, bias = head.kernel.copy(), head.bias.copy()
    kernel[:, 3] = kernel[:, 1]
    bias[[1, 3]] = bias.max()
    graph = case.graph.replace_node(replace(head, kernel=kernel, bias=bias))
    item = Member(graph, build_accelerator(graph, mean_core(graph), ProjectSettings(), BOARD))
    frames = np.zeros_like(case.frames)
    return item, Case(graph, frames, golden_logits(graph, frames))


#: A shift, a rounding, a digit's delay: text of the core's Verilog, and what stands there instead.
CORE_MUTATIONS = {
    "shift": (".SHIFT(Z_SHIFT)", ".SHIFT(Z_SHIFT - 1)"),
    "rounding": ("x[SHIFT] & (|x[SHIFT-1:0])", "x[SHIFT] & (&x[SHIFT-1:0])"),
    "delay": ("n_d1[0] <= n[0]", "n_d1[0] <= n[1]"),
}


@pytest.mark.cosim
def test_the_bench_finds_a_mutation_of_the_network(tmp_path: Path) -> None:
    """One weight, one shift, one rounding, one delay of the RTL core: each fails, the core itself passes."""
    rng = np.random.default_rng(6)
    graph = gru_cnn_graph(rng)
    accelerator = accelerator_of(graph, SIX_CYCLES)
    frames = (rng.integers(-32768, 32768, (3, graph.frame_len, 2)) // 2).astype(np.int16)
    case = Case(graph, frames, golden_logits(graph, frames))
    run(accelerator, case, BenchRun("icarus", tmp_path / "right"))
    gru = graph["gru"]
    kernel = gru.kernel.copy()
    kernel[tuple(np.argwhere(kernel)[0])] ^= 1
    other = graph.replace_node(replace(gru, kernel=kernel))
    changed = accelerator_of(other, SIX_CYCLES)
    with pytest.raises(Mismatch, match="prove"):
        run(changed, case, BenchRun("icarus", tmp_path / "weight"))
    for name, (old, new) in CORE_MUTATIONS.items():
        files = {file: text.replace(old, new) for file, text in accelerator.sources.files.items()}
        assert files != accelerator.sources.files, name
        with pytest.raises(Mismatch, match="prove"):
            run(Accelerator(Sources(files), accelerator.manifest), case, BenchRun("icarus", tmp_path / name))


@pytest.mark.cosim
def test_verilog_that_hls_exported_runs_in_the_same_bench(tmp_path: Path) -> None:
    """A core with a ROM behind the ports of HLS: its cycles are measured, not predicted."""
    graph = mean_graph(np.random.default_rng(5), name="net", frame_len=8, heads=(4,))
    write_export(tmp_path / "verilog", graph)
    accelerator = build_accelerator(graph, load_hls_core(tmp_path, graph), ProjectSettings(), BOARD, "hls")
    frames = np.random.default_rng(1).integers(-32768, 32768, (6, 8, 2)).astype(np.int16)
    sections = run_model(graph, accelerator, frames, Plan(tmp_path, cocotb_frames={"icarus": 3}))
    for section in sections.values():
        assert section["source"] == "hls"
        assert section["cycles_per_frame"] == 11
        assert "predicted_cycles_per_frame" not in section


@pytest.mark.cosim
def test_a_changed_word_of_a_rom_is_found(tmp_path: Path) -> None:
    graph = mean_graph(np.random.default_rng(5), name="net", frame_len=8, heads=(4,))
    write_export(tmp_path / "verilog", graph)
    table = tmp_path / "verilog" / "hw_amc_core_bias_ROM.dat"
    first, *others = table.read_text().splitlines()
    table.write_text("\n".join([f"{int(first, 16) ^ 1:#010x}", *others]))
    accelerator = build_accelerator(graph, load_hls_core(tmp_path, graph), ProjectSettings(), BOARD, "hls")
    frames = np.random.default_rng(1).integers(-32768, 32768, (2, 8, 2)).astype(np.int16)
    with pytest.raises(Mismatch):
        run(accelerator, Case(graph, frames, golden_logits(graph, frames)), BenchRun("icarus", tmp_path / "sim"))
