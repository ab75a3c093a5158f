from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc import config
from hw_amc.errors import ConfigError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", sorted(ROOT.glob("hls_projects/*/project.toml")), ids=lambda p: p.parent.name)
def test_committed_projects_load(path: Path) -> None:
    assert config.load_project(path.parent).board


@pytest.mark.parametrize("path", sorted(ROOT.glob("boards/*/board.toml")), ids=lambda p: p.parent.name)
def test_committed_boards_load(path: Path) -> None:
    assert config.load_board(path.parent.name, ROOT / "boards").name == path.parent.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bord = 'x'", "unknown key bord; did you mean board?"),
        ("[hls.layers.gru]\nreuse = 2", "unknown key hls.layers.gru.reuse; did you mean reuse_factor?"),
        ("[hls.layers.gru]\nreuse_factor = '2'", "hls.layers.gru.reuse_factor = '2': input should be a valid integer"),
        ("[quant.gru]\nkernel_bits = 99", "quant.gru.kernel_bits = 99: input should be less than or equal to 24"),
        ("[quant.gru]\nkernel_bits = true", "quant.gru.kernel_bits = True"),
        ("[hls]\nbackend = 7", "hls.backend = 7"),
        ("[hls", "is not readable TOML"),
    ],
)
def test_wrong_settings_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "project.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"project\.toml") as caught:
        config.load_project(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_project_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        config.load_project(tmp_path)


def test_unknown_board_suggests_near_names() -> None:
    with pytest.raises(ConfigError, match="did you mean pynq-z2"):
        config.load_board("pynq_z2", ROOT / "boards")


def test_layers_without_settings_take_the_defaults() -> None:
    assert config.HlsSettings().layer("gru").reuse_factor == 1
