"""Tests of `hw_amc.models.cells`: GRU-CNNs that begin with the weights of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw_amc.models import GruCnnSpec
from hw_amc.models.cells import fit_cells


def lively(cells: int) -> Any:
    """A small GRU-CNN whose weights and statistics are all drawn."""
    model, generator = GruCnnSpec("small", cells, frame=(32, 2)).build(0.0), np.random.default_rng(cells)
    model.set_weights([generator.uniform(0.2, 0.6, w.shape) * generator.choice([-1.0, 1.0], w.shape) ** (
        "variance" not in v.name) for v, w in zip(model.weights, model.get_weights(), strict=True)])  # fmt: skip
    return model


def answers(model: Any) -> Any:
    return np.asarray(model(np.random.default_rng(7).normal(size=(5, 32, 2)).astype(np.float32)))


def test_new_cells_change_next_to_nothing() -> None:
    small, large = lively(6), lively(9)
    want = answers(small)
    born = large.get_weights()
    large.set_weights(fit_cells(small.get_weights(), born))
    np.testing.assert_allclose(answers(large), want, atol=5e-3)
    assert np.all(large.get_weights()[1])  # zeros would stay zeros
    assert np.array_equal(large.get_weights()[1][6:, 6:9], born[1][6:, 6:9])  # they have their own weights


def test_cells_that_reach_nothing_go_first() -> None:
    large, small = lively(9), lively(6)
    weights = large.get_weights()
    for cell in (1, 4, 8):
        weights[1][cell] = 0.0
        weights[7][:, cell] = 0.0
    large.set_weights(weights)
    small.set_weights(fit_cells(weights, small.get_weights()))
    np.testing.assert_allclose(answers(small), answers(large), rtol=1e-4, atol=1e-6)


def test_other_networks_are_refused() -> None:
    weights = lively(6).get_weights()
    with pytest.raises(ValueError, match="no weights of a GRU-CNN"):
        fit_cells(weights[:5], weights)
    other = GruCnnSpec("other", 4, classes=(("a", "b"),), frame=(32, 2)).build(0.0).get_weights()
    with pytest.raises(ValueError, match="more than the cells"):
        fit_cells(weights, other)
