"""`export check`: green for what was exported, red for what was spoilt, and engines that ask for it."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner, Result

from engines.manifest import ExportType, read_manifest
from engines.onnx import load
from engines.parity import NAME, Finding
from export.commands import register
from export.reading import read_by_tensorrt
from grounding.errors import EngineError, ExportError
from tests import tiny_qwen
from tests.exports import FAMILIES, LAYERS, Exports, blocks_of, check_of, layers_of, reseal

APP = typer.Typer()
register(APP)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(APP, ["export", *map(str, arguments)])


def red(findings: Sequence[Finding]) -> list[str]:
    return [f"{f.point} {f.case}" for f in findings if f.passed is False]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "int8"])
def test_an_export_says_what_its_checkpoint_says(family: str, dtype: ExportType, exports: Exports) -> None:
    findings = check_of(exports.folder(family, dtype), exports.truth(family)).findings()
    assert [f for f in findings if f.passed is False] == []
    points = {1, 2, 4} if dtype == "fp32" else {1, 2, 3, 4}
    assert {f.point for f in findings} == points
    if dtype == "fp32":
        exact = [f for f in findings if f.point == 2]
        assert {f.case for f in exact} > {"text", "image", "video", "image and video", "long"}
        assert all((f.value, f.bound, f.passed) == (64, 64, True) for f in exact)


def test_a_reference_answer_depends_on_all_that_was_shown_and_is_no_single_word(exports: Exports) -> None:
    """Else the same tokens would prove nothing."""
    for family in FAMILIES:
        truth = exports.truth(family)
        assert min(len(set(answer.tokens.tolist())) for answer in truth.short) > 5
        assert len({tuple(answer.tokens.tolist()) for answer in truth.short}) == len(truth.short)
        ids, _ = truth.long.case.tokens(check_of(exports.folder(family), truth).runtime.shapes)
        assert len(ids) > 2_000


def matrices(folder: Path, graph: str, dtype: Any) -> Iterator[Any]:
    """The numbers of each matrix of this type, as they lie on the disk: what is written stays."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    for tensor in onnx.load(folder / graph, load_external_data=False).graph.initializer:
        if len(tensor.dims) == 2 and tensor.data_type == kind:
            place = {entry.key: entry.value for entry in tensor.external_data}
            path, offset = folder / place["location"], int(place.get("offset", 0))
            numbers = np.memmap(path, dtype=dtype, mode="r+", offset=offset, shape=tuple(tensor.dims))
            yield numbers
            numbers.flush()


def one_weight_off(folder: Path, graph: str) -> None:
    """Change one number of one matrix."""
    for matrix in matrices(folder, graph, np.float32):
        matrix[0, 0] += 0.5
        break


def mask_one_place_too_wide(folder: Path, graph: str) -> None:
    """Let every token see the place behind its own."""
    model = onnx.load(folder / graph, load_external_data=False)
    (compare,) = [node for node in model.graph.node if node.op_type == "LessOrEqual"]
    one = onnx.helper.make_tensor("one_place", onnx.TensorProto.INT64, [], [1])
    model.graph.initializer.append(one)
    less = onnx.helper.make_node("Sub", [compare.input[0], "one_place"], ["nearer"], name="nearer")
    model.graph.node.insert(list(model.graph.node).index(compare), less)
    compare.input[0] = "nearer"
    onnx.save(model, folder / graph)


