"""The page of a score: one file, nothing from elsewhere, every text escaped, at most 5 MB."""

import base64
import io
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import jinja2
import numpy as np
import pytest
from chromium import browser, opened
from pictures import noise
from PIL import Image
from toys import drawn, repainted

from mifid.errors import OutputError
from mifid.evidence import galleries
from mifid.evidence.evidence import Album, Evidence, Shown
from mifid.evidence.galleries import MAX_BYTES, Card, Gallery, random_sheet
from mifid.evidence.plots import plot_bias, plot_distances, plot_map, plot_rgb
from mifid.evidence.tables import picture_table, training_table
from mifid.images.source import Decoded
from mifid.inputs import Side
from mifid.machine import __version__
from mifid.metrics.base import Measured
from mifid.rendering.canvas import inline_svg
from mifid.rendering.html import Plot
from mifid.report.class_scores import ClassScore, ClassScores
from mifid.report.page import Omitted, write_parts
from mifid.report.report import Report
from mifid.statistics.features import Features
from mifid.submission.checking import Check, Finding
from mifid.submission.writer import MONET
from mifid.uncertainty.intervals import Interval, Uncertainty

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.test/x.png>&amp;</title></style>"
SIZE, GENERATED, TRAINING = 48, 40, 12

GALLERIES = ("pairs", "copied", "never", "worst", "best", "generated", "reference")
PLOTS = ("distances", "colours", "clouds", "bias")
TABLES = ("measures", "checks")
RULES = replace(MONET, competition="a toy")
SIZES = np.array([10, 20, 40])
CURVE = {
    **{"fid_infinity": 0.2, "slope": 4.0, "sizes": SIZES, "fids": 0.2 + 4 / SIZES},
    **{"floor_halves": 0.25, "halves_n": 6, "held_out_at_equal": None},
}


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    VOID = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.source, self.tags, self.open, self.words = text, [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def write(path, report, parts):
    write_parts(path, report, parts)
    return Page(path.read_text(encoding="utf-8"))


def plot(figure, name, caption):
    return Plot(inline_svg(figure, label=caption, prefix=name), caption)


def refusing(*findings):
    return Check(Path("images.zip"), RULES, findings)


def features(pixels, names):
    """Mean and spread of each channel, and its coarse layout."""
    coarse = pixels.reshape(len(pixels), 2, SIZE // 2, 2, SIZE // 2, 3).mean(axis=(2, 4))
    values = np.hstack([coarse.reshape(len(pixels), -1), pixels.std(axis=(1, 2))])
    return Features((values / 255).astype(np.float32), names)


@pytest.fixture(scope="module")
def toys():
    """Both sets: their features and albums. Two generated pictures are copies."""
    made, real = repainted(GENERATED, SIZE), drawn("painting", TRAINING, SIZE)
    made[3], made[7] = real[2], real[2]
    found = {}
    for label, pixels in (("generated", made), ("training", real)):
        names = tuple(f"{label}/{i:04}.png" for i in range(len(pixels)))
        opened = Album(names, lambda row, pixels=pixels: Decoded(pixels[row]))
        found[label] = (features(pixels, names), opened)
    return found


@pytest.fixture(scope="module")
def report(toys):
    sides = {"generated": toys["generated"][0], "reference": toys["training"][0]}
    intervals = {
        "mifid": Interval(58.9, 63.8, 95, 1.2, 0.1),
        "fid": Interval(58.0, 62.0, 99.5, 1.0, 0.1),
    }
    return Report(
        fid=60.5,
        memorization_distance=0.25034,
        memorization_distance_thresholded=1.0,
        epsilon=0.003,
        mifid=61.2345,
        mifid_reason=None,
        inputs={
            "generated": Side("zip images.zip", 40, "ab" * 32),
            "reference": Side("folder monet_jpg", 12),
        },
        protocol={"extractor": "inception", "resize": "TF1", "versions": {"numpy": "2.0"}},
        not_comparable=None,
        seconds={},
        uncertainty=Uncertainty(
            intervals, 95, 1000, 0, ("generated",), "bootstrap", 0.0, "1,000 bootstrap replicates"
        ),
        metrics={
            "kid": Measured("kid", {"kid": 0.0234567}),
            "fld": Measured("fld", {}, "it needs held-out pictures"),
        },
        check=refusing(
            Finding("ok", "pictures", "7,038"), Finding("warning", "twice", "a.jpg", "Mend.")
        ),
        evidence=Evidence(
            sides, {"generated": "images.zip", "reference": "my monets"}, epsilon=0.003
        ),
    )


@pytest.fixture(scope="module")
def parts(toys, report):
    (made, generated), (real, training) = toys["generated"], toys["training"]
    table = picture_table(generated=made, training=real, reference=real, epsilon=0.003)
    reverse = training_table(generated=made, training=real, epsilon=0.003)
    curve = SimpleNamespace(**CURVE)
    clouds = SimpleNamespace(
        generated=made.values[:, :2], reference=real.values[:, :2], explained=(0.4, 0.2)
    )
    levels = {"generated": generated.pixels(range(40)), "reference": training.pixels([0])}
    distances = plot_distances(table.distance, epsilon=0.003)
    return {
        "distances": plot(distances, "distances", "Nearest distances."),
        "pairs": galleries.nearest_pairs(table, generated=generated, training=training),
        "copied": galleries.most_copied(reverse, training=training, generated=generated),
        "never": galleries.never_approached(reverse, training=training),
        "worst": galleries.worst_influence(table, generated=generated),
        "best": galleries.best_influence(table, generated=generated),
        "generated": random_sheet(generated, seed=0),
        "reference": random_sheet(training, seed=0),
        "colours": plot(plot_rgb(levels), "colours", "Levels."),
        "clouds": plot(plot_map(clouds, seed=0), "clouds", "Both clouds."),
        "bias": plot(plot_bias(curve), "bias", "More pictures, lower FID."),
        "measures": [
            ("Kernel Inception Distance", 0.0234567, "lower", "100 subsets"),
            ("FLD", None, "lower", "it needs held-out pictures"),
        ],
        "checks": report.check,
    }


@pytest.fixture(scope="module")
def nothing():
    """Every part left out, each for a reason of its own."""
    return {name: Omitted(f"no {name}, as tested") for name in (*GALLERIES, *PLOTS, *TABLES)}


def decoded(image):
    head, _, content = image["src"].partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content, validate=True)))


