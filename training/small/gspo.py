"""GSPO for the small model: draw answers, score them, learn from what earned more than its group.

The losses are those of `training.policy`, as TRL computes them; the loop is the small model's own, for speed.
Everything in a rollout is seeded by its number, so that a killed run goes on with the same rewards.
Shapes: P prompts, C copies, R = P x C answers of at most W tokens, K components of the reward.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from grounding.errors import TrainingError
from training.policy import SPREAD, group_advantages, policy_loss, zero_variance_share
from training.runs import Run
from training.small.checkpoints import load_state, save_state
from training.small.device import autocast, compiled, device_name
from training.small.feed import Stream, feed, timed
from training.small.forward import StaticForward
from training.small.generation import Prompts, Writer
from training.small.packing import answers_logprob
from training.small.practice import Practice
from training.small.sampling import forbidding
from training.small.scoring import Score
from training.small.shape import head_length
from training.small.source import Source
from training.small.student import Student

MODEL = "model"

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """What a practice needs beside its source: questions by number, and what answers to them earn."""

    quiz: Stream
    score: Score
    components: tuple[str, ...]
    weights: Tensor
    decode: Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Answers [P, C, W] drawn for prompts, which tokens are learnt from, and what each is worth [P, C]."""

    prompts: Prompts
    frames: Tensor = field(repr=False)
    answers: Tensor = field(repr=False)
    mask: Tensor = field(repr=False)
    advantages: Tensor = field(repr=False)

    def of(self, chosen: Tensor) -> Rollout:
        """Of these prompts alone."""
        return Rollout(
            prompts=Prompts(ids=self.prompts.ids[chosen], lengths=self.prompts.lengths[chosen]),
            frames=self.frames[chosen],
            answers=self.answers[chosen],
            mask=self.mask[chosen],
            advantages=self.advantages[chosen],
        )


def practise(
    config: Practice,
    *,
    source: Source,
    examiner: Examiner,
    out: Path,
    device: torch.device,
    command: str,
    told: Told,
) -> Path:
    """Practise, or go on where a killed run stood, and return the folder of the model.

    Raises ValueError for a folder of another run; TrainingError when it does not fit into memory or diverges.
    """
    run = Run.begin(
        out,
        config=config.model_dump(mode="json", exclude={"workers", "scorers"}),  # another machine's may differ
        seed=config.seed,
        data=source.fingerprint,
        device=device_name(device),
        command=command,
    )
    gym = Gym(config, source=source, examiner=examiner, device=device, run=run, told=told)
    gym.resume()
    try:
        gym.practise()
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"rollout {gym.number + 1}: {config.prompts} prompts x {config.copies} answers do not fit into "
            f"the memory of {device_name(device)}: lower prompts, or raise minibatches, in the config"
        ) from error
    gym.student.save(out / MODEL)
    run.finish(gym.summary())
    return out / MODEL


