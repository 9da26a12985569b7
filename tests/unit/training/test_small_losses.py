"""What is learnt from: answers alone, coordinates by a bell around them; and how much is computed for it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from tests.small_world import TOKENS, Renderer, Squares
from training.small.config import CompileMode
from training.small.flops import attention_flops, product_flops
from training.small.forward import StaticForward
from training.small.losses import COORDINATE, CompletionLoss, bell_loss
from training.small.model import build
from training.small.source import AsTensors

FRAMES, WORDS = 2, 24


def lesson(batch: int = 2) -> tuple[torch.Tensor, ...]:
    """Ids, roles, kinds and frames."""
    made = AsTensors(Squares(seed=1, batch=batch, frames=FRAMES, text_len=WORDS))[0]
    return made["ids"], made["roles"], made["kinds"], Renderer("cpu")(made["scene"])


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


def test_flops_counted_by_shape_are_those_that_a_step_computes() -> None:
    model = build("tiny", tokens=TOKENS, seed=0)
    forward = StaticForward(model, frames=FRAMES, words=WORDS)
    loss = CompletionLoss(forward, first_number=TOKENS.first_number)
    ids, roles, kinds, frames = lesson(1)
    with FlopCounterMode(display=False) as counter:
        loss.compute(ids, roles, kinds, frames, torch.tensor(8.0))[0].backward()
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # the compiler's own, as is the next
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("mode", ["parts", "default"])
def test_compiling_changes_no_number(mode: CompileMode) -> None:
    found = []
    hows: tuple[CompileMode, ...] = ("off", mode)
    for how in hows:
        model = build("tiny", tokens=TOKENS, seed=0)
        forward = StaticForward(model, frames=FRAMES, words=WORDS)
        loss = CompletionLoss(forward, first_number=TOKENS.first_number)
        loss.compile(how)
        value, _sums = loss.compute(*lesson(), torch.tensor(8.0))
        value.backward()
        found.append((value.item(), {name: p.grad for name, p in model.named_parameters()}))
    (value, gradients), (compiled, others) = found
    assert compiled == pytest.approx(value, rel=1e-5)
    for name, gradient in gradients.items():
        assert (gradient - others[name]).norm() <= 1e-4 * gradient.norm(), name
