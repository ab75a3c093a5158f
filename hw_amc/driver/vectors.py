"""Golden vectors: frames with the logits that the golden interpreter gives for them; they travel with an overlay."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.interface.manifest import Manifest
from hw_amc.untrusted import load_npz

#: File of an overlay's folder.
NAME = "golden.npz"


@dataclass(frozen=True, eq=False)
class Vectors:
    """Frames and their right answers."""

    #: (n, T, 2) int16 wire words; n fills whole groups of channels.
    wire: NDArray[np.int16]
    #: (n, classes) int32, all heads one after another.
    logits: NDArray[np.int32]
    #: SHA-256 of the graph that gives them, in hex.
    graph_digest: str

    def to_bytes(self) -> bytes:
        """Return the file's content; equal vectors make equal files."""
        stream = io.BytesIO()
        digest = np.frombuffer(bytes.fromhex(self.graph_digest), np.uint8)
        np.savez_compressed(stream, wire=self.wire, logits=self.logits, graph_digest=digest)
        return stream.getvalue()

    @classmethod
    def load(cls, path: Path, manifest: Manifest) -> Vectors:
        """Read the vectors of the accelerator that `manifest` describes.

        Raises
        ------
        DataError
            There are none, or they are another accelerator's.
        """
        try:
            data = load_npz(path)
            found = cls(data["wire"], data["logits"], data["graph_digest"].tobytes().hex())
        except (DataError, KeyError) as error:
            raise DataError(
                f"cannot read {path}: {error}; unpack the overlay's archive again, or pack it anew"
            ) from error
        n, frame_len, classes = found.wire.shape[:1], manifest.frame_len, manifest.classes
        shapes = (found.wire.shape, found.logits.shape) == ((*n, frame_len, 2), (*n, classes))
        kinds = found.wire.dtype == np.int16 and found.logits.dtype == np.int32
        if not (n != (0,) and shapes and kinds):
            raise DataError(f"{path} holds no frames of {frame_len} samples with {classes} logits each")
        if found.graph_digest != manifest.graph_digest:
            raise DataError(
                f"{path} is of network {found.graph_digest[:16]}, the overlay of {manifest.graph_digest[:16]}"
            )
        return found
