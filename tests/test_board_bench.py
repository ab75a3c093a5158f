"""Bench through driver and PYNQ: on the golden interpreter, and on the accelerator's own RTL."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_overlays import BOARDS, golden_overlay, small_graph, trained_model
from command_line import run
from networks import random_frames

from hw_amc import config, report, sim_device
from hw_amc.bench import measure as bench
from hw_amc.bench.behavioural import GoldenAccelerator
from hw_amc.bench.simulated import load_verilated, write_sim_overlay
from hw_amc.driver import AmcOverlay, DeviceError, DeviceStalled
from hw_amc.driver.selftest import run_selftest
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import ConfigError, Mismatch
from hw_amc.graph import golden
from hw_amc.report.tables import device_label

GRAPH = small_graph()


def frames_of(count: int) -> np.ndarray:
    return random_frames(np.random.default_rng(4), GRAPH, count)


@pytest.fixture(autouse=True)
def _simulated() -> None:
    sim_device.enable()


def test_bench_reports_the_schema(tmp_path: Path) -> None:
    result = bench.run_bench(golden_overlay(tmp_path, GRAPH), GRAPH, frames_of(12), singles=3, batch=8)
    section = report.merge(tmp_path, result.to_section("sim", "hw-amc bench"))["bench"]["sim"]
    assert (section["frames"], section["mismatches"]) == (12, 0)
    # The golden interpreter answered, whose cycles are the manifest's.
    assert section["kind"]["cycles_per_frame"] == "estimated"
    assert "cycles are estimates" in str(result.benchmark)
    assert section["kind"]["device_frames_per_s"] == "estimated"
    wanted = {"wall_frames_per_s", "cycles_per_frame", "device_frames_per_s", "wall_latency_us", "device_latency_us"}
    assert wanted <= section.keys()
    assert set(section["device_latency_us"]) == {"p50", "p90", "p99"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the trained model `small`, for the command line."""
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path / "checkout"))
    trained_model(tmp_path / "checkout", "small")
    return tmp_path / "checkout"


def run_command(*arguments: str) -> int:
    return run("bench", "small", "--frames", "12", *arguments)


def benches(checkout: Path) -> dict[str, Any]:
    return report.load(checkout / "hls_projects" / "small" / "build").get("bench", {})


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("options", "board", "key"),
    [
        ((), "pynq-z2", "sim"),
        (("--board", "sim"), "pynq-z2", "sim"),
        (("--board", "pynq-z2"), "pynq-z2", "sim"),
        (("--board", "pynq-z1"), "pynq-z1", "sim-pynq-z1"),
    ],
)
def test_command_simulates_the_board_named(
    checkout: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], board: str, key: str
) -> None:
    """Whatever the board, a simulation says so in its first line, its table and its report."""
    assert run_command(*options) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"simulated {board}, no board is touched")
    assert f"on simulated {board}, 12 frames in batches of 256 (simulated: wall time is the simulation's)" in told
    assert "device: latency p50, p90, p99" in told
    assert "Benchmark(" not in told
    found = benches(checkout)
    assert found.keys() == {key}
    assert found[key]["device"] == f"simulated {board}"
    assert found[key]["mismatches"] == 0


def test_pages_of_the_report_name_a_simulation() -> None:
    names = {name: device_label(name) for name in ("sim", "sim-kv260", "kv260")}
    assert names == {"sim": "simulated device", "sim-kv260": "simulated kv260", "kv260": "kv260"}


