"""Direct-sequence spread-spectrum waveforms: 802.11b's complementary code keying and 802.15.4's offset QPSK.

Every function is vectorised over the frames of a batch and treats each row alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio.generator.waveforms import Floats, Signals, rrc_pulse, to_complex

#: Chips of a CCK code word, and of a symbol of 802.15.4's 2.4 GHz band.
CCK_CHIPS = 8
OQPSK_CHIPS = 32

#: Half length of CCK's chip pulse, chips.
CCK_SPAN = 12

#: Phases 2, 3 and 4 of the eight chips of a CCK code word, of which every chip carries phase 1 as well, and the chips
#: turned by half a turn: IEEE 802.11-2016, equation 16-1.
_CCK_PHASES = np.array(
    [[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], np.int64
)
_CCK_TURNED = np.array([0, 0, 0, 1, 0, 0, 1, 0], np.int64)

#: Chips of symbol 0: IEEE 802.15.4-2020, table 12-1. Symbols 1 to 7 turn it by 4 chips each; 8 to 15 invert the odd.
_OQPSK_CHIPS_0 = "11011001110000110101001000101110"


def cck_chips(symbols: NDArray[np.integer[Any]]) -> NDArray[np.complex64]:
    """Chips of complementary code keying at 11 Mbit/s.

    Parameters
    ----------
    symbols : (n, K, 4) int
        Quarter turns 0 to 3 of every code word: the step of phase 1 from the word before, and phases 2 to 4.

    Returns
    -------
    (n, 8 K) complex64 of magnitude 1
    """
    steps = symbols.astype(np.int64)
    # The standard turns the differential phase of every odd symbol by half a turn more.
    first = np.cumsum(steps[..., 0], axis=1) + 2 * (np.arange(steps.shape[1]) % 2)
    quarters = first[..., None] + steps[..., 1:] @ _CCK_PHASES.T + 2 * _CCK_TURNED
    points: NDArray[np.complex64] = np.array([1, 1j, -1, -1j], np.complex64)[quarters % 4]
    return points.reshape(len(steps), -1)


def cck(symbols: NDArray[np.integer[Any]], start: Floats, count: int, spc: float, width: float) -> Signals:
    """Complementary code keying as a receiver of limited bandwidth samples it.

    Parameters
    ----------
    symbols : (n, K, 4) int
        See `cck_chips`; 8 K is at least count / spc + 2 CCK_SPAN + 2 past `start`.
    start : (n,)
        Chips of the stream that pass before the result begins.
    count : int
        Samples wanted.
    spc : float
        Samples a chip; may be below 1.
    width : float
        Bandwidth between the half-power points over the chip rate; the filter is a root-raised cosine of roll-off 1/4.

    Returns
    -------
    (n, count) complex64, of no particular power
    """
    chips = cck_chips(symbols)
    times = np.arange(count) / spc + CCK_SPAN + start[:, None]
    whole = np.floor(times).astype(np.intp)
    near = np.arange(-CCK_SPAN, CCK_SPAN + 1)
    first = whole[..., None] + near
    pulse = rrc_pulse((times[..., None] - first) * width, np.array(0.25)).astype(np.float32)
    taken = chips[np.arange(len(chips))[:, None, None], first]
    return to_complex((taken.real * pulse).sum(axis=2), (taken.imag * pulse).sum(axis=2))


def oqpsk_chips() -> NDArray[np.int64]:
    """Chip sequences of the 16 symbols: (16, 32) int, 0 or 1."""
    base = np.array([int(chip) for chip in _OQPSK_CHIPS_0])
    upper = np.stack([np.roll(base, 4 * k) for k in range(8)])
    return np.concatenate([upper, upper ^ (np.arange(OQPSK_CHIPS) % 2)])


def dsss_oqpsk(symbols: NDArray[np.integer[Any]], start: Floats, count: int, spc: float) -> Signals:
    """Offset QPSK with half-sine chips.

    Parameters
    ----------
    symbols : (n, K) int
        0 to 15; 32 K is at least count / spc + 2 past `start`.
    start : (n,)
        Chips of the stream that pass before the result begins.
    count : int
        Samples wanted.
    spc : float
        Samples a chip.

    Returns
    -------
    (n, count) complex64 of magnitude 1
    """
    signs = (2 * oqpsk_chips()[symbols] - 1).reshape(len(symbols), -1)
    times = np.arange(count) / spc + start[:, None] + 1
    rails = []
    for offset in (0, 1):  # even chips on I; odd chips on Q, a chip later
        pair, part = np.divmod(times - offset, 2)
        chip = np.take_along_axis(signs, 2 * pair.astype(np.intp) + offset, axis=1)
        rails.append((chip * np.sin(np.pi / 2 * part)).astype(np.float32))
    return to_complex(rails[0], rails[1])
