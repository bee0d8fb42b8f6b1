"""mifid zip: what was converted, and whether it would be accepted."""

import json
from dataclasses import replace

import pytest
from pictures import encode, noise, write_folder

from mifid.submission import conversion, writer

RULES = replace(writer.MONET, at_least=2, at_most=6, size=(16, 16))


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    monkeypatch.setitem(conversion.zip_pictures.__kwdefaults__, "rules", RULES)


@pytest.fixture
def painted(folder):
    entries = [(f"{i}.jpg", encode(noise(i, 16, 16), "JPEG")) for i in range(2)]
    return write_folder(folder / "painted", [*entries, ("2.png", encode(noise(2, 16, 16)))])


def test_it_says_what_was_converted_and_that_it_is_accepted(painted, run):
    result = run("zip", painted, "-o", "images.zip")
    assert result.exit_code == 0, result.output
    assert "images.zip: 3 pictures, 2 of them unchanged, 0 resized; converted: 1 PNG RGB" in (
        " ".join(result.stdout.split())
    )
    assert "images.zip would be accepted" in result.stdout
    found = json.loads(run("zip", painted, "--force", "--json").stdout)
    assert found["accepted"] is True
    assert found["converted"] == {"PNG RGB": 1}


def test_errors_name_options(painted, failure):
    write_folder(painted, [("wide.png", encode(noise(0, 8, 32)))])
    message = failure("zip", painted)
    assert "wide.png (32 x 8)" in message
    assert "--fit crop" in message
    assert "--output" in failure("zip", painted, "-o", "other.zip")
