"""Words of others in our messages: file names, class names and what tools say, as one printable line."""

from __future__ import annotations

from pathlib import Path

#: Characters of a message; of a longer one the middle is left out, since its end names the mend.
LIMIT = 1200
_GAP = " … "


def plain(text: object, limit: int = LIMIT) -> str:
    r"""Return `text` as one line that a terminal and any encoding can show.

    Control characters, line ends, invisible characters and lone surrogates become escapes (``\x1b``, ``\u202e``; a byte
    of a file name that is no UTF-8 becomes that byte's, ``\xff``).

    Parameters
    ----------
    text : object
        Its `str()` is taken.
    limit : int
        Characters at most.
    """
    shown = str(text)
    if not shown.isprintable():
        shown = "".join(letter if letter.isprintable() else _escaped(letter) for letter in shown)
    if len(shown) <= limit:
        return shown
    end = (limit - len(_GAP)) // 3
    return shown[: limit - len(_GAP) - end] + _GAP + shown[-end:]


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter == "\u00a0":  # a space that does not break a line
        return letter
    if 0xDC80 <= code <= 0xDCFF:  # os.fsdecode's form of a byte
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(path: Path) -> str:
    """Return a path as a person at the terminal reads it: relative to here where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
