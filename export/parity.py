"""`proofreel export check`: an export's graphs against the checkpoint they were made from.

1. the same features and logits; 2. the same tokens; 3. in fewer bits: the same directions and decided
winners; 4. the same answers however a batch is made up. Point 5 is in `export.reading`.
Shapes: B rows, T tokens of an answer, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engines.manifest import ExportType
from engines.parity import Finding, Measure
from engines.qwen.caches import TensorCache
from engines.qwen.generation import Ask, Generator, Prefix
from engines.qwen.prompt import Piece, Words, prompt_of
from engines.qwen.runtime import Runtime
from engines.qwen.sampling import Sampling
from engines.qwen.scoring import Scorer
from export.cases import NUM_NEW, Case
from export.reference import Answer, Truth

VISION_ERROR, LOGIT_ERROR = 1e-5, 1e-4
"""fp32: largest error as a share of the reference's largest value."""

COSINE: dict[ExportType, float] = {"fp16": 0.999, "bf16": 0.999, "int8": 0.99}
"""Of features or logits over all tokens of the worst prompt."""

STRAY = 10
"""A single vector may be so many times further off than the mean."""

AGREEMENT = 0.99
LEAST_DECIDED = 20
"""So many positions must have a clear winner, or their agreement means nothing."""

VISION = "vision features"
FAR_OFF = 1e30
POISON = 1e4
_FEW = 8  # tokens by which batches are compared
_CHUNK = 17

