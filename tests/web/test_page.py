"""The page of mifid serve, driven as a person does, in an environment of its own.

make test-web makes that environment, .venv-web: gradio takes another Pillow than mifid is tested
with. MIFID_SCREENSHOTS names a folder where pictures of the page are kept.
"""

import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import toys
from chromium import browser, opened_in, window
from generators import config, saved
from patience import wait_for
from pictures import encode, noises, write_zip
from PIL import Image
from toys import drawn, repainted, write_pictures

import mifid
from mifid.baseline.config.schema import Generator
from mifid.web import fooling_rates, write_space

ROOT = Path(mifid.__file__).parents[1]
PYTHON = ROOT / ".venv-web" / Path(sys.executable).relative_to(sys.prefix)

ENVIRONMENT = {
    "MIFID_CACHE": "cache",
    "MIFID_PAINTERS": "painters",
    "PYTHONPATH": str(ROOT / "tests"),
    "PYTHONUNBUFFERED": "1",
}

HOSTILE = "<img src=x onerror=alert(1)>.zip"


@dataclass
class Server:
    """A running mifid serve: its address, its folder, and its process."""

    address: str
    folder: Path
    process: subprocess.Popen

    @property
    def sent(self):
        """Return the files that visitors sent and got."""
        # os.walk and not glob: folders may go while they are listed.
        return [
            Path(folder, name)
            for base in (self.folder / "tmp").glob("mifid-serve-*")
            for folder, _, names in os.walk(base / "files")
            for name in names
        ]


@contextmanager
def serving(folder, *options):
    """Run mifid serve; stop it as a service does, by SIGTERM."""
    arguments = ["-m", "mifid_cli", "serve", "--port", "0", "--quiet", *options]
    with running_python(folder, arguments, folder) as server:
        yield server


