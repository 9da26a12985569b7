"""The tasks that a model is asked to do, and the words in which it is asked.

One set of system prompts serves indexing, training and evaluation. A checkpoint that was trained with other
words brings them in a TOML file:

    name = "open-o3"
    extends = "proofreel"          # optional: tasks that aren't given here keep Proofreel's words

    [system]
    "visual QA" = "..."
    "temporal QA" = "..."
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from grounding.errors import printable

Task = Literal[
    "describe",  # the standing description of a segment: statements, no question
    "visual QA",
    "temporal-spatial free-form QA",
    "temporal QA",
    "temporal QA (MCQ)",
    "General video QA MCQ",
    "General video QA Free-form",
]
TASKS: tuple[Task, ...] = get_args(Task)

_GROUNDS = (
    "You watch a video and answer from what can be seen in it. Think first, between <think> and </think>; "
    "then give the answer between <answer> and </answer>, and write nothing outside the two. Whenever "
    "your thinking rests on something visible, prove it on the spot: "
    "<obj>name</obj><box>[x1,y1,x2,y2]</box>at<t>seconds</t>s, with the box's left, top, right and bottom "
    "edge and the time of the frame in which you see it; several boxes of one kind at one time follow "
    "each other. Don't claim what you can't point at. If the video doesn't show what it takes to answer, "
    "write <answer>Cannot tell: the reason</answer>."
)
_STRETCH = "From <t>start</t>s to <t>end</t>s"

_SYSTEM: dict[Task, str] = {
    "describe": (
        f"{_GROUNDS} There is no question: describe what happens. Use one line of thinking for each thing "
        f"that happens, begin it with its stretch of time, as in {_STRETCH}: and say who does what, with a "
        "proof for everyone and everything named. Copy text that can be read on screen in double quotes. "
        "The answer is one sentence on the whole."
    ),
    "visual QA": (
        f"{_GROUNDS} The question is about one picture. Answer with the thing asked for and its one box: "
        "<answer><obj>name</obj><box>[x1,y1,x2,y2]</box></answer>; where no thing is asked for, answer in "
        "a few words."
    ),
    "temporal-spatial free-form QA": (
        f"{_GROUNDS} The question asks what happens, when and where. Prove each step with the frames that "
        "show it, and answer in one or two plain sentences without tags."
    ),
    "temporal QA": (
        f"{_GROUNDS} The question asks when something happens. Answer with the stretch of time alone: "
        f"<answer>{_STRETCH}</answer>, and join several stretches with ' and '."
    ),
    "temporal QA (MCQ)": (
        f"{_GROUNDS} The question asks when something happens, and offers options. Answer with the stretch "
        f"of time, and on the next line the option: <answer>{_STRETCH}\nCorrect Option: "
        "letter</answer>."
    ),
    "General video QA MCQ": (
        f"{_GROUNDS} The question offers options. Answer with the letter of the right one and nothing "
        "else: <answer>letter</answer>."
    ),
    "General video QA Free-form": (
        f"{_GROUNDS} Answer the question in a few plain words or one sentence, without tags."
    ),
}


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """The system prompt of every task, under a name. Raises ValueError when a task has none."""

    name: str
    system: Mapping[Task, str] = field(hash=False)

    def __post_init__(self) -> None:
        missing = [task for task in TASKS if not self.system.get(task, "").strip()]
        if missing:
            raise ValueError(f"prompt set {self.name!r} has no words for {_listed(missing)}: add them")
        object.__setattr__(self, "system", MappingProxyType(dict(self.system)))

    def __reduce__(self) -> tuple[Callable[[str, dict[Task, str]], PromptSet], tuple[str, dict[Task, str]]]:
        """So that it can be sent to another process, which a read-only mapping can't."""
        return (_prompt_set, (self.name, dict(self.system)))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the words of every task, in hex: equal words, equal fingerprint, whatever the name."""
        words = json.dumps({task: self.system[task] for task in TASKS}, ensure_ascii=True, sort_keys=True)
        return hashlib.sha256(words.encode("ascii")).hexdigest()


def _prompt_set(name: str, system: dict[Task, str]) -> PromptSet:
    return PromptSet(name=name, system=system)


PROOFREEL = PromptSet(name="proofreel", system=_SYSTEM)


def load_prompts(path: str | os.PathLike[str]) -> PromptSet:
    """The prompt set in a TOML file.

    Raises ValueError, naming the file and what to change, when it can't be read, isn't TOML, has a key or a
    task that isn't known, or leaves a task without words.
    """
    where = printable(path)
    table = _read_table(path, where)
    _check_known(set(table), {"name", "extends", "system"}, f"{where}: unknown key")
    system = table.get("system")
    if not isinstance(system, dict):
        raise ValueError(f"{where}: there is no [system] table: give one with a prompt per task")
    _check_known(set(system), set(TASKS), f"{where}: unknown task")
    wordless = [task for task, words in system.items() if not isinstance(words, str) or not words.strip()]
    if wordless:
        raise ValueError(f"{where}: the prompt of {_listed(wordless)} must be a text that isn't empty")
    words: dict[Task, str] = {**_base(table, where), **{t: system[t] for t in TASKS if t in system}}
    try:
        return PromptSet(name=_name(table, where), system=words)
    except ValueError as error:
        raise ValueError(f'{where}: {error}, or set extends = "proofreel"') from None


def _read_table(path: str | os.PathLike[str], where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_bytes().decode("utf-8"))
    except OSError as error:
        raise ValueError(f"{where}: can't read the prompt file ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: the prompt file isn't UTF-8 (byte {error.start}): save it as such"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where}: the prompt file isn't TOML: {error}") from error


def _check_known(given: set[str], known: set[str], complaint: str) -> None:
    unknown = sorted(given - known)
    if unknown:
        raise ValueError(f"{complaint} {_listed(unknown)}: use {_listed(sorted(known))}")


def _base(table: dict[str, Any], where: str) -> Mapping[Task, str]:
    base = table.get("extends")
    if base not in (None, PROOFREEL.name):
        raise ValueError(f"{where}: extends = {base!r} isn't known: use {PROOFREEL.name!r} or leave it out")
    return PROOFREEL.system if base else {}


def _name(table: dict[str, Any], where: str) -> str:
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f'{where}: the prompt set has no name: add name = "..."')
    return name


def _listed(values: list[str] | list[Task]) -> str:
    return ", ".join(repr(value) for value in values)
