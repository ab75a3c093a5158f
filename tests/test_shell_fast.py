"""The shell in Verilator, through the fast runner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from shell_farm import Farm, members

from hw_amc.cosim.verilated import Event
from hw_amc.errors import DataError, ToolFailed
from hw_amc.graph import golden
from hw_amc.interface import registers
from hw_amc.interface.registers import FLAG_FRAMING, REGISTERS
from hw_amc.interface.words import pack_frames, unpack_frames, unpack_results
from hw_amc.verify.results import golden_logits, require_results

pytestmark = pytest.mark.cosim

NAMES = list(members())
PATTERNS = {
    "always": None,
    "alternating": (1, 0),
    "rarely": (0, 0, 0, 0, 1),
    "bursts": (1,) * 23 + (0,) * 31,
    "random": np.random.default_rng(3).integers(0, 2, 4093),
}


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    made = Farm(members())
    yield made
    made.sim.close()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(sum(map(ord, request.node.name)))


def check(item: Any, frames: np.ndarray, results: Any, input_shift: Any = None) -> None:
    shift = item.manifest.input_shift if input_shift is None else input_shift
    require_results(item.graph, golden_logits(item.graph, frames, shift), results, "verilator")


def feed(item: Any, sim: Any, words: Any, lasts: Any, n_results: Any) -> Any:
    """Push words with TLAST where `lasts` says and return the results."""
    start = 0
    for end in [*(np.flatnonzero(lasts) + 1), len(words)]:
        sim.push(words[start:end], last=bool(end and lasts[end - 1]))
        start = end
    sim.advance(100_000, n_results * item.manifest.result_words)
    sim.advance(300)
    capture = sim.pop()
    assert sim.pending == 0
    return unpack_results(capture.words, item.manifest.classes)


@pytest.mark.parametrize("name", NAMES)
def test_identity_is_the_manifests(farm: Farm, name: str) -> None:
    item, sim = farm[name]
    m = item.manifest
    low, high = registers.digest_words(m.graph_digest)
    found = sim.dump()
    wanted = {
        "MAGIC": registers.MAGIC, "VERSION": m.interface, "DIGEST_LO": low, "DIGEST_HI": high,
        "FRAME_LEN": m.frame_len, "CLASSES": m.classes, "RESULT_WORDS": m.result_words, "FRAMES_PER_PACKET": 1,
        "CONTROL": 1, "FRAMES_IN": 0, "FRAMES_OUT": 0, "SATURATED": 0, "CYCLES_BUSY": 0, "FRAMING_ERRORS": 0,
    }  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted
    mode, form = REGISTERS["MODE"], REGISTERS["FORMAT"]
    assert [mode.extract(found["MODE"], f) for f in ("channel_mode", "n_channels", "contexts")] == [
        int(m.mode == "channels"), m.n_channels, m.contexts,
    ]  # fmt: skip
    assert [form.extract(found["FORMAT"], f) for f in ("wire_frac", "input_frac", "input_bits", "logit_frac")] == [
        m.wire_frac, m.input_frac, m.input_bits, m.logit_frac,
    ]  # fmt: skip
    assert REGISTERS["INPUT_SHIFT"].extract(found["INPUT_SHIFT"], "input_shift") == m.input_shift


@pytest.mark.parametrize("stall", PATTERNS)
@pytest.mark.parametrize("idle", PATTERNS)
@pytest.mark.parametrize("name", NAMES)
def test_frames_equal_golden(farm: Farm, rng: np.random.Generator, name: str, idle: Any, stall: Any) -> None:
    item, sim = farm[name]
    count = 12 if item.manifest.classes < 50 else 3
    frames = item.frames(rng, count)
    results = sim.run(frames, PATTERNS[idle], PATTERNS[stall])
    check(item, frames, results)
    assert list(results.sequence) == list(range(count))
    assert list(results.channels) == [i % item.manifest.n_channels for i in range(count)]


@pytest.mark.parametrize("name", ["one4", "one8", "one16", "one_fine"])
def test_every_wire_word_at_every_shift(farm: Farm, rng: np.random.Generator, name: str) -> None:
    item, sim = farm[name]
    T = item.graph.frame_len
    every = np.arange(-32768, 32768).astype(np.int16)
    # One swept word a frame in I, one in Q: each can be told from the logits.
    for shift in (-128, -20, -16, -9, -2, -1, 0, 1, 5, 8, 15, 20, 127):
        step = 1 if shift == 0 else 11
        swept = every[::step]
        frames = np.zeros((len(swept), T, 2), np.int16)
        frames[:, 0, 0] = swept
        frames[:, T - 1, 1] = swept[::-1]
        sim.write("INPUT_SHIFT", shift)
        sim.write("CONTROL", 0b101)
        check(item, frames, sim.run(frames), np.clip(shift, -30, 30))
        fmt = item.graph["input_quant"].fmt
        scaled = np.rint(np.ldexp(frames.astype(float), int(shift) - item.manifest.wire_frac + fmt.frac))
        outside = ((scaled < fmt.min_raw) | (scaled > fmt.max_raw)).any(axis=2).sum()
        assert sim.read("SATURATED") == outside, shift


def test_lowest_index_wins_a_tie(farm: Farm) -> None:
    item, sim = farm["tied"]
    frames = np.zeros((3, item.graph.frame_len, 2), np.int16)
    expected = golden_logits(item.graph, frames)
    for head in np.split(expected, [5], axis=1):
        assert (head[:, 1] == head.max(axis=1)).all()
        assert (head[:, 3] == head.max(axis=1)).all()
    results = sim.run(frames)
    check(item, frames, results)
    assert list(results.labels) == [1, 1, 1]
    assert list(golden.classify(item.graph, frames)[0]) == [1, 1, 1]


@pytest.mark.parametrize("stall", ["always", "rarely", "bursts"])
def test_a_core_that_runs_behind(farm: Farm, rng: np.random.Generator, stall: str) -> None:
    """More frames are inside than the shell has tags: the framer waits with the next one, and every tag is right."""
    item, sim = farm["behind"]
    frames, broken = item.frames(rng, 60), np.arange(60) % 5 == 2
    sim.limit_output(0)
    for frame, short in zip(frames, broken, strict=True):
        words = pack_frames(frame[np.newaxis])
        sim.push(words[:2] if short else words, last=bool(short))
        frame[2:] *= not short
    sim.advance(2_000)
    assert sim.read("FRAMES_IN") < 20  # eight tags, two results in the banks
    assert sim.read("STATUS", "input_waits") == 1
    sim.limit_output(None)
    sim.set_patterns(None, PATTERNS[stall])
    sim.advance(100_000, len(frames) * item.manifest.result_words)
    results = unpack_results(sim.pop().words, item.manifest.classes)
    assert np.array_equal(results.logits, golden_logits(item.graph, frames))
    assert list(results.flags) == [FLAG_FRAMING if short else 0 for short in broken]
    assert list(results.sequence) == list(range(len(frames)))


def test_reset_takes_16_cycles(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    released = sim.cycle
    sim.mark()
    sim.push(pack_frames(item.frames(rng, 1)), last=True)
    sim.advance(100)
    assert sim.first_accept_cycle - released == 16


@pytest.mark.parametrize("delay", range(3))
def test_a_framing_error_in_the_cycle_of_a_reset_is_not_counted(
    farm: Farm, rng: np.random.Generator, delay: Any
) -> None:
    """A word accepted two cycles before the reset is still cut into a frame, a later one is dropped with it."""
    _, sim = farm["plain"]
    sim.advance(30)
    sim.set_patterns(source=(0,) * delay + (1,) * 50)
    sim.push(rng.integers(0, 1 << 32, 1, dtype=np.uint32), last=True)
    sim.write("CONTROL", 0b11)
    sim.advance(30)
    assert sim.read("FRAMING_ERRORS") == (delay <= 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_without_tlast(farm: Farm, rng: np.random.Generator, name: str) -> None:
    item, sim = farm[name]
    frames = item.frames(rng, 6)
    check(item, frames, sim.run(frames, last=False))
    assert sim.read("FRAMING_ERRORS") == 0


@pytest.mark.parametrize("name", NAMES)
def test_tlast_with_every_group_is_legal(farm: Farm, rng: np.random.Generator, name: str) -> None:
    item, sim = farm[name]
    n = item.manifest.n_channels
    frames = item.frames(rng, 4 * n)
    words = pack_frames(frames, n)
    lasts = np.arange(1, len(words) + 1) % (n * item.graph.frame_len) == 0
    check(item, frames, feed(item, sim, words, lasts, 4 * n))
    assert sim.read("FRAMING_ERRORS") == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("idle", ["always", "random"])
def test_misplaced_tlast(farm: Farm, rng: np.random.Generator, name: str, idle: str) -> None:
    """A short frame is filled with zeros and flagged; the frames before and behind it are right."""
    item, sim = farm[name]
    n, T = item.manifest.n_channels, item.graph.frame_len
    group = n * T
    for cut in range(1, group):
        sim.reset()
        sim.set_patterns(PATTERNS[idle], PATTERNS[idle])
        frames = item.frames(rng, 3 * n)
        words = pack_frames(frames, n)
        sent = np.concatenate([words[: group + cut], words[2 * group :]])
        lasts = np.zeros(len(sent), bool)
        lasts[group + cut - 1] = True
        results = feed(item, sim, sent, lasts, 3 * n)
        kept = words.copy()
        kept[group + cut : 2 * group] = 0
        filled = unpack_frames(kept, T, n)
        expected = golden_logits(item.graph, filled, item.manifest.input_shift)
        assert np.array_equal(results.logits, expected)
        # Of channel mode: frames whose last sample came before or with the TLAST are whole.
        whole = [cut >= group - n + channel + 1 for channel in range(n)]
        flags = [0] * n + [0 if good else FLAG_FRAMING for good in whole] + [0] * n
        assert list(results.flags) == flags, cut
        assert sim.read("FRAMING_ERRORS") == 1
        assert sim.read("FRAMES_IN") == sim.read("FRAMES_OUT") == 3 * n


def test_long_frames(farm: Farm, rng: np.random.Generator) -> None:
    """T + 3 samples with TLAST: a whole frame, and a broken one of three samples."""
    item, sim = farm["plain"]
    T = item.graph.frame_len
    words = rng.integers(0, 1 << 32, 3 * T + 3, dtype=np.uint32)
    lasts = np.zeros(len(words), bool)
    lasts[T + 2] = True
    results = feed(item, sim, words, lasts, 4)
    filled = np.concatenate([words[: T + 3], np.zeros(T - 3, np.uint32), words[T + 3 :]])
    frames = filled.view(np.int16).reshape(4, T, 2)
    assert np.array_equal(results.logits, golden_logits(item.graph, frames))
    assert list(results.flags) == [0, FLAG_FRAMING, 0, 0]


def test_many_broken_frames_in_a_row(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    T = item.graph.frame_len
    sim.set_patterns(PATTERNS["random"], PATTERNS["rarely"])
    lengths = rng.integers(1, T + 1, 50)
    words = rng.integers(0, 1 << 32, lengths.sum(), dtype=np.uint32)
    lasts = np.zeros(len(words), bool)
    lasts[np.cumsum(lengths) - 1] = True
    filled = np.zeros((50, T), np.uint32)
    filled[np.arange(T) < lengths[:, None]] = words
    results = feed(item, sim, words, lasts, 50)
    assert np.array_equal(results.logits, golden_logits(item.graph, filled.view(np.int16).reshape(50, T, 2)))
    assert np.array_equal(results.flags, np.where(lengths == T, 0, FLAG_FRAMING))
    assert sim.read("FRAMING_ERRORS") == (lengths < T).sum()


@pytest.mark.parametrize("per_packet", [1, 2, 5, 7, 100])
@pytest.mark.parametrize("name", ["plain", "short", "one8"])
def test_frames_per_packet(farm: Farm, rng: np.random.Generator, name: str, per_packet: int) -> None:
    item, sim = farm[name]
    sim.write("FRAMES_PER_PACKET", per_packet)
    capture = sim.stream(item.frames(rng, 10), stall=PATTERNS["random"])
    ends = np.flatnonzero(capture.lasts) + 1
    assert list(ends) == [(i + 1) * item.manifest.result_words for i in range(10) if (i + 1) % per_packet == 0]


def test_a_new_packet_begins_when_the_register_is_written(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    sim.write("FRAMES_PER_PACKET", 4)
    assert not sim.stream(item.frames(rng, 3)).lasts.any()
    sim.write("FRAMES_PER_PACKET", 2)
    ends = np.flatnonzero(sim.stream(item.frames(rng, 4)).lasts) + 1
    assert list(ends) == [2 * item.manifest.result_words, 4 * item.manifest.result_words]
    sim.write("FRAMES_PER_PACKET", 0)
    assert sim.read("FRAMES_PER_PACKET") == 1


@pytest.mark.parametrize("kind", ["pin", "register"])
@pytest.mark.parametrize("name", ["plain", "channels", "short"])
def test_reset_in_mid_frame(farm: Farm, rng: np.random.Generator, name: str, kind: str) -> None:
    """At any moment, whatever is inside; the next frames are right and settings outlive CONTROL.reset."""
    item, sim = farm[name]
    n = item.manifest.n_channels
    for _ in range(40):
        sim.set_patterns(PATTERNS["random"], PATTERNS["random"])
        sim.limit_output(int(rng.integers(0, 40)))
        sim.push(rng.integers(0, 1 << 32, int(rng.integers(1, 200)), dtype=np.uint32), last=True)
        sim.advance(int(rng.integers(1, 300)))
        sim.drop()
        if kind == "pin":
            sim.reset(1)
        else:
            sim.write("INPUT_SHIFT", -1)
            sim.write("CONTROL", 0b11)
            sim.pop()
        sim.limit_output(None)
        sim.set_patterns()
        frames = item.frames(rng, 2 * n)
        results = sim.run(frames)
        check(item, frames, results, 0 if kind == "pin" else -1)
        assert results.sequence[0] == 0
        assert not sim.received


def test_disabled_takes_nothing_and_answers_what_is_inside(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    frames = item.frames(rng, 3)
    sim.push(pack_frames(frames[:1]), last=True)
    sim.advance(60)
    assert sim.pending == 0
    sim.write("CONTROL", 0)
    sim.push(pack_frames(frames[1:]), last=True)
    sim.advance(500)
    assert sim.pending == 2 * item.graph.frame_len
    assert sim.received == item.manifest.result_words
    assert sim.read("STATUS", "input_waits") == 1
    sim.write("CONTROL", 1)
    sim.advance(1000, 3 * item.manifest.result_words)
    check(item, frames, unpack_results(sim.pop().words, item.manifest.classes))


@pytest.mark.parametrize("name", NAMES)
def test_full_back_pressure_loses_nothing(farm: Farm, rng: np.random.Generator, name: str) -> None:
    item, sim = farm[name]
    n = item.manifest.n_channels
    frames = item.frames(rng, 30 * n)
    sim.limit_output(0)
    sim.push(pack_frames(frames, n), last=True)
    sim.advance(12_000)
    held = sim.pending
    assert held > 0
    assert sim.read("STATUS", "output_waits") == 1
    sim.advance(1_000)
    assert sim.pending == held
    assert sim.read("CYCLES_STALLED") > 10_000
    sim.limit_output(None)
    sim.advance(2_000_000, len(frames) * item.manifest.result_words)
    check(item, frames, unpack_results(sim.pop().words, item.manifest.classes))


@pytest.mark.parametrize("name", NAMES)
def test_cycles_are_as_predicted(farm: Farm, rng: np.random.Generator, name: str) -> None:
    item, sim = farm[name]
    m = item.manifest
    n = m.n_channels
    capture = sim.stream(item.frames(rng, n))
    first_result = capture.cycles[m.result_words - 1] - sim.first_accept_cycle
    if n == 1:
        assert first_result == m.latency_cycles
    assert sim.read("CYCLES_BUSY") == capture.cycles[-1] - sim.first_accept_cycle + 1
    sim.reset()
    ends = sim.stream(item.frames(rng, 20 * n)).cycles[m.result_words - 1 :: m.result_words]
    steady = ends[10 * n :: n].astype(int)
    assert set(np.diff(steady)) == {n * m.cycles_per_frame}


def test_counters(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    sim.run(item.frames(rng, 5))
    assert (sim.read("FRAMES_IN"), sim.read("FRAMES_OUT"), sim.read("CYCLES_STALLED")) == (5, 5, 0)
    busy = sim.read("CYCLES_BUSY")
    sim.advance(1000)
    assert sim.read("CYCLES_BUSY") == busy
    sim.run(item.frames(rng, 1), stall=(0, 1))
    # Every word waits one cycle; the first one may meet a cycle in which the sink is ready.
    assert sim.read("CYCLES_STALLED") - item.manifest.result_words in (-1, 0)
    sim.write("CONTROL", 0b101)
    for name in ("FRAMES_IN", "FRAMES_OUT", "CYCLES_BUSY", "CYCLES_STALLED", "SATURATED", "FRAMING_ERRORS"):
        assert sim.read(name) == 0, name
    assert sim.read("CONTROL") == 1


def test_status(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    assert sim.read("STATUS", "resetting") == 1
    sim.advance(20)
    assert sim.read("STATUS") == 0
    frames = item.frames(rng, 2)
    sim.limit_output(0)
    sim.push(pack_frames(frames)[:20])
    sim.advance(200)
    status = sim.read("STATUS")
    found = {f.name: f.extract(status) for f in REGISTERS["STATUS"].fields}
    assert found == {
        "busy": 1, "resetting": 0, "mid_frame": 1, "padding": 0, "input_waits": 0, "output_waits": 1, "in_flight": 1,
    }  # fmt: skip


def test_registers_keep_byte_strobes_and_ignore_the_rest(farm: Farm) -> None:
    _, sim = farm["plain"]
    offset = REGISTERS["FRAMES_PER_PACKET"].offset
    sim.write_word(offset, 0x11223344)
    sim.write_word(offset, 0xAABBCCDD, strobe=0b0101)
    assert sim.read_word(offset) == 0x11BB33DD
    sim.write_word(offset, 0, strobe=0)
    assert sim.read_word(offset) == 0x11BB33DD
    before = sim.dump()
    mapped = {r.offset + 4 * w: r for r in registers.TABLE for w in range(r.words)}
    for address in range(0, 1 << registers.ADDRESS_BITS, 4):
        entry = mapped.get(address)
        if entry is None or all(field.access in ("constant", "status", "count") for field in entry.fields):
            sim.write_word(address, 0xFFFFFFFF)
        if entry is None:
            assert sim.read_word(address) == 0
    assert sim.dump() == before
    sim.reset()
    assert sim.read("FRAMES_PER_PACKET") == 1


def test_stored_registers_hold_every_value(farm: Farm, rng: np.random.Generator) -> None:
    _, sim = farm["plain"]
    for value in (1, 2, 0x80000000, 0xFFFFFFFF):
        sim.write("FRAMES_PER_PACKET", value)
        assert sim.read("FRAMES_PER_PACKET") == value
    for value in range(-128, 128):
        sim.write("INPUT_SHIFT", value)
        assert sim.read("INPUT_SHIFT", "input_shift") == value


def test_registers_answer_while_frames_stream(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    frames = item.frames(rng, 40)
    sim.push(pack_frames(frames), last=True)
    seen, began = [], sim.cycle
    while sim.received < len(frames) * item.manifest.result_words:
        seen.append(sim.read("FRAMES_OUT"))
        assert sim.cycle < began + 100_000
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    check(item, frames, unpack_results(sim.pop().words, item.manifest.classes))


def test_steps_stop_at_events(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    words = item.manifest.result_words
    sim.advance(20)  # reset is at work for 16 cycles
    sim.limit_output(words + 2, to_last=True)
    sim.push(pack_frames(item.frames(rng, 2)), last=True)
    passed, event = sim.advance(10_000, stop=Event.EMPTY)
    assert event == Event.EMPTY
    assert sim.pending == 0
    assert passed == 2 * item.graph.frame_len
    _, event = sim.advance(10_000, stop=Event.LAST | Event.FULL)
    assert event == Event.LAST | Event.FULL
    assert sim.received == words
    assert sim.advance(100, stop=Event.LAST)[1] == Event(0)
    assert sim.received == words
    sim.limit_output(3, to_last=True)
    _, event = sim.advance(10_000, stop=Event.LAST | Event.FULL)
    assert event == Event.FULL
    assert len(sim.pop(to_last=True).words) == words
    assert len(sim.pop(to_last=True).words) == 3


def test_a_stalled_accelerator_is_reported(farm: Farm, rng: np.random.Generator) -> None:
    item, sim = farm["plain"]
    sim.write("CONTROL", 0)
    with pytest.raises(ToolFailed, match=r"stopped: .*16 words not accepted.*s_axis_tready=0.*input_waits=1"):
        sim.run(item.frames(rng, 1))


def test_a_pattern_of_idle_cycles_only_is_refused(farm: Farm) -> None:
    with pytest.raises(DataError, match="stall the stream"):
        farm["plain"][1].set_patterns(source=(0, 0))
