"""What the parser makes of each form in the grammar, and of each way to get it wrong."""

from __future__ import annotations

import pytest

from grounding import limits
from grounding.coordinates import Coordinates
from grounding.evidence import Answer, Box, Claim, Span, Statement
from grounding.grammar import parse
from grounding.reading import is_framed

SEGMENT = Span(10.0, 70.0)
BOX = "<box>[100,200,300,400]</box>"
AT = "at<t>8.0</t>s"
DOG = f"<obj>dog</obj>{BOX}{AT}"


def read(text: str, *, segment: Span = SEGMENT, coordinates: Coordinates = "relative-1000") -> Answer:
    return parse(text, segment=segment, coordinates=coordinates)


def think(reasoning: str) -> Answer:
    return read(f"<think>{reasoning}</think>\n<answer>Yes</answer>")


def reply(answer: str) -> Answer:
    return read(f"<think></think><answer>{answer}</answer>")


def kinds(answer: Answer) -> list[str]:
    return [problem.kind for problem in answer.problems]


def texts(answer: Answer) -> list[str]:
    return [statement.text for statement in answer.statements]


def test_a_line_of_the_spotter_is_one_statement_with_span_and_claims() -> None:
    answer = think(
        f"From <t>7.48</t>s to <t>9.68</t>s: <obj>person</obj>{BOX}{AT} riding a <obj>bicycle</obj>{BOX}{AT}"
    )
    box = Box(0.1, 0.2, 0.3, 0.4)
    assert answer.claims == (
        Claim(subject="person", boxes=(box,), time_s=18.0),
        Claim(subject="bicycle", boxes=(box,), time_s=18.0),
    )
    assert answer.statements == (
        Statement(text="person riding a bicycle", span=Span(17.48, 19.68), claims=(0, 1)),
    )
    assert answer.problems == ()
    assert answer.text == "Yes"


def test_times_come_out_as_file_time_and_without_float_dust() -> None:
    answer = read(f"<answer>From <t>0.2</t>s to <t>0.3</t>s</answer>{DOG}", segment=Span(0.1, 60.1))
    assert answer.spans == (Span(0.3, 0.4),)
    assert answer.claims[0].time_s == 8.1


def test_pixels_are_read_against_the_frame_that_the_model_was_fed() -> None:
    text = "<obj>dog</obj><box>[64,24,640,480]</box>at<t>1</t>s"
    answer = parse(text, segment=SEGMENT, coordinates="pixels", frame_size=(640, 480))
    assert answer.claims[0].boxes == (Box(0.1, 0.05, 1.0, 1.0),)
    with pytest.raises(ValueError, match="width and height"):
        parse(text, segment=SEGMENT, coordinates="pixels")


def test_a_name_may_have_many_words_and_a_claim_many_boxes() -> None:
    answer = think(f"<obj> man in\n a red  coat </obj>{BOX} <box>[ 1, 2.5,\t3 ,4 ]</box> {BOX} at {AT[2:]}")
    assert [(claim.subject, len(claim.boxes)) for claim in answer.claims] == [("man in a red coat", 3)]
    assert answer.claims[0].boxes[1] == Box(0.001, 0.0025, 0.003, 0.004)
    assert answer.problems == ()


def test_ten_thousand_boxes_are_kept_up_to_the_limit_and_the_rest_counted() -> None:
    answer = think(f"<obj>crowd</obj>{BOX * 10_000}{AT}")
    assert len(answer.claims[0].boxes) == limits.MAX_BOXES
    assert [(p.kind, p.count) for p in answer.problems] == [("too_many", 10_000 - limits.MAX_BOXES)]


def test_claims_spans_and_problems_past_their_limit_are_counted() -> None:
    more = 7
    claims = think(f"{DOG}\n" * (limits.MAX_CLAIMS + more))
    assert len(claims.claims) == limits.MAX_CLAIMS
    assert [(p.kind, p.count) for p in claims.problems] == [("too_many", more)]
    spans = reply("From <t>1</t>s to <t>2</t>s and " * (limits.MAX_SPANS + more))
    assert len(spans.spans) == limits.MAX_SPANS
    assert [(p.kind, p.count) for p in spans.problems] == [("too_many", more)]
    problems = think("</box>" * (limits.MAX_PROBLEMS + more))
    assert kinds(problems) == ["stray_tag"] * limits.MAX_PROBLEMS + ["too_many"]
    assert problems.problems[-1].count == more


def test_a_text_that_is_too_long_is_read_to_the_limit_and_says_so() -> None:
    answer = read(f"{DOG}\n".ljust(limits.MAX_CHARACTERS, ".") + "<answer>Yes</answer>")
    assert (len(answer.claims), answer.text) == (1, "")
    assert [(p.kind, p.offset) for p in answer.problems] == [
        ("too_long", limits.MAX_CHARACTERS),
        ("no_answer", limits.MAX_CHARACTERS),
    ]
    assert answer.problems[0].excerpt == "<answer>Yes</answer>"


