"""Print docs/results/training.md from what `proofreel evaluate --json` wrote into docs/results/training/.

A file is named `ARM[-sN]-LEVEL-SPLIT[-CONTROL].json`: of which arm, seed and clips. What trained an arm is in
`run-ARM[-sN].json`: its run.json, config.json and summary.json in one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path("docs/results/training")
ROWS = ("mam", "joint", "acc", "tiou", "viou", "evidence_f1")
Document = dict[str, Any]


def main() -> None:
    print((FOLDER / "head.md").read_text(encoding="utf-8").rstrip())
    sections = (_model, _controls, _gspo_and_sft, _off_policy, _rewards, _options, _masks, _runs, _commands)
    for section in (made() for made in sections):
        if section:
            print(f"\n{section}")


def _documents(pattern: str) -> dict[str, Document]:
    paths = sorted(FOLDER.glob(f"{pattern}.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def _model() -> str:
    """What the shipped model reaches, by level and split."""
    documents = {n: d for n, d in _documents("sft-*").items() if d["control"] is None and _seed(n) == 0}
    rows = [
        [d["level"], d["split"], "chains" if d["asked_kinds"] else "all", d["n"], *_values(d, ROWS)]
        for d in documents.values()
    ]
    kinds = [_kinds(d) for d in documents.values() if not d["asked_kinds"]]
    return "\n\n".join(
        [
            "## The shipped model",
            _table(["level", "split", "asked", "n", *map(_title, ROWS)], rows),
            *kinds,
        ]
    )


def _kinds(document: Document) -> str:
    rows = [
        [kind, k["n"], *(_number(k.get("metrics", k).get(m)) for m in ("acc", "tiou", "viou", "evidence_f1"))]
        for kind, k in document["kinds"].items()
    ]
    title = f"By kind, {document['level']} {document['split']}:"
    return f"{title}\n\n" + _table(["kind", "n", "Acc", "tIoU", "vIoU", "evidence F1"], rows)


def _controls() -> str:
    rows = []
    for d in _documents("sft-*").values():
        if d["control"] in ("blind", "shuffled") and d["against"]:
            rows.append([d["level"], d["control"], d["n"], *_differences(d, ("acc", "tiou", "viou"))])
            order = d["against"]["kinds"].get("order")
            rows[-1].append("-" if order is None else _of_kind(d, "order", "acc"))
    return _section(
        "## 1. Against clips that show nothing, or at the wrong time",
        "Control minus full, the same questions; 95 % of a paired bootstrap in brackets.",
        ["level", "clips", "n", "Acc", "tIoU", "vIoU", "Acc of order questions"],
        rows,
    )


def _of_kind(document: Document, kind: str, metric: str) -> str:
    part = document["against"]["kinds"][kind]
    found = part.get("metrics", part).get(metric)
    interval = part.get("intervals", {}).get(metric)
    return _with(found, interval)


def _gspo_and_sft() -> str:
    rows = []
    for name, d in {**_documents("gspo-s*"), **_documents("longer-s*")}.items():
        if d["control"] is None and d["against"]:
            rows.append([name.split("-")[0], _seed(name), d["split"], d["n"], *_differences(d, ROWS)])
    return _section(
        "## 2. GSPO after SFT, and SFT for as long again",
        "Each minus the SFT that it began from, the same questions, paired.",
        ["after SFT", "seed", "split", "n", *map(_title, ROWS)],
        sorted(rows, key=lambda r: (str(r[2]), str(r[0]), str(r[1]))),
    )


def _off_policy() -> str:
    rows = _arms("gspo", "grpo")
    return _section(
        "## 3. GSPO and GRPO off-policy",
        "Four updates a rollout, all else equal; minus the SFT that both began from. "
        "On-policy their gradients are equal (`tests/unit/training/test_policy.py`).",
        ["ratio", "seed", "split", "n", *map(_title, ROWS)],
        rows,
    )


def _rewards() -> str:
    names = ("mam", "joint", "late_claims", "claims_per_answer", "evidence_recall", "evidence_precision")
    rows = [
        [name.split("-")[0], _seed(name), d["n"], *_values(d, names)]
        for name, d in [*_documents("gspo-s*-hard-iid").items(), *_documents("openo3-s*-hard-iid").items()]
    ]
    return _section(
        "## 4. Our rewards and Open-o3's",
        "",
        ["rewards", "seed", "n", *map(_title, names)],
        [[{"gspo": "proofreel", "openo3": "open-o3"}[str(r[0])], *r[1:]] for r in rows],
    )


def _options() -> str:
    return _section(
        "## 5. Sigma annealed or fixed, gate on or off",
        "Minus the SFT that all began from.",
        ["arm", "seed", "split", "n", *map(_title, ROWS)],
        _arms("gspo", "fixed", "gateless"),
    )


def _masks() -> str:
    rows = [
        [d["level"], d["control"], d["n"], *_differences(d, ("acc", "tiou", "evidence_f1"))]
        for d in _documents("sft-*-mask-*").values()
        if d["against"]
    ]
    return _section(
        "## 6. What was pointed at, painted over",
        "The question is asked again with the cited regions grey (`mask-cited`), or as much elsewhere "
        "(`mask-random`); minus the unmasked answer.",
        ["level", "mask", "n", "Acc", "tIoU", "evidence F1"],
        rows,
    )


def _arms(*arms: str) -> list[list[object]]:
    return [
        [arm, _seed(name), d["split"], d["n"], *_differences(d, ROWS)]
        for arm in arms
        for name, d in _documents(f"{arm}-s*").items()
        if d["control"] is None and d["against"]
    ]


def _runs() -> str:
    rows = []
    for name, d in _documents("run-*").items():
        summary = d["summary"]
        size = summary.get("clips") or summary.get("answers")
        rate = summary.get("clips_per_s")
        rows.append(
            [name.removeprefix("run-"), summary.get("steps") or summary.get("rollouts"), size,
             summary["training_s"], "-" if rate is None else rate, d["run"]["device"], d["run"]["commit"],
             f"`{d['run']['command']}`"]
        )  # fmt: skip
    heads = ["run", "steps or rollouts", "clips or answers", "s", "clips/s", "GPU", "commit", "command"]
    return _section("## The runs", "", heads, rows)


def _commands() -> str:
    rows = [
        [name, d["run"]["device"], d["run"]["commit"], f"`{d['run']['command']}`"]
        for name, d in _documents("*").items()
        if not name.startswith("run-")
    ]
    return _section("## The evaluations", "", ["file", "device", "commit", "command"], rows)


def _seed(name: str) -> int:
    found = [part for part in name.split("-") if part[:1] == "s" and part[1:].isdigit()]
    return int(found[0][1:]) if found else 0


def _values(document: Document, names: Iterable[str]) -> list[str]:
    return [_value(document, name) for name in names]


def _value(document: Document, name: str) -> str:
    return _with(document["metrics"].get(name), document["intervals"].get(name), signed=False)


def _differences(document: Document, names: Iterable[str]) -> list[str]:
    against = document["against"]
    return [_with(against["differences"].get(n), against["intervals"].get(n)) for n in names]


def _with(value: float | None, interval: Sequence[float] | None, *, signed: bool = True) -> str:
    if value is None:
        return "-"
    shown = f"{value:+.3f}" if signed else f"{value:.3f}"
    if interval is None:
        return shown
    low, high = (f"{v:+.3f}" if signed else f"{v:.3f}" for v in interval)
    return f"{shown} [{low}, {high}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _title(name: str) -> str:
    known = {
        "mam": "mAM", "acc": "Acc", "tiou": "tIoU", "viou": "vIoU", "evidence_f1": "evidence F1",
        "late_claims": "claims late by over 1 s", "claims_per_answer": "claims an answer",
        "evidence_recall": "evidence recall", "evidence_precision": "evidence precision",
    }  # fmt: skip
    return known.get(name, name)


def _section(title: str, words: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return "\n\n".join(part for part in (title, words, _table(heads, rows)) if part) if rows else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


if __name__ == "__main__":
    main()
