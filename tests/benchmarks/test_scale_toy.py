"""The benchmark of metric objects, engines and stores, at toy size."""

import pytest
from click.testing import CliRunner
from toys import Counting

from benchmarks import scale
from benchmarks.pictures import draw_pictures
from mifid.extractors.callables import CallableExtractor


def test_ratios_are_of_rounds():
    assert scale.ratio([2.0, 3.0, 8.0], [1.0, 2.0, 2.0]) == "2.00 (1.50 to 4.00)"


def test_a_store_is_written_opened_and_merged(tmp_path, here):
    docs = tmp_path / "scale.md"
    given = ["store", "--parts", "3", "--rows", "9", "--width", "4", "--rounds", "1"]
    done = CliRunner().invoke(scale.main, [*given, "--docs", str(docs)])
    assert done.exit_code == 0, done.output
    assert "| 3 parts of 9 pictures, 4 features | seconds |" in docs.read_text()
    assert "python -m benchmarks.scale store --parts 3" in docs.read_text()


@pytest.mark.parametrize("engine", ["", "local"])
def test_an_engine_fills_a_store(engine, tmp_path):
    drawn = tmp_path / "drawn"
    draw_pictures(folder=str(drawn), count=2, kind="painting")
    given = {"pictures": str(drawn), "extractor": "toys:counting", "shards": 2}
    assert scale.engine_seconds(engine=engine, **given) > 0


def test_an_update_is_timed_beside_its_network(monkeypatch):
    monkeypatch.setattr("mifid.extractors.open_extractor", lambda _: CallableExtractor(Counting()))
    found = scale.update_seconds(extractor="any", rounds=2, pictures=4)
    assert {name: len(seconds) for name, seconds in found.items()} == {"bare": 2, "update": 2}
