"""mifid score --by and --protocol: outputs, errors in the words of the command line."""

import csv
import json
import shutil

import pytest
from toys import drawn, repainted, write_pictures

pytestmark = pytest.mark.usefixtures("unrendered")

PAIR = ("images.zip", "--ref", "real", "--replicates", "100")


@pytest.fixture(autouse=True)
def sides(folder):
    """Generated pictures in a zip, real ones in a folder, both with folders of classes."""
    for number, label in enumerate(("cat", "dog")):
        write_pictures(folder / "made" / label, repainted(6 + number, seed=9 * number))
        write_pictures(folder / "real" / label, drawn("painting", 7, seed=9 * number))
    shutil.make_archive("images", "zip", folder, "made")
    return folder


@pytest.fixture
def by(score):
    def invoke(*arguments, code=0):
        done = score(*PAIR, *arguments)
        assert done.exit_code == code, done.output
        return done

    return invoke


def classes(done):
    return json.loads(done.stdout)["classes"]


def test_text_json_csv_and_page(sides, by):
    done = by("--by", "folder", "--class-table", "classes.csv", "--report", "page.html")
    assert "2 classes by folder, worst MiFID first" in done.stdout
    assert "Wrote classes.csv" in done.stderr
    with open("classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {"cat", "dog"}
    assert float(rows[0]["mifid_low"]) < float(rows[0]["mifid"]) < float(rows[0]["mifid_high"])
    page = (sides / "page.html").read_text()
    assert '<section id="classes">' in page
    assert "worst MiFID first" in page
    assert "--by folder" in page  # in the command that repeats it
    found = classes(by("--by", "folder", "--json"))
    assert [one["label"] for one in found["scores"]] == [row["class"] for row in rows]
    assert [one["fid"] for one in found["scores"]] == [float(row["fid"]) for row in rows]


def test_files_of_labels(sides, by):
    labels = [
        f"made/{label}/{i:03}.png,{label}"
        for label, n in (("cat", 6), ("dog", 7))
        for i in range(n)
    ]
    (sides / "ours.csv").write_text("\n".join(["name,label", *labels]))
    found = classes(by("--by", "ours.csv", "--json"))
    assert [one["n_reference"] for one in found["scores"]] == [14, 14]
    assert "--by reference=FILE.csv" in found["whole_reference"]
    both = classes(by("--by", "ours.csv", "--by", "reference=folder", "--json"))
    assert [one["n_reference"] for one in both["scores"]] == [7, 7]
    same = classes(by("--by", "generated=ours.csv", "--by", "reference=folder", "--json"))
    assert same == both


@pytest.mark.parametrize(
    ("arguments", "code", "facts"),
    [
        (["--by", "folders"], 1, ["--by", "'folders'", ".csv"]),
        (["--by", "none.csv"], 1, ["no such file", "none.csv"]),
        (["--by", "reference=folder"], 1, ["--by", "reference"]),
        (["--by", "folder", "--by", "folder"], 2, ["second", "generated"]),
        (["--class-table", "classes.csv"], 2, ["--class-table", "--by"]),
        (["--by", "folder", "--class-table", "classes.txt"], 1, ["--class-table", ".csv"]),
    ],
)
def test_errors_name_the_options(sides, by, arguments, code, facts):
    done = by(*arguments, code=code)
    assert all(fact in done.stderr for fact in facts), done.stderr
    assert not (sides / "classes.txt").exists()


@pytest.mark.filterwarnings("default::mifid.errors.MifidWarning")
def test_a_protocol_and_its_errors(by):
    done = by("--protocol", "adm", "--report", "page.html", "--ci", "0")
    assert "Protocol: adm, OpenAI's evaluator" in done.stdout
    assert "precision" in done.stdout
    with open("page.html") as file:
        page = file.read()
    assert "--protocol adm" in page
    assert "--metrics" not in page
    done = by("--protocol", "amd", code=1)
    assert "--protocol: unknown protocol 'amd'" in done.stderr
    assert "Did you mean 'adm'?" in done.stderr
