"""The demonstration's pictures."""

import pytest

from mifid.demo import draw_demo
from mifid.errors import OutputError
from mifid.progress import Silent
from mifid.submission.checking import check


def test_draws_a_competition_that_passes_its_own_check(tmp_path):
    drawn = draw_demo(tmp_path, Silent(), pictures=2)
    assert len(list(drawn.photos.iterdir())) == len(list(drawn.paintings.iterdir())) == 2
    assert check(drawn.submission, rules=drawn.rules).accepted
    copies = check(drawn.copies, rules=drawn.rules)
    assert copies.accepted
    assert [f.rule for f in copies.findings if f.level == "warning"] == ["byte-identical copies"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot make the folder"):
        draw_demo(tmp_path / "file" / "sub", Silent(), pictures=2)


@pytest.mark.parametrize("kind", ["real paintings", "a submission", "more beside an earlier demo"])
def test_nothing_is_drawn_over(kind, tmp_path):
    if kind == "more beside an earlier demo":
        draw_demo(tmp_path, Silent(), pictures=2)
        draw_demo(tmp_path, Silent(), pictures=2)  # an earlier demo alone is drawn again
    name = {"real paintings": "000c1e3bff.jpg", "a submission": "images.zip"}.get(kind)
    place = tmp_path / (name or "monet_jpg/000c1e3bff.jpg")
    place.write_bytes(b"real")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="is not empty: it holds"):
        draw_demo(tmp_path, Silent(), pictures=2)
    assert sorted(tmp_path.rglob("*")) == before
    assert place.read_bytes() == b"real"
