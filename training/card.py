"""The model card: what a checkpoint was made from, with whose data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.qwen.checkpoint import find_here
from training.recipe import Recipe, Stage
from training.report import documents, environment
from training.runs import Run

if TYPE_CHECKING:
    from training.preparing import Prepared

UNKNOWN = "not known to us: ask its owner"

LICENCES: tuple[tuple[str, str], ...] = (
    ("TreeVGR", "annotations: Apache-2.0 (huggingface.co/datasets/HaochenWang/TreeVGR-SFT-35K)"),
    (
        "proofworld",
        "clips: rendered by Proofreel; cut-outs on the hard level: Debian's tuxpaint-stamps-default, whose "
        "copyright file names their owners",
    ),
    ("videor1", "annotations: Apache-2.0 (huggingface.co/datasets/Video-R1/Video-R1-data)"),
)
"""By the beginning of a source's name: what its page states. Pictures and videos have owners of their own."""

METHODS: dict[Stage, str] = {
    "sft": "Supervised fine-tuning",
    "gspo": "GSPO (reinforcement learning from evidence rewards)",
}


def write_card(run: Run, recipe: Recipe, stage: Stage, *, prepared: Prepared, folder: Path) -> Path:
    """Write README.md beside the checkpoint in `folder`."""
    text = (
        environment()
        .get_template("card.md.jinja")
        .render(
            run=documents(run),
            name=run.folder.name,
            base=recipe.model.checkpoint,
            on_hub=find_here(recipe.model.checkpoint) is None,
            started=recipe.gspo.start_from if recipe.gspo is not None and stage == "gspo" else None,
            method=METHODS[stage],
            tuned=_tuned(recipe),
            layout=prepared.teacher.layout.name,
            sources=[_source(name, count) for name, count in sorted(prepared.sources.items())],
        )
    )
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def _source(name: str, rows: int) -> dict[str, Any]:
    licence = next((text for prefix, text in LICENCES if name.startswith(prefix)), UNKNOWN)
    return {"name": name, "rows": f"{rows:,}", "licence": licence}


def _tuned(recipe: Recipe) -> str:
    model = recipe.model
    what = "all weights" if model.tuning == "full" else f"a LoRA of rank {model.lora.rank}, merged in"
    return f"{what}, vision tower frozen" if model.freeze_vision or model.tuning == "lora" else what
