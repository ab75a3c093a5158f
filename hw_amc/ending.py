"""What tells a command to end, and is remembered: a library's C code can lose the exception that a signal becomes.

A signal's handler raises wherever Python is. Where that is a callback of C code (TensorFlow asks Python what is a
sequence, for one), the exception may be cleared, and the work goes on with a wrong answer. Therefore nothing is
published after such a signal (`raise_again`), and the command line takes every error after it for the end that it is.
Where Python itself ignores the exception, in an object's end or a weak reference's, it is raised again a moment later.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

#: While a command listens: signals that told it to end.
_TOLD: list[int] = []
#: Commands that listen.
_LISTENING: list[str] = []
#: After so long an exception that Python ignored is raised again, seconds.
_AGAIN_S = 0.05


@contextmanager
def listening(command: str) -> Iterator[None]:
    """Remember in this block which signals told the process to end, Ctrl-C among them."""
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, _interrupt)
    _LISTENING.append(command)
    ignored = sys.unraisablehook

    def hook(found: Any) -> None:
        if told() is None or not isinstance(found.exc_value, (KeyboardInterrupt, SystemExit)):
            ignored(found)
        else:
            signal.signal(signal.SIGALRM, _once_more)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = ignored
        _LISTENING.pop()
        _TOLD.clear()
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def remember(number: int) -> None:
    """Keep that a signal told this process to end; called by the signal's handler."""
    if _LISTENING:
        _TOLD.append(number)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    remember(number)
    raise KeyboardInterrupt


def _once_more(number: int, frame: FrameType | None) -> None:
    raise_again()


def told() -> int | None:
    """Return the last signal that told a listening command to end."""
    return _TOLD[-1] if _TOLD else None


def raise_again() -> None:
    """Raise what a signal became, should it have been lost; called before anything is published."""
    number = told()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if number is not None:
        raise SystemExit(128 + number)


@contextmanager
def until_ctrl_c() -> Iterator[None]:
    """End the block, and nothing else, where Ctrl-C comes: the end of what has no end of its own."""
    with suppress(KeyboardInterrupt):
        yield
    while signal.SIGINT in _TOLD:
        _TOLD.remove(signal.SIGINT)