@contextmanager
def running_python(folder, arguments, cwd, **variables):
    """Run a program of the page's environment that shows the page."""
    if not PYTHON.exists():
        pytest.skip(f"no {PYTHON}: make test-web makes it")
    (folder / "tmp").mkdir()
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(
            [*map(str, [PYTHON, *arguments])],
            cwd=cwd,
            env={**os.environ, **ENVIRONMENT, "TMPDIR": str(folder / "tmp"), **variables},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            shown = re.compile(r"(http://127[^\s]+)")
            text = (folder / "said").read_text
            wait_for(lambda: shown.search(text()) or process.poll() is not None)
            assert process.poll() is None, text()
            yield Server(shown.search(text())[1], folder, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    assert process.returncode == 0
    assert list((folder / "tmp").glob("mifid-serve-*")) == []
    assert "Traceback" not in (folder / "said").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos, paintings, painters and submissions."""
    folder = tmp_path_factory.mktemp("served")
    write_pictures(folder / "real", drawn("painting", 12))
    write_pictures(folder / "painted", repainted(12))
    write_pictures(folder / "photos", drawn("photo", 10))
    for seed, name in enumerate(("first", "second")):
        generator = Generator(network="resnet", width=4, blocks=1, norm="none", init=0.3)
        facts = {"step": seed}
        saved(folder / f"{name}.safetensors", config(size=32, generator=generator), facts=facts)
    pictures = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(repainted(12))]
    write_zip(folder / "images.zip", pictures)
    others = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(noises(12, 32, 32))]
    write_zip(folder / "other.zip", others)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    options = ["--painter", "first.safetensors", "--painter", "second.safetensors"]
    options += ["--ref", "monets=real", "--paintings", "toy=painted", "--photos", "photos"]
    options += ["--study", "study.sqlite"]
    options += ["--extractor", "toys:colours", "--max-upload", "1"]
    with serving(folder, *options) as running:
        yield running


@pytest.fixture(scope="module")
def running():
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with browser(*flags) as found:
        yield found


@pytest.fixture(scope="module")
def desktop(running):
    """A window whose tabs load the code of the page once."""
    with window(running) as found:
        yield found


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    """Kept for the eye, in the folder that MIFID_SCREENSHOTS names."""
    folder = Path(os.environ.get("MIFID_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def visit(window, server, tab="Paint"):
    """Open the page at a tab; at the end, nothing went elsewhere and no error was said."""
    with opened_in(window, server.address) as seen:
        page = seen.page
        page.get_by_role("tab", name=tab).locator("visible=true").click()
        yield page
        elsewhere = [r for r in seen.requests if not r.startswith((server.address, "data:"))]
        assert [r for r in elsewhere if not r.startswith(f"blob:{server.address}")] == []
        # Chromium warns of things that gradio's code does; these are no errors.
        wrong = [m for m in seen.messages if m != "Method not implemented."]
        assert wrong == []
        told = page.content()
        for secret in (str(server.folder), str(Path.home()), sys.prefix):
            assert secret not in told or len(secret) < 6


def give(page, field, *files):
    page.set_input_files(f"#{field} input[type=file]", [*map(str, files)])


def text_of(page, element):
    return " ".join(page.inner_text(f"#{element}").split())


def failure(page):
    """Wait for a message about an error, and return it."""
    toast = page.locator("[data-testid=toast-body].error")
    toast.wait_for()
    said = " ".join(toast.inner_text().split())
    toast.get_by_test_id("toast-close").click()
    return said


def downloaded(page, button):
    with page.expect_download() as started:
        page.click(f"#{button}")
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def shot(page, path):
    page.screenshot(path=path, full_page=True)
    with Image.open(path) as image:
        assert len(image.convert("RGB").resize((64, 64)).getcolors(4096)) > 20  # no blank page


def photo(path, height=40, width=60, seed=0, **options):
    pixels = drawn("photo", 1, 64, seed)[0][:height, :width]
    path.write_bytes(encode(pixels, **options))
    return path


def paint(page, *photos):
    give(page, "photos", *photos)
    page.locator("#photos img").nth(len(photos) - 1).wait_for()
    page.click("#paint-start")
    page.wait_for_selector("#all:not([disabled])")


def test_two_photos_by_two_painters(desktop, server, tmp_path, screenshots):
    turned = Image.Exif()
    turned[0x0112] = 6  # its top is at the right
    turned[0x010F] = "a camera"
    photos = [photo(tmp_path / "a b.png"), photo(tmp_path / "turned.png", seed=1, exif=turned)]
    with visit(desktop, server) as page:
        page.get_by_label("second").check()
        paint(page, *photos)
        titles = page.locator("#paintings .caption-label").all_inner_texts()
        shot(page, screenshots / "serve-paint.png")
        archive = downloaded(page, "all")
        page.locator("#paintings button.thumbnail-item").first.click()
        page.wait_for_selector("#compared img[src*='a-b']")
        one = downloaded(page, "one")
    names = [f"{p}/{f}" for f in ("a-b.png", "turned.png") for p in ("first", "second")]
    assert titles == [", ".join(reversed(name.split("/"))) for name in names]
    assert archive[0] == "paintings.zip"
    with zipfile.ZipFile(io.BytesIO(archive[1])) as file:
        assert file.namelist() == names
        painted = {name: Image.open(io.BytesIO(file.read(name))) for name in names}
        assert one == ("a-b.png", file.read("first/a-b.png"))
    assert [image.size for image in painted.values()] == [(60, 40)] * 2 + [(40, 60)] * 2
    assert not any(dict(image.getexif()) for image in painted.values())
    painter, made = server.folder / "first.safetensors", painted["first/a-b.png"]
    expected = np.asarray(mifid.paint(photos[0], painter=painter), int)
    assert np.abs(np.asarray(made, int) - expected).max() <= 1  # the same network, rounded
    assert np.abs(expected - np.asarray(Image.open(photos[0]), int)).mean() > 30


def test_variants_and_strength(desktop, server, tmp_path):
    with visit(desktop, server) as page:
        page.get_by_label("number input for Paintings of each photo").fill("2")
        page.get_by_label("number input for Strength").fill("0")
        give(page, "photos", photo(tmp_path / "a.png"))
        page.locator("#photos img").wait_for()
        page.click("#paint-start")
        assert "'Paintings of each photo' 2 with 'Strength' 0: all would be" in failure(page)
        page.get_by_label("number input for Strength").fill("0.5")
        page.click("#paint-start")
        page.wait_for_selector("#all:not([disabled])")
        titles = page.locator("#paintings .caption-label").all_inner_texts()
    assert titles == ["a.png, first, strength 0.5", "a.png, first, mirrored, strength 0.5"]


def test_a_photo_that_is_none_does_not_stop_the_others(desktop, server, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo(tmp_path / "a.png").read_bytes()[:300])
    with visit(desktop, server) as page:
        page.click("#paint-start")
        assert "no photo is given" in failure(page)
        give(page, "photos", tmp_path / "broken.png", tmp_path / "a.png")
        page.locator("#photos img").nth(1).wait_for(state="attached")
        page.click("#paint-start")
        page.wait_for_selector("#all:not([disabled])")
        titles = page.locator("#paintings .caption-label").all_inner_texts()
        assert "broken.png" in text_of(page, "paint-notes")
    assert titles == ["a.png, first"]


def test_a_picture_of_the_camera(desktop, server):
    with visit(desktop, server) as page:
        field = page.locator("#photos")
        camera = field.get_by_label("Capture from camera")
        assert is_inside(camera, field)
        camera.click()
        field.get_by_text("Click to Access Webcam").click()
        page.wait_for_function("document.querySelector('#photos video')?.videoWidth > 0")
        shutter = field.get_by_label("capture photo")
        assert is_inside(shutter, field)
        shutter.click()
        field.locator(".thumbnail-item img").wait_for()
        page.click("#paint-start")
        page.wait_for_selector("#all:not([disabled])")
        assert "transparency" not in text_of(page, "paint-notes")
        sent = next(path for path in server.sent if path.name == "webcam_upload.png")
        photo = Image.open(sent).convert("RGB")
        painting = Image.open(io.BytesIO(downloaded(page, "one")[1]))
        # As an http:// address of another machine.
        page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
        assert not page.get_by_text("Browsers allow the camera").is_visible()
        page.reload()
        page.get_by_text("Browsers allow the camera").wait_for()
        assert not camera.is_visible()
    assert np.ptp(np.asarray(photo)) > 50  # the browser's camera shows a moving shape
    assert min(painting.size) == min(512, *photo.size)


def is_inside(part, field):
    """Return whether a part of the page is within a field, and not cut off."""
    (left, top, width, height), (x, y, w, h) = (
        [element.bounding_box()[key] for key in ("x", "y", "width", "height")]
        for element in (field, part)
    )
    return left <= x and x + w <= left + width and top <= y and y + h <= top + height


def judge(page, *archives):
    give(page, "archives", *archives)
    page.locator("#archives .file").nth(len(archives) - 1).wait_for()
    page.click("#judge-start")


def test_a_submission_is_scored(desktop, server, screenshots):
    report = mifid.score(
        server.folder / "images.zip", server.folder / "real", extractor=toys.colours, cache=False
    )
    with visit(desktop, server, "Judge") as page:
        judge(page, server.folder / "images.zip")
        page.wait_for_selector("#report iframe")
        summary = text_of(page, "summary")
        frame = page.locator("#report iframe")
        assert frame.get_attribute("sandbox") == ""
        inside = frame.content_frame
        heading = inside.locator("h1")
        assert heading.inner_text() == "images.zip against real"
        inside.locator("nav a").last.click()
        assert heading.inner_text() == "images.zip against real"
        assert inside.locator("img").count() > 10
        frame.scroll_into_view_if_needed()
        page.screenshot(path=screenshots / "serve-judge.png")
        name, content = downloaded(page, "report-file")
    assert f"FID {report.fid:.6f}" in summary
    assert "images.zip would be refused by" in summary
    assert "refused number 12 pictures Hand in 7,000 to 10,000." in summary
    assert re.search(r"Decoded by pillow \d+", summary)
    assert name == "report.html"
    for secret in (str(server.folder), str(Path.home()), "mifid-serve-"):
        assert secret not in content.decode()
    assert "mifid score images.zip --ref real" in content.decode()


def test_two_submissions_are_compared(desktop, server, screenshots):
    archives = [server.folder / "images.zip", server.folder / "other.zip"]
    found = mifid.compare(archives, server.folder / "real", extractor=toys.colours, cache=False)
    with visit(desktop, server, "Judge") as page:
        judge(page, *archives)
        page.wait_for_selector("#report iframe")
        summary = text_of(page, "summary")
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        shot(page, screenshots / "serve-compare-390.png")
    for standing in found.standings:
        assert f"{standing.name}: {standing.verdict}" in summary
    assert summary.count("would be refused by") == 2


def bomb(path):
    """A small zip with an entry that unpacks to a gigabyte."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.png", "w", force_zip64=True) as entry,
    ):
        for _ in range(300):
            entry.write(bytes(1 << 20))


