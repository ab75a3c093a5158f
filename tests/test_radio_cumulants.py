"""Constellations: higher-order cumulants against theory, and the points themselves against liquid-dsp's."""

from __future__ import annotations

import ctypes
import ctypes.util
from fractions import Fraction

import numpy as np
import pytest

from hw_amc.errors import ConfigError
from hw_amc.radio import CLASSES
from hw_amc.radio.generator.constellations import constellation
from hw_amc.radio.generator.waveforms import ANALOGUE, rrc_pulse

LINEAR = [name for name in CLASSES if name not in ANALOGUE and name != "GMSK"]


def cumulants(points: np.ndarray) -> dict[str, complex]:
    """Cumulants of a zero-mean complex variable from its moments M_pq = E[x^(p-q) x*^q]: Swami and Sadler 2000."""

    def m(p: int, q: int) -> complex:
        return complex((points ** (p - q) * points.conj() ** q).mean())

    m20, m21, m22, m40, m41, m42 = m(2, 0), m(2, 1), m(2, 2), m(4, 0), m(4, 1), m(4, 2)
    c63 = m(6, 3) - 9 * m42 * m21 + 12 * m21**3 - 3 * m20 * m(4, 3) - 3 * m22 * m41 + 18 * m20 * m21 * m22
    return {
        "C20": m20,
        "C40": m40 - 3 * m20**2,
        "C41": m41 - 3 * m20 * m21,
        "C42": m42 - abs(m20) ** 2 - 2 * m21**2,
        "C60": m(6, 0) - 15 * m20 * m40 + 30 * m20**3,
        "C63": c63,
    }


def pam(levels: int) -> list[float]:
    """C20, C40 and C60 of evenly spaced real levels at unit power, from sums of powers of integers."""
    L = levels
    m2, m4 = (L**2 - 1) / 3, (L**2 - 1) * (3 * L**2 - 7) / 15
    m6 = (L**2 - 1) * (3 * L**4 - 18 * L**2 + 31) / 21
    return [1, m4 / m2**2 - 3, m6 / m2**3 - 15 * m4 / m2**2 + 30]


def theory(name: str) -> list[float]:
    """C20, C40, C41, C42, C60, C63 in closed form."""
    if name == "BPSK":
        return [1, -2, -2, -2, 16, 16]
    if name in ("4ASK", "8ASK"):  # real: all cumulants of an order are equal
        c20, c40, c60 = pam(int(name[0]))
        return [c20, c40, c40, c40, c60, c60]
    if name in ("8PSK", "16PSK", "32PSK"):
        return [0, 0, 0, -1, 0, 4]
    side = {"QPSK": 2, "OQPSK": 2, "16QAM": 4, "64QAM": 8, "256QAM": 16}[name]
    _, c40, c60 = pam(side)
    # Two independent real parts of half the power: C40 = 2 c4 / 4, C42 the same, C60 = 0, C63 = 2 c6 / 8.
    return [0, c40 / 2, 0, c40 / 2, 0, c60 / 4]


CLOSED = [name for name in LINEAR if name != "OOK" and "APSK" not in name and name not in ("32QAM", "128QAM")]


@pytest.mark.parametrize("name", CLOSED)
def test_cumulants_are_those_of_theory(name: str) -> None:
    points = constellation(name)
    if name == "QPSK":
        points = points * np.exp(1j * np.pi / 4)  # theory has it on a square
    got = np.array(list(cumulants(points).values()))
    np.testing.assert_allclose(got, theory(name), atol=1e-12)


# Swami and Sadler 2000, table 1, at unit power: |C40|, C42.
@pytest.mark.parametrize(
    ("name", "c40", "c42"),
    [("BPSK", 2, -2), ("QPSK", 1, -1), ("OQPSK", 1, -1), ("8PSK", 0, -1), ("4ASK", 1.36, -1.36),
     ("8ASK", 1.2381, -1.2381), ("16QAM", 0.68, -0.68), ("64QAM", 0.6191, -0.6191), ("256QAM", 0.6047, -0.6047),
     ("32QAM", 0.19, -0.69)],
)  # fmt: skip
def test_cumulants_are_the_published_ones(name: str, c40: float, c42: float) -> None:
    found = cumulants(constellation(name))
    assert abs(found["C40"]) == pytest.approx(c40, abs=2e-4)
    assert found["C42"] == pytest.approx(c42, abs=2e-4)


@pytest.mark.parametrize(("order", "top", "corner"), [(32, 5, 5), (128, 11, 9)])
def test_cumulants_of_the_crosses(order: int, top: int, corner: int) -> None:
    """From exact sums over the odd numbers up to `top`, less the corners where both reach `corner`."""
    odd = range(-top, top + 1, 2)
    kept = [(i, q) for i in odd for q in odd if min(abs(i), abs(q)) < corner]
    assert len(kept) == order
    power = Fraction(sum(i * i + q * q for i, q in kept), order)
    m40 = Fraction(sum(i**4 - 6 * i * i * q * q + q**4 for i, q in kept), order) / power**2
    m42 = Fraction(sum((i * i + q * q) ** 2 for i, q in kept), order) / power**2
    m63 = Fraction(sum((i * i + q * q) ** 3 for i, q in kept), order) / power**3
    want = [0, m40, 0, m42 - 2, 0, m63 - 9 * m42 + 12]
    got = np.array(list(cumulants(constellation(f"{order}QAM")).values()))
    np.testing.assert_allclose(got, np.array(want, float), atol=1e-12)


