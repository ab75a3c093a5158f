from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from processes import MARK, marked, names, wait_until_gone

from hw_amc import tools
from hw_amc.errors import ConfigError, HwAmcError, Stopped, ToolFailed
from hw_amc.parallel import crew, map_blocks, require_wanted


def square(number: int) -> int:
    return number * number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def sleep_long(number: int) -> int:
    time.sleep(300 if number else 0)
    return number


def test_results_come_in_order() -> None:
    assert list(map_blocks(square, range(11), 2)) == [n * n for n in range(11)]
    assert list(map_blocks(square, range(3), 1)) == [0, 1, 4]
    assert list(map_blocks(square, [], 2)) == []


def test_no_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="workers must be 1 or more, not 0"):
        list(map_blocks(square, [1], 0))


def test_a_killed_worker_is_one_line() -> None:
    with pytest.raises(HwAmcError, match="a worker process was killed"):
        list(map_blocks(die, [1, 2, 3], 2))


def test_stopping_early_does_not_wait_for_the_workers() -> None:
    started = time.monotonic()
    results = map_blocks(sleep_long, [0, 1, 1], 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(number: int) -> None:
    mark = uuid.uuid4().hex
    program = "from test_parallel import *\nif __name__ == '__main__': list(map_blocks(sleep_long, [1, 1], 2))"
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    environment = {**os.environ, MARK: mark, "PYTHONPATH": os.pathsep.join(folders)}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE)
    until = time.monotonic() + 30
    while len(marked(mark)) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)  # into the work
    # As a terminal does: every process of the group hears of Ctrl-C.
    for pid in marked(mark) if number == signal.SIGINT else [parent.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    _, said = parent.communicate(timeout=30)
    assert wait_until_gone(mark, 10) == []
    assert said.count(b"Traceback") <= (number == signal.SIGINT)  # of the parent's alone


def test_a_failing_crew_ends_its_programs(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    started = time.monotonic()
    with suppress(ValueError), crew(1) as pool:
        beside = pool.submit(tools.run, ["sleep", "300"], tmp_path, env={MARK: mark})
        while "sleep" not in names(mark):
            time.sleep(0.02)
        raise ValueError
    assert time.monotonic() - started < 60
    assert marked(mark) == []
    with pytest.raises(Stopped):
        beside.result()


def test_a_crew_that_is_wanted_works_to_its_end(tmp_path: Path) -> None:
    with crew(2) as pool:
        said = pool.map(lambda text: tools.run(["sh", "-c", f"sleep 0.5; echo {text}"], tmp_path, timeout_s=60), "ab")
    assert list(said) == ["a\n", "b\n"]
    with crew(1) as pool, pytest.raises(ToolFailed, match=r"longer than 0\.3 s"):
        pool.submit(tools.run, ["sleep", "300"], tmp_path, 0.3).result()


def test_outside_a_crew_all_work_is_wanted() -> None:
    require_wanted()
    with suppress(ValueError), crew(1):
        raise ValueError
    require_wanted()


LARGE = """
import os, sys
from hw_amc import tools
from hw_amc.parallel import map_blocks
def large(number):
    if number:
        print("made", flush=True)
    return bytes(60_000_000)
if __name__ == "__main__":
    tools.handle_termination()
    for result in map_blocks(large, range(60), 2):
        pass
"""


def test_results_that_are_cut_short_stop_nobody(tmp_path: Path) -> None:
    """Seen before: SIGTERM in the middle of a large result, and the pool waited for its rest for ever."""
    program = tmp_path / "large.py"
    program.write_text(LARGE)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    for pause in (0.02, 0.1, 0.2, 0.3):
        with subprocess.Popen(
            [sys.executable, str(program)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"made\n"
            time.sleep(pause)
            process.terminate()
            try:
                process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 128 + signal.SIGTERM
