"""Lists of pictures: what is written is read, and what is not ours is kept."""

import pytest

from mifid.errors import InputError, OutputError
from mifid.selection.picture_lists import check_list_output, indices_listed, write_list

NAMES = ["a/1.jpg", "a/2.jpg", "b/2.jpg", "b/3.v2.png", "c#.jpg", "water lilies.jpg"]


@pytest.fixture
def chosen(tmp_path):
    def choose(text, names=NAMES):
        path = tmp_path / "names.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return indices_listed(names, file=str(path), setting="data.select_photos")

    return choose


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("a/1.jpg", [0]),
        ("1.jpg\n", [0]),
        ("1", [0]),
        ("elsewhere/1.jpg", [0]),
        ("elsewhere\\1", [0]),
        ("b/2.jpg", [2]),
        ("3.v2", [3]),
        ("c#.jpg", [4]),
        ("b/3.v2.png\r\n\r\n  # the best\r\n1\r\n", [0, 3]),
        ("water lilies\n1\n1.jpg\na/1.jpg", [0, 5]),
        ("\ufeff1.jpg", [0]),
        ("# nothing\n\n", []),
    ],
)
def test_names_with_or_without_folder_and_ending(chosen, text, indices):
    assert chosen(text) == indices


def test_what_fits_more_exactly_goes_first(chosen):
    names = ["1.jpg", "1.png", "x/1.jpg"]
    assert chosen("1.jpg", names) == [0]
    assert chosen("1.png", names) == [1]
    assert chosen("x/1.jpg", names) == [2]


@pytest.mark.parametrize(("entry", "count"), [("2.jpg", 2), ("2", 2)])
def test_a_name_that_fits_several(chosen, entry, count):
    with pytest.raises(InputError) as caught:
        chosen(f"# first\n{entry}\n")
    assert caught.value.message.startswith(f"data.select_photos: '{entry}' (line 2 of ")
    assert caught.value.message.endswith("fits 2 pictures: 'a/2.jpg', 'b/2.jpg'")
    assert "folder and ending" in caught.value.hint


def test_unknown_names_are_counted_and_the_nearest_suggested(chosen):
    with pytest.raises(InputError) as caught:
        chosen("a/1.jpg\nwaterlilies.jpg\nx1\nx2\nx3\n")
    assert "names.txt has 4 names that none of the 6 pictures has: " in caught.value.message
    assert "'waterlilies.jpg' (line 2), 'x1' (line 3), 'x2' (line 4) and 1 more" in (
        caught.value.message
    )
    assert "'water lilies.jpg' for 'waterlilies.jpg'" in caught.value.hint


def test_names_that_are_like_none_are_answered_with_an_example(chosen):
    with pytest.raises(InputError, match=r"names are 'a/1.jpg', \.\.\."):
        chosen("zzzzzzzz")


def test_a_missing_file_and_one_that_is_no_text(chosen, tmp_path):
    with pytest.raises(InputError) as caught:
        indices_listed(NAMES, file=str(tmp_path / "gone"), setting="data.select_photos")
    assert caught.value.message == (
        f"data.select_photos: cannot read {tmp_path / 'gone'}: No such file or directory"
    )
    with pytest.raises(InputError, match=r"names\.txt is not a text in UTF-8\nExpected a text"):
        chosen(b"\x89PNG\xff")


AWKWARD = [
    "a\nb.jpg",
    "a\u2028b.jpg",
    "\u202egpj.b",
    "\x1b[2J.png",
    "é ü.jpg",
    "=1+1.jpg",
    "\ufeffx.jpg",
]


def test_what_is_written_is_read(tmp_path):
    names = [*NAMES, *AWKWARD]
    path = tmp_path / "list.txt"
    write_list(path, names[2:], among=names, remarks=["30 of\n300"])
    assert indices_listed(names, file=str(path), setting="x") == list(range(2, len(names)))
    assert path.read_text(encoding="utf-8").splitlines()[1] == r"# 30 of\n300"


@pytest.mark.parametrize("name", [" a.jpg", "a.jpg ", "#a.jpg", "twice.jpg", r"both\nways.jpg"])
def test_a_name_that_no_list_can_hold_is_refused(tmp_path, name):
    among = [name, "b.jpg", "twice.jpg", "both\nways.jpg"]
    with pytest.raises(OutputError, match="cannot be the name of a picture in a list") as caught:
        write_list(tmp_path / "list.txt", ["b.jpg", name], among=among)
    assert name in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_only_an_own_unedited_list_is_replaced(tmp_path):
    path = tmp_path / "list.txt"
    write_list(path, ["a.jpg"], among=["a.jpg", "b.jpg"])
    write_list(path, ["b.jpg"], among=["a.jpg", "b.jpg"])
    path.write_text(path.read_text() + "a.jpg\n")
    for check in (
        lambda: check_list_output(path, force=False),
        lambda: write_list(path, ["b.jpg"], among=["b.jpg"]),
    ):
        with pytest.raises(OutputError, match=r"edited since\n.*force=True"):
            check()
    assert path.read_text().endswith("b.jpg\na.jpg\n")
    write_list(path, ["b.jpg"], among=["b.jpg"], force=True)
    assert indices_listed(["a.jpg", "b.jpg"], file=str(path), setting="x") == [1]
