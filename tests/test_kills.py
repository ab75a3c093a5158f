"""Commands where a kill, a full disk, a closed pipe or another user meets them, and what they leave."""

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
from processes import MARK, marked, wait_until_gone

ROOT = Path(__file__).parents[1]

SIMULATE = """
import time
from hw_amc.hls import csim
def slow(share):
    for _ in range(3000):
        time.sleep(0.1)
    yield 1
if __name__ == "__main__":
    print("begins", flush=True)
    list(csim._parallel(slow, [[0], [1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_forked_simulations_end_with_their_parent(number: int) -> None:
    """Seen before: they went on and held the model's lock, and each printed a traceback at Ctrl-C."""
    mark = uuid.uuid4().hex
    environment = {**os.environ, MARK: mark, "PYTHONPATH": str(ROOT)}
    args = [sys.executable, "-c", SIMULATE]
    with subprocess.Popen(args, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begins\n"
        until = time.monotonic() + 30
        while len(marked(mark)) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        # As a terminal does: every process of the group hears of Ctrl-C.
        for pid in marked(mark) if number == signal.SIGINT else [parent.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        _, said = parent.communicate(timeout=30)
    assert wait_until_gone(mark, 5) == []
    assert said.count(b"Traceback") == (number == signal.SIGINT)  # of the parent's alone, which has no command line
