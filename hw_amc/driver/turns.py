"""Who may use the device now: transfers take turns, and what feeds a transfer may ask meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hw_amc.driver.errors import DeviceBusy


class Turns:
    """Turns of the threads of one program.

    A transfer is one thread's from its beginning to its end; while its next batch is drawn, others may read and write
    registers. The source of that batch may do so as well, and is told at once where it asks for another transfer, which
    would wait for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition(threading.Lock())
        #: Thread whose transfer is under way.
        self._sender: int | None = None

    @contextmanager
    def ask(self) -> Iterator[None]:
        """Hold the device for register accesses."""
        with self._lock:
            yield

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """Hold the device for a transfer, or for what must not come into one.

        Raises
        ------
        DeviceBusy
            The call comes out of the source of a transfer that is under way.
        """
        with self._lock:
            if self._sender == threading.get_ident():
                raise DeviceBusy(
                    "the accelerator is busy with the very call that this source feeds; do this between two calls"
                )
            while self._sender is not None:
                self._lock.wait()
            self._sender = threading.get_ident()
            try:
                yield
            finally:
                self._sender = None
                self._lock.notify()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Let others ask, in the middle of a transfer."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
