"""A plan for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from grounding.errors import printable
from training.plan import Plan

_GB = 1e9


def print_plan(plan: Plan) -> None:
    """On standard output: what is trained, on what, for how long, in how much memory; how it is started."""
    console = Console()
    for title, rows in _sections(plan).items():
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        for name, value in rows:
            table.add_row(name, value)
        console.print(table)
        console.print()
    console.print("Start it with:")
    console.print(f"  {plan.launch}", soft_wrap=True, highlight=False)


def _sections(plan: Plan) -> dict[str, list[tuple[str, str]]]:
    document = plan.document()
    return {
        f"{plan.stage} by {printable(plan.config)}": _model(document),
        "data": _data(document),
        "one example, at most": _example(document),
        "steps": _steps(document, plan),
        "GPU memory, estimated": _memory(document),
    }


def _model(document: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
    model = document["model"]
    return [
        ("model", f"{model['checkpoint']} ({model['family']}, layout {model['layout'] or 'its own'})"),
        ("shapes from", str(model["shapes_from"])),
        ("parameters", f"{model['parameters']:,}, {model['trained']:,} of them trained ({model['tuning']})"),
        ("config", str(document["config_hash"])),
    ]


def _data(document: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
    data = document["data"]
    rows = [("split", f"{data['split']}, {data['rows']:,} rows ({data['note']})")]
    for kind in ("tasks", "sources"):
        counts = data.get(kind)
        if isinstance(counts, dict):
            rows.append((kind, ", ".join(f"{name} {count:,}" for name, count in counts.items())))
    return rows


def _example(document: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
    example = document["example"]
    size = example["frame_size_16_9"]
    assert isinstance(size, list)
    return [
        (
            "frames",
            f"{example['frames']} of {example['frame_tokens']} tokens (16:9 at {size[0]} x {size[1]} px)",
        ),
        ("seen", f"{example['vision_tokens']:,} tokens"),
        ("text", f"{example['text_tokens']:,} tokens, {example['text_tokens_from']}"),
        ("together", f"{example['tokens']:,} tokens of {example['max_length']:,} allowed"),
    ]


def _steps(document: dict[str, dict[str, object]], plan: Plan) -> list[tuple[str, str]]:
    steps = document["steps"]
    unit = "questions" if plan.stage == "gspo" else "examples"
    rows = [("GPUs", str(steps["gpus"])), (f"{unit} a step", f"{steps['examples_a_step']:g}")]
    if plan.stage == "gspo":
        rows.append(("answers a step", f"{steps['answers_a_step']:,}"))
    return [*rows, ("steps", f"{steps['total']:,}"), ("checkpoints", str(steps["checkpoints"]))]


def _memory(document: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
    memory = dict(document["memory"])
    sharding = memory.pop("sharding")
    rows = [("sharding", str(sharding))]
    for name, value in memory.items():
        assert isinstance(value, int)
        rows.append((name, f"{value / _GB:6.1f} GB"))
    return rows
