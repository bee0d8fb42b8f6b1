"""Tables read back as what they were, whatever the pictures are called, or are not there at all."""

import csv
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mifid.errors import OutputError, UnavailableError
from mifid.evidence.tables import (
    TABLE_FORMATS,
    check_table_output,
    picture_table,
    training_table,
    write_table,
)
from mifid.formatting import text_cell
from mifid.report.history import HISTORY_COLUMNS
from mifid.statistics.features import Features

HOSTILE = (
    "=SUM(A1:A9).jpg",
    "+1,2.jpg",
    "-x.jpg",
    "@cmd.jpg",
    'say "hi", twice.jpg',
    "two\nlines.jpg",
    "a\rreturn.jpg",
    "both\r\n.jpg",
    " spaces .jpg",
    "Übermäßig 画 🌷.jpg",
    "nan",
    "<script>alert(1)</script>.jpg",
    "",
)


@pytest.fixture
def tables(random):
    generated = random.rand(len(HOSTILE), 6)
    generated[4] = 0.0
    training = generated[:5] + 0.05 * random.rand(5, 6)
    one, other = (
        Features(generated.astype(np.float32), HOSTILE),
        Features(training.astype(np.float32), HOSTILE[:5]),
    )
    return (
        picture_table(generated=one, training=other, reference=other, epsilon=0.001),
        training_table(generated=one, training=other, epsilon=0.001),
    )


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file)
    return {name: [row[i] for row in rows] for i, name in enumerate(heading)}


@pytest.mark.parametrize("which", [0, 1], ids=["pictures", "training"])
def test_csv_reads_back_as_it_was(tables, which, tmp_path):
    table = tables[which]
    write_table(tmp_path / "out.csv", table)
    found = read_csv(tmp_path / "out.csv")
    assert list(found) == list(table.columns())
    for name, column in table.columns().items():
        if isinstance(column, tuple):
            assert found[name] == ["" if text is None else text_cell(text) for text in column]
        elif column.dtype == bool:
            assert found[name] == ["true" if value else "false" for value in column]
        elif column.dtype == np.int64:
            assert [int(text) for text in found[name]] == column.tolist()
        else:  # to the last bit
            read = np.array([float(text or "nan") for text in found[name]])
            np.testing.assert_array_equal(read, column)
    assert np.isnan(tables[0].distance).any()  # or the empty cells have not been tried


def test_csv_is_plain_utf8_and_quotes_only_what_must_be(tables, tmp_path):
    write_table(tmp_path / "out.CSV", tables[0])
    text = (tmp_path / "out.CSV").read_bytes().decode("utf-8")
    lines = text.split("\n")
    assert lines[0].startswith("name,nearest,distance,second_nearest,second_distance,near_copy,")
    assert lines[1].startswith("'=SUM(A1:A9).jpg,")  # text, and no formula
    assert '"say ""hi"", twice.jpg",,,,,false,' in text  # no distance: empty cells
    assert '"a\rreturn.jpg",' in text
    assert text.endswith("\n")
    assert text.count("\r") == text.count("\rreturn") + text.count("both\r\n")


@pytest.mark.parametrize("which", [0, 1], ids=["pictures", "training"])
def test_parquet_reads_back_as_it_was(tables, which, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = tables[which]
    write_table(tmp_path / "out.parquet", table)
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.column_names == list(table.columns())
    kinds = {np.dtype(bool): "bool", np.dtype(np.int64): "int64", np.dtype(np.float64): "double"}
    for name, column in table.columns().items():
        read = found.column(name)
        if isinstance(column, tuple):
            assert str(read.type) == "string"
            assert read.to_pylist() == list(column)
        else:
            assert str(read.type) == kinds[column.dtype]
            missing = np.isnan(column)
            assert read.null_count == missing.sum()
            assert [v for v in read.to_pylist() if v is not None] == column[~missing].tolist()


def test_names_that_are_not_utf8_are_spelled_out(tmp_path):
    features = Features(np.eye(2, dtype=np.float32), ("caf\udce9.jpg", "b.jpg"))
    table = picture_table(generated=features, training=features, reference=None, epsilon=0.1)
    write_table(tmp_path / "out.csv", table)
    assert read_csv(tmp_path / "out.csv")["name"] == [r"caf\udce9.jpg", "b.jpg"]
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "out.parquet", table)
    names = parquet.read_table(tmp_path / "out.parquet").column("name").to_pylist()
    assert names == [r"caf\udce9.jpg", "b.jpg"]