def test_all_of_a_score_is_on_the_page(tmp_path, report, parts):
    page = write(tmp_path / "report.html", report, parts)
    for text in (
        "images.zip against my monets",
        "MiFID is 61.23, the same as FID",
        "MiFID 61.23 95% interval 58.90 to 63.80 lower is better",
        "FID 60.50 99.5% interval 58.00 to 62.00 lower is better",
        "Memorization distance 0.2503 not below the threshold 0.003",
        "Intervals 1,000 bootstrap replicates",
        "generated pictures are nearer than 0.003",
        "12 of 40, drawn at random (seed 0)",
        "12 of 12, drawn at random (seed 0)",
        "threshold 0.003",
        "infinitely many: 0.20",
        "Kernel Inception Distance 0.02346 lower 100 subsets",
        "FLD left out lower it needs held-out pictures",
        "Nothing was found that 'a toy' refuses.",
        "warning twice a.jpg Mend.",
        "source zip images.zip",
        "resize TF1",
        "mifid score images.zip --ref 'my monets'",
        f"sha256 of the contents {'ab' * 32}",
        "version of numpy 2.0",
        f"Made by mifid {__version__}, ",
    ):
        assert text in page.text
    assert len(page.all("svg")) == 4
    assert "Left out:" not in page.text
    assert "Cannot be shown" not in page.text
    assert "Not comparable" not in page.text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_pictures_are_in_the_page_in_order(tmp_path, report, parts):
    images = write(tmp_path / "report.html", report, parts).all("img")
    shown = [
        (picture, role)
        for name in ("generated", "reference", "pairs", "copied", "never", "worst", "best")
        for card in parts[name].cards
        for picture, role in zip(card.pictures, card.roles or [""] * 2, strict=False)
    ]
    assert len(images) == len(shown) > 60
    for image, (picture, role) in zip(images, shown, strict=True):
        seen = decoded(image)
        assert seen.size == (int(image["width"]), int(image["height"])) == (SIZE, SIZE)
        assert image["alt"] == (f"{role}: {picture.name}" if role else picture.name)
        difference = np.asarray(seen).astype(int) - picture.pixels
        assert np.abs(difference).mean() < 20  # JPEG, small and bright


