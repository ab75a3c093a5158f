"""Class names, and the mislabelled list that RadioML ships."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.radio import CLASSES, SNRS_DB, check_classes_file
from hw_amc.radio.classes import CLASS_SETS
from hw_amc.radio.names import standard_name


def test_the_order_is_that_of_the_columns_of_y() -> None:
    order = """OOK 4ASK 8ASK BPSK QPSK 8PSK 16PSK 32PSK 16APSK 32APSK 64APSK 128APSK 16QAM 32QAM 64QAM 128QAM 256QAM
    AM-SSB-WC AM-SSB-SC AM-DSB-WC AM-DSB-SC FM GMSK OQPSK"""
    assert tuple(order.split()) == CLASSES
    assert (SNRS_DB[0], SNRS_DB[-1], len(SNRS_DB)) == (-20, 30, 26)
    assert [CLASS_SETS["radioml2018"].find(name) for name in CLASSES] == [(k,) for k in range(24)]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'8FSK'.*OOK, 4ASK"):
        CLASS_SETS["radioml2018"].find("8FSK")


@pytest.mark.parametrize("form", ["lines", "python"])
def test_the_right_list_passes_in_silence(tmp_path: Path, form: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(CLASSES) if form == "lines" else f"classes = {list(CLASSES)}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_classes_file(path)


def test_the_shipped_list_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    shipped = ["32PSK", "16APSK", "32QAM", "FM", *(name for name in CLASSES if name not in {"32PSK", "16APSK"})]
    path.write_text("classes = [" + ",\n ".join(repr(name) for name in shipped) + "]")
    with pytest.warns(UserWarning, match="shipped with RadioML 2018.01A.*does not match"):
        assert not check_classes_file(path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((*CLASSES[:5], CLASSES[6], CLASSES[5], *CLASSES[7:]), "line 6 .'16PSK' where '8PSK'"),
        (CLASSES[:-1], "line 24 .nothing where 'OQPSK'"),
        ((*CLASSES, "LFM"), "line 25 .'LFM' where nothing"),
    ],
)
def test_any_other_difference_is_named(tmp_path: Path, names: Any, message: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(names))
    with pytest.warns(UserWarning, match=message):
        assert not check_classes_file(path)


def test_an_empty_or_missing_list(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    with pytest.raises(DataError, match="does not exist"):
        check_classes_file(path)
    path.write_text("\n\n")
    with pytest.raises(DataError, match="no class names"):
        check_classes_file(path)


@pytest.mark.parametrize(
    ("name", "sizes", "cells", "highest_db"),
    [("radioml2018", (24,), 24, 30), ("radioml2016", (11,), 11, 18), ("radcom-awgn", (9, 11), 12, 18),
     ("radcom-dynamic", (6, 8), 9, 18)],
)  # fmt: skip
def test_a_class_set_has_the_published_classes(name: str, sizes: Any, cells: int, highest_db: int) -> None:
    found = CLASS_SETS[name]
    assert tuple(len(head.classes) for head in found.heads) == sizes
    assert len(found) == cells
    assert (found.snrs_db[0], found.snrs_db[-1]) == (-20, highest_db)
    assert found.labels.shape == (cells, len(sizes))
    for column, size in zip(found.labels.T, sizes, strict=True):
        assert set(column) == set(range(size))
    for cell, labels in zip(found.cells, found.labels, strict=True):
        assert cell == tuple(head.classes[k] for head, k in zip(found.heads, labels, strict=True))


def test_a_single_label_is_its_own_cell() -> None:
    assert CLASS_SETS["radioml2018"].heads[0].classes == CLASSES
    np.testing.assert_array_equal(CLASS_SETS["radioml2018"].labels[:, 0], np.arange(24))


def test_cells_are_found_by_the_class_of_any_head() -> None:
    radcom = CLASS_SETS["radcom-awgn"]
    assert radcom.find("SATCOM") == radcom.find("BPSK") == (0,)
    assert radcom.find("AM radio") == (2, 3)
    assert radcom.find("PCW") == (8, 9, 10, 11)
    assert radcom.find("PCW / Ground mapping") == (10,)
    with pytest.raises(DataError, match=r"no modulation or signal is called 'LoRa'.*BPSK.*SATCOM"):
        radcom.find("LoRa")


@pytest.mark.parametrize("name", CLASS_SETS)
def test_classes_have_the_names_that_readers_give_them(name: str) -> None:
    """So that a network trained on generated frames can be judged on a published file."""
    for head in CLASS_SETS[name].heads:
        assert tuple(standard_name(each) for each in head.classes) == head.classes
        if name != "radioml2018":
            assert tuple(sorted(head.classes, key=str.lower)) == head.classes
