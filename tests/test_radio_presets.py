"""Recipes and presets: those that have been published stay as they are, to the bit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import fft

from hw_amc.errors import ConfigError
from hw_amc.radio import RECIPES, generate_frames, load_recipe
from hw_amc.radio.classes import CLASS_SETS
from hw_amc.radio.generator.recipes import PRESETS, Dynamic

#: One sample in 83 (of short frames, in 13) of every cell x 4 keys x 2 splits of each recipe, as first released.
FROZEN = Path(__file__).parent / "data" / "radio" / "frozen_frames.npz"

#: Recipe -> digest of the recipe, SHA-256 of those frames where arithmetic rounds as on the machine that made them.
DIGESTS = {
    "radioml2018-v1": (
        "31d742288fd19f13c0e83187fd7323698100a076cacea196b1679fd51d00e574",
        "61a5b9897ec0a73e381452c32120c9a5ab84ddd8e01b21089cefe26cad01b04b",
    ),
    "awgn-v1": (
        "ecfb5992ee464be0b418a56038ff589f877dd34d30108774954905ea33812edb",
        "324735ea6cce524a1ca87996c51a8f896b9499b665ddd207f4dfc7ceed5adf12",
    ),
    "radioml2016-v1": (
        "88130d8e6161b86b86a8e5d8c9050f65c8bb359cbbedce60823348f8bd66b5d6",
        "15430c9a674dc223d3ca2ca4928ca6dc802ac9aae40b1a56c81c9c29ad2df53b",
    ),
    "radioml2016-amplitude-v1": (
        "b9e409ae4fcfc427b2f3220a81455cff2d54821ddedd93dcbee0d1cceac55cb2",
        "f4a8e55fe26eb0c647ed178c20da36231c3896a8f68f770a4f0c1782c8ad5499",
    ),
    "radioml2016-1024-v1": (
        "3d4ca7f6f76f3b424e8853ae405b70284d8de06a0d0abf198ae77786469a900f",
        "50d367afc85c4eb834344f929ded54fe3141cf72108314186417e99bca34b383",
    ),
    "radcom-awgn-v1": (
        "6a599121bc3e4b2a4f45c7b5c9b6163c0bedb5c340ba9cad81520194cdcce912",
        "151796b49d0fa40904a1a8975ad1ef068dacf46167ada5dd48a9df400409cae8",
    ),
    "radcom-dynamic-v1": (
        "89239132999a04ea2f19eb60968a1def97a42e29b2702bdb08751050d52fc7c9",
        "eab725166fef2eec238e0b4fd905f40231dad6707419b5362f811c9fbf471d25",
    ),
    "radioml2018-v2": (
        "a41186fe7613009bf7c2213ba9bf75c668ad06da4c91db368b67db2250e2158f",
        "cc4836dde1bbf423de58c21c463cab2f13db954d5e251442feb6102be22ed208",
    ),
    "radioml2018-awgn-v2": (
        "191427daaea1d8379bcf8eaf5c97c0c94dd7a54069817d8eca3c097379790119",
        "e5244f2fca8d70c501e54cd4101cc974da689e555d2a9744d97e2fe049763356",
    ),
    "radioml2018-fading-v2": (
        "9bc1d4e7b94be54efdc6cae5e432f4c0565bf1983f9901b9e00996595cc30f72",
        "02ca77c401d906d0436ad27e2f172dd9321e0986ac44f8ad14dccc547a6e92b0",
    ),
}
PROBE = "ebdbaa0c26a536d8"


def frozen_frames(name: str) -> np.ndarray:
    recipe = RECIPES[name]
    cells = len(recipe.classes)
    labels, snrs = np.tile(np.arange(cells), 4), np.repeat([-6, 10, 30, 30], cells)
    numbers = np.repeat([0, 1, 2, 999], cells)
    return np.concatenate([generate_frames(recipe, labels, snrs, numbers, split) for split in (0, 2)])


def thinned(frames: np.ndarray) -> np.ndarray:
    return frames[:, 5 :: 83 if frames.shape[1] > 128 else 13]


def probe() -> str:
    """Digest of what a processor and its numpy may round differently: sines, Fourier transforms, matrix products."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((64, 4096)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(a[:, None], 33, axis=2)
    parts = (
        np.cos(a), np.sin(a), np.exp(a.astype(np.float64)), fft.ifft(a.astype(np.complex64), axis=1),
        np.matmul(np.ascontiguousarray(windows), a[:, : 33 * 8].reshape(64, 1, 33, 8)),
    )  # fmt: skip
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]


