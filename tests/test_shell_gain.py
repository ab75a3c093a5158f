"""The automatic gain of the shell in Verilator, against the rule and golden: every frame's shift and every logit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell_farm import Farm, Member, gain_members, member

from hw_amc import tools
from hw_amc.cosim.simulators import lint
from hw_amc.errors import ConfigError
from hw_amc.interface.gain import AutomaticGain, Gains
from hw_amc.interface.registers import FLAG_FRAMING, GAIN_TABLE, GAIN_VERSION, REGISTERS, TABLE
from hw_amc.interface.words import pack_frames, unpack_results
from hw_amc.rtl.shell.accelerator import GAIN_CYCLES, GAIN_FILES, shell_files
from hw_amc.rtl.verilog import resolve
from hw_amc.verify.results import golden_logits

NAMES = list(gain_members())


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    made = Farm(gain_members())
    yield made
    made.sim.close()


@dataclass(frozen=True)
class Odd(AutomaticGain):
    """The rule of the member `odd`."""

    @property
    def least_level(self) -> int:
        return 11 << 15


def rule_of(item: Member) -> AutomaticGain:
    rule = AutomaticGain.of(item.manifest)
    return Odd(**vars(rule)) if item.manifest.name == "odd" else rule


def switch(sim: Any, on: bool, highest: int = 15) -> None:
    sim.write("HIGHEST_GAIN", highest)
    sim.write("AUTOMATIC_GAIN", int(on))


@dataclass
class Stream:
    """What the hardware should do with frames that come one group after another."""

    item: Member
    rule: AutomaticGain
    shift: int
    gains: Gains
    on: bool = True

    def expect(self, frames: np.ndarray, broken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shifts and logits of the next frames."""
        gains = np.zeros(len(frames), np.int64)
        if self.on:
            gains, self.gains = self.rule.follow(frames, self.gains, broken)
        shifts = AutomaticGain.shifts(gains, self.shift)
        return shifts, golden_logits(self.item.graph, frames, shifts.clip(-30, 30))


def make_frames(rng: np.random.Generator, item: Member, groups: int) -> np.ndarray:
    """Frames of all levels, silent ones, and of the largest and smallest words."""
    count, T = groups * item.manifest.n_channels, item.graph.frame_len
    frames = rng.integers(-32768, 32768, (count, T, 2)) >> rng.integers(0, 16, (count, 1, 1))
    kinds = rng.integers(0, 8, count)
    frames[kinds == 0] = 0
    frames[kinds == 1] = -32768
    frames[kinds == 2] = rng.integers(0, 2, (T, 2))
    return frames.astype(np.int16)


def send(item: Member, sim: Any, frames: np.ndarray, cut: int | None = None) -> tuple[Any, np.ndarray, np.ndarray]:
    """Send groups of frames, the last one cut short after so many words; return results, padded frames, broken ones."""
    n, T = item.manifest.n_channels, item.graph.frame_len
    words = pack_frames(frames, n)
    broken = np.zeros(len(frames), bool)
    sent = words
    if cut is not None:
        sent = words[: len(words) - n * T + cut]
        whole = [len(range(channel, cut, n)) == T for channel in range(n)]
        broken[-n:] = [not every for every in whole]
        frames = frames.copy()
        for channel in range(n):
            frames[len(frames) - n + channel, len(range(channel, cut, n)) :] = 0
    before = sim.received
    sim.push(sent, last=True)
    sim.advance(500_000, before + len(frames) * item.manifest.result_words)
    sim.advance(200)
    assert sim.pending == 0
    return unpack_results(sim.pop().words, item.manifest.classes), frames, broken


def used(item: Member, sim: Any) -> list[int]:
    """Shift that each channel had last."""
    found = []
    for channel in range(item.manifest.n_channels):
        sim.write("GAIN_CHANNEL", channel)
        found.append(sim.read("GAIN_SHIFT", "gain_shift"))
    return found


