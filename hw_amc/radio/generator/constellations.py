"""Symbol alphabets of the linear modulations, at unit mean power."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError

#: Points and relative radius of every APSK ring, inside out. 16 and 32 are those of DVB-S2 (ETSI EN 302 307-1,
#: rate 3/4), 64 is a 4+12+20+28 of DVB-S2X (EN 302 307-2); 128 keeps its points about equally far apart.
_APSK_RINGS: dict[int, tuple[tuple[int, float], ...]] = {
    16: ((4, 1.0), (12, 2.85)),
    32: ((4, 1.0), (12, 2.84), (16, 5.27)),
    64: ((4, 1.0), (12, 2.4), (20, 4.3), (28, 7.0)),
    128: ((8, 1.0), (18, 1.8), (24, 2.5), (36, 3.3), (42, 4.1)),
}

#: Rings of liquid-dsp's 64APSK and 128APSK, none of them turned: those of RadioML 2018.01A (docs/radio.md).
_LIQUID_RINGS: dict[int, tuple[tuple[int, float], ...]] = {
    64: ((4, 0.1892), (14, 0.5247), (20, 0.8861), (26, 1.3053)),
    128: ((8, 0.2024), (18, 0.4626), (24, 0.7097), (36, 0.9917), (42, 1.3481)),
}


def ask(order: int) -> NDArray[np.complex128]:
    """Evenly spaced levels on the real axis, symmetric about zero: (order,) points."""
    return (2.0 * np.arange(order) - (order - 1)).astype(np.complex128)


def psk(order: int) -> NDArray[np.complex128]:
    """Evenly spaced points on the unit circle: (order,) points."""
    points: NDArray[np.complex128] = np.exp(2j * np.pi * np.arange(order) / order)
    return points


def apsk(order: int) -> NDArray[np.complex128]:
    """Concentric rings, each turned by half of its own step: (order,) points."""
    return np.concatenate([radius * psk(n) * np.exp(1j * np.pi / n) for n, radius in _APSK_RINGS[order]])


def unipolar_ask(order: int) -> NDArray[np.complex128]:
    """Evenly spaced levels from zero up, of unit variance: (order,) points."""
    levels = np.arange(order)
    points: NDArray[np.complex128] = (levels / levels.std()).astype(np.complex128)
    return points


def qam(order: int) -> NDArray[np.complex128]:
    """Square grid, or for odd powers of two the cross: a square grid without its corners. (order,) points."""
    bits = order.bit_length() - 1
    if bits % 2 == 0:
        side, corner = 1 << (bits // 2), 0
    else:
        side, corner = 3 << ((bits - 3) // 2), 1 << ((bits - 5) // 2)
    levels = 2.0 * np.arange(side) - (side - 1)
    grid = levels[:, None] + 1j * levels[None, :]
    edge = side - 1 - 2 * corner
    kept = (np.abs(grid.real) <= edge) | (np.abs(grid.imag) <= edge)
    return grid[kept] if corner else grid.ravel()


@cache
def constellation(name: str) -> NDArray[np.complex128]:
    """Alphabet of a linear modulation, scaled to unit mean power.

    Parameters
    ----------
    name : str
        OOK, OQPSK, or an order and ASK, PSK, APSK or QAM, as in `hw_amc.radio.CLASSES`.

    Returns
    -------
    (order,) complex128, read-only

    Raises
    ------
    ConfigError
        The modulation has no constellation.
    """
    scaled = _unit_power(_points(name))
    scaled.flags.writeable = False
    return scaled


@cache
def radioml2018(name: str) -> NDArray[np.complex128]:
    """Alphabet of a linear class of RadioML 2018.01A, at unit variance: what networks trained on it recognise.

    OOK and ASK are unipolar, OQPSK's points lie on the axes, 64APSK and 128APSK are liquid-dsp's (docs/radio.md).

    Returns
    -------
    (order,) complex128, read-only

    Raises
    ------
    ConfigError
        The modulation has no constellation.
    """
    if name == "OOK" or name.endswith("ASK"):
        points = unipolar_ask(2 if name == "OOK" else int(name.removesuffix("ASK")))
    elif name in ("64APSK", "128APSK"):
        rings = _LIQUID_RINGS[int(name.removesuffix("APSK"))]
        points = _unit_power(np.concatenate([radius * psk(count) for count, radius in rings]))
    else:
        points = _unit_power(psk(4)) if name == "OQPSK" else constellation(name)
    points.flags.writeable = False
    return points


def _unit_power(points: NDArray[np.complex128]) -> NDArray[np.complex128]:
    scaled: NDArray[np.complex128] = points / np.sqrt(np.mean(np.abs(points) ** 2))
    return scaled


def _points(name: str) -> NDArray[np.complex128]:
    """Alphabet at any scale."""
    fixed = {"OOK": np.array([0, 1], np.complex128), "BPSK": psk(2), "QPSK": psk(4), "OQPSK": qam(4)}
    if name in fixed:
        return fixed[name]
    for family, make in (("APSK", apsk), ("ASK", ask), ("PSK", psk), ("QAM", qam)):
        order = name.removesuffix(family)
        if order != name and order.isdigit():
            return make(int(order))
    raise ConfigError(f"{name} has no constellation; it is not a linear modulation")