def hostile_names(path):
    write_zip(path, [(f"<script>alert({i})</script>.png", b"no picture") for i in range(3)])


def climbing(path):
    write_zip(path, [(f"../../{i}.png", encode(noises(1)[0])) for i in range(3)])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (bomb, "It looks like a decompression bomb"),
        (hostile_names, "alert(0)"),
        (climbing, "paths out of the zip"),
    ],
)
def test_hostile_submissions(desktop, server, tmp_path, make, said):
    make(tmp_path / HOSTILE.replace("/", ""))
    with visit(desktop, server, "Judge") as page:
        page.on("dialog", lambda _dialog: pytest.fail("a script of the submission ran"))
        judge(page, tmp_path / HOSTILE)
        page.locator("#summary .judgement").wait_for()
        summary = text_of(page, "summary")
        assert page.locator("#summary img, #summary script").count() == 0
    assert said in summary
    assert "Not scored" in summary


def test_files_that_are_no_submissions(desktop, server, tmp_path):
    (tmp_path / "text.zip").write_bytes(b"text")
    write_zip(tmp_path / "many.zip", [(f"{i}.png", b"x") for i in range(20_001)], 0)
    with visit(desktop, server, "Judge") as page:
        page.click("#judge-start")
        assert "no zip is given" in failure(page)
        judge(page, tmp_path / "text.zip")
        assert "text.zip is not a zip file" in failure(page)