PATTERN = st.lists(st.integers(0, 1), min_size=1, max_size=40).map(lambda bits: (*bits, 1))


@pytest.mark.cosim
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_shift_and_every_logit(farm: Farm, name: str, data: st.DataObject) -> None:
    """Whatever the levels, handshakes, settings, broken frames and resets."""
    item, sim = farm[name]
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30), "frames"))
    n, T, m = item.manifest.n_channels, item.graph.frame_len, item.manifest
    stream = Stream(item, rule_of(item), m.input_shift, (0,) * n)
    switch(sim, True)
    for _ in range(data.draw(st.integers(1, 6), "parts")):
        act = data.draw(st.sampled_from(["on", "off", "highest", "shift", "pin", "register", "go", "go", "go"]), "act")
        if act in ("on", "off", "highest"):
            stream.on = act != "off"
            highest = data.draw(st.sampled_from([15, 3, 0, -1, 127, -128]), "highest") if act == "highest" else 15
            stream.rule = replace(stream.rule, highest=highest)
            switch(sim, stream.on, highest)
            stream.gains = stream.gains if stream.on else (0,) * n
        elif act == "shift":
            stream.shift = data.draw(st.sampled_from([0, 1, -4, 15, -16, 120, -120]), "shift")
            sim.write("INPUT_SHIFT", stream.shift)
        elif act in ("pin", "register"):
            # In mid-frame, with frames inside, at any moment.
            sim.limit_output(data.draw(st.integers(0, 40), "output"))
            sim.push(pack_frames(make_frames(rng, item, 3), n), last=True)
            sim.advance(data.draw(st.integers(1, 150), "cycles"))
            sim.drop()
            if act == "pin":
                sim.reset(1)
                stream = Stream(item, rule_of(item), m.input_shift, (0,) * n)
                switch(sim, True)
            else:
                sim.write("CONTROL", 0b11)
                stream.gains = (0,) * n
            sim.pop()
            sim.limit_output(None)
            assert used(item, sim) == [stream.shift] * n
        sim.set_patterns(data.draw(PATTERN, "idle"), data.draw(PATTERN, "stall"))
        cut = data.draw(st.none() | st.integers(1, n * T - 1), "cut")
        frames = make_frames(rng, item, data.draw(st.integers(1, 6), "groups"))
        results, padded, broken = send(item, sim, frames, cut)
        shifts, logits = stream.expect(padded, broken)
        np.testing.assert_array_equal(results.logits, logits)
        np.testing.assert_array_equal(results.flags, np.where(broken, FLAG_FRAMING, 0))
        assert used(item, sim) == shifts[-n:].tolist()


@pytest.mark.cosim
@pytest.mark.parametrize("name", NAMES)
def test_off_by_default(farm: Farm, name: str) -> None:
    item, sim = farm[name]
    rng = np.random.default_rng(1)
    frames = make_frames(rng, item, 10)
    results = sim.run(frames)
    np.testing.assert_array_equal(results.logits, golden_logits(item.graph, frames, item.manifest.input_shift))
    assert used(item, sim) == [item.manifest.input_shift] * item.manifest.n_channels
    assert sim.read("AUTOMATIC_GAIN") == 0
    assert sim.read("HIGHEST_GAIN", "highest_gain") == 15
    assert sim.read("VERSION") == GAIN_VERSION == item.manifest.interface


@pytest.mark.cosim
def test_saturated_samples_are_those_of_the_shift_that_was_used(farm: Farm) -> None:
    _, sim = farm["plain"]
    switch(sim, True)
    frames = np.full((3, 16, 2), 1000, np.int16)  # 1/16 of full scale: a gain of 4 for the second and third frame
    frames[2, :5] = -32768  # 2^15 2^4 does not fit
    sim.run(frames)
    assert sim.read("GAIN_SHIFT", "gain_shift") == 4
    assert sim.read("SATURATED") == 5


