"""A Qwen-VL model behind the one contract: clips and questions in, replies in the evidence grammar out.

The same for every runtime. All questions of a clip share its features and, where they share their system
words, its prefill; clips that are asked about at the same time, from threads of their own, become one batch.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

import torch

from engines.contract import ClipSpec, Question, Reply
from engines.layouts import Layout, LayoutName
from engines.qwen.generation import Ask, Generator, Prefix, Written
from engines.qwen.pixels import Normalisation
from engines.qwen.prompt import Prompt
from engines.qwen.runtime import C, Runtime
from engines.qwen.seen import Seen, prompt_before_question, see
from engines.qwen.settings import QwenSettings
from engines.qwen.shapes import COORDINATES
from engines.qwen.words import Words
from grounding.coordinates import Coordinates
from grounding.errors import EngineError, OutOfMemory
from grounding.prompts import PROOFREEL, PromptSet
from video.frames import Clip

_LIBRARIES = ("av", "numpy", "pillow", "tokenizers", "torch", "transformers")
_PATIENCE, _MOST_PATIENCE_S = 0.05, 0.5  # of the last batch's time, waited for more clips
_CODE_VERSION = 1  # raise it when a change of code changes answers


_OUT_OF_MEMORY = ("out of memory", "allocate memory")
"""What PyTorch, ONNX Runtime and TensorRT say of a device that is full, each with an error of its own."""


@dataclass(slots=True, kw_only=True)
class _Job:
    """One call of `answer`, waiting to be part of a batch."""

    clip: Clip
    questions: Sequence[Question]
    replies: list[Reply] = field(default_factory=list)
    error: Exception | None = None
    done: bool = False


class QwenEngine:
    """Answers with one runtime. `source` is a hash of the weights, `name` the engine's in `--engine`."""

    def __init__(
        self,
        runtime: Runtime[C],
        *,
        name: str,
        source: str,
        words: Words,
        layout: LayoutName,
        normalisation: Normalisation,
        stops: frozenset[int],
        settings: QwenSettings,
        prompts: PromptSet = PROOFREEL,
    ) -> None:
        self.name = name
        self.settings = settings
        self._runtime: Runtime[Any] = runtime
        self._words = words
        self._prompts = prompts
        self._normalisation = normalisation
        self._layout = Layout(name=layout, tokenizer=words, shapes=runtime.shapes)
        self._generator = Generator(runtime, stops=stops, rows=settings.rows)
        self._source, self._stops = source, stops
        self._waiting: list[_Job] = []
        self._queue, self._turn = threading.Condition(), threading.Lock()
        self._patience_s = 0.0
        self._most_at_once: int | None = None  # once the device was found to be too small for more

    @property
    def coordinates(self) -> Coordinates:
        return COORDINATES[self._runtime.shapes.family]

    @property
    def spec(self) -> ClipSpec:
        own = self.settings
        return ClipSpec(
            window_s=own.window_s,
            overlap_s=own.overlap_s,
            rate_hz=own.rate_hz,
            max_frames=own.max_frames,
            max_side=own.max_side,
            clips_at_once=own.clips_at_once,
        )

    @property
    def device_type(self) -> str:
        """What the network runs on: "cpu" or "cuda"."""
        return self._runtime.device.type

    @property
    def fingerprint(self) -> str:
        """Hash of all that an answer depends on: weights, prompts, layout, stops, settings, libraries."""
        parts = {
            "engine": [self.name, _CODE_VERSION],
            "weights": self._source,
            "type": str(self._runtime.dtype),
            "device": self._runtime.device.type,
            "prompts": self._prompts.fingerprint,
            "layout": self._layout.name,
            "stops": sorted(self._stops),
            "normalisation": asdict(self._normalisation),
            "settings": asdict(self.settings),
            "libraries": {name: metadata.version(name) for name in _LIBRARIES},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
        """One reply per question, in order. Calls from several threads are answered as one batch.

        Raises EngineError for a prompt that is longer than the engine holds, OutOfMemory for a clip that is
        too much for the device by itself.
        """
        job = _Job(clip=clip, questions=questions)
        with self._queue:
            self._waiting.append(job)
            self._queue.notify_all()
        with self._turn:
            while not job.done:
                self._serve()
        if job.error is not None:
            raise job.error
        return job.replies

    def _serve(self) -> None:
        """Answer the jobs that wait, as many as fit; one that fails does not take the others with it."""
        with self._queue:
            # Worth a moment: whoever asks again after the last batch is on the way, and a batch of many
            # costs little more than a batch of one.
            most = self._most_at_once or self.settings.clips_at_once
            self._queue.wait_for(lambda: len(self._waiting) >= most, timeout=self._patience_s)
            jobs = self._waiting[: self._most_at_once]
            self._waiting = self._waiting[len(jobs) :]
        started = time.perf_counter()
        self._answer_all(jobs)
        for job in jobs:
            job.done = True
        self._patience_s = min(_PATIENCE * (time.perf_counter() - started), _MOST_PATIENCE_S)

    def _answer_all(self, jobs: Sequence[_Job]) -> None:
        """As one batch; in halves where the device has too little memory for it, from now on."""
        try:
            answers = self.answer_many([job.clip for job in jobs], [job.questions for job in jobs])
        except Exception as error:  # carried to whoever asked
            if len(jobs) == 1:
                jobs[0].error = as_out_of_memory(error) or error
                return
            halves = as_out_of_memory(error) is not None
            error.__traceback__ = None  # whose frames hold the batch in the device's memory
            size = len(jobs) // 2 if halves else 1
            self._most_at_once = size if halves else self._most_at_once
        else:
            for job, replies in zip(jobs, answers, strict=True):
                job.replies = replies
            return
        for first in range(0, len(jobs), size):
            self._answer_all(jobs[first : first + size])

    def answer_many(
        self, clips: Sequence[Clip], questions: Sequence[Sequence[Question]]
    ) -> list[list[Reply]]:
        """The replies to each clip's questions, all clips seen and answered together."""
        for clip in clips:
            if not len(clip.images):
                raise EngineError(f"a clip of {clip.path} has no frame; nothing can be asked about it")
        seen = [self._seen(clip) for clip in clips]
        prompts: list[Prompt] = []
        of_clip: list[int] = []
        numbers: dict[tuple[int, str], int] = {}
        asks: list[Ask] = []
        for place, asked in enumerate(questions):
            for question in asked:
                system = self._prompts.system[question.task]
                if (place, system) not in numbers:
                    numbers[place, system] = len(prompts)
                    prompts.append(prompt_before_question(seen[place], layout=self._layout, system=system))
                    of_clip.append(place)
                ids = self._layout.question(question.text)
                asks.append(Ask(prefix=numbers[place, system], ids=ids, number=_seed(question)))
        self._generator.check(prompts, asks, self.settings.sampling)  # before anything is looked at
        features = self._features(seen)
        prefixes = [
            Prefix(prompt=prompt, features=features[place])
            for prompt, place in zip(prompts, of_clip, strict=True)
        ]
        written = iter(self._generator.write(prefixes, asks, self.settings.sampling))
        return [
            [self._reply(next(written), size=seen[place].size) for _ in asked]
            for place, asked in enumerate(questions)
        ]

    def _seen(self, clip: Clip) -> Seen:
        times_s = [max(float(t) - clip.window.start_s, 0.0) for t in clip.times_s]
        own = self.settings
        return see(
            clip.images,
            times_s,
            layout=self._layout,
            least_pixels=own.least_pixels,
            most_pixels=own.most_pixels,
        )

    def _features(self, seen: Sequence[Seen]) -> list[tuple[Any, ...]]:
        """The features of each clip, all clips' pictures seen in one run."""
        shape = self._runtime.shapes.vision
        grids = [(1, s.rows, s.columns) for s in seen for _ in s.pictures]
        values = torch.cat([torch.from_numpy(s.values).to(self._runtime.device) for s in seen])
        layers = self._runtime.see(self._normalisation.apply(values, shape=shape), grids)
        square = shape.merge**2
        counts = [len(s.values) // square for s in seen]
        return list(zip(*(torch.split(layer, counts) for layer in layers), strict=True))

    def _reply(self, written: Written, *, size: tuple[int, int]) -> Reply:
        return Reply(text=self._words.text(written.ids), mean_logprob=written.mean_logprob, frame_size=size)

    def close(self) -> None:
        """Let go of the runtime's memory."""
        self._runtime.close()


def _seed(question: Question) -> int:
    """A number of the question's own, so that what is drawn for it does not depend on what else is asked."""
    digest = hashlib.sha256(f"{question.task}\0{question.text}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def as_out_of_memory(error: Exception) -> OutOfMemory | None:
    """What `error` means, when it is that the device has too little memory; else None."""
    if isinstance(error, OutOfMemory):
        return error
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _OUT_OF_MEMORY):
        return OutOfMemory(f"too much for the device's memory: {text}")
    return None