def test_command_refuses_unknown_boards(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("--board", "zcu1044") == ConfigError.exit_code
    assert capsys.readouterr().err == "error: unknown board 'zcu1044'; did you mean zcu104?\n"
    assert run_command("--board", "basys") == ConfigError.exit_code
    assert capsys.readouterr().err.endswith("known: kv260, pynq-z1, pynq-z2, rfsoc2x2, rfsoc4x2, zcu104\n")


def test_command_measures_a_board(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device that is not simulated, here one that merely does not say so, is reported under the board's name."""
    monkeypatch.setattr(sim_device.SimDevice, "simulated", False)
    monkeypatch.setattr(GoldenAccelerator, "time_estimated", False)
    overlay = golden_overlay(tmp_path / "overlay", GRAPH)
    assert run_command("--overlay", str(overlay)) == 0
    told = capsys.readouterr().out
    assert "on pynq-z2, 36 frames in batches of 256 (measured on the device)" in told
    assert "simulated" not in told
    assert benches(checkout).keys() == {"pynq-z2"}
    assert benches(checkout)["pynq-z2"]["device"] == "pynq-z2"


def test_command_never_takes_a_simulation_for_a_board(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = golden_overlay(tmp_path / "overlay", GRAPH)
    for options, message in (
        ((), "would run on a simulated device; leave --overlay out"),
        (("--board", "zcu104"), "is for pynq-z2, not zcu104"),
        (("--board", "sim"), "is for pynq-z2, not sim"),
        (("-R", "2"), "leave -R out, or --overlay"),
    ):
        assert run_command("--overlay", str(overlay), *options) == ConfigError.exit_code
        assert message in capsys.readouterr().err
    assert run_command("--overlay", str(tmp_path / "none.bit")) == ConfigError.exit_code
    assert benches(checkout) == {}


def test_bench_refuses_another_network_and_nothing(tmp_path: Path) -> None:
    overlay = golden_overlay(tmp_path, GRAPH)
    with pytest.raises(ConfigError, match="the overlay holds network"):
        bench.run_bench(overlay, small_graph(seed=2), frames_of(2))
    with pytest.raises(ConfigError, match="at least one frame"):
        bench.run_bench(overlay, GRAPH, frames_of(0))


def test_bench_requires_golden_of_what_the_device_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that always gives the same wrong integer is found, in the batch and in single frames."""
    real = GoldenAccelerator._logits

    def wrong(self: GoldenAccelerator, raw: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        logits = real(self, raw, shifts)
        logits[:, 2] += 1
        return logits

    monkeypatch.setattr(GoldenAccelerator, "_logits", wrong)
    with pytest.raises(
        Mismatch, match=r"layer head, frame 0, class 2 .*, the simulated device .* 12 of 12 frames differ"
    ):
        bench.run_bench(golden_overlay(tmp_path, GRAPH), GRAPH, frames_of(12), singles=1)
    monkeypatch.setattr(
        GoldenAccelerator, "_logits", lambda self, raw, shifts: (wrong if len(raw) == 1 else real)(self, raw, shifts)
    )
    with pytest.raises(DeviceError, match="frame 0 got another answer when it was sent again"):
        bench.run_bench(golden_overlay(tmp_path, GRAPH), GRAPH, frames_of(12), singles=1)


def test_factory_without_sources(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rtl/top.v does not exist; write the simulated overlay again"):
        load_verilated(tmp_path, "top", ["top.v"])


@pytest.fixture(scope="module")
def rtl_overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The accelerator's own Verilog behind PYNQ; compiled once, kept in the user's cache."""
    from hw_amc.rtl import build_core
    from hw_amc.rtl.shell.accelerator import build_accelerator

    settings, board = config.ProjectSettings(), config.load_board("pynq-z2", BOARDS)
    accelerator = build_accelerator(GRAPH, build_core(GRAPH, settings.rtl), settings, board)
    return write_sim_overlay(tmp_path_factory.mktemp("rtl"), accelerator, GRAPH, board)


@pytest.mark.cosim
def test_rtl_equals_golden_through_pynq(rtl_overlay: Path) -> None:
    result = bench.run_bench(rtl_overlay, GRAPH, frames_of(600), singles=10)
    # Frames back to back cost what the manifest predicts; a batch of 256 adds its own filling and emptying.
    with AmcOverlay(rtl_overlay) as amc:
        predicted = amc.manifest.cycles_per_frame
    assert predicted is not None
    assert predicted <= result.benchmark.cycles_per_frame < 1.15 * predicted
    section = result.to_section("sim", "hw-amc bench")["bench"]["sim"]
    assert section["kind"]["cycles_per_frame"] == "measured"
    assert "estimates" not in str(result.benchmark)


@pytest.mark.cosim
def test_automatic_gain_of_the_verilog(tmp_path: Path) -> None:
    """Frames halved, quartered and doubled by the ADC get the same logits from the second on, as the model says."""
    from hw_amc.rtl import build_core
    from hw_amc.rtl.shell.accelerator import build_accelerator

    settings = config.ProjectSettings(rtl=config.RtlSettings(automatic_gain=True, cycles_per_step=2))
    board = config.load_board("pynq-z2", BOARDS)
    accelerator = build_accelerator(GRAPH, build_core(GRAPH, settings.rtl), settings, board)
    loud = np.random.default_rng(4).normal(0, 2700, (40, 16, 2)).clip(-4095, 4095).astype(np.int16) * 4
    wanted: dict[int, Any] = {}
    for kind in ("rtl", "golden"):
        with AmcOverlay(write_sim_overlay(tmp_path / kind, accelerator, GRAPH, board, kind), batch=16) as amc:
            amc.automatic_gain = True
            for power in (0, -1, -2, 1):
                amc.reset()
                amc.clear_counters()
                wire = np.ldexp(loud, power).astype(np.int16)
                found = amc.classify(wire).logits, amc.gain_shifts(), amc.counters()["saturated"]
                if kind == "rtl":
                    np.testing.assert_array_equal(found[0][1:], wanted.get(0, found)[0][1:])
                    assert (found[0][0] != wanted.get(0, found)[0][0]).any() == (power != 0)
                    wanted[power] = found
                else:
                    np.testing.assert_array_equal(found[0], wanted[power][0])
                    assert found[1:] == wanted[power][1:]
            assert amc.selftest().passed


@pytest.mark.cosim
@pytest.mark.parametrize("fault", ["short", "lost"])
def test_rtl_survives_broken_frames(rtl_overlay: Path, fault: str) -> None:
    """The fault list on the real shell: a TLAST inside a frame, samples that never come."""
    frames = frames_of(20)
    with AmcOverlay(rtl_overlay, batch=8) as amc:
        amc.device.system.cycle_limit = 50_000
        dma = amc.device.system.dmas[0]
        dma.tamper = lambda words: (words[:-5], fault == "short")
        with pytest.raises(DeviceError if fault == "short" else DeviceStalled, match=r"TLAST inside|gets no samples"):
            amc.classify(frames)
        dma.tamper = None
        answer = amc.classify(frames)
    wanted = golden.classify(GRAPH, frames)
    np.testing.assert_array_equal(answer.logits, wanted[1])
    np.testing.assert_array_equal(answer.labels, wanted[0])


@pytest.mark.cosim
def test_selftest_of_the_verilog(rtl_overlay: Path) -> None:
    """Every check on the shell itself: counters, flags, reset and the clock are those that a board will have."""
    with AmcOverlay(rtl_overlay) as amc:
        found = amc.selftest()
    assert {check.outcome for check in found.checks} == {"passed"}, str(found)
    assert (found.simulated, found.estimated) == (True, False)
    details = {check.name: check.detail for check in found.checks}
    assert details["counters"].startswith("frames_in 16, frames_out 16, ")
    assert "64 frames, 192 logits, all equal to golden" in details["largest transfer"]


@pytest.mark.cosim
def test_selftest_of_the_verilog_names_the_frame_that_differs(rtl_overlay: Path) -> None:
    with AmcOverlay(rtl_overlay) as amc:
        vectors = Vectors.load(rtl_overlay.parent / "golden.npz", amc.manifest)
        found = run_selftest(amc, replace(vectors, logits=vectors.logits + (np.arange(16) == 11)[:, None]))
    failed = {check.name: check.detail for check in found.checks if check.outcome == "failed"}
    assert failed["logits"].startswith("1 of 16 frames differ; first: frame 11, logit 0: ")
    assert failed.keys() == {"logits", "frame by frame", "reset", "largest transfer"}


@pytest.mark.cosim
def test_command_tests_the_verilog(checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`bench --selftest`: the accelerator's own Verilog behind driver and PYNQ."""
    path = tmp_path / "selftest.json"
    assert run("bench", "small", "--selftest", "--report", str(path)) == 0
    told = capsys.readouterr().out
    assert "on simulated pynq-z2" in told
    assert "self-test passed" in told
    report = json.loads(path.read_text())
    assert (report["passed"], report["simulated"], report["estimated"]) == (True, True, False)
    assert benches(checkout) == {}  # a self-test measures nothing


@pytest.mark.slow
def test_rtl_soak_of_100000_frames(rtl_overlay: Path) -> None:
    """Every logit of 100,000 frames through driver, PYNQ and the Verilog; no buffer is left behind, no frame lost."""
    block = frames_of(1000)
    wanted = golden.classify(GRAPH, block)[1]
    with AmcOverlay(rtl_overlay) as amc:
        memory = amc.device.memory
        blocks, used, answered = memory.blocks, memory.used, 0
        for part in amc.stream(block for _ in range(100)):
            places = (answered + np.arange(len(part.logits))) % 1000
            np.testing.assert_array_equal(part.logits, wanted[places])
            answered += len(part.logits)
        counters = amc.counters()
        assert (memory.blocks, memory.used) == (blocks, used)
    assert answered == counters["frames_in"] == counters["frames_out"] == 100_000
    assert counters["framing_errors"] == 0
    assert memory.blocks == 0


@pytest.mark.cosim
def test_behavioural_model_speaks_the_rtls_protocol(rtl_overlay: Path, tmp_path: Path) -> None:
    """Identity, constants and counters of the Python model are those of the Verilog."""
    frames = frames_of(16)
    seen = []
    for overlay in (rtl_overlay, golden_overlay(tmp_path, GRAPH)):
        with AmcOverlay(overlay, batch=8) as amc:
            amc.set_input_shift(2)
            logits = amc.classify(frames).logits
            amc.set_input_shift(-1)
            counts = amc.counters()
            names = ("MAGIC", "VERSION", "DIGEST_LO", "DIGEST_HI", "FRAME_LEN", "CLASSES", "RESULT_WORDS", "FORMAT")
            seen.append(
                (
                    {name: amc.link.read(name) for name in names},
                    {name: counts[name] for name in ("frames_in", "frames_out", "framing_errors", "saturated")},
                    logits.tolist(),
                    amc.classify(frames).logits.tolist(),
                )
            )
    assert seen[0] == seen[1]
