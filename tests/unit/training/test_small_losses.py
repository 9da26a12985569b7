"""What is learnt from: answers alone, coordinates by a bell around them; and how much is computed for it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch._dynamo.testing import CompileCounter
from torch.utils.flop_counter import FlopCounterMode

from tests.small_world import TOKENS, Renderer, Squares
from training.small.config import CompileMode
from training.small.flops import attention_flops, product_flops
from training.small.forward import StaticForward
from training.small.losses import COORDINATE, CompletionLoss, bell_loss
from training.small.model import build
from training.small.shape import head_length
from training.small.source import AsTensors

FRAMES, WORDS = 2, 24
SHOWN = torch.tensor([1, 2, 1])


def lesson(batch: int = 2) -> tuple[torch.Tensor, ...]:
    """Ids, roles, kinds and frames."""
    made = AsTensors(Squares(seed=1, batch=batch, frames=FRAMES, text_len=WORDS))[0]
    return made["ids"], made["roles"], made["kinds"], Renderer("cpu")(made["scene"])


def short_lesson() -> tuple[torch.Tensor, ...]:
    """Ids, roles, kinds and frames of clips of which each shows as many as SHOWN says."""
    ids, roles, kinds, frames = lesson(len(SHOWN))
    for row in (SHOWN == 1).nonzero().flatten():
        for told in (ids, roles, kinds):
            words = told[row, head_length(2) :].clone()
            told[row, head_length(1) :] = 0
            told[row, head_length(1) : head_length(1) + WORDS] = words
    return ids, roles, kinds, frames


def test_hard_targets_are_the_cross_entropy_of_answers_and_prompts_add_nothing() -> None:
    model = build("tiny", tokens=TOKENS, seed=0)
    forward = StaticForward(model, frames=FRAMES, words=WORDS)
    ids, roles, kinds, frames = lesson()
    kinds[1] = 3
    found, sums = CompletionLoss(forward, first_number=TOKENS.first_number).compute(
        ids, roles, kinds, frames, torch.tensor(0.0)
    )
    logits = forward.logits(forward.read(ids, forward.see(frames)))[:, :-1]
    labels = torch.where(roles > 0, ids, -100)[:, 1:]
    assert found.item() == pytest.approx(F.cross_entropy(logits.flatten(0, 1), labels.flatten()).item())

    each = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    boxes = roles[:, 1:] == COORDINATE
    for row, kind in enumerate((0, 3)):
        assert sums[1, 0, kind].item() == pytest.approx(each[row][boxes[row]].sum().item(), rel=1e-4)
        assert sums[0, 0, kind].item() == pytest.approx(each[row][~boxes[row]].sum().item(), rel=1e-4)
        assert (sums[1, 1, kind], sums[0, 1, kind]) == (4, (roles[row] == 1).sum())
    assert sums[:, 1].sum() == (roles > 0).sum()


def test_the_loss_of_clips_of_fewer_frames_is_that_of_each_read_alone() -> None:
    model = build("tiny", tokens=TOKENS, seed=0)
    ids, roles, kinds, frames = short_lesson()
    kinds[0], kinds[1], kinds[2] = 4, 5, 6
    both = CompletionLoss(StaticForward(model, frames=2, words=WORDS), first_number=TOKENS.first_number)
    found, sums = both.compute(ids, roles, kinds, frames, torch.tensor(3.0), SHOWN)
    alone = []
    for row, shown in enumerate(SHOWN.tolist()):
        forward = StaticForward(model, frames=shown, words=WORDS)
        own = [told[row : row + 1, : head_length(shown) + WORDS] for told in (ids, roles, kinds)]
        loss, own_sums = CompletionLoss(forward, first_number=TOKENS.first_number).compute(
            *own, frames[row : row + 1, :shown], torch.tensor(3.0)
        )
        alone.append(loss.item())
        assert torch.allclose(sums[..., 4 + row], own_sums[..., 4 + row], rtol=1e-5)
        assert sums[1, 1, 4 + row] == 4
    assert (roles > 0).sum(1).unique().numel() == 1, "or the mean would be weighted"
    assert found.item() == pytest.approx(sum(alone) / len(alone), rel=1e-5)
    assert max(alone) - min(alone) > 1e-4


def test_a_wide_target_prefers_numbers_near_the_true_one_and_is_a_whole_bell_at_the_border() -> None:
    numbers = torch.tensor([[0, 500, 999]])
    sure = torch.full((1000,), -1e4)
    sure[504] = 0.0
    near, far = (bell_loss(t.log_softmax(-1).expand(1, 3, -1), numbers, torch.tensor(8.0)) for t in
                 (-0.5 * ((torch.arange(1000.0) - 500) / 8) ** 2, sure))  # fmt: skip
    entropy = 0.5 * torch.log(torch.tensor(2 * torch.pi * torch.e * 8.0**2))
    assert near[0, 1].item() == pytest.approx(entropy.item(), rel=1e-3)
    assert far[0, 1] > near[0, 1]
    uniform = bell_loss(torch.zeros(1, 3, 1000).log_softmax(-1), numbers, torch.tensor(8.0))
    assert torch.allclose(uniform, torch.log(torch.tensor(1000.0)))


@pytest.mark.parametrize("shown", [None, torch.tensor([1])])
def test_flops_counted_by_shape_are_those_that_a_step_computes(shown: torch.Tensor | None) -> None:
    model = build("tiny", tokens=TOKENS, seed=0)
    forward = StaticForward(model, frames=FRAMES, words=WORDS)
    loss = CompletionLoss(forward, first_number=TOKENS.first_number)
    ids, roles, kinds, frames = lesson(1)
    with FlopCounterMode(display=False) as counter:
        loss.compute(ids, roles, kinds, frames, torch.tensor(8.0), shown)[0].backward()
    counted = {str(op): n for op, n in counter.get_flop_counts()["Global"].items()}
    assert product_flops(forward, words=WORDS) == sum(n for op, n in counted.items() if "mm" in op)


def test_flops_of_attention_grow_with_the_square_of_what_is_attended_to() -> None:
    model = build("tiny", tokens=TOKENS, seed=0)
    two, four = (StaticForward(model, frames=frames, words=WORDS) for frames in (2, 4))
    length = two.head + WORDS
    text = 2 * 6 * length**2 * 2 * 32  # 2 layers, 2 heads of 32
    frame = 2 * 12 * 256**2 * 64  # 2 layers, 64 wide
    assert attention_flops(two, words=WORDS) == text + 2 * frame
    assert attention_flops(four, words=WORDS) > 2 * attention_flops(two, words=WORDS)


def test_a_step_is_one_graph_that_waits_for_nothing_and_is_made_once_for_all_clips_shorter_or_not() -> None:
    model = build("tiny", tokens=TOKENS, seed=0)
    loss = CompletionLoss(StaticForward(model, frames=FRAMES, words=WORDS), first_number=TOKENS.first_number)
    graphs = CompileCounter()
    step = torch.compile(loss.compute, fullgraph=True, dynamic=False, backend=graphs)
    for shown in (SHOWN, torch.tensor([2, 2, 2]), torch.tensor([2, 1, 1])):
        step(*short_lesson(), torch.tensor(8.0), shown)
    assert graphs.frame_count == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # the compiler's own, as is the next
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("mode", ["parts", "default"])
@pytest.mark.parametrize("shown", [None, SHOWN])
def test_compiling_changes_no_number(mode: CompileMode, shown: torch.Tensor | None) -> None:
    found = []
    hows: tuple[CompileMode, ...] = ("off", mode)
    for how in hows:
        model = build("tiny", tokens=TOKENS, seed=0)
        forward = StaticForward(model, frames=FRAMES, words=WORDS)
        loss = CompletionLoss(forward, first_number=TOKENS.first_number)
        loss.compile(how)
        clips = lesson() if shown is None else short_lesson()
        value, _sums = loss.compute(*clips, torch.tensor(8.0), shown)
        value.backward()
        found.append((value.item(), {name: p.grad for name, p in model.named_parameters()}))
    (value, gradients), (compiled, others) = found
    assert compiled == pytest.approx(value, rel=1e-5)
    for name, gradient in gradients.items():
        assert (gradient - others[name]).norm() <= 1e-4 * gradient.norm(), name