def test_near_copies_are_marked(tmp_path, report, parts):
    page = write(tmp_path / "report.html", report, parts)
    cards = [item["class"] for item in page.all("li") if item.get("class", "").startswith("card")]
    marked = sum(card.marked for name in GALLERIES for card in parts[name].cards)
    assert sum(name == "card marked" for name in cards) == marked
    assert "0.0000 near copy" in page.text


def test_nothing_comes_from_elsewhere(tmp_path, report, parts):
    page = write(tmp_path / "report.html", report, parts)
    policy = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "base", "foreignobject", "image")
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster"):
            assert (attributes.get(name) or "#").startswith(("data:", "#"))
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search("https?://", page.source)
    assert set(re.findall(r"url\((.)", page.source)) <= {"#"}


def test_links_lead_somewhere(tmp_path, report, parts):
    page = write(tmp_path / "report.html", report, parts)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert len(page.all("a")) == 8
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)


def test_a_section_without_any_part_is_not_there(tmp_path, report, parts, nothing):
    page = write(tmp_path / "report.html", report, {**nothing, "never": parts["never"]})
    assert [link["href"] for link in page.all("a")] == ["#memorization", "#protocol"]
    sections = [section["id"] for section in page.all("section") if "id" in section]
    assert sections == ["memorization", "protocol"]
    assert "Nearest pairs" not in page.text
    assert "Left out: nearest pairs (no pairs, as tested)." in page.text


def test_pairs_of_one_picture_leave_no_empty_frames(tmp_path, toys, report, nothing):
    (made, generated), (real, _) = toys["generated"], toys["training"]
    table = picture_table(generated=made, training=real, reference=real, epsilon=0.003)
    pairs = galleries.nearest_pairs(table, generated=generated, training=None)
    page = write(tmp_path / "report.html", report, {**nothing, "pairs": pairs})
    assert [ul["class"] for ul in page.all("ul") if "cards" in ul.get("class", "")] == [
        "cards ones"
    ]
    assert not [div for div in page.all("div") if div.get("class") == "side-by-side"]
    assert page.text.count("nearest: training/") == 12


def hostile(report, parts, text):
    """The same page with ``text`` wherever a text from outside can be."""
    picture = Shown(text, noise(1, 8, 8))
    card = Card((picture, Shown(text, None, text)), (text, text), text, text, marked=True)
    check = Check(Path(text), replace(MONET, competition=text), (Finding("refused", *[text] * 3),))
    changed = replace(
        report,
        inputs={"generated": Side(text, 4, text), "reference": Side(text, 4, text)},
        label=text,
        not_comparable=text,
        warnings=(text,),
        check=check,
        protocol={"extractor": "inception", "resize": text, "versions": {text: text}},
        uncertainty=None,
        uncertainty_reason=text,
        evidence=replace(report.evidence, given={"generated": text, "reference": text}),
    )
    return changed, {
        **dict.fromkeys(GALLERIES, Gallery((card,), text)),
        **{name: Plot(parts[name].svg, text) for name in PLOTS},
        "classes": ClassScores((ClassScore(text, 1, 2, omitted=text),), text, "fid", text, (text,)),
        "measures": [(text, None, text, text)],
        "checks": check,
    }


def test_every_text_is_escaped(tmp_path, report, parts):
    harmless = write(tmp_path / "harmless.html", *hostile(report, parts, "xyzzy"))
    page = write(tmp_path / "report.html", *hostile(report, parts, HOSTILE))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert not page.all("script")
    # Not whole are the names below two pictures of each gallery, which are cut in the middle, and
    # those of both sides in title and heading (the end of a path) and in the command (quoted).
    cut = 2 * len(GALLERIES) + 6
    assert page.text.count(HOSTILE) == harmless.text.count("xyzzy") - cut > 60
    assert [image["alt"] for image in page.all("img")] == [
        image["alt"].replace("xyzzy", HOSTILE) for image in harmless.all("img")
    ]
    assert sum(image["alt"].count(HOSTILE) for image in page.all("img")) > 7


