"""The page of a run: one file, nothing from elsewhere, every text escaped."""

import base64
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from markupsafe import Markup
from pictures import encode, noise, write_zip
from PIL import Image

from mifid.baseline.config.file import write_run_file
from mifid.baseline.config.schema import Config, Inputs
from mifid.baseline.figures.sheets import save_picture
from mifid.baseline.page import MAX_BYTES, load_picture, show_run
from mifid.baseline.presets import preset
from mifid.baseline.run.snapshots import Best
from mifid.errors import OutputError
from mifid.files import atomic_write
from mifid.inputs import Side
from mifid.machine import __version__
from mifid.report.report import Report
from mifid.submission.checking import Check, Finding
from mifid.submission.writer import MONET

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.test/x.png>&amp;"

RULES = replace(MONET, competition="a toy", at_least=2, at_most=2, size=(8, 8))
CHECK = (Finding("ok", "pictures", "7,038"), Finding("warning", "twice", "a.jpg", "Mend it."))
CONFIG = replace(Config(), loss=replace(Config().loss, cycle=8.25))
REPORT = Report(
    fid=40.5,
    memorization_distance=0.28714,
    memorization_distance_thresholded=1.0,
    epsilon=0.03,
    mifid=41.2345,
    mifid_reason=None,
    inputs={"generated": Side("images.zip", 7038), "reference": Side("folder monet", 300)},
    protocol={},
    not_comparable=None,
    seconds={},
)
LOGGED = [
    {"kind": "train", "step": 27500, "epoch": 366.0, "seconds": 9000.0, "images_per_second": 25.0},
    {"kind": "train", "step": 55000, "epoch": 733.3, "seconds": 17890.0, "images_per_second": 26.8},
    {"kind": "score", "step": 55000, "weights": "photos", "mifid": 60.0, "fid": 60.0, "photos": 70},
    {"kind": "score", "step": 55000, "weights": "ema", "mifid": 41.23, "fid": 40.0, "photos": 70},
]


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    """Drawing is slow; test_page_in_a_browser.py sees the plots."""

    def save(figure, path):
        with atomic_write(path):
            pass

    drawing = Markup('<svg class="drawn"></svg>')
    monkeypatch.setattr("mifid.baseline.page.inline_svg", lambda *_, **__: drawing)
    monkeypatch.setattr("mifid.baseline.page.save_figure", save)


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    VOID = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words, self.titles = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)
            self.titles.append((self.open[-1], data))

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def shown_by(folder, *, rows=LOGGED, inputs=None, findings=CHECK, notes=(), **changes):
    """What show_run() takes of a run in this folder."""
    with (folder / "metrics.jsonl").open("w") as log:
        log.writelines(f"{json.dumps(row)}\n" for row in rows)
    inputs = inputs or Inputs(
        preset="kaggle-5h", photos="photos", monets="monets", held_out="others"
    )
    config = changes.pop("config", CONFIG)
    write_run_file(folder / "config.toml", inputs, config, version="1")
    archive = folder / "images.zip"
    write_zip(archive, [("1.png", encode(noise(1, 8, 8)))])
    pixels = np.stack([noise(i, 8, 8) for i in range(3)])
    run = SimpleNamespace(
        folder=folder,
        inputs=inputs,
        config=config,
        step=55000,
        best=Best(55000, "ema", {"mifid": 41.23}),
        device="a GPU",
        processes=SimpleNamespace(world=1),
        begun_with="",
        photos=SimpleNamespace(names=["a"] * 7038, pixels=pixels),
        paintings=SimpleNamespace(names=["b"] * 300, pixels=pixels),
    )
    vars(run).update(changes)
    check = Check(archive, RULES, findings)
    return run, SimpleNamespace(path=archive, check=check, notes=notes)


def write(folder, *, report=REPORT, worse="", **changes):
    path = show_run(*shown_by(folder, **changes), report, worse=worse)
    return Page(path.read_text(encoding="utf-8"))


def run_folder(folder, samples=("step-00000050.jpg", "step-00000100.jpg")):
    (folder / "samples").mkdir()
    for i, name in enumerate(("augmented.png", *(f"samples/{name}" for name in samples))):
        save_picture(folder / name, np.full((12, 16, 3), 20 * i, np.uint8))
    return folder


def headings(page):
    return [text for tag, text in page.titles if tag == "h2"]


def shown(image):
    head, _, content = image["src"].partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(content, validate=True)))


