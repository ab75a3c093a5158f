"""Start programs on the simulated device without a line in them.

PYNQ 3 and 4 look for devices before they load plug-ins (`Bitstream.__init__` asks for the active device, `Overlay`
imports the entry points of `pynq.lib` afterwards), so an entry point comes too late. A Python program is therefore run
inside an interpreter that has activated the device; for any other command (jupyter, pytest --nbmake) the Jupyter kernel
`python3` is replaced, for that command only, by one that does the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_path

from hw_amc.errors import ConfigError
from hw_amc.files import write_text
from hw_amc.sim_device import VARIABLE, enable

USAGE = "usage: python -m hw_amc.sim_device (SCRIPT.py | -m MODULE | COMMAND) [ARGUMENT...]"


def main(args: Sequence[str]) -> int:
    """Run a script, a module or a command; returns the exit status.

    Parameters
    ----------
    args : sequence of str
        ``script.py ...`` and ``-m module ...`` run in this interpreter, anything else as a command whose Jupyter
        kernels are simulated.

    Raises
    ------
    ConfigError
        There is nothing to run, or no such file, module or command.
    """
    require_program(args)
    os.environ[VARIABLE] = "1"
    if args[0] == "-m":
        enable()
        sys.argv = list(args[1:])
        sys.path.insert(0, os.getcwd())
        runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        return 0
    if args[0].endswith(".py"):
        enable()
        sys.argv = list(args)
        sys.path.insert(0, str(Path(args[0]).resolve().parent))
        runpy.run_path(args[0], run_name="__main__")
        return 0
    folder = user_cache_path("pynq-sim-device") / hashlib.sha256(sys.executable.encode()).hexdigest()[:12]
    # The command takes this process's place, so that signals and the terminal are its own.
    os.execvpe(args[0], list(args), {**os.environ, **kernel_environment(folder)})


def require_program(args: Sequence[str]) -> None:
    """Require that `args` name something that runs; ConfigError says how to write it."""
    if not args or args == ["-m"]:
        raise ConfigError(USAGE)
    if args[0].endswith(".py"):
        if not Path(args[0]).is_file():
            raise ConfigError(f"{args[0]} does not exist; {USAGE}")
    elif args[0] != "-m" and shutil.which(args[0]) is None:
        raise ConfigError(f"{args[0]} is not on PATH; {USAGE}")


def kernel_environment(folder: Path) -> dict[str, str]:
    """Write a Jupyter kernel `python3` that starts on the simulated device; returns the variables that select it."""
    spec = {
        "argv": [sys.executable, "-m", "hw_amc.sim_device", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (simulated PYNQ)",
        "language": "python",
    }
    write_text(folder / "kernels" / "python3" / "kernel.json", json.dumps(spec))
    paths = [str(folder), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return {"JUPYTER_PATH": os.pathsep.join(paths), VARIABLE: "1"}
