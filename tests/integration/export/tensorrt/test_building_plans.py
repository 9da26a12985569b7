"""Plans built by the real TensorRT-RTX on a CPU, from exports of both families."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest
from onnx import TensorProto, helper

from engines.manifest import DECODER, NAME, VISION, ExportType, read_manifest
from engines.plan_limits import Limits
from engines.plans import DECODER_PLAN, VISION_PLAN, Place, read_plans
from engines.qwen.shapes import FAMILIES
from engines.tensorrt import deserialised, load
from engines.tensorrt_library import find_library
from export.checking import check_export
from export.tensorrt import Target, Workshop, build_engines, check_layers
from grounding.errors import EngineError, ExportError
from proofreel import cli
from tests.integration.export.tensorrt.conftest import Exports

LIMITS = Limits(rows=(2,), chunk=32, pictures=2, patches=64)
RTX = find_library("tensorrt_rtx")


@pytest.fixture(scope="module")
def plans(exports: Exports, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plans of the smallest export, for the tests that look at what lies beside them."""
    out = tmp_path_factory.mktemp("plans") / "plans"
    build_engines(exports("qwen3_vl", "fp16"), out, capabilities=("SM86", "SM89"), limits=LIMITS)
    return out


@pytest.fixture
def copied(plans: Path, tmp_path: Path) -> Path:
    return shutil.copytree(plans, tmp_path / "plans")


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16", "int8"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_graph_compiles_with_caches_updated_in_place_and_attention_in_one_layer(
    family: str, dtype: ExportType, exports: Exports, tmp_path: Path
) -> None:
    export = exports(family, dtype)
    said = len(RTX.log.lines)
    built = build_engines(export, tmp_path / "plans", capabilities=("SM89",), limits=LIMITS)
    shapes = read_manifest(export).shapes
    assert built.layers["decoder"]["KV_CACHE_UPDATE"] == 2 * shapes.text.layers
    assert built.layers["decoder"]["ATTENTION_OUTPUT"] == shapes.text.layers
    assert built.layers["vision"]["ATTENTION_OUTPUT"] == shapes.vision.depth
    assert set(built.attention.values()) == {"decomposed" if dtype == "fp32" else "fused"}
    assert ("DEQUANTIZE" in built.layers["decoder"]) == (dtype == "int8")
    heard = [text for _, text in RTX.log.lines[said:]]
    assert [
        text for text in heard if "nused" in text or ("CUDA driver" not in text and "Int64" not in text)
    ] == []
    assert built.files[VISION_PLAN].bytes > 10_000 < built.files[DECODER_PLAN].bytes


def test_an_exported_graph_says_nothing_of_the_machine_that_made_it(exports: Exports) -> None:
    export = exports("qwen2_5_vl", "fp32")
    home = str(Path(__file__).resolve().parents[4]).encode()
    libraries = str(Path(onnx.__file__).parents[1]).encode()
    for name in (VISION, DECODER):
        written = (export / name).read_bytes()
        for told in (home, libraries, str(export.parent).encode(), b".py", b'File "', b"pkg.torch"):
            assert told not in written


def test_plans_lie_with_all_that_running_them_takes_and_with_nothing_of_the_graphs(
    plans: Path, exports: Exports
) -> None:
    export = exports("qwen3_vl", "fp16")
    there = {path.name for path in plans.iterdir()}
    assert there == {path.name for path in export.iterdir() if ".onnx" not in path.name} | {
        "plans.json", VISION_PLAN, DECODER_PLAN,
    }  # fmt: skip
    record = read_plans(plans)
    assert record.export == read_manifest(export).identity
    assert (record.library, record.version) == (RTX.name, RTX.version)
    assert (record.capabilities, record.gpu) == (("SM86", "SM89"), None)


def test_a_part_of_a_graph_that_tensorrt_leaves_out_is_an_error(tmp_path: Path) -> None:
    workshop = Workshop(RTX, Target(capabilities=("SM89",), gpu=None), fused=True, workspace_bytes=None)
    graph, many = graph_with_dropped_input(tmp_path / "graph.onnx"), ((1, 2, 1, 16),) * 3
    profile = {"q": many, "k": many, "v": many, "length": ((1,),) * 3}
    with pytest.raises(ExportError, match=r"would leave a part of .*graph\.onnx out: .*Unused Input: length"):
        workshop.build(graph, tmp_path / "graph.plan", profiles=[profile], expected={"ATTENTION_OUTPUT": 1})
    assert not (tmp_path / "graph.plan").exists()


def test_attention_without_a_kernel_is_built_of_plain_layers_and_the_record_says_so(tmp_path: Path) -> None:
    workshop = Workshop(RTX, Target(capabilities=("SM89",), gpu=None), fused=True, workspace_bytes=None)
    modes = {}
    for width in (128, 300):
        many = ((1, 2, 1, width), (2, 2, 32, width), (2, 2, 32, width))
        built = workshop.build(
            attention_graph(tmp_path / "graph.onnx", width=width),
            tmp_path / "graph.plan",
            profiles=[{"q": many, "k": many, "v": many}],
            expected={"ATTENTION_OUTPUT": 1},
        )
        modes[width] = built.attention
    assert modes == {128: "fused", 300: "decomposed"}


