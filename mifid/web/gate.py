"""The gate before the page: which requests are let through, from whom, and how large."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

from mifid.formatting import size_text
from mifid.web.limits import Limits

__all__ = ["Gate", "is_loopback"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_API = "/gradio_api/"
_READ = (
    *("/assets/", "/static/", "/theme.css", "/favicon.ico", "/config", "/manifest.json"),
    *("/pwa_icon", f"{_API}heartbeat/", f"{_API}queue/data", f"{_API}upload_progress"),
    *(f"{_API}startup-events", f"{_API}theme.css"),
)
"""What may be read, beside the page itself and files. gradio has more: it would fetch addresses for
a visitor (proxy, file=http://...), run functions outside the queue, show the API and its use."""

_JOIN, _UPLOAD, _CANCEL = f"{_API}queue/join", f"{_API}upload", f"{_API}cancel"
_FILE = f"{_API}file="
_SAY_PATHS = (_UPLOAD, f"{_API}queue/data")

_ALIAS = "/files"
"""What browsers are told instead of the folder of all files."""

_MOST_JSON = 1 << 20
_MOST_IN_FORM = 64 << 10
"""Bytes of an upload beside its file."""

_SECONDS_OF_A_WRONG_PASSWORD = 1.0

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server on this host.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    return host.strip("[]") in _LOOPBACK


class Gate:
    """An ASGI application before another one, gradio's.

    Args:
        app: the other one.
        files: folder of all files that visitors may send and read.
        limits: of uploads.
        host: that the server listens on. On this machine only names of this machine are taken, or
            a page elsewhere could reach the server through a name of its own.
        password: that a browser asks for; any user name is taken. None: none.
        names: under which browsers reach the server, where a proxy tells it another one.
        framed_by: sites that may show the page in a frame.
    """

    def __init__(
        self,
        app: App,
        *,
        files: Path,
        limits: Limits,
        host: str,
        password: str | None = None,
        names: Collection[str] = (),
        framed_by: str = "'none'",
    ) -> None:
        self._app = app
        self._files = files
        written = {json.dumps(str(files))[1:-1], files.as_posix()}
        self._written = [path.encode() for path in written]
        self._limits = limits
        self._is_local = is_loopback(host)
        self._password = password
        self._names = frozenset(names)
        self._policy = _policy(framed_by)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with the reason why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no part of the page uses websockets
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is None and not self._knows_password(headers):
            if b"authorization" in headers:
                await asyncio.sleep(_SECONDS_OF_A_WRONG_PASSWORD)
            refusal = 401, "This page asks for a password; any user name is taken."
        if refusal is None and scope["path"] == _JOIN:
            refusal, body = self._call(await _body(receive))
            receive = _again(body, receive)
            headers[b"content-length"] = str(len(body)).encode()
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        if scope["path"] == _UPLOAD:
            receive = _until(receive, self._limits.seconds)
        says_paths = scope["path"] in _SAY_PATHS
        if says_paths:  # they are looked for in the answer
            headers.pop(b"accept-encoding", None)
        is_file = scope["path"].startswith(_FILE)
        if is_file:
            path = _FILE + self._real(scope["path"].removeprefix(_FILE))
            scope = {**scope, "path": path, "raw_path": path.encode()}
        scope = {**scope, "headers": list(headers.items())}
        await self._app(scope, receive, self._guarded(send, hides=says_paths, is_file=is_file))

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        """Return status and words for a request that is not let through."""
        host = headers.get(b"host", b"").decode("latin-1")
        if self._is_local and not is_loopback(_name(host)):
            return 421, "This server answers only to names of this machine."
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin.partition("://")[2] not in {host, *self._names}:
            return 403, "Requests of pages elsewhere are not taken."
        path, reads = scope["path"], scope["method"] in ("GET", "HEAD")
        calls = scope["method"] == "POST" and path in (_JOIN, _UPLOAD, _CANCEL)
        if not calls and not (reads and self._may_read(path)):
            return 404, "There is no such page."
        return None if reads else self._refusal_of_length(path, headers)

    def _refusal_of_length(self, path: str, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        length = headers.get(b"content-length", b"")
        if not length.isdigit():
            return 411, "The length of the request must be given."
        if path == _UPLOAD:
            return self._refusal_of_upload(int(length))
        return (413, "The request is too long.") if int(length) > _MOST_JSON else None

    def _may_read(self, path: str) -> bool:
        if ".." in path:
            return False
        if path.startswith(_FILE):
            return _is_inside(path.removeprefix(_FILE))
        return path == "/" or path.startswith(_READ)

    def _refusal_of_upload(self, length: int) -> tuple[int, str] | None:
        if length > self._limits.upload + _MOST_IN_FORM:
            return 413, f"At most {size_text(self._limits.upload)} may be sent at a time."
        stored = sum(each.stat().st_size for each in self._files.rglob("*") if each.is_file())
        if stored + length > self._limits.stored:
            return 507, "The server holds as many files as it may; try again later."
        return None

    def _call(self, body: bytes) -> tuple[tuple[int, str] | None, bytes]:
        """Return a refusal of a call that names files which were not sent here, or its body."""
        try:
            call = json.loads(body)
        except (ValueError, RecursionError):
            return (400, "The request is no JSON."), b""
        for part in _with_paths(call):
            if not isinstance(part["path"], str) or not _is_inside(part["path"]):
                return (403, "Only files that were sent here can be used."), b""
            part["path"] = self._real(part["path"])
        return None, json.dumps(call).encode()

    def _real(self, path: str) -> str:
        return f"{self._files}{path.removeprefix(_ALIAS)}"

    def _knows_password(self, headers: dict[bytes, bytes]) -> bool:
        if self._password is None:
            return True
        kind, _, encoded = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"basic":
            return False
        try:
            given = base64.b64decode(encoded, validate=True).partition(b":")[2]
        except (ValueError, binascii.Error):
            return False
        return hmac.compare_digest(given, self._password.encode())

    def _guarded(self, send: Send, *, hides: bool, is_file: bool) -> Send:
        """Add the headers that keep the page to itself, and tell the alias instead of the folder.

        An answer with paths comes in whole events, each in one message.
        """

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                dropped = (b"access-control-", b"server", *([b"content-length"] if hides else []))
                kept = [pair for pair in message["headers"] if not pair[0].startswith(dropped)]
                more = [(b"cache-control", b"no-store")] if is_file else []
                message = {**message, "headers": [*kept, *self._policy, *more]}
            elif hides and message["type"] == "http.response.body":
                body = message.get("body", b"")
                for path in self._written:
                    body = body.replace(path, _ALIAS.encode())
                message = {**message, "body": body}
            await send(message)

        return sent


def _policy(framed_by: str) -> list[tuple[bytes, bytes]]:
    # gradio's page has scripts in it, and compiles templates.
    rules = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; form-action 'self'; "
        f"frame-ancestors {framed_by}"
    )
    return [
        (b"content-security-policy", rules.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    ]


def _is_inside(path: str) -> bool:
    return path.replace("\\", "/").startswith(f"{_ALIAS}/") and ".." not in path


def _name(host: str) -> str:
    """Return the name in a Host header, without the port.

    >>> _name("localhost:7860"), _name("[::1]:7860"), _name("[::1]")
    ('localhost', '[::1]', '[::1]')
    """
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _with_paths(value: Any) -> list[dict[str, Any]]:
    """Return all objects with a "path", at any depth, but those where it is None."""
    found, waiting = [], [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            found += [each] if each.get("path") is not None else []
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return found


async def _body(receive: Receive) -> bytes:
    """Return the body of a request, whose length was checked."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a Receive that gives a body that was read, and then what comes."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received


def _until(receive: Receive, seconds: float) -> Receive:
    """Return a Receive that takes no longer than these seconds in all."""
    until: float | None = None

    async def received() -> Message:
        nonlocal until
        clock = asyncio.get_running_loop().time
        until = until or clock() + seconds
        try:
            return await asyncio.wait_for(receive(), until - clock())
        except (asyncio.TimeoutError, TimeoutError):
            return {"type": "http.disconnect"}

    return received


async def _refuse(send: Send, status: int, words: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="mifid", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})
