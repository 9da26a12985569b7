"""`--engine onnx`: an exported Qwen-VL model run by onnxruntime, on a CPU or a CUDA device.

Tensors are PyTorch's, bound by address: caches are written in place, and nothing is copied on its way in or
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from engines.manifest import COMPUTE, DECODER, EMBEDDING, VISION, Manifest, read_manifest
from engines.parity import require_parity
from engines.qwen.caches import CachePool, Pooled, TensorCache, free_bytes
from engines.qwen.engine import QwenEngine
from engines.qwen.graphs import decoder_caches, decoder_deepstack, vision_feed, vision_outputs
from engines.qwen.settings import QwenSettings
from engines.qwen.vision import Grid
from engines.qwen.words import Words
from grounding.errors import EngineError, printable
from grounding.prompts import PROOFREEL, PromptSet

Provider = Literal["cpu", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

_EXECUTION: dict[Provider, list[str]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}
_WEIGHTS = (".data", EMBEDDING)

_ONNX_TYPE = {  # onnx.TensorProto's numbers
    torch.float32: 1,
    torch.int64: 7,
    torch.bool: 9,
    torch.float16: 10,
    torch.bfloat16: 16,
}


class OnnxRuntime(Pooled):
    """Runs the graphs of an export folder. `provider` decides the device.

    Raises EngineError when they can't be run here: no provider, no kernels for the type, too little memory.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, *, provider: Provider = "cpu", num_threads: int = 0
    ) -> None:
        self.shapes, self.max_length = manifest.shapes, manifest.max_length
        self.dtype: torch.dtype = getattr(torch, COMPUTE[manifest.dtype])
        self.device = check_runs_here(folder, manifest, provider)
        self.max_chunk = 4096
        self.check_every = 1 if provider == "cpu" else 16
        self._embedding = _embedding(folder / EMBEDDING).to(self.device, self.dtype)
        self._vision = _session(folder / VISION, provider, num_threads)
        self._decoder = _session(folder / DECODER, provider, num_threads)
        self._cache_names, self._deepstack_names = decoder_caches(self.shapes), decoder_deepstack(self.shapes)
        self._pool = CachePool(self.shapes.text, device=self.device, dtype=self.dtype, length=self.max_length)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [..., E] of token ids [...]."""
        return torch.nn.functional.embedding(ids, self._embedding)

    def see(self, patches: Tensor, grids: Sequence[Grid]) -> tuple[Tensor, ...]:
        """Features [F, E] of pictures, and one more [F, E] a DeepStack layer."""
        inputs = vision_feed(patches, grids, self.shapes, device=self.device, dtype=self.dtype)
        count = len(patches) // self.shapes.vision.merge**2
        size = (count, self.shapes.text.hidden)
        outputs = {
            name: torch.empty(size, dtype=self.dtype, device=self.device)
            for name in vision_outputs(self.shapes)
        }
        binding = self._vision.io_binding()
        for name, tensor in inputs.items():
            self._bind(binding.bind_input, name, tensor)
        for name, tensor in outputs.items():
            self._bind(binding.bind_output, name, tensor)
        self._run(self._vision, binding)
        return tuple(outputs.values())

    def forward(
        self,
        x_BSE: Tensor,
        *,
        rotary: tuple[Tensor, Tensor],
        at: Tensor,
        last: Tensor,
        deepstack: Sequence[Tensor],
        cache: TensorCache,
    ) -> Tensor:
        """Logits [B, V] of each row's token `last`; the cache then holds the new tokens too."""
        binding = self._binding(cache)
        if not deepstack:
            deepstack = [torch.zeros_like(x_BSE) for _ in self._deepstack_names]
        logits = torch.empty(len(x_BSE), self.shapes.text.vocabulary, dtype=self.dtype, device=self.device)
        names = ("inputs_embeds", "cos", "sin", "write_index", "last", *self._deepstack_names)
        given = [t.contiguous() for t in (x_BSE, *rotary, at, last, *deepstack)]
        for name, tensor in zip(names, given, strict=True):
            self._bind(binding.bind_input, name, tensor)
        self._bind(binding.bind_output, "logits", logits)
        self._run(self._decoder, binding)
        return logits

    def _binding(self, cache: TensorCache) -> Any:
        """A binding whose caches are both input and output: onnxruntime then writes in place."""
        if cache.bound is None:
            cache.bound = self._decoder.io_binding()
            for name, tensor in zip(self._cache_names, cache.tensors, strict=True):
                self._bind(cache.bound.bind_input, name, tensor)
                self._bind(cache.bound.bind_output, name + "_out", tensor)
        return cache.bound

    def _bind(self, bind: Any, name: str, tensor: Tensor) -> None:
        bind(name, self.device.type, 0, _ONNX_TYPE[tensor.dtype], tuple(tensor.shape), tensor.data_ptr())

    def _run(self, session: Any, binding: Any) -> None:
        if self.device.type == "cuda":
            torch.cuda.current_stream().synchronize()  # onnxruntime works on a stream of its own
        session.run_with_iobinding(binding)


