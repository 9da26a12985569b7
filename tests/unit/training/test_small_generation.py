"""What the small model writes is what the stock model would write, and is weighed as it was drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.small_world import ID, QUESTION, TOKENS, Renderer, Squares, stamped, taught
from training.small.forward import StaticForward
from training.small.generation import Prompts, Writer
from training.small.packing import answers_logprob
from training.small.sampling import forbidding
from training.small.shape import PATCHES_A_SIDE, head_length

FRAMES, COPIES, LONGEST = 2, 3, 21
BIAS = forbidding(TOKENS, torch.device("cpu"))
QUESTIONS = (QUESTION, ("it", "?", "\n"), (*QUESTION[:-1], "?", "?", "\n"))


@pytest.fixture(scope="module")
def model() -> Any:
    return taught(frames=FRAMES, steps=30)


def asked() -> tuple[Prompts, Tensor]:
    """Questions of three lengths about three clips."""
    lengths = torch.tensor([head_length(FRAMES) + len(q) for q in QUESTIONS])
    ids = torch.full((len(QUESTIONS), head_length(FRAMES) + 8), TOKENS.pad)
    for row, question in enumerate(QUESTIONS):
        ids[row, : lengths[row]] = torch.tensor(stamped(FRAMES) + [ID[word] for word in question])
    scene = Squares(seed=5, batch=len(QUESTIONS), frames=FRAMES, text_len=24)[0].scene
    return Prompts(ids=ids, lengths=lengths), Renderer("cpu")({"corner": torch.from_numpy(scene["corner"])})


def writer(model: Any, *, copies: int) -> Writer:
    forward = StaticForward(model, frames=FRAMES, words=8 + LONGEST)
    length = head_length(FRAMES) + 8
    return Writer(
        forward,
        tokens=TOKENS,
        prompts=len(QUESTIONS),
        length=length,
        copies=copies,
        longest=LONGEST,
        capture=True,
    )


def stock_answer(model: Any, ids: Tensor, frames: Tensor) -> list[int]:
    """What HF's `generate` writes, greedily."""
    side = PATCHES_A_SIDE // 2
    cut = frames.view(FRAMES, 3, side, 2, 8, side, 2, 8).permute(0, 2, 5, 3, 6, 1, 4, 7)
    found = model.generate(
        input_ids=ids[None],
        attention_mask=torch.ones_like(ids)[None],
        pixel_values=cut.reshape(-1, 3 * 64).float() / 127.5 - 1,
        image_grid_thw=torch.tensor([[1, PATCHES_A_SIDE, PATCHES_A_SIDE]] * FRAMES),
        mm_token_type_ids=(ids == TOKENS.image).int()[None],
        max_new_tokens=LONGEST,
        do_sample=False,
        suppress_tokens=list(TOKENS.vision),
    )
    return [int(token) for token in found[0, len(ids) :]]


def test_greedy_answers_are_those_of_generate(model: Any) -> None:
    prompts, frames = asked()
    written = writer(model, copies=1).write(prompts, frames, temperature=0.0, generator=None)
    for row, length in enumerate(prompts.lengths):
        expected = stock_answer(model, prompts.ids[row, :length], frames[row])
        assert len(set(expected)) > 3
        assert written.ids[row, : len(expected)].tolist() == expected
        assert written.mask[row].sum() == len(expected)


def test_a_writer_writes_the_same_again_whatever_it_wrote_before(model: Any) -> None:
    prompts, frames = asked()
    one = writer(model, copies=1)
    first = one.write(prompts, frames, temperature=0.0, generator=None)
    one.write(prompts, frames.flip(0), temperature=1.0, generator=torch.Generator().manual_seed(1))
    again = one.write(prompts, frames, temperature=0.0, generator=None)
    assert torch.equal(first.ids, again.ids)


