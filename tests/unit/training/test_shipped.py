"""Recipes that ship are found by name from any folder; a file that is there comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.shipped import CONFIGS, config_at, names


@pytest.mark.parametrize("form", ["{}", "{}.toml", "configs/{}.toml"])
@pytest.mark.parametrize("name", ["open-o3-qwen2.5-vl-7b", "open-o3-qwen3-vl-8b", "proofreel-small"])
def test_a_name_is_that_of_the_file_that_ships(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_at(Path(form.format(name))) == CONFIGS / f"{name}.toml"
    assert name in names()


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("proofreel-small.toml").write_text("")
    assert config_at(Path("proofreel-small.toml")) == Path("proofreel-small.toml")


@pytest.mark.parametrize("path", ["mine", "elsewhere/proofreel-small.toml", "/proofreel-small.toml"])
def test_what_is_not_there_is_refused_with_what_ships(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"--config {path} is not there.*: open-o3-qwen2.5-vl-7b, open-o3"):
        config_at(Path(path))