def load(
    model: str,
    *,
    provider: Provider | None = None,
    settings: QwenSettings | None = None,
    prompts: PromptSet = PROOFREEL,
    num_threads: int = 0,
    unchecked: bool = False,
) -> QwenEngine:
    """The engine of an export folder. `provider` is CUDA where onnxruntime and PyTorch both see a GPU.

    Raises EngineError for a folder that is no whole export, or that was not found to say what its checkpoint
    says (`unchecked` goes on, and makes another fingerprint), for a provider that isn't there, and for too
    little memory.
    """
    folder = Path(model)
    manifest = read_manifest(folder)
    if not unchecked:
        require_parity(folder, identity=manifest.identity)
    try:
        own = (settings or QwenSettings()).of_checkpoint(manifest.own)
    except ValueError as error:
        raise EngineError(
            f"export {printable(folder)}: its config.json, section proofreel: {error}"
        ) from error
    runtime = OnnxRuntime(folder, manifest, provider=provider or best_provider(), num_threads=num_threads)
    return QwenEngine(
        runtime,
        name="onnx",
        source=manifest.identity + (" unchecked" if unchecked else ""),
        words=Words(folder),
        layout=manifest.layout,
        normalisation=manifest.normalisation,
        stops=frozenset(manifest.stops),
        settings=own,
        prompts=prompts,
    )


def _check_provider(provider: Provider) -> None:
    """That onnxruntime has it, and that PyTorch, whose tensors it is given, sees a GPU if it needs one."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    wanted = _EXECUTION[provider][0]
    if wanted not in there:
        raise EngineError(
            f"onnxruntime here has no {wanted} (it has {', '.join(there)}): install the extra [gpu], or "
            "use cpu"
        )
    if provider != "cpu" and not torch.cuda.is_available():
        raise EngineError(f"{wanted} was asked for, and PyTorch sees no GPU here: use cpu")


def check_runs_here(folder: Path, manifest: Manifest, provider: Provider) -> torch.device:
    """The device of a provider that is there, with kernels for the export's type, and memory for its weights
    and one question. Raises EngineError for what is missing.
    """
    _check_provider(provider)
    device = torch.device("cpu" if provider == "cpu" else "cuda")
    where = f"export {printable(folder)}"
    if manifest.dtype == "bf16" and device.type == "cpu":
        raise EngineError(
            f"{where} computes in bf16, for which onnxruntime has nothing on a CPU: run it on a GPU, or "
            "export with --dtype fp32, fp16 or int8"
        )
    weights = sum(seal.bytes for name, seal in manifest.files.items() if name.endswith(_WEIGHTS))
    item_bytes = getattr(torch, COMPUTE[manifest.dtype]).itemsize
    # What questions share, and one of them.
    caches = manifest.shapes.text.cache_bytes(rows=2, length=manifest.max_length, item_bytes=item_bytes)
    free = free_bytes(device)
    if weights + caches > free:
        raise EngineError(
            f"{where} needs {weights / 1e9:.1f} GB for its weights and {caches / 1e9:.1f} GB for one "
            f"question of up to {manifest.max_length} tokens, and {free / 1e9:.1f} GB are free: export with "
            "fewer bits or a smaller --max-length"
        )
    return device


def best_provider() -> Provider:
    """CUDA where onnxruntime and PyTorch both see a GPU."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    return "cuda" if "CUDAExecutionProvider" in there and torch.cuda.is_available() else "cpu"


def _session(path: Path, provider: Provider, num_threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    # 8-bit weights are multiplied as floats: by default activations are rounded to 8 bits as well.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    # Float32 means float32: by default products would be rounded to TF32's 10 bits on a GPU.
    exact = {"CUDAExecutionProvider": {"use_tf32": "0"}}
    try:
        return onnxruntime.InferenceSession(
            str(path),
            options,
            providers=_EXECUTION[provider],
            provider_options=[exact.get(name, {}) for name in _EXECUTION[provider]],
        )
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise EngineError(
            f"{printable(path)} can't be loaded: {error}; run `proofreel export onnx` again"
        ) from error


def _embedding(path: Path) -> Tensor:
    from safetensors.torch import load_file

    return load_file(path)["weight"]
