"""diagnose(): each row is the FID of what it says, and what cannot be measured is said."""

import io
import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from pictures import encode, write_folder
from PIL import Image
from toys import Counting, colours, drawn, repainted, write_pictures

import mifid
from mifid.diagnosis.diagnosing import diagnose
from mifid.diagnosis.diagnosis import DiagnosedSide, Variant, advised, notes_on
from mifid.diagnosis.plot import save_diagnosis
from mifid.diagnosis.reencoding import ENCODINGS
from mifid.errors import CompatibilityError, FeatureError, InputError, OutputError, PictureError
from mifid.extractors import open_extractor
from mifid.extractors.base import Identity
from mifid.extractors.inception import InceptionExtractor
from mifid.extractors.network import resize
from mifid.extractors.resize import CLEAN_FID, PYTORCH_FID, RESIZES
from mifid.images.source import sampled
from mifid.metrics.frechet import frechet_distance

GENERATED, REFERENCE = repainted(9), drawn("painting", 7)
RESIZED = [f"resize {PYTORCH_FID}", f"resize {CLEAN_FID}"]


def by_name(diagnosis):
    return {variant.name: variant for variant in diagnosis.variants}


def saved_as(pictures, encoding):
    """The pictures as somebody would have saved them, decoded by Pillow."""
    files = [encode(p, encoding.format, **encoding.options) for p in pictures]
    return np.stack([np.asarray(Image.open(io.BytesIO(f))) for f in files])


def fid(generated):
    """By hand, without diagnose()."""
    sides = [mifid.features(side, extractor=colours).values for side in (generated, REFERENCE)]
    return frechet_distance(generated=sides[0], reference=sides[1])


@pytest.fixture(scope="module")
def toy():
    return diagnose(GENERATED, REFERENCE, extractor=colours)


def test_rows_are_in_order(toy):
    assert [v.name for v in toy.variants] == ["given", *RESIZED, *ENCODINGS]
    assert [v.kind for v in toy.variants] == ["given"] + ["resize"] * 2 + ["encoding"] * 5


def test_each_encoding_is_the_score_of_pictures_saved_so(toy):
    given = fid(GENERATED)
    assert toy.fid == given
    for name, encoding in ENCODINGS.items():
        again = saved_as(GENERATED, encoding)
        expected = fid(again)
        row = by_name(toy)[name]
        assert row.fid == pytest.approx(expected, rel=1e-9)
        assert row.difference == pytest.approx(expected - given, abs=1e-9)
        assert row.percent == pytest.approx(100 * (expected - given) / given, abs=1e-9)
        assert row.levels == pytest.approx(np.abs(again.astype(float) - GENERATED).mean())
    assert by_name(toy)["jpeg-75"].difference != 0


def test_png_is_the_same_number_without_another_run(tmp_path):
    counting = Counting(None)
    diagnose(GENERATED, REFERENCE, extractor=counting, cache=False)
    assert counting.pictures == 7 + 9 + 4 * 9  # reference, generated, and four kinds of JPEG


def test_an_own_extractors_resizes_are_omitted_with_the_reason(toy):
    for name in RESIZED:
        row = by_name(toy)[name]
        assert (row.fid, row.difference, row.percent) == (None, None, None)
        assert row.omitted == "colours resizes by itself; only inception's can change"
    assert "colours resizes by itself" in toy.text()


class ToyBackend:
    """colours() behind one of Inception's resizes."""

    name, device, batch_size, in_flight = "toy", "cpu", 4, 1

    def __init__(self, how):
        self.how = how

    def __call__(self, pixels):
        planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        return colours(resize(planes, self.how)).float().numpy()

    def submit(self, pixels):
        return lambda: self(pixels)


class ToyInception(InceptionExtractor):
    """An Inception extractor on a toy backend."""

    @property
    def identity(self):
        return Identity("toy-inception", f"toy {self.resize}", resize=self.resize)

    def state_dict(self):
        raise AssertionError("no network is needed")

    def load(self, device="auto"):
        self._loaded = self._loaded or ToyBackend(RESIZES[self.resize])
        return "cpu"


def test_inceptions_resizes_are_of_both_sides():
    toy = ToyInception()
    found = diagnose(GENERATED, REFERENCE, extractor=toy)
    for name in (PYTORCH_FID, CLEAN_FID):
        resized = toy.with_resize(name)
        expected = frechet_distance(generated=resized(GENERATED), reference=resized(REFERENCE))
        row = by_name(found)[f"resize {name}"]
        assert row.fid == pytest.approx(expected, rel=1e-6)
        assert row.difference == pytest.approx(expected - found.fid, rel=1e-6)
        assert row.title == RESIZES[name].title
        assert "do not compare it with Kaggle's" in row.advice
    assert len({found.fid, *(by_name(found)[name].fid for name in RESIZED)}) == 3


def test_a_reference_without_pictures_cannot_be_resized():
    toy = ToyInception()
    found = diagnose(GENERATED, mifid.features(REFERENCE, extractor=toy), extractor=toy)
    for name in RESIZED:
        assert by_name(found)[name].fid is None
        assert "without pictures to resize" in by_name(found)[name].omitted
    assert by_name(found)["jpeg-75"].fid is not None