def test_drawn_answers_differ_end_at_their_end_and_never_ask_for_a_picture(model: Any) -> None:
    prompts, frames = asked()
    written = writer(model, copies=64).write(
        prompts, frames, temperature=2.0, generator=torch.Generator().manual_seed(0)
    )
    assert len({tuple(row) for row in written.ids.tolist()}) > 100
    assert not torch.isin(written.ids, torch.tensor(TOKENS.vision)).any()
    ends = (written.ids == TOKENS.eos).int()
    assert 0 < ends.sum() < len(ends)
    for row, mask in zip(written.ids.tolist(), written.mask, strict=True):
        stop = row.index(TOKENS.eos) + 1 if TOKENS.eos in row else LONGEST
        assert mask.tolist() == [True] * stop + [False] * (LONGEST - stop)
        assert set(row[stop:]) <= {TOKENS.pad}


def test_boxes_that_are_not_drawn_hold_the_likeliest_numbers_and_count_as_such(model: Any) -> None:
    prompts, frames = asked()
    one = writer(model, copies=8)
    free, bound = (
        one.write(
            prompts, frames, temperature=1.0, generator=torch.Generator().manual_seed(4), draw_boxes=draw
        )
        for draw in (True, False)
    )
    assert torch.equal(free.drawn, free.mask)
    within = bound.mask & ~bound.drawn
    assert within.any() and (bound.ids[within] >= TOKENS.first_number).sum() >= 4
    for row in range(len(bound.ids)):
        opens = (bound.ids[row] == TOKENS.box_open).nonzero().flatten().tolist()
        closes = (bound.ids[row] == TOKENS.box_close).nonzero().flatten().tolist()
        for start in opens:
            stop = next((at for at in closes if at > start), LONGEST)
            assert within[row, start + 1 : stop + 1].sum() == bound.mask[row, start + 1 : stop + 1].sum()
    assert within.sum() < bound.mask.sum()
    free_numbers, numbers = (made.logprob[made.ids >= TOKENS.first_number] for made in (free, bound))
    assert numbers.mean() > free_numbers.mean()


def test_answers_packed_behind_one_prompt_weigh_what_each_weighed_when_drawn(model: Any) -> None:
    prompts, frames = asked()
    written = writer(model, copies=COPIES).write(
        prompts, frames, temperature=0.7, generator=torch.Generator().manual_seed(2)
    )
    answers = written.ids.view(len(QUESTIONS), COPIES, LONGEST)
    forward = StaticForward(model, frames=FRAMES, words=8 + LONGEST)
    packed = answers_logprob(
        forward, prompts, answers_PCW=answers, frames=frames, bias_V=BIAS, temperature=0.7
    )
    difference = (packed.flatten(0, 1) - written.logprob)[written.mask]
    assert written.logprob[written.mask].std() > 0.1
    assert difference.abs().max() <= 1e-4


def test_packed_answers_have_the_gradients_of_answers_read_one_by_one(model: Any) -> None:
    prompts, frames = asked()
    answers = torch.randint(6, TOKENS.vocabulary, (len(QUESTIONS), COPIES, LONGEST))
    forward = StaticForward(model, frames=FRAMES, words=8 + LONGEST)
    gradients = []
    for alone in (False, True):
        model.zero_grad(set_to_none=True)
        if alone:
            for p, length in enumerate(prompts.lengths):
                for c in range(COPIES):
                    ids = torch.cat([prompts.ids[p, :length], answers[p, c]])[None]
                    logits = forward.logits(forward.read(ids, forward.see(frames[p : p + 1])))
                    logits[..., list(TOKENS.vision)] = -1e9
                    logprob = logits.log_softmax(-1)[0, length - 1 : -1]
                    F.nll_loss(logprob, answers[p, c], reduction="sum").backward()
        else:
            found = answers_logprob(
                forward, prompts, answers_PCW=answers, frames=frames, bias_V=BIAS, temperature=1.0
            )
            (-found.sum()).backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert (gradient - gradients[1][name]).norm() <= 1e-4 * gradient.norm(), name
