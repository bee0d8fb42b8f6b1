"""mifid check: a table of findings, and an exit code to go by."""

import json

import pytest
from pictures import encode, noise, patch_zip, write_zip

from mifid import submission
from mifid.submission import checking

RULES = submission.Rules("small", "images.zip", 2, 4, "JPEG", (16, 16), "RGB")


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    """Rules for few, small pictures, in the place of Kaggle's."""
    monkeypatch.setattr(submission, "MONET", RULES)
    monkeypatch.setitem(checking.check.__kwdefaults__, "rules", RULES)


def jpegs(n):
    return [(f"{i}.jpg", encode(noise(i, 16, 16), "JPEG")) for i in range(n)]


def test_a_good_submission_is_0(run):
    write_zip("images.zip", jpegs(3))
    result = run("check", "images.zip")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "images.zip would be accepted by 'small'." in result.stdout
    for heading in ("checked", "found", "what to do"):
        assert heading in result.stdout
    assert "refused" not in result.stdout
    assert "warning" not in result.stdout
    assert "3 pictures" in result.stdout


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (jpegs(1), ["number", "1 picture ", "Hand in 2 to 4."]),
        ([*jpegs(2), ("a.txt", b"")], ["foreign files", "1: a.txt", "Zip only the pictures"]),
        ([*jpegs(2), ("9.jpg", b"text")], ["damaged", "1: '9.jpg' is not a picture"]),
        ([*jpegs(2), ("9.jpg", encode(noise(0, 16, 16)))], ["format", "1 not JPEG: 9.jpg (PNG)"]),
        ([*jpegs(2), ("9.jpg", encode(noise(), "JPEG"))], ["size", "Resize to 16x16."]),
    ],
)
def test_what_kaggle_would_refuse_is_1_with_what_to_do(entries, said, run):
    write_zip("images.zip", entries)
    result = run("check", "images.zip")
    assert result.exit_code == 1
    assert "images.zip would be refused by 'small'." in result.stdout
    (row,) = [line for line in result.stdout.splitlines() if line.split()[:1] == ["refused"]]
    assert said[0] in row
    for words in said:
        assert words in " ".join(result.stdout.split())


def test_warnings_are_no_refusal(run):
    same = jpegs(1)[0][1]
    write_zip("images.zip", [("a.jpg", same), ("b.jpg", same)])
    result = run("check", "images.zip")
    assert result.exit_code == 0
    assert "warning" in result.stdout
    assert "Did the generator collapse?" in result.stdout


def test_json_says_the_same(run):
    write_zip("images.zip", [*jpegs(2), ("a.txt", b"")])
    result = run("check", "images.zip", "--json")
    assert result.exit_code == 1
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert found["accepted"] is False
    by_rule = {finding["rule"]: finding for finding in found["findings"]}
    assert by_rule["foreign files"]["level"] == "refused"
    assert by_rule["foreign files"]["found"] == "1: a.txt"
    assert by_rule["number"] == {
        "level": "ok",
        "rule": "number",
        "found": "2 pictures",
        "advice": "",
    }
    write_zip("images.zip", jpegs(2))
    result = run("check", "images.zip", "--json", "--workers", "1")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["accepted"] is True


def test_names_are_shown_as_they_are_and_not_as_markup(run):
    write_zip("images.zip", [*jpegs(2), ("[red]a.txt", b"")])
    assert "[red]a.txt" in run("check", "images.zip").stdout


def make_bad(kind, folder):
    path = folder / "images.zip"
    if kind == "missing":
        return path, [f"no such file or folder: {path}", "Expected a zip named images.zip"]
    if kind == "folder":
        return folder, [f"{folder} is a folder", "Expected a zip named images.zip"]
    if kind == "array":
        path.write_bytes(b"\x93NUMPY")
        return path, [f"{path} is not a zip file: it is a NumPy array", "Expected a zip"]
    if kind == "text":
        path.write_bytes(b"hello")
        return path, [f"{path} is not a zip file: it is a text", "give images.zip"]
    if kind == "cut short":
        write_zip(path, jpegs(3))
        path.write_bytes(path.read_bytes()[:500])
        return path, [f"{path} is cut short", "its table of contents"]
    if kind == "web page":
        path.write_bytes(b"<html>")
        return path, ["login page saved instead of the file?"]
    assert kind == "bomb"
    patch_zip(write_zip(path, jpegs(2)), "1.jpg", size=1 << 30)
    return path, ["entry '1.jpg' unpacks to 1,073,741,824 bytes", "decompression bomb"]


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize(
    "kind", ["missing", "folder", "array", "text", "cut short", "web page", "bomb"]
)
def test_what_cannot_be_checked_is_told(kind, flags, failure, folder):
    path, said = make_bad(kind, folder)
    message = failure("check", path, *flags)
    for words in said:
        assert words in message


def test_ctrl_c_is_told(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "_inspect", interrupt)
    write_zip("images.zip", jpegs(2))
    result = run("check", "images.zip")
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert result.stdout == ""
