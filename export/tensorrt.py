"""`proofreel export tensorrt`: the graphs of an export become plans of TensorRT or TensorRT-RTX.

Both libraries go one way: strongly typed networks, explicit shapes. What a parser leaves out of a graph
without an error is an error here, and the layers that make a network fast are counted. TensorRT-RTX needs no
GPU to build.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.manifest import DECODER, GRAPHS, VISION, read_manifest, seal_of
from engines.manifest import NAME as MANIFEST
from engines.plan_limits import Limits
from engines.plans import (
    DECODER_PLAN,
    NAME,
    VISION_PLAN,
    AttentionMode,
    Plans,
    place_of_gpu,
    read_plans,
)
from engines.qwen.shapes import Shapes
from engines.tensorrt_library import Library, LibraryName, find_library
from export.folders import whole_folder
from export.profiles import Profile, decoder_profiles, default_limits, vision_profile
from grounding.errors import ExportError, printable

TIMING_CACHE = "timing.cache"
"""What TensorRT measured while it built; read by the next build into the same folder."""

_LEFT_OUT = ("unused", "ignor", "drop", "discard", "unsupported", "not supported")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """For what is built: compute capabilities as SM89, and the GPU's name when for that one alone."""

    capabilities: tuple[str, ...]
    gpu: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """How a plan's attention was built, and how many layers of each kind its network has."""

    attention: AttentionMode
    layers: Mapping[str, int]


def build_engines(
    folder: Path,
    out: Path,
    *,
    library: LibraryName | None = None,
    capabilities: Sequence[str] = (),
    limits: Limits | None = None,
    workspace_bytes: int | None = None,
) -> Plans:
    """Build the plans of the export in `folder` into `out`, with all that running them takes.

    `capabilities` (as SM89) are for TensorRT-RTX, which needs no GPU then; else plans are for the GPU here.
    Raises EngineError for a broken export, a library that isn't there and a missing GPU; ExportError when
    TensorRT refuses; ValueError for a capability that can't be built for.
    """
    manifest = read_manifest(folder)
    found = find_library(library)
    target = target_of(found, capabilities)
    limits = limits or default_limits(manifest)
    workshop = Workshop(found, target, fused=manifest.dtype != "fp32", workspace_bytes=workspace_bytes)
    workshop.timing = _read_if_there(out / TIMING_CACHE)
    with whole_folder(out, mark=NAME, what="folder of plans") as made:
        expected = expected_layers(manifest.shapes)
        built = {
            "vision": workshop.build(
                folder / VISION,
                made / VISION_PLAN,
                profiles=[vision_profile(manifest.shapes, limits)],
                expected=expected["vision"],
            ),
            "decoder": workshop.build(
                folder / DECODER,
                made / DECODER_PLAN,
                profiles=decoder_profiles(manifest, limits),
                expected=expected["decoder"],
            ),
        }
        if workshop.timing:
            (made / TIMING_CACHE).write_bytes(workshop.timing)
        for name in (MANIFEST, *sorted(set(manifest.files) - GRAPHS)):
            shutil.copy(folder / name, made / name)
        plans = Plans(
            library=found.name,
            version=found.version,
            capabilities=target.capabilities,
            gpu=target.gpu,
            export=manifest.identity,
            limits=limits,
            attention={name: part.attention for name, part in built.items()},
            layers={name: dict(part.layers) for name, part in built.items()},
            files={path.name: seal_of(path) for path in sorted(made.iterdir())},
        )
        plans.write(made)
        return read_plans(made)


def target_of(library: Library, capabilities: Sequence[str]) -> Target:
    known = library.capabilities
    if capabilities and not known:
        raise ValueError("--for goes with tensorrt_rtx; tensorrt builds for the GPU that it runs on")
    for name in capabilities:
        if name not in known:
            raise ValueError(f"--for {name}: tensorrt_rtx {library.version} builds for {', '.join(known)}")
    if capabilities:
        return Target(capabilities=tuple(capabilities), gpu=None)
    if known:
        return target_of(library, (_gpu_of_rtx(library),))
    place = place_of_gpu()
    return Target(capabilities=(place.capability,), gpu=place.gpu)


def _gpu_of_rtx(library: Library) -> str:
    import torch

    if not torch.cuda.is_available():
        raise ExportError(
            f"there is no GPU here to build for: say which with --for ({', '.join(library.capabilities)})"
        )
    place = place_of_gpu()
    if place.capability not in library.capabilities:
        raise ExportError(
            f"TensorRT-RTX {library.version} doesn't run on {place.gpu} ({place.capability}): build with "
            f"`--library tensorrt`, or for another GPU with --for ({', '.join(library.capabilities)})"
        )
    return place.capability


