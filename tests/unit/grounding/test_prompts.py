"""Prompt sets: complete, told apart by their words, and loaded from a file with clear errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from grounding.evidence import Span
from grounding.grammar import parse
from grounding.prompts import PROOFREEL, TASKS, PromptSet, Task, load_prompts

WORDS: dict[Task, str] = {task: f"Do {task}." for task in TASKS}


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "prompts.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def toml(words: dict[Any, str], head: str = 'name = "mine"\n') -> str:
    return head + "[system]\n" + "".join(f'"{task}" = "{text}"\n' for task, text in words.items())


def test_every_task_has_words_of_its_own() -> None:
    assert set(TASKS) == set(get_args(Task)) == set(PROOFREEL.system)
    assert len({PROOFREEL.system[task] for task in TASKS}) == 7


@pytest.mark.parametrize("task", TASKS)
def test_the_examples_in_a_prompt_are_in_the_grammar(task: Task) -> None:
    """With numbers in place of the words that stand for them, every example is read without a problem."""
    shown = PROOFREEL.system[task].replace("[x1,y1,x2,y2]", "[1,2,3,4]").replace("between <think> and", "")
    shown = re.sub(r"<t>(start|end|seconds)</t>", "<t>5</t>", shown)
    examples = re.findall(
        r"<answer>(?:(?!<answer>).)*?</answer>", shown.replace("<answer> and </answer>", ""), re.S
    )
    assert examples
    for example in (*examples, re.findall(r"<obj>.*?</t>s", shown)[0] + "<answer>A</answer>"):
        answer = parse(example, segment=Span(0, 60), coordinates="relative-1000")
        assert answer.problems == ()


def test_equal_words_give_equal_fingerprints_and_any_other_word_another() -> None:
    one = PromptSet(name="one", system=WORDS)
    two = PromptSet(name="two", system=dict(reversed(WORDS.items())))
    assert one.fingerprint == two.fingerprint
    assert re.fullmatch("[0-9a-f]{64}", one.fingerprint)
    for task in TASKS:
        changed = PromptSet(name="one", system={**WORDS, task: "Other."})
        assert changed.fingerprint != one.fingerprint


def test_a_prompt_set_can_not_be_changed_by_whoever_made_it() -> None:
    words = dict(WORDS)
    prompts = PromptSet(name="mine", system=words)
    words["describe"] = "Other."
    assert prompts.system["describe"] == "Do describe."
    with pytest.raises(TypeError):
        prompts.system["describe"] = "Other."  # type: ignore[index]


def test_a_file_with_words_for_every_task_is_a_prompt_set(tmp_path: Path) -> None:
    prompts = load_prompts(write(tmp_path, toml(WORDS)))
    assert (prompts.name, dict(prompts.system)) == ("mine", WORDS)
    assert prompts.fingerprint == PromptSet(name="mine", system=WORDS).fingerprint


def test_a_file_may_extend_our_words(tmp_path: Path) -> None:
    head = 'name = "mine"\nextends = "proofreel"\n'
    prompts = load_prompts(write(tmp_path, toml({"temporal QA": "When?"}, head)))
    assert prompts.system["temporal QA"] == "When?"
    assert prompts.system["describe"] == PROOFREEL.system["describe"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff", r"isn't UTF-8 \(byte 0\)"),
        ("name = ", "isn't TOML"),
        ("", r"no \[system\] table"),
        ("system = 3", r"no \[system\] table"),
        (toml(WORDS, "colour = 3\n"), "unknown key 'colour': use 'extends', 'name', 'system'"),
        (toml({**WORDS, "temporal": "x"}), "unknown task 'temporal': use .*'temporal QA'"),
        (toml({"describe": "x"}), "no words for 'visual QA', .*extends"),
        (toml({**WORDS, "describe": "  "}), "the prompt of 'describe' must be a text"),
        ("name='x'\n[system]\ndescribe = 3", "the prompt of 'describe' must be a text"),
        (toml(WORDS, ""), "has no name"),
        (toml(WORDS, "name = 7\n"), "has no name"),
        (toml(WORDS, 'name = "x"\nextends = "other"\n'), "extends = 'other' isn't known: use 'proofreel'"),
    ],
)
def test_a_faulty_file_is_named_with_what_to_change(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=rf"prompts\.toml: .*{message}") as caught:
        load_prompts(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_wrong_value(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.toml: can't read the prompt file"):
        load_prompts(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="can't read the prompt file"):
        load_prompts(tmp_path)


def test_a_prompt_set_can_be_sent_to_another_process() -> None:
    import pickle

    there = pickle.loads(pickle.dumps(PROOFREEL))
    assert there == PROOFREEL and there.fingerprint == PROOFREEL.fingerprint
