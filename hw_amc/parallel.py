"""Blocks of work over several processes: results in order, and few of them in memory at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from hw_amc.errors import ConfigError, HwAmcError

Task = TypeVar("Task")
Result = TypeVar("Result")


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_blocks(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None) -> Iterator[Result]:
    """Yield `work(task)` for every task, in order.

    The workers end with this process, however it ends, and stay silent on Ctrl-C, which is this process's to answer.

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
    HwAmcError
        A worker was killed.
    """
    count = workers if workers is not None else processors()
    if count < 1:
        raise ConfigError(f"workers must be 1 or more, not {count}")
    count = min(count, len(tasks))
    if count <= 1:
        yield from map(work, tasks)
        return
    # Forking a process that runs TensorFlow's threads can hang, so the workers start fresh.
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    with ProcessPoolExecutor(count, mp_context=context, initializer=_follow, initargs=(reader,)) as pool:
        try:
            yield from _in_order(pool, work, tasks, count)
        except BrokenProcessPool:
            raise HwAmcError("a worker process was killed; is the memory too small? use fewer workers") from None
        except BaseException:
            # Closed before the pool waits for its workers: what they still compute is of no use.
            pool.shutdown(wait=False, cancel_futures=True)
            writer.close()
            raise
    writer.close()
    reader.close()


def _in_order(
    pool: ProcessPoolExecutor, work: Callable[[Task], Result], tasks: Sequence[Task], count: int
) -> Iterator[Result]:
    pending: deque[Future[Result]] = deque()
    for task in tasks:
        pending.append(_submit(pool, work, task))
        if len(pending) > 2 * count:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _submit(pool: ProcessPoolExecutor, work: Callable[[Task], Result], task: Task) -> Future[Result]:
    """Submit with SIGINT blocked: a worker that is started now inherits that, from its first instruction on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        return pool.submit(work, task)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(parent: Connection) -> None:
    """End this worker when its parent closes the other end of the pipe, or dies."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection) -> None:
    try:
        parent.recv_bytes()
    finally:
        os._exit(1)