SPOILT: dict[str, tuple[Callable[[Path, str], None], str, str]] = {
    "a weight of the decoder": (one_weight_off, "decoder.onnx", "1 short prompts"),
    "a weight of the vision tower": (one_weight_off, "vision.onnx", "1 5 sets of grids"),
    "the mask": (mask_one_place_too_wide, "decoder.onnx", "4 caches full of 10000"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_graph_turns_the_check_red(what: str, exports: Exports, tmp_path: Path) -> None:
    spoil, graph, expected = SPOILT[what]
    folder = exports.copy("qwen3_vl", tmp_path / "spoilt")
    manifest = read_manifest(folder)
    spoil(folder, graph)
    reseal(folder, manifest)
    truth = exports.truth("qwen3_vl")
    quick = replace(truth, long=truth.short[0])
    assert expected in red(check_of(folder, quick).findings())


def test_too_few_bits_are_seen(exports: Exports, tmp_path: Path) -> None:
    """int8's weights with half of their bits gone are no int8 that may pass."""
    folder = exports.copy("qwen2_5_vl", tmp_path / "coarse", dtype="int8")
    manifest = read_manifest(folder)
    for matrix in matrices(folder, "decoder.onnx", np.int8):
        matrix[:] = matrix // 16 * 16
    reseal(folder, manifest)
    truth = exports.truth("qwen2_5_vl")
    assert "3 short prompts" in red(check_of(folder, replace(truth, long=truth.short[0])).findings())


def test_tensorrt_reads_every_graph_and_leaves_nothing_out(exports: Exports) -> None:
    for family in FAMILIES:
        depth, layers = blocks_of(family), layers_of(family)
        for dtype in ("fp32", "fp16", "int8"):
            folder = exports.folder(family, dtype)
            findings = read_by_tensorrt(folder, read_manifest(folder))
            assert [(f.value, f.passed) for f in findings] == [
                (depth, True), (0, True), (layers, True), (2 * layers, True), (0, True)
            ]  # fmt: skip


def test_an_input_that_tensorrt_would_drop_in_silence_is_red(exports: Exports, tmp_path: Path) -> None:
    """onnxruntime heeds `nonpad_kv_seqlen`; TensorRT's parser takes the graph, and doesn't."""
    folder = exports.copy("qwen3_vl", tmp_path / "spoilt")
    model = onnx.load(folder / "decoder.onnx", load_external_data=False)
    node = next(node for node in model.graph.node if node.op_type == "Attention")
    node.input.extend(["", "", "write_index"])
    onnx.save(model, folder / "decoder.onnx")
    findings = read_by_tensorrt(folder, read_manifest(exports.folder("qwen3_vl")))
    assert red(findings) == ["5 decoder.onnx, read otherwise than meant"]


def test_a_graph_that_tensorrt_can_not_read_is_red(exports: Exports, tmp_path: Path) -> None:
    folder = exports.copy("qwen3_vl", tmp_path / "spoilt")
    (folder / "vision.onnx").write_bytes(b"no graph")
    findings = read_by_tensorrt(folder, read_manifest(exports.folder("qwen3_vl")))
    assert red(findings) == ["5 vision.onnx is read"]


@pytest.fixture(scope="module")
def checked(exports: Exports, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """An export that was checked by the command, and what the command printed."""
    folder = exports.copy("qwen2_5_vl", tmp_path_factory.mktemp("checked") / "export")
    done = run("check", folder, "--model", exports.checkpoint("qwen2_5_vl"), "--json")
    assert done.exit_code == 0, done.output
    return folder, json.loads(done.stdout)


def test_the_command_prints_what_it_writes_by_its_schema(checked: tuple[Path, dict[str, Any]]) -> None:
    folder, printed = checked
    jsonschema.validate(printed, json.loads((files("export") / "schemas/parity-1.schema.json").read_text()))
    assert json.loads((folder / NAME).read_text()) == printed
    assert (printed["passed"], printed["runtime"]) == (True, "onnx on cpu")
    assert {finding["point"] for finding in printed["findings"]} == {1, 2, 4, 5}
    assert printed["identity"] == read_manifest(folder).identity


def test_an_engine_takes_a_checked_export(checked: tuple[Path, dict[str, Any]]) -> None:
    engine = load(str(checked[0]))
    assert engine.fingerprint != load(str(checked[0]), unchecked=True).fingerprint
    engine.close()


def test_an_engine_refuses_an_unchecked_export_until_told_to_go_on(exports: Exports) -> None:
    folder = exports.folder("qwen2_5_vl")
    with pytest.raises(
        EngineError, match=r"never held against its checkpoint.*proofreel export check.*--unch"
    ):
        load(str(folder))
    load(str(folder), unchecked=True).close()


def test_an_engine_refuses_a_check_of_another_export(
    checked: tuple[Path, dict[str, Any]], exports: Exports, tmp_path: Path
) -> None:
    folder = exports.copy("qwen3_vl", tmp_path / "other")
    (folder / NAME).write_text((checked[0] / NAME).read_text())
    with pytest.raises(EngineError, match=r"parity.json is of another export; run `proofreel export check"):
        load(str(folder))


def test_a_red_check_fails_the_command_and_keeps_the_engine_from_starting(
    exports: Exports, tmp_path: Path
) -> None:
    folder = exports.copy("qwen2_5_vl", tmp_path / "spoilt")
    manifest = read_manifest(folder)
    one_weight_off(folder, "decoder.onnx")
    reseal(folder, manifest)
    done = run("check", folder, "--model", exports.checkpoint("qwen2_5_vl"))
    assert done.exit_code == 1
    assert "RED" in done.stdout and "does NOT say what its checkpoint says" in done.stdout
    with pytest.raises(EngineError, match=r"does not say what its checkpoint says \(decoder logits, short"):
        load(str(folder))


def test_a_file_that_changed_after_the_export_is_found_before_anything_is_measured(
    exports: Exports, tmp_path: Path
) -> None:
    folder = exports.copy("qwen2_5_vl", tmp_path / "rotten")
    one_weight_off(folder, "decoder.onnx")
    done = run("check", folder)
    assert isinstance(done.exception, EngineError)
    assert "decoder.onnx.data was changed after the export" in str(done.exception)


def test_another_checkpoint_is_no_reference(exports: Exports, tmp_path: Path) -> None:
    other = tiny_qwen.save_checkpoint(tmp_path / "other", "qwen2_5_vl", seed=1, **LAYERS["qwen2_5_vl"])
    done = run("check", exports.folder("qwen2_5_vl"), "--model", other)
    assert isinstance(done.exception, ExportError)
    assert "is not what this export was made from" in str(done.exception)


def test_a_checkpoint_that_moved_is_asked_for(exports: Exports, tmp_path: Path) -> None:
    done = run("check", exports.copy("qwen2_5_vl", tmp_path / "a" / "b" / "moved"))
    assert isinstance(done.exception, ExportError)
    assert "name it with --model CHECKPOINT" in str(done.exception)
