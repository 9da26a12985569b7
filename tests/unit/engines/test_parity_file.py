"""Who may run: an export whose parity file is there, its own, unchanged and green."""

import json
from pathlib import Path

import pytest

from engines.parity import NAME, Finding, Parity, require_parity
from grounding.errors import EngineError

IDENTITY = "a" * 64
GOOD = Finding(
    point=1, what="decoder logits", case="text", measure="largest error", value=1e-6, bound=1e-4, passed=True
)
RED = Finding(
    point=2, what="greedy tokens", case="video", measure="tokens alike", value=3, bound=64, passed=False
)
TOLD = Finding(point=2, what="greedy tokens", case="image", measure="tokens alike", value=3)


def parity(*findings: Finding, identity: str = IDENTITY) -> Parity:
    return Parity(
        identity=identity,
        family="qwen3_vl",
        dtype="fp16",
        runtime="onnx on cpu",
        versions={},
        findings=findings,
    )


def test_a_green_parity_file_lets_the_engine_run(tmp_path: Path) -> None:
    parity(GOOD, TOLD).write(tmp_path)
    require_parity(tmp_path, identity=IDENTITY)


@pytest.mark.parametrize(
    ("findings", "identity", "expected"),
    [
        ((GOOD, RED, RED), IDENTITY, r"what its checkpoint says \(greedy tokens, video, and 1 more\)"),
        ((TOLD,), IDENTITY, r"\(nothing was judged\)"),
        ((), IDENTITY, r"\(nothing was judged\)"),
        ((GOOD,), "b" * 64, "parity.json is of another export"),
    ],
)
def test_a_red_or_foreign_one_does_not(
    findings: tuple[Finding, ...], identity: str, expected: str, tmp_path: Path
) -> None:
    parity(*findings, identity=identity).write(tmp_path)
    with pytest.raises(EngineError, match=rf"{expected}.*; run `proofreel export check .*--unchecked"):
        require_parity(tmp_path, identity=IDENTITY)


def test_none_is_no_better_than_a_red_one(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"was never held against its checkpoint; run `proofreel export ch"):
        require_parity(tmp_path, identity=IDENTITY)


def test_a_red_one_made_green_by_hand_is_noticed(tmp_path: Path) -> None:
    parity(RED).write(tmp_path)
    body = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps({**body, "passed": True}))
    with pytest.raises(
        EngineError, match=r"parity.json was changed after it was written; run `proofreel exp"
    ):
        require_parity(tmp_path, identity=IDENTITY)


def test_one_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"schema": "proofreel.parity/9"}')
    with pytest.raises(EngineError, match=r"parity.json is not of proofreel.parity/1"):
        require_parity(tmp_path, identity=IDENTITY)
