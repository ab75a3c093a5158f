"""Device memory of one call, and the batch that is drawn while another is on the device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hw_amc.driver.errors import transport_errors


@dataclass(frozen=True)
class Buffers:
    """Device memory of one call: two batches that take turns, and their results."""

    sources: tuple[Any, ...]
    target: Any

    def free(self) -> None:
        """Give the memory back."""
        for buffer in (*self.sources, self.target):
            # Memory of a device that is gone is gone with it.
            with contextlib.suppress(*transport_errors()):
                buffer.freebuffer()


class Following:
    """The batch after this one, drawn while this one is on the device.

    What its source raises is kept until this batch is answered; only an interrupt gets through at once.
    """

    def __init__(self, prepare: Callable[[], Any]) -> None:
        self._prepare = prepare
        self._batch: Any = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Draw the batch."""
        try:
            self._batch = self._prepare()
        except Exception as error:
            self._error = error

    def get(self) -> Any:
        """Return the batch, or raise what stood in its way."""
        if self._error is not None:
            raise self._error
        return self._batch
