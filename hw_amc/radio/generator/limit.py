"""The limit that noise sets: accuracy of the average-likelihood classifier for linear modulations.

Wei and Mendel (IEEE Transactions on Communications 48(2), 2000): with equally likely modulations no classifier is
right more often than the one that picks the largest likelihood, averaged over what it does not know. Here that are the
symbols, which are independent and equally likely, and the carrier phase, which is uniform and constant over a frame.
All else is given to it: symbol timing, pulse, level and noise power. It sees one matched-filter sample a symbol,

    r_k = exp(j phase) a_k + n_k,   k = 1..N,   a_k of unit mean power, n_k complex normal of power N0 = 1 / (Es/N0),

and so all that N whole symbols tell. Whoever must estimate what it is given does worse. Two things it does not see:
the parts of pulses that reach into a frame from symbols outside it, and, of a generated frame, that its signal was
scaled to unit power over the frame; both tell little.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, gcd, log, log10, pi, sqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError, DataError
from hw_amc.files import load_json, write_text
from hw_amc.radio.classes import CLASSES
from hw_amc.radio.generator.constellations import constellation
from hw_amc.radio.generator.recipes import Recipe, load_recipe

Phase = Literal["unknown", "known"]

#: Linear modulations that one sample a symbol tells: all of `CLASSES` but OQPSK, whose Q comes half a symbol later.
LINEAR: tuple[str, ...] = CLASSES[:17]

#: Step of the phase grid, in standard deviations of the best phase estimate: the sum is then off by under 0.02.
_STEP = 2.0

#: Fewest phases in a turn, and what their number must divide by: every constellation's symmetry.
_PHASES, _SYMMETRIES = 256, 32

#: Simulated samples are rounded to this part of the noise's deviation, which costs 0.002 dB of Es/N0.
_FINE = 20

#: Values worked on at once: what a processor's cache holds; and values of a table.
_VALUES, _TABLE_VALUES = 1 << 18, 1 << 26

#: Computed limits that come with the package.
_KEPT = Path(__file__).with_name("limits.json")


@dataclass(frozen=True)
class Point:
    """Accuracy at one SNR, found by simulation."""

    snr_db: int
    es_n0_db: float
    #: Frames simulated, over all classes.
    frames: int
    #: Share (0..1) that was right, and its standard deviation as an estimate.
    accuracy: float
    error: float


@dataclass(frozen=True)
class Limit:
    """Accuracy of the best classifier against SNR."""

    classes: tuple[str, ...]
    #: Symbols a frame, N.
    symbols: int
    phase: Phase
    seed: int
    points: tuple[Point, ...]

    def bound(self, classes: Sequence[str]) -> dict[int, float]:
        """Bound by SNR in dB for balanced frames of more classes: those beyond this limit's count as always right.

        Parameters
        ----------
        classes : sequence of str
            At least this limit's own.

        Raises
        ------
        DataError
            A class of the limit is not among them.
        """
        missing = [name for name in self.classes if name not in classes]
        if missing:
            raise DataError(f"a limit over {len(self.classes)} classes says nothing of sets without {missing[0]}")
        share = len(self.classes) / len(classes)
        return {point.snr_db: share * point.accuracy + 1 - share for point in self.points}


def log_density(samples: NDArray[Any], points: NDArray[Any], n0: float) -> NDArray[np.float32]:
    """Log-density of matched-filter samples at a known phase, up to a constant common to all modulations.

    log of the mean over points of exp(-|r - a|^2 / N0), which neither over- nor underflows.

    Parameters
    ----------
    samples : complex
    points : (M,) complex
        Constellation of unit mean power.
    n0 : float
        Noise power.

    Returns
    -------
    float32, of the samples' shape
    """
    flat = np.ascontiguousarray(samples, np.complex64).ravel() * np.float32(1 / sqrt(n0))
    found = np.empty(len(flat), np.float32)
    p = points / sqrt(n0)
    twice = np.stack([2 * p.real, 2 * p.imag]).astype(np.float32)
    energy = (np.abs(p) ** 2).astype(np.float32)
    size = max(1, _VALUES // len(points))
    for first in range(0, len(flat), size):
        part = flat[first : first + size]
        # -|r - a|^2 = 2 Re(r a*) - |a|^2 - |r|^2, and the last is the same for all points.
        exponent = np.stack([part.real, part.imag], axis=1) @ twice - energy
        top = exponent.max(axis=1)
        exponent -= top[:, None]
        np.exp(exponent, out=exponent)
        found[first : first + size] = np.log(exponent.sum(axis=1)) + (top - np.abs(part) ** 2)
    shaped: NDArray[np.float32] = (found - np.float32(log(len(points)))).reshape(samples.shape)
    return shaped


def log_likelihood(
    samples: NDArray[Any], points: NDArray[Any], n0: float, phase: Phase = "unknown"
) -> NDArray[np.float64]:
    """Log-likelihood of frames of matched-filter samples under one modulation, averaged over the phase.

    Parameters
    ----------
    samples : (n, N) complex
    points : (M,) complex
        Constellation of unit mean power.
    n0 : float
        Noise power.
    phase : {"unknown", "known"}
        Known is 0.

    Returns
    -------
    (n,) float64
    """
    if phase == "known":
        known: NDArray[np.float64] = log_density(samples, points, n0).sum(axis=1, dtype=np.float64)
        return known
    turns = _turns(samples.shape[1], n0) // symmetry(points)
    back = np.exp(-2j * pi / symmetry(points) * np.arange(turns) / turns)
    each = [log_density(frame * back[:, None], points, n0).sum(axis=1, dtype=np.float64) for frame in samples]
    return _log_mean(np.array(each))


def _log_mean(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the mean of exp over the last axis."""
    top = logs.max(axis=-1, keepdims=True)
    found: NDArray[np.float64] = top[..., 0] + np.log(np.exp(logs - top).mean(axis=-1))
    return found


