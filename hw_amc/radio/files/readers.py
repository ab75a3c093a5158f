"""Opening any file of frames by what it holds."""

from __future__ import annotations

import re
from pathlib import Path

from hw_amc import hdf5
from hw_amc.errors import DataError
from hw_amc.radio.files import sigmf
from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.frames import FrameFile
from hw_amc.radio.files.plain import RAW_FORMATS, PlainFile
from hw_amc.radio.files.wav import is_wav
from hw_amc.untrusted import NPY_MAGIC, open_regular

#: Bytes that tell formats apart.
_START = 32

#: Endings of raw samples of any type.
_RAW = (".iq", ".raw", ".bin", ".dat")

#: How a pickle of a dict begins: protocol 0 or 1 as Python 2 writes it, and protocols 2 up. The first is too short for
#: files whose ending says that they are raw samples: one in 256 of them begins so.
_PICKLE = re.compile(rb"\(d|\}|\x80[\x02-\x05]")
_PICKLE_OF_A_DICT = re.compile(rb"\(dp\d{1,3}\n|\}q[\x00\x01]|\x80[\x02-\x05](\x95.{8})?\}", re.DOTALL)

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

_KNOWN = "RadioML 2018 (HDF5), RadioML 2016 (pickle), RadCom (HDF5), SigMF, .npy, .wav, and raw samples such as .iq"


def open_frames(path: Path, options: CaptureOptions | None = None) -> FrameFile:
    """Open a file of frames, whatever its format; its first bytes tell, then its ending.

    Parameters
    ----------
    path : Path
    options : CaptureOptions, optional
        For recordings; files of frames know their own length and labels.

    Raises
    ------
    DataError
        The file is missing, damaged or of no known format.
    """
    path = Path(path)
    chosen = options or CaptureOptions()
    name, ending = path.name.lower(), path.suffix.lower()
    if name.endswith(".sigmf-collection"):
        raise DataError(f"{path} is a collection; give one of its recordings")
    if name.endswith(sigmf.ENDINGS):
        return sigmf.SigMfFile(path, chosen)
    with open_regular(path) as stream:
        start = stream.read(_START)
    if start.startswith(hdf5.SIGNATURE):
        return _open_hdf5(path)
    if start.startswith(NPY_MAGIC) or ending == ".npy" or is_wav(start):
        return PlainFile(path, chosen)
    for foreign, said in _FOREIGN.items():
        if start.startswith(foreign):
            raise DataError(f"{path} is {said}")
    if ending in RAW_FORMATS or chosen.samples:
        return PlainFile(path, chosen)
    if (_PICKLE_OF_A_DICT if ending in _RAW else _PICKLE).match(start) or ending in (".pkl", ".pickle"):
        from hw_amc.radio.files.pickled import PickledFrames

        return PickledFrames(path)
    if ending in (".h5", ".hdf5"):
        raise DataError(f"{path} is not a whole HDF5 file (it begins {start[:8]!r}); fetch or generate it again")
    if ending in _RAW:
        return PlainFile(path, chosen)
    raise DataError(f"{path} is of no known format; readable are {_KNOWN}")


def _open_hdf5(path: Path) -> FrameFile:
    from hw_amc.radio.files.radcom import RadComFile, is_radcom_key
    from hw_amc.radio.files.radioml import RadioMlFile

    with hdf5.open_hdf5(path) as file:
        first = hdf5.first_name(file, path)
    return RadComFile(path) if is_radcom_key(first or "") else RadioMlFile(path)
