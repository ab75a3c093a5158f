"""What goes to the board: bitstream, handoff, manifest and golden vectors in one archive, each with its digest."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from hw_amc.driver.vectors import NAME as VECTORS
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import DataError
from hw_amc.files import atomic_path, save_npz
from hw_amc.interface.manifest import Manifest
from hw_amc.overlay.checks import require_handoff
from hw_amc.sim_device.design import Design
from hw_amc.verify.heldout import Stimulus

CHECKSUMS = "SHA256SUMS"
#: A fixed date, so that equal contents make equal archives.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_overlay(build: Path, design: Design, manifest: Manifest, vectors: Vectors, target: Path) -> Path:
    """Pack <name>.bit, <name>.hwh, manifest.json, the golden vectors and SHA256SUMS.

    Parameters
    ----------
    build : Path
        Folder with the bitstream and its handoff.
    design : Design
        What the overlay's project was written for: the handoff must describe it.
    manifest : Manifest
    vectors : Vectors
        Frames and their answers, for the self-test on the board.
    target : Path
        The .zip file to write; unpacked on the board, its folder is what `AmcOverlay` opens.

    Raises
    ------
    DataError
        The bitstream or the handoff is missing, or the handoff describes another design or clock.
    """
    contents: dict[str, bytes] = {}
    for name in (f"{manifest.name}.bit", f"{manifest.name}.hwh"):
        path = build / name
        if not path.is_file():
            raise DataError(f"{path} does not exist; the implementation has not finished")
        contents[name] = path.read_bytes()
    require_handoff(build / f"{manifest.name}.hwh", design)
    contents["manifest.json"] = manifest.to_json().encode()
    contents[VECTORS] = vectors.to_bytes()
    contents[CHECKSUMS] = emit_checksums(contents).encode()
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return target


def emit_checksums(contents: dict[str, bytes]) -> str:
    """Return the text of SHA256SUMS, in the format of `sha256sum -c`."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(contents.items()))


def save_frames(path: Path, stimulus: Stimulus) -> Path:
    """Write frames for the notebooks: an .npz with wire, the first head's labels and snrs_db; it needs numpy only."""
    save_npz(path, {"wire": stimulus.wire, "labels": stimulus.labels[:, 0], "snrs_db": stimulus.snrs_db})
    return path
