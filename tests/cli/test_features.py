"""mifid features: a store that jobs fill, and what they print."""

import json

import pytest

TOY = ("--extractor", "toys:counting")


def fill(run, *numbers, count=2):
    return [run("features", "out", "-o", "store", "--shard", f"{n}/{count}", *TOY) for n in numbers]


def test_two_jobs_fill_a_store_that_scores_as_its_pictures_do(run, score):
    first, second = fill(run, 2, 1)
    assert (first.exit_code, first.stderr) == (0, "")
    assert "part-00002-" in first.stdout
    assert first.stdout.endswith(
        ": shard 2/2, 3 pictures, 6 features each, extractor toys:counting\n"
    )
    assert "shard 1/2, 3 pictures" in second.stdout
    stored = json.loads(score("store", "--ref", "monet", *TOY, "--json").stdout)
    direct = json.loads(score("out", "--ref", "monet", *TOY, "--json").stdout)
    for key in ("fid", "memorization_distance", "mifid"):
        assert stored[key] == pytest.approx(direct[key], rel=1e-9)
    assert stored["inputs"]["generated"]["source"] == "features in store"
    assert stored["inputs"]["generated"]["sha256"] == direct["inputs"]["generated"]["sha256"]


def test_a_page_of_a_store_shows_its_pictures(run, score, folder, undrawn):
    fill(run, 1, 2)
    assert score("store", "--ref", "monet", *TOY, "--ci", "0", "--report", "a.html").exit_code == 0
    assert score("out", "--ref", "monet", *TOY, "--ci", "0", "--report", "b.html").exit_code == 0
    shown, direct = (
        (folder / name).read_text().count("data:image") for name in ("a.html", "b.html")
    )
    assert shown == direct > 0


def test_a_part_that_is_there_is_said_to_be(run):
    fill(run, 1)
    (again,) = fill(run, 1)
    assert "(was there already)" in again.stdout


def test_missing_shards_are_refused_unless_told(run, score, failure):
    fill(run, 1, 3, count=4)
    message = failure("score", "store", "--ref", "monet", *TOY)
    assert "IMAGES: store is incomplete, without 2 of 4 shards: 2/4, 4/4" in message
    assert "--shard 2/4" in message
    assert "--incomplete" in message
    found = score("store", "--ref", "monet", *TOY, "--incomplete")
    assert "without 2 of the 4 shards of the feature store" in found.stdout
    said = json.loads(score("store", "--ref", "monet", *TOY, "--incomplete", "--json").stdout)
    assert "without 2 of the 4 shards" in said["not_comparable_reason"]


def test_what_cannot_be_is_said_in_the_words_of_the_command(run, failure, folder):
    message = failure("features", "out", "-o", "store", "--shard", "5/4", *TOY)
    assert "--shard is 5/4: there is no such shard" in message
    assert "--array=1-4" in message
    assert "NUMBER/COUNT" in failure("features", "out", "-o", "store", "--shard", "x", *TOY)
    fill(run, 1)
    message = failure("features", "out", "-o", "store", "--shard", "2/3", *TOY)
    assert "store holds parts of different numbers of shards" in message
    part = next((folder / "store").iterdir())
    part.write_bytes(part.read_bytes()[:-100])
    message = failure("score", "store", "--ref", "monet", *TOY)
    assert part.name in message
    assert "Remove it and compute its shard again" in message
