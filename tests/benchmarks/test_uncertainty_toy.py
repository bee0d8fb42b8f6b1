"""The benchmark of intervals, at toy size."""

from click.testing import CliRunner

from benchmarks import uncertainty


def test_cost_coverage_and_width_are_told_of(tmp_path):
    docs = tmp_path / "benchmarks.md"
    options = ["--generated", "60", "--reference", "20", "--width", "32", "--replicates", "100"]
    options += ["--rounds", "1", "--repetitions", "2", "--wide-repetitions", "2"]
    result = CliRunner().invoke(uncertainty.main, [*options, "--docs", str(docs)])
    assert result.exit_code == 0, result.output
    text = docs.read_text()
    assert "| FID, distance and MiFID of 100 resamples |" in text
    assert "| the same distribution: 200 x 300 | 0.00 |" in text
    assert "| different distribution: 60 x 20 |" in text
