"""How the spotter compiles a network: OpenVINO on the CPU, with the compiled form kept for the next start."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from grounding.errors import EngineError

Precision = Literal["auto", "float32"]


def options(*, precision: Precision, num_threads: int | None) -> dict[str, Any]:
    """OpenVINO's settings. "auto" computes in bfloat16 where the CPU has it: twice as fast."""
    chosen: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT"}
    if num_threads is not None:
        chosen["INFERENCE_NUM_THREADS"] = num_threads
    if precision == "float32":
        chosen["INFERENCE_PRECISION_HINT"] = "f32"
    return chosen


@cache
def core(cache_dir: Path) -> Any:
    """OpenVINO, keeping compiled networks below `cache_dir`, or nowhere when that can't be written.

    Made once and kept. Its CPU plugin gives the thread that makes it a stack for signals, and takes
    that memory back with the last reference, on whichever thread that falls: from then on any signal to the
    first thread, Ctrl-C too, is a segmentation fault.
    """
    import openvino

    made = openvino.Core()
    try:
        folder = cache_dir / "openvino"
        folder.mkdir(parents=True, exist_ok=True)
        made.set_property({"CACHE_DIR": str(folder)})
    except OSError:
        pass  # starting takes a second longer each time
    return made


def compiled(core: Any, network: Any, options: dict[str, Any]) -> Any:
    """Compile a model file or a network in memory. Raises EngineError."""
    try:
        return core.compile_model(network, "CPU", options)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO can't compile {network}: {error}; install openvino again") from error
