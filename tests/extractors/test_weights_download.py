"""Downloads from a server on this machine: resumed, checked, whole or absent."""

import hashlib
import http.server
import re
import threading

import pytest

from mifid.extractors.weights import DownloadError, download
from mifid.progress import Silent

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.headers.get("Range"))
        start = 0
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if server.status:
            self.send_error(server.status)
            return
        if asked and server.ranges:
            start = int(asked[1])
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(CONTENT)
        self.wfile.write(CONTENT[start : start + cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.requests, running.cuts, running.ranges, running.status = [], [], True, None
        running.url = f"http://127.0.0.1:{running.server_port}/w.pth"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


class Recorder(Silent):
    def __init__(self):
        self.steps = []

    def task(self, label, total, unit):
        recorder = self

        class Task:
            def __enter__(self):
                self.total = total
                return self

            def __exit__(self, *_):
                pass

            def advance(self, steps=1):
                recorder.steps.append((steps, total))

        return Task()


def files(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_arrives_whole_with_progress(server, tmp_path):
    progress = Recorder()
    download(server.url, tmp_path / "a" / "w.pth", sha256=SHA, progress=progress)
    assert (tmp_path / "a" / "w.pth").read_bytes() == CONTENT
    assert files(tmp_path / "a") == ["w.pth"]
    assert sum(step for step, _ in progress.steps) == len(CONTENT)
    assert {total for _, total in progress.steps} == {len(CONTENT)}


def test_a_broken_connection_is_resumed_at_once(server, tmp_path):
    server.cuts = [300_000]
    download(server.url, tmp_path / "w.pth", sha256=SHA, progress=Silent())
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-"]


def test_the_next_run_goes_on_where_this_one_stopped(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT[:500_000])
    download(server.url, tmp_path / "w.pth", sha256=SHA, progress=Silent())
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert server.requests == ["bytes=500000-"]


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / "w.pth.part").write_bytes(b"x" * 500_000)
    download(server.url, tmp_path / "w.pth", sha256=SHA, progress=Silent())
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_a_complete_part_is_only_checked(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    download(server.url, tmp_path / "w.pth", sha256=SHA, progress=Silent())
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_what_is_here_is_not_fetched_again(server, tmp_path):
    (tmp_path / "w.pth").write_bytes(CONTENT)
    download(server.url, tmp_path / "w.pth", sha256=SHA, progress=Silent())
    assert server.requests == []


def test_another_file_is_thrown_away(server, tmp_path):
    with pytest.raises(
        DownloadError, match=f"not the published file: its sha256 is {SHA}, expected"
    ):
        download(server.url, tmp_path / "w.pth", sha256=SHA[:8] + "0" * 56, progress=Silent())
    assert files(tmp_path) == []


def test_connections_that_keep_breaking_give_up_and_keep_the_part(server, tmp_path):
    server.cuts = [1000, 1000, 1000, 1000]
    with pytest.raises(DownloadError, match="IncompleteRead"):
        download(server.url, tmp_path / "w.pth", sha256=SHA, progress=Silent())
    assert files(tmp_path) == ["w.pth.part"]
    assert (tmp_path / "w.pth.part").read_bytes() == CONTENT[:3000]


def test_a_refusal_is_told(server, tmp_path):
    server.status = 404
    with pytest.raises(DownloadError, match="the server answers 404"):
        download(server.url, tmp_path / "w.pth", sha256=SHA, progress=Silent())
    assert len(server.requests) == 1


def test_no_server(tmp_path):
    with pytest.raises(DownloadError, match="URLError"):
        download("http://127.0.0.1:1/w.pth", tmp_path / "w.pth", sha256=SHA, progress=Silent())


def test_an_unwritable_place(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="cannot write"):
        download(server.url, tmp_path / "file" / "w.pth", sha256=SHA, progress=Silent())