def test_the_quiz(desktop, server, screenshots):
    study = server.folder / "study.sqlite"
    before = fooling_rates(study)
    with visit(desktop, server, "Guess") as page:
        assert "Each answer is kept" in page.content()
        page.click("#guess-start")
        said = []
        for number in range(1, 11):
            page.get_by_text(f"Round {number} of 10").wait_for()
            if number == 1:
                page.locator("#picture-right img").wait_for()
                shot(page, screenshots / "serve-guess.png")
            said.append(text_of(page, "round"))
            page.click("#left")
        page.get_by_text("You found").wait_for()
        said.append(text_of(page, "round"))
        result = text_of(page, "result")
        shot(page, screenshots / "serve-guessed.png")
        assert page.locator("#left").count() == 0
    verdicts = Counter(text.split(":")[0] for text in said[1:])
    assert said[0] == "Round 1 of 10"
    assert set(verdicts) <= {"Right", "Fooled"}
    assert f"You found {verdicts['Right']} of 10" in result
    rates = fooling_rates(study)
    assert before == []
    # --paintings, and the painters that painted --photos, the one that comes with mifid among them
    assert {rate.painter for rate in rates} == {"toy", "first", "second", "monet"}
    assert sum(rate.answers for rate in rates) == 10
    assert sum(rate.fooled for rate in rates) == verdicts["Fooled"]
    for rate in rates:
        shown = f"{rate.painter} {rate.rate:.0%} {rate.low:.0%} to {rate.high:.0%} {rate.answers}"
        assert shown in result


def test_two_visitors_at_once(desktop, server, tmp_path):
    photos = [photo(tmp_path / f"{name}.png", seed=seed) for seed, name in enumerate("ab")]
    with visit(desktop, server) as mine:
        with visit(desktop, server) as yours:
            for page, own in zip((mine, yours), photos, strict=True):
                give(page, "photos", own)
                page.locator("#photos img").wait_for()
            for page in (mine, yours):
                page.click("#paint-start")
            archives = []
            for page in (mine, yours):
                page.wait_for_selector("#all:not([disabled])")
                archives.append(downloaded(page, "all")[1])
        names = [zipfile.ZipFile(io.BytesIO(content)).namelist() for content in archives]
        assert names == [["first/a.png"], ["first/b.png"]]
        # The page that was closed leaves nothing, the other one has its files.
        wait_for(lambda: not any(path.name.startswith("b") for path in server.sent))
        assert downloaded(mine, "all")[1] == archives[0]
    wait_for(lambda: not any(path.suffix in (".jpg", ".png", ".zip") for path in server.sent))


