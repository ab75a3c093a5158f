"""Kills commands at random moments, runs them again, and compares what they leave with an undisturbed run.

`python tests/chaos.py --kills 20 --seed 1 --out docs/results/chaos.json` (`make chaos`) writes what came of it, and
goes on where an earlier run stopped; tests/test_chaos.py kills each command twice. A trial works on a copy of one small
workspace with a cache and a folder for temporary files of its own: it starts the command, kills it, looks for results
that are half written, starts it again at once, and then looks for what the first run left running, and for every file
that an undisturbed run does not leave.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from chaos_place import COMMANDS, Command, Place
from chaos_starter import ROOT, Started

#: Seconds that a killed command may take to end, and what it started.
END_S = 60.0
#: Seconds after the second run in which nothing of the first may be there any more.
GONE_S = 1.0
#: Before that the command does nothing yet.
START_S = 0.05
#: Tries for each kill: a command that ends before the signal comes is tried again.
TRIES = 3
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
#: What a command may say when it was killed: its exit codes as Python has them, and lines on the standard error.
ANSWERS = {signal.SIGKILL: ({-9}, 0), signal.SIGTERM: ({-15, 143}, 0), signal.SIGINT: ({-2, 130}, 1)}
#: Bars and lines that show how far a command is.
_BAR = re.compile(r" \d+/\d+ [0-9:-]+ *$| \d+% [0-9:-]+ *$| \([0-9,]+ s so far\)$")
#: What Python's own helper says when it puts away what a killed process left.
_TRACKER = re.compile(r"resource_tracker|There appear to be %d")


@dataclass
class Outcome:
    """What came of the kills of one command; everything from `failed_again` to `wrong_words` ought to be 0."""

    #: Kills that met the command at work.
    kills: int = 0
    #: Kills by signal and target.
    by_kind: dict[str, int] = field(default_factory=dict)
    #: Runs after them that were left alone and compared.
    trials: int = 0
    #: Further tries, in which the command had ended before the signal came.
    too_late: int = 0
    #: The second run failed.
    failed_again: int = 0
    #: The second run left other results than an undisturbed one.
    other_results: int = 0
    #: After the kill a result was there that was neither the old nor the new one.
    half_written: int = 0
    #: Processes of the first run that were there when the second had ended.
    orphans: int = 0
    #: Lock files, and other files that an undisturbed run does not leave, after the second run.
    locks: int = 0
    leftovers: int = 0
    #: Runs that ended with a wrong code, or said more than they may.
    wrong_words: int = 0
    undisturbed_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def tries(self) -> int:
        """How often the command was started to be killed."""
        return self.kills + self.too_late

    @property
    def is_clean(self) -> bool:
        """Whether no kill cost anything."""
        return not self.problems

    def add(self, one: Outcome) -> None:
        """Count in what came of another kill; seconds stay."""
        for name, value in vars(one).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)
        for kind, count in one.by_kind.items():
            self.by_kind[kind] = self.by_kind.get(kind, 0) + count
        self.problems += one.problems


@dataclass(frozen=True)
class Series:
    """How often a command is killed."""

    kills: int
    #: It decides when and how.
    seed: int
    #: Kills one after another before a run that is left alone.
    chain: int = 1
    #: When no further trial is begun, in seconds of the monotonic clock.
    until: float = float("inf")


@dataclass(frozen=True)
class Undisturbed:
    """What was there before a run that nobody kills, what it leaves, and how long it takes."""

    before: dict[str, str]
    results: dict[str, str]
    files: set[str]
    seconds: float

    @classmethod
    def of(cls, place: Place, command: Command) -> Undisturbed:
        """Run it, and once before where something can be kept warm; RuntimeError where the two differ."""
        place.renew(command)
        first = None
        if command.warm:
            place.run(command.arguments)
            first = place.results(command)
            place.keep_warm(command)
            place.renew(command)
        before, started = place.results(command), time.monotonic()
        place.run(command.arguments)
        seconds, results = time.monotonic() - started, place.results(command)
        if first is not None and (differing := differences(first, results)):
            raise RuntimeError(f"two undisturbed runs differ in {differing}")
        return cls(before, results, place.files(), seconds)


@dataclass(frozen=True)
class Kill:
    """A signal, whom it is sent to, and when."""

    number: signal.Signals
    whole_group: bool
    moment: float

    @classmethod
    def draw(cls, chance: random.Random, seconds: float) -> Kill:
        """A kill of a command that takes so long."""
        return cls(chance.choice(SIGNALS), chance.random() < 0.5, chance.uniform(START_S, seconds))

    def __str__(self) -> str:
        return f"{self.number.name} to the {'group' if self.whole_group else 'process'}"

    def send(self, process: Started) -> None:
        """Kill a command."""
        with suppress(ProcessLookupError):
            (os.killpg if self.whole_group else os.kill)(process.pid, self.number)


class Trial:
    """Some kills, each in a run that goes on where the last one was killed; the run after them, and what they left."""

    def __init__(self, place: Place, command: Command, wanted: Undisturbed, kills: Sequence[Kill]) -> None:
        self.place, self.command, self.wanted, self.kills = place, command, wanted, kills
        self.outcome, self.started = Outcome(), list[Started]()

    def run(self) -> Outcome:
        """Kill the command where it is still at work, and look."""
        self.place.renew(self.command)
        for kill in self.kills:
            self._kill(kill)
        self._run_again()
        self._look_for_leftovers()
        when = ", ".join(f"{kill} after {kill.moment:.2f} s" for kill in self.kills)
        found = self.outcome.problems
        self.outcome.problems = [f"{when} of {self.wanted.seconds:.2f}: {problem}" for problem in found]
        return self.outcome

    def _kill(self, kill: Kill) -> None:
        process = self.place.start(self.command.arguments)
        self.started.append(process)
        time.sleep(kill.moment)
        if process.poll() is not None:
            self.outcome.too_late += 1
            return
        self.outcome.add(Outcome(1, {str(kill): 1}))
        kill.send(process)
        try:
            code, said = process.finish(END_S)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            code, said = process.finish()
            self._blame("wrong_words", f"it did not end within {END_S:g} s")
        codes, lines = ANSWERS[kill.number]
        if code != 0 and (code not in codes or len(words(said)) != lines):
            self._blame("wrong_words", f"exit code {code}, {said[-600:]!r}")
        self._look_at_results()

    def _look_at_results(self) -> None:
        for name, digest in self.place.results(self.command).items():
            # The report grows section by section.
            if not name.endswith("report.json") and digest not in (
                self.wanted.before.get(name), self.wanted.results.get(name)
            ):  # fmt: skip
                self._blame("half_written", f"half written: {name}")

    def _run_again(self) -> None:
        code, said = self.place.start(self.command.arguments).finish()
        if code:
            self._blame("failed_again", f"the second run: exit code {code}, {said[-300:]!r}")
        elif differing := differences(self.wanted.results, self.place.results(self.command)):
            self._blame("other_results", f"the second run differs in {differing}")

    def _look_for_leftovers(self) -> None:
        until = time.monotonic() + GONE_S
        while (left := [pid for process in self.started for pid in process.left()]) and time.monotonic() < until:
            time.sleep(0.05)
        for pid in left:
            self._blame("orphans", f"still there: {_command_line(pid)}")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in sorted(self.place.files() - self.wanted.files):
            self._blame("locks" if name.endswith(".lock") else "leftovers", f"left over: {name}")

    def _blame(self, kind: str, problem: str) -> None:
        setattr(self.outcome, kind, getattr(self.outcome, kind) + 1)
        self.outcome.problems.append(problem)


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Files of which one run has another or none."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def words(said: str) -> list[str]:
    """Lines that a command said, without bars and what Python's helper says of shared memory."""
    lines = (line for line in said.splitlines() if line.strip())
    return [line for line in lines if not (_BAR.search(line) or _TRACKER.search(line))]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    except OSError:
        return "gone"


