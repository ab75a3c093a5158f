"""The one exception tree of the package.

The command line prints any of these as one line and exits with the class's `exit_code` (`EXIT_CODES`); every message
says what is wrong and what mends it.
"""

from __future__ import annotations

from hw_amc.text import plain


class HwAmcError(Exception):
    """Base of everything that a user can mend; its message is one printable line, whatever names of others it holds."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(plain(message))

    def _render_traceback_(self) -> list[str]:
        """Show a notebook the one line alone, as the command line does; IPython asks for this."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(HwAmcError):
    """A project file, option or model name is wrong."""

    exit_code = 2


class UnsupportedLayer(HwAmcError):
    """A layer cannot be represented exactly, or not by this back end."""

    exit_code = 3


class ToolMissing(HwAmcError):
    """A program that the command needs is not on PATH."""

    exit_code = 4


class ToolFailed(HwAmcError):
    """A program was run and failed."""

    exit_code = 5


class Mismatch(HwAmcError):
    """Two back ends disagree in at least one integer."""

    exit_code = 6


class DataError(HwAmcError):
    """A data file or an array is damaged, mislabelled or out of range."""

    exit_code = 7


#: Exit code where the package itself is at fault.
FAULT = 9
#: Exit code of a command that Ctrl-C stopped, as shells have it: 128 and the signal's number.
INTERRUPTED = 130
#: What it says then.
STOPPED = "stopped; nothing is half written, run the same command to go on"


class Stopped(HwAmcError):
    """Ctrl-C stopped a command."""

    exit_code = INTERRUPTED


def let_interrupt_through(error: BaseException) -> None:
    """Raise KeyboardInterrupt where an error stands for one: a library's C code was running when Ctrl-C came."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        seen = seen.__cause__ or seen.__context__


#: What the command line's exit codes mean.
EXIT_CODES = {
    0: "done",
    HwAmcError.exit_code: "a file cannot be written, or is locked",
    ConfigError.exit_code: "an option, a project file or a name is wrong",
    UnsupportedLayer.exit_code: "a layer has no exact form, or none in this flow",
    ToolMissing.exit_code: "a program is missing",
    ToolFailed.exit_code: "a program failed",
    Mismatch.exit_code: "two back ends disagree",
    DataError.exit_code: "a data file is damaged or does not fit",
    8: "the device answers wrongly, not at all, or is in use",
    FAULT: "a fault of hw_amc: please report it",
    INTERRUPTED: "stopped by Ctrl-C",
}
