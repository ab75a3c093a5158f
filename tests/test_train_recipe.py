"""train.toml: every wrong value is one line that names the key."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hw_amc.errors import ConfigError
from hw_amc.train.recipe import Data, TrainRecipe, load_recipe_file
from hw_amc.untrusted import tomllib

PROJECTS = Path(__file__).parents[1] / "hls_projects"

#: Every key that a recipe may have.
FULL = """
start = "../a/checkpoints/dense.npz"
seed = 5
head_shares = [1.0]
validate_every = 4
validate_frames = 24
checkpoint_every = 2
[data]
recipe = "radioml2018-v1"
train = [[10, 20, 10, 2], [-20, 8, 2, 1]]
validation = [[20, 20, 2, 1]]
test = [[10, 10, 2, 1]]
shares = [0.8, 0.1, 0.1]
normalise = "rms"
carrier_offset = 0.01
gain_db = 6
beside = ["awgn-v1"]
[[stage]]
name = "pruned"
kind = "prune"
sparsity = 0.7
start_sparsity = 0.2
ramp_steps = 2
scope = "layer"
freeze = ["GRU", "conv*"]
teacher = "teacher.npz"
teacher_share = 0.25
temperature = 3.0
dropout = 0.1
min_snr_db = -10
patience = 3
phases = [{ crop = 32, steps = 5, batch = 8, learning_rate = 1e-3, final_share = 0.1, warmup = 1 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 64, steps = 4 }]
[widths.gru]
kernel_bits = 4
"""


def load(folder: Path, text: str) -> TrainRecipe:
    (folder / "train.toml").write_text(text)
    return load_recipe_file(folder / "train.toml")


def test_a_recipe_is_read_as_it_is_written(tmp_path: Path) -> None:
    recipe = load(tmp_path, FULL)
    assert recipe.start == tmp_path / "../a/checkpoints/dense.npz"
    assert recipe.stages[0].teacher == tmp_path / "teacher.npz"
    assert recipe.data.cells("train") == [([10, 20], 2), (list(range(-20, 9, 2)), 1)]
    assert (recipe.stages[1].phases[0].batch, recipe.stages[1].dropout) == (128, None)
    assert recipe.widths == {"gru": {"kernel_bits": 4}}
    assert len(recipe.digest) == 64


@pytest.mark.parametrize("path", sorted(PROJECTS.glob("*/train*.toml")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_committed_recipes_load(path: Path) -> None:
    assert load_recipe_file(path).stages[-1].kind == "qat"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 5", "sed = 5", "unknown key sed; did you mean seed"),
        ('kind = "qat"', 'kind = "qta"', "stage.1.kind = 'qta': input should be 'float', 'prune' or 'qat'"),
        ('kind = "qat"', "", "stage.1.kind is missing"),
        ("crop = 64", "crop = 63", "stage.1.phases.0.crop = 63: input should be a multiple of 2"),
        ("crop = 64", 'crop = "x"', "stage.1.phases.0.crop = 'x': input should be a valid integer"),
        ("sparsity = 0.7", "sparsity = 70", "stage.0.sparsity = 70: input should be less than 1"),
        ('name = "pruned"', 'name = "Deployed"', "give every [[stage]] a name of its own"),
        ('name = "pruned"', 'name = "../../x"', "stage.0.name = '../../x': string should match pattern"),
        ('name = "pruned"', 'name = "state"', "stage.0: a stage cannot be called 'state'"),
        ("seed = 5", "seed = = 5", "is not readable TOML"),
        ("steps = 4", "stepz = 4", "unknown key stage.1.phases.0.stepz; did you mean steps?"),
        ("kernel_bits = 4", "kernel_bits = 4.5", "widths.gru.kernel_bits = 4.5: input should be a valid integer"),
        ('recipe = "radioml2018-v1"', "", "data: give either a recipe, to generate frames, or a file"),
        ("shares = [0.8, 0.1, 0.1]", "shares = [0.8, 0.2, 0.1]", "add up to more than 1"),
        ("[[20, 20, 2, 1]]", "[[20, 10, 2, 1]]", "data.validation.0 = [20, 10, 2, 1]: must be [first SNR, last SNR"),
        ('"rms"', '"peak"', "data.normalise = 'peak': input should be 'none' or 'rms'"),
        ("seed = 5", 'seed = 5\ndigest = "x"', "unknown key digest"),
        ('"teacher.npz"', '""', "stage.0.teacher = '': must name a file"),
    ],
)
def test_wrong_recipes_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, FULL.replace(old, new))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "train.toml"))
    assert "\n" not in str(caught.value)


def test_missing_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train.toml does not exist"):
        load_recipe_file(tmp_path / "train.toml")


#: Values of every type of TOML, of sizes that no key admits.
WRONG: tuple[Any, ...] = (
    True, -(10**30), 10**30, 3.5, -1.0, float("nan"), float("inf"), "", "x\0", "x" * 10_000, [], ["x", 3], [[1]], {},
    {"x": {}},
)  # fmt: skip

#: Keys for which some of these values are right after all.
ADMITTED: dict[str, tuple[Any, ...]] = {
    "freeze": ([],),
    "head_shares": ([],),
    "head_shares.0": (3.5,),
    "temperature": (3.5,),
    "beside": ([],),
    "gain_db": (3.5,),
    "learning_rate": (3.5,),
    "train": ([],),
    "validation": ([],),
    "test": ([],),
    "widths": ({}, {"x": {}}),
    "gru": ({},),
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values of a table, tables and lists included."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*path, key))


def test_no_wrong_value_of_any_key_gets_in() -> None:
    table = tomllib.loads(FULL)
    accepted, refused = [], 0
    for path in _places(table):
        name = f"{path[-2]}.{path[-1]}" if isinstance(path[-1], int) else str(path[-1])
        for value in WRONG:
            if any(repr(value) == repr(right) for right in ADMITTED.get(name, ())):
                continue
            changed = copy.deepcopy(table)
            inner: Any = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            try:
                TrainRecipe.model_validate(changed)
            except ValidationError:
                refused += 1
            else:
                accepted.append((path, value))
    assert accepted == []
    assert refused > 800


def test_a_recipe_can_be_made_in_python() -> None:
    cells = [(0, 10, 10, 3)]
    data = Data(train=cells, validation=cells, test=cells, file=Path("air.h5"), shares=[0.6, 0.2, 0.2])
    assert data.cells("test") == [([0, 10], 3)]


def test_the_recipes_of_the_family_begin_with_what_the_first_of_them_keeps() -> None:
    """`make family` runs them in this order; no stage writes over what is committed."""
    makefile = (PROJECTS.parent / "Makefile").read_text(encoding="utf-8")
    (names,) = re.findall(r"^FAMILY +:= \$\(addprefix gru_cnn_,(.*)\)$", makefile, re.MULTILINE)
    first, *others = [PROJECTS / f"gru_cnn_{name}" / "train-full.toml" for name in names.split()]
    recipe = load_recipe_file(first)
    kept = recipe.files(first.parent / "checkpoints")
    assert recipe.start is not None
    assert recipe.start.exists()
    assert not [path for path in kept if path.exists() and path.name not in ("state.npz", "deployed.npz")]
    starts = [load_recipe_file(path).start for path in others]
    assert [start.resolve() for start in starts if start] == [path.resolve() for path in kept[1:-1]]
    assert sorted(PROJECTS.glob("*/train-full.toml")) == sorted([first, *others])
