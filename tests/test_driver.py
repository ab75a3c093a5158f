"""The driver on the simulated device, with the golden interpreter behind the shell's protocol."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from board_overlays import BOARDS, golden_overlay, small_graph, small_manifest
from networks import random_frames

from hw_amc import sim_device
from hw_amc.bench.simulated import write_sim_overlay
from hw_amc.config import load_board
from hw_amc.driver import UNKNOWN, AmcOverlay, DeviceBusy, DeviceError
from hw_amc.driver.batches import wire_words
from hw_amc.driver.devices import is_estimated, is_simulated
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph import Graph, golden
from hw_amc.interface.gain import AutomaticGain
from hw_amc.interface.manifest import Manifest
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sources import Sources
from hw_amc.verify.results import golden_logits

GRAPH = small_graph()


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return golden_overlay(tmp_path_factory.mktemp("overlay"), GRAPH)


@pytest.fixture
def amc(overlay: Path) -> Iterator[AmcOverlay]:
    with AmcOverlay(overlay, device=sim_device.enable(), batch=8) as amc:
        yield amc


def frames_of(count: int, graph: Graph = GRAPH, seed: int = 0) -> np.ndarray:
    return random_frames(np.random.default_rng(seed), graph, count)


def require_golden(labels: np.ndarray, logits: np.ndarray, frames: np.ndarray, graph: Graph = GRAPH) -> None:
    wanted_labels, wanted = golden.classify(graph, frames)
    np.testing.assert_array_equal(logits, wanted)
    np.testing.assert_array_equal(labels, wanted_labels)
    assert logits.dtype == np.int32


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_int16_frames_equal_golden(amc: AmcOverlay, count: int) -> None:
    frames = frames_of(count)
    require_golden(*amc.classify(frames), frames)
    assert amc.link.traffic.sends == amc.link.traffic.receives == -(-count // 8)
    assert amc.counters()["frames_in"] == amc.counters()["frames_out"] == count


def test_one_frame(amc: AmcOverlay) -> None:
    frames = frames_of(3)
    label, logits = amc.classify(frames[1])
    assert label.shape == ()
    require_golden(label[None], logits[None], frames[1:2])


def test_no_frames(amc: AmcOverlay) -> None:
    labels, logits = amc.classify(frames_of(0))
    assert labels.shape == (0,)
    assert logits.shape == (0, amc.manifest.classes)
    assert amc.link.traffic.sends == 0


def test_float_frames_are_rounded_as_in_training(amc: AmcOverlay) -> None:
    from hw_amc.radio import to_wire

    frames = np.random.default_rng(3).uniform(-1.5, 1.5, (20, GRAPH.frame_len, 2)).astype(np.float32)
    require_golden(*amc.classify(frames), to_wire(frames))


def test_float_frames_are_normalised_as_the_manifest_says(tmp_path: Path) -> None:
    from hw_amc.radio import to_wire

    path = golden_overlay(tmp_path, GRAPH)
    manifest = path.parent / "manifest.json"
    manifest.write_text(replace(Manifest.load(manifest), normalise="rms").to_json())
    frames = np.random.default_rng(3).normal(0, 50, (9, GRAPH.frame_len, 2))
    with AmcOverlay(path, device=sim_device.enable()) as amc:
        require_golden(*amc.classify(frames), to_wire(frames, normalise="rms"))
    with (
        AmcOverlay(path, device=sim_device.enable(), normalise="none") as amc,
        pytest.raises(DataError, match=r"outside -2\.\.2; scale them as the training data were"),
    ):
        amc.classify(frames)


def test_a_board_that_says_nothing_of_simulation_is_real() -> None:
    board = SimpleNamespace(has_capability=lambda name: False, name="Pynq-Z2", tag="0")
    assert not is_simulated(board)
    assert not is_estimated(board)


def test_one_word_in_a_hundred_may_be_outside() -> None:
    frames = np.zeros((2, 50, 2))
    frames[0, 0] = 5.0, -5.0
    words = wire_words(frames, 14, "none")
    assert words[0, 0].tolist() == [32767, -32768]
    frames[1, 7, 1] = 5.0
    with pytest.raises(DataError, match=r"^2% of the samples of frames 0 to 1 are outside -2\.\.2"):
        wire_words(frames, 14, "none")


@pytest.mark.parametrize("kind", ["frames", "blocks", "floats"])
def test_generator(amc: AmcOverlay, kind: str) -> None:
    frames = frames_of(29)
    sources = {
        "frames": lambda: iter(frames),
        "blocks": lambda: (frames[a:b] for a, b in ((0, 3), (3, 20), (20, 20), (20, 29))),
        "floats": lambda: (frame.astype(np.float32) / 2**14 for frame in frames // 2),
    }
    sent = frames // 2 if kind == "floats" else frames
    require_golden(*amc.classify(sources[kind]()), sent)
    parts = list(amc.stream(sources[kind]()))
    assert [len(part.labels) for part in parts] == [8, 8, 8, 5]
    np.testing.assert_array_equal(np.concatenate([part.logits for part in parts]), golden.classify(GRAPH, sent)[1])


def test_stream_answers_before_the_source_ends(amc: AmcOverlay) -> None:
    drawn = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal drawn
        while True:
            drawn += 1
            yield frames_of(8, seed=drawn)

    stream = amc.stream(endless())
    for number in (1, 2, 3):
        require_golden(*next(stream), frames_of(8, seed=number))
    assert drawn == 4  # one batch ahead
    require_golden(*amc.classify(frames_of(5)), frames_of(5))


def test_device_buffer_is_sent_in_place(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    from pynq import allocate

    sent = []
    start = amc.link.start
    monkeypatch.setattr(
        amc.link, "start", lambda source, *rest: (sent.append(source.physical_address), start(source, *rest))
    )
    frames = frames_of(20)
    with allocate(frames.shape, np.int16) as buffer:
        buffer[:] = frames
        require_golden(*amc.classify(buffer), frames)
        base = buffer.physical_address
    assert sent == [base + i * 8 * GRAPH.frame_len * 4 for i in range(3)]


def test_unaligned_or_strided_device_buffer_is_copied(amc: AmcOverlay) -> None:
    from pynq import allocate

    frames = frames_of(9)
    with allocate(frames.size + 2, np.int16) as buffer, allocate((18, GRAPH.frame_len, 2), np.int16) as wide:
        unaligned = buffer[2:].reshape(frames.shape)
        unaligned[:] = frames
        assert unaligned.physical_address % 16
        require_golden(*amc.classify(unaligned), frames)
        wide[::2] = frames
        require_golden(*amc.classify(wide[::2]), frames)


def test_results_are_copies(amc: AmcOverlay) -> None:
    frames = frames_of(16)
    first = amc.classify(frames[:8])
    kept = first.logits.copy()
    amc.classify(frames[8:])
    np.testing.assert_array_equal(first.logits, kept)


def test_threshold_rejects_small_margins(amc: AmcOverlay) -> None:
    frames = frames_of(40)
    labels, logits = amc.classify(frames)
    ordered = np.sort(logits.astype(np.int64), axis=1)
    margins = (ordered[:, -1] - ordered[:, -2]) / 2.0**GRAPH.logit_frac
    threshold = float(np.median(margins))
    rejected, same = amc.classify(frames, threshold=threshold)
    np.testing.assert_array_equal(same, logits)
    np.testing.assert_array_equal(rejected, np.where(margins < threshold, UNKNOWN, labels))
    assert 0 < np.count_nonzero(rejected == UNKNOWN) < 40
    names = amc.names(rejected)
    assert set(names) == {"unknown", *(amc.classes[label] for label in rejected[rejected != UNKNOWN])}
    assert [name == "unknown" for name in names] == (rejected == UNKNOWN).tolist()
    assert amc.names(labels[0]) == [amc.classes[labels[0]]]


@pytest.mark.parametrize(("board", "mhz"), [("zcu104", 250.0), ("rfsoc4x2", 250.0), ("kv260", 166.667)])
def test_ultrascale_board(tmp_path: Path, board: str, mhz: float) -> None:
    """Each with its own PLL: the KV260's runs at 1,000 MHz, the others' at 1,500."""
    frames = frames_of(11)
    with AmcOverlay(golden_overlay(tmp_path, GRAPH, board).parent, device=sim_device.enable()) as amc:
        require_golden(*amc.classify(frames), frames)
        assert amc.clock_mhz == pytest.approx(mhz, rel=1e-4)


def with_divisor(bitstream: Path, divisor: int) -> Path:
    """The overlay as Vivado writes it that believes in another PLL than the board boots with."""
    handoff = bitstream.with_suffix(".hwh")
    text, count = re.subn(r'(PL0_REF_CTRL__DIVISOR0" VALUE=")\d+', rf"\g<1>{divisor}", handoff.read_text())
    assert count == 1
    handoff.write_text(text)
    return bitstream


def test_a_wrong_divisor_in_the_hwh_is_set_right(tmp_path: Path) -> None:
    """A PS without preset: divisor 4, on a board whose PLL boots with 1,500 MHz. Seen before: 374.996 MHz."""
    bitstream = with_divisor(golden_overlay(tmp_path, GRAPH, "zcu104"), 4)
    with AmcOverlay(bitstream.parent, device=sim_device.enable()) as amc:
        assert amc.clock_mhz == pytest.approx(249.9975)
        require_golden(*amc.classify(frames_of(3)), frames_of(3))


def test_a_clock_that_the_pll_does_not_give_is_refused(tmp_path: Path) -> None:
    board = load_board("zcu104", BOARDS).model_copy(update={"clock_mhz": 220.0, "pl_source_mhz": 1100.0})
    accelerator = Accelerator(Sources({}), small_manifest(GRAPH, "zcu104"))
    manifest = replace(accelerator.manifest, clock_mhz=220.0)
    bitstream = write_sim_overlay(tmp_path, replace(accelerator, manifest=manifest), GRAPH, board, "golden")
    with pytest.raises(DeviceError, match=r"clock is 214\.284 MHz, the nearest .* was built for 220 MHz"):
        AmcOverlay(bitstream.parent, device=sim_device.enable())
    with AmcOverlay(golden_overlay(tmp_path / "other", GRAPH, "zcu104").parent, device=sim_device.enable()) as amc:
        assert amc.clock_mhz == pytest.approx(249.9975)


def test_channel_mode_interleaves(tmp_path: Path) -> None:
    frames = frames_of(24)
    with AmcOverlay(golden_overlay(tmp_path, GRAPH, n_channels=4), device=sim_device.enable(), batch=6) as amc:
        assert amc.batch == 8
        require_golden(*amc.classify(frames), frames)
        with pytest.raises(DataError, match="6 frames do not fill 4 channels"):
            amc.classify(frames[:6])
        require_golden(*amc.classify(frames), frames)


def test_input_shift_amplifies(amc: AmcOverlay) -> None:
    frames = frames_of(8) // 8
    amc.set_input_shift(3)
    require_golden(*amc.classify(frames), frames * 8)
    with pytest.raises(ConfigError, match="-16 to 15"):
        amc.set_input_shift(16)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_automatic_gain(tmp_path: Path, n_channels: int) -> None:
    """Soft frames get the answers of loud ones from each channel's second frame on; a reset begins anew."""
    wire = np.random.default_rng(2).normal(0, 2**13.5, (12, 16, 2)).clip(-(2**14), 2**14).astype(np.int16) // 8 * 8
    rule = AutomaticGain(16, 14, n_channels)
    gains, left = rule.follow(wire // 8, rule.start)
    path = golden_overlay(tmp_path, GRAPH, n_channels=n_channels, automatic_gain=True)
    with AmcOverlay(path, device=sim_device.enable(), batch=6) as amc:
        assert not amc.automatic_gain
        assert amc.gain_shifts() == (0,) * n_channels
        amc.automatic_gain = True
        assert (amc.automatic_gain, amc.highest_gain) == (True, 15)
        for _ in range(2):
            logits = amc.classify(wire // 8).logits
            np.testing.assert_array_equal(logits, golden_logits(GRAPH, wire // 8, gains))
            assert amc.gain_shifts() == tuple(gains[-n_channels:])
            amc.reset()
        np.testing.assert_array_equal(amc.classify(wire // 8).logits[:n_channels], logits[:n_channels])
        amc.set_input_shift(1)
        amc.highest_gain = 1
        amc.classify(wire // 8)
        assert amc.gain_shifts() == (2,) * n_channels
        amc.automatic_gain = False
        require_golden(*amc.classify(wire // 8), wire // 4)
        with pytest.raises(ConfigError, match="-128 to 127, not 128"):
            amc.highest_gain = 128
    assert left != rule.start


def test_without_automatic_gain_the_setting_is_named(amc: AmcOverlay) -> None:
    assert not amc.automatic_gain
    amc.automatic_gain = False
    for use in (lambda: setattr(amc, "automatic_gain", True), amc.gain_shifts, lambda: amc.highest_gain):
        with pytest.raises(ConfigError, match=r"set automatic_gain = true under \[rtl\] in project.toml and build"):
            use()


def test_threads_take_turns(amc: AmcOverlay) -> None:
    parts = [frames_of(20, seed=seed) for seed in range(4)]
    answers: list = [None] * 4

    def work(index: int) -> None:
        answers[index] = amc.classify(parts[index])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part, answer in zip(parts, answers, strict=True):
        require_golden(*answer, part)


def test_second_owner_is_refused(amc: AmcOverlay, overlay: Path) -> None:
    with pytest.raises(DeviceBusy, match="in use by this process: close the other AmcOverlay first"):
        AmcOverlay(overlay, device=amc.device)
    require_golden(*amc.classify(frames_of(2)), frames_of(2))


def test_arithmetic_on_a_device_buffer_is_no_device_buffer(amc: AmcOverlay) -> None:
    """Numpy hands PYNQ's type on, with an address that means nothing."""
    from pynq import allocate

    frames = frames_of(16)
    with allocate(frames.shape, np.int16) as buffer:
        buffer[:] = frames
        for derived, wanted in ((buffer // 4, frames // 4), ((buffer // 4)[8:], frames[8:] // 4)):
            assert type(derived) is type(buffer)
            require_golden(*amc.classify(derived), wanted)
        assert np.array_equal(buffer, frames)


def test_lock_leaves_no_file_behind(overlay: Path) -> None:
    device = sim_device.enable()
    with AmcOverlay(overlay, device=device):
        with pytest.raises(DeviceBusy, match=r"in use by this process: .* \((.*)\)") as busy:
            AmcOverlay(overlay, device=device)
        path = Path(str(busy.value).rpartition("(")[2].rstrip(")"))
        assert path.is_file()
    assert not path.exists()


def test_closed_overlay_says_so(overlay: Path) -> None:
    device = sim_device.enable()
    with AmcOverlay(overlay, device=device) as amc:
        pass
    with pytest.raises(DeviceError, match="the overlay is closed"):
        amc.classify(frames_of(1))
    amc.close()
    assert device.memory.blocks == 0


def test_benchmark_keeps_wall_and_device_apart(amc: AmcOverlay, tmp_path: Path) -> None:
    result = amc.benchmark(frames_of(32), repeats=2, singles=5)
    assert result.simulated
    assert result.frames == 64
    # The model takes 2 cycles a sample; a batch drains between transfers.
    assert 2 * 16 <= result.cycles_per_frame < 2 * 16 + 10
    assert result.device_frames_per_s == pytest.approx(125e6 / result.cycles_per_frame)
    assert result.device_latency_us.p50 == pytest.approx((2 * 16 + 30 + amc.manifest.result_words) / 125, rel=0.1)
    assert 0 < result.driver_us_per_frame < result.wall_latency_us.p50
    assert result.dma_transfers_per_frame == 2 / 8
    assert result.bytes_per_frame == 4 * (16 + amc.manifest.result_words)
    # Counted from where a benchmark begins.
    again = amc.benchmark(frames_of(32), repeats=1, singles=1)
    assert (again.dma_transfers_per_frame, again.bytes_per_frame) == (2 / 8, result.bytes_per_frame)
    assert "simulated: wall time is the simulation's" in str(result)
    assert result.to_section(mismatches=0)["mismatches"] == 0
    result.plot(tmp_path / "latency.png")
    assert (tmp_path / "latency.png").stat().st_size > 1000


def test_driver_time_excludes_the_simulation(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow simulator must not look like a slow driver."""
    step = amc.device.system._step

    def slow(cycles: int) -> int:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        return step(cycles)

    monkeypatch.setattr(amc.device.system, "_step", slow)
    result = amc.benchmark(frames_of(8), repeats=1, singles=1)
    assert result.wall_latency_us.p50 > 50_000
    assert result.driver_us_per_frame * 8 < 0.5 * result.wall_latency_us.p50


def test_board_needs_no_more_than_numpy() -> None:
    code = (
        "import sys, hw_amc.driver, hw_amc.driver.__main__; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'pydantic', 'filelock', 'scipy', "
        "'typer', 'rich', 'matplotlib', 'h5py', 'pynq', 'platformdirs'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.board
def test_device_is_chosen_without_a_line_in_the_program(overlay: Path, tmp_path: Path) -> None:
    """A simulated overlay needs no variable; a real one without a board says what to do."""
    program = "import sys\nfrom hw_amc.driver import AmcOverlay\nprint(AmcOverlay(sys.argv[1]).device.name)"
    environment = {key: value for key, value in os.environ.items() if key != sim_device.VARIABLE}
    real = tmp_path / overlay.name
    for path in overlay.parent.iterdir():
        if path.is_file() and path.name != f"{GRAPH.name}.sim.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    done = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, str(path)],
            env=environment, capture_output=True, text=True, check=False,
        )
        for path in (overlay, real)
    ]  # fmt: skip
    assert done[0].stdout == "sim\n", done[0].stderr
    assert "DeviceError: no PYNQ device here (No Devices Found); without a board, write a simulated" in done[1].stderr
