"""Real local servers that take what the morning report sends: HTTP (standard library) and SMTP (aiosmtpd)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


@dataclass
class Posted:
    """What a webhook got; `answers` are the statuses of its next answers, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


@contextmanager
def webhook(*answers: int) -> Iterator[Posted]:
    """A webhook on this machine."""
    posted = Posted(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.documents.append(json.loads(body))
            posted.tokens.append(self.headers.get("Authorization"))
            self.send_response(posted.answers.pop(0) if posted.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        posted.url = f"http://127.0.0.1:{server.server_address[1]}/hook?key=secret"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield posted
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Mailed:
    """What a mail server got: envelopes."""

    url: str = ""
    envelopes: list[Any] = field(default_factory=list)
    num_refused: int = 0


@contextmanager
def mail_server(*, busy: int = 0, password: str | None = None) -> Iterator[Mailed]:
    """A mail server on this machine that answers 451 to the first `busy` messages, and 550 to nobody@..."""
    mailed = Mailed()

    class Handler:
        async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, to: str, _: Any) -> str:
            if to.startswith("nobody@"):
                return "550 no such mailbox"
            envelope.rcpt_tos.append(to)
            return "250 OK"

        async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
            if mailed.num_refused < busy:
                mailed.num_refused += 1
                return "451 try again later"
            mailed.envelopes.append(envelope)
            return "250 OK"

    def authenticate(*arguments: Any) -> AuthResult:
        login = arguments[-1]
        return AuthResult(success=login.password.decode() == password)

    settings: dict[str, Any] = {} if password is None else {"authenticator": authenticate}
    with socket.create_server(("127.0.0.1", 0)) as free:  # aiosmtpd wants to be told the port
        port = free.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=port, **settings)
    controller.start()
    try:
        mailed.url = f"smtp://127.0.0.1:{port}"
        yield mailed
    finally:
        controller.stop()
