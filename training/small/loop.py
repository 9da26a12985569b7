"""Stage after stage of supervised learning: the same losses whether or not it was killed on the way.

Nothing in a step waits for the device: losses and times are read once it has passed them. All that is random
in a step is seeded by its number, so that a resumed run goes on as if nothing had happened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from grounding.errors import TrainingError
from training.runs import Run
from training.small.checkpoints import load_state, save_state
from training.small.device import autocast, compiled, device_name
from training.small.feed import feed, timed
from training.small.flops import peak_flops, training_flops
from training.small.forward import StaticForward
from training.small.losses import KINDS, CompletionLoss
from training.small.pace import Measured, Pace
from training.small.source import AsTensors, Source
from training.small.stages import Lesson, Stage, Training
from training.small.student import Student

Told = Callable[[str], None]

MODEL = "model"
"""The folder of what came out, below a run's."""


def train(
    config: Training, *, source: Source, out: Path, device: torch.device, command: str, told: Told
) -> Path:
    """Train, or go on where a killed run stood, and return the folder of the trained model.

    Raises ValueError for a stage without questions and for a folder of another run; TrainingError when it
    does not fit into the device's memory or the loss is no number.
    """
    _check_lessons(config, source)
    run = Run.begin(
        out,
        config=config.model_dump(mode="json", exclude={"workers"}),  # another machine's may differ
        seed=config.seed,
        data=source.fingerprint,
        device=device_name(device),
        command=command,
    )
    school = School(config, source=source, device=device, run=run, told=told)
    school.resume()
    for lesson in config.lessons():
        if lesson.stop > school.step:
            school.teach(lesson)
        if lesson.stop == school.step:  # also when it was killed right here
            school.student.save(out / lesson.stage.name)
    school.student.save(out / MODEL)
    run.finish(school.summary())
    return out / MODEL


def _check_lessons(config: Training, source: Source) -> None:
    """That every stage has something to teach: the last one's mistake is told before the first begins."""
    for lesson in config.lessons():
        try:
            source.batches(lesson, config.seed)
        except ValueError as error:
            raise ValueError(f"stage {lesson.stage.name!r}: {error}") from error


