"""Work over several processes or threads, which ends with whoever asked for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.connection import Connection
from typing import TypeVar

from hw_amc.errors import STOPPED, ConfigError, HwAmcError, Stopped

Task = TypeVar("Task")
Result = TypeVar("Result")


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


#: Set when the work of this thread is of no use any more.
_ABANDONED: ContextVar[threading.Event | None] = ContextVar("abandoned", default=None)


@contextmanager
def crew(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of `count` threads; an error in the block, or Ctrl-C, ends their work as well.

    Programs that they run are ended (`hw_amc.tools.run`), and simulations stop at the next slice of cycles; without
    that the block would wait for them, for minutes or hours.
    """
    abandoned = threading.Event()
    with ThreadPoolExecutor(count, initializer=_ABANDONED.set, initargs=(abandoned,)) as pool:
        try:
            yield pool
        except BaseException:
            abandoned.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def in_crew() -> bool:
    """Whether this thread has to ask `require_wanted` from time to time."""
    return _ABANDONED.get() is not None


def require_wanted() -> None:
    """Raise `Stopped` in a thread of a `crew` whose work is of no use any more."""
    abandoned = _ABANDONED.get()
    if abandoned is not None and abandoned.is_set():
        raise Stopped(STOPPED)


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
    with ProcessPoolExecutor(count, mp_context=context, initializer=follow, initargs=(reader,)) as pool:
        try:
            yield from _in_order(pool, work, tasks, count)
        except BrokenProcessPool:
            raise HwAmcError("a worker process was killed; is the memory too small? use fewer workers") from None
        except BaseException:
            # Closed before the pool waits for its workers: what they still compute is of no use.
            _expect_no_more(pool)
            pool.shutdown(wait=False, cancel_futures=True)
            writer.close()
            raise
    writer.close()
    reader.close()


def _expect_no_more(pool: ProcessPoolExecutor) -> None:
    """Give up this process's own end of the results' pipe.

    A worker that ends in the middle of a large result leaves it cut, and the pool would wait for the rest for ever: the
    pipe has an end only where nobody can write to it any more.
    """
    results = getattr(pool, "_result_queue", None)
    if results is not None:
        results._writer.close()


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
    with deaf_to_ctrl_c():
        return pool.submit(work, task)


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Block SIGINT in this thread for a moment; a process that is started in the block never hears of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow(parent: Connection) -> None:
    """End this worker when its parent closes the other end of the pipe, or dies."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection) -> None:
    try:
        parent.recv_bytes()
    finally:
        os._exit(1)
