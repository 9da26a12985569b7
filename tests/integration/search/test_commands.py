"""`search` and `show` as they are typed; their JSON against its schemas; text that means harm."""

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

import search.commands
from storage import ensure_library
from storage.catalog import mark_missing
from tests.archive import Film, Seen, make_home
from tests.homes import BACKENDS, fresh_home

HOSTILE = "\x1b[31m\x1b]0;pwned\x07 [bold]1 bus[/bold]\r\n\u202e <b>&"


@pytest.fixture(scope="module", params=BACKENDS)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fresh_home(tmp_path_factory.mktemp("home"), request)
    films = [
        Film(name="bikes.mp4", seen=[Seen(start_s=7.48, end_s=9.68, text="person riding a bicycle")]),
        Film(name="[red]evil\x1b[2J\nname.mp4", seen=[Seen(start_s=1.0, end_s=2.0, text=HOSTILE)], done=1),
        Film(
            name="late.ts", start_s=3601.0, seen=[Seen(start_s=3605.5, end_s=3606.0, text="2 dogs")],
            path=Path("/archive/bad\udcff.ts"),
        ),
    ]  # fmt: skip
    make_home(folder, films).close()
    return folder


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    search.commands.register(app)
    return app


def run(app: typer.Typer, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def validated(document: str, name: str) -> dict[str, Any]:
    schema = json.loads(files("search").joinpath(f"schemas/{name}-1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    found: dict[str, Any] = json.loads(document)
    jsonschema.validate(found, schema, cls=jsonschema.Draft202012Validator)
    return found


@pytest.mark.parametrize(
    "query", ["someone riding a bike", "a bus", "dogs", "a submarine", 'a "quoted" thing']
)
def test_the_json_of_search_is_as_its_schema_says(app: typer.Typer, home: Path, query: str) -> None:
    document = validated(run(app, "search", query, "--home", home, "--json"), "search")
    assert document["query"] == query
    assert document["searched"]["pending_seconds"] == 40.0


def test_a_result_holds_what_integrators_need(app: typer.Typer, home: Path) -> None:
    (result,) = json.loads(run(app, "search", "a cyclist", "--home", home, "--json"))["results"]
    assert result["video"] == "bikes.mp4"
    assert (result["start"], result["end"], result["members"]) == (7.48, 9.68, [result["moment"]])
    claim = result["claims"][0]
    assert claim["pts"] == round(claim["time"] * 90_000)
    assert claim["boxes"] == [[0.1, 0.2, 0.4, 0.8]]


@pytest.mark.parametrize("broken", [{"results": [{}]}, {"extra": 1}, {"query": None}])
def test_the_schema_refuses_another_document(app: typer.Typer, home: Path, broken: dict[str, Any]) -> None:
    document = json.loads(run(app, "search", "a bus", "--home", home, "--json"))
    with pytest.raises(jsonschema.ValidationError):
        validated(json.dumps(document | broken), "search")


def test_nothing_found_names_the_seconds_looked_at(app: typer.Typer, home: Path) -> None:
    told = run(app, "search", "a submarine", "--home", home)
    assert told == 'Nothing found for "a submarine" in 140 s looked at in 3 videos (40 s still to do).\n'


def test_hostile_text_is_printed_as_text(app: typer.Typer, home: Path) -> None:
    shown = run(app, "search", "a bus", "--home", home)
    assert not set(shown) & set("\x1b\x07\r\u202e")
    assert "[bold]1 bus[/bold] <b>&" in shown
    assert "[red]evil" in shown
    assert "pwned" not in shown


def test_a_hostile_query_is_printed_as_text(app: typer.Typer, home: Path) -> None:
    shown = run(app, "search", "a \x1b[31msubmarine[/] \x1b]0;x\x07", "--home", home)
    assert shown.startswith('Nothing found for "a submarine[/]"')


def test_hostile_text_in_json_is_ascii(app: typer.Typer, home: Path) -> None:
    document = run(app, "search", "dogs", "--home", home, "--json")
    assert document.isascii()
    assert json.loads(document)["results"][0]["path"].endswith("bad\\udcff.ts")


def test_a_file_that_starts_late_has_the_players_time_beside_its_own(app: typer.Typer, home: Path) -> None:
    shown = run(app, "search", "dogs", "--home", home)
    assert "1:00:05.500-1:00:06.000" in shown
    assert "0:04.500-0:05.000" in shown


def test_a_table_tells_time_score_text_reason_and_evidence(app: typer.Typer, home: Path) -> None:
    shown = run(app, "search", "a cyclist", "--home", home)
    for cell in (
        "bikes.mp4",
        "0:07.480-0:09.680",
        "person riding a bicycle",
        "words + vector",
        "2 claims (0.80)",
    ):
        assert cell in shown
    assert "in the player" not in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["  "], "an empty query holds no words"),
        (["bus", "--library", "x"], "there is no library 'x'"),
        (["bus", "--label", "busss"], "nothing is labelled 'busss'"),
        (["bus", "--since", "soon"], "--since 'soon' is no date"),
        (["bus", "--between", "soon"], "--between 'soon' is no stretch"),
        (["bus", "--since", "2026-05-02", "--until", "2026-05-01"], "--since must come before --until"),
        (["bus", "--limit", "0"], "1 to 1000 results, not 0"),
    ],
)
def test_wrong_usage_is_one_clear_sentence(
    app: typer.Typer, home: Path, arguments: list[str], told: str
) -> None:
    with pytest.raises(ValueError, match=told) as error:
        run(app, "search", *arguments, "--home", home)
    assert "\n" not in str(error.value)


