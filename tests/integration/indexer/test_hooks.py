"""Whoever asked to be told is told, as real servers saw it; and one that fails never fails the night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from indexer.morning.collecting import Morning, morning
from indexer.morning.commands import tell_hooks
from indexer.morning.hooks import TRIES, Hooks, send
from tests.lamps import Night, lamp_clip
from tests.told import mail_server, webhook

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def found(night: Night, folder: Path) -> Morning:
    lamp_clip(folder / "a.mp4")
    night.run(folder, questions=["when is a lamp lit?"])
    now = datetime.now(UTC)
    return morning(night.home, since=now - timedelta(hours=1), until=now)


def reasons(found: Morning, hooks: Hooks) -> list[str | None]:
    return [sent.reason for sent in send(found, hooks, wait_s=0.01)]


def test_a_webhook_gets_the_document_and_the_token(found: Morning) -> None:
    schema = json.loads((files("indexer") / "schemas/report-1.schema.json").read_text())
    with webhook() as posted:
        (sent,) = send(found, Hooks(webhook=posted.url, webhook_token="t0ken"))
    assert sent.reason is None and "key=secret" not in sent.to
    (document,) = posted.documents
    jsonschema.validate(document, schema)
    assert document["video_seconds"] == pytest.approx(4.0)
    assert posted.tokens == ["Bearer t0ken"]


def test_a_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not(found: Morning) -> None:
    with webhook(503, 429) as posted:
        assert reasons(found, Hooks(webhook=posted.url)) == [None]
        assert len(posted.documents) == TRIES
    with webhook(500, 500, 500) as posted:
        assert reasons(found, Hooks(webhook=posted.url)) == ["it answered 500 Internal Server Error"]
    with webhook(403) as posted:
        assert reasons(found, Hooks(webhook=posted.url)) == ["it answered 403 Forbidden"]
        assert len(posted.documents) == 1
        gone = posted.url
    (reason,) = reasons(found, Hooks(webhook=gone))
    assert reason is not None and "refused" in reason


def test_mail_holds_the_report_as_text_and_as_a_page(found: Morning) -> None:
    with mail_server(busy=1) as mailed:
        hooks = Hooks(email=("ops@example.org", "b@example.org"), smtp=mailed.url, sender="night@example.org")
        assert reasons(found, hooks) == [None]
    (envelope,) = mailed.envelopes
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert envelope.rcpt_tos == ["ops@example.org", "b@example.org"]
    assert message["From"] == "night@example.org"
    assert message["Subject"].startswith("Proofreel: 4.0 s of video") and "no failures" in message["Subject"]
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and "when is a lamp lit?" in plain.get_content()
    assert html is not None and "<svg" in html.get_content()


def test_mail_that_nobody_takes_is_told_and_no_password_goes_out_in_the_open(found: Morning) -> None:
    with mail_server() as mailed:
        (reason,) = reasons(found, Hooks(email=("nobody@example.org",), smtp=mailed.url))
        assert reason == "it takes no mail for these addresses"
        hooks = Hooks(email=("ops@example.org",), smtp=mailed.url, smtp_password="pa55")
        (reason,) = reasons(found, hooks)
    assert reason is not None and "no encryption, so the password was not sent" in reason
    assert mailed.envelopes == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"webhook": "example.org/hook"}, "webhook is no address; give http://host or https://host"),
        ({"email": ("ops",)}, "'ops' is no e-mail address"),
        ({"email": ("a@b.org\nBcc: c@d.org",)}, "is no e-mail address"),
        ({"smtp": "http://mail"}, "smtp is no address; give smtp://host or smtps://host"),
    ],
)
def test_an_address_that_is_none_is_told_at_once(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hooks(**given)  # type: ignore[arg-type]


def test_only_a_night_that_began_is_told_and_what_fails_is_said_on_standard_error(
    found: Morning, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.morning.hooks.WAIT_S", 0.01)
    with webhook(500, 500, 500, 200) as posted:
        settings = {"webhook": posted.url}
        tell_hooks(settings, found.home, since=datetime.now(UTC))
        assert posted.documents == []
        tell_hooks(settings, found.home, since=found.since)
        assert "could not be sent to http://127.0.0.1: it answered 500" in capsys.readouterr().err
        tell_hooks(settings, found.home, since=found.since)
        assert capsys.readouterr().err == "the report was sent to http://127.0.0.1\n"
    tell_hooks(None, found.home, since=found.since)
    tell_hooks({"webhook": "example.org"}, found.home, since=found.since)
    assert "the report could not be sent: [report] webhook is no address" in capsys.readouterr().err


@pytest.mark.slow
def test_index_sends_when_configured_and_a_dead_hook_does_not_change_how_it_ends(tmp_path: Path) -> None:
    lamp_clip(tmp_path / "a.mp4", seconds=1.0)
    settings = tmp_path / "proofreel.toml"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PROOFREEL_REPORT__WEBHOOK_TOKEN": "t0ken"}

    def proofreel(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "proofreel", *arguments]
        return subprocess.run(
            line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )

    with webhook() as posted, mail_server() as mailed:
        settings.write_text(
            f'[report]\nwebhook = "{posted.url}"\nemail = "ops@example.org"\nsmtp = "{mailed.url}"\n'
        )
        done = proofreel("index", "a.mp4", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["ending"] == "complete"
        assert posted.documents[0]["nights"][0]["ending"] == "complete"
        assert (posted.tokens, len(mailed.envelopes)) == (["Bearer t0ken"], 1)
    settings.write_text(f'[report]\nwebhook = "{posted.url}"\n')
    again = proofreel("index", "a.mp4")
    assert again.returncode == 0, again.stderr
    assert "the report could not be sent to http://127.0.0.1: " in again.stderr
    assert "`proofreel report --send` tries again" in again.stderr and "secret" not in again.stderr
    asked = proofreel("report", "--send", "--json")
    assert asked.returncode == 1
    assert [one["sent"] for one in json.loads(asked.stdout)["sent"]] == [False]
