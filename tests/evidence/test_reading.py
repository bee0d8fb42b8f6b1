"""What is said of a score is true of it."""

from mifid.evidence.reading import reading_aid


def read(**changes):
    values = {"mifid": 60.0, "fid": 60.0, "memorization_distance": 0.25, "epsilon": 0.1}
    return reading_aid(**values | changes)


def test_no_penalty():
    assert read() == (
        "The memorization distance 0.2500 is not below the threshold 0.1: there is no penalty, "
        "MiFID is FID.",
    )
    # The threshold itself is not below it.
    assert "no penalty" in read(memorization_distance=0.1)[0]


def test_a_penalty():
    (sentence,) = read(mifid=1200.0, memorization_distance=0.05)
    assert "0.0500 is below the threshold 0.1" in sentence
    assert "MiFID is 20.0 times FID" in sentence
    assert "larger than FID" in read(mifid=0.0, fid=0.0, memorization_distance=0.05)[0]


def test_near_copies_and_interval():
    _, copies, interval = read(near_copies=1, n_generated=7038, interval=(58.0, 1063.5))
    assert copies.startswith("1 of 7,038 generated pictures is nearer than 0.1")
    assert "58.00 to 1,063.50" in interval
    assert read(near_copies=0, n_generated=9)[1].startswith("No generated picture is nearer")


def test_a_few_near_copies_do_not_count_and_many_do():
    few = read(near_copies=3, n_generated=120)[1]
    assert "The penalty looks at the mean: a few do not count." in few
    many = read(near_copies=117, n_generated=120, mifid=936.0, memorization_distance=0.064)[1]
    assert "117 of 120 generated pictures are nearer than 0.1" in many
    assert "a few" not in many
    assert "they are so many, or so near, that it is below, too" in many
    at = read(near_copies=1, n_generated=2, memorization_distance=0.1)[1]
    assert "a few do not count" in at  # the threshold itself is not below it


def test_what_is_not_there_is_not_read():
    assert reading_aid(mifid=None, fid=60.0, memorization_distance=None, epsilon=0.1) == ()
