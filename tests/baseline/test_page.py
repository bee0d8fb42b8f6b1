"""The page of a run: one file, nothing from elsewhere, every text escaped."""

import base64
import io
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import Markup
from pictures import noise
from PIL import Image

from mifid.baseline.figures.sheets import save_picture
from mifid.baseline.page import (
    MAX_BYTES,
    Command,
    Plot,
    RunFacts,
    Setting,
    load_picture,
    write_page,
)
from mifid.errors import OutputError
from mifid.submission.checking import Finding

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.test/x.png>&amp;"

FACTS = RunFacts(
    title="my run",
    preset="kaggle-5h",
    version="1.2.3",
    finished="2024-11-20 10:00",
    verdict="The best MiFID is 41.23, at step 55,000.",
    score_of="painted with the EMA weights of step 55,000",
    seconds=17890.0,
    steps=55000,
    epochs=733.3,
    pairs=220000,
    pairs_per_second=12.94,
    device="a GPU",
    mifid=41.2345,
    fid=40.5,
    memorization_distance=0.28714,
    checks=(Finding("ok", "pictures", "7,038"), Finding("warning", "twice", "a.jpg", "Mend it.")),
    settings=(
        Setting("data", "size", "256", "pixels a side"),
        Setting("loss", "cycle", "8.0", "weight of the cycle loss", changed=True, preset="10.0"),
    ),
    compared_with="the preset kaggle-5h",
    curves=(
        Plot(Markup('<svg class="drawn"><text>scores</text></svg>'), "How it scored."),
        Plot(Markup('<svg class="drawn"><text>losses</text></svg>'), "What was lost."),
    ),
    colours=Plot(Markup('<svg class="drawn"><text>levels</text></svg>'), "Which colours."),
    facts=(("Paintings", "300"),),
    commands=(Command("Again", "mifid train-baseline --config 'my run/config.toml'"),),
    competition="a toy",
)


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


def write(folder, facts=FACTS):
    return Page(write_page(folder, facts=facts).read_text(encoding="utf-8"))


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
        "my run",
        "Preset kaggle-5h · 55,000 steps in 4 h 58 min",
        "mifid 1.2.3",
        "The best MiFID is 41.23, at step 55,000.",
        "losses What was lost.",
        "MiFID, lower is better 41.23",
        "FID 40.50",
        "Memorization distance 0.2871",
        "The submission: painted with the EMA weights of step 55,000.",
        "time 4 h 58 min",
        "55,000 (733.3 epochs, 220,000 pairs)",
        "12.9 pairs a second",
        "a GPU",
        "Paintings 300",
        "Nothing was found that 'a toy' refuses.",
        "warning twice a.jpg Mend it.",
        "1 of 2 differs from the preset kaggle-5h:",
        "loss.cycle 8.0 preset: 10.0 weight of the cycle loss",
        "mifid train-baseline --config 'my run/config.toml'",
    ):
        assert text in page.text
    assert "Left out" not in page.text
    assert "Not comparable" not in page.text
    told = write(tmp_path, replace(FACTS, epsilon=0.03)).text
    assert "Memorization distance, threshold 0.03 0.2871" in told
    assert [path.name for path in tmp_path.glob("*.html")] == ["report.html"]


def test_what_matters_most_comes_first_and_settings_are_folded(tmp_path):
    page = write(run_folder(tmp_path), replace(FACTS, warnings=("mind this",)))
    order = (
        *("The best MiFID", "MiFID, lower is better", "mind this", "How it scored."),
        *("What was lost.", "The first samples.", "Which colours.", "Nothing was found"),
        *("How to go on", "loss.cycle", "All 2 settings", "pixels a side", "12.9 pairs a second"),
    )
    places = [page.text.index(text) for text in order]
    assert places == sorted(places)
    tags = [tag for tag, _ in page.tags]
    assert page.all("details") == [{}]  # closed
    assert tags.index("summary") == tags.index("details") + 1
    assert page.text.index("loss.cycle") < page.text.index("All 2 settings")
    assert page.text.count("pixels a side") == 1


def test_a_run_that_made_things_worse_says_that_instead(tmp_path):
    worse = "Training made things worse: 14 instead of 9.95. Train longer."
    page = write(run_folder(tmp_path), replace(FACTS, worse=worse))
    assert page.text.index(worse) < page.text.index("MiFID, lower is better")
    assert "The best MiFID is" not in page.text
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


