"""Opening any file of frames by what it holds."""

from __future__ import annotations

from pathlib import Path

from hw_amc.errors import DataError
from hw_amc.radio.files import hdf5, sigmf
from hw_amc.radio.files.captures import RAW_FORMATS, CaptureOptions, PlainFile
from hw_amc.radio.files.frames import FrameFile

#: First bytes of a pickle of a dict: protocol 0 or 1 as Python 2 writes it, and protocols 2 up.
_PICKLES = (b"(d", b"}", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

_KNOWN = "RadioML 2018 (HDF5), RadioML 2016 (pickle), RadCom (HDF5), SigMF, .npy, and raw samples such as .iq"


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
    name = path.name.lower()
    if name.endswith(sigmf.ENDINGS):
        return sigmf.SigMfFile(path, chosen)
    start = _first_bytes(path)
    if start == hdf5.SIGNATURE:
        return _open_hdf5(path)
    if start.startswith(b"\x93NUMPY") or path.suffix == ".npy" or path.suffix.lower() in RAW_FORMATS or chosen.samples:
        return PlainFile(path, chosen)
    if start.startswith(_PICKLES):
        from hw_amc.radio.files.pickled import PickledFrames

        return PickledFrames(path)
    if path.suffix.lower() in (".h5", ".hdf5"):
        raise DataError(f"{path} is not a whole HDF5 file (it begins {start!r}); fetch or generate it again")
    if path.suffix.lower() in (".iq", ".raw", ".bin", ".dat"):
        return PlainFile(path, chosen)
    raise DataError(f"{path} is of no known format; readable are {_KNOWN}")


def _open_hdf5(path: Path) -> FrameFile:
    from hw_amc.radio.files.radcom import RadComFile, is_radcom_key
    from hw_amc.radio.files.radioml import RadioMlFile

    with hdf5.open_hdf5(path) as file:
        first = next(iter(file), "")
    return RadComFile(path) if is_radcom_key(first) else RadioMlFile(path)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(len(hdf5.SIGNATURE))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
