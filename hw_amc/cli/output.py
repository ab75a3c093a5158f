"""What the command line prints: one printer, which shows the words of others as they are and never as markup."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TextIO, TypeVar

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from hw_amc.errors import ConfigError, HwAmcError
from hw_amc.text import plain

Item = TypeVar("Item")

#: A pipe or a log has no width of its own; tables need more than the 80 columns that Rich would take.
PIPE_WIDTH = 140

#: Seconds until a wait is told of in a pipe or a log, and between two such lines.
_FIRST_S, _NEXT_S = 30, 60

_MEANS = {"stdout": "output", "stderr": "error output"}


class _Stream:
    """A standard stream that may be closed, full, or too poor for our letters: one line says so, or nothing can."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)

    @property
    def _now(self) -> TextIO:
        """The stream itself; None stands for one that was closed when Python started."""
        stream: TextIO | None = getattr(sys, self._name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            setattr(sys, self._name, stream)
        return stream

    def write(self, text: str) -> int:
        """Write text, with a question mark for each letter that the encoding lacks."""
        stream = self._now
        encoding = stream.encoding or "utf-8"
        with self._named():
            return stream.write(text.encode(encoding, "replace").decode(encoding))

    def flush(self) -> None:
        """Hand on what was written."""
        with self._named():
            self._now.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise  # Rich ends the command: nobody reads on
        except OSError as error:
            # What Python still holds of the text would be an error again at its end.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._now.fileno())
            raise HwAmcError(f"cannot write to the standard {_MEANS[self._name]}: {error.strerror}") from error


class Printer:
    """Results on the standard output, problems on the standard error; an `hw_amc.flows.base.Output`.

    Whatever comes from outside (paths, names, messages of tools) is one printable line, see `hw_amc.text.plain`; no
    text is read as Rich's markup.
    """

    def __init__(self) -> None:
        options: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
        out, problems = _Stream("stdout"), _Stream("stderr")
        self.console = Console(file=out, width=None if out.isatty() else PIPE_WIDTH, **options)  # type: ignore[arg-type]
        self.problems = Console(file=problems, **options)  # type: ignore[arg-type]
        self._silent = Console(quiet=True)
        self._log = _Log(self)
        #: Texts of the waits that a log is told of, the innermost last.
        self._waits: list[list[str]] = []
        self.configure()

    def configure(self, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> None:
        """Say what a command prints.

        Parameters
        ----------
        quiet : bool
            Leave out what was done, and what is being done.
        verbose : bool
            Name each program that is run, with its time, on the standard error.
        as_json : bool
            In place of tables one JSON object of what `result` is given, when `finish` is called; steps on the standard
            error.
        """
        self._quiet, self.verbose, self._as_json = quiet, verbose, as_json
        self._results: dict[str, Any] = {}
        logger = logging.getLogger("hw_amc")
        logger.removeHandler(self._log)
        logger.setLevel(logging.INFO if verbose else logging.WARNING)
        if verbose:
            logger.addHandler(self._log)

    @property
    def tables(self) -> Console:
        """Where tables for people go."""
        return self._silent if self._as_json else self.console

    def result(self, found: Mapping[str, Any]) -> None:
        """Take what a command found, for programs."""
        self._results.update(found)

    def finish(self) -> None:
        """Print the results, where programs read them."""
        if self._as_json:
            self.data(json.dumps(self._results, indent=2, default=_jsonable))

    def confirm(self, question: str, yes: bool) -> None:
        """Go on only where the user says so, by an option or when asked at a terminal.

        Raises
        ------
        ConfigError
            There is nobody to ask, or the answer is no.
        """
        if yes:
            return
        if not (sys.stdin is not None and sys.stdin.isatty() and self.problems.is_terminal):
            raise ConfigError(f"{question}; give --yes to go on")
        self.problems.print(Text(f"{plain(question)}. Go on? [y/N] "), end="")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise ConfigError("nothing was changed")

    def confirm_new(self, path: Path, yes: bool, is_ours: Callable[[Path], bool] = lambda path: False) -> bool:
        """Ask before a file that stands there already is replaced, unless it is ours; True where it may be."""
        if path.exists() and not is_ours(path):
            self.confirm(f"{path} is there already and would be replaced", yes)
        return True

    def line(self, text: object) -> None:
        """Print one line."""
        self.tables.print(plain(text), soft_wrap=True)

    def block(self, text: str) -> None:
        """Print lines of our own, a table of figures say."""
        for line in text.splitlines():
            self.line(line)

    def data(self, line: str) -> None:
        """Print a line that another program reads: whole, however long it is."""
        self.console.out(line, highlight=False)

    def done(self, line: str, step: str = "", seconds: float | None = None) -> None:
        """Print a step that is done."""
        if self._as_json:
            Aside(self).done(line, step, seconds)
        if self._quiet or self._as_json:
            return
        text = Text("✓ ", "green")
        if step:
            text.append(f"{step:8} ", "bold")
        text.append(plain(line))
        if seconds is not None:
            text.append(f" ({seconds:.1f} s)", "dim")
        self.console.print(text, soft_wrap=True)

    def table(
        self, heads: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", markdown: bool = False
    ) -> None:
        """Print a table; an empty row draws a line."""
        if markdown:
            self.block("\n".join([*([title, ""] if title else []), *_page_lines([heads, *rows])]))
            return
        table = Table(title=_text(title) if title else None, box=box.HEAVY_HEAD)
        for head in heads:
            table.add_column(_text(head))
        for row in rows:
            if row:
                table.add_row(*map(_text, row))
            else:
                table.add_section()
        self.tables.print(table)

    def warning(self, message: object) -> None:
        """Print a warning as one line on the standard error."""
        self._problem("warning:", "bold yellow", message)

    def error(self, message: object) -> None:
        """Print an error as one line on the standard error."""
        self._problem("error:", "bold red", message)

    def trace(self, error: BaseException) -> None:
        """Print where in the code an error arose, on the standard error."""
        for line in "".join(traceback.format_exception(error)).splitlines():
            self.note(line)

    def note(self, message: object) -> None:
        """Print a line on the standard error."""
        self._problem("", "", message)

    def _problem(self, word: str, style: str, message: object) -> None:
        text = Text.assemble((word, style), " ", plain(message)) if word else Text(plain(message))
        self.problems.print(text, soft_wrap=True)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is said of steps."""
        return self._quiet

    def status(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show what is being done and for how long; what it yields changes the text."""
        return self.wait(text, self.problems if self._as_json else self.console)

    def wait(self, text: str, console: Console) -> AbstractContextManager[Callable[[str], None]]:
        """Do as `status`, on a terminal of its own; in a pipe, a line on the standard error a minute."""
        if self._quiet:
            return nullcontext(lambda changed: None)
        return _elapsed(text, console) if console.is_terminal else self._told(text)

    @contextmanager
    def _told(self, text: str) -> Iterator[Callable[[str], None]]:
        """Tell a log, a line a minute, what is still being done; of waits within waits the innermost one."""
        now, done, started = [text], threading.Event(), time.monotonic()

        def watch() -> None:
            wait = _FIRST_S
            while not done.wait(wait):
                if self._waits[-1] is now:
                    self.note(f"{now[0]} ({time.monotonic() - started:,.0f} s so far)")
                wait = _NEXT_S

        self._waits.append(now)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield lambda changed: now.__setitem__(0, changed)
        finally:
            done.set()
            watcher.join()
            self._waits.pop()

    def log(self, text: str) -> AbstractContextManager[object]:
        """Tell a pipe or a log, a line a minute, what is being done; a terminal has a bar of its own."""
        return nullcontext() if self.console.is_terminal else self.wait(text, self.console)

    def track(self, items: Sequence[Item], text: str) -> Iterable[Item]:
        """Pass items through behind a bar."""
        if self._quiet or self._as_json:
            return items
        return _track(items, text, self.console)


class Aside:
    """An `hw_amc.flows.base.Output` beside results that another program reads: all of it on the standard error."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def done(self, line: str, step: str = "", seconds: float | None = None) -> None:
        """Print a step that is done."""
        if self._printer.is_quiet:
            return
        self._printer.note(line if seconds is None else f"{line} ({seconds:.1f} s)")

    def status(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show what is being done and for how long."""
        return self._printer.wait(text, self._printer.problems)

    def track(self, items: Sequence[Item], text: str) -> Iterable[Item]:
        """Pass items through behind a bar, unless the results themselves go by on the same screen."""
        console = self._printer.problems
        if self._printer.is_quiet:
            return items
        return items if self._printer.console.is_terminal or not console.is_terminal else _track(items, text, console)


class _Log(logging.Handler):
    """What the package logs, as lines on the standard error."""

    def __init__(self, printer: Printer) -> None:
        super().__init__()
        self._printer = printer

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        self._printer.note(record.getMessage())


@contextmanager
def _elapsed(text: str, console: Console) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done, and for how long already."""
    name = TextColumn("{task.description}", markup=False)
    with Progress(SpinnerColumn(), name, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(plain(text), total=None)
        yield lambda changed: progress.update(task, description=plain(changed))


def _jsonable(value: Any) -> Any:
    """Give what JSON has no form for: a number of numpy, or else its text."""
    return value.item() if hasattr(value, "item") else str(value)


def _track(items: Sequence[Item], text: str, console: Console) -> Iterator[Item]:
    if not items:
        return
    name = TextColumn("{task.description}", markup=False)
    with Progress(name, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console) as progress:
        yield from progress.track(items, description=plain(text))


def _page_lines(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Give a table's lines in Markdown, where a row is one line, however long it is; empty rows are left out."""
    cells = [[plain(value).replace("|", "\\|") for value in row] for row in rows if row]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    for place, row in enumerate(cells):
        yield f"| {' | '.join(text.ljust(width) for text, width in zip(row, widths, strict=True))} |"
        if place == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"


def _text(value: object) -> Text:
    return Text(plain(value))


printer = Printer()