def test_what_a_plot_shows_is_escaped(parts):
    label = plot(plot_bias(SimpleNamespace(**CURVE)), "bias", HOSTILE).svg
    (svg,) = Page(str(label)).all("svg")
    assert svg["aria-label"] == HOSTILE


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("a\nb\tc.png", r"a\nb\tc.png"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a \udcff.png", r"a \udcff.png"),
        ("\u2067x\u2028y", r"\u2067x\u2028y"),
        ("été 🎨.png", "été 🎨.png"),
    ],
)
def test_names_that_turn_or_break_a_line_are_spelled_out(tmp_path, report, nothing, name, spelled):
    card = Card((Shown(name, noise(1, 8, 8)),))
    labelled = replace(report, label=name)
    page = write(tmp_path / "report.html", labelled, {**nothing, "worst": Gallery((card,))})
    assert page.text.count(spelled) == 3  # title, heading, picture
    assert [image["alt"] for image in page.all("img")].count(spelled) == 1
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\udc80-\udcff]", page.source)


def test_direction_marks_are_spelled_out_everywhere(tmp_path, report, parts):
    page = write(tmp_path / "report.html", *hostile(report, parts, "a\u202eb"))
    assert "\u202e" not in page.source


def test_long_names_keep_their_ends(tmp_path, report, nothing):
    name = "folder/" + 300 * "x" + "/0001.png"
    card = Card((Shown(name, noise(1, 8, 8)),))
    page = write(tmp_path / "report.html", report, {**nothing, "worst": Gallery((card,))})
    (shown,) = re.findall(r"folder/x+…x+/0001\.png", page.text)
    assert len(shown) == 60
    assert name in {image["alt"] for image in page.all("img")}


def test_what_is_left_out_is_said(tmp_path, report, nothing):
    page = write(tmp_path / "report.html", report, nothing)
    assert not page.all("img")
    assert not page.all("svg")
    for name in (*GALLERIES, *PLOTS, *TABLES):
        assert f" (no {name}, as tested)." in page.text
    assert page.text.count("Left out: ") == len(GALLERIES + PLOTS + TABLES)
    assert "would be refused" not in page.text


def test_a_picture_that_is_gone_is_said(tmp_path, report, nothing):
    gone = Gallery((Card((Shown("a.png", None, "'a.png' is damaged: cut off"),)),))
    page = write(tmp_path / "report.html", report, {**nothing, "worst": gone})
    assert "Cannot be shown: 'a.png' is damaged: cut off a.png" in page.text


def test_empty_galleries_tell_why(tmp_path, report, nothing):
    page = write(
        tmp_path / "report.html", report, {**nothing, "never": Gallery((), "All were met.")}
    )
    assert "Training pictures never approached All were met." in page.text


def test_scores_of_all_kinds(tmp_path, report, nothing):
    changed = replace(
        report,
        mifid=2.5e16,
        fid=None,
        memorization_distance=0.0,
        uncertainty=None,
        not_comparable="seeded weights",
        warnings=("Mind it.",),
    )
    page = write(tmp_path / "report.html", changed, nothing)
    assert "MiFID 2.50e+16 lower is better" in page.text
    assert "FID none not asked for" in page.text
    assert "distance 0.0000" in page.text
    assert "Not comparable with Kaggle: seeded weights" in page.text
    assert "Mind it." in page.text


def test_a_refusal_is_said_at_the_top(tmp_path, report, nothing):
    check = refusing(Finding("refused", "pictures", "6,999", "Give 7,000."))
    page = write(
        tmp_path / "report.html", replace(report, check=check), {**nothing, "checks": check}
    )
    top = page.text.index("This submission would be refused by 'a toy': see the check")
    assert top < page.text.index("Submission It would be refused")
    assert "It would be refused by 'a toy'." in page.text
    assert "Nothing was found" not in page.text


