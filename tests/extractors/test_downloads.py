"""Downloads from a server on this machine: resumed, checked, whole or absent."""

import hashlib

import pytest
from local_server import serving

from mifid.extractors.downloads import DownloadError, download
from mifid.progress import Silent

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serving(CONTENT) as running:
        yield running


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


def test_without_a_hash_a_part_is_resumed_only_if_it_is_of_the_same_file(server, tmp_path):
    """The tag that the server gave with the first bytes tells parts of two files apart."""
    server.etag, server.cuts = '"first"', [1000] * 3
    target = tmp_path / "w.npz"
    with pytest.raises(DownloadError):
        download(server.url, target, sha256=None, progress=Silent())
    assert files(tmp_path) == ["w.npz.part", "w.npz.part.tag"]
    download(server.url, target, sha256=None, progress=Silent())
    assert server.requests[-1] == "bytes=3000-"
    assert target.read_bytes() == CONTENT
    assert files(tmp_path) == ["w.npz"]
    target.unlink()

    server.cuts = [1000] * 3
    with pytest.raises(DownloadError):
        download(server.url, target, sha256=None, progress=Silent())
    server.etag, server.content = '"second"', CONTENT[::-1]
    download(server.url, target, sha256=None, progress=Silent())
    assert server.requests[-1] == "bytes=3000-"
    assert target.read_bytes() == CONTENT[::-1]


def test_without_a_hash_and_a_tag_it_begins_again(server, tmp_path):
    (tmp_path / "w.npz.part").write_bytes(b"x" * 500_000)
    download(server.url, tmp_path / "w.npz", sha256=None, progress=Silent())
    assert server.requests == [None]
    assert (tmp_path / "w.npz").read_bytes() == CONTENT


def test_without_a_hash_what_is_here_is_not_fetched_again(server, tmp_path):
    (tmp_path / "w.npz").write_bytes(b"other")
    download(server.url, tmp_path / "w.npz", sha256=None, progress=Silent())
    assert server.requests == []
