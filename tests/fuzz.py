"""Gives every reader of files wrong ones: each value by each wrong value, several at once, then damaged bytes.

`python tests/fuzz.py --seconds 600 --out docs/results/fuzz.json` (`make fuzz`) counts what came of it and keeps each
input that broke a reader in tests/data/fuzz/<reader>; tests/test_fuzz.py reads those again, and a bounded slice of the
same inputs. With `--resume` the numbers of `--out` are gone on from, up to each reader's goal: 10^6, or fewer where
Keras makes a model of what is read. A reader may answer with a result or with an error of the package; anything else is
a finding: a foreign exception, a crash, 5 seconds, or 1 GB more than its process began with.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import hashlib
import json
import mmap
import multiprocessing as mp
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz_inputs import VERSION, Inputs, make_input
from fuzz_targets import READ, REFUSED, TARGETS, Target, refused

import hw_amc

FOUND = Path(__file__).parent / "data" / "fuzz"
LONGEST_S = 5.0
MEMORY = 1 << 30
#: Inputs that one process is given; then another takes its place, so that nothing adds up.
BATCH = 100_000
#: A reader that does not even see its alarm, seconds.
DEAF_S = 3.0


def folder_of(target: Target) -> str:
    """Where the inputs that once broke a reader are kept."""
    return target.name.replace(" ", "_")


class Hang(BaseException):
    """A reader took longer than it may; no Exception, so that none of the package's handlers swallows it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _raised_at(error: BaseException) -> str:
    """The package's last line on the way to an error: findings of one line are one finding."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(hw_amc.__file__).parent in Path(frame.filename).parents]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"


def outcome(target: Target, path: Path) -> str:
    """Read a file: "read", "refused", or the finding in one line."""
    try:
        with limited(LONGEST_S):
            target.read(path)
    except (Exception, Hang) as error:
        if refused(error):
            return REFUSED
        return f"{type(error).__name__} at {_raised_at(error)}: {error}".replace("\n", " ")[:200]
    return READ


@dataclass
class Tally:
    """What came of a reader's inputs."""

    counts: Counter[str] = field(default_factory=Counter)
    #: Finding -> an input that made it.
    found: dict[str, bytes] = field(default_factory=dict)
    longest_s: float = 0.0
    peak_bytes: int = 0
    #: Seconds of a processor, and how many inputs took them; a shared machine's clock says little of a reader.
    cpu_s: float = 0.0
    timed: int = 0

    def add(self, said: str, data: bytes, took: float) -> None:
        self.counts[said if said in (READ, REFUSED) else "findings"] += 1
        self.longest_s = max(self.longest_s, took)
        if said not in (READ, REFUSED):
            self.found.setdefault(said.partition(": ")[0], data)

    def join(self, other: Tally) -> None:
        self.counts += other.counts
        self.found = {**other.found, **self.found}
        self.longest_s, self.peak_bytes = max(self.longest_s, other.longest_s), max(self.peak_bytes, other.peak_bytes)
        self.cpu_s, self.timed = self.cpu_s + other.cpu_s, self.timed + other.timed


@dataclass(frozen=True)
class Bench:
    """A reader with its valid file, in a folder of its own."""

    target: Target
    path: Path
    valid: bytes
    inputs: Inputs

    @classmethod
    def set_up(cls, target: Target, folder: Path) -> Bench:
        path = folder / target.file
        path.parent.mkdir(parents=True, exist_ok=True)
        target.make(path)
        if (said := outcome(target, path)) != target.valid:
            raise AssertionError(f"{target.name}: the valid file is not {target.valid}: {said}")
        valid = path.read_bytes()
        return cls(target, path, valid, target.form(valid))

    def feed(self, tally: Tally, seed: int, number: int) -> None:
        data = make_input(self.inputs, self.valid, seed, number)
        self.path.write_bytes(data)
        started = time.monotonic()
        tally.add(outcome(self.target, self.path), data, time.monotonic() - started)


