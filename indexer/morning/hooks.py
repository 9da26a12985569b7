"""Tells those who asked to be told: the morning report to a webhook and by e-mail.

Each is tried a few times, and none can fail the night: what could not be sent is said, and `proofreel report
--send` sends it again. Secrets come in as values; whoever calls takes them from the environment.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from indexer.morning.collecting import Morning
from indexer.morning.documents import report_document
from indexer.morning.text import report_lines, subject
from indexer.pages import missing_parts

TRIES = 3
TIMEOUT_S = 15.0
WAIT_S = 2.0
"""Before the second try; it doubles with each."""

_SMTP_PORTS = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Whom to tell. `webhook`: an http(s) URL that gets the JSON document; `email`: addresses, with `smtp` as
    smtp://[user@]host[:port] (STARTTLS where it is offered) or smtps://.

    Raises ValueError for an address that is none, and for a name without its server.
    """

    webhook: str | None = None
    webhook_token: str | None = field(default=None, repr=False)
    email: tuple[str, ...] = ()
    smtp: str = "smtp://localhost"
    smtp_password: str | None = field(default=None, repr=False)
    sender: str | None = None

    def __post_init__(self) -> None:
        if self.webhook is not None:
            _require_url(self.webhook, schemes=("http", "https"), option="webhook")
        _require_url(self.smtp, schemes=tuple(_SMTP_PORTS), option="smtp")
        for address in (*self.email, *([self.sender] if self.sender else [])):
            name, _, host = address.partition("@")
            if not name or not host or not address.isprintable() or any(c in address for c in " ,<>"):
                raise ValueError(f"{address[:80]!r} is no e-mail address; give one like ops@example.org")

    @property
    def any(self) -> bool:
        """Whether anybody is to be told."""
        return self.webhook is not None or bool(self.email)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one message; `reason` is None when it went out. `to` holds no secret."""

    to: str
    reason: str | None

    def line(self) -> str:
        """In one line."""
        if self.reason is None:
            return f"the report was sent to {self.to}"
        return (
            f"the report could not be sent to {self.to}: {self.reason}; `proofreel report --send` tries again"
        )


def send(morning: Morning, hooks: Hooks, *, wait_s: float | None = None) -> Iterator[Sent]:
    """Send the report to each, and say what became of it. Raises nothing that a server or a network does."""
    wait_s = WAIT_S if wait_s is None else wait_s
    if hooks.webhook is not None:
        url = urlsplit(hooks.webhook)
        yield _told(f"{url.scheme}://{url.hostname}", lambda: _post(morning, hooks), wait_s=wait_s)
    if hooks.email:
        yield _told(", ".join(hooks.email), lambda: _mail(morning, hooks), wait_s=wait_s)


def _told(to: str, deliver: Callable[[], None], *, wait_s: float) -> Sent:
    missing = missing_parts("httpx", "tenacity")
    if missing is not None:
        return Sent(to=to, reason=missing)
    import tenacity

    waits = tenacity.wait_exponential(multiplier=wait_s)
    again = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=waits,
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        again(deliver)
    except Exception as error:  # whatever a server does is told, and the night is not its fault
        return Sent(to=to, reason=_reason(error))
    return Sent(to=to, reason=None)


def _post(morning: Morning, hooks: Hooks) -> None:
    import httpx

    assert hooks.webhook is not None
    headers = {} if hooks.webhook_token is None else {"Authorization": f"Bearer {hooks.webhook_token}"}
    answer = httpx.post(hooks.webhook, json=report_document(morning), headers=headers, timeout=TIMEOUT_S)
    answer.raise_for_status()


def _mail(morning: Morning, hooks: Hooks) -> None:
    import smtplib
    import ssl

    url = urlsplit(hooks.smtp)
    host, port = url.hostname or "localhost", url.port or _SMTP_PORTS[url.scheme]
    context = ssl.create_default_context()
    server: smtplib.SMTP = (
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        if url.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    )
    with server:
        server.ehlo()
        if url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif url.scheme == "smtp" and hooks.smtp_password is not None:
            raise ValueError("the server offers no encryption, so the password was not sent; use smtps://")
        if hooks.smtp_password is not None:
            server.login(url.username or "", hooks.smtp_password)
        server.send_message(_message(morning, hooks))


def _message(morning: Morning, hooks: Hooks) -> Any:
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = f"Proofreel: {subject(morning)}"
    message["From"] = hooks.sender or f"proofreel@{socket.getfqdn()}"
    message["To"] = ", ".join(hooks.email)
    message.set_content("\n".join(report_lines(morning)) + "\n")
    if missing_parts("jinja2", "matplotlib") is None:
        from indexer.morning.page import report_page

        message.add_alternative(report_page(morning), subtype="html")
    return message


def _may_pass(error: BaseException) -> bool:
    """Whether the same may go well in a moment."""
    import smtplib

    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, (httpx.TransportError, OSError))


def _reason(error: Exception) -> str:
    import smtplib

    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code} {error.response.reason_phrase}"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else ""
        return f"it answered {error.smtp_code} {said}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "it takes no mail for these addresses"
    return str(error) or type(error).__name__


def _require_url(text: str, *, schemes: tuple[str, ...], option: str) -> None:
    try:
        url = urlsplit(text)
        good = url.scheme in schemes and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        good = False
    if not good:
        wanted = " or ".join(f"{scheme}://host" for scheme in schemes)
        # What was given may hold a token, so it is not repeated.
        raise ValueError(f"[report] {option} is no address; give {wanted}")
