"""Classes of pictures: from folders, from files, and what is refused."""

import warnings

import numpy as np
import pytest

from mifid.errors import InputError, MifidWarning
from mifid.evaluation.labels import Grouping
from mifid.inputs import GivenSide
from mifid.statistics.features import Features
from mifid.statistics.statistics import Statistics

OURS = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]


def named(names):
    return Features(np.random.RandomState(0).rand(len(names), 3).astype(np.float32), tuple(names))


def rows(found):
    return {label: each.tolist() for label, each in found.items()}


def written(tmp_path, text, name="labels.csv"):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(tmp_path / name)


def side(label, given):
    return GivenSide(label, f"the {label}", given)


def check(by, generated, reference, *, drawn=False):
    grouping = Grouping(by)
    grouping.check(side("generated", generated), side("reference", reference), drawn=drawn)
    return grouping


# Folders


def test_the_innermost_folder_is_the_class():
    names = ["images/a/x.png", "images/b/x.png", "b/y.png", "c\\d\\z.png", "/abs/a/w.png"]
    found = Grouping("folder").sort(named(names), named(names))
    assert rows(found.generated) == {"a": [0, 4], "b": [1, 2], "d": [3]}
    assert found.reference.keys() == found.generated.keys()
    assert (found.by, found.why_whole) == ("folder", None)


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (named(["1.png", "2.png"]), "no reference picture lies in a folder"),
        (named(["real/1.png", "real/2.png"]), "'cat', 'dog' against 'real'"),
        (Statistics.from_features(np.random.RandomState(0).rand(5, 3)), "mean and covariance only"),
        (named(["0", "1"]), "no reference picture"),
    ],
)
def test_a_reference_without_these_classes_stays_whole(reference, why):
    found = Grouping("folder").sort(named(OURS), reference)
    assert found.reference is None
    assert why in found.why_whole
    # ... unless its classes were asked for.
    with pytest.raises(InputError, match="reference") as caught:
        Grouping({"generated": "folder", "reference": "folder"}).sort(named(OURS), reference)
    assert "each class is compared with all of it" in caught.value.hint or "folder" in str(
        caught.value
    )


def test_pictures_outside_of_folders_are_counted_and_the_first_is_named():
    with pytest.raises(InputError, match=r"2 of 3 generated pictures.*first: 'a\.png'"):
        Grouping("folder").sort(named(["a.png", "b.png", "cat/1.png"]), named(OURS))
    # A reference with some pictures in folders of classes is no whole one.
    with pytest.raises(InputError, match=r"1 of 3 reference pictures.*first: 'x\.png'"):
        Grouping("folder").sort(named(OURS), named(["cat/1.png", "dog/1.png", "x.png"]))


# Files


@pytest.mark.parametrize(
    "text",
    [
        "a.png,cat\nb.png,dog\n",
        "name,label\na.png,cat\nb.png,dog\n",
        '\ufefffile,class\r\n"a.png","cat"\r\n./b.png, dog \r\n\r\n',
        "b.png,dog\na.png,cat\na.png,cat",
    ],
)
def test_lines_of_a_file(tmp_path, text):
    path = written(tmp_path, text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = check(path, named(["a.png", "b.png"]), named(OURS))
    sorted_ = found.sort(named(["a.png", "b.png"]), named(OURS))
    assert rows(sorted_.generated) == {"cat": [0], "dog": [1]}
    # A file is for the generated pictures: names of both sides are often the same.
    assert sorted_.reference is None
    assert "no classes of the reference were given" in sorted_.why_whole
    assert sorted_.by == path


def test_one_file_for_both_sides_or_one_each(tmp_path):
    path = written(tmp_path, "a.png,cat\nb.png,dog\nr.png,dog\n")
    both = check(
        {"generated": path, "reference": path}, named(["a.png", "b.png"]), named(["r.png"])
    )
    found = both.sort(named(["a.png", "b.png"]), named(["r.png"]))
    assert rows(found.reference) == {"dog": [0]}
    mixed = Grouping({"generated": path, "reference": "folder"})
    found = mixed.sort(named(["a.png", "b.png"]), named(OURS))
    assert rows(found.reference) == {"cat": [0, 1], "dog": [2, 3]}


def test_rows_without_names_are_numbered(tmp_path):
    values = np.random.RandomState(0).rand(3, 2).astype(np.float32)
    found = Grouping(written(tmp_path, "0,a\n1,b\n2,a")).sort(Features(values), named(OURS))
    assert rows(found.generated) == {"a": [0, 2], "b": [1]}


def test_lines_that_fit_no_picture_are_counted_once_and_not_where_a_part_was_drawn(tmp_path):
    path = written(tmp_path, "name,label\na.png,cat\nb.png,dog\nc.png,dog\n")
    with pytest.warns(MifidWarning, match=r"1 of 4 lines of .*labels\.csv.*first: 'c\.png'"):
        check(path, named(["a.png", "b.png"]), named(OURS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(path, named(["a.png", "b.png"]), named(OURS), drawn=True)


def test_labels_that_fit_no_picture(tmp_path):
    path = written(tmp_path, "name,label\n1.png,cat\n")
    with pytest.raises(InputError, match=r"no label of .*labels\.csv fits") as caught:
        check(path, named(OURS), named(OURS))
    assert "'1.png'" in caught.value.message
    assert "'cat/1.png'" in caught.value.message


def test_pictures_without_a_label(tmp_path):
    path = written(tmp_path, "cat/1.png,cat\n")
    with pytest.raises(InputError, match=r"3 of 4 generated.*first: 'cat/2\.png'"):
        check(path, named(OURS), named(OURS))
    with pytest.raises(InputError, match="reference pictures"):
        check({"generated": "folder", "reference": path}, named(OURS), named(OURS))


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("a.png\n", ["line 1", "1 filled of 1"]),
        ("a.png,cat\nb.png,\n", ["line 2", "expected two"]),
        ("a.png,cat,3\n", ["line 1", "3 columns"]),
        ("a.png;cat\n", ["line 1", "file name, label"]),
        ("a.png,cat\na.png,dog\n", ["line 2", "'a.png'", "'dog'", "'cat'"]),
        ("", ["empty"]),
        (b"a.png,\xff\xfe\n", ["UTF-8"]),
        (b'"' + b"x" * 200_000, ["UTF-8", "labels.csv"]),
    ],
)
def test_files_that_are_no_labels(tmp_path, text, facts):
    with pytest.raises(InputError) as caught:
        Grouping(written(tmp_path, text))
    assert all(fact in str(caught.value) for fact in facts)


def test_places_without_a_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        Grouping(tmp_path / "labels.csv")
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="is not a file"):
        Grouping(tmp_path / "x.csv")


@pytest.mark.parametrize(
    "by",
    [
        "folders",
        "labels.txt",
        3,
        {"reference": "folder"},
        {"generated": "folder", "held_out": "folder"},
        {},
    ],
)
def test_ways_that_there_are_not(by):
    with pytest.raises(InputError, match="by is"):
        Grouping(by)


def test_generated_statistics_have_no_classes():
    moments = Statistics.from_features(np.random.RandomState(0).rand(5, 3))
    with pytest.raises(InputError, match=r"generated side .* no names") as caught:
        check("folder", moments, named(OURS))
    assert "by" in caught.value.hint