@pytest.mark.parametrize(
    "box",
    [
        *("[300,200,100,400]", "[100,400,300,200]", "[1,2,3]", "[1,2,3,4,5]", "[nan,2,3,4]", "[1,2,inf,4]"),
        *("[1,2,1e999,4]", "[-1,2,3,4]", "[1,2,1001,4]", "1,2,3,4", "(1,2,3,4)", "[[1,2,3,4]]", "", "[]"),
        *(
            "[1,2,3,\u0664]",
            "[1,2,3,\uff14]",
            "[1_0,2,30,4]",
            "[0x1,2,3,4]",
            "[a,b,c,d]",
            "[,,,]",
            "[1,2,3,4",
            "[" * 900,
        ),
    ],
)
def test_a_bad_box_is_a_problem_and_never_evidence(box: str) -> None:
    alone = think(f"<obj>dog</obj><box>{box}</box>{AT}")
    assert (alone.claims, kinds(alone)) == ((), ["bad_box"])
    beside = think(f"<obj>dog</obj><box>{box}</box>{BOX}{AT}")
    assert (len(beside.claims[0].boxes), kinds(beside)) == (1, ["bad_box"])


@pytest.mark.parametrize(
    "time", ["nan", "inf", "1e999", "-1e999", "", " ", "1:30", "\u0661", "\uff18", "1_0", "0x1", "8 s"]
)
def test_a_time_that_is_no_number_is_a_problem(time: str) -> None:
    assert kinds(think(f"<obj>dog</obj>{BOX}at<t>{time}</t>s")) == ["bad_time"]
    assert kinds(reply(f"From <t>{time}</t>s to <t>9</t>s")) == ["bad_time"]


@pytest.mark.parametrize("time", ["-0.1", "60.1", "1e9", "1e308"])
def test_a_time_outside_the_segment_is_a_problem(time: str) -> None:
    assert kinds(think(f"<obj>dog</obj>{BOX}at<t>{time}</t>s")) == ["outside_segment"]
    answer = reply(f"From <t>1</t>s to <t>{time}</t>s and From <t>3</t>s to <t>4</t>s")
    assert (answer.spans, kinds(answer)) == ((Span(13.0, 14.0),), ["outside_segment"])


@pytest.mark.parametrize(("time", "time_s"), [("0", 10.0), ("60", 70.0), (" 8. ", 18.0), ("+.5e1", 15.0)])
def test_a_time_may_be_written_as_any_plain_number(time: str, time_s: float) -> None:
    assert think(f"<obj>dog</obj>{BOX}at<t>{time}</t>s").claims[0].time_s == time_s


def test_a_span_that_ends_before_it_starts_is_a_problem() -> None:
    answer = reply("From <t>5</t>s to <t>4</t>s")
    assert (answer.spans, kinds(answer)) == ((), ["bad_time"])


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ("<obj>dog</obj>", ["no_box"]),
        ("<obj>dog</obj>at<t>8</t>s", ["no_box"]),
        (f"<obj>dog</obj>{BOX}", ["no_time"]),
        (f"<obj>dog</obj>{BOX} near {AT}", ["no_time", "stray_tag"]),
        (f"<obj> </obj>{BOX}{AT}", ["stray_tag"]),
        (f"<obj><obj>dog</obj></obj>{BOX}{AT}", ["cut_off", "no_box", "stray_tag", "stray_tag", "stray_tag"]),
        (f"<obj>dog {BOX}</obj>{AT}", ["stray_tag", "stray_tag", "stray_tag", "stray_tag"]),
        (f"{BOX}<obj>dog</obj>{AT}", ["stray_tag", "no_box"]),
        (f"{AT}<obj>dog</obj>{BOX}", ["stray_tag", "no_time"]),
        ("<obj>dog", ["cut_off"]),
        ("</t></box></obj>", ["stray_tag", "stray_tag", "stray_tag"]),
        ("<t>3</t>s", ["stray_tag"]),
    ],
)
def test_nested_unordered_and_unfinished_tags_are_problems(reasoning: str, expected: list[str]) -> None:
    answer = think(reasoning)
    assert (answer.claims, kinds(answer)) == ((), expected)


@pytest.mark.parametrize(
    "end", ["<", "</", "<b", "</answer", "<obj>", "<obj>c", "<obj>cat</obj><box>[1, 2.5"]
)
def test_a_cut_off_completion_keeps_what_was_whole(end: str) -> None:
    answer = read(f"<think>{DOG} near a {end}")
    assert [claim.subject for claim in answer.claims] == ["dog"]
    assert {"cut_off", "no_answer"} <= set(kinds(answer))
    assert texts(answer)[0].startswith("dog near a")


