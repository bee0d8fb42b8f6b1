"""Pictures opened again: what is shown is what was scored, or says why it is not."""

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import noise
from PIL import Image
from toys import drawn, write_pictures

from mifid.errors import UnavailableError
from mifid.evidence.evidence import Album, Shown
from mifid.evidence.galleries import (
    NO_ROOM,
    Card,
    Gallery,
    best_influence,
    encode_thumbnails,
    most_copied,
    nearest_pairs,
    never_approached,
    plot_gallery,
    random_rows,
    random_sheet,
    worst_influence,
)
from mifid.evidence.tables import picture_table, training_table
from mifid.images import open_images
from mifid.images.source import Decoded
from mifid.statistics.features import Features


def flat(level, side=8):
    return np.full((side, side, 3), level, np.uint8)


def album(levels, name="{}.png"):
    return Album([name.format(level) for level in levels], lambda row: Decoded(flat(levels[row])))


def level(shown):
    return int(shown.pixels[0, 0, 0])


@pytest.fixture
def sides(random):
    training = Features(random.rand(5, 4).astype(np.float32), tuple("tuvwx"))
    near = training.values[[3, 0, 0]] + np.float32([[0.001], [0.02], [0.3]]) * random.rand(3, 4)
    values = np.concatenate([random.rand(20, 4), near]).astype(np.float32)
    return Features(values, tuple(f"g{i}" for i in range(len(values)))), training


def test_an_album_opens_what_a_source_holds(tmp_path):
    pixels = drawn("painting", 3)
    source = open_images(write_pictures(tmp_path / "set", pixels))
    shown = Album.of(source).show(2)
    assert shown.name == "002.png"
    np.testing.assert_array_equal(shown.pixels, pixels[2])


def test_rows_are_matched_by_name_where_bad_pictures_were_left_out(tmp_path):
    pixels = drawn("painting", 4)
    source = open_images(write_pictures(tmp_path / "set", pixels))
    opened = Album.of(source, ("001.png", "003.png"))
    assert len(opened) == 2
    np.testing.assert_array_equal(opened.show(1).pixels, pixels[3])


def test_equal_names_are_matched_in_order():
    source = SimpleNamespace(
        names=["a", "b", "b"], description="a zip", read=lambda i: Decoded(flat(i))
    )
    opened = Album.of(source, ("b", "b"))
    assert [level(opened.show(row)) for row in (0, 1)] == [1, 2]


def test_a_picture_that_has_changed_since_is_a_stated_omission(tmp_path):
    folder = write_pictures(tmp_path / "set", drawn("painting", 4))
    names = tuple(f"{i:03}.png" for i in range(4))
    (folder / "000.png").write_bytes(b"no picture any more")
    (folder / "001.png").write_bytes((folder / "001.png").read_bytes()[:90])
    source = open_images(folder)
    (folder / "002.png").unlink()
    opened = Album.of(source, (*names, "gone.png"))
    shown = [opened.show(row) for row in range(5)]
    assert [picture.pixels is None for picture in shown] == [True, True, True, False, True]
    assert "is not a picture" in shown[0].missing
    assert "damaged" in shown[1].missing
    assert "002.png" in shown[2].missing
    assert shown[4].missing.startswith("'gone.png' is no longer in ")
    assert len(opened.pixels(range(5))) == 1


def test_large_pictures_are_shrunk_but_their_levels_are_kept():
    pixels = np.zeros((2000, 1500, 3), np.uint8)
    pixels[:, 750:] = 200
    opened = Album(["large"], lambda row: Decoded(pixels))
    assert opened.show(0).pixels.shape == (256, 192, 3)
    (levels,) = opened.pixels([0])
    assert levels.size < pixels.size / 3
    assert set(np.unique(levels)) == {0, 200}


def shown_noise(n, side=256):
    return [Shown(f"{i}", noise(i, side, side)) for i in range(n)]


def opened(thumbnail):
    head, _, content = thumbnail.uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content, validate=True)))


def test_thumbnails_keep_to_their_bytes():
    """Noise compresses worst: it gets smaller, until it fits."""
    pictures = shown_noise(12)
    sides = []
    for room in (10_000_000, 300_000, 60_000, 16_000):
        made = encode_thumbnails(pictures, max_bytes=room)
        assert sum(len(thumbnail.uri) for thumbnail in made) <= room
        assert all(opened(t).size == (t.width, t.height) for t in made if t.uri)
        sides.append(made[0].width)
    assert sides[0] == 224
    assert sides == sorted(sides, reverse=True)
    assert len(set(sides)) == 4


def test_thumbnails_that_fit_nowhere_are_left_out_and_say_so():
    made = encode_thumbnails(shown_noise(12), max_bytes=6_000)
    assert sum(len(thumbnail.uri) for thumbnail in made) <= 6_000
    assert made[0].uri
    assert made[-1].missing == NO_ROOM
    assert all(bool(t.uri) != bool(t.missing) for t in made)


