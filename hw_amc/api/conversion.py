"""From a user's Keras model in memory, or a file of one, to a model that classifies, builds and simulates."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hw_amc.api.flows import Logged, called
from hw_amc.api.frames import Frames, to_source
from hw_amc.api.model import Model
from hw_amc.api.words import python_words

if TYPE_CHECKING:
    from hw_amc.models import Classes

#: Workspaces of models that were given no folder; removed when the interpreter ends.
_TEMPORARY: list[tempfile.TemporaryDirectory[str]] = []


def convert(
    keras_model: Any,
    classes: str | Sequence[str] | Sequence[Sequence[str]] | None = None,
    frames: Frames | None = None,
    *,
    labels: Sequence[str] | Sequence[int] | None = None,
    snrs_db: Sequence[int] | None = None,
    widths: Mapping[str, int] | None = None,
    name: str | None = None,
    folder: str | Path | None = None,
    board: str | None = None,
    tune: int = 0,
) -> Model:
    """Make a model of your own, float or QKeras, exact in integers; the command `hw-amc init`.

    A float model is quantised: formats are chosen from the values that `frames` cause. A QKeras model is taken as it
    is. Either way golden, the integer interpreter, equals Keras in every layer, or this fails.

    Parameters
    ----------
    keras_model : keras.Model, str or Path
        A Keras 2 model whose input is a frame (T, 2) of I and Q, or its file. It is copied, and not changed.
    classes : sequence of str, or one a head, or str, optional
        Class names in the order of the logits, or a class set's name (`"radioml2018"`).
    frames : array, str or Path, optional
        Frames as the model sees them, to calibrate on and to judge by: complex (n, T), real (n, T, 2), or any file of
        frames; generated ones by default.
    labels : sequence, optional
        Class of every frame of an array, by name or number: then accuracy is measured.
    snrs_db : sequence of int, optional
        SNR of every frame of an array.
    widths : mapping, optional
        Bits by layer and field of a float model, where not 8: `{"conv1.kernel_bits": 6}`.
    name : str, optional
        The model's, as it is by default.
    folder : str or Path, optional
        Workspace that keeps the model, in `folder/hls_projects/<name>`; a temporary one by default, which is removed
        when Python ends. A folder that `convert` did not make, or that was changed since, is never replaced.
    board : str, optional
        A folder's name under boards/; `pynq-z2` by default.
    tune : int, optional
        Steps by which a float model is trained on with quantisation, from labelled `frames`.

    Raises
    ------
    UnsupportedLayer
        A layer that has no exact form, by name, with the way out.
    ConfigError, DataError
        An argument, the model or the frames do not fit.

    Examples
    --------
    >>> model = hw_amc.convert(keras_model, classes=["BPSK", "QPSK"], frames=frames)  # doctest: +SKIP
    >>> model.classify(frames).labels  # doctest: +SKIP
    """
    from hw_amc.flows.init import run
    from hw_amc.flows.init_state import InitFlow, InitOptions
    from hw_amc.workspace import Workspace

    named = _by_head(classes)
    with python_words(), tempfile.TemporaryDirectory(prefix="hw_amc_") as scratch:
        known = named if isinstance(named, tuple) else None
        source = None if frames is None else to_source(frames, labels, snrs_db, known)
        asked = tuple(f"{key}={bits}" for key, bits in (widths or {}).items())
        options = InitOptions(_file_of(keras_model, Path(scratch)), name, named, source, asked, board, tune)
        root = _temporary() if folder is None else Path(folder).absolute()
        flow = InitFlow.open(options, called("convert"), Logged(), root)
        outcome = run(flow)
        return Model(Workspace(root, flow.workspace.model), outcome)


def _file_of(keras_model: Any, scratch: Path) -> Path:
    if isinstance(keras_model, (str, Path)):
        return Path(keras_model)
    from hw_amc.compress.given import save_given

    return save_given(keras_model, scratch)


def _by_head(classes: str | Sequence[str] | Sequence[Sequence[str]] | None) -> str | Classes | None:
    if classes is None or isinstance(classes, str):
        return classes
    if all(isinstance(each, str) for each in classes):
        return (tuple(str(each) for each in classes),)
    return tuple(tuple(str(name) for name in head) for head in classes)


def _temporary() -> Path:
    _TEMPORARY.append(tempfile.TemporaryDirectory(prefix="hw_amc_", ignore_cleanup_errors=True))
    return Path(_TEMPORARY[-1].name)
