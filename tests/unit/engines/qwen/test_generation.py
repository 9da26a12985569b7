"""Answers are token for token those of HF's `generate`, however they are batched, chunked and cached."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from engines.qwen.generation import Ask, Generator, Written
from engines.qwen.sampling import Sampling
from engines.qwen.torch_runtime import TorchRuntime
from grounding.errors import EngineError
from tests.reference_qwen import FAMILIES, Story, answers, fresh_runtime, generated, prefixes

GREEDY = Sampling(max_new=64)
TAILS = ((9, 10, 11), (20, 21, 22, 23, 24), (30,))

BATCHES: dict[str, Callable[[str], list[Story]]] = {
    "text only": lambda family: [Story(family=family).words(1, 50, 51, 52)],
    "image": lambda family: [Story(family=family).words(1).image((1, 8, 12)).words(50)],
    "video of three frames": lambda family: [
        Story(family=family, seed=seed).words(1, 300 + seed).video((3, 6, 10)) for seed in (1, 2, 3)
    ],
    "mixed": lambda family: [
        Story(family=family).words(1).image((1, 8, 8)).words(40).video((2, 6, 8), seconds=1.5)
    ],
    "ragged batch": lambda family: [
        Story(family=family, seed=1).words(1, 50, 51).image((1, 8, 8)).video((3, 8, 12), seconds=1.5),
        Story(family=family, seed=2).words(1).image((1, 10, 6)).video((2, 6, 8), seconds=1.5),
        Story(family=family, seed=3).words(*range(100, 130)).image((1, 4, 4)).video((1, 4, 6)),
    ],
    "long context": lambda family: [
        Story(family=family).words(*(7 + k * 13 % 1000 for k in range(1900))).image((1, 24, 32)).words(50)
    ],
}


def ids(written: list[Written]) -> list[tuple[int, ...]]:
    return [answer.ids for answer in written]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", BATCHES)
def test_greedy_answers_are_those_of_the_reference_for_64_tokens(family: str, case: str) -> None:
    stories = BATCHES[case](family)
    tails = TAILS[: len(stories)]
    ours = ids(answers(stories, tails, runtime=fresh_runtime(family), sampling=GREEDY))

    assert ours == generated(stories, tails, max_new=64)
    assert all(len(row) == 64 for row in ours)
    assert len({token for row in ours for token in row}) > 5
    if case == "long context":
        assert len(stories[0].ids) > 2000


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk", [1, 17, 64])
def test_a_prompt_read_in_chunks_gives_the_same_answers(family: str, chunk: int) -> None:
    stories = BATCHES["ragged batch"](family)
    whole = answers(stories, TAILS, runtime=fresh_runtime(family), sampling=GREEDY)
    runtime = fresh_runtime(family)
    runtime.max_chunk = chunk

    assert ids(answers(stories, TAILS, runtime=runtime, sampling=GREEDY)) == ids(whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_more_rows_are_run_at_once_than_allowed_prefixes_included(family: str) -> None:
    stories = [Story(family=family).words(*range(50, 60 + number)) for number in range(5)]
    asks = [Ask(prefix=number, ids=tail) for number in (0, 3, 1, 4, 2) for tail in ((9,), (8, 7))]
    runtime = fresh_runtime(family)
    whole = Generator(runtime, stops=frozenset()).write(prefixes(stories, runtime), asks, GREEDY)
    narrow, rows = fresh_runtime(family), []
    take = narrow._pool.take
    narrow._pool.take = lambda n, length: rows.append(n) or take(n, length)  # type: ignore[method-assign]
    few = Generator(narrow, stops=frozenset(), rows=2).write(prefixes(stories, narrow), asks, GREEDY)

    assert ids(few) == ids(whole) and max(rows) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_what_an_earlier_call_left_in_a_cache_is_never_seen(family: str) -> None:
    stories = BATCHES["ragged batch"](family)
    runtime = Poisoned.of(family)
    first = ids(answers(stories, TAILS, runtime=runtime, sampling=GREEDY))
    again = ids(answers(stories, TAILS, runtime=runtime, sampling=GREEDY))

    assert runtime.num_poisoned >= 4
    assert first == again == ids(answers(stories, TAILS, runtime=fresh_runtime(family), sampling=GREEDY))


class Poisoned(TorchRuntime):
    """Fills every cache with 1e4 before it is handed out."""

    num_poisoned = 0

    @classmethod
    def of(cls, family: str) -> Poisoned:
        from tests.reference_qwen import network

        plain = fresh_runtime(family)
        return cls(network(family), plain.shapes, max_length=plain.max_length)

    def cache(self, rows: int, length: int):  # type: ignore[no-untyped-def]
        cache = super().cache(rows, length)
        for tensor in cache.tensors:
            tensor.fill_(1e4)
        self.num_poisoned += 1
        return cache

    def fork(self, cache, rows, *, length, used):  # type: ignore[no-untyped-def]
        new = self.cache(len(rows), length)
        for target, source in zip(new.tensors, cache.tensors, strict=True):
            target[:, :, :used] = source[torch.tensor(rows), :, :used]
        return new


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_that_share_a_prefix_are_answered_as_if_each_were_alone(family: str) -> None:
    runtime = fresh_runtime(family)
    story = BATCHES["mixed"](family)[0]
    shared = prefixes([story], runtime)
    tails = [(9, 10), (20, 21, 22, 23), (30,), (40, 41, 42)]
    together = Generator(runtime, stops=frozenset()).write(
        shared, [Ask(prefix=0, ids=tail) for tail in tails], GREEDY
    )
    alone = [answers([story], [tail], runtime=fresh_runtime(family), sampling=GREEDY)[0] for tail in tails]

    assert ids(together) == ids(alone)
    for one, other in zip(together, alone, strict=True):
        assert one.mean_logprob == pytest.approx(other.mean_logprob, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_and_the_size_of_a_batch_change_no_answer(family: str) -> None:
    runtime = fresh_runtime(family)
    stories = BATCHES["ragged batch"](family)
    found = prefixes(stories, runtime)
    asks = [Ask(prefix=k % 3, ids=TAILS[k // 3]) for k in range(9)]
    in_order = ids(Generator(runtime, stops=frozenset()).write(found, asks, GREEDY))

    backwards = Generator(runtime, stops=frozenset(), rows=4).write(found, asks[::-1], GREEDY)
    assert ids(backwards)[::-1] == in_order


def test_an_answer_ends_before_its_stop_and_says_so() -> None:
    runtime = fresh_runtime("qwen2_5_vl")
    stories = BATCHES["ragged batch"]("qwen2_5_vl")
    whole = ids(answers(stories, TAILS, runtime=runtime, sampling=GREEDY))
    stop = whole[0][10]
    stopped = answers(stories, TAILS, runtime=runtime, sampling=GREEDY, stops=frozenset({stop}))

    for row, full in zip(stopped, whole, strict=True):
        end = full.index(stop) if stop in full else 64
        assert row.ids == full[:end] and row.ended == (stop in full)
    assert stopped[0].ended and not all(row.ended for row in stopped)


def test_the_mean_log_probability_counts_an_answer_s_own_tokens_and_its_stop() -> None:
    runtime = fresh_runtime("qwen3_vl")
    story = [Story(family="qwen3_vl").words(1, 50, 51, 52)]
    full = answers(story, [(9,)], runtime=runtime, sampling=Sampling(max_new=12))[0]
    stop = full.ids[5]
    end = full.ids.index(stop)
    up_to = answers(story, [(9,)], runtime=runtime, sampling=Sampling(max_new=end + 1))[0]
    cut = answers(story, [(9,)], runtime=runtime, sampling=GREEDY, stops=frozenset({stop}))[0]

    assert cut.ended and cut.mean_logprob == pytest.approx(up_to.mean_logprob, abs=1e-6)
    assert full.mean_logprob < 0


def test_decoding_goes_no_further_than_the_longest_answer_even_when_it_looks_only_now_and_then() -> None:
    story = [Story(family="qwen3_vl").words(1, 50, 51, 52)]
    first = answers(story, [(9,)], runtime=fresh_runtime("qwen3_vl"), sampling=GREEDY)[0].ids[0]
    runtime = Counting.of("qwen3_vl")
    runtime.check_every = 16
    answer = answers(story, [(9,)], runtime=runtime, sampling=GREEDY, stops=frozenset({first}))[0]

    assert answer.ids == () and answer.ended
    assert runtime.num_steps <= 2 + 15  # prefix, question, and the steps until it looks


class Counting(Poisoned):
    num_steps = 0

    def forward(self, *arguments, **named):  # type: ignore[no-untyped-def]
        self.num_steps += 1
        return super().forward(*arguments, **named)


def test_a_row_that_just_fits_is_answered_and_one_that_does_not_is_refused_before_any_work() -> None:
    story = Story(family="qwen2_5_vl").words(*range(50, 90))
    fits = fresh_runtime("qwen2_5_vl", max_length=40 + 3 + 64)
    assert len(answers([story], [(1, 2, 3)], runtime=fits, sampling=GREEDY)[0].ids) == 64

    tight = Counting.of("qwen2_5_vl")
    tight.max_length = 40 + 3 + 63
    with pytest.raises(
        EngineError, match=r"prompt of 43 tokens and an answer of up to 64 need 107.* holds 106"
    ):
        answers([story], [(1, 2, 3)], runtime=tight, sampling=GREEDY)
    assert tight.num_steps == 0


def test_rows_whose_padding_would_not_fit_are_answered_one_by_one_and_the_same() -> None:
    """A long prefix with a short question beside a short prefix with a long one: padded to both, too long."""
    family = "qwen3_vl"
    stories = [Story(family=family).words(*range(50, 150)), Story(family=family).words(1, 2, 3)]
    tails = [(9,), tuple(range(200, 290))]
    wide = ids(answers(stories, tails, runtime=fresh_runtime(family), sampling=GREEDY))
    tight = fresh_runtime(family, max_length=170)

    assert ids(answers(stories, tails, runtime=tight, sampling=GREEDY)) == wide


def test_nothing_asked_is_nothing_answered() -> None:
    assert Generator(fresh_runtime("qwen3_vl"), stops=frozenset()).write([], [], GREEDY) == []


def test_numbers_that_overflow_are_an_error_and_no_answer() -> None:
    runtime = Overflowing.of("qwen3_vl")
    with pytest.raises(EngineError, match=r"overflow in torch\.float32"):
        answers([Story(family="qwen3_vl").words(1, 2)], [(9,)], runtime=runtime, sampling=GREEDY)


class Overflowing(Poisoned):
    def forward(self, *arguments, **named):  # type: ignore[no-untyped-def]
        return super().forward(*arguments, **named) * torch.inf


def test_kept_caches_are_few_and_let_go_on_close() -> None:
    runtime = fresh_runtime("qwen3_vl")
    for length in range(1, 400, 70):
        story = [Story(family="qwen3_vl").words(*(7 + k % 900 for k in range(length)))]
        answers(story, [(9,)], runtime=runtime, sampling=Sampling(max_new=2))
    assert len(kept(runtime)) <= 2
    runtime.close()
    assert kept(runtime) == []


def kept(runtime: TorchRuntime) -> list[object]:
    return list(runtime._pool._spares)