@pytest.mark.parametrize("end", ["</", "<b", "</answer"])
def test_a_tag_that_the_end_cuts_through_is_a_problem_of_its_own(end: str) -> None:
    answer = read(f"<answer>Yes</answer> {end}")
    assert [(p.kind, p.excerpt) for p in answer.problems] == [("cut_off", end)]


def test_thinking_after_the_answer_is_stray() -> None:
    assert kinds(read("<answer>Yes</answer><think>x</think>")) == ["stray_tag", "stray_tag"]
    assert kinds(read("x</think><answer>Yes</answer>")) == ["stray_tag"]


@pytest.mark.parametrize(
    "text",
    ["therefrom <t>1</t>s to <t>2</t>s", "<t>1</t>s to <t>2</t>s", "From <t>1</t>s till <t>2</t>s"],
)
def test_two_times_in_other_words_are_no_span(text: str) -> None:
    assert (reply(text).spans, kinds(reply(text))) == ((), ["stray_tag", "stray_tag"])


def test_a_cut_off_box_leaves_no_numbers_in_the_statement() -> None:
    assert texts(read(f"<think>{DOG} near a <obj>cat</obj><box>[1, 2.5")) == ["dog near a cat"]


def test_without_think_everything_before_the_answer_is_reasoning() -> None:
    answer = read(f"A {DOG} barks.\n<answer>Yes</answer>")
    assert (answer.reasoning, texts(answer), answer.problems) == (f"A {DOG} barks.", ["A dog barks."], ())


def test_the_first_answer_after_the_thinking_counts_and_others_are_stray() -> None:
    answer = read("<think>maybe <answer>No</answer></think><answer>Yes</answer> <answer>No</answer>")
    assert answer.text == "Yes"
    assert kinds(answer) == ["stray_tag"] * 4
    assert read("<answer>A</answer><answer>B</answer>").letter == "A"


def test_an_answer_that_is_never_closed_runs_to_the_end() -> None:
    answer = read("<think>x</think><answer>A dog")
    assert (answer.text, kinds(answer)) == ("A dog", ["cut_off"])


def test_a_claim_does_not_reach_across_the_border_of_a_block() -> None:
    answer = read(f"<think><obj>dog</obj>{BOX}</think>{AT}<answer>Yes</answer>")
    assert (answer.claims, kinds(answer)) == ((), ["no_time", "stray_tag"])


def test_claims_are_taken_from_the_answer_too() -> None:
    answer = reply(f"The {DOG}, at the door")
    assert (answer.text, answer.claims[0].subject, answer.statements) == ("The dog, at the door", "dog", ())
    assert answer.problems == ()


@pytest.mark.parametrize("letter", list("ABCDEFGHIJ"))
def test_a_letter_is_an_option(letter: str) -> None:
    for form in (letter, f" {letter}\n", f"({letter})", f"{letter}.", f"{letter}. a dog", f"{letter}) a dog"):
        assert reply(form).letter == letter
    assert reply(f"From <t>1</t>s to <t>2</t>s\nCorrect Option: {letter}").letter == letter


def test_the_last_of_several_options_counts() -> None:
    assert reply("Correct Option: A\nNo.\nCorrect Option: (B)").letter == "B"


@pytest.mark.parametrize("text", ["K", "A dog", "a", "Any", "AB", "2", "Yes", "It is A", "Correct Option: K"])
def test_other_answers_have_no_option(text: str) -> None:
    assert reply(text).letter is None


def test_several_spans_are_joined_by_and() -> None:
    answer = reply("From <t>1</t>s to <t>2.5</t>s and From <t>3</t>s to <t>4</t>s")
    assert answer.spans == (Span(11.0, 12.5), Span(13.0, 14.0))
    assert answer.text == "From 11.0s to 12.5s and From 13.0s to 14.0s"


def test_a_visual_answer_has_one_box_and_more_of_them_are_counted() -> None:
    answer = reply(f"<obj>brown dog</obj>{BOX}")
    assert (answer.text, answer.box, answer.problems) == ("brown dog", Box(0.1, 0.2, 0.3, 0.4), ())
    several = reply(f"<obj>dog</obj>{BOX * 3}")
    assert (several.box, [(p.kind, p.count) for p in several.problems]) == (answer.box, [("too_many", 2)])
    assert kinds(reply(f"<obj>dog</obj>{BOX}<obj>cat</obj>{BOX}")) == ["no_time"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Cannot tell: it can't see helmet.", "it can't see helmet."),
        ("Cannot tell", None),
        ("cannot tell.", None),
        ("Cannot tell: ", None),
    ],
)
def test_cannot_tell_is_an_abstention_with_its_reason(text: str, reason: str | None) -> None:
    answer = reply(text)
    assert (answer.abstained, answer.reason, answer.letter) == (True, reason, None)


