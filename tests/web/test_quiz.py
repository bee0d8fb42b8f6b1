"""The quiz: pairs that only what they show can give away, and answers that say what happened."""

import io
import random
from collections import Counter

import numpy as np
import pytest
from pictures import noises
from PIL import Image
from toys import write_pictures

from mifid.errors import InputError
from mifid.web.quiz import ROUNDS, Pool, Quiz, open_pool

PAINTERS = ("first", "second", "third")


@pytest.fixture(scope="module")
def pool():
    real = {f"r{i}": f"real {i}".encode() for i in range(15)}
    painted = {p: {f"{p}{i}": f"{p} {i}".encode() for i in range(12)} for p in PAINTERS}
    return Pool(real, painted)


class Clock:
    time = 100.0

    def __call__(self):
        self.time += 2.5
        return self.time


def played(pool, seed=0, left=True):
    quiz = Quiz(pool, "v", random.Random(seed), Clock())
    rounds = []
    while quiz.current is not None:
        rounds.append(quiz.current)
        quiz.answer(left=left)
    return quiz, rounds


def test_all_pictures_are_of_one_kind(tmp_path):
    """Of another size, format and aspect; nothing but pixels remains."""
    noisy = write_pictures(tmp_path / "real", noises(10, 300, 500), "png")
    exif = Image.Exif()
    exif[0x010E] = "a painting"
    for path in noisy.iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), exif=exif, quality=50)
        path.unlink()
    drawn = write_pictures(tmp_path / "drawn", noises(10, 64, 32), "png")
    pool = open_pool(noisy, {"toy": drawn})
    assert set(pool.real) == {f"{i:03}.jpg" for i in range(10)}
    for content in [*pool.real.values(), *pool.painted["toy"].values()]:
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.size, image.mode) == ("JPEG", (256, 256), "RGB")
        assert not image.getexif()
        assert image.quantization == Image.open(io.BytesIO(pool.real["000.jpg"])).quantization


def test_squares_are_cut_from_the_middle(tmp_path):
    wide = np.zeros((10, 256, 768, 3), np.uint8)
    wide[:, :, 256:512] = 255
    folder = write_pictures(tmp_path / "wide", wide)
    pool = open_pool(folder, {"toy": folder})
    content = np.asarray(Image.open(io.BytesIO(pool.real["000.png"])))
    assert content.min() > 250


def test_too_few_pictures(tmp_path):
    few = write_pictures(tmp_path / "few", noises(9))
    enough = write_pictures(tmp_path / "enough", noises(10))
    with pytest.raises(InputError, match="toy has 9 pictures; a quiz needs 10"):
        open_pool(enough, {"toy": few})
    with pytest.raises(InputError, match="real has 9 pictures"):
        open_pool(few, {"toy": enough})


def test_ten_rounds_of_different_pictures(pool):
    _, rounds = played(pool)
    assert [each.number for each in rounds] == list(range(1, ROUNDS + 1))
    assert len({each.real for each in rounds}) == ROUNDS
    assert len({(each.painter, each.painting) for each in rounds}) == ROUNDS
    # Ten rounds of three painters.
    assert sorted(Counter(each.painter for each in rounds).values()) == [3, 3, 4]
    for each in rounds:
        real, other = (each.left, each.right) if each.real_is_left else (each.right, each.left)
        assert real == pool.real[each.real]
        assert other == pool.painted[each.painter][each.painting]


def test_sides_and_painters_are_drawn(pool):
    """Over many quizzes each side, and each painter in the first round, comes about equally."""
    first = [played(pool, seed)[1][0] for seed in range(300)]
    # 300 draws of 1/2 and of 1/3: four standard deviations are 35 and 33.
    assert abs(sum(each.real_is_left for each in first) - 150) < 35
    for painter in PAINTERS:
        assert abs(sum(each.painter == painter for each in first) - 100) < 33


@pytest.mark.parametrize("left", [True, False])
def test_answers_say_who_was_fooled(pool, left):
    quiz, rounds = played(pool, left=left)
    assert [a.fooled for a in quiz.answers] == [left != each.real_is_left for each in rounds]
    assert quiz.right == sum(left == each.real_is_left for each in rounds)
    assert {a.seconds for a in quiz.answers} == {2.5}
    for given, each in zip(quiz.answers, rounds, strict=True):
        assert (given.visitor, given.round, given.painter) == ("v", each.number, each.painter)
        assert (given.real, given.painting) == (each.real, each.painting)
    with pytest.raises(InputError, match="all rounds"):
        quiz.answer(left=left)
