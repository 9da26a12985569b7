"""Plans that don't fit where they are, or aren't what they were, are refused with what helps."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engines.manifest import seal_of
from engines.plan_limits import Limits
from engines.plans import NAME, Place, Plans, check_export, check_fits, read_plan, read_plans
from engines.tensorrt_library import Library, find_library
from grounding.errors import EngineError

ADA = Place(gpu="NVIDIA RTX 4090", capability="SM89")
AMPERE = Place(gpu="NVIDIA A10", capability="SM86")
HOPPER = Place(gpu="NVIDIA H100", capability="SM90")
RTX = find_library("tensorrt_rtx")
TENSORRT = Library(name="tensorrt", version="11.4.0", api=None, log=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vision.plan").write_bytes(b"v" * 100)
    (tmp_path / "decoder.plan").write_bytes(b"d" * 200)
    plans_of(tmp_path).write(tmp_path)
    return tmp_path


def plans_of(folder: Path) -> Plans:
    return Plans(
        library="tensorrt_rtx",
        version=RTX.version,
        capabilities=("SM89",),
        gpu=None,
        export="1" * 64,
        limits=Limits(rows=(4, 32), chunk=512, pictures=16, patches=1024),
        attention={"vision": "fused", "decoder": "fused"},
        layers={"vision": {"ATTENTION_OUTPUT": 2}, "decoder": {"ATTENTION_OUTPUT": 2, "KV_CACHE_UPDATE": 4}},
        files={path.name: seal_of(path) for path in sorted(folder.glob("*.plan"))},
    )


def changed(folder: Path, **values: object) -> None:
    """Edit the record by hand."""
    table = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps({**table, **values}))


def test_a_record_is_read_as_it_was_written(folder: Path) -> None:
    assert read_plans(folder) == plans_of(folder)


def test_plans_that_fit_are_taken(folder: Path) -> None:
    plans = read_plans(folder)
    check_fits(plans, RTX, ADA, folder)
    check_export(plans, "1" * 64, folder)
    assert read_plan(folder, plans, "vision.plan") == b"v" * 100


def test_plans_for_another_gpu_are_refused_with_the_command_for_this_one(folder: Path) -> None:
    with pytest.raises(EngineError) as refused:
        check_fits(read_plans(folder), RTX, AMPERE, folder)
    assert str(refused.value) == (
        f"plans {folder}: built for SM89, and this is NVIDIA A10 (SM86); run `proofreel export tensorrt "
        f"EXPORT {folder} --library tensorrt_rtx --for SM86 --rows 4,32 --chunk 512 --pictures 16 --patches "
        "1024`"
    )


def test_a_gpu_that_tensorrt_rtx_does_not_know_is_told_what_does_run_there(folder: Path) -> None:
    with pytest.raises(EngineError, match=r"doesn't run on NVIDIA H100 \(SM90\), only on SM75.*`--engine"):
        check_fits(read_plans(folder), RTX, HOPPER, folder)


def test_plans_of_another_version_are_refused_with_both_named(folder: Path) -> None:
    plans = replace(plans_of(folder), version="1.2.0.54")
    with pytest.raises(
        EngineError, match=rf"built with tensorrt_rtx 1\.2\.0\.54, and tensorrt_rtx {RTX.version} is here"
    ):
        check_fits(plans, RTX, ADA, folder)


def test_plans_of_tensorrt_are_for_the_very_gpu_they_were_built_on(folder: Path) -> None:
    plans = replace(plans_of(folder), library="tensorrt", version=TENSORRT.version, gpu="NVIDIA RTX 4090")
    check_fits(plans, TENSORRT, ADA, folder)
    with pytest.raises(EngineError, match=r"built on NVIDIA RTX 4090, and this is NVIDIA L4; run `"):
        check_fits(plans, TENSORRT, Place(gpu="NVIDIA L4", capability="SM89"), folder)


def test_plans_of_another_export_are_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match=r"built from another export .*111111111111, not 222222222222"):
        check_export(read_plans(folder), "2" * 64, folder)


def test_a_plan_that_was_cut_short_is_refused_by_its_size(folder: Path) -> None:
    (folder / "decoder.plan").write_bytes(b"d" * 150)
    with pytest.raises(EngineError, match=r"decoder\.plan has 150 bytes of 200; run `proofreel export"):
        read_plans(folder)


def test_a_plan_of_the_right_size_with_wrong_bytes_is_refused(folder: Path) -> None:
    (folder / "decoder.plan").write_bytes(b"d" * 199 + b"x")
    with pytest.raises(EngineError, match=r"decoder\.plan is damaged; run `proofreel export tensorrt EXPORT"):
        read_plan(folder, read_plans(folder), "decoder.plan")


def test_a_plan_that_is_gone_is_named(folder: Path) -> None:
    (folder / "vision.plan").unlink()
    with pytest.raises(EngineError, match=r"vision\.plan is missing; run `proofreel export tensorrt"):
        read_plans(folder)


def test_a_record_edited_by_hand_is_refused(folder: Path) -> None:
    changed(folder, capabilities=["SM86"])
    with pytest.raises(EngineError, match=r"plans\.json was changed after it was written; run `"):
        read_plans(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "proofreel.export/1"}', "\0"])
def test_a_record_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / NAME).write_text(text)
    with pytest.raises(EngineError, match=r"plans\.json (can't be read|is not of proofreel\.plans/1)"):
        read_plans(folder)


@pytest.mark.parametrize("rows", [(), (0, 4), (4, 4), (8, 4)])
def test_ranges_of_rows_must_rise(rows: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="give rising numbers of at least 1, as 4,32"):
        Limits(rows=rows, chunk=1, pictures=1, patches=4)


def test_every_number_of_rows_is_in_one_range() -> None:
    limits = Limits(rows=(1, 4, 32), chunk=1, pictures=1, patches=4)
    assert limits.ranges == ((1, 1), (2, 4), (5, 32))


def test_a_library_that_is_not_installed_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        EngineError, match=r"is not installed here \(.*\): `pip install 'proofreel\[tensorrt\]'`"
    ):
        find_library("tensorrt")


def test_whichever_library_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert find_library().name == "tensorrt_rtx"
