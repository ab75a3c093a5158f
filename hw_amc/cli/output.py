"""What the command line prints: one printer, which shows the words of others as they are and never as markup."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TextIO, TypeVar

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hw_amc.errors import HwAmcError
from hw_amc.text import plain

Item = TypeVar("Item")

#: A pipe or a log has no width of its own; tables need more than the 80 columns that Rich would take.
PIPE_WIDTH = 140

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

    def line(self, text: object) -> None:
        """Print one line."""
        self.console.print(plain(text), soft_wrap=True)

    def block(self, text: str) -> None:
        """Print lines of our own, a table of figures say."""
        for line in text.splitlines():
            self.line(line)

    def data(self, line: str) -> None:
        """Print a line that another program reads: whole, however long it is."""
        self.console.out(line, highlight=False)

    def done(self, line: str, step: str = "", seconds: float | None = None) -> None:
        """Print a step that is done."""
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
        table = Table(title=_text(title) if title else None, box=box.MARKDOWN if markdown else box.HEAVY_HEAD)
        for head in heads:
            table.add_column(_text(head))
        for row in rows:
            if row:
                table.add_row(*map(_text, row))
            else:
                table.add_section()
        self.console.print(table)

    def warning(self, message: object) -> None:
        """Print a warning as one line on the standard error."""
        self._problem("warning:", "bold yellow", message)

    def error(self, message: object) -> None:
        """Print an error as one line on the standard error."""
        self._problem("error:", "bold red", message)

    def note(self, message: object) -> None:
        """Print a line on the standard error."""
        self._problem("", "", message)

    def _problem(self, word: str, style: str, message: object) -> None:
        text = Text.assemble((word, style), " ", plain(message)) if word else Text(plain(message))
        self.problems.print(text, soft_wrap=True)

    def status(self, text: str) -> AbstractContextManager[object]:
        """Show what is being done, where somebody is looking."""
        return self.console.status(_text(text))

    @contextmanager
    def changing_status(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show what is being done; what it yields changes the text."""
        with self.console.status(_text(text)) as status:
            yield lambda changed: status.update(_text(changed))

    def track(self, items: Sequence[Item], text: str) -> Iterable[Item]:
        """Pass items through behind a bar."""
        return _track(items, text, self.console)


class Aside:
    """An `hw_amc.flows.base.Output` beside results that another program reads: all of it on the standard error."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def done(self, line: str, step: str = "", seconds: float | None = None) -> None:
        """Print a step that is done."""
        self._printer.note(line if seconds is None else f"{line} ({seconds:.1f} s)")

    def status(self, text: str) -> AbstractContextManager[object]:
        """Show what is being done, where somebody is looking."""
        return self._printer.problems.status(_text(text))

    def track(self, items: Sequence[Item], text: str) -> Iterable[Item]:
        """Pass items through behind a bar, unless the results themselves go by on the same screen."""
        console = self._printer.problems
        return items if self._printer.console.is_terminal or not console.is_terminal else _track(items, text, console)


def _track(items: Sequence[Item], text: str, console: Console) -> Iterator[Item]:
    if not items:
        return
    name = TextColumn("{task.description}", markup=False)
    with Progress(name, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console) as progress:
        yield from progress.track(items, description=plain(text))


def _text(value: object) -> Text:
    return Text(plain(value))


printer = Printer()