def test_all_of_a_run_is_on_the_page(tmp_path):
    page = write(run_folder(tmp_path))
    for text in (
        tmp_path.name,
        "Preset kaggle-5h · 55,000 steps in 4 h 58 min",
        f"mifid {__version__}",
        "The submission's MiFID is 41.23. The best MiFID during training was 41.23, at step 55,000",
        "The same photos unpainted have 60.00.",
        "MiFID, lower is better 41.23",
        "FID 40.50",
        "Memorization distance, threshold 0.03 0.2871",
        "The submission: 7,038 pictures, painted with the",
        "time 4 h 58 min",
        f"55,000 (733.3 epochs, {55_000 * CONFIG.training.batch:,} pairs)",
        "12.9 pairs a second",
        "a GPU",
        "paintings 300 from monets",
        "held-out paintings others",
        "Nothing was found that 'a toy' refuses.",
        "warning twice a.jpg Mend it.",
        "differ from the preset kaggle-5h:",
        "loss.cycle 8.25 preset: ",
        f"mifid train-baseline --config {tmp_path}/config.toml",
    ):
        assert text in page.text
    assert len(page.all("svg")) == 3
    assert "Left out" not in page.text
    assert "Not comparable" not in page.text
    assert [path.name for path in tmp_path.glob("*.html")] == ["report.html"]
    assert "first weights painter: G_B.pth" in write(tmp_path, begun_with="painter: G_B.pth").text
    assert "a GPU, 4 processes" in write(tmp_path, processes=SimpleNamespace(world=4)).text


def test_what_matters_most_comes_first_and_settings_are_folded(tmp_path):
    page = write(run_folder(tmp_path), notes=("mind this",))
    order = (
        *("The best MiFID", "MiFID, lower is better", "mind this", "Lower is better."),
        *("All numbers are in metrics.csv", "The first samples.", "Shares of each level"),
        *("Nothing was found", "How to go on", "loss.cycle", "Meaning data size", "pairs a second"),
    )
    places = [page.text.index(text) for text in order]
    assert places == sorted(places)
    tags = [tag for tag, _ in page.tags]
    assert page.all("details") == [{}]  # closed
    assert tags.index("summary") == tags.index("details") + 1
    assert page.text.index("loss.cycle") < page.text.index("Meaning data size")


def test_a_run_that_made_things_worse_says_that_instead(tmp_path):
    worse = "training made things worse: 14 instead of 9.95. Train longer"
    page = write(run_folder(tmp_path), worse=worse, report=replace(REPORT, warnings=(worse, "x")))
    said = f"{worse.replace('training', 'Training')}."
    assert page.text.index(said) < page.text.index("MiFID, lower is better")
    assert "The best MiFID" not in page.text
    assert page.text.count("made things worse") == 1
    assert {"class": "note verdict"} in page.all("p")


def test_all_pictures_are_within_the_page(tmp_path):
    page = write(run_folder(tmp_path))
    images = page.all("img")
    assert len(images) == 3
    for image in images:
        picture = shown(image)
        assert picture.size == (int(image["width"]), int(image["height"])) == (16, 12)
        assert image["alt"]
    # First and last samples, then augmentation: each its own.
    greys = [round(np.asarray(shown(image)).mean() / 20) for image in images]
    assert greys == [1, 2, 0]


