"""What a run shows and says at its end: the page, in a browser too, and commands that work."""

import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from chromium import browser, opened
from toys import colours, drawn, write_pictures

from mifid.baseline.config.file import read_run_file, write_run_file
from mifid.baseline.config.schema import Config, Data, Discriminator, Generator, Score, Training
from mifid.baseline.page import commands
from mifid.baseline.training import train_baseline
from mifid.submission.writer import MONET

PHOTOS = 8
RULES = replace(MONET, competition="a toy", at_least=PHOTOS, at_most=PHOTOS, size=(16, 16))
SMALL = Config(
    data=Data(size=16, fit="stretch", held_back=4),
    generator=Generator(network="resnet", width=4, blocks=1),
    discriminator=Discriminator(width=4, layers=1),
    training=Training(batch=2, steps=4, pool=3, ema=0.9, log_steps=2),
    score=Score(points=2, samples=2),
)

pytestmark = pytest.mark.filterwarnings("ignore::mifid.MifidWarning")


class Page(HTMLParser):
    """The tags in their order, and the words outside of drawings."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("style", "svg"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of four steps in a folder whose name a shell would take apart."""
    folder = tmp_path_factory.mktemp("a run's")
    write_pictures(folder / "photos", drawn("photo", PHOTOS))
    write_pictures(folder / "monets", drawn("painting", 6))
    return train_baseline(
        folder / "photos",
        folder / "monets",
        folder / "run",
        config=SMALL,
        extractor=colours,
        rules=RULES,
        progress=False,
    )


