"""The command line `hw-amc`: the table of its commands, and what comes of errors."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import warnings
from contextlib import nullcontext, suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from hw_amc import __version__, ending
from hw_amc.cli import board, cache, classify, data, doctor, evaluate, hls, level, models, rtl, train
from hw_amc.cli.common import CONTEXT, with_common
from hw_amc.cli.options import show_help
from hw_amc.cli.output import printer
from hw_amc.errors import EXIT_CODES, FAULT, STOPPED, HwAmcError, Stopped
from hw_amc.extras import explain
from hw_amc.tools import handle_termination

# Typer brings Click along, by one name or another.
_ClickException: type[Exception] = typer.BadParameter.__mro__[2]
#: A variable that lets exceptions which nobody has foreseen through, for those who mend them.
_TRACEBACK = "HW_AMC_TRACEBACK"


class _Group(TyperGroup):
    """Commands of which Ctrl-C is told apart from an exit code."""

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """Read the options."""
        try:
            return super().make_context(*arguments, **settings)
        except KeyboardInterrupt:
            raise Stopped(STOPPED) from None

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped(STOPPED) from None


app = typer.Typer(
    cls=_Group,
    name="hw-amc",
    help="FPGA accelerators for automatic modulation classification, equal to Keras in every bit.\n\n"
    "Start with: hw-amc hls gru_cnn_sparse07",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    context_settings=CONTEXT,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(data.app, name="data")
_WITH_RESULTS = (
    *(models.new, models.init, models.models, models.report, hls.hls, hls.csim, hls.graph, hls.estimate),
    *(rtl.rtl, rtl.cosim, rtl.synth, rtl.power, cache.cache, level.level, evaluate.evaluate),
    *(board.overlay, board.bench, board.sim_overlays, train.train, train.compare),
)
for command in _WITH_RESULTS:
    app.command(command.__name__.replace("_", "-"))(with_common(command))
for other in (classify.classify, doctor.doctor):
    app.command(other.__name__)(with_common(other, results=False))
# What follows the program's name is the program's, --help too.
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
app.command("sim-device", context_settings=_PASSED_ON)(board.sim_device)


@app.callback(invoke_without_command=True)
def _begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        printer.line(__version__)
        raise typer.Exit
    show_help(context)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit; an error that a user can mend becomes one line and its code."""
    # TensorFlow's banners and Keras' notes on file formats say nothing that a user of this flow can act on.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=UserWarning, module="keras")
    for name in ("tensorflow", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.showwarning = _show_warning
    handle_termination()
    printer.configure()
    arguments = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["hw-amc", *arguments])
    # A user's own program has Ctrl-C to itself, and may well end in a traceback.
    is_ours = arguments[:1] != ["sim-device"]
    with ending.listening(command) if is_ours else nullcontext():
        try:
            _require_folder()
            status = app(args=arguments, prog_name="hw-amc", obj=command, standalone_mode=False)
        except Exception as error:
            status = _told_to_end(error)
            if status is None:
                status = _answer(error, is_ours and not os.environ.get(_TRACEBACK))
    sys.exit(status if isinstance(status, int) else 0)


def _told_to_end(error: Exception) -> int | None:
    """Exit code where a signal has told the command to end: whatever comes after it is no fault."""
    number = ending.told()
    if isinstance(error, Stopped) or number == signal.SIGINT:
        printer.note(STOPPED)
        return Stopped.exit_code
    return None if number is None else 128 + number


def _answer(error: Exception, is_caught: bool) -> int:
    """Print an error as one line and return its exit code; raise what nobody has foreseen, unless it `is_caught`."""
    if isinstance(error, ModuleNotFoundError):
        meant = explain(error)
        if meant is None:
            raise error
        error = meant
    if isinstance(error, HwAmcError):
        if printer.verbose:
            printer.trace(error)
        printer.error(error)
        return error.exit_code
    if isinstance(error, _ClickException):
        printer.error(_usage(error))
        return 2
    if not is_caught:
        raise error
    printer.error(_unexpected(error))
    _drop_output()
    return HwAmcError.exit_code if isinstance(error, (OSError, MemoryError)) else FAULT


def _drop_output() -> None:
    """Forget what Python still holds of the standard output and nobody takes: at its end it would be an error again."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AttributeError, ValueError):
        pass  # there is none, or it is closed


def _require_folder() -> None:
    """Require that the current folder is there, before anything looks for a path in it."""
    try:
        os.getcwd()
    except OSError as error:
        raise HwAmcError(f"the current folder cannot be used: {error.strerror}; change to another one") from error


def _unexpected(error: Exception) -> str:
    """Say in one line what nobody has foreseen: a disk or a right that is missing, or a fault of the package."""
    if isinstance(error, OSError):
        return f"{error.filename or 'the standard output, or a file,'} cannot be used: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "the memory is too small for this"
    what = f"{type(error).__name__}: {error}"
    return f"{what} (this is a fault of hw_amc: please report it with what {_TRACEBACK}=1 makes the command say)"


def _usage(error: Any) -> str:
    """Say in one line what is wrong with an option, and where the right ones stand."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "hw-amc"
    return f"{error.format_message().rstrip('.')}; see `{path} --help`"


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Print a warning as one line; where in the code it arose says nothing to a user."""
    printer.warning(message)