def kill_many(
    place: Place, name: str, total: Outcome, series: Series, keep: Callable[[], None] = lambda: None
) -> Outcome:
    """Kill a command as often as a series says, `total` among them, add to that, and keep it after every trial."""
    command = COMMANDS[name]
    wanted = Undisturbed.of(place, command)
    total.undisturbed_s = round(wanted.seconds, 2)
    while total.kills < series.kills and total.tries < TRIES * series.kills and time.monotonic() < series.until:
        count = min(series.chain, series.kills - total.kills)
        chances = [random.Random(f"{series.seed} {name} {total.tries + index}") for index in range(count)]
        one = Trial(place, command, wanted, [Kill.draw(chance, wanted.seconds) for chance in chances]).run()
        one.trials = 1
        total.add(one)
        keep()
        for problem in one.problems:
            print(f"  {problem}", flush=True)
    return total


def main() -> int:
    """Kill each command, and merge what came of it into a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills a command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chain", type=int, default=1, help="kills one after another before a run that is left alone")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no kill after so many seconds")
    parser.add_argument("--each", type=float, default=float("inf"), help="the same, of each command")
    parser.add_argument("--out", type=Path, help="JSON file to go on with, and to merge the result into")
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), help="some of the commands")
    options = parser.parse_args()
    # A shell starts what it puts in the background with SIGINT ignored, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    clean, end = True, time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory(prefix="hw_amc_chaos_") as folder:
        place = Place(Path(folder))
        for name in options.commands:
            total, until = _earlier(options, name), min(end, time.monotonic() + options.each)
            series = Series(options.kills, options.seed, options.chain, until)
            if total.kills < options.kills and time.monotonic() < end:
                try:
                    kill_many(place, name, total, series, partial(_merge, options, name, total))
                except RuntimeError as error:  # the others go on
                    total.problems.append(str(error))
            clean = clean and total.is_clean and total.kills >= options.kills
            print(name, {key: value for key, value in asdict(total).items() if key != "by_kind"}, flush=True)
    return 0 if clean else 1


def _told(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"chaos": {}}
    if options.out is not None and options.out.is_file():
        found = json.loads(options.out.read_text())
    return found


def _run(options: argparse.Namespace, name: str) -> dict[str, Any]:
    chain = f" --chain {options.chain}" if options.chain != 1 else ""
    run = f"python tests/chaos.py --kills {options.kills}{chain} --seed {options.seed} '{name}'"
    return {"hw_amc": "hw-amc " + " ".join(COMMANDS[name].arguments), "command": run}


def _earlier(options: argparse.Namespace, name: str) -> Outcome:
    """What an earlier run of the same command found; nothing where there was none."""
    found = _told(options)["chaos"].get(name, {})
    counts = {item.name: found[item.name] for item in fields(Outcome) if item.name in found}
    is_same = all(found.get(key) == value for key, value in _run(options, name).items())
    return Outcome(**counts) if is_same else Outcome()


def _merge(options: argparse.Namespace, name: str, found: Outcome) -> None:
    if options.out is None:
        return
    told, run = _told(options), _run(options, name)
    told["chaos"][name] = {
        "hw_amc": run["hw_amc"], **asdict(found), "command": run["command"], "date": date.today().isoformat(),
        "kind": "measured",
    }  # fmt: skip
    fresh = options.out.with_name(f".{options.out.name}.new")
    fresh.write_text(json.dumps(told, indent=2) + "\n")
    fresh.replace(options.out)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