def test_without_influence_its_columns_are_left_out(tmp_path):
    features = Features(np.eye(3, dtype=np.float32))
    table = picture_table(generated=features, training=features, reference=None, epsilon=0.1)
    write_table(tmp_path / "out.csv", table)
    found = read_csv(tmp_path / "out.csv")
    assert list(found)[-1] == "near_copy"
    assert found["name"] == ["0", "1", "2"]
    assert found["distance"] == ["0.0"] * 3


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.csv.gz"])
def test_an_unknown_ending_is_refused_with_those_there_are(tables, name, tmp_path):
    for refused in (check_table_output, lambda path: write_table(path, tables[0])):
        with pytest.raises(OutputError, match=r"ending is not one of \.csv, \.parquet"):
            refused(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", TABLE_FORMATS)
def test_a_missing_folder_is_found_before_and_after_the_work(tables, ending, tmp_path):
    path = tmp_path / "none" / f"out{ending}"
    for refused in (check_table_output, lambda path: write_table(path, tables[0])):
        with pytest.raises(OutputError, match="does not exist; make it first") as raised:
            refused(path)
        assert str(path.parent) in raised.value.hint
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        check_table_output(tmp_path / f"folder{ending}")


@pytest.mark.parametrize("ending", TABLE_FORMATS)
def test_checking_leaves_nothing_and_keeps_what_is_there(ending, tmp_path):
    path = tmp_path / f"out{ending}"
    assert check_table_output(str(path)) == path
    assert list(tmp_path.iterdir()) == []
    path.write_text("before")
    check_table_output(path)
    assert path.read_text() == "before"


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "as spreadsheets save it"])
def test_a_history_of_scores_is_not_written_over(tables, mark, tmp_path):
    path = tmp_path / "scores.csv"
    history = f"{mark}{','.join(HISTORY_COLUMNS)}\n1.5,\n"
    path.write_text(history, encoding="utf-8")
    for refused in (check_table_output, lambda path: write_table(path, tables[0])):
        with pytest.raises(OutputError, match="it is a history of scores") as raised:
            refused(path)
        assert raised.value.hint == f"Give another file name, such as {tmp_path / 'scores-2.csv'}."
    assert path.read_text(encoding="utf-8") == history


def test_an_earlier_table_is_written_over(tables, tmp_path):
    path = tmp_path / "out.csv"
    for table in tables:
        check_table_output(path)
        write_table(path, table)
    assert list(read_csv(path)) == list(tables[1].columns())


@pytest.mark.parametrize("ending", TABLE_FORMATS)
def test_a_table_is_whole_or_not_there(tables, ending, tmp_path):
    class Broken:
        def columns(self):
            return {"name": ("a", "b"), "distance": np.array([1.0])}  # a line too few

    path = tmp_path / f"out{ending}"
    path.write_text("before")
    with pytest.raises(ValueError, match=r"shorter|length|Column"):
        write_table(path, Broken())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    write_table(path, tables[0])
    assert path.read_bytes()[:6] != b"before"


def test_parquet_without_pyarrow_says_what_to_install(tables, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if not installed
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    path = tmp_path / "out.parquet"
    for refused in (check_table_output, lambda path: write_table(path, tables[0])):
        with pytest.raises(OutputError, match="needs pyarrow") as raised:
            refused(path)
        assert raised.value.hint.startswith("pip install 'mifid[parquet]'")
    assert list(tmp_path.iterdir()) == []
    write_table(tmp_path / "out.csv", tables[0])  # which needs none


def test_pyarrow_is_not_imported_before_it_is_needed():
    code = "import mifid.evidence.tables, sys; assert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ten_thousand_pictures_are_ten_thousand_lines(random, tmp_path):
    features = Features(random.rand(10_000, 3).astype(np.float32))
    table = training_table(generated=Features(features.values[:50]), training=features, epsilon=0.1)
    write_table(tmp_path / "out.csv", table)
    found = read_csv(tmp_path / "out.csv")
    assert found["name"] == [str(row) for row in range(10_000)]
    assert sum(map(int, found["copied"])) == 50


def test_a_table_is_shown_in_a_line(tables):
    for table, kind in zip(tables, ("PictureTable", "TrainingTable"), strict=True):
        assert (
            repr(table) == f"{kind}({len(table)} pictures; columns: {', '.join(table.columns())})"
        )


def test_a_table_becomes_a_data_frame_where_pandas_is(tables, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda columns: columns))
    for table in tables:
        assert list(table.to_frame()) == list(table.columns())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UnavailableError, match="pandas, which is not installed"):
        tables[0].to_frame()
