"""Training on with quantisation, as `hw-amc init --tune` asks for it."""

from __future__ import annotations

import hashlib
import shutil
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_amc.flows.graph import build_graph
from hw_amc.flows.init_judge import answers, share_right, to_words
from hw_amc.flows.init_state import InitFlow, describe_tuning
from hw_amc.train.data import FrameSet
from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.train.tune import Tuned


def tune(flow: InitFlow, staged: Workspace, deployed: Any, exact_weights: list[Any]) -> tuple[float, Tuned]:
    """Train a deployed network on, and write its new weights.h5.

    A run that was stopped leaves its state in build/, where the same command finds it again.

    Parameters
    ----------
    flow : its frames have labels
    staged : folder with project.toml and weights.h5
    deployed : the deployed Keras model, whose weights become the new ones
    exact_weights : its weights, not rounded

    Returns
    -------
    share of right answers before, and what was done
    """
    from hw_amc.compress import save_deployed
    from hw_amc.train import tune as training

    assert flow.frames.tuning is not None
    untuned = share_right(flow, answers(flow, build_graph(staged, deployed)))
    assert untuned is not None
    train, validation = _sets(flow)
    steps, started = flow.options.tune, time.perf_counter()
    deployed.set_weights(exact_weights)
    folder = flow.workspace.own_folder / "build" / f"tune-{_digest(exact_weights, train, validation, steps)}"
    bar = iter(flow.output.track(range(steps), f"tune: {steps} steps with quantisation on {len(train)} frames"))
    with training.following(bar) as progress:
        tuned = training.tune(deployed, train, validation, steps, folder, progress, flow.wire_frac)
    flow.output.done(describe_tuning(tuned), "tune", time.perf_counter() - started)
    save_deployed(deployed, staged.own_folder / "weights.h5")
    shutil.rmtree(folder, ignore_errors=True)
    return untuned, tuned


def _sets(flow: InitFlow) -> tuple[FrameSet, FrameSet]:
    found = flow.frames.tuning
    assert found is not None
    single = len(flow.classes) == 1
    first, second = (
        FrameSet(
            to_words(flow, frames),
            (labels[:, 0] if single else labels).astype(np.uint8),
            snrs_db.astype(np.int8),
        )
        for frames, labels, snrs_db in zip((found.train, found.validation), found.labels, found.snrs_db, strict=True)
    )
    return first, second


def _digest(weights: list[Any], train: FrameSet, validation: FrameSet, steps: int) -> str:
    """All that decides a training: a state that was kept goes on only where none of it has changed."""
    digest = hashlib.sha256(str(steps).encode())
    for array in (*weights, train.wire, train.labels, validation.wire, validation.labels):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