@pytest.mark.parametrize("name", [name for name in LINEAR if "APSK" in name])
def test_rings_leave_only_the_cumulants_of_their_radii(name: str) -> None:
    """Every ring holds at least 4 evenly spread points: no moment with q < p / 2 survives but what 4 points leave."""
    points = constellation(name)
    radii, counts = np.unique(np.abs(points).round(9), return_counts=True)
    share = counts / counts.sum()
    m42, m63 = (share * radii**4).sum(), (share * radii**6).sum()
    found = cumulants(points)
    four = (share * radii**4)[counts == 4].sum()
    want = [0, -four, 0, m42 - 2, 0, m63 - 9 * m42 + 12]
    np.testing.assert_allclose(np.array(list(found.values())), want, atol=1e-9)


def test_ook_is_bpsk_beside_zero() -> None:
    points = constellation("OOK") - constellation("OOK").mean()
    got = list(cumulants(points * np.sqrt(2)).values())
    np.testing.assert_allclose(got, theory("BPSK"), atol=1e-12)


@pytest.mark.parametrize("name", LINEAR)
def test_a_constellation_has_its_order_and_unit_power(name: str) -> None:
    points = constellation(name)
    order = {"OOK": 2, "BPSK": 2, "QPSK": 4, "OQPSK": 4}.get(name) or int(name.rstrip("APSKQM"))
    assert len(np.unique(points.round(9))) == order
    assert (np.abs(points) ** 2).mean() == pytest.approx(1, abs=1e-12)
    assert abs(points.mean()) == pytest.approx(np.sqrt(0.5) if name == "OOK" else 0, abs=1e-12)


def test_crosses_lack_their_corners_only() -> None:
    for order, side, corner in ((32, 6, 1), (128, 12, 2)):
        points = constellation(f"{order}QAM")
        spacing = np.diff(np.unique(points.real.round(9)))
        np.testing.assert_allclose(spacing, spacing[0], rtol=1e-6)
        counts = np.unique(points.real.round(9), return_counts=True)[1].tolist()
        edge = [side - 2 * corner] * corner
        assert counts == edge + [side] * (side - 2 * corner) + edge


def test_an_analogue_class_has_no_constellation() -> None:
    with pytest.raises(ConfigError, match="FM has no constellation"):
        constellation("FM")


@pytest.fixture(scope="module")
def liquid() -> ctypes.CDLL:
    found = ctypes.util.find_library("liquid")
    if found is None:
        pytest.skip("liquid-dsp is not installed; apt-get install libliquid-dev")
    library = ctypes.CDLL(found)
    library.modem_create.restype = ctypes.c_void_p
    library.modem_modulate.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p]
    for name in ("modem_get_bps", "modem_destroy"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.liquid_firdes_rrcos.argtypes = [
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_float,
        ctypes.c_float,
        ctypes.c_void_p,
    ]
    return library


def liquid_points(library: ctypes.CDLL, scheme: str) -> np.ndarray:
    modem = library.modem_create(library.liquid_getopt_str2mod(scheme.encode()))
    points = np.zeros(1 << library.modem_get_bps(modem), np.complex64)
    for symbol in range(len(points)):
        library.modem_modulate(modem, symbol, points[symbol:].ctypes.data)
    library.modem_destroy(modem)
    return points / np.sqrt((np.abs(points) ** 2).mean())


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("OOK", "ook"), ("4ASK", "ask4"), ("8ASK", "ask8"), ("BPSK", "bpsk"), ("QPSK", "qpsk"), ("OQPSK", "qpsk"),
     ("8PSK", "psk8"), ("16PSK", "psk16"), ("32PSK", "psk32"), ("16QAM", "qam16"), ("64QAM", "qam64"),
     ("256QAM", "qam256"), ("32QAM", "sqam32"), ("128QAM", "sqam128")],
)  # fmt: skip
def test_points_are_liquids(liquid: ctypes.CDLL, name: str, scheme: str) -> None:
    """Every point of ours lies on one of theirs, up to a common turn by a whole part of a turn."""
    ours, theirs = constellation(name), liquid_points(liquid, scheme)
    assert len(ours) == len(theirs)
    off = [
        np.abs(ours[:, None] * np.exp(1j * np.pi * k / len(ours)) - theirs).min(axis=1).max()
        for k in range(2 * len(ours))
    ]
    assert min(off) < 1e-4


@pytest.mark.parametrize("order", [16, 32, 128])
def test_rings_hold_as_many_points_as_liquids(liquid: ctypes.CDLL, order: int) -> None:
    """The radii differ: ours are DVB-S2's, where it has the constellation, liquid's are its own."""
    counts = [
        np.unique(np.abs(points).round(3), return_counts=True)[1].tolist()
        for points in (constellation(f"{order}APSK"), liquid_points(liquid, f"apsk{order}"))
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("beta", [0.1, 0.22, 0.35, 0.5])
def test_the_pulse_is_liquids(liquid: ctypes.CDLL, beta: float) -> None:
    sps, span = 8, 6
    taps = np.zeros(2 * sps * span + 1, np.float32)
    liquid.liquid_firdes_rrcos(sps, span, beta, 0.0, taps.ctypes.data)
    ours = rrc_pulse((np.arange(len(taps)) - sps * span) / sps, np.array(beta))
    np.testing.assert_allclose(taps / taps.max(), ours / ours.max(), atol=1e-4)
