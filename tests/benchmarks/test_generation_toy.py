"""The benchmark of painting, at toy size."""

from click.testing import CliRunner

from benchmarks import generation


def test_network_whole_and_plain_script_are_timed_and_told_of(tmp_path):
    docs = tmp_path / "training.md"
    docs.write_text("# Training\n")
    options = ["--limit", "3", "--size", "64", "--network", "resnet9", "--rounds", "1"]
    result = CliRunner().invoke(generation.main, [*options, "--docs", str(docs)])
    assert result.exit_code == 0, result.output
    assert "| resnet9, batches of 1 |" in docs.read_text()
    assert "3 drawn photos of 64 x 64" in docs.read_text()
