"""What a training loop is handed to score with."""

import numpy as np
import pytest
from toys import Counting, colours, drawn, repainted, write_pictures

from mifid.baseline.scorer import ReferenceScorer
from mifid.errors import MifidWarning
from mifid.scoring import score


@pytest.fixture
def folders(tmp_path):
    write_pictures(tmp_path / "monets", drawn("painting", 6, seed=100))
    write_pictures(tmp_path / "held_out", drawn("painting", 5, seed=200))
    return tmp_path / "monets", tmp_path / "held_out"


def batches(pictures):
    return iter([pictures[:3], pictures[3:]])


def test_a_score_is_that_of_the_same_pictures_in_a_folder(folders, tmp_path):
    monets, held_out = folders
    pictures = repainted(7)
    folder = write_pictures(tmp_path / "painted", pictures)
    expected = score(folder, held_out, memorization_reference=monets, extractor=colours)
    scored = ReferenceScorer(monets, held_out=held_out, extractor=colours)(batches(pictures))
    assert scored == {
        "mifid": pytest.approx(expected.mifid),
        "fid": pytest.approx(expected.fid),
        "memorization_distance": pytest.approx(expected.memorization_distance),
    }


def test_without_held_out_paintings_those_that_are_trained_on_are_the_reference(folders):
    monets, _ = folders
    copies = drawn("painting", 6, seed=100)
    with pytest.warns(MifidWarning, match="the generated and the reference pictures are the same"):
        scored = ReferenceScorer(monets, extractor=colours)([copies])
    assert scored["fid"] == pytest.approx(0, abs=1e-6)
    assert scored["memorization_distance"] == pytest.approx(0, abs=1e-6)


def test_epsilon_decides_on_the_penalty(folders):
    monets, held_out = folders
    pictures = repainted(7)
    free = ReferenceScorer(monets, held_out=held_out, extractor=colours, epsilon=0.0)([pictures])
    penalized = ReferenceScorer(monets, held_out=held_out, extractor=colours, epsilon=1.0)(
        [pictures]
    )
    assert free["mifid"] == pytest.approx(free["fid"])
    distance = penalized["memorization_distance"]
    assert penalized["mifid"] == pytest.approx(free["fid"] / distance)


def test_the_reference_is_computed_once(folders):
    counting = Counting()
    scorer = ReferenceScorer(folders[0], extractor=counting)
    pictures = repainted(4)
    for _ in range(3):
        scorer([pictures])
    assert counting.pictures == 6 + 3 * 4


def test_its_name_changes_with_what_scores(folders):
    names = {
        ReferenceScorer(folders[0], extractor=Counting(mark), epsilon=epsilon).name
        for mark in ("one", "two")
        for epsilon in (0.1, 0.2)
    }
    assert len(names) == 4


def test_its_name_distinguishes_weights_of_one_network(folders):
    """Fingerprints begin with the network's name and end with the hash of its weights."""
    marks = (f"inception-2015-12-05 float32 {digit * 64}" for digit in "ab")
    names = {ReferenceScorer(folders[0], extractor=Counting(mark)).name for mark in marks}
    assert len(names) == 2


def test_the_report_says_where_everything_came_from(folders, tmp_path):
    monets, held_out = folders
    painted = write_pictures(tmp_path / "painted", repainted(4))
    report = ReferenceScorer(monets, held_out=held_out, extractor=colours).report(painted)
    assert report.inputs["reference"].source == f"folder {held_out}"
    assert report.inputs["memorization_reference"].source == f"folder {monets}"
    assert np.isfinite(report.fid)


def test_few_pictures_are_no_news_within_a_loop_but_equal_ones_are(folders):
    scorer = ReferenceScorer(folders[0], held_out=folders[1], extractor=wide)
    scorer([repainted(4)])
    with pytest.warns(MifidWarning, match="have the same features") as seen:
        scorer([np.repeat(repainted(1), 4, axis=0)])
    assert not [w for w in seen if str(w.message).startswith("Few pictures")]


def wide(batch):
    """More features than there are pictures."""
    return batch.float().mean(3).flatten(1)[:, :16]