class Workshop:
    """Builds plan after plan for one target. `timing` is the timing cache, empty where there is none.

    `fused` asks for attention as one kernel; there is none for float32.
    """

    def __init__(self, library: Library, target: Target, *, fused: bool, workspace_bytes: int | None) -> None:
        self.timing = b""
        self._library, self._api = library, library.api
        self._target, self._workspace_bytes = target, workspace_bytes
        self._modes: tuple[AttentionMode, ...] = ("fused", "decomposed") if fused else ("decomposed",)
        self._builder = self._api.Builder(library.log)

    def build(
        self, graph: Path, plan: Path, *, profiles: Sequence[Profile], expected: Mapping[str, int]
    ) -> Built:
        """Write the plan of a graph, attention fused if the library has a kernel for it.

        Raises ExportError when it can't be built, when a part of it would be left out, or when it hasn't the
        `expected` number of layers of a kind.
        """
        said = len(self._library.log.lines)
        for mode in self._modes:
            network = parsed(graph, self._builder, self._library)
            layers = census(network)
            check_layers(layers, expected, graph=graph)
            if mode == "decomposed":
                _decompose(network, self._api)
            config = self._config(profiles)
            made = self._builder.build_serialized_network(network, config)
            self._check_whole(graph, self._library.log.lines[said:])
            if made is not None:
                plan.write_bytes(made)
                self._keep_timing(config)
                return Built(attention=mode, layers=layers)
        raise ExportError(
            f"{self._library.name} {self._library.version} can't build {printable(graph)}: "
            f"{self._library.last_error()}"
        )

    def _config(self, profiles: Sequence[Profile]) -> Any:
        config = self._builder.create_builder_config()
        for sizes in profiles:
            profile = self._builder.create_optimization_profile()
            for name, (least, best, most) in sizes.items():
                profile.set_shape(name, least, best, most)
            if config.add_optimization_profile(profile) < 0:
                raise ExportError(f"sizes that can't be built for: {self._library.last_error()}")
        if self._workspace_bytes is not None:
            config.set_memory_pool_limit(self._api.MemoryPoolType.WORKSPACE, self._workspace_bytes)
        if self._library.name == "tensorrt":
            config.set_timing_cache(config.create_timing_cache(self.timing), ignore_mismatch=False)
            return config
        config.num_compute_capabilities = len(self._target.capabilities)
        for number, name in enumerate(self._target.capabilities):
            config.set_compute_capability(getattr(self._api.ComputeCapability, name), number)
        return config

    def _check_whole(self, graph: Path, lines: Sequence[tuple[str, str]]) -> None:
        """That nothing of the graph was left out: the parser takes what it doesn't know without an error."""
        for severity, text in lines:
            if severity == "WARNING" and any(word in text.lower() for word in _LEFT_OUT):
                raise ExportError(
                    f"{self._library.name} {self._library.version} would leave a part of {printable(graph)} "
                    f"out: {text}"
                )

    def _keep_timing(self, config: Any) -> None:
        """TensorRT-RTX has none: it compiles for the GPU when a plan is loaded."""
        if self._library.name == "tensorrt":
            self.timing = bytes(memoryview(config.get_timing_cache().serialize()))


def parsed(graph: Path, builder: Any, library: Library) -> Any:
    """The network of a graph. Raises ExportError when the parser refuses it."""
    flags = getattr(library.api.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flags is None else 1 << int(flags))
    parser = library.api.OnnxParser(network, library.log)
    if not parser.parse_from_file(str(graph)):
        reasons = "; ".join(" ".join(parser.get_error(n).desc().split()) for n in range(parser.num_errors))
        raise ExportError(f"{library.name} {library.version} can't read {printable(graph)}: {reasons[:500]}")
    return network


def census(network: Any) -> dict[str, int]:
    """How many layers of each kind a network has."""
    return dict(sorted(Counter(network.get_layer(n).type.name for n in range(network.num_layers)).items()))


def _decompose(network: Any, api: Any) -> None:
    """Let every attention be built of plain layers where no fused kernel fits."""
    for number in range(network.num_layers):
        layer = network.get_layer(number)
        if layer.type == api.LayerType.ATTENTION_OUTPUT:
            layer.__class__ = api.IAttentionOutputLayer  # the bindings give only the base class
            layer.attention.decomposable = True


def expected_layers(shapes: Shapes) -> dict[str, dict[str, int]]:
    """How many layers of the kinds that tell whether a graph was read as it was meant."""
    layers = shapes.text.layers
    return {
        "vision": {"ATTENTION_OUTPUT": shapes.vision.depth},
        "decoder": {"ATTENTION_OUTPUT": layers, "KV_CACHE_UPDATE": 2 * layers},
    }


def check_layers(layers: Mapping[str, int], expected: Mapping[str, int], *, graph: Path) -> None:
    """That a network has as many layers of these kinds as were exported. Raises ExportError when not."""
    for kind, count in expected.items():
        found = layers.get(kind, 0)
        if found != count:
            raise ExportError(
                f"{printable(graph)} has {found} layers {kind} where {count} were exported: TensorRT reads "
                "this graph otherwise than it was meant; export it again with this Proofreel"
            )


def _read_if_there(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
