"""What all flows share: a model on a board, the command that works on it, and where its figures go."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hw_amc import __version__, report
from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError
from hw_amc.files import exclusive
from hw_amc.graph import Graph
from hw_amc.verify.heldout import Stimulus, held_out, input_path, require_labelled
from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.radio.files.memory import Source

#: What stands for the command where a program calls a flow.
PROGRAM = "a Python program"

#: Packages whose version a step's figures may depend on.
_PACKAGES = ("numpy", "tensorflow", "keras", "qkeras", "hls4ml", "da4ml", "cocotb", "pynq")

Item = TypeVar("Item")


class Output(Protocol):
    """Where a flow says what it does."""

    def done(self, line: str, step: str = "", seconds: float | None = None) -> None:
        """Say what was done, in which step, and how long it took."""

    def status(self, text: str) -> AbstractContextManager[object]:
        """Say what is being done, for as long as the context lasts."""

    def track(self, items: Sequence[Item], text: str) -> Iterable[Item]:
        """Pass items through, and show how many of them are done."""


class Silent:
    """An `Output` that says nothing."""

    def done(self, line: str, step: str = "", seconds: float | None = None) -> None:
        """Say nothing."""

    def status(self, text: str) -> AbstractContextManager[object]:
        """Say nothing."""
        return nullcontext()

    def track(self, items: Sequence[Item], text: str) -> Iterable[Item]:
        """Pass the items."""
        return items


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """One command at work on one model; nothing of it changes afterwards."""

    workspace: Workspace
    board: BoardSettings
    #: What runs, as a user would type it: figures carry it.
    command: str = PROGRAM
    output: Output = field(default_factory=Silent)
    #: File of labelled frames, or frames in memory; generated ones where there is none.
    data: Source | None = None

    #: Sections that `whole` holds back.
    _held: list[list[dict[str, Any]]] = field(default_factory=list, init=False, repr=False)

    @cached_property
    def graph(self) -> Graph:
        """The committed graph, required to belong to the weights."""
        return self.workspace.load_graph()

    def take(self, count: int) -> Stimulus:
        """Return held-out frames, generated or from the user's file."""
        if self.data is None:
            return held_out(self.graph, self.workspace.settings().input, count)
        from hw_amc.radio.level import Level
        from hw_amc.train.level import trained_levels_db

        settings = self.workspace.settings().input
        trained = trained_levels_db(self.workspace)
        level = Level(input_path(self.graph, settings), trained_db=trained, has_options=False)
        stimulus = held_out(self.graph, settings, count, self.data, level)
        self.output.done(f"{self.data.name}: {level.summary()}")
        return stimulus

    def merge(self, section: dict[str, Any]) -> None:
        """Merge figures into report.json; inside `whole`, when all of it has gone well."""
        if self._held:
            self._held[-1].append(section)
        else:
            report.merge(self.workspace.build, section, network=self.graph.digest())

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Hold figures back until `settle` or the end: what fails inside leaves report.json as it was."""
        self._held.append([])
        try:
            yield
            self.settle()
        finally:
            self._held.pop()

    def settle(self) -> None:
        """Merge what is held back, all of it at once."""
        if self._held and self._held[-1]:
            report.merge(self.workspace.build, *self._held[-1], network=self.graph.digest())
            self._held[-1].clear()

    def require_ready(self) -> None:
        """Require, before any work, that the file of frames fits and that nothing else works on this model.

        Raises
        ------
        ConfigError, DataError
            Another command is at work; the file is missing, damaged, of another length, or of no class that the network
            knows.
        """
        with self.exclusive():
            pass
        if self.data is not None:
            require_labelled(self.graph, self.data)

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other commands off this model; ConfigError where one is at work."""
        return exclusive(self.workspace.build, f"hw-amc on {self.workspace.model}")

    @contextmanager
    def step(self, name: str, text: str = "") -> Iterator[None]:
        """Measure what is done inside, and merge its time into the report unless it fails; show it meanwhile."""
        started = time.perf_counter()
        with self.output.status(text or f"{name} of {self.workspace.model}"):
            yield
        seconds = round(time.perf_counter() - started, 2)
        told = {"seconds": seconds, "date": date.today().isoformat(), "versions": _versions()}
        self.merge({"steps": {name: {**told, "command": self.command, "kind": "measured"}}})


def _versions() -> dict[str, str]:
    """Return the versions of Python, of this program, and of the packages that have been imported."""
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _PACKAGES}
    own = {"hw-amc": __version__, "Python": platform.python_version()}
    return {**own, **{name: str(version) for name, version in loaded.items() if version}}


AnyFlow = TypeVar("AnyFlow", bound=Flow)


def run_steps(
    flow: AnyFlow, steps: Mapping[str, Callable[[AnyFlow], str]], start: str | None = None, stop: str | None = None
) -> None:
    """Run the steps from `start` to `stop`, both included; all by default.

    Their figures come into report.json together, at the end or where a step settles them.

    Parameters
    ----------
    flow : Flow
    steps : mapping
        Name -> function of the flow that returns what it did, in one line. Each keeps its result on disk, so that a
        later one can be run alone.
    start, stop : str, optional

    Raises
    ------
    ConfigError
        No such step, or another command works on the same model.
    HwAmcError
        Whatever a step found wrong.
    """
    chosen = choose(steps, start, stop)
    with flow.exclusive(), flow.whole():
        for name in chosen:
            started = time.perf_counter()
            with flow.step(name, f"{name}: {steps[name].__doc__}"):
                said = steps[name](flow)
            flow.output.done(said, name, time.perf_counter() - started)


def choose(steps: Iterable[str], start: str | None, stop: str | None) -> list[str]:
    """Return the names of the steps from `start` to `stop`; ConfigError where there is none."""
    names = list(steps)
    for name in (start, stop):
        if name is not None and name not in names:
            raise ConfigError(f"no step {name!r}; the steps are {', '.join(names)}")
    chosen = names[names.index(start or names[0]) : names.index(stop or names[-1]) + 1]
    if not chosen:
        raise ConfigError(f"step {start} comes behind {stop}; the order is {', '.join(names)}")
    return chosen
