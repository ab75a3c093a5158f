"""Opening any file of frames by what it holds: the readers of this folder, in their order."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from hw_amc.errors import DataError
from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.frames import FrameFile
from hw_amc.radio.files.memory import Samples, SamplesFile, Source
from hw_amc.radio.files.registry import READERS, Glimpse, reads

#: How files begin that are something else, and what to do with them.
_FOREIGN = {
    b"MATLAB ": "a MATLAB file; load it with scipy.io.loadmat and save its array with numpy.save",
    b"PK\x03\x04": "a zip archive (.npz, .mat of Simulink, ...); unpack it, or save its array with numpy.save",
    b"\x1f\x8b\x08": "compressed by gzip; unpack it: gunzip",
    b"\xfd7zXZ\0": "compressed by xz; unpack it: unxz",
    b"BZh": "compressed by bzip2; unpack it: bunzip2",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it: unzstd",
    b"BLUE": "an X-Midas BLUE file; convert it to SigMF: sigmf_convert",
    b"fLaC": "compressed sound; convert it to WAV: flac -d",
    b"OggS": "compressed sound; convert it to WAV",
    b".snd": "an AU file; convert it to WAV: sox",
    b"VRLP": "a VITA 49 file; convert it to SigMF",
    b"PAR1": "a Parquet file; save its samples with numpy.save",
}


@reads(40)
def _refuse(file: Glimpse) -> None:
    for start, said in _FOREIGN.items():
        if file.start.startswith(start):
            raise DataError(f"{file.path} is {said}")


for _module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    import_module(f"{__package__}.{_module.name}")


def open_frames(path: Source, options: CaptureOptions | None = None) -> FrameFile:
    """Open a file of frames, whatever its format; its first bytes tell, then its ending.

    Parameters
    ----------
    path : Path or Samples
        A file, or frames in memory.
    options : CaptureOptions, optional
        For recordings; files of frames know their own length and labels.

    Raises
    ------
    DataError
        The file is missing, damaged or of no known format.
    """
    if isinstance(path, Samples):
        return SamplesFile(path, options or CaptureOptions())
    glimpse = Glimpse(Path(path), options or CaptureOptions())
    for _, _, opener in READERS:
        opened = opener(glimpse)
        if opened is not None:
            return opened
    known = ", ".join(what for _, what, _ in READERS if what)
    raise DataError(f"{path} is of no known format; readable are {known}")
