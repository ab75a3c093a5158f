"""Magnitude pruning to an exact number of nonzero kernel weights over the whole network.

Weights compete across layers by |w| over the root mean square of their layer's remaining weights, so that a layer
with small weights is not emptied because of its scale alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hw_amc.errors import ConfigError

Floats = np.ndarray[Any, np.dtype[np.float32]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


def count_nonzeros(kernels: Sequence[Floats]) -> int:
    """Nonzero weights of all kernels."""
    return int(sum(np.count_nonzero(k) for k in kernels))


def masks_of(kernels: Sequence[Floats]) -> list[Mask]:
    """Masks of pruned kernels: what is zero stays zero."""
    return [np.asarray(k != 0) for k in kernels]


def choose_masks(kernels: Sequence[Floats], keep: int) -> list[Mask]:
    """Masks that keep exactly `keep` weights, those of the largest relative magnitude.

    Zeros are never kept, so pruning further removes weights and brings none back; equal magnitudes are taken in
    order of layer and position.

    Parameters
    ----------
    kernels : arrays of any shape
    keep : number of weights to keep over all kernels

    Raises
    ------
    ConfigError
        Fewer than `keep` weights are left.
    """
    left = count_nonzeros(kernels)
    if not 0 <= keep <= left:
        raise ConfigError(f"cannot keep {keep} weights: {left} nonzero weights are left; start from a denser network")
    scores = []
    for kernel in kernels:
        alive = kernel[kernel != 0]
        rms = float(np.sqrt(np.mean(np.square(alive, dtype=np.float64)))) if alive.size else 1.0
        scores.append(np.where(kernel != 0, np.abs(kernel) / rms, -1.0).ravel())
    order = np.argsort(-np.concatenate(scores), kind="stable")[:keep]
    flat = np.zeros(sum(k.size for k in kernels), bool)
    flat[order] = True
    parts = np.split(flat, np.cumsum([k.size for k in kernels])[:-1])
    return [part.reshape(kernel.shape) for part, kernel in zip(parts, kernels, strict=True)]


def choose_masks_by_layer(kernels: Sequence[Floats], keep: int) -> list[Mask]:
    """Masks that keep exactly `keep` weights, the same share of every layer; otherwise as `choose_masks`.

    A layer that has fewer left than its share keeps them all, and the others make up for it in proportion.
    """
    left = np.array([np.count_nonzero(kernel) for kernel in kernels])
    if not 0 <= keep <= left.sum():
        raise ConfigError(f"cannot keep {keep} weights: {left.sum()} nonzero weights are left")
    counts = np.zeros(len(kernels), int)
    while (missing := keep - int(counts.sum())) > 0:
        sizes = np.where(counts < left, [kernel.size for kernel in kernels], 0)
        shares = np.minimum(missing * sizes / sizes.sum(), left - counts)
        counts += shares.astype(int)
        if not shares.astype(int).any():  # what rounding down has left goes to the largest fractions
            counts[np.argsort(-shares, kind="stable")[:missing]] += 1
    return [choose_masks([kernel], int(count))[0] for kernel, count in zip(kernels, counts, strict=True)]


def ramp_keep(weights: int, start: int, target: int, done: float) -> int:
    """Weights to keep while pruning gradually, after a share `done` (0..1) of the ramp.

    The cubic schedule of Zhu and Gupta 2017, equation 1: fast at first, when many weights are of no use.

    Parameters
    ----------
    weights : all kernel weights
    start, target : weights kept before and after the ramp
    done : 0..1
    """
    share = min(max(done, 0.0), 1.0)
    return min(weights, target + round((start - target) * (1.0 - share) ** 3))