def _turns(symbols: int, n0: float) -> int:
    """Phases in a whole turn: enough for the sharpest likelihood of N symbols."""
    count = max(_PHASES, 2 * pi / (_STEP * sqrt(n0 / (2 * symbols))))
    return ceil(count / _SYMMETRIES) * _SYMMETRIES


class _Grid:
    """Polar grid to which simulated samples are rounded, the same for all modulations of a simulation.

    Turning a sample by a phase of the average is then a shift along the grid, so that one table of a modulation's
    density serves all samples, frames and phases.
    """

    def __init__(self, symbols: int, n0: float, largest: float) -> None:
        fine = sqrt(n0 / 2) / _FINE
        self.n0 = n0
        self.turns = _turns(symbols, n0)
        #: Places between two phases.
        self.places = ceil(2 * pi / self.turns / fine)
        self.radii = np.arange(ceil((largest + 6 * sqrt(n0 / 2)) / fine) + 1) * fine

    def round(self, samples: NDArray[np.complex128]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Radius and angle of every sample, as places on the grid."""
        radius = np.rint(np.abs(samples) / self.radii[1]).astype(np.intp)
        angle = np.rint(np.angle(samples) / (2 * pi) * self.turns * self.places).astype(np.intp)
        return np.minimum(radius, len(self.radii) - 1), angle

    def table(self, points: NDArray[Any]) -> NDArray[np.float32]:
        """Log-density at every place of a constellation's period: (radii, places, 2 x phases), twice in a row."""
        phases = self.turns // symmetry(points)
        if len(self.radii) * self.places * 2 * phases > _TABLE_VALUES:
            raise ConfigError("so high an SNR needs too large a table; the limit is 1 there, leave it out")
        angles = 2 * pi / (self.turns * self.places) * np.arange(phases * self.places)
        found = np.stack([log_density(radius * np.exp(1j * angles), points, self.n0) for radius in self.radii])
        once = found.reshape(len(self.radii), phases, self.places).transpose(0, 2, 1)
        return np.concatenate([once, once], axis=2)

    def score(
        self, radius: NDArray[np.intp], angle: NDArray[np.intp], points: NDArray[Any], phase: Phase
    ) -> NDArray[np.float64]:
        """Log-likelihood of frames of rounded samples: (n, N) places -> (n,)."""
        table = self.table(points)
        phases = table.shape[2] // 2
        whole, place = np.divmod(angle % (phases * self.places), self.places)
        if phase == "known":
            known: NDArray[np.float64] = table[radius, place, whole].sum(axis=1, dtype=np.float64)
            return known
        windows = np.lib.stride_tricks.sliding_window_view(table, phases, axis=2)
        each = [windows[r, p, w].sum(axis=0, dtype=np.float64) for r, p, w in zip(radius, place, whole, strict=True)]
        return _log_mean(np.array(each))


def symmetry(points: NDArray[Any]) -> int:
    """Turns in a circle that map a constellation onto itself: 4 for a square, 1 for OOK."""
    order = 0
    radii = np.round(np.abs(points), 6)
    for radius in np.unique(radii[radii > 0]):
        order = gcd(order, int(np.count_nonzero(radii == radius)))
    for turns in range(order, 1, -1):
        turned = points * np.exp(2j * pi / turns)
        if order % turns == 0 and np.abs(turned[:, None] - points).min(axis=1).max() < 1e-6:
            return turns
    return 1


def simulate(
    es_n0_db: float, symbols: int, frames: int, seed: int, classes: Sequence[str] = LINEAR, phase: Phase = "unknown"
) -> tuple[float, float]:
    """Accuracy of the average-likelihood classifier over equally likely classes, by simulation.

    Parameters
    ----------
    es_n0_db : float
        Energy a symbol over noise density, dB.
    symbols : int
        Symbols a frame, N.
    frames : int
        Simulated frames of each class.
    seed : int
    classes : sequence of str
        Linear modulations.
    phase : {"unknown", "known"}

    Returns
    -------
    accuracy, error : float
        Share (0..1), and its standard deviation as an estimate.

    Raises
    ------
    ConfigError
        A class has no constellation, or a count is below 1.
    """
    if min(symbols, frames, len(classes)) < 1:
        raise ConfigError("a limit needs at least 1 symbol, 1 frame and 1 class")
    alphabets = [constellation(name) for name in classes]
    n0 = 10.0 ** (-es_n0_db / 10)
    rng = np.random.default_rng([seed, symbols, round(1000 * es_n0_db) + 1_000_000])
    received = []
    for points in alphabets:
        sent = points[rng.integers(len(points), size=(frames, symbols))]
        # The average takes the phases of a grid, which no true phase is on.
        turn = np.exp(2j * pi * rng.random((frames, 1))) if phase == "unknown" else 1.0
        received.append(sent * turn + sqrt(n0 / 2) * (rng.standard_normal((frames, symbols, 2)) @ (1, 1j)))
    grid = _Grid(symbols, n0, max(float(np.abs(points).max()) for points in alphabets))
    places = grid.round(np.concatenate(received))
    scores = np.stack([grid.score(*places, points, phase) for points in alphabets], axis=1)
    right = scores.argmax(axis=1).reshape(len(classes), frames) == np.arange(len(classes))[:, None]
    shares = right.mean(axis=1)
    return float(shares.mean()), sqrt(float((shares * (1 - shares)).sum()) / frames) / len(classes)


def compute_limit(
    recipe: Recipe,
    snrs_db: Iterable[int],
    frames: int,
    seed: int = 2000,
    phase: Phase = "unknown",
    progress: Callable[[Point], Any] = lambda _: None,
) -> Limit:
    """Simulate the limit for the frames of a recipe without channel.

    Once it has reached 1 at some SNR it stays there: noise can be added, so the limit never falls with the SNR.

    Parameters
    ----------
    recipe : Recipe
        Says symbols a frame (frame length over samples a symbol), and Es/N0 = SNR x samples a symbol.
    snrs_db : iterable of int
    frames : int
        Simulated frames of each class at each SNR.
    seed : int
    phase : {"unknown", "known"}
    progress : callable
        Called with each point.

    Raises
    ------
    ConfigError
        The recipe has a channel, or its classes are not RadioML 2018.01A's.
    """
    if not is_awgn(recipe):
        raise ConfigError(f"recipe {recipe.name} has a channel or other classes; the limit is for awgn-v1 and its like")
    symbols = recipe.frame_len // recipe.sps
    points: list[Point] = []
    for snr_db in sorted(snrs_db):
        es_n0_db = snr_db + 10 * log10(recipe.sps)
        if points and points[-1].accuracy == 1:
            points.append(Point(snr_db, round(es_n0_db, 3), 0, 1.0, 0.0))
        else:
            accuracy, error = simulate(es_n0_db, symbols, frames, seed, phase=phase)
            count = frames * len(LINEAR)
            points.append(Point(snr_db, round(es_n0_db, 3), count, round(accuracy, 5), round(error, 5)))
        progress(points[-1])
    return Limit(LINEAR, symbols, phase, seed, tuple(points))


def is_awgn(recipe: Recipe) -> bool:
    """Whether a recipe adds nothing but noise to RadioML 2018.01A's classes, so that the limit bounds its accuracy."""
    still = recipe.paths == 1 and recipe.clock_sigma == 0 and recipe.carrier_sigma == 0 and recipe.dynamic is None
    return still and recipe.class_set == "radioml2018" and recipe.noise_law == "power"


def kept_limit(recipe_name: str, frame_len: int | None = None, phase: Phase = "unknown") -> Limit | None:
    """Limit for a recipe out of those that come with the package; None where there is none.

    Parameters
    ----------
    recipe_name : str
        Any text: what is no recipe without channel has no limit.
    frame_len : int, optional
        Samples a frame; the recipe's when left out.
    phase : {"unknown", "known"}
    """
    try:
        recipe = load_recipe(recipe_name)
    except ConfigError:
        return None
    if not is_awgn(recipe) or not _KEPT.exists():
        return None
    symbols = (frame_len or recipe.frame_len) // recipe.sps
    found = load_json(_KEPT).get(_key(symbols, recipe.sps, phase))
    return None if found is None else _from_json(found)


def keep_limit(limit: Limit, sps: int, command: str, path: Path = _KEPT) -> None:
    """Add a limit to those that come with the package, with the command that made it."""
    kept = load_json(path) if path.exists() else {}
    kept[_key(limit.symbols, sps, limit.phase)] = {**asdict(limit), "command": command}
    lines = (f"{json.dumps(key)}: {_lines(kept[key])}" for key in sorted(kept))
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _key(symbols: int, sps: int, phase: Phase) -> str:
    return f"{symbols} symbols of {sps} samples, phase {phase}"


def _lines(found: Mapping[str, Any]) -> str:
    """JSON with a point a line."""
    head = json.dumps({key: value for key, value in found.items() if key != "points"})
    points = ",\n  ".join(json.dumps(point) for point in found["points"])
    return f'{head[:-1]}, "points": [\n  {points}]}}'


def _from_json(found: Mapping[str, Any]) -> Limit:
    points = tuple(Point(**point) for point in found["points"])
    return Limit(tuple(found["classes"]), found["symbols"], found["phase"], found["seed"], points)
