"""Words of others as one printable line."""

from __future__ import annotations

import os

import pytest

from hw_amc.text import LIMIT, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conv1 [red]x[/]", "conv1 [red]x[/]"),
        ("Größe, µs, 年", "Größe, µs, 年"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        (os.fsdecode(b"x\xff.h5"), "x\\xff.h5"),
        ("\ud800", "\\ud800"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\U000e0001", "\\U000e0001"),
        ("1\u00a0kB", "1\u00a0kB"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown
    plain(text).encode()


def test_the_middle_of_a_long_text_is_left_out() -> None:
    text = "".join(f"{number} " for number in range(1000))
    shown = plain(text)
    assert len(shown) == LIMIT
    assert shown.startswith("0 1 2 ")
    assert shown.endswith(" 998 999 ")
    assert " … " in shown