class School:
    """One training in progress."""

    def __init__(
        self, config: Training, *, source: Source, device: torch.device, run: Run, told: Told
    ) -> None:
        self.config, self.source, self.device, self.run, self.told = config, source, device, run, told
        torch.set_float32_matmul_precision("high")
        self.student = Student(
            config.size,
            source=source,
            seed=config.seed,
            start=config.start,
            device=device,
            weight_decay=config.weight_decay,
            ema_decay=config.ema_decay,
        )
        self._render = compiled(source.renderer(device).__call__, config.compile)
        self.step = 0
        self._seconds = 0.0
        self._clips = 0
        self._losses: dict[tuple[int, int, int], CompletionLoss] = {}
        self._last: dict[str, float] = {}
        self.watched: list[Measured] = []

    def resume(self) -> None:
        """Take up the run's last checkpoint, if it has one."""
        state = load_state(self.run.folder)
        if state is not None:
            self.student.load_state_dict(state["student"])
            self.step, self._seconds, self._clips = state["step"], state["seconds"], state["clips"]
            self._last = state["last"]
            self.told(f"going on after step {self.step} of {self.config.steps}")

    def teach(self, lesson: Lesson) -> None:
        """All steps of a stage that are still to do."""
        stage, began = lesson.stage, time.perf_counter()
        self.told(f"stage {stage.name}: {stage.steps} steps of {stage.batch} clips of {stage.frames} frames")
        pace = Pace(self.device)
        total = torch.zeros(3 + 4 * KINDS, device=self.device)
        for waited_s, fed in timed(self._fed(lesson)):
            pace.begin(waited_s=waited_s)
            with self._memory(stage):
                total += self._learn(fed, lesson=lesson, pace=pace)
            self.step += 1
            if began:  # the first step compiles: it is told, and counted nowhere
                self._told_first_step(stage, time.perf_counter() - began)
                began = 0.0
                pace.restart()
            if self.step % self.config.log_every == 0 or self.step == lesson.stop:
                pace.close(self.step, total)
                total = torch.zeros_like(total)
            self._log(pace.passed(), stage)
            if self.step % self.config.checkpoint_every == 0 or self.step == lesson.stop:
                self._log(pace.passed(wait=True), stage)
                self._save()
                pace.restart()

    def summary(self) -> dict[str, Any]:
        """What came out, for summary.json."""
        return {
            "steps": self.step,
            "clips": self._clips,
            "training_s": round(self._seconds, 1),
            **self._last,
            "model": MODEL,
        }

    def _fed(self, lesson: Lesson) -> Iterator[dict[str, Any]]:
        numbers = range(max(self.step - lesson.start, 0), lesson.stage.steps)
        batches = AsTensors(self.source.batches(lesson, self.config.seed))
        return feed(batches, numbers, workers=self.config.workers, device=self.device)

    def _learn(self, fed: dict[str, Any], *, lesson: Lesson, pace: Pace) -> Tensor:
        """One step; what it measured: one step, loss, norm of the gradient, sums by kind."""
        stage, config = lesson.stage, self.config
        sigma = torch.full((), stage.sigma_at((self.step - lesson.start) / stage.steps), device=self.device)
        torch.manual_seed((config.seed << 32) + self.step)
        frames = self._render(fed["scene"])
        pace.mark()
        with autocast(self.device):
            told = (fed["ids"], fed["roles"], fed["kinds"])
            shown = fed["frames"] if stage.shown else None
            loss, kinds = self._loss(stage).compute(*told, frames, sigma, shown)
        pace.mark()
        loss.backward()  # type: ignore[no-untyped-call]
        pace.mark()
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters, config.clip_norm)
        pace.mark()
        lr = config.lr_at(self.step)
        self.student.step(muon_lr=lr, adamw_lr=lr * config.adamw_share)
        pace.mark()
        return torch.cat([torch.stack([torch.ones_like(norm), loss.detach(), norm]), kinds.flatten()])

    @contextmanager
    def _memory(self, stage: Stage) -> Iterator[None]:
        """What doesn't fit is told with what to lower."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"step {self.step + 1}: {stage.batch} clips of {stage.frames} frames do not fit into the "
                f"memory of {device_name(self.device)}: lower batch of stage {stage.name!r} in the config"
            ) from error

    def _loss(self, stage: Stage) -> CompletionLoss:
        """The loss of a stage's shape, compiled once for all stages of that shape."""
        if stage.shape not in self._losses:
            narrow = self.device.type == "cuda" and not self.config.wide
            forward = StaticForward(
                self.student.model,
                frames=stage.frames,
                words=stage.text_len,
                stream=torch.bfloat16 if narrow else None,
            )
            loss = CompletionLoss(forward, first_number=self.source.tokens.first_number)
            loss.compile(self.config.compile)
            self._losses[stage.shape] = loss
        return self._losses[stage.shape]

    def _told_first_step(self, stage: Stage, seconds: float) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.told(f"stage {stage.name}: first step after {seconds:.0f} s")

    def _log(self, windows: Iterator[Measured], stage: Stage) -> None:
        for window in windows:
            values = self._values(window, stage)
            if not torch.isfinite(window.values).all():
                raise TrainingError(
                    f"the loss at step {window.step} is no number: lower lr of stage {stage.name!r}, "
                    f"or begin again from the checkpoint in {self.run.folder}"
                )
            self._last = values
            self.watched.append(window)
            self._seconds += window.seconds
            self._clips += int(window.values[0]) * stage.batch
            self.run.log(window.step, **values)
            self.told(f"step {window.step}: {brief(values)}")

    def _values(self, window: Measured, stage: Stage) -> dict[str, float]:
        """A window's numbers by name. `nll_`: of an answer's words, `nll_box_`: of coordinates."""
        steps, loss, norm = window.values[:3].tolist()
        values = {"loss": loss / steps, "grad_norm": norm / steps, "lr": self.config.lr_at(window.step - 1)}
        if window.steps:  # none where a stage's first step is a window of its own
            values |= self._speed(window, stage)
        for prefix, (sums, counts) in zip(
            ("nll", "nll_box"), window.values[3:].view(2, 2, KINDS).tolist(), strict=True
        ):
            for kind, total, n in zip(self.source.kinds, sums, counts, strict=False):
                if n:
                    values[f"{prefix}_{kind}"] = total / n
        return values

    def _speed(self, window: Measured, stage: Stage) -> dict[str, float]:
        rate = window.steps * stage.batch / window.seconds
        speed = {"clips_per_s": rate, "busy_share": window.busy}
        speed["data_wait_share"] = window.waited_s / window.seconds
        speed |= {f"{part}_share": s / window.seconds for part, s in window.parts_s.items()}
        peak = peak_flops(self.device)
        if peak is not None:
            flops = training_flops(self._loss(stage).drive, words=stage.text_len)
            speed["mfu"] = rate * flops / peak
        return {name: float(f"{value:.4g}") for name, value in speed.items()}

    def _save(self) -> None:
        save_state(
            self.run.folder,
            {
                "step": self.step,
                "seconds": self._seconds,
                "clips": self._clips,
                "last": self._last,
                "student": self.student.state_dict(),
            },
        )


def brief(values: dict[str, float]) -> str:
    """What a log line says of a window."""
    loss = f"loss {values['loss']:.4f}"
    if "clips_per_s" not in values:
        return loss
    said = [loss, f"{values['clips_per_s']:.0f} clips/s"]
    if "mfu" in values:  # left out where nobody knows what the device can do
        said.append(f"MFU {values['mfu']:.3f}")
    busy = f"busy {values['busy_share']:.0%}"
    return ", ".join([*said, busy, f"waiting for data {values['data_wait_share']:.0%}"])
