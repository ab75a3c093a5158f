"""Simulated overlays of all trained models, and frames for them: what the notebooks compare without a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hw_amc.bench.simulated import Kind, write_sim_overlay
from hw_amc.errors import DataError
from hw_amc.flows.base import Output, Silent
from hw_amc.flows.rtl import RtlFlow, RtlOptions
from hw_amc.overlay.archive import save_frames


@dataclass(frozen=True)
class Gallery:
    """Where everything lies."""

    #: One folder a model.
    overlays: Path
    #: The first model again, in channel mode; and on each board, one folder a board.
    channels: Path
    boards: Path
    frames: Path

    def variables(self) -> dict[str, str]:
        """Return the environment that the notebooks read; whole paths, since a notebook runs in its own folder."""
        first = sorted(path.parent for path in self.overlays.glob("*/*.bit"))[0]
        folders = {"OVERLAY": first, "OVERLAYS": self.overlays, "CHANNELS": self.channels, "BOARDS": self.boards}
        named = {**folders, "FRAMES": self.frames}
        return {f"HW_AMC_{name}": str(path.resolve()) for name, path in named.items()}


def write_gallery(
    folder: Path, models: Sequence[str], count: int, kind: Kind = "golden", output: Output | None = None
) -> Gallery:
    """Write overlays of `models`, of the first in channel mode and on each board too, and `count` held-out frames.

    Parameters
    ----------
    folder : Path
    models : sequence of str
        Names of trained networks of one frame length; the frames take the first one's input settings.
    count : int
    kind : {"golden", "rtl"}
        What answers; golden's cycles are an estimate.
    output : Output, optional
        Receives one line per step.

    Raises
    ------
    DataError
        No model.
    """
    if not models:
        raise DataError("no trained model; run `hw-amc train` or take one of the committed ones")
    places = (folder / name for name in ("overlays", "channels", "boards", "frames.npz"))
    gallery, output = Gallery(*places), output or Silent()
    for name in models:
        flow = RtlFlow.open(name)
        write_sim_overlay(gallery.overlays / name, flow.accelerator, flow.graph, flow.board, kind)
        output.done(name)
    channels = RtlFlow.open(models[0], RtlOptions(mode="channels"))
    write_sim_overlay(gallery.channels, channels.accelerator, channels.graph, channels.board, kind)
    output.done(f"{models[0]}, {channels.accelerator.manifest.n_channels} channels")
    for board in channels.workspace.boards():
        flow = RtlFlow.open(models[0], RtlOptions(board))
        write_sim_overlay(gallery.boards / board, flow.accelerator, flow.graph, flow.board, kind)
        output.done(f"{models[0]}, {board}")
    save_frames(gallery.frames, channels.take(count))
    output.done(f"{count} frames")
    return gallery
