"""The public surface of the room: what it promises is there, and nothing else is on offer."""

from __future__ import annotations

import types

import grounding
from grounding import grammar


def test_every_public_name_is_there_once_and_in_order() -> None:
    for surface in (grounding, grammar):
        assert len(set(surface.__all__)) == len(surface.__all__)
        assert all(hasattr(surface, name) for name in surface.__all__)


def test_nothing_is_imported_into_the_room_that_it_does_not_offer() -> None:
    found = {
        name
        for name, value in vars(grounding).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
    }
    assert found == set(grounding.__all__)


def test_the_grammar_is_offered_by_the_room() -> None:
    assert set(grammar.__all__) <= set(grounding.__all__)
