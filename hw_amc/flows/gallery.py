"""Simulated overlays of all trained models, and frames for them: what the notebooks compare without a board."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hw_amc.bench.simulated import Kind, write_sim_overlay
from hw_amc.config import RtlSettings
from hw_amc.errors import DataError
from hw_amc.flows.rtl import Hardware
from hw_amc.overlay.archive import save_frames


@dataclass(frozen=True)
class Gallery:
    """Where everything lies."""

    #: One folder a model.
    overlays: Path
    #: The first model again, in channel mode.
    channels: Path
    frames: Path

    def variables(self) -> dict[str, str]:
        """Return the environment that the notebooks read; whole paths, since a notebook runs in its own folder."""
        first = sorted(path.parent for path in self.overlays.glob("*/*.bit"))[0]
        named = {"OVERLAY": first, "OVERLAYS": self.overlays, "CHANNELS": self.channels, "FRAMES": self.frames}
        return {f"HW_AMC_{name}": str(path.resolve()) for name, path in named.items()}


def write_gallery(
    folder: Path, models: Iterable[Hardware], count: int, kind: Kind = "golden", tell: Callable[[str], None] = print
) -> Gallery:
    """Write overlays of `models`, of the first in channel mode too, and `count` held-out frames.

    Parameters
    ----------
    folder : Path
    models : iterable of Hardware
        Networks of one frame length; the frames take the first one's input settings.
    count : int
    kind : {"golden", "rtl"}
        What answers; golden's cycles are an estimate.
    tell : callable
        Receives one line per step.

    Raises
    ------
    DataError
        No model.
    """
    gallery = Gallery(folder / "overlays", folder / "channels", folder / "frames.npz")
    first: Hardware | None = None
    for hardware in models:
        first = first or hardware
        name = hardware.workspace.model
        write_sim_overlay(gallery.overlays / name, hardware.accelerator, hardware.graph, hardware.board, kind)
        tell(name)
    if first is None:
        raise DataError("no trained model; run `hw-amc train` or take one of the committed ones")
    settings = RtlSettings.model_validate({**first.settings.model_dump(), "mode": "channels"})
    channels = Hardware(first.workspace, first.board, settings)
    write_sim_overlay(gallery.channels, channels.accelerator, channels.graph, channels.board, kind)
    tell(f"{first.workspace.model}, {channels.accelerator.manifest.n_channels} channels")
    save_frames(gallery.frames, first.take(count))
    tell(f"{count} frames")
    return gallery