def test_changed_settings_are_marked(tmp_path):
    page = write(tmp_path)
    assert [row.get("class") for row in page.all("tr") if row.get("class")] == ["changed"]


def test_every_text_is_escaped(tmp_path):
    refused = replace(FACTS, checks=(Finding("refused", "a", "b", "c"),), warnings=("x",))
    refused = replace(refused, not_comparable="x", worse="x", left_out=(("x", "x"),))
    plain = write(tmp_path, refused)
    facts = RunFacts(
        **{
            name: HOSTILE if isinstance(value, str) else value
            for name, value in vars(refused).items()
            if name not in ("checks", "settings", "facts", "commands", "left_out", "curves")
        },
        curves=(Plot(Markup("<svg></svg>"), HOSTILE),),
        checks=(Finding(*[HOSTILE] * 4),) * 2,
        settings=tuple(
            Setting(HOSTILE + str(i), *[HOSTILE] * 3, changed=i > 0, preset=HOSTILE) for i in (0, 1)
        ),
        facts=((HOSTILE, HOSTILE),),
        commands=(Command(HOSTILE, HOSTILE),),
        left_out=((HOSTILE, HOSTILE),),
    )
    facts = replace(facts, warnings=(HOSTILE,))
    page = write(tmp_path, facts)
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags}
    assert not page.all("script")
    assert not page.all("img")
    twice = ("title", "finished")
    once = ("preset", "version", "worse", "score_of", "not_comparable", "warnings", "device")
    once += ("compared_with", "competition", "curves")
    findings, setting_rows = 2 * 4, 2 * 4 + 1  # what the preset has is shown where it differs
    differing = 5  # the same once more, with its section in its name
    pairs = 3 * 2  # facts, commands, left_out
    assert page.text.count(HOSTILE) == (
        2 * len(twice) + len(once) + findings + setting_rows + differing + pairs
    )


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
    assert r"my \udcff run" in write(tmp_path, replace(FACTS, title="my \udcff run")).text


def test_missing_and_damaged_pictures_are_left_out_and_said_at_the_end(tmp_path):
    run_folder(tmp_path, samples=("step-1.jpg", "step-2.jpg"))
    (tmp_path / "augmented.png").unlink()
    sample = tmp_path / "samples" / "step-2.jpg"
    sample.write_bytes(sample.read_bytes()[:40])
    facts = replace(FACTS, left_out=(("scores over the run", "nothing was scored"),), colours=None)
    page = write(tmp_path, facts)
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


def test_no_section_is_empty(tmp_path):
    facts = replace(
        *(FACTS,),
        **{"mifid": None, "fid": None, "memorization_distance": None, "colours": None},
        **dict.fromkeys(("curves", "checks", "settings", "commands"), ()),
    )
    page = write(tmp_path, facts)
    assert headings(page) == ["Protocol and provenance"]
    assert "none" not in page.text
    assert not page.all("dl")
    told = page.text.partition("Not on this page")[2]
    assert "Left out: samples (samples/ holds no pictures)." in told
    assert "Left out: check of the submission (no submission was written)." in told


def test_settings_of_the_preset_alone(tmp_path):
    settings = (Setting("data", "size", "256", "pixels a side"),)
    page = write(tmp_path, replace(FACTS, settings=settings))
    assert "All are those of the preset kaggle-5h. All 1 settings" in page.text
    assert not [row for row in page.all("tr") if row.get("class")]


def test_notes_and_refusals(tmp_path):
    facts = replace(
        FACTS,
        mifid=2.5e16,
        not_comparable="seeded weights",
        warnings=("it rewards memorization",),
        checks=(Finding("ok", "a", "b"), Finding("refused", "pictures", "6,999")),
    )
    page = write(tmp_path, facts)
    assert "2.50e+16" in page.text
    assert "This submission would be refused by 'a toy': see the check" in page.text
    assert {"href": "#submission"} in page.all("a")
    assert {"id": "submission"} in page.all("section")
    assert "Not comparable with Kaggle: seeded weights" in page.text
    assert "it rewards memorization" in page.text
    assert "It would be refused by 'a toy'." in page.text
    assert "Nothing was found" not in page.text


def test_who_has_no_name_is_not_named(tmp_path):
    page = write(tmp_path, replace(FACTS, preset="", competition=""))
    assert "Settings from config.toml · 55,000 steps" in page.text
    assert "Nothing was found that the competition refuses." in page.text


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
    with pytest.raises(OutputError, match="does not exist"):
        write_page(tmp_path / "missing", facts=FACTS)
