"""Answers to many questions about a few prefixes, each prefix read once.

A prefix (system words and a clip) is prefilled once; each of its questions goes on from a copy of that cache.
All questions of all prefixes are then decoded as one batch. Rows are ragged: padded on the right, each with
its own count of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Generic

import torch
from torch import Tensor

from engines.qwen.prompt import Prompt, Rotary
from engines.qwen.runtime import C, Runtime
from engines.qwen.sampling import Sampler, Sampling
from grounding.errors import EngineError

ROUND = 64
"""Cache lengths are rounded up to so many tokens, so that a cache that was used before fits again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """What questions share: a prompt; its pictures' features [F, E], then one [F, E] a DeepStack layer."""

    prompt: Prompt
    features: tuple[Tensor, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question: the number of its prefix, the tokens that follow it; `number` seeds its draws."""

    prefix: int
    ids: tuple[int, ...]
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Tokens of an answer, without the stop token; `ended` is false when the limit cut it off."""

    ids: tuple[int, ...]
    mean_logprob: float
    ended: bool


class Generator(Generic[C]):
    """Writes answers with one runtime. `stops` are the ids that end an answer; at most `rows` rows, of
    prefixes or of answers, are run at a time.
    """

    def __init__(self, runtime: Runtime[C], *, stops: frozenset[int], rows: int = 32) -> None:
        self._runtime = runtime
        self._stops = stops
        self._stop_ids = torch.tensor(sorted(stops), dtype=torch.long, device=runtime.device)
        self._rows = rows
        self._rotary = Rotary(runtime.shapes.text, device=runtime.device, dtype=runtime.dtype)
        self._banned = torch.tensor(runtime.shapes.vision_tokens, device=runtime.device)

    @torch.inference_mode()
    def write(self, prefixes: Sequence[Prefix], asks: Sequence[Ask], sampling: Sampling) -> list[Written]:
        """An answer to each ask, in order. Raises EngineError for a row that won't fit, before any is run."""
        if not asks:
            return []
        self.check([prefix.prompt for prefix in prefixes], asks, sampling)
        written: dict[int, Written] = {}
        for first in range(0, len(prefixes), self._rows):
            group = prefixes[first : first + self._rows]
            mine = [place for place, ask in enumerate(asks) if first <= ask.prefix < first + len(group)]
            own = [replace(asks[place], prefix=asks[place].prefix - first) for place in mine]
            answers = self._of_group(group, own, sampling)
            written.update(zip(mine, answers, strict=False))  # scoring reads, and writes none
        return [written[place] for place in sorted(written)]

    def _of_group(self, prefixes: Sequence[Prefix], asks: Sequence[Ask], sampling: Sampling) -> list[Written]:
        """The answers to asks about a few prefixes, which are in the caches together."""
        shared = self._prefill(prefixes)
        try:
            written: list[Written] = []
            for batch in self._batches(prefixes, asks):
                written += self._go_on(shared, prefixes, batch, sampling)
            return written
        finally:
            self._runtime.free(shared)

    def check(self, prompts: Sequence[Prompt], asks: Sequence[Ask], sampling: Sampling) -> None:
        """That every row fits, whose prefixes have these prompts. Raises EngineError, with the numbers."""
        prompt = max((prompts[ask.prefix].length + len(ask.ids) for ask in asks), default=0)
        needed, held = prompt + sampling.max_new, self._runtime.max_length
        if needed > held:
            raise EngineError(
                f"a prompt of {prompt} tokens and an answer of up to {sampling.max_new} need {needed}, and "
                f"this engine holds {held}: take fewer or smaller frames a window, or export it with a "
                "larger --max-length"
            )

    def _batches(self, prefixes: Sequence[Prefix], asks: Sequence[Ask]) -> Iterator[Sequence[Ask]]:
        """The asks in order, as many at once as allowed; one by one where padding won't fit into a row."""
        for start in range(0, len(asks), self._rows):
            batch = asks[start : start + self._rows]
            longest = max(prefixes[ask.prefix].prompt.length for ask in batch)
            if longest + max(len(ask.ids) for ask in batch) <= self._runtime.max_length:
                yield batch
            else:
                yield from ([ask] for ask in batch)

    def _prefill(self, prefixes: Sequence[Prefix]) -> C:
        longest = max(prefix.prompt.length for prefix in prefixes)
        cache = self._runtime.cache(len(prefixes), self._rounded(longest))
        self._read(
            [prefix.prompt for prefix in prefixes], [p.features for p in prefixes], [0] * len(prefixes), cache
        )
        return cache

    def _go_on(
        self, shared: C, prefixes: Sequence[Prefix], asks: Sequence[Ask], sampling: Sampling
    ) -> list[Written]:
        lengths = [prefixes[ask.prefix].prompt.length for ask in asks]
        needed = max(n + len(ask.ids) for n, ask in zip(lengths, asks, strict=True)) + sampling.max_new
        padded = max(lengths) + max(len(ask.ids) for ask in asks)
        cache = self._runtime.fork(
            shared,
            [ask.prefix for ask in asks],
            length=self._rounded(max(needed, padded)),
            used=max(lengths),
        )
        try:
            begins = [prefixes[ask.prefix].prompt.next_position for ask in asks]
            prompts = [_words(ask.ids, begin) for ask, begin in zip(asks, begins, strict=True)]
            logits = self._read(prompts, [()] * len(asks), lengths, cache)
            used = [n + len(ask.ids) for n, ask in zip(lengths, asks, strict=True)]
            sampler = Sampler(sampling, numbers=[ask.number for ask in asks], banned=self._banned)
            return self._decode(logits, [p.next_position for p in prompts], used, cache, sampler, sampling)
        finally:
            self._runtime.free(cache)

    def _rounded(self, length: int) -> int:
        return min(-(-length // ROUND) * ROUND, self._runtime.max_length)

    def _read(
        self, prompts: Sequence[Prompt], features: Sequence[tuple[Tensor, ...]], at: list[int], cache: C
    ) -> Tensor:
        """Put the prompts into the cache, chunk by chunk; logits [B, V] after each row's last token."""
        batch = _Padded.of(prompts, features, self._runtime)
        lengths = torch.tensor([p.length for p in prompts], device=self._runtime.device)
        begin_at = torch.tensor(at, device=self._runtime.device)
        logits: Tensor | None = None
        longest = int(lengths.max())
        borders = [*range(0, longest, self._runtime.max_chunk), longest]
        for start, stop in pairwise(borders):
            # A row that ended earlier goes on over its padding; what that writes is never seen.
            last = (lengths - 1 - start).clamp(0, stop - start - 1)
            new = self._runtime.forward(
                batch.x[:, start:stop],
                rotary=self._rotary.at(batch.positions[:, :, start:stop]),
                at=begin_at + start,
                last=last,
                deepstack=[layer[:, start:stop] for layer in batch.deepstack],
                cache=cache,
            )
            ends_here = (lengths - 1 >= start) & (lengths - 1 < stop)
            logits = new if logits is None else torch.where(ends_here[:, None], new, logits)
        assert logits is not None
        return logits

    def _decode(
        self,
        logits: Tensor,
        positions: list[int],
        used: list[int],
        cache: C,
        sampler: Sampler,
        sampling: Sampling,
    ) -> list[Written]:
        device = self._runtime.device
        position = torch.tensor(positions, device=device)
        at = torch.tensor(used, device=device)
        zero = torch.zeros(len(used), dtype=torch.long, device=device)
        drawn = [sampler.draw(logits)]
        ended = torch.isin(drawn[-1][0], self._stop_ids)
        while len(drawn) < sampling.max_new:
            if len(drawn) % self._runtime.check_every == 0 and bool(ended.all()):
                break
            step = len(drawn) - 1
            x = self._runtime.embed(drawn[-1][0])[:, None]
            rotary = self._rotary.at((position + step)[None, :, None].expand(3, -1, -1))
            logits = self._runtime.forward(
                x, rotary=rotary, at=at + step, last=zero, deepstack=(), cache=cache
            )
            drawn.append(sampler.draw(logits))
            ended |= torch.isin(drawn[-1][0], self._stop_ids)
        tokens = torch.stack([token for token, _ in drawn], 1).tolist()
        logprobs = torch.stack([logprob for _, logprob in drawn], 1).tolist()
        return [self._cut(row, probs) for row, probs in zip(tokens, logprobs, strict=True)]

    def _cut(self, ids: list[int], logprobs: list[float]) -> Written:
        end = next((k for k, token in enumerate(ids) if token in self._stops), len(ids))
        counted = logprobs[: end + 1]
        mean_logprob = sum(counted) / len(counted)
        if not math.isfinite(mean_logprob):
            raise EngineError(
                f"the network's numbers overflow in {self._runtime.dtype}: its answers mean nothing; "
                "run it in bfloat16 or float32, or fetch the checkpoint again"
            )
        return Written(ids=tuple(ids[:end]), mean_logprob=mean_logprob, ended=end < len(ids))


def _words(ids: tuple[int, ...], begin: int) -> Prompt:
    return Prompt(
        ids=torch.tensor(ids, dtype=torch.long),
        positions=(torch.arange(len(ids)) + begin).expand(3, -1),
        is_picture=torch.zeros(len(ids), dtype=torch.bool),
        next_position=begin + len(ids),
    )


@dataclass(frozen=True, slots=True)
class _Padded:
    """Prompts side by side: embeddings [B, S, E] with features in their places, positions [3, B, S]."""

    x: Tensor
    positions: Tensor
    deepstack: list[Tensor]

    @classmethod
    def of(
        cls, prompts: Sequence[Prompt], features: Sequence[tuple[Tensor, ...]], runtime: Runtime[C]
    ) -> _Padded:
        longest = max(prompt.length for prompt in prompts)
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        positions = torch.zeros(3, len(prompts), longest, dtype=torch.long)
        places = torch.zeros(len(prompts), longest, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            ids[row, : prompt.length] = prompt.ids
            positions[:, row, : prompt.length] = prompt.positions
            places[row, : prompt.length] = prompt.is_picture
        x = runtime.embed(ids.to(runtime.device)).clone()
        deepstack: list[Tensor] = []
        if any(features):
            places = places.to(runtime.device)
            layers = [
                torch.cat([row[k] for row in features if row])
                for k in range(len(next(filter(None, features))))
            ]
            x[places] = layers[0].to(x.dtype)
            for layer in layers[1:]:
                dense = torch.zeros_like(x)
                dense[places] = layer.to(x.dtype)
                deepstack.append(dense)
        return cls(x, positions.to(runtime.device), deepstack)
