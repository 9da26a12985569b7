"""What a manifest remembers, and how it notices that an export isn't what was made."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engines.manifest import FileSeal, Manifest, check_contents, read_manifest, seal_of
from engines.qwen.pixels import Normalisation
from engines.qwen.shapes import shapes_of
from grounding.errors import EngineError
from tests import tiny_qwen


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """One of an export of two files, written beside them."""
    for name in ("decoder.onnx", "decoder.onnx.data"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    made = Manifest(
        shapes=shapes_of(tiny_qwen.model("qwen3_vl").config),
        dtype="int8",
        max_length=4096,
        layout="qwen3-native",
        normalisation=Normalisation(mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0)),
        stops=(2, 5),
        own={"layout": "qwen3-native", "rate_hz": 1.5},
        checkpoint="../checkpoint",
        adapter=None,
        source="0" * 64,
        versions={"torch": "2.13.0"},
        files={path.name: seal_of(path) for path in sorted(tmp_path.iterdir())},
    )
    made.write(tmp_path)
    return made


def change(folder: Path, **values: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_was_written_is_read_back(manifest: Manifest, tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == manifest


def test_the_identity_changes_with_the_checkpoint_and_with_every_file(manifest: Manifest) -> None:
    other = FileSeal(bytes=1, sha256="1" * 64)
    changed = [
        replace(manifest, source="1" * 64),
        *(replace(manifest, files={**manifest.files, name: other}) for name in manifest.files),
    ]
    assert len({manifest.identity, *(m.identity for m in changed)}) == 4
    assert replace(manifest, checkpoint="elsewhere").identity == manifest.identity


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"max_length": 9999}, "was changed after it was written; run `proofreel export onnx` again"),
        ({"seal": "0" * 64}, "was changed after it was written"),
        ({"schema": "proofreel.export/2"}, "is not of proofreel.export/1, which this Proofreel reads"),
    ],
)
def test_a_manifest_that_was_edited_by_hand_is_refused(
    values: dict[str, object], expected: str, manifest: Manifest, tmp_path: Path
) -> None:
    change(tmp_path, **values)
    with pytest.raises(EngineError, match=rf"manifest.json {expected}"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"proofreel.export/1"', "\x00\xff"])
def test_a_manifest_that_is_none_is_refused(text: str, manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(EngineError, match=r"manifest.json (can't be read|is not of).*export onnx` again"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [("dtype", "int4", "dtype 'int4' is not one of fp32"), ("layout", "mine", "layout 'mine' is not one of")],
)
def test_a_value_that_this_version_does_not_know_is_named(
    field: str, value: str, expected: str, manifest: Manifest, tmp_path: Path
) -> None:
    replace(manifest, **{field: value}).write(tmp_path)  # sealed, as by another version
    with pytest.raises(EngineError, match=expected):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"manifest.json is missing; run `proofreel export onnx` again"):
        read_manifest(tmp_path)


def test_a_missing_and_a_truncated_file_are_named(manifest: Manifest, tmp_path: Path) -> None:
    with open(tmp_path / "decoder.onnx.data", "r+b") as data:
        data.truncate(700)
    with pytest.raises(EngineError, match=r"decoder.onnx.data has 700 bytes of 1,700; run"):
        read_manifest(tmp_path)
    (tmp_path / "decoder.onnx").unlink()
    with pytest.raises(EngineError, match=r"decoder.onnx is missing; run"):
        read_manifest(tmp_path)


def test_one_flipped_bit_is_found_when_contents_are_checked(manifest: Manifest, tmp_path: Path) -> None:
    check_contents(tmp_path, manifest)
    data = bytearray((tmp_path / "decoder.onnx.data").read_bytes())
    data[33] ^= 1
    (tmp_path / "decoder.onnx.data").write_bytes(data)
    assert read_manifest(tmp_path) == manifest  # its size is right
    with pytest.raises(EngineError, match=r"decoder.onnx.data was changed after the export"):
        check_contents(tmp_path, manifest)
