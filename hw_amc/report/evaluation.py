"""accuracy.json: read strictly, and believed only for the weights on which it was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hw_amc.errors import DataError
from hw_amc.files import file_digest, load_json

FILE = "accuracy.json"

#: Why its figures are not shown.
OTHER_WEIGHTS = "accuracy.json is of other weights than weights.h5"

_Share = Annotated[float, Field(ge=0, le=1)]
_Rows = list[list[Annotated[float, Field(ge=0, lt=1 << 53)]]]
_BySnr = Annotated[dict[Annotated[str, Field(pattern=r"^-?\d{1,3}$")], _Share], Field(max_length=256)]


class _Figures(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    accuracy: _BySnr
    average: _Share | None = None
    at_least_10_db: _Share | None = None
    confusion: dict[Annotated[str, Field(pattern=r"^-?\d{1,3}$")], _Rows] = {}


class _Float(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    checkpoint: str
    average: _Share
    at_least_10_db: _Share | None


class _Beside(_Figures):
    eval_set: dict[str, Any]


class _Gain(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    frames: Annotated[int, Field(ge=1)]
    snr_db_from: int | None = None
    #: Gain in dB -> share.
    accuracy: dict[Annotated[str, Field(pattern=r"^-?\d{1,3}(\.\d{1,2})?$")], _Share]
    #: Range in which accuracy stays near that at 0 dB; files of earlier versions do not say.
    kept_from_db: float | None = None
    kept_to_db: float | None = None
    command: str = ""
    date: str = ""
    kind: str = "measured"


class _Accuracy(_Figures):
    eval_set: dict[str, Any] = {}
    kind: str = "measured"
    command: str = ""
    date: str = ""
    #: SHA-256 of the weights.h5 that was measured; files of earlier versions do not say.
    weights_sha256: str = ""
    classes: list[str] | None = None
    heads: list[_Figures] | None = None
    float: _Float | None = None
    #: Figures on the frames of other recipes.
    beside: list[_Beside] = []
    gain_db: _Gain | None = None


def load_accuracy(folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Read a model's accuracy.json.

    Parameters
    ----------
    folder : Path
        The model's folder.

    Returns
    -------
    (content, None) where it belongs to the folder's weights.h5, or where there are no weights; (None, why) where it
    belongs to others or does not say to which; (None, None) where there is none

    Raises
    ------
    DataError
        It is damaged, or holds something else than the figures of an evaluation.
    """
    path, weights = folder / FILE, folder / "weights.h5"
    if not path.exists():
        return None, None
    accuracy = load_json(path)
    try:
        _Accuracy.model_validate(accuracy)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"{path}: {where}: {problem['msg']}; measure again: hw-amc train {folder.name}") from None
    if weights.exists() and accuracy.get("weights_sha256") != file_digest(weights):
        return None, f"{OTHER_WEIGHTS}; measure again: hw-amc train {folder.name}"
    return accuracy, None
