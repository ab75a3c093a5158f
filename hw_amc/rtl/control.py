"""The control of a core and of the shell's results, cycle by cycle, without the data: when frames begin and leave.

Each class is the state of one Verilog module; `step` is a clock cycle of it, as the module has it. `hw_amc.rtl.rhythm`
connects them to say when results come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class EntryControl(Protocol):
    """Where samples enter."""

    def step(self, offered: bool, taken: bool) -> tuple[bool, int | None]:
        """One cycle: whether a sample was accepted, and the context whose frame had its last sample in this slot."""


class HeadsControl(Protocol):
    """Where results leave the core."""

    @property
    def valid(self) -> bool:
        """Whether a logit is offered."""

    def step(self, arrived: int | None, ready: bool) -> bool:
        """One cycle: a context's last vector comes, the sink is ready; whether a frame has left its place."""


@dataclass
class FramesControl:
    """amc_frames: each context reads its frame from its buffer, one frame after another is written."""

    contexts: int
    slot_cycles: int
    length: int
    gap: int
    ready: bool = False
    w_ctx: int = 0
    w_time: int = 0
    w_parity: int = 0
    pending: int = 0
    cycle: int = 0
    #: (parity, time) at which each context reads.
    positions: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.positions = [(0, 0)] * self.contexts

    def step(self, offered: bool, taken: bool) -> tuple[bool, int | None]:
        """One cycle."""
        accepted, before = self.ready and offered, tuple(self.positions)
        finished = self._read()
        begun = accepted and self.w_time == 0
        if accepted:
            self.w_time += 1
            if self.w_time == self.length:
                self.w_time = 0
                self.w_ctx = (self.w_ctx + 1) % self.contexts
                self.w_parity ^= self.w_ctx == 0
        self.pending += begun - taken
        full = before[self.w_ctx] == (1 - self.w_parity, self.w_time)
        self.ready = not full and (self.w_time != 0 or self.pending != 2 * self.contexts)
        self.cycle += 1
        return accepted, finished

    def _read(self) -> int | None:
        """Take a sample in the slot of this cycle, if there is one; the context whose frame ends with it."""
        slot, phase = divmod(self.cycle, self.slot_cycles)
        if phase:
            return None
        context = slot % self.contexts
        parity, time = self.positions[context]
        written = (self.w_parity ^ (context < self.w_ctx), self.w_time if context == self.w_ctx else 0)
        if time < self.length and (parity, time) == written:
            return None
        ends = time == self.length + self.gap - 1
        self.positions[context] = (1 - parity, 0) if ends else (parity, time + 1)
        return context if time == self.length - 1 else None


@dataclass
class ChannelsControl:
    """amc_channels: sample j in the slot of channel j mod `channels`."""

    contexts: int
    channels: int
    slot_cycles: int
    length: int
    gap: int
    channel: int = 0
    now: int = 0
    pending: int = 0
    cycle: int = 0

    def step(self, offered: bool, taken: bool) -> tuple[bool, int | None]:
        """One cycle."""
        slot, phase = divmod(self.cycle, self.slot_cycles)
        turn = self.cycle > 0 and phase == 0 and slot % self.contexts == self.channel
        resting = self.now >= self.length
        accepted = offered and turn and not resting and (self.now > 0 or self.pending != 2 * self.channels)
        finished = self.channel if accepted and self.now == self.length - 1 else None
        self.pending += (accepted and self.now == 0) - taken
        if accepted or (turn and resting):
            self.channel = (self.channel + 1) % self.channels
            if self.channel == 0:
                self.now = (self.now + 1) % (self.length + self.gap)
        self.cycle += 1
        return accepted, finished


@dataclass
class PooledControl:
    """amc_results: finished frames wait in their places; the heads take one term a cycle."""

    contexts: int
    #: Of each step: whether it ends a logit.
    ends: Sequence[bool]
    valid: bool = False
    busy: bool = False
    index: int = 0
    #: Frames that have begun to leave: the place whose turn it is.
    turn: int = 0
    #: Stages between a term and its logit: whether a logit ends there.
    line: tuple[bool, ...] = (False,) * 5
    done: set[int] = field(default_factory=set)
    finish: int | None = None
    #: Frames that each context has finished.
    finished: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.finished = [0] * self.contexts

    def step(self, arrived: int | None, ready: bool) -> bool:
        """One cycle."""
        load = self.turn in self.done and not self.busy
        moves = not self.valid or ready
        if moves:
            self.valid = self.line[-1]
            self.line = (self.busy and self.ends[self.index], *self.line[:-1])
        if load:
            self.done.remove(self.turn)
            self.turn += 1
            self.busy, self.index = True, 0
        elif self.busy and moves:
            self.index += 1
            self.busy = self.index < len(self.ends)
        if self.finish is not None:
            self.done.add(self.finish)
        self.finish = None
        if arrived is not None:
            self.finish = self.finished[arrived] * self.contexts + arrived
            self.finished[arrived] += 1
        return load


@dataclass(frozen=True)
class ProgramStep:
    """A step of amc_dense's program."""

    ends: bool = False
    #: Logits that leave at its end.
    logits: int = 0


@dataclass
class DenseControl:
    """amc_dense: a program over a frame's vectors, two frames in their places, groups of logits that leave in turn."""

    program: Sequence[ProgramStep]
    busy: bool = False
    index: int = 0
    #: Finished frames that wait or are worked on.
    done: int = 0
    left: int = 0
    #: Stages 1 to 5.
    line: tuple[ProgramStep, ...] = (ProgramStep(),) * 5

    @property
    def valid(self) -> bool:
        """Whether a logit is offered."""
        return self.left > 0

    def step(self, arrived: int | None, ready: bool) -> bool:
        """One cycle."""
        leaving = self.line[-1].logits if self.line[-1].ends else 0
        free = self.left == 0 or (ready and self.left == 1)
        moves = not leaving or free
        load = self.done > 0 and not self.busy
        taken = self.busy and moves and self.index == len(self.program) - 1
        if leaving and free:
            self.left = leaving
        elif self.left and ready:
            self.left -= 1
        if moves:
            self.line = (self.program[self.index] if self.busy else ProgramStep(), *self.line[:-1])
            if self.busy:
                self.index = 0 if taken else self.index + 1
        self.busy = load or (self.busy and not taken)
        self.done += (arrived is not None) - taken
        return taken


@dataclass
class PackerControl:
    """amc_shell_results: logits are collected in two banks and leave behind word 0, the sink always ready."""

    logits: int
    full: int = 0
    in_index: int = 0
    out_index: int = 0
    held: bool = False
    held_ends: bool = False

    @property
    def ready(self) -> bool:
        """Whether a logit is taken."""
        return self.full < 2

    def step(self, valid: bool) -> bool:
        """One cycle: a logit is offered; whether a result's last word is handed over."""
        sent, collect, load = self.held and self.held_ends, valid and self.ready, self.full > 0
        self.held = load
        if load:
            self.held_ends = self.out_index == self.logits
            self.out_index = 0 if self.held_ends else self.out_index + 1
            self.full -= self.held_ends
        if collect:
            self.in_index += 1
            if self.in_index == self.logits:
                self.in_index = 0
                self.full += 1
        return sent
