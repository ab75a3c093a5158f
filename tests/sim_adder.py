"""A small streaming IP for tests of the simulated device: adds a register to every word, some cycles later."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

import numpy as np

from hw_amc.sim_device import Design, Register, StreamIp, emit_bit, emit_hwh

LATENCY = 7


class Adder:
    """One word a cycle, `LATENCY` cycles deep; register 0 is the addend, 4 counts words, 8 = 1 swallows TLAST."""

    def __init__(self, folder: Path | None = None, addend: int = 0) -> None:
        self.addend, self.count, self.swallow_last, self.frozen, self.closed = addend, 0, 0, False, False
        self.reset()

    def reset(self) -> None:
        self.queue: deque[tuple[int, bool]] = deque()
        self.pipe: deque[tuple[int, bool, int]] = deque()
        self.out: list[tuple[int, bool]] = []
        self.credit = self.now = 0

    def read(self, offset: int) -> int:
        return {0: self.addend, 4: self.count}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == 0:
            self.addend = value
        elif offset == 8:
            self.swallow_last = value

    def push(self, words: np.ndarray, last: bool) -> None:
        self.queue.extend((int(word), False) for word in words)
        if len(words) and last:
            self.queue[-1] = (self.queue[-1][0], True)

    def drop(self) -> None:
        self.queue.clear()

    def waiting(self) -> int:
        return len(self.queue)

    def allow(self, words: int) -> None:
        self.credit = words

    def pop(self) -> tuple[np.ndarray, bool]:
        end = next((i + 1 for i, (_, last) in enumerate(self.out) if last), len(self.out))
        taken, self.out = self.out[:end], self.out[end:]
        return np.array([word for word, _ in taken], np.uint32), bool(taken and taken[-1][1])

    def advance(self, cycles: int) -> int:
        for passed in range(1, cycles + 1):
            self.now += 1
            if self.frozen:
                continue
            stop = False
            if self.pipe and self.pipe[0][2] <= self.now and self.credit:
                word, last, _ = self.pipe.popleft()
                self.out.append((word, last and not self.swallow_last))
                self.credit -= 1
                stop = self.out[-1][1] or not self.credit
            if self.queue and len(self.pipe) < 16:
                word, last = self.queue.popleft()
                self.pipe.append(((word + self.addend) & 0xFFFF_FFFF, last, self.now + LATENCY))
                self.count += 1
                stop = stop or not self.queue
            if stop:
                return passed
        return cycles

    def describe(self) -> str:
        return f"adder holds {len(self.pipe)} words"

    def close(self) -> None:
        self.closed = True


def design(ps: str = "zynq7") -> Design:
    """A block design around the adder."""
    ip = StreamIp("adder_0", "example.org:user:adder:1.0", (Register("ADDEND", 0), Register("COUNT", 4, "read-only")))
    if ps == "zynq7":
        return Design("adder", "xc7z020clg400-1", "", "zynq7", 125.0, 1000.0, ip, 0x43C0_0000, 0x4040_0000)
    return Design(
        "adder", "xczu7ev-ffvc1156-2-e", "", "zynqmp", 250.0, 1500.0, ip, 0xA000_0000, 0xA001_0000,
        memory_bits=128, memory_port="S_AXI_HP0_FPD", control_port="M_AXI_HPM0_FPD",
    )  # fmt: skip


def write_overlay(folder: Path, ps: str = "zynq7", **arguments: int) -> Path:
    """Write adder.bit, .hwh and .sim.json; returns the bitstream's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adder.bit").write_bytes(emit_bit("adder", design(ps).part, ps.encode()))
    (folder / "adder.hwh").write_text(emit_hwh(design(ps)))
    entry = {"factory": "sim_adder:Adder", "arguments": arguments}
    (folder / "adder.sim.json").write_text(json.dumps({"ip": {"adder_0": entry}}))
    return folder / "adder.bit"