def test_thumbnails_are_never_enlarged_and_tell_what_is_missing():
    made = encode_thumbnails([Shown("a", flat(90)), Shown("b", None, "gone")], max_bytes=10_000)
    assert (made[0].width, made[0].height) == (8, 8)
    assert np.abs(np.asarray(opened(made[0])).astype(int) - 90).max() <= 1
    assert (made[1].uri, made[1].missing) == ("", "gone")


def test_nearest_pairs(sides):
    generated, training = sides
    table = picture_table(generated=generated, training=training, reference=None, epsilon=0.01)
    gallery = nearest_pairs(
        table, generated=album(range(23)), training=album(range(100, 105)), count=4
    )
    rows = np.argsort(table.distance)[:4]
    assert [level(card.pictures[0]) for card in gallery.cards] == list(rows)
    assert [level(card.pictures[1]) - 100 for card in gallery.cards] == list(
        table.nearest_row[rows]
    )
    assert level(gallery.cards[0].pictures[0]) == 20
    assert [card.headline for card in gallery.cards] == [f"{d:.4f}" for d in table.distance[rows]]
    assert [card.marked for card in gallery.cards] == list(table.distance[rows] < 0.01)
    assert gallery.cards[0].remark == "near copy"
    assert "near copies are marked" in gallery.note


def test_pairs_without_the_training_pictures_tell_their_names(sides):
    generated, training = sides
    table = picture_table(generated=generated, training=training, reference=None, epsilon=0.01)
    card = nearest_pairs(table, generated=album(range(23)), training=None).cards[0]
    assert len(card.pictures) == len(card.roles) == 1
    assert card.remark == "near copy, nearest: w"


def test_influence(sides):
    generated, training = sides
    table = picture_table(generated=generated, training=training, reference=training, epsilon=0.1)
    worst = worst_influence(table, generated=album(range(23)), count=3)
    best = best_influence(table, generated=album(range(23)), count=3)
    order = np.argsort(table.influence)
    assert [level(card.pictures[0]) for card in worst.cards] == list(order[:3])
    assert [level(card.pictures[0]) for card in best.cards] == list(order[::-1][:3])
    assert worst.cards[0].headline == f"−{-table.influence[order[0]]:.4f}"
    assert best.cards[0].headline == f"+{table.influence[order[-1]]:.4f}"
    without = picture_table(generated=generated, training=training, reference=None, epsilon=0.1)
    with pytest.raises(UnavailableError, match="mean and covariance only"):
        worst_influence(without, generated=album(range(23)))


def test_copied_and_never_approached(sides):
    generated, training = sides
    table = training_table(generated=generated, training=training, epsilon=0.01)
    copied = most_copied(table, training=album(range(100, 105)), generated=album(range(23)))
    first = int(np.argmax(table.copied))
    assert level(copied.cards[0].pictures[0]) - 100 == first
    assert level(copied.cards[0].pictures[1]) == table.nearest_row[first]
    assert copied.cards[0].headline == f"nearest to {table.copied[first]}"
    assert sum(card.marked for card in copied.cards) == (table.near_copies > 0).sum()
    never = never_approached(table, training=album(range(100, 105)))
    assert {level(card.pictures[0]) - 100 for card in never.cards} == set(
        np.flatnonzero(table.copied == 0)
    )
    own = training_table(generated=training, training=training, epsilon=0.01)
    all_met = never_approached(own, training=album(range(5)))
    assert all_met == Gallery(
        (), "Each of the 5 training pictures is the nearest one of a generated picture."
    )


def test_random_rows_are_seeded_and_differ():
    rows = random_rows(1000, 12, seed=3)
    assert rows == sorted(set(rows)) == random_rows(1000, 12, seed=3)
    assert len(rows) == 12
    assert rows != random_rows(1000, 12, seed=4)
    assert random_rows(5, 12, seed=0) == [0, 1, 2, 3, 4]
    sheet = random_sheet(album(range(200)), count=6, seed=1)
    assert [level(card.pictures[0]) for card in sheet.cards] == random_rows(200, 6, seed=1)
    assert sheet.note == "6 of 200, drawn at random (seed 1)"


def test_pairs_as_a_figure(tmp_path):
    pair = Card(
        (Shown("a", flat(3)), Shown("$b\n<x>", None, "gone")), ("generated", "training"), "0.1"
    )
    figure = plot_gallery(Gallery((pair,) * 4), title="Nearest pairs", columns=3)
    assert len(figure.axes) == 8
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), flat(3))
    assert figure.axes[0].get_title(loc="left") == "0.1"
    assert figure.axes[1].get_xlabel() == "training"
    assert figure.axes[1].texts[0].get_text() == "cannot be shown:\n$b\\n<x>"
    figure.savefig(tmp_path / "pairs.png")
    with pytest.raises(UnavailableError, match="none at all"):
        plot_gallery(Gallery((), "none at all"), title="")
