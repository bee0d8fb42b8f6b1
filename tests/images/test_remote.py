"""Pictures at URLs: an in-memory file system, and a server on this machine."""

import socket
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from pictures import encode, noise, write_folder, write_tar, write_tfrecord, write_zip
from toys import colours

from mifid import Statistics, build_reference, features
from mifid.errors import InputError, MifidError, MifidWarning, PictureError
from mifid.files import without_secrets
from mifid.images import open_images, remote
from mifid.scoring import score

fsspec = pytest.importorskip("fsspec")

FILES = [(f"{i:02}.png", encode(noise(i))) for i in range(12)]
BYTES = [content for _, content in FILES]


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(remote, "_WAITS", (0.0, 0.0))


@pytest.fixture
def memory(tmp_path):
    """Everything that can be read, in fsspec's memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    for name, content in FILES:
        system.pipe(f"/set/{name}", content)
    system.pipe("/set/notes.txt", b"no picture")
    system.pipe("/a.zip", write_zip(tmp_path / "a.zip", FILES).read_bytes())
    for i in range(3):
        tar = write_tar(tmp_path / "a.tar", FILES[4 * i : 4 * i + 4])
        system.pipe(f"/shard-{i:03}.tar", tar.read_bytes())
    system.pipe("/a.tar.gz", write_tar(tmp_path / "b.tar.gz", FILES, "gz").read_bytes())
    for i in range(3):
        records = write_tfrecord(tmp_path / "a.tfrec", FILES[i::3])  # sorted over all files
        system.pipe(f"/records/monet{i:02}.tfrec", records.read_bytes())
    system.pipe("/all.tfrec", write_tfrecord(tmp_path / "a.tfrec", FILES[::-1]).read_bytes())
    pq = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table({"image": BYTES})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=5)
    system.pipe("/a.parquet", (tmp_path / "a.parquet").read_bytes())
    yield system
    system.store.clear()


FORMS = [
    *("memory://set/", "memory://set", "memory://set/*.png", "memory://a.zip"),
    *("memory://shard-{000..002}.tar", "memory://shard-*.tar", "memory://a.tar.gz"),
    *("memory://all.tfrec", "memory://records/", "memory://records/*.tfrec"),
    *("memory://a.parquet", ["memory://shard-000.tar", "memory://shard-{001..002}.tar"]),
]


def contents(source):
    return [source.read(i) for i in range(len(source))]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_lies_at_a_url_is_what_lies_in_a_folder(form, memory):
    source = open_images(form)
    assert contents(source) == BYTES
    assert [source.read(i) for i in (11, 0, 5)] == [BYTES[i] for i in (11, 0, 5)]
    assert source.names == sorted(source.names)
    assert not source.travels
    source.close()


def test_a_score_over_urls_is_the_folders_to_the_bit(memory, tmp_path):
    folder = write_folder(tmp_path / "plain", FILES)
    reference = np.stack([noise(seed) for seed in range(40, 55)])
    forms = [
        folder,
        "memory://set/",
        "memory://a.zip",
        "memory://shard-*.tar",
        "memory://a.parquet",
        "memory://records/",
    ]
    reports = [score(one, reference, extractor=colours, ci=0, cache=False) for one in forms]
    for report in reports[1:]:
        assert (report.fid, report.mifid) == (reports[0].fid, reports[0].mifid)
        assert report.inputs["generated"].sha256 == reports[0].inputs["generated"].sha256
    sources = [report.inputs["generated"].source for report in reports]
    assert sources[1] == "memory://set/, known by content"
    assert sources[-1] == "3 TFRecords of memory://records, known by content"


def test_single_pictures_and_what_is_none(memory):
    assert contents(open_images("memory://set/03.png")) == [BYTES[3]]
    for url, said in [
        ("memory://set/notes.txt", "memory://set/notes.txt holds no pictures .* it is a text"),
        ("memory://gone/", "there is no file below memory://gone/"),
        ("memory://gone.zip", "memory://gone.zip cannot be read: there is no such file"),
        ("memory://gone/*.png", "no file matches memory://gone"),
    ]:
        with pytest.raises(InputError, match=said):
            open_images(url)


@pytest.mark.parametrize("cut", [20, 0.15])
@pytest.mark.parametrize("name", ["a.zip", "shard-000.tar", "a.parquet", "a.tar.gz", "all.tfrec"])
def test_what_is_cut_short_is_refused_with_its_url(name, cut, memory):
    whole = memory.cat(f"/{name}")
    memory.pipe(f"/{name}", whole[: int(cut * len(whole)) if cut < 1 else cut])
    with pytest.raises(InputError, match=f"memory://{name}"):
        open_images(f"memory://{name}")


def test_hostile_archives_are_refused_as_on_disk(memory, tmp_path):
    memory.pipe("/a.tar", write_tar(tmp_path / "c.tar", [("../a.png", BYTES[0])]).read_bytes())
    with pytest.raises(InputError, match=r"memory://a.tar: entry '../a.png' points outside"):
        open_images("memory://a.tar")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(257 << 20))
    memory.pipe("/bomb.zip", (tmp_path / "bomb.zip").read_bytes())
    with pytest.raises(InputError, match="decompression bomb"):
        open_images("memory://bomb.zip")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pw@host/a.zip", "https://host/a.zip"),
        ("https://ghp_token@host:81/a b", "https://host:81/a b"),
        ("s3://key:se@cret@bucket/x/", "s3://bucket/x/"),
        ("https://host/a.zip?X-Amz-Signature=abc&b=1#c", "https://host/a.zip?..."),
        (
            "GET 'https://a:b@c/d?e' failed, see http://x/y",
            "GET 'https://c/d?...' failed, see http://x/y",
        ),
        ("abfs://container@account/a", "abfs://container@account/a"),
        ("hf://datasets/a/b@main/c", "hf://datasets/a/b@main/c"),
        ("out/a@b?c.png", "out/a@b?c.png"),
    ],
)
def test_secrets_are_cut_out_of_urls(text, shown):
    assert without_secrets(text) == shown


def test_a_protocol_whose_package_is_missing_is_named_with_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match="the package that reads gs:// is not installed") as caught:
        open_images("gs://key:secret@bucket/set/")
    assert caught.value.hint == "pip install 'gcsfs'"
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="xyz:// is not a protocol that is known"):
        open_images("xyz://a/b.zip")


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``faults`` are functions that answer the next requests instead."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.asked = {}, [], []
        self.ranges, self.etag, self.authorized = True, '"1"', None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        server, path = self.server, self.path.partition("?")[0]
        if self.command == "GET":
            server.asked.append((path, self.headers.get("Range")))
            if server.faults:
                return server.faults.pop(0)(self)
        content = server.files.get(path)
        if content is None:
            return self.answer(404, b"")
        wanted = self.headers.get("Range")
        if wanted and server.ranges:
            first, last = (int(n) for n in wanted.removeprefix("bytes=").split("-"))
            part = content[first : last + 1]
            span = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
            return self.answer(206, part, **{"Content-Range": span})
        return self.answer(200, content)

    def answer(self, status, content, short=0, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.server.etag and status < 300:
            self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: len(content) - short])
        if short:
            self.close_connection = True


@pytest.fixture
def server():
    pytest.importorskip("aiohttp")
    found = Server()
    thread = threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    fsspec.filesystem("http").invalidate_cache()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


BIG = [(f"{i:03}.png", encode(noise(i, 200, 200))) for i in range(60)]


def test_a_zip_is_read_by_parts_and_each_part_once(server, tmp_path):
    server.files["/a.zip"] = write_zip(tmp_path / "a.zip", BIG, zipfile.ZIP_STORED).read_bytes()
    whole = len(server.files["/a.zip"])
    assert whole > 6 << 20
    source = open_images(f"{server.url}/a.zip")
    assert source.read(30) == BIG[30][1]
    spans = [wanted for _, wanted in server.asked]
    assert all(spans)
    counted = sum(int(b) - int(a) + 1 for a, b in (s[6:].split("-") for s in spans))
    assert counted < whole / 4
    asked = len(server.asked)
    assert source.read(30) == BIG[30][1]
    assert len(server.asked) == asked
    assert contents(source) == [content for _, content in BIG]
    spans = [wanted[6:].split("-") for _, wanted in server.asked]
    assert sum(int(b) - int(a) + 1 for a, b in spans) == whole
    assert len(spans) < 25
    source.close()


def test_a_tar_with_large_files_beside_the_pictures_is_not_downloaded_whole(server, tmp_path):
    files = [("a.png", BYTES[0]), ("film.bin", bytes(4 << 20)), ("b.png", BYTES[1])]
    server.files["/a.tar"] = write_tar(tmp_path / "a.tar", files).read_bytes()
    source = open_images(f"{server.url}/a.tar")
    assert contents(source) == BYTES[:2]
    spans = [wanted[6:].split("-") for _, wanted in server.asked]
    assert sum(int(b) - int(a) + 1 for a, b in spans) < 2 << 20
    source.close()


def test_what_passes_is_tried_again(server, tmp_path):
    server.files["/a.zip"] = write_zip(tmp_path / "a.zip", FILES).read_bytes()

    def busy(handler):
        handler.answer(503, b"")

    def half(handler):
        content = server.files["/a.zip"]
        span = f"bytes 0-{len(content) - 1}/{len(content)}"
        handler.answer(206, content, short=len(content) // 2, **{"Content-Range": span})

    server.faults = [busy, half]
    assert contents(open_images(f"{server.url}/a.zip")) == BYTES
    assert len(server.asked) == 3


def test_a_server_that_always_stops_half_way_is_an_error_and_no_bad_picture(server, tmp_path):
    server.files["/a.zip"] = write_zip(tmp_path / "a.zip", FILES).read_bytes()

    def half(handler):
        handler.answer(206, b"abcd", short=2, **{"Content-Range": "bytes 0-3/4"})

    server.faults = [half] * 99
    with pytest.raises(InputError, match=r"/a.zip cannot be read: .*\(3 tries\)") as caught:
        open_images(f"{server.url}/a.zip")
    assert not isinstance(caught.value, PictureError)


def test_a_server_without_ranges_is_refused(server, tmp_path):
    server.files["/a.zip"] = write_zip(tmp_path / "a.zip", BIG, zipfile.ZIP_STORED).read_bytes()
    server.ranges = False
    with pytest.raises(InputError, match="the server ignores the request for a part") as caught:
        open_images(f"{server.url}/a.zip")
    assert "Download the file first" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "said"), [(401, "needs a login"), (403, "is forbidden"), (404, "no such file")]
)
def test_what_will_not_pass_is_said_at_once(status, said, server, tmp_path):
    server.files["/a.zip"] = b"abc"
    url = server.url.replace("//", "//user:hunter2@") + "/a.zip?token=s3cr3t"

    def refuse(handler):
        handler.answer(status, b"")

    server.faults = [refuse] * 99
    if status == 404:
        server.files.clear()
    with pytest.raises(InputError, match=said) as caught:
        open_images(url)
    assert len(server.asked) <= 2
    text = repr(caught.value) + str(caught.value)
    assert "hunter2" not in text
    assert "s3cr3t" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_host_that_refuses_connections_is_an_error_in_words():
    pytest.importorskip("aiohttp")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(InputError, match=rf"http://127.0.0.1:{port}/a.zip cannot be read"):
        open_images(f"http://127.0.0.1:{port}/a.zip")


def test_secrets_of_a_url_are_in_no_report_page_json_and_cache(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path / "cache"))
    server.files["/a.zip"] = write_zip(tmp_path / "a.zip", FILES).read_bytes()
    url = f"{server.url}/a.zip?token=s3cr3t"
    reference = np.stack([noise(seed) for seed in range(40, 55)])
    report = score(url, reference, extractor=colours, ci=0)
    report.save(tmp_path / "report.html")
    assert f"{server.url}/a.zip?..., known by size and ETag" in report.inputs["generated"].source
    written = report.text() + report.to_json() + (tmp_path / "report.html").read_text()
    assert "s3cr3t" not in written
    for file in (tmp_path / "cache").rglob("*"):
        assert "s3cr3t" not in file.name
        assert not file.is_file() or b"s3cr3t" not in file.read_bytes()


def test_statistics_at_a_url_are_those_of_the_file_and_fetched_once(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(colours, "fingerprint", "toy colours of this test", raising=False)
    real, generated = (np.stack([noise(seed + i) for i in range(9)]) for seed in (40, 60))
    for name, pixels in (("real", real), ("generated", generated)):
        build_reference(pixels, tmp_path / f"{name}.npz", extractor=colours)
        server.files[f"/{name}.npz"] = (tmp_path / f"{name}.npz").read_bytes()
    wanted = score(generated, real, extractor=colours, ci=0)
    sides = [
        f"http://me:s3cr3t@{server.url[7:]}/{n}.npz?token=s3cr3t" for n in ("generated", "real")
    ]
    report = score(*sides, ci=0, extractor=colours)
    assert report.mifid == pytest.approx(wanted.mifid, rel=1e-9)
    assert report.inputs["reference"].source == f"features in {server.url}/real.npz?..."
    report.save(tmp_path / "report.html")
    written = report.text() + report.to_json() + (tmp_path / "report.html").read_text()
    assert "s3cr3t" not in written
    assert "only features" in written
    asked = len(server.asked)
    assert score(*sides, ci=0, extractor=colours).mifid == report.mifid
    assert len(server.asked) == asked
    score(*sides, ci=0, extractor=colours, cache=False)
    assert len(server.asked) == asked + 2


def test_other_formats_of_statistics_at_urls_and_what_is_wrong_with_them(memory, tmp_path):
    rows = np.random.RandomState(0).rand(9, 6)
    own = Statistics.from_features(rows)
    torch.save(
        {"mu": torch.from_numpy(own.mu), "sigma": torch.from_numpy(own.sigma)}, tmp_path / "a"
    )
    memory.pipe("/torch-fidelity.pt", (tmp_path / "a").read_bytes())
    np.save(tmp_path / "rows.npy", rows)
    memory.pipe("/rows.npy", (tmp_path / "rows.npy").read_bytes())
    np.save(tmp_path / "pixels.npy", np.stack([noise(i) for i in range(3)]))
    memory.pipe("/pixels.npy", (tmp_path / "pixels.npy").read_bytes())
    memory.pipe("/cut.npz", b"PK\x03\x04 cut short")
    wrong = r"the array has shape \(3, .*; expected features"
    with pytest.warns(MifidWarning):
        report = score("memory://rows.npy", "memory://torch-fidelity.pt", metrics=["fid"], ci=0)
    assert report.fid == pytest.approx(0, abs=1e-6)
    for url, said in [
        ("memory://cut.npz", "memory://cut.npz: cannot be read as features or statistics"),
        ("memory://gone.npz", "memory://gone.npz cannot be read: there is no such file"),
        ("memory://pixels.npy", f"memory://pixels.npy: {wrong}"),
    ]:
        with pytest.raises(MifidError, match=f"reference.*{said}") as caught:
            score(rows, url)
    assert "If it holds pictures, download it first" in caught.value.hint
    with pytest.raises(InputError, match="curl") as caught:
        features("memory://rows.npy", extractor=colours)
    assert "as one side of a score" in caught.value.hint


def test_with_an_etag_pictures_are_known_without_reading_them(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(colours, "fingerprint", "toy colours of this test", raising=False)
    server.files["/a.zip"] = write_zip(tmp_path / "a.zip", BIG, zipfile.ZIP_STORED).read_bytes()
    reference = np.stack([noise(seed) for seed in range(40, 55)])

    def scored():
        server.asked.clear()
        fsspec.filesystem("http").invalidate_cache()
        report = score(f"{server.url}/a.zip", reference, extractor=colours, ci=0)
        return report.fid, report.inputs["generated"].cached, len(server.asked)

    first, cached, asked = scored()
    assert not cached
    again, cached, fewer = scored()
    assert (again, cached) == (first, True)
    assert fewer < asked
    server.etag = 'W/"1"'  # the same meaning, perhaps not the same bytes
    weak, cached, more = scored()
    assert (weak, cached) == (first, True)
    assert more > fewer
