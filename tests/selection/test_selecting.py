"""select(): what stays, what goes and why, and each bad input in plain words."""

import json
import re

import numpy as np
import pytest
from pictures import encode
from PIL import Image
from toys import Counting, colours, drawn, write_pictures

import mifid
from mifid.errors import FeatureError, InputError, MifidWarning, OutputError, PictureError
from mifid.evidence.tables import write_table
from mifid.extractors import open_extractor
from mifid.metrics.frechet import frechet_distance
from mifid.selection.picture_lists import indices_listed
from mifid.selection.selecting import select

OWN = {"extractor": colours, "progress": False}
PICTURES = drawn("painting", 12)
HELD_OUT = drawn("painting", 10, seed=40)
BRIEF = {"population": 8, "generations": 4}


@pytest.fixture
def monet(tmp_path):
    return write_pictures(tmp_path / "monet", PICTURES)


@pytest.fixture
def refused():
    def call(source, error=InputError, **settings):
        with pytest.raises(error) as caught:
            select(source, **OWN, **settings)
        return str(caught.value)

    return call


def unit():
    values = mifid.features(PICTURES, **OWN).values.astype(float)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_without_a_choice_all_stay_and_are_measured(monet):
    found = select(monet, **OWN)
    assert found.names == tuple(f"{i:03}.png" for i in range(12))
    assert found.reasons == {}
    assert "chosen  12  all that are left" in found.text()
    assert len(found.columns()["sharpness"]) == 12


def test_keep_takes_those_with_the_nearest_neighbours(monet):
    found = select(monet, keep=4, **OWN)
    order = np.argsort(np.sort(1 - unit() @ unit().T, axis=1)[:, 5])
    assert found.names == tuple(f"{i:03}.png" for i in sorted(order[:4]))
    assert "neighbour distance" in found.reasons[f"{order[-1]:03}.png"]


@pytest.mark.parametrize("as_name", [True, False])
def test_style_takes_those_nearest_to_a_picture(monet, as_name):
    found = select(monet, style=3, like="007.png" if as_name else monet / "007.png", **OWN)
    order = np.argsort(1 - unit() @ unit()[7])
    assert order[0] == 7
    assert found.names == tuple(f"{i:03}.png" for i in sorted(order[:3]))
    assert "nearest to '007.png'" in found.text()
    assert found.columns()["style_distance"] == pytest.approx(1 - unit() @ unit()[7], abs=1e-9)


def test_several_pictures_of_a_style_count_by_the_nearest(monet):
    found = select(monet, style=3, like=PICTURES[[2, 9]], **OWN)
    order = np.argsort((1 - unit() @ unit()[[2, 9]].T).min(axis=1), kind="stable")
    assert found.names == tuple(f"{i:03}.png" for i in sorted(order[:3]))


def test_without_one_the_tightest_cluster_is_taken(monet):
    found = select(monet, style=4, **OWN)
    distance = 1 - unit() @ unit().T
    centre = np.sort(distance, axis=1)[:, 3].argmin()
    expected = np.argsort(distance[centre])[:4]
    assert found.names == tuple(f"{i:03}.png" for i in sorted(expected))
    assert f"nearest to '{centre:03}.png'" in found.choice.how
    assert "centre of the tightest 4" in found.choice.how


def test_a_search_is_judged_by_the_half_that_it_did_not_see(monet):
    found = select(monet, search=4, held_out=HELD_OUT, seed=3, **BRIEF, **OWN)
    values = mifid.features(PICTURES, **OWN).values
    other = mifid.features(HELD_OUT, **OWN).values
    order = np.random.RandomState(3).permutation(10)
    rows = [int(name[:3]) for name in found.names]
    saw, kept = found.comparisons
    assert (saw.n, kept.n) == (5, 5)
    assert saw.chosen == frechet_distance(generated=values[rows], reference=other[order[:5]])
    assert kept.chosen == frechet_distance(generated=values[rows], reference=other[order[5:]])
    assert saw.lower == 0  # so small a set is searched through
    assert "that it did not see" in found.text()
    again = select(monet, search=4, held_out=HELD_OUT, seed=3, **BRIEF, **OWN)
    assert again.to_json() == found.to_json()


