"""The recipe file: what is in it, and what is said when it isn't right."""

from __future__ import annotations

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from tests.schooling import table, write_recipe
from training.recipe import STAGES, data_root, read_recipe

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted((ROOT / "configs").glob("open-o3-*.toml"))


def written(folder: Path, **parts: object) -> Path:
    return write_recipe(folder / "r.toml", table(Path("ck"), "qwen3_vl", **parts))


def test_recipes_for_both_models_ship_with_both_stages() -> None:
    assert [path.stem for path in SHIPPED] == ["open-o3-qwen2.5-vl-7b", "open-o3-qwen3-vl-8b"]
    for path in SHIPPED:
        recipe = read_recipe(path)
        assert recipe.launch.gpus == 8
        assert [recipe.learning(stage).epochs for stage in STAGES] == [1.0, 1.0]
        assert (path.parent / str(recipe.launch.accelerate)).is_file()


def test_the_shipped_gspo_is_gspo_as_published() -> None:
    for path in SHIPPED:
        own = read_recipe(path).gspo
        assert own is not None
        assert (own.epsilon, own.epsilon_high, own.beta, own.steps_per_generation) == (3e-4, 4e-4, 0.0, 4)
        assert own.importance == "sequence"


@pytest.mark.parametrize("path", sorted((ROOT / "configs/accelerate").glob("*.yaml")), ids=lambda p: p.stem)
def test_accelerate_reads_each_of_its_files_and_starts_8_processes(path: Path) -> None:
    assert load_config_from_file(str(path)).num_processes == 8


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"model": {"colour": 1}}, "unknown key 'model.colour': there are checkpoint, family"),
        (
            {"gspo": {"rollout": {"temperatur": 1}}},
            "unknown key 'gspo.rollout.temperatur': there are num_gen",
        ),
        ({"wheels": {"round": True}}, "unknown key 'wheels': there are model, data, frames"),
        ({"sft": {"learning_rate": "fast"}}, "sft.learning_rate: Input should be a valid number, not 'fast'"),
        ({"sft": {"seed": -1}}, "sft.seed: Input should be greater than or equal to 0, not -1"),
        ({"sft": {"batch": 0}}, "sft.batch: Input should be greater than or equal to 1, not 0"),
        ({"model": {"family": "llava"}}, "model.family: Input should be 'qwen2_5_vl' or 'qwen3_vl'"),
        ({"model": {"layout": "qwen3-native"}}, "model.layout: Input should be 'open-o3' or 'stamped'"),
        ({"frames": {"least_pixels": 9999}}, "least_pixels 9999 is above most_pixels 3600"),
        ({"gspo": {"save_every": 6}}, "save_every 6 must be a multiple of 4"),
        (
            {"gspo": {"batch": 1, "rollout": {"num_generations": 3}}},
            "3 (gspo.rollout.num_generations) must divide",
        ),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named_with_what_is_allowed(
    parts: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"r\.toml: ") as error:
        read_recipe(written(tmp_path, **parts))
    assert said in str(error.value)


def test_a_file_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[model\n")
    with pytest.raises(ValueError, match=r"bad.toml: the recipe isn't TOML"):
        read_recipe(tmp_path / "bad.toml")
    with pytest.raises(ValueError, match=r"none.toml: can't read the recipe \(No such file"):
        read_recipe(tmp_path / "none.toml")


def test_a_stage_that_the_recipe_has_not_is_asked_for(tmp_path: Path) -> None:
    whole = table(Path("ck"), "qwen3_vl")
    del whole["gspo"]
    recipe = read_recipe(write_recipe(tmp_path / "r.toml", whole))
    with pytest.raises(ValueError, match=r"no table \[gspo\]"):
        recipe.learning("gspo")


def test_flags_change_the_recipe_and_its_hash_but_the_data_root_does_not(tmp_path: Path) -> None:
    path = written(tmp_path)
    plain = read_recipe(path).settings("sft")
    assert read_recipe(path, **{"sft.seed": 3}).settings("sft")["sft"]["seed"] == 3
    assert read_recipe(path, **{"sft.seed": None}).settings("sft") == plain
    assert read_recipe(path, **{"data.root": "/elsewhere"}).settings("sft") == plain


def test_a_missing_data_root_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_ROOT", raising=False)
    with pytest.raises(ValueError, match="no DATA_ROOT: give --data-root"):
        data_root(read_recipe(written(tmp_path)))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "gone"))
    with pytest.raises(ValueError, match="gone is no directory: mount it"):
        data_root(read_recipe(written(tmp_path)))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    assert data_root(read_recipe(written(tmp_path))) == tmp_path


def test_paths_in_a_recipe_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    parts = {"data": {"root": "~/stgr", "prompts": "~/p.toml"}, "gspo": {"start_from": "~/sft/model"}}
    recipe = read_recipe(written(tmp_path, **parts), **{"model.checkpoint": "~/models/qwen"})
    assert recipe.gspo is not None
    for path, name in (
        (recipe.model.checkpoint, "models/qwen"),
        (recipe.data.root, "stgr"),
        (recipe.data.prompts, "p.toml"),
        (recipe.gspo.start_from, "sft/model"),
    ):
        assert path == str(tmp_path / name)