QwenRuntime = Runtime[TensorCache]
Pairs = Sequence[tuple[Tensor, Tensor]]
"""What the runtime gave, and what was expected."""

Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Check:
    """Holds one runtime against the truth. `told` hears what is being done."""

    runtime: QwenRuntime
    dtype: ExportType
    truth: Truth
    told: Told

    def findings(self) -> list[Finding]:
        """Points 1 to 4."""
        self.told("vision, over grids of every kind")
        found = self._vision()
        self.told("answers, one at a time")
        found += [self._answer(answer) for answer in (*self.truth.short, self.truth.long)]
        self.told("answers, as one ragged batch")
        found += self._ragged()
        self.told("answers, teacher-forced")
        found += self._logits()
        self.told("the same questions in other batches")
        return [*found, *self._batches()]

    def _vision(self) -> list[Finding]:
        pairs = []
        for media, expected in self.truth.seen:
            patches = torch.cat([medium.patches for medium in media]).to(self.runtime.device)
            seen = self.runtime.see(patches, [medium.grid for medium in media])
            pairs += [(a.float().cpu(), b) for a, b in zip(seen, expected, strict=True)]
        return self._close(pairs, 1, VISION, f"{len(self.truth.seen)} sets of grids")

    def _answer(self, answer: Answer) -> Finding:
        generator = Generator(self.runtime, stops=frozenset())
        written = generator.write([self._prefix(answer.case)], [_ask(answer.case)], Sampling(max_new=NUM_NEW))
        return self._exact([answer], [written[0].ids], answer.case.name)

    def _ragged(self) -> list[Finding]:
        answers = self.truth.short
        prefixes, asks = self._batch(answers)
        generator = Generator(self.runtime, stops=frozenset(), rows=len(asks))
        written = generator.write(prefixes, asks, Sampling(max_new=NUM_NEW))
        return [self._exact(answers, [row.ids for row in written], f"ragged batch of {len(asks)}")]

    def _exact(self, answers: Sequence[Answer], written: Sequence[Sequence[int]], case: str) -> Finding:
        """Tokens before the first that differs, of the row in which it comes first."""
        same = [_first_difference(ids, a.tokens.tolist()) for ids, a in zip(written, answers, strict=True)]
        row = min(range(len(same)), key=same.__getitem__)
        is_judged, whole = self.dtype == "fp32", len(answers[row].tokens)
        note = ""
        if same[row] < whole:
            margin = _margin(answers[row].logits[same[row]], banned=self.runtime.shapes.vision_tokens)
            note = f"{answers[row].case.name}: there the reference's best two are {margin:.3g} apart"
        return _finding(
            2, "greedy tokens", case, "tokens alike", value=same[row], note=note,
            bound=whole if is_judged else None, passed=same[row] == whole if is_judged else None,
        )  # fmt: skip

    def _logits(self) -> list[Finding]:
        pairs: list[tuple[Tensor, Tensor]] = []
        found: list[Finding] = []
        for name, answers in (("short prompts", self.truth.short), ("long prompt", [self.truth.long])):
            prefixes, asks = self._batch(answers)
            scored = self._score(prefixes, asks, _tokens(answers))
            rows = [(row, answer.logits) for row, answer in zip(scored, answers, strict=True)]
            point = 1 if self.dtype == "fp32" else 3
            found += self._close(rows, point, "decoder logits", name)
            pairs += rows
        return found if self.dtype == "fp32" else [*found, self._agreement(pairs)]

    def _agreement(self, pairs: Pairs) -> Finding:
        """How often the best token is the reference's, where its lead is more than the allowed error."""
        got, expected = (torch.cat([pair[k] for pair in pairs]) for k in (0, 1))
        best = expected.topk(2, dim=-1).values
        # Logits at the allowed cosine c are off by sqrt(2 (1 - c)) of their own size, each of the two.
        size = (expected - expected.mean(-1, keepdim=True)).std(-1)
        allowed = 2 * math.sqrt(2 * (1 - COSINE[self.dtype])) * size
        decided = best[:, 0] - best[:, 1] > allowed
        agreed = (got.argmax(-1) == expected.argmax(-1))[decided].float()
        count = int(decided.sum())
        value = float(agreed.mean()) if count else 0.0
        return _finding(
            3, "top-1 agreement", "where the winner is clear", "share", value=value, bound=AGREEMENT,
            passed=value >= AGREEMENT and count >= LEAST_DECIDED, note=f"{count} of {len(decided)} positions",
        )  # fmt: skip

    def _batches(self) -> list[Finding]:
        """Point 4: nothing that happens to a row's surroundings may reach it."""
        answers = self.truth.short
        prefixes, asks = self._batch(answers)
        tokens = _tokens(answers)[:, :_FEW]
        plain = self._score(prefixes, asks, tokens)
        backwards = list(range(len(asks)))[::-1]
        order = self._score(
            [prefixes[k] for k in backwards],
            [replace(asks[k], prefix=place) for place, k in enumerate(backwards)],
            tokens[backwards],
        )[backwards]
        alone = [
            self._score([prefixes[k]], [replace(asks[k], prefix=0)], tokens[k : k + 1])[0]
            for k in range(len(asks))
        ]
        found = [
            self._unmoved(order, plain, "batch backwards"),
            self._unmoved(torch.stack(alone), plain, "no padding, each row alone"),
            self._unmoved(self._poisoned(prefixes, asks, tokens), plain, f"caches full of {POISON:g}"),
            self._unmoved(self._chunked(prefixes, asks, tokens), plain, f"prompts in chunks of {_CHUNK}"),
        ]
        return [*found, self._shared_prefix()]

    def _poisoned(self, prefixes: Sequence[Prefix], asks: Sequence[Ask], tokens: Tensor) -> Tensor:
        scorer = Scorer(self.runtime)
        longest = max(p.prompt.length for p in prefixes)
        scorer.poison(len(asks), length=longest, value=POISON)
        return scorer.score(prefixes, asks, tokens)

    def _chunked(self, prefixes: Sequence[Prefix], asks: Sequence[Ask], tokens: Tensor) -> Tensor:
        whole, self.runtime.max_chunk = self.runtime.max_chunk, _CHUNK
        try:
            return self._score(prefixes, asks, tokens)
        finally:
            self.runtime.max_chunk = whole

    def _shared_prefix(self) -> Finding:
        """Two questions of one prefix, against each with the whole prompt to itself, read in one go."""
        first, other = self.truth.short[-1], self.truth.short[0]
        asks = [Ask(prefix=0, ids=first.case.ask), Ask(prefix=0, ids=other.case.ask)]
        tokens = _tokens([first, other])[:, :_FEW]
        shared = self._score([self._prefix(first.case)], asks, tokens)
        apart = [
            self._score(
                [self._prefix(replace(first.case, ask=()), more=ask.ids[:-1])],
                [Ask(prefix=0, ids=ask.ids[-1:])],
                tokens[k : k + 1],
            )[0]
            for k, ask in enumerate(asks)
        ]
        return self._unmoved(shared, torch.stack(apart), "shared prefix against separate runs")

    def _unmoved(self, got: Tensor, plain: Tensor, case: str) -> Finding:
        if self.dtype == "fp32":
            return self._small_error([(got, plain)], 4, "logits", case, LOGIT_ERROR)
        return self._lowest([(got, plain)], 4, "logits", case, COSINE["fp16"])

    def _close(self, pairs: Pairs, point: int, what: str, case: str) -> list[Finding]:
        """fp32: the largest error. In fewer bits: the worst pair's mean cosine, and the lowest of all."""
        is_vision = what == VISION
        if self.dtype == "fp32":
            return [self._small_error(pairs, point, what, case, VISION_ERROR if is_vision else LOGIT_ERROR)]
        least = COSINE["fp16" if is_vision else self.dtype]
        mean = min(_cosines(got, expected).mean().item() for got, expected in pairs)
        return [
            _finding(point, what, case, "mean cosine", value=mean, bound=least, passed=mean >= least),
            self._lowest(pairs, point, what, case, 1 - STRAY * (1 - least)),
        ]

    def _small_error(self, pairs: Pairs, point: int, what: str, case: str, most: float) -> Finding:
        value = max(_error(got, expected) for got, expected in pairs)
        return _finding(point, what, case, "largest error", value=value, bound=most, passed=value <= most)

    def _lowest(self, pairs: Pairs, point: int, what: str, case: str, least: float) -> Finding:
        value = min(_cosines(got, expected).min().item() for got, expected in pairs)
        return _finding(point, what, case, "lowest cosine", value=value, bound=least, passed=value >= least)

    def _score(self, prefixes: Sequence[Prefix], asks: Sequence[Ask], tokens: Tensor) -> Tensor:
        return Scorer(self.runtime).score(prefixes, asks, tokens)

    def _batch(self, answers: Sequence[Answer]) -> tuple[list[Prefix], list[Ask]]:
        prefixes = [self._prefix(answer.case) for answer in answers]
        return prefixes, [_ask(answer.case, prefix=place) for place, answer in enumerate(answers)]

    def _prefix(self, case: Case, *, more: Sequence[int] = ()) -> Prefix:
        features: tuple[Tensor, ...] = ()
        if case.media:
            patches = torch.cat([medium.patches for medium in case.media]).to(self.runtime.device)
            features = self.runtime.see(patches, [medium.grid for medium in case.media])
        pieces: tuple[Piece, ...] = (*case.pieces, Words(tuple(more)))
        return Prefix(prompt=prompt_of(pieces, self.runtime.shapes), features=features)