def test_nothing_comes_from_elsewhere(tmp_path):
    page = write(run_folder(tmp_path))
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        for name in ("src", "href", "srcset", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text


def hostile(folder, text):
    return write(
        folder,
        inputs=Inputs(preset=text, photos=text, monets=text, held_out=text),
        config=replace(CONFIG, data=replace(CONFIG.data, select_photos=text)),
        device=text,
        findings=(Finding("refused", *[text] * 3),) * 2,
        notes=(text,),
        report=replace(REPORT, not_comparable=text, warnings=(text * 2,)),
        worse=text,
    )


def test_every_text_is_escaped(tmp_path):
    harmless, page = hostile(tmp_path, "xyzzy"), hostile(tmp_path, HOSTILE)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert not page.all("script")
    assert not page.all("img")
    # In commands a shell's quotes stand within; what is worse begins with a capital letter.
    commands = harmless.text.partition("How to go on")[2].partition(" Settings ")[0]
    inside = commands.count("xyzzy")
    capital = harmless.text.count("Xyzzy")
    assert page.text.count(HOSTILE) == harmless.text.count("xyzzy") - inside + capital > 10
    assert page.text.count("evil.test") == harmless.text.count("xyzzy") + capital


def test_hostile_file_names(tmp_path):
    (tmp_path / "samples").mkdir()
    save_picture(tmp_path / "samples" / "1 \udcff'\"&quot;.jpg", noise())
    (tmp_path / "samples" / "<b>2.jpg").write_bytes(b"no picture")
    page = write(tmp_path)
    assert len(page.all("img")) == 1
    assert not page.all("b")
    assert "samples/1 \\udcff'\"&quot;.jpg" in page.text
    assert "Left out: samples/<b>2.jpg ('samples/<b>2.jpg' is not a picture" in page.text


def test_bytes_in_names_are_spelled_out(tmp_path):
    folder = tmp_path / "my \udcff\u202e run"
    folder.mkdir()
    page = write(folder)
    assert r"my \udcff\u202e run" in page.text
    assert "\u202e" not in (folder / "report.html").read_text(encoding="utf-8")


def test_missing_and_damaged_pictures_are_left_out_and_said_at_the_end(tmp_path):
    run_folder(tmp_path, samples=("step-1.jpg", "step-2.jpg"))
    (tmp_path / "augmented.png").unlink()
    sample = tmp_path / "samples" / "step-2.jpg"
    sample.write_bytes(sample.read_bytes()[:40])
    page = write(tmp_path, rows=LOGGED[:2])
    assert len(page.all("img")) == 1
    told = page.text.partition("Not on this page")[2]
    assert "Left out: scores over the run (nothing was scored)." in told
    assert "Left out: augmented.png (there is no such file)." in told
    assert "Left out: samples/step-2.jpg ('samples/step-2.jpg' is damaged" in told
    assert "augmentation" not in page.text.lower()


def test_samples_are_ordered_by_number(tmp_path):
    page = write(run_folder(tmp_path, samples=("step-9.jpg", "step-10.jpg", "step-100.jpg")))
    assert "The first samples. samples/step-9.jpg" in page.text
    assert "The last samples. samples/step-100.jpg" in page.text
    assert "step-10.jpg" not in page.text


def test_one_sample_is_the_last(tmp_path):
    page = write(run_folder(tmp_path, samples=("step-9.jpg",)))
    assert "The last samples. samples/step-9.jpg" in page.text
    assert "first samples" not in page.text


def test_a_run_without_scores_and_pictures_says_so(tmp_path):
    page = write(tmp_path, rows=[], best=None, report=None)
    assert headings(page) == [
        *("Colours", "Check of the submission", "How to go on", "Settings"),
        "Protocol and provenance",
    ]
    assert "no snapshot was scored in 55,000 steps" in page.text
    assert "not scored; painted with the last weights" in page.text
    assert not page.all("dl")
    told = page.text.partition("Not on this page")[2]
    assert "Left out: scores over the run (nothing was scored)." in told
    assert "Left out: losses over the run (none were logged)." in told
    assert "Left out: samples (samples/ holds no pictures)." in told


def test_settings_of_the_preset_alone(tmp_path):
    usual = preset("kaggle-5h").config
    page = write(tmp_path, config=usual)
    assert "All are those of the preset kaggle-5h. All " in page.text
    assert not [row for row in page.all("tr") if row.get("class")]
    cycle = replace(usual, loss=replace(usual.loss, cycle=usual.loss.cycle + 1))
    page = write(tmp_path, config=cycle)
    assert "1 of " in page.text
    assert "differs from the preset kaggle-5h: " in page.text
    assert [row["class"] for row in page.all("tr") if row.get("class")] == ["changed"]


def test_notes_and_refusals(tmp_path):
    report = replace(REPORT, mifid=2.5e16, not_comparable="seeded weights", warnings=("it copies",))
    refused = (Finding("ok", "a", "b"), Finding("refused", "pictures", "6,999"))
    own = Inputs(preset="kaggle-5h", photos="photos", monets="monets")
    page = write(tmp_path, report=report, findings=refused, inputs=own)
    assert "2.50e+16" in page.text
    assert "This submission would be refused by 'a toy': see the check" in page.text
    assert {"href": "#submission"} in page.all("a")
    assert {"id": "submission"} in page.all("section")
    assert "Not comparable with Kaggle: seeded weights" in page.text
    assert "it copies" in page.text
    assert "The reference is the paintings of the training" in page.text
    assert "It would be refused by 'a toy'." in page.text
    assert "Nothing was found" not in page.text


def test_settings_of_a_file_name_no_preset(tmp_path):
    page = write(tmp_path, inputs=Inputs(photos="photos", monets="monets"))
    assert "Settings from config.toml · 55,000 steps" in page.text


def test_large_pictures_are_made_small_enough(tmp_path):
    """Noise compresses worst; three such pictures stay below 5 MB."""
    pixels = np.random.RandomState(0).randint(0, 256, (1100, 1100, 3), dtype=np.uint8)
    save_picture(tmp_path / "augmented.png", pixels)
    picture = load_picture(tmp_path, "augmented.png", "")
    assert len(picture.uri) * 3 < 4_000_000
    assert len(base64.b64decode(picture.uri.partition(",")[2])) <= MAX_BYTES
    assert picture.width == picture.height >= 600


def test_sheets_without_loss_keep_their_pixels(tmp_path):
    save_picture(tmp_path / "augmented.png", noise(0, 60, 90))
    page = write(tmp_path)
    assert np.array_equal(np.asarray(shown(page.all("img")[0])), noise(0, 60, 90))


def test_no_folder(tmp_path):
    run, painted = shown_by(tmp_path)
    run.folder = tmp_path / "missing"
    with pytest.raises(OutputError, match="does not exist"):
        show_run(run, painted, REPORT)