def test_the_page_stays_below_its_bytes(tmp_path, report, nothing):
    """Far more pictures than a page shows, of noise, which compresses worst."""
    card = Card(tuple(Shown(f"{i}.png", noise(i, 256, 256)) for i in range(2)))
    many = Gallery((card,) * 16)
    page = write(tmp_path / "report.html", report, nothing | dict.fromkeys(GALLERIES, many))
    size = (tmp_path / "report.html").stat().st_size
    assert MAX_BYTES / 2 < size <= MAX_BYTES
    assert len(page.all("img")) == 7 * 16 * 2
    assert "Cannot be shown" not in page.text


def test_no_folder(tmp_path, report, nothing):
    with pytest.raises(OutputError, match="does not exist"):
        write_parts(tmp_path / "missing" / "report.html", report, nothing)


def test_a_failure_leaves_the_old_page(tmp_path, report, nothing):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(jinja2.UndefinedError):
        write_parts(path, report, {**nothing, "bias": None})
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("report.html", "old")
    ]


# What the browser reports of a page.
MEASURE = """({
  images: document.images.length,
  blank: [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt),
  unseen: [...document.images].filter(i => i.clientWidth < 20).map(i => i.alt),
  drawings: [...document.querySelectorAll('svg')].map(s => s.clientWidth),
  page: document.documentElement.scrollWidth,
  wide: [...document.querySelectorAll('body *')]
    .filter(e => !e.closest('svg') && e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 120)),
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.querySelector('svg text')).fill,
  navigation: getComputedStyle(document.querySelector('nav')).display,
})"""


@pytest.fixture(scope="module")
def running():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    """Kept for the eye, in the folder that MIFID_SCREENSHOTS names."""
    folder = Path(os.environ.get("MIFID_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def brightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


@pytest.mark.parametrize("view", ["desktop", "phone", "dark", "print"])
def test_in_a_browser(tmp_path, running, screenshots, report, parts, view):
    path = tmp_path / "report.html"
    write_parts(path, report, parts)
    width = 390 if view == "phone" else 1280
    media = "print" if view == "print" else "screen"
    with opened(running, path, width=width, dark=view == "dark", media=media) as tab:
        seen = tab.page.evaluate(MEASURE)
        tab.page.screenshot(path=screenshots / f"report-{view}.png", full_page=True)
        if view == "print":
            tab.page.pdf(path=screenshots / "report.pdf")
            assert (screenshots / "report.pdf").read_bytes().startswith(b"%PDF")
    assert seen["images"] > 60
    assert seen["blank"] == []
    assert seen["unseen"] == []
    assert len(seen["drawings"]) == 4
    assert min(seen["drawings"]) > 300
    assert seen["page"] == width
    assert seen["wide"] == []
    assert (brightness(seen["paper"]) > 128) == (view != "dark")
    assert (brightness(seen["ink"]) > 128) == (view == "dark")
    assert (seen["navigation"] == "none") == (view == "print")
    with Image.open(screenshots / f"report-{view}.png") as shot:
        assert shot.width == width
        assert len(shot.convert("RGB").resize((64, 64)).getcolors(4096)) > 100  # no blank page
    assert tab.messages == []
    assert tab.requests == [path.resolve().as_uri()]


def test_hostile_names_do_nothing_in_a_browser(tmp_path, running, report, parts):
    path = tmp_path / "report.html"
    write_parts(path, *hostile(report, parts, HOSTILE + " onerror=alert(1)"))
    with opened(running, path, width=390) as tab:
        assert tab.page.evaluate("document.scripts.length") == 0
        assert tab.page.evaluate("document.documentElement.scrollWidth") == 390
    assert tab.messages == []
    assert tab.requests == [path.resolve().as_uri()]


def test_the_browser_would_have_seen_it(tmp_path, running):
    """The checks above can fail: a page that reaches out, fails and overflows is noticed."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<body><img src='http://127.0.0.1:9/x.png' alt='far'><svg><text>x</text></svg><nav></nav>"
        "<div style='width: 3000px'>x</div><script>console.error('oh'); throw 'no'</script></body>"
    )
    with opened(running, path) as tab:
        seen = tab.page.evaluate(MEASURE)
    assert seen["blank"] == ["far"]
    assert seen["page"] > 1280
    assert seen["wide"]
    assert "http://127.0.0.1:9/x.png" in tab.requests
    assert {"oh", "no"} <= set(tab.messages)
    assert any("ERR_" in message for message in tab.messages)