def _ask(case: Case, *, prefix: int = 0) -> Ask:
    return Ask(prefix=prefix, ids=case.ask)


def _tokens(answers: Sequence[Answer]) -> Tensor:
    return torch.stack([answer.tokens for answer in answers])


def _first_difference(got: Sequence[int], expected: Sequence[int]) -> int:
    pairs = zip(got, expected, strict=True)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), len(expected))


def _margin(logits_V: Tensor, *, banned: Sequence[int]) -> float:
    best = logits_V.index_fill(0, torch.tensor(banned), -torch.inf).topk(2).values
    return float(best[0] - best[1])


def _error(got: Tensor, expected: Tensor) -> float:
    """The largest, as a share of the largest value expected; NaN counts as very far off."""
    error = float((got - expected).abs().max() / expected.abs().max())
    return error if math.isfinite(error) else FAR_OFF


def _cosines(got: Tensor, expected: Tensor) -> Tensor:
    """Of every vector with its own; NaN counts as the worst."""
    return torch.nn.functional.cosine_similarity(got, expected, dim=-1).nan_to_num(-1.0)


def _finding(
    point: int,
    what: str,
    case: str,
    measure: Measure,
    *,
    value: float,
    bound: float | None,
    passed: bool | None,
    note: str = "",
) -> Finding:
    return Finding(
        point=point, what=what, case=case, measure=measure, value=value, bound=bound, passed=passed, note=note
    )