@pytest.mark.parametrize("text", ["No", "He cannot tell: why", "Cannot tell them apart", "", '"Cannot tell"'])
def test_other_answers_are_no_abstention(text: str) -> None:
    assert (reply(text).abstained, reply(text).reason) == (False, None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"A {DOG} , then a cat.", ["A dog, then a cat."]),
        (f"{DOG}runs", ["dog runs"]),
        (f"One{DOG}", ["One dog"]),
        (f"The {DOG}'s ball", ["The dog's ball"]),
        (f"{DOG}, From <t>1</t>s to <t>2</t>s.", ["dog."]),
        (f"A {DOG}: From <t>1</t>s to <t>2</t>s", ["A dog"]),
        (f"{DOG} runs (From <t>1</t>s to <t>2</t>s) away", ["dog runs away"]),
        (f"{DOG} (From <t>1</t>s to <t>2</t>s). It sits", ["dog."]),
        (f"from <t>1</t>s  to  <t>2</t>s - {DOG}", ["dog"]),
        (f"- From <t>1</t> to <t>2</t>seconds, {DOG}", ["dog"]),
        (f"{DOG} is\t 2.5 m  long", ["dog is 2.5 m long"]),
        (f"Look. A {DOG} barks! Really? Yes. It is a {DOG}.", ["A dog barks!", "It is a dog."]),
        (f'{DOG} by a sign "Sale. Now! On"', ['dog by a sign "Sale. Now! On"']),
        (f'"Open. {DOG} Shut." Then rest', ['"Open. dog Shut." Then rest']),
        (f'{DOG} is 6" long. Then it stops', ['dog is 6" long.']),
        (f"{DOG} &lt;b&gt; AT&T &amp;lt;", ["dog <b&gt; AT&T &lt;"]),
        (f"{DOG} <b>bold</b> <3", ["dog <b>bold</b> <3"]),
        (f"{DOG} in the {BOX} corner", ["dog in the corner"]),
        ("A dog barks. Nothing is proven", []),
    ],
)
def test_a_statement_is_a_clean_sentence(line: str, expected: list[str]) -> None:
    assert texts(think(line)) == expected


def test_every_line_is_its_own_statement() -> None:
    answer = think(f"{DOG} one\r\n\n{DOG} two\n no proof\nFrom <t>1</t>s to <t>2</t>s: three")
    assert [(s.text, s.claims, s.span) for s in answer.statements] == [
        ("dog one", (0,), None),
        ("dog two", (1,), None),
        ("three", (), Span(11.0, 12.0)),
    ]


def test_a_sentence_with_two_spans_gives_two_statements_with_their_own_claims() -> None:
    cat = f"<obj>cat</obj>{BOX}at<t>21</t>s"
    answer = think(f"{DOG} and {cat}: From <t>7</t>s to <t>9</t>s and From <t>20</t>s to <t>22</t>s")
    assert [(s.span, s.claims) for s in answer.statements] == [
        (Span(17.0, 19.0), (0,)),
        (Span(30.0, 32.0), (1,)),
    ]


def test_a_problem_says_where_it_is_and_shows_at_most_eighty_characters() -> None:
    problem = think("x" * 20 + "<t>3</t>s" + "y" * 200).problems[0]
    assert (problem.offset, len(problem.excerpt)) == (len("<think>") + 20, 80)
    assert problem.excerpt.startswith("<t>3</t>syyy")


def test_lone_surrogates_and_control_characters_are_kept_as_they_are() -> None:
    answer = think(f"<obj>\ud800\x00\u202e</obj>{BOX}{AT}")
    assert answer.claims[0].subject == "\ud800\x00\u202e"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>It is red.</think>\n<answer>A</answer>", True),
        (" <think></think><answer></answer>\n", True),
        ("<answer>A</answer><think>It is red.</think>", False),
        ("<think>It is red.</think><answer>A", False),
        ("<think>It is red.</think> so <answer>A</answer>", False),
        ("Well. <think>It is red.</think><answer>A</answer>", False),
        ("<think>It is red.</think><answer>A</answer>.", False),
        ("<think><think>It is red.</think><answer>A</answer>", False),
        ("<answer>A</answer>", False),
        ("", False),
    ],
)
def test_a_frame_is_one_think_and_one_answer_block_and_nothing_else(text: str, expected: bool) -> None:
    assert is_framed(text) is expected
