"""Messages of the commands as a Python user needs them: arguments in place of options."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from hw_amc.errors import HwAmcError
from hw_amc.extras import explain

#: Options whose argument has another name here.
_RENAMED = {"data": "frames", "frames": "count", "overlay": "overlay", "format": "format"}

#: An option, and the value that a message gives it.
_OPTION = re.compile(
    r"--([a-z]+(?:-[a-z]+)*)(?: (-?\d[\d.e+-]*\d|-?\d|rms|int16|int8|uint8|float32|FILE|my_\w+|[A-Z]\w*(?:,[\w.]+)+))?"
)

#: Commands in backticks are for a terminal, and stay.
_COMMAND = re.compile(r"(`[^`]*`)")


def in_python(message: object) -> str:
    """Write the options in a message as arguments: `--input-shift 2` is `input_shift=2`."""
    parts = _COMMAND.split(str(message))
    return "".join(part if part.startswith("`") else _OPTION.sub(_argument, part) for part in parts)


def _argument(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    name = _RENAMED.get(name, name.replace("-", "_"))
    if value is None:
        return name
    if "," in value:
        names = ", ".join("..." if each == "..." else f'"{each}"' for each in value.split(","))
        return f"{name}=[{names}]"
    number = value.lstrip("-")[0].isdigit() or value == "FILE"
    return f"{name}={value}" if number else f'{name}="{value}"'


@contextmanager
def python_words() -> Iterator[None]:
    """Raise and warn inside as a command does, in the words of Python."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Keras' notes on file formats, and TensorFlow's on models that are not compiled, say nothing to act on.
        warnings.filterwarnings("ignore", category=UserWarning, module="keras")
        noisy = logging.getLogger("tensorflow")
        level = noisy.level
        noisy.setLevel(logging.ERROR)
        try:
            yield
        except HwAmcError as error:
            raise type(error)(in_python(error)) from error.__cause__
        except ModuleNotFoundError as error:
            meant = explain(error)
            if meant is None:
                raise
            raise meant from error
        finally:
            noisy.setLevel(level)
            told = [*caught]
    for item in told:
        warnings.warn_explicit(in_python(item.message), item.category, item.filename, item.lineno)
