"""Knowledge distillation: a trained float network whose logits another one learns (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hw_amc.compress.deploy import round_input
from hw_amc.errors import ConfigError
from hw_amc.models import MODELS, NetworkSpec, from_dict
from hw_amc.train.checkpoint import load_arrays
from hw_amc.train.fast_model import FastModel

Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Teacher:
    """A frozen network and its weight in the loss.

    Attributes
    ----------
    forward : (n, T, channels) tensor in the network's input format -> logits of every head
    input_format : (bits, integer bits) onto which its input is rounded
    share : weight of the teacher's term, 0..1; the labels have the rest
    temperature : divides both logits
    """

    forward: Any
    input_format: tuple[int, int]
    share: float = 1.0
    temperature: float = 1.0

    def logits(self, x: Floats) -> list[Any]:
        """Logits (n, classes) of every head for (n, T, channels) values."""
        found: list[Any] = self.forward(tf.constant(round_input(x, *self.input_format)))
        return found


def load_teacher(
    path: Path, student: NetworkSpec, input_format: tuple[int, int], share: float = 1.0, temperature: float = 1.0
) -> Teacher:
    """Build the network whose float weights a stage left in `path`, of any family.

    Files from before 0.2 do not say which network they hold; it is found by the shapes of its weights.

    Raises
    ------
    ConfigError
        The file is missing, or holds no network of the student's classes.
    DataError
        The file is damaged.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist; run the recipe that makes it first")
    arrays, note = load_arrays(path)
    shapes = [array.shape for array in arrays]
    given = [from_dict(note["network"])] if "network" in note else _candidates(student, sum(a.size for a in arrays))
    for spec in given:
        if spec.outputs != student.outputs:
            continue
        model = spec.build(dropout=0.0)
        if [weight.shape for weight in model.get_weights()] == shapes:
            model.set_weights(arrays)
            return Teacher(FastModel(model).compiled(), input_format, share, temperature)
    raise ConfigError(f"{path} holds no network of {student.name}'s classes")


def _candidates(student: NetworkSpec, size: int) -> Iterator[NetworkSpec]:
    """Networks that may have `size` weights: the student, and those of the project with its classes and frames."""
    for spec in (student, *MODELS.values()):
        try:
            adapted = spec.adapt(student.classes, student.frame)
        except ConfigError:  # another number of heads, or frames of one length only
            continue
        # Beside the trained parameters there are the statistics of the norms.
        if adapted.parameters <= size < 2 * adapted.parameters:
            yield adapted


def soft_loss(taught: Any, logits: Any, temperature: float) -> Any:
    """Mean Kullback-Leibler divergence of the student from the teacher at a temperature t, times t^2.

    The factor keeps the gradient's size whatever the temperature (Hinton et al. 2015, section 2).
    """
    wanted = tf.nn.log_softmax(taught / temperature)
    given = tf.nn.log_softmax(logits / temperature)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(tf.exp(wanted) * (wanted - given), axis=-1))
