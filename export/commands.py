"""`proofreel export ...`: a checkpoint made into graphs, and the graphs held against it.

What needs PyTorch is imported inside the commands: every other command loads this module too.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from export import tensorrt_command
from grounding.errors import ExportError, printable

Config = Annotated[Path | None, typer.Option(help="Settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Adapter = Annotated[Path | None, typer.Option(metavar="DIR", help="A LoRA adapter that is merged in first.")]

NEEDED = ("torch", "transformers", "onnx", "onnxscript", "peft")

export_app = typer.Typer(
    help="Make a Qwen-VL checkpoint into graphs, and hold them against it.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add `export` to the command."""
    app.add_typer(export_app, name="export")


@export_app.command("onnx")
def onnx(
    checkpoint: Annotated[
        str, typer.Argument(help="A Qwen2.5-VL or Qwen3-VL checkpoint: a directory, or a hub name.")
    ],
    out: Annotated[Path, typer.Argument(help="The folder to make; an older export there is replaced.")],
    dtype: Annotated[
        Literal["fp32", "fp16", "bf16", "int8"],
        typer.Option(help="What it computes in; int8 keeps the decoder's weights in 8 bits beside fp16."),
    ] = "fp16",
    max_length: Annotated[
        int,
        typer.Option(help="Most tokens of a prompt and its answer together: memory is taken for so many."),
    ] = 4096,
    adapter: Adapter = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write a checkpoint as ONNX graphs that onnxruntime and TensorRT both run."""
    _check_libraries()
    from export.onnx import export_checkpoint

    manifest = export_checkpoint(
        checkpoint, out, dtype=dtype, max_length=max_length, adapter=adapter, told=_tell
    )
    if as_json:
        print(json.dumps(manifest.document()))
        return
    size = sum(seal.bytes for seal in manifest.files.values())
    print(f"{printable(out)}: {manifest.shapes.family} in {dtype}, {size / 1e9:.2f} GB")
    print(f"Now hold it against its checkpoint: proofreel export check {printable(out)}")


@export_app.command("check")
def check(
    out: Annotated[
        Path, typer.Argument(help="A folder that `proofreel export onnx` or `export tensorrt` made.")
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="CHECKPOINT", help="What it was made from; default: where that was then."),
    ] = None,
    adapter: Adapter = None,
    provider: Annotated[
        Literal["cpu", "cuda", "tensorrt"] | None,
        typer.Option(help="What runs the graphs; default: a GPU where there is one."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Measure whether the graphs say what their checkpoint says, and write it beside them.

    Exit code 1 when they don't. `index` and `ask` take no export without a good check.
    """
    _check_libraries()
    from export.checking import check_export
    from export.reading import read_by_tensorrt

    parity = check_export(
        out, model=model, adapter=adapter, provider=provider, inspections=[read_by_tensorrt], told=_tell
    )
    if as_json:
        print(json.dumps(parity.document()))
    else:
        from export.tables import print_parity

        print_parity(parity)
    if not parity.passed:
        raise typer.Exit(1)


tensorrt_command.register(export_app)


def _tell(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def _check_libraries() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ExportError(f"{', '.join(missing)} is not installed: pip install 'proofreel[export]'")
