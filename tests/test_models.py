"""The families: counts that were published, networks by name, classes and frames from project.toml."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_amc.errors import ConfigError
from hw_amc.models import FAMILIES, MODELS, GruCnnSpec, NetworkSpec, find, find_classes, from_dict
from hw_amc.radio.classes import CLASSES, CLASSES_2016
from hw_amc.workspace import Workspace, classes_of, network_of

FOLDER = Path(__file__).parents[1] / "hw_amc" / "models"


@pytest.mark.parametrize(
    ("cells", "parameters"),
    [(40, 8600), (50, 11920), (60, 15840), (70, 20360), (80, 25480), (90, 31200), (100, 37520)],
)
def test_dense_parameter_counts_are_the_published_ones(cells: int, parameters: int) -> None:
    # Kassri et al. 2024, table of dense models; 40 and 100 cells are ours (the paper's print fits no variant).
    spec = find(f"gru_cnn_c{cells}")
    assert spec.parameters == parameters == 3 * cells**2 + 62 * cells + 1320
    assert spec.published is not None
    assert (spec.published.parameters == parameters) == (cells not in (40, 100))


@pytest.mark.parametrize(
    ("name", "nonzeros"),
    [("gru_cnn_sparse05", 13144), ("gru_cnn_sparse07", 8210), ("gru_cnn_sparse08", 5742), ("gru_cnn_sparse085", 4509)],
)
def test_sparse_parameter_counts_are_the_published_ones(name: str, nonzeros: int) -> None:
    spec = find(name)
    assert spec.nonzeros == nonzeros
    assert spec.published is not None
    assert spec.published.parameters == nonzeros


def test_multi_task_parameter_counts_are_the_published_ones() -> None:
    # Jagannath and Jagannath 2021: 0.253 M with 6 modulations and 8 signals.
    assert (find("mtl_dynamic").parameters, find("mtl_dynamic").outputs) == (252614, (6, 8))
    assert (find("mtl").parameters, find("mtl").outputs) == (254156, (9, 11))


#: Network -> parameters that are published or follow from the published layers: docs/models.md says which.
ZOO = {
    "gru2": 39_576,
    "gru_utrilla": 17_899,
    "hakimi": 97_395,
    "hakimi_optimised": 51_155,
    "vtcnn2": 2_830_427,
    "vtcnn_mtl": 2_832_740,
    "drcnn": 1_012_491,
    "drcnn_mtl": 1_012_788,
    "resnet": 3_450_433,
    "inception": 10_142_033,
    "lightweight": 46_472,
    "oshea_resnet": 238_840,
    "pet_cgdnn": 75_340,
    "mcnet": 126_616,
}


@pytest.mark.parametrize("name", ZOO)
def test_parameter_counts_of_the_zoo_are_the_published_ones(name: str) -> None:
    assert find(name).parameters == ZOO[name]


def test_hakimis_networks_have_the_published_memory_and_products() -> None:
    # Hakimi 2024 counts kernels and biases, no batch normalisation: learnables a convolution, MiB of float32, MACs.
    for name, norms, mebibytes, macs in (
        ("hakimi", 560, 0.3693999, 8_127_520),
        ("hakimi_optimised", 816, 0.19202802, 2_491_776),
    ):
        spec = find(name)
        assert abs((spec.parameters - norms) * 4 / 2**20 - mebibytes) < 4e-6
        assert spec.macs == macs


def test_products_of_the_lead_model_are_the_published_ones() -> None:
    # Kassri et al. 2024: 7.72, 24.7 and 36.8 million.
    found = [find(f"gru_cnn_c{cells}").macs for cells in (40, 80, 100)]
    assert [round(macs / 1e6, digits) for macs, digits in zip(found, (2, 1, 1), strict=True)] == [7.72, 24.7, 36.8]


def test_the_utrilla_network_fits_its_footprint() -> None:
    # Utrilla et al. 2020: 73.5 kB, of float32 here.
    assert 4 * find("gru_utrilla").parameters <= 73_500


def test_kernel_weights_at_80_cells() -> None:
    assert find("gru_cnn_sparse07").kernel_weights == 24672
    assert find("gru_cnn_sparse07").kernel_nonzeros == 7402


@pytest.mark.parametrize("name", ["gru_cnn_c40", "gru_cnn_sparse07", "mtl", "mtl_dynamic", *ZOO])
def test_float_network_has_the_parameters_of_its_spec(name: str) -> None:
    model = MODELS[name].build()
    trained = {weight.name: int(np.prod(weight.shape)) for weight in model.trainable_weights}
    assert sum(trained.values()) == MODELS[name].parameters
    kernels = sum(size for weight, size in trained.items() if "kernel" in weight)
    assert kernels == MODELS[name].kernel_weights
    assert tuple(output.shape[-1] for output in model.outputs) == MODELS[name].outputs
    assert model.input_shape == (None, *MODELS[name].frame)


def test_a_family_is_registered_by_its_file() -> None:
    assert sorted(FAMILIES) == sorted({path.stem for path in FOLDER.glob("*.py")} - {
        "__init__", "activations", "blocks", "cells", "counts", "network", "registry"})  # fmt: skip
    assert {type(spec).__module__ for spec in MODELS.values()} == {f"hw_amc.models.{name}" for name in FAMILIES}
    assert all(name == spec.name for name, spec in MODELS.items())


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean gru_cnn_sparse07"):
        find("gru_cnn_sparse7")
    with pytest.raises(ConfigError, match="known: drcnn, "):
        find("zzzz")


@pytest.mark.parametrize("spec", MODELS.values(), ids=lambda spec: spec.name)
def test_a_network_is_read_back_from_what_it_says(spec: NetworkSpec) -> None:
    again = from_dict(spec.to_dict())
    assert (type(again), again.to_dict()) == (type(spec), spec.to_dict())


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="no family 'gru_cn' of networks; did you mean gru_cnn"):
        from_dict({"family": "gru_cn"})
    with pytest.raises(ConfigError, match="has other fields"):
        from_dict({"family": "gru_cnn", "name": "x", "classes": [["a", "b"]], "frame": [64, 2], "sells": 4})


def test_class_sets_go_by_name_or_by_list() -> None:
    assert find_classes("radioml2018") == (CLASSES,)
    assert find_classes("radioml2016") == (CLASSES_2016,)
    assert [len(head) for head in find_classes("radcom-awgn")] == [9, 11]
    assert find_classes(["a", "b"]) == (("a", "b"),)
    assert find_classes((("a", "b"), ("c", "d", "e"))) == (("a", "b"), ("c", "d", "e"))
    with pytest.raises(ConfigError, match="unknown class set 'radioml2019'; did you mean radioml201"):
        find_classes("radioml2019")


def _folder(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "hls_projects" / "gru_cnn_c40"
    folder.mkdir(parents=True)
    (folder / "project.toml").write_text(text)
    return folder


def test_project_toml_names_classes_and_frame(tmp_path: Path) -> None:
    folder = _folder(tmp_path, 'classes = "radioml2016"\nframe = [128, 2]\n')
    spec = network_of("gru_cnn_c40", folder)
    assert (spec.classes, spec.frame, spec.outputs) == ((CLASSES_2016,), (128, 2), (11,))
    assert spec.published is None  # these are other frames than the authors'
    assert spec.parameters == 3 * 40 * 42 + 48 * (40 + 11) + 6 * 40 + 16 + 11 + 2 * (40 + 16 + 11 + 11)
    assert sum(int(np.prod(w.shape)) for w in spec.build().trainable_weights) == spec.parameters
    workspace = Workspace.open("gru_cnn_c40", tmp_path)
    assert (workspace.classes(), workspace.frame_shape()) == ((CLASSES_2016,), (128, 2))
    assert workspace.network() == spec


def test_without_them_a_network_has_its_own(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "")
    assert network_of("gru_cnn_c40", folder) == find("gru_cnn_c40")
    assert classes_of("mtl", folder) == find("mtl").classes
    assert classes_of("my_own", folder) == (CLASSES,)
    other = Workspace(tmp_path, "my_own")
    assert (other.classes(), other.frame_shape()) == ((CLASSES,), None)


def test_a_list_a_head_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = _folder(tmp_path, 'classes = [["a", "b"], ["c", "d", "e"]]\n')
    assert classes_of("my_own", folder) == (("a", "b"), ("c", "d", "e"))
    with pytest.raises(ConfigError, match="gru_cnn_c40 has 1 heads, but classes are given for 2"):
        network_of("gru_cnn_c40", folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes = 11", "classes = 11: must be the name of a set, a list of names, or a list of names for each head"),
        ('classes = ["a", 2]', "classes = ['a', 2]: must be the name of a set"),
        ('classes = [["a", "b"], "c"]', "must be the name of a set"),
        ("classes = []", "a head has 2 to 256 classes"),
        ('classes = ["a", "a"]', "each with a name of its own"),
        ("frame = [128]", "frame = [128]: list should have at least 2 items"),
        ("frame = [0, 2]", "frame.0 = 0"),
        ("frame = 128", "frame = 128: input should be a valid list"),
        ('classes = "radioml"', "unknown class set 'radioml'"),
    ],
)
def test_wrong_classes_and_frames_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    folder = _folder(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        network_of("gru_cnn_c40", folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_of_one_length_refuses_others() -> None:
    with pytest.raises(ConfigError, match=r"mtl takes frames of 128 samples, 2 values each, not \(1024, 2\)"):
        find("mtl").adapt(frame=(1024, 2))


def test_a_spec_of_other_classes_counts_itself() -> None:
    spec = GruCnnSpec("t", 6, classes=(("a", "b", "c"), ("d", "e"))[:1])
    assert spec.outputs == (3,)
    assert sum(int(np.prod(w.shape)) for w in spec.build().trainable_weights) == spec.parameters