def fuzz(target: Target, seed: int, seconds: float, numbers: Sequence[int]) -> Tally:
    """Feed a reader in this process, without a limit of memory, until the time or the numbers are over."""
    tally, end = Tally(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = Bench.set_up(target, Path(folder))
        for number in numbers:
            bench.feed(tally, seed, number)
            if time.monotonic() > end:
                break
    return tally


def _status(name: str) -> int:
    """A line of /proc/self/status, bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10


def _work(target: Target, seed: int, numbers: range, seconds: float, seen: mmap.mmap, answer: Connection) -> None:
    """Feed a part of the inputs in a process of its own; `seen` tells its parent where it is, should it die."""
    faulthandler.disable()
    warnings.simplefilter("ignore")
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        bench = Bench.set_up(target, Path(folder))
        # What libraries print of wrong files; descriptor 2 is theirs, too.
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
        os.dup2(sys.stdout.fileno(), 2)
        used, resident = _status("VmSize"), _status("VmRSS")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        gc.freeze()  # what libraries hold is not searched again and again
        done, end, started = 0, time.monotonic() + seconds, time.process_time()
        for number in numbers:
            seen[:16] = struct.pack("qd", number, time.monotonic())
            bench.feed(tally, seed, number)
            done += 1
            if time.monotonic() > end:
                break
        tally.peak_bytes = max(0, _status("VmHWM") - resident)
        tally.cpu_s, tally.timed = time.process_time() - started, done
        answer.send((tally, done))


def _memory_folder() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run_batch(target: Target, seed: int, numbers: range, seconds: float) -> tuple[Tally, int]:
    """Feed some inputs in a process of its own: (what came of them, how many were read).

    A process that dies or hangs counts as a finding of the input that it was at.
    """
    seen = mmap.mmap(-1, 16)
    seen[:16] = struct.pack("qd", -1, time.monotonic())
    reader, writer = mp.Pipe(duplex=False)
    process = mp.get_context("fork").Process(target=_work, args=(target, seed, numbers, seconds, seen, writer))
    process.start()
    writer.close()
    while not reader.poll(0.5):
        number, since = struct.unpack("qd", seen[:16])
        if number >= 0 and time.monotonic() - since > LONGEST_S + DEAF_S:
            process.kill()
    number = struct.unpack("qd", seen[:16])[0]
    try:
        tally, done = reader.recv()
    except EOFError:
        process.join()
        if number < 0:
            raise RuntimeError(f"{target.name}: its process ended before the first input") from None
        # What came before it is lost with the process, and read again.
        before = range(numbers.start, number)
        tally, done = run_batch(target, seed, before, len(before) * LONGEST_S) if before else (Tally(), 0)
        if done == len(before):
            tally.add(_death(process.exitcode), _remake(target, seed, number), 0.0)
            done += 1
    process.join()
    return tally, done


def _death(code: int | None) -> str:
    name = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    return f"{'Hang' if name == 'SIGKILL' else 'Crash'} at {name}: the process ended"


def _remake(target: Target, seed: int, number: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench = Bench.set_up(target, Path(folder))
        return make_input(bench.inputs, bench.valid, seed, number)


@dataclass
class Reader:
    """A reader's line in the results."""

    target: Target
    #: Number of the next input.
    following: int = 0
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def run(self, seed: int, seconds: float, most: int, after: Callable[[], None] = lambda: None) -> None:
        """Feed it in batches, and call `after` each of them."""
        started, earlier = time.monotonic(), self.seconds
        while self.following < most and (left := seconds - (time.monotonic() - started)) > 0:
            numbers = range(self.following, min(most, self.following + BATCH))
            tally, done = run_batch(self.target, seed, numbers, left)
            self.tally.join(tally)
            self.following += done
            self.keep(tally.found)
            self.seconds = earlier + time.monotonic() - started
            after()

    def keep(self, found: dict[str, bytes]) -> None:
        for said, data in found.items():
            kept = FOUND / folder_of(self.target) / hashlib.sha256(data).hexdigest()[:16]
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(data)
                print(f"{self.target.name}: {said} ({kept.name})", flush=True)

    def to_dict(self) -> dict[str, Any]:
        counts, rate = self.tally.counts, self.tally.timed / max(self.tally.cpu_s, 1e-9)
        left = max(0, self.target.goal - counts.total())
        return {
            "inputs": counts.total(), "goal": self.target.goal,
            **{key: counts[key] for key in (READ, REFUSED, "findings")},
            "next": self.following, "seconds": round(self.seconds, 1),
            "inputs_per_s": round(counts.total() / max(self.seconds, 1e-9), 1),
            "cpu_s": round(self.tally.cpu_s, 2), "timed": self.tally.timed, "inputs_per_cpu_s": round(rate, 1),
            "cpu_hours_to_goal": round(left / rate / 3600, 2) if rate else None,
            "longest_s": round(self.tally.longest_s, 3), "peak_mib": round(self.tally.peak_bytes / 2**20, 1),
        }  # fmt: skip

    def resume(self, told: dict[str, Any]) -> None:
        self.following, self.seconds = told["next"], told["seconds"]
        self.tally = Tally(Counter({key: told[key] for key in (READ, REFUSED, "findings")}), {}, told["longest_s"],
                           int(told["peak_mib"] * 2**20), told.get("cpu_s", 0.0), told.get("timed", 0))  # fmt: skip


def save(path: Path, readers: list[Reader], seed: int) -> None:
    told = {
        "date": str(date.today()), "command": " ".join(["python", "tests/fuzz.py", *sys.argv[1:]]), "kind": "measured",
        "seed": seed, "numbering": VERSION, "readers": {reader.target.name: reader.to_dict() for reader in readers},
    }  # fmt: skip
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps({"schema": 1, "fuzz": told}, indent=2) + "\n")
    fresh.replace(path)


def load(path: Path, readers: list[Reader], seed: int) -> None:
    """Go on where an earlier run of the same numbers ended."""
    told = json.loads(path.read_text())["fuzz"]
    if (told.get("seed"), told.get("numbering")) != (seed, VERSION):
        sys.exit(f"{path} counts other inputs; leave --resume out")
    for reader in readers:
        if reader.target.name in told["readers"]:
            reader.resume(told["readers"][reader.target.name])


def write(given: argparse.Namespace, readers: list[Reader]) -> None:
    """Keep what has come of all readers so far, where the user wants it."""
    if given.out:
        save(given.out, [each for each in readers if each.following], given.seed)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0, help="for each reader, in this run")
    options.add_argument("--inputs", type=int, help="for each reader, with those of --resume; its goal")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", nargs="*", default=[target.name for target in TARGETS])
    options.add_argument("--out", type=Path)
    options.add_argument("--resume", action="store_true")
    given = options.parse_args()
    readers = [Reader(target) for target in TARGETS]
    if given.resume and given.out and given.out.exists():
        load(given.out, readers, given.seed)
    for reader in readers:
        if reader.target.name in given.only:
            most = given.inputs or reader.target.goal
            reader.run(given.seed, given.seconds, most, partial(write, given, readers))
            print(reader.target.name, reader.to_dict(), flush=True)
    return int(any(reader.tally.counts["findings"] for reader in readers))


if __name__ == "__main__":
    sys.exit(main())
