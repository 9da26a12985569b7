"""On a GPU: decode steps are captured as CUDA graphs; PyTorch stands in for TensorRT's own runtime."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from engines.manifest import Manifest
from engines.plan_limits import Limits
from engines.qwen.decoder import Decoder
from engines.qwen.generation import Ask, Generator, Prefix
from engines.qwen.graphs import decoder_inputs, decoder_outputs
from engines.qwen.ops import Ops
from engines.qwen.pixels import Normalisation
from engines.qwen.prompt import Picture, Words, prompt_of
from engines.qwen.sampling import Sampling
from engines.qwen.shapes import FAMILIES, Shapes, shapes_of
from engines.qwen.torch_runtime import TorchRuntime
from engines.tensorrt import Networks, TensorRTRuntime
from engines.tensorrt_library import Library
from tests import tiny_qwen

pytestmark = pytest.mark.gpu
LENGTH, NEW = 256, 24


class Memory:
    """An address on the GPU as PyTorch takes it without a copy."""

    def __init__(self, address: int, shape: tuple[int, ...], kind: str) -> None:
        self.__cuda_array_interface__ = {
            "data": (address, False), "shape": shape, "typestr": kind, "strides": None, "version": 3,
        }  # fmt: skip


class DecoderEngine:
    """As `ICudaEngine`, of the decoder. `num_launches`: runs that Python put on a stream."""

    device_memory_size_v2 = 256

    def __init__(self, model: Any, shapes: Shapes) -> None:
        self.shapes = shapes
        self.decoder = Decoder(
            model.model.language_model, model.lm_head, num_deepstack=len(shapes.vision.deepstack), ops=Ops()
        )
        self.num_launches = 0

    def get_aliased_input_tensor(self, name: str) -> str:
        return name.removesuffix("_out")

    def create_execution_context(self, _strategy: Any) -> DecoderContext:
        return DecoderContext(self)


class DecoderContext:
    """As `IExecutionContext`."""

    def __init__(self, engine: DecoderEngine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, _profile: int, _stream: int) -> bool:
        return True

    def set_device_memory(self, _address: int, _size: int) -> None: ...

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == torch.cuda.current_stream().cuda_stream != torch.cuda.default_stream().cuda_stream
        engine = self._engine
        engine.num_launches += 1
        kinds = dict.fromkeys(decoder_inputs(engine.shapes), "<f4") | {"write_index": "<i8", "last": "<i8"}
        x, cos, sin, at, last, *rest = (
            self._tensor(name, self._shapes[name], kind) for name, kind in kinds.items()
        )
        deepstack, caches = rest[: engine.decoder.num_deepstack], rest[engine.decoder.num_deepstack :]
        logits, *_ = engine.decoder(x, cos, sin, at, last, deepstack, caches)
        (name, *names) = decoder_outputs(engine.shapes)
        self._tensor(name, tuple(logits.shape), "<f4").copy_(logits)
        return all(self._addresses[n] == self._addresses[n.removesuffix("_out")] for n in names)

    def _tensor(self, name: str, shape: tuple[int, ...], kind: str) -> torch.Tensor:
        assert math.prod(shape)
        return torch.as_tensor(Memory(self._addresses[name], shape, kind), device="cuda")


class Api:
    """What is asked of the library itself."""

    class ExecutionContextAllocationStrategy:
        USER_MANAGED = None


def manifest_of(shapes: Shapes) -> Manifest:
    return Manifest(
        shapes=shapes, dtype="fp32", max_length=LENGTH, layout="qwen3-native", stops=(), own={},
        normalisation=Normalisation(mean=(0.0,) * 3, std=(1.0,) * 3),
        checkpoint="", adapter=None, source="", versions={}, files={},
    )  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_is_launched_twice_for_a_cache_and_replayed_from_then_on(family: str) -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    model = tiny_qwen.model(family).cuda()
    shapes, ids = shapes_of(model.config), tiny_qwen.ids()
    plain = TorchRuntime(model, shapes, max_length=LENGTH)
    engine = DecoderEngine(model, shapes)
    runtime = TensorRTRuntime(
        Networks(engine, engine, Library(name="tensorrt_rtx", version="", api=Api, log=None)),
        manifest_of(shapes),
        Limits(rows=(4,), chunk=24, pictures=1, patches=64),
        embedding=model.get_input_embeddings().weight.detach(),
    )
    pieces = [Words((50, 51)), Picture(grid=(1, 8, 8), token=ids["<|image_pad|>"]), Words((52,) * 30)]
    patches = torch.randn(64, shapes.vision.patch_values, device="cuda")
    prefixes = [Prefix(prompt=prompt_of(pieces, shapes), features=plain.see(patches, [(1, 8, 8)]))]

    def answers(over: Any, asks: list[Ask]) -> list[tuple[int, ...]]:
        written = Generator(over, stops=frozenset()).write(prefixes, asks, Sampling(max_new=NEW))
        return [one.ids for one in written]

    asks = [Ask(prefix=0, ids=(9, 10, 11)), Ask(prefix=0, ids=(20,)), Ask(prefix=0, ids=(30, 31))]
    assert answers(runtime, asks) == answers(plain, asks)
    prefills = engine.num_launches - 2
    assert prefills == 3  # two chunks of the prefix, one of the questions
    assert answers(runtime, asks[::-1]) == answers(plain, asks[::-1])
    assert engine.num_launches == 2 * prefills + 2
    assert answers(runtime, asks[:1]) == answers(plain, asks[:1])
