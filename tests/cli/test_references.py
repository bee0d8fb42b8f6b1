"""mifid references: the list, one of them, and fetching from a server on this machine."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from local_server import serving

from mifid.references import REFERENCES, references

WIDTH = 16


@pytest.fixture
def served(monkeypatch):
    """A server that has the file of cifar10-train."""
    file = io.BytesIO()
    np.savez(file, mu=np.zeros(WIDTH), sigma=np.eye(WIDTH))
    monkeypatch.setattr(references, "WIDTH", WIDTH)
    monkeypatch.setattr("mifid.inputs._INCEPTION_WIDTH", WIDTH)
    with serving(file.getvalue()) as running:
        own = REFERENCES["cifar10-train"]
        url = running.url.replace("w.pth", own.file)
        monkeypatch.setitem(references.REFERENCES, own.name, replace(own, urls=(url,)))
        yield running


def test_all_are_listed_within_the_width_of_a_pipe(run):
    shown = run("references").stdout
    for name in REFERENCES:
        assert f" {name} " in shown
    rows = [line for line in shown.splitlines() if line.startswith(" ")]
    assert max(map(len, rows)) <= 100
    assert str(references.references_folder()) in shown


def test_the_list_of_names_with_a_text(run):
    found = json.loads(run("references", "--like", "FFHQ", "--json").stdout)
    assert found
    assert all("ffhq" in each["name"] for each in found)
    result = run("references", "--like", "nothing")
    assert "No name contains nothing" in result.stderr


def test_json_has_all_fields(run):
    found = {each["name"]: each for each in json.loads(run("references", "--json").stdout)}
    assert list(found) == list(REFERENCES)
    one = found["cifar10-train-clean-fid"]
    assert one["extractor"] == "inception-clean-fid"
    assert one["resize"] == "pillow-bicubic-antialiased-299"
    assert one["pictures"] == 50_000
    assert one["sha256"] == "unknown"
    assert one["sha256_recorded"] is None
    assert one["path"] is None
    assert one["licence"] == "MIT"
    assert found["adm-imagenet-256"]["protocol"] == "adm"
    assert found["monet"]["extractor"] is None


def test_one_is_shown_with_what_a_paper_cites(run):
    shown = run("references", "show", "edm-cifar10").stdout
    for fact in (*REFERENCES["edm-cifar10"].urls, "arXiv:2206.00364", "not at hand", "unknown"):
        assert fact in shown
    assert json.loads(run("references", "show", "monet", "--json").stdout)["urls"] == []


def test_fetching_and_the_list_afterwards(run, served):
    result = run("references", "fetch", "cifar10-train")
    assert result.exit_code == 0
    assert "recorded now, at the first use; none is published" in result.stdout
    listed = run("references", "--like", "cifar10-train").stdout
    assert listed.count("at hand") == 1
    again = run("references", "fetch", "cifar10-train").stdout
    assert "the file of the first use" in again
    assert len(served.requests) == 1
    shown = run("references", "show", "cifar10-train").stdout
    assert str(references.references_folder()) in shown.replace("\n", "")


def test_failures(failure, served):
    message = failure("references", "fetch", "cifar10-trian")
    assert "Did you mean 'cifar10-train'?" in message
    assert "mifid references" in message
    assert "gan-getting-started/data" in failure("references", "fetch", "monet")
    failure("references", "fetch", code=2)
    served.status = 404
    assert "404" in failure("references", "fetch", "cifar10-train")


def test_an_option_of_another_resize_names_the_reference_that_fits(failure, monkeypatch, served):
    own = REFERENCES["cifar10-train-clean-fid"]
    url = served.url.replace("w.pth", own.file)
    monkeypatch.setitem(references.REFERENCES, own.name, replace(own, urls=(url,)))
    message = failure("score", "out", "--ref", own.name, "--extractor", "inception")
    assert "Use --extractor inception-clean-fid for the generated" in message
    assert "or --ref cifar10-train, the same pictures" in message