@pytest.mark.network
def test_inception_end_to_end():
    pytest.importorskip("openvino")
    generated, reference = repainted(3, 48), drawn("painting", 3, 48)
    settings = {"extractor": "inception-random", "device": "cpu", "backend": "openvino"}
    found = diagnose(generated, reference, **settings)
    resized = open_extractor("inception-random", backend="openvino").with_resize(CLEAN_FID)
    expected = frechet_distance(generated=resized(generated), reference=resized(reference))
    assert by_name(found)[f"resize {CLEAN_FID}"].fid == pytest.approx(expected, rel=1e-6)
    assert len({found.fid, *(by_name(found)[name].fid for name in RESIZED)}) == 3
    assert found.not_comparable == "inception-random has seeded, not trained weights"


def test_a_second_run_computes_nothing():
    counting = Counting()
    one = diagnose(GENERATED, REFERENCE, extractor=counting)
    computed = counting.pictures
    other = diagnose(GENERATED, REFERENCE, extractor=counting)
    assert counting.pictures == computed
    assert other.variants == one.variants


def test_limit_takes_the_pictures_of_both_sides_that_score_takes():
    found = diagnose(GENERATED, REFERENCE, limit=3, seed=7, extractor=colours)
    some = [side[sampled(len(side), 3, 7)] for side in (GENERATED, REFERENCE)]
    expected = diagnose(*some, extractor=colours)
    score = mifid.score(GENERATED, REFERENCE, limit=3, seed=7, extractor=colours, ci=0)
    assert found.variants[0].fid == pytest.approx(score.fid, rel=1e-9)
    assert found.variants == expected.variants
    assert (found.generated.n, found.generated.available) == (3, 9)
    assert "3 of 9 from" in found.text()
    assert "Measured on 3 of 9 generated pictures" in found.text()
    assert "Measured on" not in expected.text()


def test_a_reference_of_features_or_statistics():
    whole = by_name(diagnose(GENERATED, REFERENCE, extractor=colours))
    features = mifid.features(REFERENCE, extractor=colours)
    statistics = mifid.Statistics.from_features(features.values)
    for reference in (features, statistics):
        found = diagnose(GENERATED, reference, extractor=colours)
        assert found.reference.n == 7
        assert found.reference.encodings == {}
        for name in ENCODINGS:
            assert by_name(found)[name].fid == pytest.approx(whole[name].fid, rel=1e-6)


def test_how_both_sides_are_encoded_is_told(tmp_path):
    for name, options in (("a", {"quality": 90}), ("b", {"quality": 75})):
        files = [(f"{i}.jpg", encode(p, "JPEG", **options)) for i, p in enumerate(GENERATED[:4])]
        write_folder(tmp_path / name, files)
    text = diagnose(tmp_path / "a", tmp_path / "b", extractor=colours).text()
    assert "generated: 4 from folder" in text
    assert "(JPEG quality 90, 4:2:0)" in text
    assert (
        "The generated pictures are JPEG quality 90, 4:2:0, the reference JPEG quality 75" in text
    )
    assert "generated pictures are JPEG already" in text
    assert "The competition has its Monets in two encodings" in text
    folder = write_pictures(tmp_path / "png", GENERATED[:4])
    text = diagnose(folder, folder, extractor=colours).text()
    assert "JPEG already" not in text
    assert "Monets twice" not in text


def test_identical_sets_have_no_per_cent(tmp_path):
    found = diagnose(REFERENCE, REFERENCE, extractor=colours)
    row = by_name(found)["jpeg-75"]
    assert row.percent is None
    assert row.difference > 0
    assert row.advice.startswith("raises FID by ")
    save_diagnosis(found, tmp_path / "d.png")
    json.loads(found.to_json())


@pytest.mark.parametrize(
    ("percent", "levels", "said"),
    [
        (0.5, 2.0, "hardly changes FID: safe to submit."),
        (-0.99, 2.0, "hardly changes FID: safe to submit."),
        (3.0, 2.0, "raises FID by 3.0 %: do not save this way."),
        (-3.0, 2.0, "lowers FID by 3.0 %: its artifacts are closer to the reference's."),
        (0.0, 0.0, "keeps all pixels and FID; but Kaggle takes only JPEG."),
    ],
)
def test_advice(percent, levels, said):
    row = Variant("jpeg-75", "encoding", "x", 10.0, percent / 10, percent, levels)
    assert advised(row).advice == said


@pytest.mark.parametrize(
    ("percents", "encoding", "first"),
    [
        ((-3.0, -2.0), "PNG", "Saving the pictures as one lowers FID by 3.0 % against this"),
        ((-0.5, 0.2), "PNG", "Kaggle takes JPEG. Of the measured qualities, one gives"),
        ((2.0, 5.0), "PNG", "Kaggle takes JPEG. Of the measured qualities, one gives"),
        ((-0.5, 0.2), "JPEG quality 90, 4:2:0", "Submit the pictures as they are: no encoding"),
        ((), "PNG", "All rows use the same pictures"),
    ],
)
def test_what_to_do(percents, encoding, first):
    rows = [
        Variant(title, "encoding", title, 10.0, percent / 10, percent, 2.0)
        for title, percent in zip(("one", "other"), percents, strict=False)
    ]
    rows.append(Variant("png", "encoding", "PNG", 10.0, 0.0, 0.0, 0.0))
    side = DiagnosedSide("a", 5, 5, {encoding: 5})
    found = list(notes_on(rows, generated=side, reference=side, not_comparable=None))
    assert found[0].startswith(first)


