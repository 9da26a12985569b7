"""`proofreel export tensorrt EXPORT OUT`: plans for a GPU, from an export that is there."""

# Typer reads the annotations while the program runs, so they are not postponed here.

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grounding.errors import printable

if TYPE_CHECKING:
    from engines.plan_limits import Limits
    from engines.plans import Plans


def register(app: typer.Typer) -> None:
    """Add `tensorrt` to the commands of `proofreel export`."""
    app.command("tensorrt")(tensorrt)


def tensorrt(
    export: Annotated[Path, typer.Argument(help="A folder that `proofreel export onnx` made.")],
    out: Annotated[Path, typer.Argument(help="The folder of plans to make.")],
    capabilities: Annotated[
        list[str] | None,
        typer.Option(
            "--for", help="Compute capability to build for, as SM89 (TensorRT-RTX only; may be repeated)."
        ),
    ] = None,
    library: Annotated[
        Literal["tensorrt", "tensorrt_rtx"] | None,
        typer.Option(help="Which TensorRT builds; default: the one that is installed."),
    ] = None,
    rows: Annotated[str | None, typer.Option(help="Ends of the ranges of batch sizes, as 4,32.")] = None,
    chunk: Annotated[int | None, typer.Option(help="Most new tokens a row at once.")] = None,
    pictures: Annotated[int | None, typer.Option(help="Most pictures seen at once.")] = None,
    patches: Annotated[int | None, typer.Option(help="Most patches of one picture.")] = None,
    workspace_gb: Annotated[
        float | None, typer.Option(help="Most scratch memory that a layer may use.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Build TensorRT plans from an export: for the GPU here or, by TensorRT-RTX, for any that --for names."""
    from engines.manifest import read_manifest
    from export.profiles import default_limits
    from export.tensorrt import build_engines

    plans = build_engines(
        export,
        out,
        library=library,
        capabilities=tuple(capabilities or ()),
        limits=_limits(
            default_limits(read_manifest(export)), rows=rows, chunk=chunk, pictures=pictures, patches=patches
        ),
        workspace_bytes=None if workspace_gb is None else int(workspace_gb * 1e9),
    )
    if as_json:
        print(json.dumps(plans.document()))
    else:
        _print(plans, out)


def _limits(default: "Limits", *, rows: str | None, **given: int | None) -> "Limits":
    """The default limits with those that were given. Raises ValueError for one that can't be."""
    from dataclasses import replace

    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if rows is not None:
        try:
            changed["rows"] = tuple(int(part) for part in rows.split(","))
        except ValueError:
            raise ValueError(f"--rows {rows!r}: give rising numbers, as 4,32") from None
    return replace(default, **changed)


def _print(plans: "Plans", out: Path) -> None:
    where = plans.gpu or ", ".join(plans.capabilities)
    print(f"{printable(out)}: plans of {plans.library} {plans.version} for {where}")
    for name, layers in plans.layers.items():
        size = plans.files[f"{name}.plan"].bytes / 1e6
        print(
            f"  {name}.plan {size:,.1f} MB, {layers['ATTENTION_OUTPUT']} attention layers "
            f"({plans.attention[name]}), {layers.get('KV_CACHE_UPDATE', 0)} caches updated in place"
        )
