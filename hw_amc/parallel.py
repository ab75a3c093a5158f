"""Blocks of work over several processes: results in order, and few of them in memory at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

from hw_amc.errors import ConfigError

Task = TypeVar("Task")
Result = TypeVar("Result")


def map_blocks(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None) -> Iterator[Result]:
    """Yield `work(task)` for every task, in order.

    Parameters
    ----------
    work : callable
        A module-level function; it runs in fresh processes, which inherit no threads or open files.
    tasks : sequence
    workers : int or None
        Processes; 1 works in this process, None takes the processors that this process may use.

    Raises
    ------
    ConfigError
        `workers` is below 1.
    """
    count = workers if workers is not None else len(os.sched_getaffinity(0))
    if count < 1:
        raise ConfigError(f"workers must be 1 or more, not {count}")
    count = min(count, len(tasks))
    if count <= 1:
        yield from map(work, tasks)
        return
    # Forking a process that runs TensorFlow's threads can hang, so the workers start fresh.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                pending.append(pool.submit(work, task))
                if len(pending) > 2 * count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