@pytest.fixture(scope="module")
def page(trained):
    return Page((trained.folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_begins_with_the_submissions_score_or_that_training_made_it_worse(trained, page):
    best = trained.best
    verdict = page.text.partition("finished")[2].partition("MiFID, lower is better")[0]
    assert f"step {best.step:,}" in verdict
    assert ("Training made things worse" in verdict) == bool(trained.worse)
    if not trained.worse:
        assert "The same photos unpainted have" in verdict
        told = f"The submission's MiFID is {trained.report.mifid:,.2f}. The best MiFID during "
        assert told in verdict
    said = [warning for warning in trained.report.warnings if warning != trained.worse]
    assert all(" ".join(warning.split()) in page.text for warning in said)
    assert f"Memorization distance, threshold {trained.report.epsilon:g}" in page.text
    assert "'a toy' refuses" in page.text


def test_the_plots_are_drawings_in_the_pages_colours(trained, page):
    source = (trained.folder / "report.html").read_text(encoding="utf-8")
    assert page.tags.count("svg") == 3
    assert page.tags.count("img") == 3  # first and last samples, augmentation
    for colour in ("#ffffff", "#0072b2", "#d55e00", "#666666"):
        drawings = source[source.index("<main>") :].lower()
        assert colour not in drawings
    assert "var(--blue)" in source[source.index("<main>") :]
    for name in ("losses.png", "score.png", "rgb_histograms.png"):
        assert (trained.folder / name).is_file()


def test_a_run_without_scores_shows_none(trained, tmp_path):
    inputs, _ = read_run_file(trained.folder / "config.toml")
    steps = replace(SMALL, training=replace(SMALL.training, steps=1, log_steps=1))
    run = train_baseline(
        *(inputs.photos, inputs.monets, tmp_path / "run"),
        **{"config": steps, "score": False, "rules": RULES, "progress": False},
    )
    page = Page((run.folder / "report.html").read_text(encoding="utf-8"))
    assert "no snapshot was scored in 1 steps" in page.text
    assert "dl" not in page.tags
    assert page.tags.count("svg") == 2
    assert "Left out: scores over the run (nothing was scored)." in page.text


def test_many_lines_of_losses_make_no_large_page():
    from mifid.baseline.figures.curves import draw_losses
    from mifid.baseline.gan.cyclegan import CycleGan
    from mifid.rendering.canvas import inline_svg

    rows = [
        {"kind": "train", "step": i, **dict.fromkeys(CycleGan.losses, i % 7 + 1.0)}
        for i in range(1, 20_001)
    ]
    figure = draw_losses(rows, terms=CycleGan.terms, most=300)
    assert "every 67. as logged" in figure.get_suptitle()
    for line in figure.axes[0].lines:
        assert len(line.get_xdata()) <= 300
        assert line.get_xdata()[-1] == 20_000
    assert len(inline_svg(figure, label="", prefix="a")) < 500_000


def lines(folder, **given):
    return {command.purpose.split()[0]: command.line for command in commands(folder, **given)}


def noted(folder, tmp_path, **changes):
    """A run folder whose config.toml says something else."""
    inputs, config = read_run_file(folder / "config.toml")
    training = changes.pop("training", {})
    config = replace(config, training=replace(config.training, **training))
    (tmp_path / "noted").mkdir(exist_ok=True)
    path = tmp_path / "noted" / "config.toml"
    write_run_file(path, replace(inputs, **changes), config, version="1")
    return path.parent


def test_commands_are_quoted_and_name_what_the_run_was_given(trained, tmp_path):
    folder = noted(trained.folder, tmp_path, extractor="inception-random", held_out="other's")
    found = {name: shlex.split(line) for name, line in lines(folder, step=4).items()}
    longer = ["mifid", "train-baseline", "--out", str(folder), "--resume", "--steps", "8"]
    again = ["--config", f"{folder}/config.toml", "--out", "again/"]
    assert found["Train"] == ["mifid", "train-baseline", *again]
    first = next(commands(folder, step=4, again="--device cpu"))
    assert shlex.split(first.line) == [*longer, "--device", "cpu"]
    inputs, _ = read_run_file(folder / "config.toml")
    assert found["Paint"][2:] == [
        *("--checkpoint", f"{folder}/best.safetensors"),
        *("--photos", inputs.photos, "-o", "images.zip"),
    ]
    assert found["Score"] == [
        *("mifid", "score", f"{folder}/images.zip", "--ref", "other's"),
        *("--memorization-ref", inputs.monets, "--extractor", "inception-random"),
    ]


def test_a_run_by_epochs_goes_on_by_epochs(trained, tmp_path):
    folder = noted(trained.folder, tmp_path, extractor="none", training={"epochs": 1.5, "steps": 0})
    assert "--resume --epochs 3" in next(commands(folder, step=4)).line


def test_code_is_named_again_and_what_only_python_knows_is_not_printed(trained, tmp_path):
    folder = noted(trained.folder, tmp_path, extractor="toys:colours")
    assert next(commands(folder, step=4)).line.endswith("--steps 8 --extractor toys:colours")
    given = next(commands(folder, step=4, again="--extractor toys:colours"))
    assert given.line.count("--extractor") == 1
    assert list(lines(trained.folder, step=4)) == ["Paint"]  # its extractor is code


# What the browser reports of a page.
MEASURE = """({
  drawings: [...document.querySelectorAll('svg')].map(s => s.clientWidth),
  letters: [...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height),
  cut: [...document.querySelectorAll('svg text')].filter(t => {
    const own = t.getBoundingClientRect(), all = t.closest('svg').getBoundingClientRect();
    return own.right > all.right + 2 || own.left < all.left - 2 || own.bottom > all.bottom + 2;
  }).map(t => t.textContent),
  blank: [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt),
  page: document.documentElement.scrollWidth,
  wide: [...document.querySelectorAll('body *')]
    .filter(e => !e.closest('svg') && e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 120)),
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.querySelector('svg text')).fill,
  plotted: getComputedStyle(document.querySelector('.drawing > div')).backgroundColor,
  folded: document.querySelector('details table').checkVisibility(),
})"""


@pytest.fixture(scope="module")
def running():
    with browser() as found:
        yield found


def brightness(colour):
    inside = colour[colour.index("(") + 1 : colour.index(")")]
    return sum(float(part) for part in inside.split(",")[:3]) / 3


@pytest.mark.parametrize(("width", "dark"), [(1000, False), (1000, True), (390, True)])
def test_in_a_browser(trained, running, width, dark):
    path = Path(trained.folder / "report.html")
    with opened(running, path, width=width, dark=dark) as tab:
        seen = tab.page.evaluate(MEASURE)
    assert len(seen["drawings"]) == 3
    assert min(seen["drawings"]) > 300
    assert min(seen["letters"]) > 7  # pixels
    assert seen["cut"] == []
    assert seen["blank"] == []
    assert seen["page"] == width
    assert seen["wide"] == []
    assert (brightness(seen["paper"]) < 128) == dark
    assert (brightness(seen["plotted"]) < 128) == dark  # no white slab
    assert (brightness(seen["ink"]) > 128) == dark
    assert not seen["folded"]  # settings are hidden until somebody asks
    assert tab.messages == []
    assert tab.requests == [path.as_uri()]
