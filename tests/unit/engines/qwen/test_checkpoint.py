"""A checkpoint that can't be used is refused in one sentence that names what is wrong with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.qwen.checkpoint import load_model, open_checkpoint, source_hash
from engines.qwen.shapes import FAMILIES, Shapes
from engines.transformers import load
from grounding.errors import EngineError
from tests import tiny_qwen
from tests.reference_qwen import network


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("checkpoints")
    return {family: tiny_qwen.save_checkpoint(base / family, family) for family in FAMILIES}


@pytest.fixture
def folder(whole: dict[str, Path], tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole["qwen3_vl"], tmp_path / "damaged"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def refused(folder: Path | str) -> str:
    """The sentence with which `load` refuses it: one line."""
    with pytest.raises(EngineError) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_checkpoint_opens_with_its_numbers_and_weights(family: str, whole: dict[str, Path]) -> None:
    checkpoint = open_checkpoint(str(whole[family]))
    assert checkpoint.shapes.family == family
    assert checkpoint.stops == {tiny_qwen.ids()["<|im_end|>"]}
    assert checkpoint.layout == ("open-o3" if family == "qwen2_5_vl" else "qwen3-native")
    through_json = json.loads(json.dumps(checkpoint.shapes.as_dict()))
    assert Shapes.from_dict(through_json) == checkpoint.shapes
    loaded = load_model(checkpoint, dtype="float32", device="cpu").state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in network(family).state_dict().items())


def test_a_missing_config_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "config.json is missing" in refused(folder)


def test_a_config_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')
    assert "config.json can't be read" in refused(folder)
    (folder / "config.json").write_text("[1, 2]")
    assert "config.json holds no table" in refused(folder)


@pytest.mark.parametrize("model_type", ["llama", "qwen2_vl", "qwen3_vl_moe", None])
def test_another_family_is_refused_with_those_that_are_supported(
    folder: Path, model_type: str | None
) -> None:
    edit(folder / "config.json", lambda table: table.update(model_type=model_type))
    message = refused(folder)
    assert repr(model_type) in message and "supported are qwen2_5_vl, qwen3_vl" in message


@pytest.mark.parametrize(
    ("family", "section", "field"),
    [
        ("qwen2_5_vl", "text_config", "num_hidden_layers"),
        ("qwen2_5_vl", "vision_config", "fullatt_block_indexes"),
        ("qwen3_vl", "text_config", "hidden_size"),
        ("qwen3_vl", "vision_config", "patch_size"),
        ("qwen3_vl", "vision_config", "deepstack_visual_indexes"),
    ],
)
def test_a_config_without_a_field_is_refused_and_never_filled_in(
    family: str, section: str, field: str, whole: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(whole[family], tmp_path / "damaged"))
    edit(folder / "config.json", lambda table: table[section].pop(field))
    assert f"config.json has no {section}.{field}" in refused(folder)


def test_a_config_without_a_vision_tower_is_refused(folder: Path) -> None:
    edit(folder / "config.json", lambda table: table.pop("vision_config"))
    assert "no section vision_config" in refused(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.update(quantization_config={"quant_method": "awq"}), "weights are quantised"),
        (lambda table: table["text_config"].update(use_sliding_window=True), "sliding windows"),
        (
            lambda table: table["text_config"]["rope_parameters"].update(mrope_section=[1, 2, 3]),
            "mrope_section",
        ),
        (
            lambda table: table["text_config"]["rope_parameters"].update(rope_type="yarn", factor=4.0),
            "rotary embedding 'yarn'",
        ),
        (lambda table: table.update(proofreel=["x"]), "section proofreel: a table is needed"),
        (lambda table: table.update(proofreel={"layout": "x"}), "layout 'x' in config.json is not known"),
        (lambda table: table.update(proofreel={"windows": 3}), "unknown setting 'windows'"),
        (lambda table: table.update(proofreel={"rate_hz": 0}), "rate_hz must be a number above 0"),
        (lambda table: table.update(proofreel={"max_frames": 1.5}), "max_frames must be a whole number"),
    ],
)  # fmt: skip
def test_a_config_that_asks_for_what_is_not_done_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    edit(folder / "config.json", change)
    assert said in refused(folder)


def test_a_checkpoint_s_own_settings_are_used(folder: Path) -> None:
    edit(folder / "config.json", lambda t: t.update(proofreel={"layout": "stamped", "window_s": 8.0}))
    engine = load(str(folder))
    assert engine.spec.window_s == 8.0


def test_a_missing_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in refused(folder)


def test_a_broken_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer.json can't be read" in refused(folder)


def test_a_missing_preprocessor_is_named(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    assert "preprocessor_config.json is missing" in refused(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "model.safetensors is missing; fetch the checkpoint again" in refused(folder)


def sharded(folder: Path) -> list[Path]:
    model = tiny_qwen.model("qwen3_vl")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="400KB")
    return sorted(folder.glob("model-*.safetensors"))


def test_a_missing_shard_is_named(folder: Path) -> None:
    shards = sharded(folder)
    assert len(shards) >= 2
    shards[1].unlink()
    assert f"{shards[1].name} is missing" in refused(folder)


def test_an_index_of_shards_that_names_no_file_is_refused(folder: Path) -> None:
    sharded(folder)
    for wrong in ({"weight_map": {}}, {"weight_map": None}, {}):
        (folder / "model.safetensors.index.json").write_text(json.dumps(wrong))
        assert "model.safetensors.index.json names no file" in refused(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_weights_that_were_cut_short_are_refused_before_they_are_loaded(folder: Path, keep: float) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    message = refused(folder)
    assert "model.safetensors" in message and "fetch it again" in message


def test_a_weight_of_the_wrong_shape_is_named_with_both_shapes(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = "model.language_model.layers.1.mlp.up_proj.weight"
    weights[name] = weights[name][:, :-1].contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    message = refused(folder)
    assert "layers.1.mlp.up_proj.weight" in message and "63" in message and "64" in message


def test_a_weight_that_is_not_there_is_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.language_model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "no weights for model.language_model.layers.1.mlp.up_proj.weight" in refused(folder)


def test_an_adapter_alone_names_its_base(folder: Path, tmp_path: Path) -> None:
    """As a LoRA is saved: with no config of a model, or with one."""
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen3-VL-2B-Instruct"}')
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    assert "holds only an adapter of Qwen/Qwen3-VL-2B-Instruct" in refused(adapter)
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    shutil.copy(adapter / "adapter_config.json", folder)
    assert "holds only an adapter of Qwen/Qwen3-VL-2B-Instruct" in refused(folder)


@pytest.mark.parametrize("name", ["nothing", "./a/b", "/no/such/folder", "a/b/c", "-x/y z"])
def test_a_name_that_is_no_directory_and_no_hub_name_is_refused(name: str) -> None:
    assert "no checkpoint" in refused(name)


def test_a_file_is_no_checkpoint(folder: Path) -> None:
    assert "give a directory" in refused(folder / "config.json")


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_hub_that_can_not_be_reached_is_one_sentence_within_seconds(tmp_path: Path, offline: str) -> None:
    """Against a port of this machine that nobody listens at."""
    program = (
        "from engines.qwen.checkpoint import find\n"
        "from grounding.errors import EngineError\n"
        "try:\n    find('nobody/nothing')\nexcept EngineError as error:\n    print(error)"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[4],
        env={
            "HF_HUB_OFFLINE": offline, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path),
            "PATH": "",
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    (sentence,) = done.stdout.splitlines()
    assert sentence.startswith("nobody/nothing is no directory here, and the hub gives no checkpoint")
    assert ("HF_HUB_OFFLINE" in sentence) == (offline == "1")
    assert done.stderr == "" and time.monotonic() - started < 45


def test_a_checkpoint_of_before_the_sections_opens_as_it_is_published_today(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    """Qwen2.5-VL as first published: text fields at the top, `rope_scaling`, weights by their older names."""
    folder = Path(shutil.copytree(whole["qwen2_5_vl"], tmp_path / "old"))

    def flatten(table: dict[str, Any]) -> None:
        text = table.pop("text_config")
        rope = text.pop("rope_parameters")
        for name in ("layer_types", "model_type"):
            text.pop(name)
        table.update(text)
        table["rope_theta"] = rope["rope_theta"]
        table["rope_scaling"] = {"type": "mrope", "mrope_section": rope["mrope_section"]}
        vision = table["vision_config"]
        vision.pop("rope_parameters")
        vision["in_chans"] = vision.pop("in_channels")

    edit(folder / "config.json", flatten)
    weights = load_file(folder / "model.safetensors")
    older = {
        name.replace("model.language_model.", "model.").replace("model.visual.", "visual."): weight
        for name, weight in weights.items()
    }
    save_file(older, folder / "model.safetensors", metadata={"format": "pt"})

    old, new = open_checkpoint(str(folder)), open_checkpoint(str(whole["qwen2_5_vl"]))
    assert old.shapes == new.shapes and old.stops == new.stops
    loaded = load_model(old, dtype="float32", device="cpu").state_dict()
    assert all(torch.equal(loaded[n], w) for n, w in network("qwen2_5_vl").state_dict().items())


def test_the_source_hash_changes_with_a_weight_a_word_or_a_setting(folder: Path) -> None:
    hashes = {source_hash(open_checkpoint(str(folder)))}
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    hashes.add(source_hash(open_checkpoint(str(folder))))
    edit(folder / "tokenizer.json", lambda table: table["added_tokens"][0].update(lstrip=True))
    hashes.add(source_hash(open_checkpoint(str(folder))))
    edit(folder / "config.json", lambda table: table.update(proofreel={"window_s": 3}))
    hashes.add(source_hash(open_checkpoint(str(folder))))
    assert len(hashes) == 4


def test_a_device_that_is_not_there_is_said(folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="PyTorch sees no GPU here; use cpu"):
        load(str(folder), device="cuda")
