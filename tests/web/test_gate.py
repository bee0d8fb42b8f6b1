"""The gate: which requests come through to the page."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from mifid.web import gate
from mifid.web.gate import Gate
from mifid.web.limits import Limits

FILES = Path("/tmp/mifid-serve-x/files")


class App:
    """The application behind the gate; remembers what comes."""

    answer = json.dumps({"path": f"{FILES}/visit/a.jpg", "url": f"file={FILES}/a.jpg"}).encode()

    def __init__(self):
        self.bodies = []
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body if message["type"] == "http.request" else message["type"])
        headers = [(b"access-control-allow-origin", b"*"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.answer, "more_body": True})
        await send({"type": "http.response.body", "body": self.answer})


def asked(method, path, body=b"", *, headers=(), receive=None, **options):
    """Return status, headers and what the application was given; keep the rest in ``asked``."""
    app, sent = App(), []
    given = {"files": FILES, "limits": Limits(upload=1000), "host": "127.0.0.1"} | options
    named = {"host": "127.0.0.1:7860"} | ({"content-length": str(len(body))} if body else {})
    named |= dict(headers)
    pairs = [(key.encode(), value.encode()) for key, value in named.items() if value is not None]
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def received():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    asyncio.run(Gate(app, **given)(scope, receive or received, send))
    asked.app, asked.answer = app, b"".join(message["body"] for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), app.bodies


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/config", "/theme.css", "/assets/index.js", "/static/js/x.js", "/favicon.ico"),
        *("/gradio_api/heartbeat/abc", "/gradio_api/queue/data", "/gradio_api/upload_progress"),
        "/gradio_api/file=/files/visit/a.jpg",
    ],
)
def test_what_the_page_reads(path):
    status, headers, _ = asked("GET", path)
    assert status == 200
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]
    assert b"access-control-allow-origin" not in headers
    assert headers.get(b"cache-control") == (b"no-store" if "file=" in path else None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file=http://example.org/x"),
        ("GET", f"/gradio_api/file={FILES}/visit/a.jpg"),
        ("GET", "/gradio_api/file=/files/../secret"),
        ("GET", "/gradio_api/file=/files-other/secret"),
        ("GET", "/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=http://example.org"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/vibe-code"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/monitoring"),
        ("GET", "/docs"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/call/paint"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/login"),
        ("PUT", "/"),
        ("OPTIONS", "/"),
    ],
)
def test_what_nobody_reaches(method, path):
    status, _, bodies = asked(method, path, b"{}")
    assert (status, bodies) == (404, [])


def call(*data):
    return json.dumps({"data": data, "fn_index": 1, "session_hash": "x"}).encode()


def test_calls_with_files_that_were_sent_here():
    """The application is given their real paths, and a length that fits."""
    photo = {"image": {"path": "/files/sha/a.jpg", "url": "http://x"}, "caption": None}
    status, _, bodies = asked(
        "POST", "/gradio_api/queue/join", call([photo], ["toy"], 1, {"path": None})
    )
    assert status == 200
    real = {"image": {"path": f"{FILES}/sha/a.jpg", "url": "http://x"}, "caption": None}
    assert json.loads(bodies[0])["data"] == [[real], ["toy"], 1, {"path": None}]
    headers = dict(asked.app.scopes[0]["headers"])
    assert headers[b"content-length"] == str(len(bodies[0])).encode()


@pytest.mark.parametrize(
    "path",
    ["http://example.org/a.jpg", "/etc/passwd", f"{FILES}/a", "/files/../x", "a.jpg", 7, {"a": 1}],
)
def test_calls_with_other_files(path):
    nested = [[{"image": {"meta": {"_type": "gradio.FileData"}, "path": path}}]]
    assert asked("POST", "/gradio_api/queue/join", call(*nested))[::2] == (403, [])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/gradio_api/queue/data"), ("POST", "/gradio_api/upload")]
)
def test_the_folder_of_files_is_not_told(method, path):
    headers = {"accept-encoding": "br"}.items()  # of what is compressed nothing can be replaced
    _, found, _ = asked(method, path, b"x", headers=headers)
    assert str(FILES).encode() not in asked.answer
    assert asked.answer == 2 * b'{"path": "/files/visit/a.jpg", "url": "file=/files/a.jpg"}'
    assert b"content-length" not in found
    assert b"accept-encoding" not in dict(asked.app.scopes[0]["headers"])


def test_files_are_read_where_they_are():
    asked("GET", "/gradio_api/file=/files/visit/a.jpg")
    (scope,) = asked.app.scopes
    assert scope["path"] == f"/gradio_api/file={FILES}/visit/a.jpg"
    assert scope["raw_path"] == scope["path"].encode()


def test_calls_that_are_none():
    join = "/gradio_api/queue/join"
    assert asked("POST", join, b"{")[0] == 400
    assert asked("POST", join, b"[" * 200_000)[0] == 400
    assert asked("POST", join, b'"' + b"x" * (1 << 20) + b'"')[0] == 413
    assert asked("POST", join, b"{}", headers={"content-length": None}.items())[0] == 411


def test_uploads_have_a_limit():
    upload = "/gradio_api/upload"
    assert asked("POST", upload, b"x" * 1000)[::2] == (200, [b"x" * 1000])
    assert asked("POST", upload, b"x", headers={"content-length": "70000"}.items())[0] == 413


def test_all_uploads_together_have_a_limit(tmp_path):
    (tmp_path / "sha").mkdir()
    (tmp_path / "sha" / "a.jpg").write_bytes(b"x" * 600)
    limits = Limits(upload=1000, stored=1000)
    for length, status in ((400, 200), (401, 507)):
        body = b"x" * length
        given = {"files": tmp_path, "limits": limits}
        assert asked("POST", "/gradio_api/upload", body, **given)[0] == status


def test_an_upload_has_a_limit_of_time():
    async def never():
        await asyncio.Event().wait()

    limits = Limits(upload=1000, seconds=0.05)
    given = {"receive": never, "limits": limits}
    _, _, bodies = asked("POST", "/gradio_api/upload", b"x", **given)
    assert bodies == ["http.disconnect"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost:7860", 200), ("[::1]:7860", 200), ("127.0.0.1", 200)),
        *(("evil.example:7860", 421), ("127.0.0.1.evil.example", 421), (None, 421)),
    ],
)
def test_names_of_this_machine_alone(host, status):
    """A page elsewhere may let its name lead to 127.0.0.1: DNS rebinding."""
    assert asked("GET", "/", headers={"host": host}.items())[0] == status
    elsewhere = asked("GET", "/", headers={"host": host}.items(), host="0.0.0.0", password=None)
    assert elsewhere[0] == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://127.0.0.1:7860", 200), ("https://evil.example", 403), ("null", 403)],
)
def test_requests_of_other_pages(origin, status):
    given = {"headers": {"origin": origin}.items()}
    assert asked("POST", "/gradio_api/queue/join", call(1), **given)[0] == status


def test_a_server_with_other_names_behind_a_proxy():
    given = {"names": ["me-mifid.hf.space"], "host": "0.0.0.0"}
    for origin, status in (("https://me-mifid.hf.space", 200), ("https://evil.example", 403)):
        headers = {"origin": origin, "host": "10.0.0.7:7860"}.items()
        found = asked("POST", "/gradio_api/queue/join", call(1), headers=headers, **given)
        assert found[0] == status


def basic(text):
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        *((basic("anybody:sésame"), 200), (basic(":sésame"), 200), (basic("a:b"), 401)),
        *((None, 401), ("Basic sésame", 401), ("Basic !", 401), ("Bearer x", 401)),
        (basic("sésame"), 401),
    ],
)
def test_a_password_is_asked_for(monkeypatch, given, status):
    monkeypatch.setattr(gate, "_SECONDS_OF_A_WRONG_PASSWORD", 0.0)
    headers = {"authorization": given}.items()
    found = asked("GET", "/theme.css", headers=headers, password="sésame", host="0.0.0.0")
    assert found[0] == status
    assert (b"www-authenticate" in found[1]) == (status == 401)
    assert bool(found[2]) == (status == 200)


def test_a_space_is_shown_in_a_frame():
    policy = asked("GET", "/", framed_by="https://huggingface.co")[1][b"content-security-policy"]
    assert policy.endswith(b"frame-ancestors https://huggingface.co")