def test_json_holds_everything(toy):
    found = json.loads(toy.to_json())
    assert found["fid"] == toy.fid
    assert [row["name"] for row in found["variants"]] == ["given", *RESIZED, *ENCODINGS]
    assert found["variants"][3]["fid"] == toy.variants[3].fid
    assert found["generated"]["n"] == 9
    assert found["generated"]["encodings"] == {"pixels, never encoded": 9}
    assert found["comparable_with_kaggle"] is False


def test_text_has_a_row_a_variant(toy):
    lines = toy.text().splitlines()
    row = next(line for line in lines if line.startswith("JPEG quality 75"))
    variant = by_name(toy)["jpeg-75"]
    assert row.split()[4:] == [
        f"{variant.fid:.4f}",
        f"{variant.difference:+.4f}",
        f"{variant.percent:+.2f}",
        f"{variant.levels:.2f}",
    ]


def test_the_plot_and_where_it_can_be_written(toy, tmp_path):
    save_diagnosis(toy, tmp_path / "d.png")
    with Image.open(tmp_path / "d.png") as image:
        assert image.format == "PNG"
        assert image.width == 1350
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
    save_diagnosis(toy, tmp_path / "d.json")
    assert json.loads((tmp_path / "d.json").read_text()) == json.loads(toy.to_json())
    for name, said in (("d.pdf", "not one of .png, .json"), ("no/d.png", "No such file")):
        with pytest.raises(OutputError, match=said):
            save_diagnosis(toy, tmp_path / name)


class Recorder:
    """A progress, and its tasks, that keep what they are told."""

    def __init__(self, said=None, label=None):
        self.said = [] if said is None else said
        self._label = label

    def task(self, label, total, unit):
        self.said.append((label, "total", total))
        return nullcontext(Recorder(self.said, label))

    def advance(self, steps=1):
        self.said.append((self._label, "advance", steps))

    def status(self, text):
        self.said.append((self._label, "status", text))


def test_the_time_left_is_told_after_the_first_variant():
    recorder = Recorder()
    diagnose(GENERATED, REFERENCE, extractor=colours, progress=recorder)
    told = [(what, value) for label, what, value in recorder.said if label == "variants"]
    assert told[0] == ("total", 8)
    assert told[1] == ("advance", 1)
    assert told[2][0] == "status"
    assert told[2][1].startswith("at most ")
    assert told[2][1].endswith(" s left")
    assert sum(value for what, value in told if what == "advance") == 8


# Bad input


def test_bad_pictures_are_named_or_left_out(tmp_path):
    folder = write_pictures(tmp_path / "out", GENERATED)
    (folder / "bad.png").write_bytes(b"text")
    with pytest.raises(PictureError, match=r"'bad\.png' is not a picture"):
        diagnose(folder, REFERENCE, extractor=colours)
    found = diagnose(folder, REFERENCE, extractor=colours, skip_bad=True)
    expected = diagnose(GENERATED, REFERENCE, extractor=colours)
    assert found.generated.n == 9
    assert found.generated.available == 10
    for row, same in zip(found.variants, expected.variants, strict=True):
        assert row.fid == (None if same.fid is None else pytest.approx(same.fid, rel=1e-9))


def test_a_stream_cannot_be_read_twice():
    with pytest.raises(InputError, match="generated: a stream of batches passes by once"):
        diagnose(iter([GENERATED]), REFERENCE, extractor=colours)
    with pytest.raises(InputError, match="reference: a stream of batches passes by once"):
        diagnose(GENERATED, iter([REFERENCE]), extractor=colours)


def test_generated_features_have_no_pictures():
    features = mifid.features(GENERATED, extractor=colours)
    with pytest.raises(InputError, match="generated: features has no pictures to resize") as caught:
        diagnose(features, REFERENCE, extractor=colours)
    assert "Give the pictures themselves" in caught.value.hint


@pytest.mark.parametrize("limit", [1, 0, -3])
def test_a_limit_needs_two_pictures(limit):
    with pytest.raises(InputError, match=f"limit is {limit}; expected 2 or more"):
        diagnose(GENERATED, REFERENCE, limit=limit, extractor=colours)


def test_one_picture_is_refused_before_any_work():
    counting = Counting()
    with pytest.raises(FeatureError, match=r"generated: .* holds one picture"):
        diagnose(GENERATED[:1], REFERENCE, extractor=counting)
    assert counting.pictures == 0


def test_another_extractors_features_are_refused():
    other = mifid.features(REFERENCE, extractor=Counting("v1"))
    with pytest.raises(CompatibilityError, match="Counting"):
        diagnose(GENERATED, other, extractor=Counting("v2"))