def test_filters_reach_the_search(app: typer.Typer, home: Path) -> None:
    both = [
        "--label",
        "dog",
        "--label",
        "bicycle",
        "--library",
        "default",
        "--min-score",
        "0.1",
        "--limit",
        "5",
    ]
    assert "2 dogs" in run(app, "search", "dogs", "--home", home, *both)
    dated = run(
        app,
        "search",
        "dogs",
        "--home",
        home,
        "--since",
        "7d",
        "--until",
        "2999-01-01",
        "--between",
        "0:00-24:00",
    )
    assert "3 left out for want of a recording date" in dated


def test_show_tells_a_moment_whose_file_is_gone(app: typer.Typer, home: Path) -> None:
    moment = json.loads(run(app, "search", "dogs", "--home", home, "--json"))["results"][0]["moment"]
    document = validated(run(app, "show", moment, "--home", home, "--json"), "show")
    assert (document["text"], document["player_start"], document["frame"]) == ("2 dogs", 4.5, None)
    shown = run(app, "show", moment, "--home", home)
    assert "1:00:05.500-1:00:06.000 (in the player 0:04.500-0:05.000): 2 dogs" in shown


def test_a_query_that_denies_is_told_that_no_search_proves_it(app: typer.Typer, home: Path) -> None:
    told = run(app, "search", "someone without a helmet", "--home", home)
    assert told.startswith('Nothing found for "someone without a helmet"')
    assert 'No search can prove "without a helmet"' in told
    document = validated(run(app, "search", "no dogs", "--home", home, "--json"), "search")
    assert (document["denied"], document["results"]) == (["no dogs"], [])


def test_what_nothing_confirms_and_where_fewer_were_counted_stand_beside_a_hit(
    app: typer.Typer, home: Path
) -> None:
    told = run(app, "search", "three brown dogs", "--home", home)
    assert "brown, fewer than asked (3 brown dogs)" in told
    (result,) = validated(run(app, "search", "three brown dogs", "--home", home, "--json"), "search")[
        "results"
    ]
    assert (result["unproven"], result["fewer"]) == (["brown"], ["3 brown dogs"])


def test_a_hit_whose_file_is_gone_is_marked_and_show_says_what_cannot_be_drawn(
    app: typer.Typer, tmp_path: Path
) -> None:
    with make_home(tmp_path, [Film(name="a.mp4", seen=[Seen(start_s=1, end_s=2, text="2 dogs")])]) as db:
        there = validated(run(app, "search", "dogs", "--home", tmp_path, "--json"), "search")["results"][0]
        with db.writing() as session:
            mark_missing(session, [Path("/archive/a.mp4")], library_id=ensure_library(session, "default"))
    gone = validated(run(app, "search", "dogs", "--home", tmp_path, "--json"), "search")["results"][0]
    assert there["missing_since"] is None
    since = f"missing since {gone['missing_since'][:10]}"
    assert since in run(app, "search", "dogs", "--home", tmp_path)
    shown = run(app, "show", gone["moment"], "--home", tmp_path)
    assert since in shown
    assert "can't be drawn: its file was moved or deleted" in shown
    document = validated(run(app, "show", gone["moment"], "--home", tmp_path, "--json"), "show")
    assert document["missing_since"] == gone["missing_since"]
    assert "moved or deleted" in document["undrawable"]


def test_show_says_what_a_moment_is_when_it_gets_something_else(app: typer.Typer, home: Path) -> None:
    result = CliRunner().invoke(app, ["show", "abc", "--home", str(home)])
    assert result.exit_code == 2
    told = " ".join(result.output.replace("│", " ").split())
    assert "'abc' is no moment; a moment is the number in the first column of `proofreel search`" in told


def test_a_row_in_a_pipe_is_one_line(app: typer.Typer, tmp_path: Path) -> None:
    text = "2 dogs " + "and a very long story " * 40
    make_home(tmp_path, [Film(name="a.mp4", seen=[Seen(start_s=1, end_s=2, text=text)])]).close()
    lines = run(app, "search", "dogs", "--home", tmp_path).splitlines()
    assert len(lines) == 4
    assert text.strip() in lines[1]


def test_one_hit_is_told_as_one(app: typer.Typer, home: Path) -> None:
    assert "The best hit in 140 s looked at in 3 videos" in run(app, "search", "dogs", "--home", home)


def test_a_query_of_small_words_is_told_what_to_do(app: typer.Typer, home: Path) -> None:
    assert "say what should be in the picture, or put words" in run(app, "search", "the", "--home", home)


def test_show_refuses_an_unknown_moment(app: typer.Typer, home: Path) -> None:
    for moment in ("999", "0", str(1 << 70)):
        with pytest.raises(ValueError, match=f"there is no moment {moment}"):
            run(app, "show", moment, "--home", home)


def test_a_home_on_a_read_only_copy_is_searched(app: typer.Typer, home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    assert "2 dogs" in run(app, "search", "dogs", "--home", copy)
