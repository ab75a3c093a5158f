"""A .bit file that programs nothing: the container of a real one, so that tools which take it apart can."""

from __future__ import annotations

import struct

_HEAD = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 00 0001")
#: A fixed date, so that equal contents make equal files.
_DATE, _TIME = "1980/01/01", "00:00:00"


def emit_bit(name: str, part: str, payload: bytes) -> bytes:
    """Return a .bit file.

    Parameters
    ----------
    name, part : str
        Design and part, ASCII.
    payload : bytes
        Stands where configuration data would; filled with zeros to whole words. What tells two overlays apart belongs
        here: PYNQ keeps parsed metadata by the digest of this file.
    """
    fields = zip(b"abcd", (f"{name};simulated", part, _DATE, _TIME), strict=True)
    texts = b"".join(
        bytes([key]) + struct.pack(">H", len(text) + 1) + text.encode("ascii") + b"\0" for key, text in fields
    )
    data = payload + bytes(-len(payload) % 4)
    return _HEAD + texts + b"e" + struct.pack(">I", len(data)) + data
