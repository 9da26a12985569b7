"""The batched optimiser takes the steps that torch's own takes."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tests.small_world import TOKENS
from training.small.model import build
from training.small.optimiser import BatchedMuon, optimisers_of

SHAPES = ((48, 48), (48, 48), (16, 48), (96, 48), (48, 96), (96, 48))


def layers() -> nn.ParameterList:
    torch.manual_seed(0)
    return nn.ParameterList([nn.Parameter(torch.randn(shape) * 0.1) for shape in SHAPES])


def test_steps_equal_those_of_torchs_muon_over_several_steps() -> None:
    ours, theirs = layers(), layers()
    start = copy.deepcopy(ours)
    batched = BatchedMuon(ours.parameters(), lr=1e-2, weight_decay=0.1)
    single = torch.optim.Muon(theirs.parameters(), lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(6):
        torch.manual_seed(step)
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        batched.step()
        single.step()
    for a, b, before in zip(ours, theirs, start, strict=True):
        # The iterations run in bfloat16, where the order of a sum shows.
        assert (a - b).norm() <= 1e-2 * (b - before).norm()


def test_a_parameter_without_gradient_is_left_alone() -> None:
    ours = layers()
    before = [p.detach().clone() for p in ours]
    batched = BatchedMuon(ours.parameters(), lr=1e-2, weight_decay=0.1)
    ours[1].grad = torch.ones_like(ours[1])
    batched.step()
    assert [bool((p == old).all()) for p, old in zip(ours, before, strict=True)] == [True, False] + [True] * 4


def test_matrices_go_to_muon_and_embeddings_norms_and_biases_to_adamw() -> None:
    model = build("tiny", tokens=TOKENS, seed=0)
    optimisers = optimisers_of(model, weight_decay=0.0)
    of_muon = {id(p) for group in optimisers.muon.param_groups for p in group["params"]}
    of_adamw = {id(p) for group in optimisers.adamw.param_groups for p in group["params"]}
    names = {id(p): name for name, p in model.named_parameters()}
    assert of_muon | of_adamw == set(names)
    assert not of_muon & of_adamw
    assert all("proj" in names[i] or "linear_fc" in names[i] or "qkv" in names[i] for i in of_muon)
    assert {"model.language_model.embed_tokens.weight", "model.visual.pos_embed.weight"} <= {
        names[i] for i in of_adamw
    }