def test_a_style_is_compared_with_random_choices_at_all_held_out_pictures(monet):
    (comparison,) = select(monet, style=4, held_out=HELD_OUT, **OWN).comparisons
    assert comparison.n == 10
    assert comparison.least <= comparison.mean
    assert 0 <= comparison.lower <= 1


def test_drops_come_before_the_choice_and_all_have_a_reason(tmp_path):
    pictures = np.concatenate([PICTURES, PICTURES[:1], PICTURES[1:2] // 20])
    found = select(pictures, drop="dark,duplicates", style=5, like="[00]", **OWN)
    assert found.dropped[12].criterion == "duplicates"
    assert found.dropped[13].criterion == "dark"
    assert found.to_dict()["dropped"][-2]["beside"] == "[00]"
    assert len(found.names) == 5
    assert len(found.dropped) == 9
    assert all(found.reasons.values())
    assert found.columns()["chosen"].tolist() == [row not in found.dropped for row in range(14)]
    assert np.isnan(found.columns()["style_distance"][[12, 13]]).all()


def test_the_list_is_what_training_reads(monet, tmp_path):
    found = select(monet, keep=4, **OWN)
    found.save(tmp_path / "names.txt")
    assert indices_listed(
        [f"{i:03}.png" for i in range(12)], file=str(tmp_path / "names.txt"), setting="x"
    ) == [int(name[:3]) for name in found.names]
    (tmp_path / "names.txt").write_text("mine\n")
    with pytest.raises(OutputError, match="force"):
        found.save(tmp_path / "names.txt")


def test_awkward_names_go_through_all_outputs(tmp_path):
    names = ["a\nb", "<b>&", "=1+1", "\x1b[2J", "plain"]
    folder = write_pictures(tmp_path / "in", PICTURES[:5], names=names)
    found = select(folder, keep=2, **OWN)
    found.save(tmp_path / "names.txt")
    listed = indices_listed(found.measures.names, file=str(tmp_path / "names.txt"), setting="x")
    assert [found.measures.names[i] for i in listed] == list(found.names)
    found.sheet(tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    assert "<b>&" not in page
    assert "\x1b" not in page + found.text()
    write_table(tmp_path / "all.csv", found)
    assert "'=1+1" in (tmp_path / "all.csv").read_text()
    json.loads(found.to_json())
    assert "<b>&" not in found._repr_html_()


def test_the_sheet_shows_what_stays_and_what_goes(monet, tmp_path):
    write_pictures(monet, PICTURES[:1] // 20, names=["night"])
    write_pictures(monet, PICTURES[:1], names=["twin"])
    found = select(monet, drop="dark,duplicates", style=5, **OWN)
    found.sheet(tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == ["Stays: 5", "Goes, dark: 1", "Goes, duplicates: 1", "Goes, style: 7"]
    assert page.count('src="data:image') == 5 + 1 + 2 + 7
    assert found.reasons["night.png"] in page
    with pytest.raises(OutputError, match=r"\.html"):
        found.sheet(tmp_path / "sheet.png")


def test_pixels_are_measured_once_and_cached(monet):
    counting = Counting()
    first = select(monet, keep=3, extractor=counting, progress=False)
    again = select(monet, keep=3, extractor=counting, progress=False)
    assert counting.pictures == 12
    assert again.to_dict() | {"source": 0} == first.to_dict() | {"source": 0}


def test_identical_pictures_are_no_trouble():
    same = np.repeat(PICTURES[:1], 6, axis=0)
    for how in ({"keep": 3}, {"style": 3}, {"search": 3, "held_out": HELD_OUT, **BRIEF}):
        assert select(same, drop="outliers", **how, **OWN).names == ("[0]", "[1]", "[2]")
    assert select(same, drop="duplicates", **OWN).names == ("[0]",)
    held = select(PICTURES[1:], search=3, held_out=same, **BRIEF, **OWN)
    assert all(np.isfinite(each.chosen) for each in held.comparisons)


def test_animated_grey_and_cmyk_pictures_are_read_as_elsewhere(monet):
    frames = [Image.fromarray(p) for p in PICTURES[:2]]
    frames[0].save(monet / "moving.png", save_all=True, append_images=frames[1:])
    frames[0].convert("CMYK").save(monet / "print.tiff")
    frames[0].convert("L").save(monet / "grey.png")
    found = select(monet, drop="duplicates", **OWN)
    assert {"moving.png", "print.tiff", "grey.png"} <= found.reasons.keys()


def test_broken_pictures_are_refused_or_left_out(monet, refused, tmp_path):
    (monet / "000.png").write_bytes(encode(PICTURES[0])[:60])
    assert "000.png" in refused(monet, PictureError, keep=3)
    found = select(monet, keep=11, skip_bad=True, **OWN)
    assert "000.png" not in found.names
    assert "left out" in found.text()
    found.sheet(tmp_path / "sheet.html")
    assert refused(monet, keep=3, style=None, skip_bad=True, drop="dark=999").startswith(
        "keep is 3"
    )


def test_too_few_are_refused(monet, refused):
    assert "style is 13, but there are 12" in refused(monet, style=13)
    assert "0 of 12 pictures are left: 12 dark went" in refused(monet, drop="dark=300")
    assert "drop='dark=40'" in refused(monet, drop="dark=300", keep=2)
    assert "4 or" in refused(monet, search=3, held_out=HELD_OUT[:3]).replace("at least 4", "4 or")
    assert "one picture" in refused(PICTURES[:1], FeatureError, keep=2)
    for setting in ("keep", "style", "search"):
        assert f"{setting} is 1" in refused(monet, **{setting: 1})


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"style": 13}, 0),
        ({"style": 2, "like": "gone.png"}, 0),
        ({"search": 2, "held_out": HELD_OUT[:3]}, 3),
        ({"drop": "outlier"}, 0),
    ],
)
def test_what_can_be_refused_early_is(monet, settings, most):
    counting = Counting(None)
    with pytest.raises(InputError):
        select(monet, extractor=counting, progress=False, **settings)
    assert counting.pictures <= most


def test_what_does_not_go_together_is_refused(monet, refused):
    assert "keep and style are given together" in refused(monet, keep=2, style=2)
    assert "like is given without style" in refused(monet, keep=2, like="000.png")
    assert "search needs held_out" in refused(monet, search=2)
    assert "Did you mean 'outliers'" in refused(monet, drop="outlier")


def test_a_style_that_is_no_picture_is_refused(monet, refused, tmp_path):
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "text.png").write_text("hello")
    assert "none of the 12 pictures has this name" in refused(monet, style=2, like="00.png")
    assert "like: " in refused(monet, style=2, like=tmp_path / "text.txt")
    assert "text.png" in refused(monet, PictureError, style=2, like=tmp_path / "text.png")
    assert "all 1 pictures are bad" in refused(
        monet, style=2, like=tmp_path / "text.png", skip_bad=True
    )
    assert "like: " in refused(monet, style=2, like=7)


def test_sides_without_pictures_or_features_are_refused(monet, refused, tmp_path):
    features = mifid.features(PICTURES, **OWN)
    assert "source: " in refused(features, keep=2)
    assert "twice" in refused(iter([PICTURES]), keep=2)
    statistics = mifid.Statistics.from_features(features.values, provenance=features.provenance)
    assert "held_out: " in refused(monet, search=2, held_out=statistics)


def test_shared_and_useless_held_out_pictures_are_warned_of(monet):
    with pytest.warns(MifidWarning, match="12 held-out pictures are also among"):
        found = select(monet, keep=3, held_out=monet, **OWN)
    assert any("12 held-out" in warning for warning in found.warnings)
    with pytest.warns(MifidWarning, match="no other choices"):
        assert select(monet, held_out=HELD_OUT, **OWN).comparisons == ()


def test_lite0_is_the_default(monet, monkeypatch):
    def opened(name, **_):
        return open_extractor({"lite0": colours}[name])

    monkeypatch.setattr("mifid.pipeline.options.open_extractor", opened)
    assert select(monet, keep=2, progress=False).extractor == "colours"
    assert mifid.select is select
