"""Control of the accelerator's automatic gain, a part of `AmcOverlay`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from hw_amc.driver.transfer import Link
from hw_amc.errors import ConfigError
from hw_amc.interface.gain import MISSING
from hw_amc.interface.manifest import Manifest


class GainControl(ABC):
    """What an overlay has where its manifest's `automatic_gain` is true; elsewhere ConfigError says what to build."""

    manifest: Manifest

    @abstractmethod
    def hold(self) -> AbstractContextManager[Link]:
        """Hold the device."""

    @property
    def automatic_gain(self) -> bool:
        """Whether each frame is shifted by the gain that its channel's frame before asked for; off at first.

        Switching it off, and `reset`, take every channel's gain back to 0.
        """
        return self.manifest.automatic_gain and bool(self._read_gain("AUTOMATIC_GAIN", "automatic_gain"))

    @automatic_gain.setter
    def automatic_gain(self, wanted: bool) -> None:
        if wanted or self.manifest.automatic_gain:
            self._write_gain("AUTOMATIC_GAIN", int(wanted))

    @property
    def highest_gain(self) -> int:
        """Highest automatic gain, a left shift: what noise is amplified by at most, while there is no signal."""
        return self._read_gain("HIGHEST_GAIN", "highest_gain")

    @highest_gain.setter
    def highest_gain(self, shift: int) -> None:
        if not -128 <= shift <= 127:
            raise ConfigError(f"the highest gain must be -128 to 127, not {shift}")
        self._write_gain("HIGHEST_GAIN", shift & 0xFF)

    def gain_shifts(self) -> tuple[int, ...]:
        """Shift that the last frame of each channel had: INPUT_SHIFT and gain together."""
        self._require_gain()
        found = []
        with self.hold() as link:
            for channel in range(self.manifest.n_channels):
                link.write("GAIN_CHANNEL", channel)
                found.append(link.read("GAIN_SHIFT", "gain_shift"))
        return tuple(found)

    def _require_gain(self) -> None:
        if not self.manifest.automatic_gain:
            raise ConfigError(MISSING)

    def _read_gain(self, register: str, field: str) -> int:
        self._require_gain()
        with self.hold() as link:
            return link.read(register, field)

    def _write_gain(self, register: str, value: int) -> None:
        self._require_gain()
        with self.hold() as link:
            link.write(register, value)
