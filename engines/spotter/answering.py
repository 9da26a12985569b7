"""From an intent and what was seen to a reply: each kind of question has its own few lines."""

from __future__ import annotations

from dataclasses import replace

from engines.contract import Question, Reply
from engines.naming import NameMatcher
from engines.spotter.choosing import choose
from engines.spotter.describing import describe
from engines.spotter.finding import Finding, find
from engines.spotter.observations import Observations
from engines.spotter.placing import best_sighting, position
from engines.spotter.understanding import SIGHT, Intent
from engines.spotter.writing import COORDINATES, abstention, counted, quotes, reply
from engines.things import Thing
from grounding import escape, format_object, format_option, format_spans


def answer(question: Question, intent: Intent, observations: Observations, *, matcher: NameMatcher) -> Reply:
    """The reply to any question; times in it count from the start of the window."""
    if not observations.times_s:
        return abstention("no frame of this stretch could be read")
    if intent.kind == "describe" and not intent.options:
        return _description(observations)
    if intent.reason is not None:
        return abstention(f"{SIGHT}; {intent.reason}")
    if intent.reading_asked and not observations.read_times_s:
        return abstention("no text was read in this stretch")
    finding = find(intent, observations)
    if intent.options:
        return _choice(question, intent, finding, observations, matcher)
    if not finding.statements:
        return _nothing(intent, observations)
    return reply(
        finding.statements,
        answer=_answer(question, intent, finding, observations),
        window=observations.window,
    )


def _description(observations: Observations) -> Reply:
    statements = describe(observations)
    told = dict.fromkeys(statement.text for statement in statements)
    nothing = f"Nothing that the spotter knows, and no text, in {_frames(len(observations.times_s))}"
    written = reply(statements, answer=escape("; ".join(told) or nothing), window=observations.window)
    return replace(written, tracks=observations.tracks, screen_texts=observations.screen_texts)


def _choice(
    question: Question, intent: Intent, finding: Finding, observations: Observations, matcher: NameMatcher
) -> Reply:
    chosen = choose(intent, finding, observations, matcher=matcher)
    if chosen is None:
        return abstention(f"{SIGHT}; what was seen doesn't decide between the options")
    letter, proof = chosen
    text = letter
    if question.task == "temporal QA (MCQ)" and proof.spans:
        text = format_option(format_spans(proof.spans, segment=observations.window), letter)
    return reply(proof.statements, answer=text, window=observations.window)


def _answer(question: Question, intent: Intent, finding: Finding, observations: Observations) -> str:
    """The words of the answer, in the grammar."""
    told = finding.statements[0].text
    if intent.kind == "when" or question.task == "temporal QA":
        spans = format_spans(finding.spans, segment=observations.window)
        return spans if question.task == "temporal QA" else f"{spans}: {escape(told)}"
    if intent.kind == "where" and question.task == "visual QA":
        if finding.texts:
            return format_object("text", finding.texts[0].box, coordinates=COORDINATES)
        best = best_sighting(finding)
        return format_object(best.label, best.point.box, coordinates=COORDINATES)
    if intent.kind == "where":
        return escape(f"{told} {position(finding)}")
    if intent.kind == "count":
        at_once = " at the same time" if finding.most > 1 else ""
        return escape(f"{finding.most} {_name(intent.things[0], finding.most)}{at_once}")
    if intent.kind == "which":
        labels = dict.fromkeys(s.label for hit in finding.found for s in hit.sightings)
        return escape(", ".join(labels))
    if intent.kind == "read":
        return escape(quotes(finding.texts))
    return escape(f"Yes: {told}")


def _nothing(intent: Intent, observations: Observations) -> Reply:
    """It looked, and it wasn't there: an answer without a claim, with how many frames were looked at."""
    if any(thing.alike for thing in intent.things):
        names = " or ".join(thing.name for thing in intent.things if thing.alike)
        return abstention(f"{SIGHT}; it knows nothing by the name of {names}")
    if _is_thin_traffic(intent, observations):
        return abstention(f"{SIGHT}; it takes three vehicles at once for traffic, and it saw fewer")
    lead = "0" if intent.kind == "count" else "No"
    if intent.reading_asked:
        words = f' with "{" ".join(intent.words)}"' if intent.words else ""
        text = f"{lead}: no text{words} was read in {_frames(len(observations.read_times_s))}"
    else:
        text = f"{lead}: not seen in {_frames(len(observations.times_s))}: {_sought(intent)}"
    return reply((), answer=escape(text), window=observations.window)


def _is_thin_traffic(intent: Intent, observations: Observations) -> bool:
    """Vehicles were seen, too few at once: small ones are easily missed, so traffic isn't denied."""
    vehicles = {label for thing in intent.things if thing.kind == "traffic" for label in thing.labels}
    return any(track.label in vehicles for track in observations.tracks)


def _sought(intent: Intent) -> str:
    """What was looked for, a broader word with the kinds that were looked for in its stead."""
    named = [replace(thing, text=thing.numbered) for thing in intent.things]
    texts = [
        thing.text
        if len(thing.labels) == 1 or thing.kind == "traffic"
        else f"{thing.text} ({', '.join(thing.labels)})"
        for thing in named
    ]
    return (" or " if intent.any_of else " and ").join(texts)


def _name(thing: Thing, number: int) -> str:
    return counted(thing.labels[0] if len(thing.labels) == 1 and not thing.partners else thing.name, number)


def _frames(number: int) -> str:
    return f"{number} frame" if number == 1 else f"{number} frames"
