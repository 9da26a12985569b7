"""`export onnx`: what is in a folder, adapters, and what is left when it can't be made."""

import json
import resource
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest
import torch

from engines.manifest import read_manifest
from engines.qwen.generation import Ask, Generator, Prefix
from engines.qwen.prompt import Words, prompt_of
from engines.qwen.sampling import Sampling
from export.onnx import export_checkpoint
from export.quiet import quiet_peft
from export.reference import load_truth
from grounding.errors import EngineError, ExportError
from tests.exports import FAMILIES, Exports, check_of, layers_of, network, runtime_of


def graph(folder: Path, name: str) -> Any:
    return onnx.load(folder / name, load_external_data=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_graphs_are_of_the_standard_domain_with_every_matrix_outside_of_them(
    family: str, exports: Exports
) -> None:
    for name in ("vision.onnx", "decoder.onnx"):
        model = graph(exports.folder(family), name)
        assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 24)]
        assert {node.domain for node in model.graph.node} == {""}
        inside = [t.name for t in model.graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL]
        inside = [t.name for t in model.graph.initializer if t.name in inside and len(t.dims) == 2]
        assert inside == []  # a file of more than 2 GB could not be written
        onnx.checker.check_model(str(exports.folder(family) / name))


def test_the_decoder_is_made_of_the_layers_that_runtimes_have_kernels_for(exports: Exports) -> None:
    for family in FAMILIES:
        kinds = Counter(node.op_type for node in graph(exports.folder(family), "decoder.onnx").graph.node)
        assert (kinds["Attention"], kinds["TensorScatter"]) == (layers_of(family), 2 * layers_of(family))
        named = graph(exports.folder(family), "decoder.onnx").graph.input[0].type.tensor_type.shape.dim
        assert [dim.dim_param for dim in named][:2] == ["rows", "length"]


def test_int8_holds_every_weight_of_the_decoder_in_8_bits_and_leaves_the_vision_tower(
    exports: Exports,
) -> None:
    for family in FAMILIES:
        folder, wide = exports.folder(family, "int8"), exports.folder(family, "fp16")
        weights = [t for t in graph(folder, "decoder.onnx").graph.initializer if len(t.dims) == 2]
        assert [t.data_type for t in weights] == [onnx.TensorProto.INT8] * (7 * layers_of(family) + 1)
        kinds = {t.data_type for t in graph(folder, "vision.onnx").graph.initializer}
        assert onnx.TensorProto.INT8 not in kinds
        sizes = [(f / "decoder.onnx.data").stat().st_size for f in (folder, wide)]
        assert 0.5 <= sizes[0] / sizes[1] < 0.6


def test_the_command_prints_the_manifest_by_its_schema_and_progress_apart_from_it(exports: Exports) -> None:
    folder = exports.folder("qwen2_5_vl", "fp16")
    done = exports.printed["qwen2_5_vl", "fp16"]
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, json.loads((files("export") / "schemas/export-1.schema.json").read_text()))
    assert printed == json.loads((folder / "manifest.json").read_text())
    assert (printed["dtype"], printed["max_length"]) == ("fp16", 2304)
    assert "arning" not in done.stderr and "writing the decoder graph ..." in done.stderr


