"""Quiet TensorFlow, one thread for BLAS: the tests share two cores. Ctrl-C works in a run in the background, too.

`--base` runs what needs neither TensorFlow nor PYNQ (`make test-base`): test files and tests that import them are
skipped, and so are tests marked `train`, `board` or `dev`, which have a command use them. It refuses to run where they
are installed: there it would prove nothing. That no command needs them that should not, tests/test_base.py holds.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Generator
from typing import Any

import pytest

from hw_amc import extras

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts what it puts in the background with SIGINT ignored, nohup with SIGHUP, and programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

#: Extras that `--base` does without.
WITHOUT = ("train", "board", "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--base", action="store_true", help="only what needs no extra but sim: no TensorFlow, no PYNQ")


def pytest_configure(config: pytest.Config) -> None:
    there = [name for name in ("tensorflow", "pynq") if importlib.util.find_spec(name) is not None]
    if config.getoption("--base") and there:
        raise pytest.UsageError(f"--base is for an environment without {' and '.join(there)}: make test-base")


def _left_out(error: BaseException | None) -> str | None:
    """Package of an extra that `--base` does without, where that is what a failed import lacks."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return name if extras.EXTRA_OF.get(name) in WITHOUT else None


class _BaseModule(pytest.Module):
    """A test file that is left out where it imports a package of an extra that is not there."""

    def _getobj(self) -> object:
        try:
            return super()._getobj()
        except self.CollectError as error:
            package = _left_out(error.__cause__)
            if package:
                pytest.skip(f"imports {package}", allow_module_level=True)
            raise


def pytest_pycollect_makemodule(module_path: object, parent: pytest.Collector) -> pytest.Module | None:
    if not parent.config.getoption("--base"):
        return None
    module: pytest.Module = _BaseModule.from_parent(parent, path=module_path)
    return module


def pytest_runtest_setup(item: pytest.Item) -> None:
    needed = [name for name in WITHOUT if item.get_closest_marker(name)]
    if needed and item.config.getoption("--base"):
        pytest.skip(f"needs the extra {needed[0]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    package = _left_out(call.excinfo.value) if call.excinfo else None
    if package and item.config.getoption("--base"):
        report.outcome, report.longrepr = "skipped", (str(item.path), item.location[1] or 0, f"imports {package}")
    return report
