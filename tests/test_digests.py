"""Digests of what is committed: arithmetic and emitted Verilog change on purpose, here, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc.flows.rtl import RtlFlow
from hw_amc.graph import Graph

PROJECTS = Path(__file__).parents[1] / "hls_projects"

GRAPHS = {
    "gru2": "a6a61d1892d48eeb",
    "gru_cnn_c100": "01cc39855ce77d42",
    "gru_cnn_c40": "376a0f58faa1ce9d",
    "gru_cnn_c50": "c29a74995ce67297",
    "gru_cnn_c60": "9a56839fd09a5d70",
    "gru_cnn_c70": "59c0b9a311ab356b",
    "gru_cnn_c80": "1e305d49e4209040",
    "gru_cnn_c90": "b183f4ef426eec29",
    "gru_cnn_sparse05": "3b040945a2c6ca46",
    "gru_cnn_sparse07": "11d8df310d9d1f20",
    "gru_cnn_sparse08": "95b868a9dbf089bc",
    "gru_cnn_sparse085": "a1c5ad15dfd25081",
    "gru_cnn_w4_sparse085": "c10abb0b69d48b9f",
    "gru_utrilla": "60a94fa707264836",
    "hakimi": "643f592d6ca4c2ad",
    "hakimi_optimised": "c5fca2e15af38989",
    "lightweight": "045bc0b1400595f9",
    "mcnet": "5ec55b927b517138",
    "mtl": "b7db52a92232cb8f",
    "mtl_dynamic": "665f5a889a64e129",
    "oshea_resnet": "4c3a3cc901315cd3",
    "pet_cgdnn": "92d381c95541370e",
}
#: gru_cnn_sparse07 in the shell, at the R of its project.toml: its Verilog, without the manifest.
VERILOG = "96942e384d325e3a"


def test_every_committed_model_has_its_digest_here() -> None:
    assert sorted(path.parent.name for path in PROJECTS.glob("*/graph.json")) == sorted(GRAPHS)


@pytest.mark.parametrize("model", sorted(GRAPHS))
def test_graph_digest(model: str) -> None:
    assert Graph.load(PROJECTS / model).digest()[:16] == GRAPHS[model]


@pytest.mark.cosim
def test_verilog_digest_of_the_lead_model() -> None:
    assert RtlFlow.open("gru_cnn_sparse07").accelerator.manifest.project_digest[:16] == VERILOG
