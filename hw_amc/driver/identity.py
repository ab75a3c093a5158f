"""Is this the overlay, and the accelerator, that the program means? Files, register interface and network."""

from __future__ import annotations

from pathlib import Path

from hw_amc.driver.errors import DeviceError
from hw_amc.driver.transfer import Link
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import file_digest
from hw_amc.interface import registers
from hw_amc.interface.manifest import Manifest
from hw_amc.untrusted import is_plain_name, read_text

_CHECKSUMS = "SHA256SUMS"


def find_bitstream(path: Path) -> Path:
    """Return the .bit file at `path`, or the only one in the folder `path`; ConfigError when there is none."""
    if path.is_dir():
        found = sorted(path.glob("*.bit"))
        if len(found) != 1:
            raise ConfigError(f"{path} holds {len(found)} .bit files; name the one to load")
        return found[0]
    if not path.is_file():
        raise ConfigError(f"{path} does not exist; unpack the overlay's archive on the board")
    return path


def check_files(folder: Path) -> None:
    """Require the digests of SHA256SUMS, where the folder has one; DataError names the file that differs."""
    sums = folder / _CHECKSUMS
    if not sums.is_file():
        return
    for line in read_text(sums).splitlines():
        digest, _, name = line.partition("  ")
        if not is_plain_name(name):
            raise DataError(f"{sums} names {repr(name)[:80]}, which is no file of its folder")
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path} is missing; unpack the overlay's archive again")
        if file_digest(path) != digest:
            raise DataError(f"{path} is not the file that the overlay was built with; unpack the archive again")


def check_identity(link: Link, manifest: Manifest) -> None:
    """Require that the device holds the accelerator of `manifest`; DeviceError says what it holds."""
    magic = link.read("MAGIC")
    if magic != registers.MAGIC:
        raise DeviceError(f"no accelerator answers: MAGIC reads {magic:#010x}, not {registers.MAGIC:#010x}")
    version = link.read("VERSION")
    if version >> 16 != registers.VERSION >> 16:
        raise DeviceError(f"register interface {version >> 16} on the device, {registers.VERSION >> 16} in this driver")
    digest = f"{link.read('DIGEST_HI'):08x}{link.read('DIGEST_LO'):08x}"
    if digest != manifest.graph_digest[:16]:
        raise DeviceError(
            f"the device holds network {digest}, manifest.json describes {manifest.graph_digest[:16]}; "
            "bitstream and manifest are of different builds"
        )
    for name, wanted in (
        ("FRAME_LEN", manifest.frame_len),
        ("CLASSES", manifest.classes),
        ("RESULT_WORDS", manifest.result_words),
    ):
        if (found := link.read(name)) != wanted:
            raise DeviceError(f"{name} is {found} on the device and {wanted} in manifest.json")