@pytest.mark.cosim
@pytest.mark.parametrize("power", [-2, -1, 1])
@pytest.mark.parametrize("name", ["plain", "channels"])
def test_frames_scaled_by_a_power_of_two_get_the_same_answers(farm: Farm, name: str, power: int) -> None:
    """From the second frame of a channel on, where the ADC's whole numbers lost nothing."""
    item, sim = farm[name]
    n, T = item.manifest.n_channels, item.graph.frame_len
    rng = np.random.default_rng(3)
    frames = 4 * np.rint(rng.normal(0, 2700, (12 * n, T, 2))).astype(np.int16).clip(-4095, 4095)
    switch(sim, True)
    wanted = sim.run(frames)
    before = used(item, sim)
    sim.write("CONTROL", 0b11)
    scaled = frames << power if power > 0 else frames >> -power
    found = sim.run(scaled)
    np.testing.assert_array_equal(found.logits[n:], wanted.logits[n:])
    assert (found.logits[:n] != wanted.logits[:n]).any()
    assert used(item, sim) == [shift - power for shift in before]


@pytest.mark.cosim
@pytest.mark.parametrize("name", [name for name in NAMES if name != "exported"])  # nothing predicts those of HLS
def test_cycles_are_as_predicted(farm: Farm, name: str) -> None:
    """The gain costs nine cycles of latency and none of throughput, switched on or off."""
    item, sim = farm[name]
    m = item.manifest
    n = m.n_channels
    rng = np.random.default_rng(2)
    for on in (False, True):
        sim.reset()
        switch(sim, on)
        capture = sim.stream(make_frames(rng, item, 30))
        if n == 1:
            assert capture.cycles[m.result_words - 1] - sim.first_accept_cycle == m.latency_cycles
        ends = capture.cycles[m.result_words - 1 :: m.result_words][10 * n :: n].astype(int)
        assert set(np.diff(ends)) == {n * m.cycles_per_frame}
    without = member("without", frame_len=16, heads=(5, 3)).manifest
    assert gain_members()["plain"].manifest.latency_cycles == without.latency_cycles + GAIN_CYCLES


@pytest.mark.cosim
@pytest.mark.parametrize("name", ["plain", "channels", "coarse"])
def test_lint_and_verilog_2001(tmp_path: Any, name: str) -> None:
    accelerator = gain_members()[name].accelerator
    accelerator.sources.write(tmp_path)
    sources = sorted(file for file in accelerator.sources.files if file.endswith(".v"))
    lint(tmp_path, name, sources)
    tools.run(["iverilog", "-g2001", "-Wall", "-t", "null", "-s", name, *sources], cwd=tmp_path)


def test_without_it_the_accelerator_knows_nothing_of_it() -> None:
    without, with_it = shell_files(), shell_files(automatic_gain=True)
    assert with_it.keys() - without.keys() == set(GAIN_FILES)
    assert not [name for name, text in without.items() if "gain" in text or "`ifdef" in text]
    assert not [name for name, text in with_it.items() if "AMC_AUTOMATIC_GAIN" in text]
    plain = member("plain").accelerator
    assert "automatic_gain" not in plain.sources.files["manifest.json"]
    assert gain_members()["plain"].accelerator.sources.files["manifest.json"].endswith('"automatic_gain": true\n}\n')
    assert {register.name for register in GAIN_TABLE} == set(REGISTERS) - {register.name for register in TABLE}


def test_a_wire_format_that_has_no_level_is_refused() -> None:
    with pytest.raises(ConfigError, match="fraction bits, not 16; set automatic_gain = false under"):
        member("fine", wire_frac=16, automatic_gain=True)


def test_directives_are_resolved() -> None:
    text = "a\n`ifdef M\nb\n`else\nc\n`endif\n`ifdef N\nd\n`else\ne\n`endif\n`ifdef M\nf\n`endif\ng\n"
    kept = "`ifdef N\nd\n`else\ne\n`endif\n"
    assert resolve(text, "M", True) == f"a\nb\n{kept}f\ng\n"
    assert resolve(text, "M", False) == f"a\nc\n{kept}g\n"
