"""Starts commands in processes that have the large libraries loaded already: a kill meets the command's own work.

TensorFlow's import is most of the time of a small command, and nothing of ours. A process of one thread loads the
libraries once and forks; its child takes the command's arguments, folder and environment and is the command line from
there on, in a session of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from runpy import run_module
from typing import Any

from processes import MARK, marked

ROOT = Path(__file__).parents[1]
#: What commands import besides the package, and what has no thread before it is used.
LIBRARIES = ("tensorflow", "qkeras", "hls4ml", "da4ml", "numba", "scipy.signal", "h5py", "matplotlib.pyplot")


@dataclass(frozen=True)
class Started:
    """A command that runs, or ran."""

    starter: Starter
    pid: int
    errors: Path
    mark: str

    def poll(self) -> int | None:
        """Exit code, negative after a signal; None while it runs."""
        code: int | None = self.starter.ask({"poll": self.pid})
        return code

    def finish(self, seconds: float = 900.0) -> tuple[int, str]:
        """Exit code and standard error at its end; TimeoutError where it does not come."""
        until = time.monotonic() + seconds
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"process {self.pid} did not end within {seconds:g} s")
            time.sleep(0.02)
        return code, self.errors.read_text(errors="replace")

    def left(self) -> list[int]:
        """Processes that it started and that are still there: of its session, or with its mark."""
        return sorted({*marked(self.mark), *_of_session(self.pid)})


class Starter:
    """The process that forks."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        environment.pop(MARK, None)
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Answer of the process to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], errors: Path, mark: str
    ) -> Started:
        """Start a command; `errors` receives its standard error."""
        told = {"arguments": list(arguments), "folder": str(folder), "environment": {**environment, MARK: mark}}
        return Started(self, self.ask({"start": told, "errors": str(errors)}), errors, mark)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _of_session(session: int) -> list[int]:
    """Processes of a session that are not dead."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, IndexError):
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append(int(name))
    return found


def serve() -> None:
    """Answer requests until there are none; returns in each forked child, which goes on as the command."""
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            answer = _poll(request["poll"])
        else:
            threads = len(os.listdir("/proc/self/task"))
            if threads != 1:
                raise RuntimeError(f"{threads} threads; forked, the command would miss some")
            answer = os.fork()
            if answer == 0:
                return _become(request["start"], request["errors"])
        print(json.dumps(answer), flush=True)
    raise SystemExit(0)


#: Exit codes of commands that ended.
_CODES: dict[int, int] = {}


def _poll(pid: int) -> int | None:
    if pid not in _CODES:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _CODES[pid] = os.waitstatus_to_exitcode(status)
    return _CODES.get(pid)


def _become(told: Mapping[str, Any], errors: str) -> None:
    os.setsid()
    null, written = os.open(os.devnull, os.O_RDWR), os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((null, 0), (null, 1), (written, 2)):
        os.dup2(source, target)
    os.chdir(told["folder"])
    os.environ.update(told["environment"])
    sys.argv = ["hw-amc", *told["arguments"]]


def _flows() -> list[str]:
    """Modules of the commands' steps, and with them what those import."""
    flows = import_module("hw_amc.flows")
    return [f"hw_amc.flows.{item.name}" for item in iter_modules(flows.__path__)]


def main() -> None:
    """Load the libraries, serve, and be the command line in each child."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("hw_amc.cli.main", *LIBRARIES, *_flows()):
        import_module(name)
    serve()
    run_module("hw_amc", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))  # as `python -m hw_amc` has it
    main()