@pytest.mark.parametrize("name", DIGESTS)
def test_a_frozen_recipe_keeps_its_digest(name: str) -> None:
    assert RECIPES[name].digest() == DIGESTS[name][0]


@pytest.mark.parametrize("name", DIGESTS)
def test_a_frozen_recipe_keeps_its_frames(name: str) -> None:
    made = frozen_frames(name)
    np.testing.assert_allclose(thinned(made), np.load(FROZEN)[name], atol=5e-6)
    if probe() != PROBE:
        pytest.skip("this processor or numpy rounds differently: only compared to 5e-6")
    assert hashlib.sha256(made.tobytes()).hexdigest() == DIGESTS[name][1]


def test_a_later_parameter_changes_the_digest_only_when_it_is_used() -> None:
    base = RECIPES["radioml2018-v1"]
    assert "dynamic" not in base.to_dict()
    changed = replace(base, cpfsk_index=0.7)
    assert changed.to_dict()["cpfsk_index"] == 0.7
    assert changed.digest() != base.digest()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_json_and_tells_all_its_parameters(name: str) -> None:
    recipe = RECIPES[name]
    told = json.loads(json.dumps(recipe.to_dict()))
    assert told == recipe.to_dict()
    dynamic = told.pop("dynamic", None)
    del told["generator_version"]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    moving = dynamic and Dynamic(**{k: tuple(v) if isinstance(v, list) else v for k, v in dynamic.items()})
    assert type(recipe)(**values, dynamic=moving) == recipe


def test_presets_name_recipes() -> None:
    assert set(PRESETS) >= {"awgn", "radioml2018", "radioml2016", "radcom-awgn", "radcom-dynamic"}
    for preset, name in PRESETS.items():
        assert load_recipe(preset) is load_recipe(name) is RECIPES[name]
        assert name.startswith(preset)
    assert {recipe.class_set for recipe in RECIPES.values()} == set(CLASS_SETS)
    assert len({recipe.digest() for recipe in RECIPES.values()}) == len(RECIPES)
    assert replace(RECIPES["awgn-v1"], name="renamed").digest() == RECIPES["awgn-v1"].digest()


def test_presets_have_the_published_parameters() -> None:
    radioml, radcom = load_recipe("radioml2016"), load_recipe("radcom-dynamic")
    assert (radioml.frame_len, radioml.sps, radioml.rolloff) == (128, 8, (0.35, 0.35))
    assert radioml.dynamic == Dynamic(200e3, 0.01, 50, 0.01, 500, 8, 1, 4, (0, 0.9, 1.7), (1, 0.8, 0.3), 8)
    assert radcom.dynamic == Dynamic(10e6, 0.05, 60, 0.05, 250, 5, 2, 3, (0.2, 0.3, 0.1), (1, 0.5, 0.5), 5)
    assert radcom.frame_len == 128
    assert load_recipe("radcom-awgn").dynamic is None


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'nope'.*radioml2018-v1, awgn-v1.*radcom-dynamic"):
        load_recipe("nope")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"rolloff": (0.4, 0.1)}, "rolloff must be 0 <= low <= high"), ({"rolloff": (0.4, 1.1)}, "rolloff up to 1"),
     ({"seed": -1}, "a seed"), ({"paths": 0}, "1 path"), ({"clock_sigma": 0.5}, "clock_sigma"),
     ({"fm_deviation": (0.1, 0.4)}, "below 0.2"), ({"gmsk_bt": 0.0}, "gmsk_bt"), ({"gfsk_index": 3.0}, "FSK indices"),
     ({"class_set": "radioml2020"}, "class_set out of radioml2018, radioml2016"), ({"noise_law": "dB"}, "noise_law")],
)  # fmt: skip
def test_a_recipe_out_of_range_is_refused(change: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(RECIPES["radioml2018-v1"], **change)