MEASURE = """({
  page: document.documentElement.scrollWidth,
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.querySelector('h1')).color,
  small: getComputedStyle(document.querySelector('footer')).color,
  fonts: [...document.fonts].filter(f => f.status !== 'unloaded').map(f => f.family),
})"""


def brightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


@pytest.mark.parametrize("width", [1280, 390])
def test_how_it_looks(running, desktop, server, screenshots, width):
    """In light and dark, on a desktop and on a phone."""
    with ExitStack() as stack:
        own = desktop if width == 1280 else stack.enter_context(window(running, width=width))
        page = stack.enter_context(visit(own, server))
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_selector(f"body{'.dark' if scheme == 'dark' else ':not(.dark)'}")
            for tab in ("Judge", "Guess", "Paint"):
                page.get_by_role("tab", name=tab).locator("visible=true").click()
                shot(page, screenshots / f"serve-{tab.lower()}-{width}-{scheme}.png")
                seen = page.evaluate(MEASURE)
                assert seen["page"] == width
                assert (brightness(seen["paper"]) > 128) == (scheme == "light")
                assert (brightness(seen["ink"]) > 128) == (scheme == "dark")
                difference = brightness(seen["paper"]) - brightness(seen["small"])
                assert abs(difference) > 110
                assert seen["fonts"] == []


def asked(address, path="", data=None, **headers):
    """Return the status of a request."""
    request = urllib.request.Request(f"{address}{path}", data, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_what_is_behind_the_page_is_not_reached(server):
    for path in ("gradio_api/info", "gradio_api/file=/etc/passwd", "docs", "gradio_api/runs"):
        assert asked(server.address, path) == 404
    secret = server.folder / "study.sqlite"
    assert asked(server.address, f"gradio_api/file={secret}") == 404
    call = {"data": [[{"image": {"path": str(secret)}}]], "fn_index": 0, "session_hash": "x"}
    body = json.dumps(call).encode()
    kind = {"Content-Type": "application/json"}
    assert asked(server.address, "gradio_api/queue/join", body, **kind) == 403
    large = b"x" * 1_200_000
    assert asked(server.address, "gradio_api/upload", large) == 413
    assert asked(server.address, "", Host="evil.example") == 421
    assert asked(server.address) == 200


def test_a_page_for_other_machines_with_nothing_but_a_password(running, tmp_path):
    with serving(tmp_path, "--host", "0.0.0.0", "--password", "sesame") as server:
        assert "On other machines" in (tmp_path / "said").read_text()
        assert asked(server.address) == 401
        assert asked(server.address, Host="another-name.example") == 401
        login = {"username": "anybody", "password": "sesame"}
        with (
            window(running, http_credentials=login) as own,
            opened_in(own, server.address) as seen,
        ):
            seen.page.get_by_label("monet").wait_for()
            server.process.send_signal(signal.SIGTERM)  # while the page is open
            server.process.wait()


def test_a_space(running, tmp_path, gradio):
    write_zip(tmp_path / "images.zip", [("a.png", encode(noises(1)[0]))])
    space = write_space([saved(tmp_path / "first.safetensors")], tmp_path / "space").folder
    (facts,) = space.glob("*.dist-info/METADATA")
    facts.write_text(re.sub("(?m)^Version: .*", "Version: 0.0+space", facts.read_text()))
    variables = {"SPACE_ID": "me/mifid", "SYSTEM": "spaces", "GRADIO_SERVER_PORT": "0"}
    with running_python(tmp_path, ["app.py"], space, **variables) as server:
        assert asked(server.address, Host="me-mifid.hf.space") == 200
        with window(running) as own, visit(own, server) as page:
            page.get_by_text("At most 6 photos").wait_for()
            page.get_by_text("mifid 0.0+space").wait_for()  # the folder's, not the installed one
            assert page.get_by_label("first").is_checked()
            page.get_by_role("tab", name="Guess").locator("visible=true").click()
            page.get_by_text("No pictures to guess").wait_for()
            page.get_by_role("tab", name="Judge").locator("visible=true").click()
            page.get_by_text("only checked").wait_for()
            judge(page, tmp_path / "images.zip")
            page.locator("#summary .judgement").wait_for()
            assert "refused number 1 picture" in text_of(page, "summary")
            assert page.locator("#report iframe").count() == 0
