"""What the small model is trained on: the tokens of answers alone, coordinates against a bell around them.

Shapes: B clips, W tokens after the frames, V vocabulary, K kinds of question.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.small.config import CompileMode
from training.small.device import compiled
from training.small.forward import StaticForward
from training.small.shape import NUMBERS, STRIDE

KINDS = 32
"""Kinds of question that are told apart in what is logged."""

ANSWER, COORDINATE = 1, 2
"""Roles of tokens; 0 are prompts and padding."""

SHARPEST = 0.05
"""A bell this narrow is the number itself, exactly so in float32: sigma 0 means a hard target."""


class CompletionLoss:
    """The mean loss of a batch's answer tokens, and what each kind of question adds to it.

    `compute` goes from pixels to the loss, so that torch.compile sees it whole.
    """

    def __init__(self, forward: StaticForward, *, first_number: int) -> None:
        self.drive, self.first_number = forward, first_number
        self.compute, self._weigh = self._compute, self._weighed

    def compile(self, mode: CompileMode) -> None:
        """Compile it, whole or in parts."""
        if mode == "parts":
            self.drive.compile_parts()
            self._weigh = compiled(self._weighed, "default")
        else:
            self.compute = compiled(self._compute, mode)

    def _compute(
        self,
        ids_BS: Tensor,
        roles_BS: Tensor,
        kinds_BS: Tensor,
        frames_BTCHW: Tensor,
        sigma: Tensor,
        shown_B: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The loss, and [2, 2, K] sums and counts of nll: of words, of coordinates.

        `sigma` [] of the bell, in units of the numbers 0..999; `shown_B` as `StaticForward.read` takes it.
        """
        hidden = self.drive.read(ids_BS, self.drive.see(frames_BTCHW), shown_B=shown_B)
        head, told = self.drive.head, (ids_BS, roles_BS, kinds_BS)
        if shown_B is None:
            before = hidden[:, head - 1 : -1]
            ids, roles, kinds = (t[:, head:] for t in told)
        else:
            places_BW = _places(shown_B, words=ids_BS.shape[1] - head)
            before = hidden.gather(1, (places_BW - 1)[..., None].expand(-1, -1, hidden.shape[-1]))
            ids, roles, kinds = (t.gather(1, places_BW) for t in told)
        return self._weigh(before, ids, roles, kinds, sigma)

    def _weighed(
        self, hidden_BWE: Tensor, ids: Tensor, roles: Tensor, kinds: Tensor, sigma: Tensor
    ) -> tuple[Tensor, Tensor]:
        logprob = self.drive.logits(hidden_BWE).float().log_softmax(dim=-1)
        nll = -logprob.gather(-1, ids[..., None])[..., 0]
        soft = bell_loss(logprob[..., self.first_number :], ids - self.first_number, sigma)
        loss = torch.where(roles == COORDINATE, soft, nll)
        asked = (roles > 0).float()
        return (loss * asked).sum() / asked.sum().clamp_min(1), _by_kind(nll.detach(), roles, kinds)


def _places(shown_B: Tensor, *, words: int) -> Tensor:
    """[B, W] where the words of each row stand: right behind its frames."""
    return STRIDE * shown_B[:, None] + torch.arange(words, device=shown_B.device)


def bell_loss(logprob_BWN: Tensor, number_BW: Tensor, sigma: Tensor) -> Tensor:
    """Cross-entropy [B, W] against a Gaussian over whole numbers around each `number`, cut at the ends."""
    number = number_BW.clamp(0, NUMBERS - 1)[..., None]
    distance = (torch.arange(NUMBERS, device=number.device) - number) / sigma.clamp_min(SHARPEST)
    weight = torch.exp(-0.5 * distance**2)
    return -(logprob_BWN * weight).sum(-1) / weight.sum(-1)


def _by_kind(nll_BW: Tensor, roles_BW: Tensor, kinds_BW: Tensor) -> Tensor:
    kind = kinds_BW[..., None] == torch.arange(KINDS, device=kinds_BW.device)
    parts = []
    for role in (ANSWER, COORDINATE):
        chosen = kind & (roles_BW == role)[..., None]
        parts += [torch.where(chosen, nll_BW[..., None], 0.0).sum((0, 1)), chosen.sum((0, 1)).float()]
    return torch.stack(parts).view(2, 2, KINDS)