class Gym:
    """One practice in progress. `number` rollouts are done."""

    def __init__(
        self,
        config: Practice,
        *,
        source: Source,
        examiner: Examiner,
        device: torch.device,
        run: Run,
        told: Told,
    ) -> None:
        self.config, self.source, self.examiner = config, source, examiner
        self.device, self.run, self._told = device, run, told
        torch.set_float32_matmul_precision("high")
        self.student = Student(
            config.size,
            source=source,
            seed=config.seed,
            start=config.start,
            device=device,
            weight_decay=0.0,
            ema_decay=config.ema_decay,
            muon=config.optimiser == "muon",
        )
        self._forward = StaticForward(
            self.student.model, frames=config.frames, words=config.question_len + config.longest
        )
        self._writer = Writer(
            self._forward,
            tokens=source.tokens,
            prompts=config.prompts,
            length=head_length(config.frames) + config.question_len,
            copies=config.copies,
            longest=config.longest,
            capture=config.compile != "off",
        )
        self._bias = forbidding(source.tokens, device)
        self._render = compiled(source.renderer(device).__call__, config.compile)
        self._logprob: Any = self._weighed
        if config.compile == "parts":
            self._forward.compile_parts()
        else:
            self._logprob = compiled(self._weighed, config.compile)
        self.number = 0
        self._seconds = 0.0
        self._last: dict[str, float] = {}

    def resume(self) -> None:
        """Take up the run's last checkpoint, if it has one."""
        state = load_state(self.run.folder)
        if state is not None:
            self.student.load_state_dict(state["student"])
            self.number, self._seconds, self._last = state["number"], state["seconds"], state["last"]
            self._told(f"going on after rollout {self.number}")

    def practise(self) -> None:
        """All rollouts that are still to do, or as many as the seconds allow."""
        config = self.config
        numbers = range(self.number, config.rollouts)
        first = True
        for waited_s, asked in timed(
            feed(self.examiner.quiz, numbers, workers=config.workers, device=self.device)
        ):
            if config.seconds and self._seconds >= config.seconds:
                break
            began = time.perf_counter()
            values = {**self._once(asked), "waited_s": waited_s}
            self.number += 1
            if not first:  # the first compiles
                self._seconds += time.perf_counter() - began + waited_s
            first = False
            self._log(values)
            if self.number % config.checkpoint_every == 0:
                self._save()
        self._save()

    def summary(self) -> dict[str, Any]:
        """What came out, for summary.json."""
        return {
            "rollouts": self.number,
            "answers": self.number * self.config.prompts * self.config.copies,
            "training_s": round(self._seconds, 1),
            **self._last,
            "model": MODEL,
        }

    @property
    def progress(self) -> float:
        """How much of the practice is done, 0..1, by rollouts or by seconds, whichever is further."""
        by_time = self._seconds / self.config.seconds if self.config.seconds else 0.0
        return min(1.0, max(self.number / self.config.rollouts, by_time))

    def _once(self, asked: Mapping[str, Any]) -> dict[str, float]:
        """Draw, score, learn; what was measured."""
        began = time.perf_counter()
        prompts = Prompts(ids=asked["ids"], lengths=asked["lengths"])
        frames = self._render(asked["scene"])
        generator = torch.Generator(self.device).manual_seed((self.config.seed << 32) + self.number)
        written = self._writer.write(
            prompts,
            frames,
            temperature=self.config.temperature,
            generator=generator,
            draw_boxes=self.config.draw_boxes,
        )
        drawn = time.perf_counter()
        rewards = self._score(written.ids, asked["known"])
        scored = time.perf_counter()
        shape = (self.config.prompts, self.config.copies)
        rollout = Rollout(
            prompts=prompts,
            frames=frames,
            answers=written.ids.view(*shape, -1),
            mask=written.drawn.view(*shape, -1),
            advantages=self._advantages(rewards).view(shape).to(self.device),
        )
        learnt = self._learn(rollout)
        seconds = {"draw_s": drawn - began, "score_s": scored - drawn}
        seconds["learn_s"] = time.perf_counter() - scored
        lengths = written.mask.sum(1)
        ended = (written.ids == self.source.tokens.eos).any(1)
        said = {"length": lengths.float().mean().item(), "cut_off_share": 1 - ended.float().mean().item()}
        return {**self._earned(rewards), **learnt, **said, **seconds}

    def _score(self, ids_RW: Tensor, known: Sequence[Any]) -> Tensor:
        """Rewards [R, K] of the answers."""
        completions = [self.examiner.decode(row) for row in ids_RW.tolist()]
        of_each = [one for one in known for _ in range(self.config.copies)]
        return self.examiner.score(completions, of_each, self.progress)

    def _advantages(self, rewards_RK: Tensor) -> Tensor:
        """[R]; exactly zero in a group whose answers all earned alike, where rounding leaves a little."""
        advantages = group_advantages(
            rewards_RK,
            group_size=self.config.copies,
            weights=self.examiner.weights,
            aggregation=self.config.aggregation,
        )
        told_apart = rewards_RK * self.examiner.weights
        if self.config.aggregation == "sum_then_normalize":
            told_apart = told_apart.nansum(1, keepdim=True)
        groups = told_apart.nan_to_num().view(-1, self.config.copies, told_apart.shape[1])
        teaches = (groups.amax(1) - groups.amin(1) > SPREAD).any(1)
        return advantages * teaches.repeat_interleave(self.config.copies)

    def _earned(self, rewards_RK: Tensor) -> dict[str, float]:
        """The mean of every component where it applies, and of the whole."""
        total = (rewards_RK * self.examiner.weights).nansum(1)
        each = dict(zip(self.examiner.components, rewards_RK.nanmean(0).tolist(), strict=True))
        return {
            "reward": total.mean().item(),
            "zero_variance_share": zero_variance_share(total, group_size=self.config.copies),
            **{f"reward_{name}": value for name, value in each.items() if value == value},
        }

    def _learn(self, rollout: Rollout) -> dict[str, float]:
        """The updates of a rollout. Ratios are measured after the first, before which all are 1."""
        parts = self._parts(rollout)
        if not parts:
            return {"updates": 0.0}
        # By the very graph that is learnt with: another one's rounding would pass for a ratio.
        old = [None, *(self._logprob(*part.inputs).detach() for part in parts[1:])]
        found = [self._update(part, logprob) for part, logprob in zip(parts, old, strict=True)]
        off_policy = torch.stack(found[1:] or found).mean(0)
        names = ("clip_fraction", "ratio_deviation")
        loss, norm = torch.stack(found)[:, 2:].mean(0).tolist()
        if loss != loss:
            raise TrainingError(f"the loss of rollout {self.number + 1} is no number: lower lr in the config")
        measured = dict(zip(names, off_policy[:2].tolist(), strict=True))
        return {**measured, "loss": loss, "grad_norm": norm, "updates": float(len(found))}

    def _parts(self, rollout: Rollout) -> list[Part]:
        """The minibatches. With `skip_even` as few as those that teach something fill, dealt out evenly."""
        size = self.config.prompts // self.config.minibatches
        teaches = (rollout.advantages != 0).any(1) | (not self.config.skip_even)
        wanted, rest = (flags.nonzero().flatten() for flags in (teaches, ~teaches))
        count = -(-len(wanted) // size)
        parts = []
        for k in range(count):
            chosen = wanted[k::count]
            missing = size - len(chosen)
            parts.append(Part(rollout.of(torch.cat([chosen, rest[:missing]])), len(chosen) / size))
            rest = rest[missing:]
        return parts

    def _update(self, part: Part, logprob_old: Tensor | None) -> Tensor:
        """One step; clip fraction, |ratio - 1|, loss, norm of the gradient. No old: nothing has changed."""
        config, rollout = self.config, part.rollout
        logprob = self._logprob(*part.inputs)
        found = policy_loss(
            logprob.flatten(0, 1),
            (logprob.detach() if logprob_old is None else logprob_old).flatten(0, 1),
            advantages=rollout.advantages.flatten(),
            mask=rollout.mask.flatten(0, 1),
            level=config.ratio,
            epsilon=config.epsilon,
            epsilon_high=config.epsilon_high,
        )
        loss = found.loss / part.share  # the mean is over the groups that teach
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters, config.clip_norm)
        lr = config.lr_at(self.number, progress=self.progress)
        self.student.step(muon_lr=lr, adamw_lr=lr)
        return torch.stack([found.clip_fraction, found.ratio_deviation, found.loss.detach(), norm])

    def _weighed(self, ids: Tensor, lengths: Tensor, answers_PCW: Tensor, frames: Tensor) -> Tensor:
        with autocast(self.device):
            return answers_logprob(
                self._forward,
                Prompts(ids=ids, lengths=lengths),
                answers_PCW=answers_PCW,
                frames=frames,
                bias_V=self._bias,
                temperature=self.config.temperature,
            )

    def _log(self, values: dict[str, float]) -> None:
        self._last = values
        if self.number % self.config.log_every:
            return
        self.run.log(self.number, **values, seconds=self._seconds)
        clip = values.get("clip_fraction", 0.0)
        self._told(
            f"rollout {self.number}: reward {values['reward']:.3f}, even groups "
            f"{values['zero_variance_share']:.0%}, clipped {clip:.0%}, {self._seconds:.0f} s"
        )

    def _save(self) -> None:
        state = {"number": self.number, "seconds": self._seconds, "last": self._last}
        save_state(self.run.folder, {**state, "student": self.student.state_dict()})


@dataclass(frozen=True, slots=True)
class Part:
    """A minibatch, and the share of its prompts that teach something."""

    rollout: Rollout
    share: float

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        prompts = self.rollout.prompts
        return prompts.ids, prompts.lengths, self.rollout.answers, self.rollout.frames