def graph_with_dropped_input(path: Path) -> Path:
    """Attention that counts the keys by `nonpad_kv_seqlen`, which TensorRT's parser drops."""
    return attention_graph(path, width=16, extra=["", "", "", "length"])


def attention_graph(path: Path, *, width: int, extra: list[str] | None = None) -> Path:
    half, many = TensorProto.FLOAT16, ["rows", 2, "length", width]
    inputs = [helper.make_tensor_value_info(name, half, many) for name in ("q", "k", "v")]
    if extra:
        inputs.append(helper.make_tensor_value_info(extra[-1], TensorProto.INT64, ["rows"]))
    node = helper.make_node("Attention", ["q", "k", "v", *(extra or [])], ["y"])
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", half, many)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10), path)
    return path


def test_a_graph_without_a_cache_update_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"has 3 layers KV_CACHE_UPDATE where 4 were exported"):
        check_layers({"KV_CACHE_UPDATE": 3}, {"KV_CACHE_UPDATE": 4}, graph=Path(DECODER))


def test_a_build_that_fails_leaves_no_folder_and_the_older_plans_as_they_were(
    copied: Path, exports: Exports, tmp_path: Path
) -> None:
    before = sorted((path.name, path.read_bytes()) for path in copied.iterdir())
    impossible = Limits(rows=(2,), chunk=32, pictures=1 << 20, patches=1 << 20)
    for out in (copied, tmp_path / "fresh"):
        with pytest.raises(ExportError, match=r"can't build .*vision\.onnx: .*violate shape constraints"):
            build_engines(exports("qwen3_vl", "fp16"), out, capabilities=("SM89",), limits=impossible)
    assert sorted((path.name, path.read_bytes()) for path in copied.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["plans"]


def test_a_capability_that_the_library_does_not_know_is_refused_with_those_it_does(
    exports: Exports, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"--for SM90: tensorrt_rtx .* builds for SM75, .*SM89"):
        build_engines(exports("qwen3_vl", "fp16"), tmp_path / "plans", capabilities=("SM90",))


def test_without_a_gpu_the_command_asks_for_which_to_build(exports: Exports, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no GPU here to build for: say which with --for \(SM75"):
        build_engines(exports("qwen3_vl", "fp16"), tmp_path / "plans")


def test_plans_are_refused_where_there_is_no_gpu(plans: Path) -> None:
    for use in (load, lambda model: check_export(Path(model))):
        with pytest.raises(EngineError, match=r"PyTorch sees none here: use `--engine onnx`"):
            use(str(plans))


def test_plans_that_were_not_held_against_their_checkpoint_are_refused(
    plans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.tensorrt.place_of_gpu", lambda: Place(gpu="RTX 4090", capability="SM89"))
    with pytest.raises(EngineError, match=r"never held against its checkpoint; run `proofreel export check "):
        load(str(plans))


def test_tensorrt_gives_its_reason_when_it_can_not_load_a_plan(plans: Path) -> None:
    with pytest.raises(EngineError, match=r"x\.plan can't be loaded by tensorrt_rtx .*CUDA driver"):
        deserialised((plans / DECODER_PLAN).read_bytes(), RTX, where="x.plan")


def test_a_plan_with_one_byte_changed_is_refused_before_tensorrt_sees_it(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = bytearray((copied / VISION_PLAN).read_bytes())
    plan[len(plan) // 2] ^= 1
    (copied / VISION_PLAN).write_bytes(plan)
    monkeypatch.setattr("engines.tensorrt.place_of_gpu", lambda: Place(gpu="RTX 4090", capability="SM89"))
    with pytest.raises(EngineError, match=r"vision\.plan is damaged; run `proofreel export tensorrt EXPORT"):
        load(str(copied), unchecked=True)


def test_plans_beside_the_manifest_of_another_export_are_refused(copied: Path, exports: Exports) -> None:
    shutil.copy(exports("qwen3_vl", "fp32") / NAME, copied / NAME)
    with pytest.raises(
        EngineError, match=r"built from another export .*run `proofreel export tensorrt EXPORT "
    ):
        load(str(copied))


def test_a_folder_of_an_export_is_refused_with_the_command_that_makes_plans(exports: Exports) -> None:
    with pytest.raises(EngineError, match=r"plans\.json is missing; run `proofreel export tensorrt EXPORT "):
        load(str(exports("qwen3_vl", "fp16")))


def run_command(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["proofreel", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code in (0, None)


def test_the_command_builds_for_a_gpu_that_is_not_here_and_says_what(
    exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "plans"
    arguments: list[Any] = ["export", "tensorrt", str(exports("qwen3_vl", "fp16")), str(out), "--for", "SM89"]
    run_command(
        [*arguments, "--rows", "2", "--chunk", "32", "--pictures", "2", "--patches", "64", "--json"],
        monkeypatch,
    )
    told = json.loads(capfd.readouterr().out)
    jsonschema.validate(told, json.loads((files("export") / "schemas/plans-1.schema.json").read_text()))
    assert told == json.loads((out / "plans.json").read_text())
    assert read_plans(out).limits == LIMITS
    assert told["capabilities"] == ["SM89"]
