"""What mifid serve refuses before it shows a page, and what mifid study prints."""

import json
import socket
import sqlite3
from importlib.util import find_spec

import pytest
from click.testing import CliRunner
from generators import saved
from mifid_cli.main import cli
from pictures import noises
from toys import write_pictures

from mifid.errors import InputError, MifidError, OutputError, WeightsError
from mifid.web.painters import open_painters
from mifid.web.serving import serve
from mifid.web.study import Answer, Study


def run(*arguments):
    return CliRunner().invoke(cli, [*map(str, arguments)])


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"cannot listen on port {port}") as caught:
            serve(port=port)
        done = run("serve", "--port", port)
    assert f"port={port + 1}" in caught.value.hint
    assert done.exit_code == 1
    assert f"cannot listen on port {port} of 127.0.0.1" in done.stderr
    assert f"--port {port + 1}" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_need_a_password(host, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    with pytest.raises(InputError, match=f"host is {host}, .* password is needed"):
        serve(host=host, port=0)
    done = run("serve", "--host", host, "--port", "0")
    assert done.exit_code == 1
    assert "--password" in done.stderr


@pytest.mark.skipif(find_spec("gradio") is not None, reason="gradio is installed")
def test_without_gradio(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(MifidError, match="needs gradio") as caught:
        serve(port=0)
    assert "mifid[web]" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ref", "a=x", "--ref", "a=y"], "is a second a"),
        (["--ref", "=x"], "is not NAME=PATH"),
        (["--port", "70000"], "--port"),
    ],
)
def test_usage(options, said):
    done = run("serve", *options)
    assert done.exit_code == 2
    assert said in done.stderr


def test_painters_that_are_given_and_at_hand(tmp_path, monkeypatch):
    (tmp_path / "hand").mkdir()
    monkeypatch.setenv("MIFID_PAINTERS", str(tmp_path / "hand"))
    saved(tmp_path / "hand" / "monet.safetensors")
    (tmp_path / "hand" / "broken.safetensors").write_bytes(b"no weights")
    (tmp_path / "run").mkdir()
    saved(tmp_path / "run" / "best.safetensors")
    given = [tmp_path / "run", saved(tmp_path / "own.safetensors")]
    skipped = []
    found = open_painters(given, device="cpu", skip=skipped.append)
    assert list(found) == ["run", "own", "monet"]
    assert len(skipped) == 1
    assert "'broken' cannot be used" in skipped[0]
    with pytest.raises(InputError, match="two painters are called 'own'"):
        open_painters([given[1], given[1]], device="cpu", skip=skipped.append)
    with pytest.raises(WeightsError):
        open_painters([tmp_path / "hand" / "broken.safetensors"], skip=skipped.append)


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "results.sqlite"
    kept = Study(path)
    for visitor in range(4):
        for number in range(1, 11):
            fooled = number <= 3 + visitor
            kept.add(Answer(f"v{visitor}", number, "<toy>", "p", "r", fooled, 1.0))
    kept.close()
    return path


def test_study(study):
    done = run("study", study)
    assert done.exit_code == 0
    row = next(line for line in done.stdout.splitlines() if "<toy>" in line)
    assert row.split()[:2] == ["<toy>", "45.0%"]
    assert row.split()[-2:] == ["40", "4"]
    (rate,) = json.loads(run("study", study, "--json").stdout)["painters"]
    assert (rate["fooled"], rate["answers"], rate["visitors"]) == (18, 40, 4)
    narrow = json.loads(run("study", study, "--ci", "80", "--json").stdout)["painters"][0]
    assert rate["low"] < narrow["low"] < 0.45 < narrow["high"] < rate["high"]


def test_a_study_of_one_visitor_says_so(tmp_path):
    kept = Study(tmp_path / "one.sqlite")
    kept.close()
    assert "No answer" in run("study", tmp_path / "one.sqlite").stdout
    with sqlite3.connect(tmp_path / "one.sqlite") as database:
        values = "'v', 1, 'toy', 'p', 'r', 1, 1.0, '', ''"
        columns = "visitor, round, painter, painting, real, fooled, seconds, answered, mifid"
        database.execute(f"insert into answers ({columns}) values ({values})")
    database.close()
    assert "of that visitor alone" in run("study", tmp_path / "one.sqlite").stdout


def test_a_study_that_is_none(tmp_path):
    write_pictures(tmp_path / "pictures", noises(1))
    done = run("study", tmp_path / "pictures" / "000.png")
    assert done.exit_code == 1
    assert "is no SQLite file" in done.stderr
