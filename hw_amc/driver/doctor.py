"""What a board has and lacks, and whether an overlay fits it; needs the standard library, and says so where pynq lacks.

Nothing is loaded and nothing is changed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw_amc.driver.clock import differs, read_clock
from hw_amc.driver.devices import choose_device, is_remote, is_simulated
from hw_amc.driver.errors import DeviceError, reason, transport_errors
from hw_amc.driver.handoff import Handoff
from hw_amc.driver.identity import check_files, find_bitstream
from hw_amc.driver.vectors import NAME as VECTORS
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import DataError, HwAmcError
from hw_amc.interface.manifest import Manifest
from hw_amc.parts import Family, family_with

SCHEMA = 1
OK, MISSING, WRONG, UNKNOWN = "ok", "missing", "wrong", "unknown"
#: Where an image says what it is; Kria-PYNQ is an Ubuntu and has none.
REVISION, OS_RELEASE, MEMORY = Path("/home/xilinx/REVISION"), Path("/etc/os-release"), Path("/proc/meminfo")
#: Machine of a PS, as Python calls it.
_MACHINES = {"armv7l": "zynq7", "aarch64": "zynqmp"}
#: PLL behind the PL clocks: its register, and the bits of feedback divider and halving (UG585, UG1087).
_PLL = {"zynq7": (0xF800_0108, 12, None), "zynqmp": (0xFF5E_0020, 8, 16)}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    #: ok, missing, wrong or unknown.
    state: str
    detail: str
    #: What to do about it; and for what it is needed.
    mend: str = ""


def examine(topic: str, look: Callable[[], str], mend: str = "") -> Finding:
    """Look at one thing; what goes wrong is the finding."""
    try:
        return Finding(topic, OK, look())
    except HwAmcError as error:
        return Finding(topic, WRONG, str(error), mend)
    except transport_errors() as error:
        return Finding(topic, WRONG, reason(error), mend)


def examine_board(overlay: Path | None = None) -> list[Finding]:
    """Look at the computer that this is: a board, or one that drives or simulates a board.

    Parameters
    ----------
    overlay : Path, optional
        A bitstream, or the folder of an unpacked archive: does it fit?
    """
    found = [_python(), _machine(), _image(), _package("numpy"), _package("pynq")]
    if overlay is None:
        if found[-1].state == OK:
            found += [*_device(None), _memory(None)]
        return found
    try:
        bitstream = find_bitstream(overlay)
    except HwAmcError as error:
        return [*found, Finding("overlay", MISSING, str(error))]
    return [*found, *examine_overlay(bitstream, found[-1].state == OK)]


def examine_overlay(bitstream: Path, with_pynq: bool) -> list[Finding]:
    """Look at an overlay's files, and at whether it fits the device here."""
    folder = bitstream.parent
    files = examine("files", lambda: _files(folder))
    try:
        manifest, handoff = Manifest.load(folder / "manifest.json"), Handoff.load(bitstream.with_suffix(".hwh"))
        found = [files, *_contents(bitstream, manifest, handoff)]
        family = handoff.family
    except DataError as error:
        return [files, Finding("overlay", WRONG, str(error), "unpack the archive again, or build the overlay anew")]
    if not with_pynq:
        return [*found, Finding("fit", UNKNOWN, "without pynq nothing is known of the device")]
    device = _open_device(bitstream)
    if isinstance(device, Finding):
        return [*found, device]
    return [*found, *_device(device), _memory(device), *_fit(device, family, manifest)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    state = OK if sys.version_info >= (3, 10) else WRONG
    return Finding("python", state, f"{version}, {sys.executable}", "" if state == OK else "Python 3.10 or later")


def _machine() -> Finding:
    name = next((line[13:-1] for line in _lines(OS_RELEASE) if line.startswith('PRETTY_NAME="')), platform.system())
    return Finding("computer", OK, f"{platform.machine()}, {name}, {os.cpu_count()} CPUs")


def _image() -> Finding:
    lines = _lines(REVISION)
    if lines:
        return Finding("PYNQ image", OK, " / ".join(lines))
    if platform.machine() in _MACHINES:
        return Finding(
            "PYNQ image", UNKNOWN, f"no {REVISION}: Kria-PYNQ on Ubuntu has none; others have 3.0.1 or later"
        )
    return Finding("PYNQ image", UNKNOWN, "this computer is no board")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    except OSError:
        return []


def _package(name: str) -> Finding:
    try:
        return Finding(name, OK, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        mend = "on a board: sudo -i, and the image's own python3" if name == "pynq" else f"pip install {name}"
        return Finding(name, MISSING, "not installed for this Python", mend)


def _files(folder: Path) -> str:
    check_files(folder)
    sums = folder / "SHA256SUMS"
    return f"every digest of {sums} is right" if sums.is_file() else f"{folder} has no SHA256SUMS: not from an archive"


def _contents(bitstream: Path, manifest: Manifest, handoff: Handoff) -> list[Finding]:
    """What the files say of the overlay, and whether they agree."""
    built = f"{manifest.name} for {manifest.board}, network {manifest.graph_digest[:16]}, {manifest.clock_mhz:g} MHz"
    with_files = handoff.board or "without board files"
    found = [Finding("overlay", OK, f"{built}; Vivado {handoff.vivado}, {handoff.device}, {with_files}")]
    if handoff.device.removeprefix("xc") not in manifest.part:
        detail = f"the .hwh is for {handoff.device}, manifest.json for {manifest.part}"
        found.append(Finding("part", WRONG, detail, "bitstream and manifest are of different builds"))
    timing = f"Vivado closed the timing at {handoff.clock_mhz:g} MHz, the .hwh divides the PLL by {handoff.divisor}"
    found.append(Finding("timing", WRONG if differs(handoff.clock_mhz, manifest.clock_mhz) else OK, timing))
    found.append(examine("ports", lambda: _ports(handoff, manifest)))
    found.append(
        examine("golden vectors", lambda: f"{len(Vectors.load(bitstream.parent / VECTORS, manifest).wire)} frames")
    )
    return found


def _ports(handoff: Handoff, manifest: Manifest) -> str:
    """The DMA between memory and accelerator: widths, length, addresses."""
    settings = {name.lower(): value for name, value in handoff.dma.parameters.items()}
    length = int(settings.get("c_sg_length_width", 14))
    size = 4 * manifest.n_channels * max(manifest.frame_len, manifest.result_words)
    limit = (1 << length) - 1
    if size > limit:
        raise DataError(f"{size} bytes, a frame of each channel or its result, exceed a DMA transfer of {limit}")
    widths = [settings.get(f"c_m_axi_{side}_data_width", "?") for side in ("mm2s", "s2mm")]
    places = ", ".join(f"{name} at {base:#x}" for name, base in sorted(handoff.addresses.items()))
    frames = "frames" if manifest.n_channels == 1 else "frames of each channel"
    dma = f"DMA {'/'.join(widths)} bits, up to {limit // size} {frames} in a transfer"
    return f"{handoff.accelerator.vlnv}; {dma}; {places}"


def _open_device(bitstream: Path) -> Any:
    """Return the device to load `bitstream` on, told of its .hwh as PYNQ does it; or why there is none."""
    try:
        device = choose_device(bitstream)
        from pynq import Overlay

        Overlay(str(bitstream), device=device, download=False)
        return device
    except DeviceError as error:
        return Finding("device", MISSING, str(error))
    except HwAmcError as error:
        return Finding("device", WRONG, str(error))
    except transport_errors() as error:
        return Finding("device", WRONG, f"PYNQ does not take the overlay: {reason(error)}")


def _device(device: Any) -> list[Finding]:
    """The device here; PYNQ's active one where none is given."""
    if device is None:
        from pynq import Device

        try:
            device = Device.active_device
        except RuntimeError as error:
            return [Finding("device", MISSING, f"PYNQ finds none ({error})", "run this on the board, as root")]
    kind = "simulated" if is_simulated(device) else "remote" if is_remote(device) else "a board"
    found = [Finding("device", OK, f"{device.name}, {kind}")]
    if kind == "a board" and os.geteuid() != 0:
        found.append(Finding("root", WRONG, "PYNQ reaches registers as root only", "sudo -i"))
    return [*found, examine("PL clock", lambda: f"{read_clock():g} MHz now, by the PS's registers")]


def _memory(device: Any) -> Finding:
    """Contiguous memory for buffers."""
    if device is not None and is_remote(device):
        return Finding("memory", UNKNOWN, "a remote board does not tell how much is free for buffers")
    if device is not None and is_simulated(device):
        return Finding("memory", OK, f"{device.memory.size >> 20} MiB for buffers, simulated")
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in _lines(MEMORY)) if rest}
    if "CmaTotal" not in sizes:
        return Finding("memory", UNKNOWN, "the kernel tells of no contiguous memory (CMA)")
    total, free = sizes["CmaTotal"] >> 10, sizes.get("CmaFree", 0) >> 10
    return Finding("memory", OK if free else WRONG, f"{free} of {total} MiB of contiguous memory (CMA) are free")


