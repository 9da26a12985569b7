"""`proofreel evaluate`: what an engine says of questions whose answers are known.

What needs PyTorch is imported inside the command: every other command loads this module too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from training.evaluate.suites import SUITES, check_suite
from training.needs import need

if TYPE_CHECKING:
    from engines.contract import Engine
    from training.evaluate.document import Report
    from training.evaluate.proofworld import Request
    from training.evaluate.records import Record
    from training.world.items import Asked
    from training.world.pictures import Cutouts

DEFAULT_ITEMS = 256


def register(app: typer.Typer) -> None:
    """Add `evaluate` to the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    suite: Annotated[str, typer.Argument(metavar="|".join(SUITES), help="What is asked.")],
    engine: Annotated[
        str, typer.Option(metavar="spotter|transformers|onnx|tensorrt", help="What answers.")
    ] = "spotter",
    model: Annotated[
        str | None, typer.Option(metavar="DIR|OWNER/NAME", help="The checkpoint or export that it runs.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="The words that it was trained with.")
    ] = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Run an export that no check has passed.")
    ] = False,
    clips_at_once: Annotated[
        int | None,
        typer.Option(min=1, help="Clips that a checkpoint is shown together: more need more memory."),
    ] = None,
    items: Annotated[int, typer.Option(help="How many questions.")] = DEFAULT_ITEMS,
    seed: Annotated[int, typer.Option(help="Which questions: equal seeds ask the same.")] = 0,
    level: Annotated[Literal["plain", "hard"], typer.Option(help="How hard the clips are.")] = "plain",
    split: Annotated[
        Literal["iid", "pairs", "objects", "longer", "clutter"],
        typer.Option(help="How they differ from those of training."),
    ] = "iid",
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Ask this kind alone; repeatable. Default: all.")
    ] = None,
    control: Annotated[
        Literal["blind", "shuffled", "mask-cited", "mask-random"] | None,
        typer.Option(help="Change the clips so that a right answer must have another reason."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Records of another run on the same questions to compare."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Write a record of each question here.")
    ] = None,
    cutouts: Annotated[
        Path | None,
        typer.Option(help="A folder of stamps, or a packed file; default: Debian's tuxpaint-stamps-default."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Ask an engine questions whose answers are known exactly; measure what, when, where and the proof."""
    check_suite(suite)
    need("torch", extra="transformers")
    load = _engine_loader(
        engine, model=model, prompts=prompts, unchecked=unchecked, clips_at_once=clips_at_once
    )
    from training.evaluate.proofworld import Request

    request = Request(
        items=items, seed=seed, level=level, split=split, kinds=tuple(kind or ()), control=control
    )
    report = _evaluate(
        load, request, suite=suite, model=model, against=against, out=out, cutouts=cutouts, quiet=as_json
    )
    if as_json:
        print(json.dumps(report.document()))
        return
    from training.evaluate.tables import print_report

    print_report(report)


def _evaluate(
    load: Callable[[], Engine],
    request: Request,
    *,
    suite: str,
    model: str | None,
    against: Path | None,
    out: Path | None,
    cutouts: Path | None,
    quiet: bool,
) -> Report:
    """Check all that can be wrong first, then load the engine and ask."""
    from training.evaluate.proofworld import asked
    from training.world.pictures import installed_cutouts, load_cutouts

    pictures = installed_cutouts() if cutouts is None else load_cutouts(cutouts)
    questions = asked(request, cutouts=pictures)
    others = None if against is None else _others(against, questions)
    began = time.monotonic()
    records, name, fingerprint = _ask(load, questions, request, pictures, out=out, quiet=quiet)
    return _report(
        records, others, request, suite=suite, engine=name, fingerprint=fingerprint, model=model,
        against=against, out=out, cutouts=len(pictures.kind),
        run={"seconds": round(time.monotonic() - began, 1), **_circumstances()},
    )  # fmt: skip


def _circumstances() -> dict[str, Any]:
    """Where this runs, by what command and of which source."""
    import torch

    from training.runs import command_line, commit, versions

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"command": command_line(), "commit": commit(), "device": device, "versions": versions()}


def _others(path: Path, questions: list[Asked]) -> list[Record]:
    from training.evaluate.records import check_same, item_hash, read_records

    records = read_records(path)
    asked = [(q.id, item_hash(q.item.question, q.item.truth)) for q in questions]
    check_same(asked, records, path=path)
    return records


def _ask(
    load: Callable[[], Engine],
    questions: list[Asked],
    request: Request,
    pictures: Cutouts,
    *,
    out: Path | None,
    quiet: bool,
) -> tuple[list[Record], str, str]:
    """The records, and the engine's name and fingerprint."""
    from training.evaluate.proofworld import run
    from training.evaluate.records import writing

    with writing(out) as stream:
        engine = load()
        try:
            with _progress(len(questions), quiet=quiet) as told:
                records = run(engine, questions, request=request, cutouts=pictures, out=stream, told=told)
            return records, engine.name, engine.fingerprint
        finally:
            engine.close()


def _report(
    records: list[Record],
    others: list[Record] | None,
    request: Request,
    *,
    suite: str,
    engine: str,
    fingerprint: str,
    model: str | None,
    against: Path | None,
    out: Path | None,
    cutouts: int,
    run: dict[str, Any],
) -> Report:
    from training.evaluate.document import Report
    from training.evaluate.proofworld import KINDS_OF
    from training.evaluate.summary import compare, summarise

    masked = [record.masked for record in records if record.masked is not None]
    return Report(
        suite=suite,
        request=request,
        engine=engine,
        model=model,
        fingerprint=fingerprint,
        cutouts=cutouts,
        items=len(records),
        clips=len({record.scene_id for record in records}),
        masked=sum(masked) / len(masked) if masked else None,
        summary=summarise(records, kinds_of=KINDS_OF, seed=request.seed),
        against=against,
        difference=None if others is None else compare(records, others, kinds_of=KINDS_OF, seed=request.seed),
        out=out,
        run=run,
    )


def _engine_loader(
    name: str, *, model: str | None, prompts: Path | None, unchecked: bool, clips_at_once: int | None
) -> Callable[[], Engine]:
    """What makes the engine that the flags name. Wrong flags are a ValueError now, before any work."""
    from engines import check_engine, load_engine
    from grounding.prompts import load_prompts

    words = None if prompts is None else load_prompts(prompts)
    check_engine(name, model=model, prompts=words, unchecked=unchecked, clips_at_once=clips_at_once)
    return lambda: load_engine(
        name, model=model, prompts=words, unchecked=unchecked, clips_at_once=clips_at_once
    )


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A line that moves on a terminal's standard error; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("asking", total=total)
        yield lambda done: progress.update(task, completed=done)