def adapter_of(to: Path) -> Path:
    """A LoRA adapter with weights that change answers."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    model = network("qwen2_5_vl")
    lora = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with quiet_peft():
        get_peft_model(model, lora).save_pretrained(to)
    return to


def test_an_adapter_is_merged_and_the_export_says_what_the_merged_model_says(
    exports: Exports, tmp_path: Path
) -> None:
    from peft import PeftModel

    checkpoint = exports.checkpoint("qwen2_5_vl")
    adapter = adapter_of(tmp_path / "adapter")
    out = tmp_path / "export"
    export_checkpoint(str(checkpoint), out, dtype="fp32", max_length=512, adapter=adapter)

    ids = list(range(100, 140))
    with quiet_peft():
        adapted = PeftModel.from_pretrained(network("qwen2_5_vl"), adapter).eval()  # not merged
    base = network("qwen2_5_vl")
    expected, plain = (greedy(model, ids) for model in (adapted, base))
    assert written(out, ids) == expected != plain

    truth = load_truth(read_manifest(out), str(checkpoint), adapter=adapter)
    assert [f for f in check_of(out, truth).findings() if f.passed is False] == []
    with pytest.raises(ExportError, match="is not what this export was made from"):
        load_truth(read_manifest(out), str(checkpoint))


def greedy(model: Any, ids: list[int]) -> list[int]:
    tokens = torch.tensor([ids])
    with torch.inference_mode():
        found = model.generate(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=32, do_sample=False,
            eos_token_id=None, pad_token_id=0, suppress_tokens=[3, 4, 5, 6],
            mm_token_type_ids=torch.zeros_like(tokens),
        )  # fmt: skip
    return list(found[0, len(ids) :].tolist())


def written(folder: Path, ids: list[int]) -> list[int]:
    runtime = runtime_of(folder)
    prefix = Prefix(prompt=prompt_of([Words(tuple(ids[:-1]))], runtime.shapes))
    (answer,) = Generator(runtime, stops=frozenset()).write(
        [prefix], [Ask(prefix=0, ids=(ids[-1],))], Sampling(max_new=32)
    )
    return list(answer.ids)


def test_an_adapter_of_another_network_or_half_an_adapter_is_refused(
    exports: Exports, tmp_path: Path
) -> None:
    adapter = adapter_of(tmp_path / "adapter")
    with pytest.raises(EngineError, match="doesn't fit this checkpoint"):
        export_checkpoint(str(exports.checkpoint("qwen3_vl")), tmp_path / "out", adapter=adapter)
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(EngineError, match=r"adapter_model.safetensors is missing"):
        export_checkpoint(str(exports.checkpoint("qwen2_5_vl")), tmp_path / "out", adapter=adapter)
    assert not (tmp_path / "out").exists()


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """As on a disk that is full: writing more than `size` bytes to a file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [100_000, 400_000])  # the embedding doesn't fit; the vision graph's weights
def test_a_full_disk_is_said_and_leaves_nothing(room: int, exports: Exports, tmp_path: Path) -> None:
    checkpoint = str(exports.checkpoint("qwen2_5_vl"))
    with (
        files_no_longer_than(room),
        pytest.raises(ExportError, match=r"out can't be written: .*File too large"),
    ):
        export_checkpoint(checkpoint, tmp_path / "out", max_length=512, dtype="fp32")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_broken_off_leaves_the_older_one(exports: Exports, tmp_path: Path) -> None:
    out = exports.copy("qwen2_5_vl", tmp_path / "out")
    before = read_manifest(out)

    def stop(what: str) -> None:
        if what == "writing the vision graph":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_checkpoint(str(exports.checkpoint("qwen2_5_vl")), out, dtype="fp16", told=stop)
    assert read_manifest(out) == before
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_of_something_else_is_not_replaced(exports: Exports, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"a cat")
    with pytest.raises(ExportError, match="photos is there already and is no"):
        export_checkpoint(str(exports.checkpoint("qwen2_5_vl")), tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"a cat"


@pytest.mark.parametrize("length", [255, 8193])
def test_a_length_that_the_checkpoint_was_not_made_for_is_refused(
    length: int, exports: Exports, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=f"--max-length {length}: this checkpoint takes 256 to 8192 tokens"):
        export_checkpoint(str(exports.checkpoint("qwen2_5_vl")), tmp_path / "out", max_length=length)
    assert not (tmp_path / "out").exists()


def test_the_manifest_finds_its_checkpoint_after_both_moved(exports: Exports, tmp_path: Path) -> None:
    from export.origin import checkpoint_of

    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(exports.checkpoint("qwen2_5_vl"), home / exports.checkpoint("qwen2_5_vl").name)
    folder = exports.copy("qwen2_5_vl", home / "export")
    assert checkpoint_of(read_manifest(folder), folder) == str(home / exports.checkpoint("qwen2_5_vl").name)