def _fit(device: Any, family: Family, manifest: Manifest) -> list[Finding]:
    """Whether the overlay's PS is this one, and whether its clock can be had here."""
    machine = getattr(device, "arch", platform.machine())
    kind = _MACHINES.get(machine)
    found = []
    if kind is not None and not is_remote(device):
        right = kind == family.ps
        detail = f"the overlay is for {family.ps_ip}, this is {family_with(kind).ps_ip}"  # type: ignore[arg-type]
        found.append(Finding("processing system", OK if right else WRONG, detail))
    return [*found, examine("clock", lambda: _reachable_clock(device, family, manifest.clock_mhz))]


def _reachable_clock(device: Any, family: Family, wanted_mhz: float) -> str:
    """Say which clock the driver will set: the nearest to the manifest's that the booted PLL can be divided to."""
    pll = read_pll(device, family)
    divisors = {first * second for first in range(1, 64) for second in range(1, 64)}
    nearest = min((round(pll / divisor, 6) for divisor in divisors), key=lambda mhz: abs(mhz - wanted_mhz))
    if differs(nearest, wanted_mhz):
        raise DeviceError(
            f"the overlay needs {wanted_mhz:g} MHz, and the PLL of {pll:g} MHz divides to {nearest:g} MHz at best;"
            f" build it with clock_mhz = {nearest:g} in board.toml"
        )
    return f"{nearest:g} MHz from the booted PLL of {pll:g} MHz, for {wanted_mhz:g} MHz"


def read_pll(device: Any, family: Family) -> float:
    """Read the PLL behind the PL clocks, MHz, as PYNQ counts it; DeviceError where it cannot be read."""
    from pynq import MMIO

    address, place, halving = _PLL[family.ps]
    try:
        word = int(MMIO(address & ~0xFFF, 0x1000, device=device).read(address & 0xFFF))
    except transport_errors() as error:
        raise DeviceError(f"the PLL's register cannot be read: {reason(error)}") from error
    mhz = family.clock.reference_mhz * (word >> place & 0x7F)
    return mhz / 2 if halving is not None and word >> halving & 1 else mhz


def to_text(findings: Sequence[Finding]) -> str:
    """Return findings as a table for people."""
    width = max(len(finding.topic) for finding in findings)
    return "\n".join(
        f"{finding.state:<7}  {finding.topic:<{width}}  {finding.detail}{f' -> {finding.mend}' if finding.mend else ''}"
        for finding in findings
    )


def to_json(findings: Sequence[Finding]) -> str:
    """Return findings for programs."""
    return json.dumps({"schema": SCHEMA, "findings": [asdict(finding) for finding in findings]}, indent=2)
