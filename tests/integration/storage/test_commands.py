"""`db` and `vectors` as typed: what they print fits their schemas, and they fail with the right code."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner, Result

from grounding.errors import StorageError
from storage import Database, HomeLock, commit_segment
from storage.commands import register
from tests.rows import EMBEDDER, add_job, segment_rows

APP = typer.Typer()
register(APP)


def filled(home: Path) -> Path:
    with Database.open(home, create=True) as db, db.writing() as session:
        job = add_job(session)
        commit_segment(session, job.segments[0].id, segment_rows(job.questions[0].id))
    return home


@pytest.fixture
def home(home: Path) -> Path:
    """A home with an index, once for each database."""
    return filled(home)


def run_sql(home: Path, *statements: str) -> None:
    with Database.open(home) as db, db.writing() as session:
        for statement in statements:
            session.execute(text(statement))


def run(*arguments: str | Path, home: Path) -> Result:
    return CliRunner().invoke(APP, [*map(str, arguments), "--home", str(home)])


def document(*arguments: str | Path, home: Path, code: int = 0) -> dict[str, Any]:
    """What the command prints with --json, held against the published schema."""
    done = run(*arguments, "--json", home=home)
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    schema = json.loads((files("storage") / f"schemas/{arguments[0]}-1.schema.json").read_text())
    jsonschema.validate(found, schema)
    assert found["schema"] == f"proofreel.{arguments[0]}/1" and found["action"] == arguments[1]
    return found


def test_a_sound_home_is_checked_upgraded_and_copied(home: Path, tmp_path: Path) -> None:
    sound = document("db", "check", home=home)
    assert (sound["findings"], sound["not_checked"]) == ([], [])
    assert document("db", "upgrade", home=home)["backup"] is None
    copy = tmp_path / "copy.db"
    assert document("db", "backup", copy, home=home)["backup"] == str(copy)
    assert Path(document("db", "backup", home=home)["backup"]).parent == home / "backups"
    restored = document("db", "restore", copy, home=home)
    assert (restored["backup"], Path(restored["replaced"]).is_file()) == (str(copy), True)


def test_check_names_what_is_wrong_and_fails(home: Path) -> None:
    run_sql(home, "DELETE FROM box")
    findings = document("db", "check", home=home, code=1)["findings"]
    assert findings == [{"what": "claims without a box", "count": 2, "examples": ["1", "2"]}]
    assert "claims without a box: 2 (1, 2)" in run("db", "check", home=home).stdout


def test_vectors_are_rebuilt_and_verified(home: Path) -> None:
    assert document("vectors", "verify", home=home)["generations"] == []
    (built,) = document("vectors", "rebuild", home=home)["generations"]
    assert (built["state"], built["vectors"]) == ("good", 2)
    Path(built["file"]).write_bytes(b"junk")
    (bad,) = document("vectors", "verify", home=home, code=1)["generations"]
    assert bad["state"] == "damaged" and "checksum" in bad["reason"]
    Path(built["file"]).unlink()
    assert (
        "generation 1: the file is missing; run `proofreel vectors rebuild`"
        in run("vectors", "verify", home=home).stdout
    )
    document("vectors", "rebuild", home=home)
    assert [g["state"] for g in document("vectors", "verify", home=home)["generations"]] == ["good"]


def test_a_rebuild_leaves_no_embedders_index_damaged(home: Path) -> None:
    document("vectors", "rebuild", home=home)
    run_sql(
        home,
        "UPDATE embedding SET embedder = 'newer' WHERE moment_id = 2",
        "INSERT INTO vector_generation SELECT 9, 'gone.faiss', checksum, 'gone', dimension, num_vectors,"
        " last_moment_id, created_at FROM vector_generation",
    )
    for file in (home / "vectors").iterdir():
        file.write_bytes(b"junk")
    document("vectors", "verify", home=home, code=1)

    built = document("vectors", "rebuild", home=home)["generations"]
    assert {(g["embedder"], g["vectors"]) for g in built} == {(EMBEDDER, 1), ("newer", 1)}
    states = [g["state"] for g in document("vectors", "verify", home=home)["generations"]]
    assert states == ["good", "good"]


@pytest.mark.parametrize("command", [("db", "upgrade"), ("vectors", "rebuild"), ("db", "restore", "copy.db")])
def test_what_writes_waits_for_no_indexer(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = filled(tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    run("db", "backup", "copy.db", home=home)
    with HomeLock(home):
        done = run(*command, home=home)
    assert isinstance(done.exception, StorageError) and "another proofreel" in str(done.exception)


@pytest.mark.parametrize(
    "command", ["db upgrade", "db backup", "db check", "vectors rebuild", "vectors verify"]
)
def test_a_home_without_an_index_stays_untouched(command: str, tmp_path: Path) -> None:
    done = run(*command.split(), home=tmp_path / "none")
    assert isinstance(done.exception, StorageError) and "no index in" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
