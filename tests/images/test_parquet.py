"""Tables with a column of pictures: Parquet files, and data sets of Hugging Face."""

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import encode, noise, read_pixels, write_folder
from PIL import Image
from toys import colours

from mifid.errors import InputError, PictureError
from mifid.images import Source, Stream, open_images, parquet
from mifid.images.loader import digests
from mifid.scoring import score

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FILES = [(f"{i:02}.png", encode(noise(i))) for i in range(12)]
BYTES = [content for _, content in FILES]
HF = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def structs(names=None):
    names = names or [f"cats/{name}" for name, _ in FILES]
    return pa.array(
        [{"bytes": content, "path": name} for content, name in zip(BYTES, names, strict=True)], HF
    )


COLUMNS = {
    "Hugging Face's structs": {"image": structs(), "label": list(range(12))},
    "bytes": {"label": list(range(12)), "jpg": pa.array(BYTES, pa.binary())},
    "large bytes, another name": {"content": pa.array(BYTES, pa.large_binary())},
    "two columns of bytes": {"mask": pa.array(BYTES[::-1]), "image": pa.array(BYTES)},
    "structs without paths": {
        "img": pa.array([{"bytes": content} for content in BYTES]),
        "caption": ["a"] * 12,
    },
}


def write(folder, columns, name="a.parquet", **options):
    pq.write_table(pa.table(columns), folder / name, **{"row_group_size": 5, **options})
    return folder / name


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_the_rows_are_the_pictures_in_their_order(kind, compression, tmp_path):
    source = open_images(write(tmp_path, COLUMNS[kind], compression=compression))
    assert [source.read(i) for i in range(12)] == BYTES
    assert [source.read(i) for i in (11, 0, 7, 4, 5)] == [BYTES[i] for i in (11, 0, 7, 4, 5)]
    assert source.names == sorted(source.names)
    assert source.names[3] == ("[03]/03.png" if kind.startswith("Hugging") else "[03]")
    assert source.travels
    source.close()


def test_a_table_is_known_by_its_first_bytes_too(tmp_path):
    path = write(tmp_path, COLUMNS["bytes"], name="0000.data")
    assert [open_images(path).read(i) for i in (0, 11)] == [BYTES[0], BYTES[11]]


def test_a_score_over_a_table_is_the_folders_to_the_bit(tmp_path):
    folder = write_folder(tmp_path / "plain", FILES)
    table = write(tmp_path, COLUMNS["Hugging Face's structs"])
    for i in range(3):
        rows = slice(4 * i, 4 * i + 4)
        write(tmp_path, {"image": structs()[rows]}, name=f"train-{i}-of-3.parquet")
    reference = np.stack([noise(seed) for seed in range(40, 55)])
    forms = [
        folder,
        table,
        str(tmp_path / "train-*.parquet"),
        str(tmp_path / "train-{0..2}-of-3.parquet"),
    ]
    reports = [score(one, reference, extractor=colours, ci=0, cache=False) for one in forms]
    for report in reports[1:]:
        assert (report.fid, report.mifid) == (reports[0].fid, reports[0].mifid)
        assert report.inputs["generated"].sha256 == reports[0].inputs["generated"].sha256


def test_a_copy_in_another_process_reads_the_same_file(tmp_path):
    path = write(tmp_path, COLUMNS["bytes"])
    source = open_images(path)
    source.read(3)
    copied = pickle.loads(pickle.dumps(source))
    assert copied.read(11) == BYTES[11]
    assert source.container_sha256() == copied.container_sha256()
    write(tmp_path, {"jpg": BYTES[:3]})
    assert source.container_sha256() is None
    with pytest.raises(InputError, match="changed after it was opened"):
        pickle.loads(pickle.dumps(source))


def test_rows_of_few_groups_are_decoded_once(tmp_path, monkeypatch):
    source = open_images(write(tmp_path, COLUMNS["bytes"]))
    decoded = []
    real = source._decoded
    monkeypatch.setattr(source, "_decoded", lambda number: decoded.append(number) or real(number))
    assert digests(source, workers=4) == digests(open_images(BYTES), workers=1)
    assert sorted(set(decoded)) == [0, 1, 2]
    assert len(decoded) <= 6


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"label": [1, 2], "caption": ["a", "b"]},
            r"no column of pictures; .*label \(int64\), cap",
        ),
        (
            {"image": ["a.png", "b.png"]},
            r"no column of pictures; its columns are: image \(string\)",
        ),
        ({"image": [1, 2]}, r"no column of pictures; its columns are: image \(int64\)"),
        (
            {"a": BYTES[:2], "b": BYTES[2:4]},
            "several columns that may be the pictures: 'a' and 'b'",
        ),
        ({"image": BYTES[:2], "jpg": BYTES[2:4]}, "several columns .* 'image' and 'jpg'"),
        ({"image": pa.array([], pa.binary())}, "no pictures in table .*; it is empty"),
        ({f"column {i}": [1] for i in range(40)}, "and 28 more"),
    ],
)
def test_a_table_without_one_column_of_pictures_is_refused(columns, said, tmp_path):
    with pytest.raises(InputError, match=said):
        open_images(write(tmp_path, columns))


def test_a_column_of_bytes_that_are_no_pictures_is_said_by_its_first_row(tmp_path):
    table = write(tmp_path, {"image": [b"no picture"] * 4})
    with pytest.raises(PictureError, match=r"'\[0\]' is not a picture: it is a text"):
        score(table, np.stack([noise(0), noise(1)]), extractor=colours, ci=0, cache=False)


def test_rows_without_bytes_are_bad_pictures_and_no_paths_are_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(BYTES[0])
    rows = [
        {"bytes": BYTES[0], "path": "../../a/x.png"},
        {"bytes": None, "path": str(tmp_path / "secret.png")},
        None,
    ]
    source = open_images(write(tmp_path, {"image": pa.array(rows, HF)}))
    assert source.names == ["[0]/x.png", "[1]/secret.png", "[2]"]
    assert source.read(0) == BYTES[0]
    for row in (1, 2):
        with pytest.raises(
            PictureError, match=rf"row {row} of .*a.parquet holds no bytes"
        ) as caught:
            source.read(row)
        assert "not followed" in caught.value.hint


def test_a_table_that_unpacks_to_too_much_is_refused_before_it_has(tmp_path, monkeypatch):
    """A dictionary holds a large value once, and a row of it costs a bit."""
    monkeypatch.setattr(parquet, "_MOST_GROUP", 1 << 20)
    path = write(tmp_path, {"image": [bytes(1 << 16)] * 5000}, row_group_size=5000)
    assert path.stat().st_size < 1 << 16
    with pytest.raises(
        PictureError, match=r"row group 0 of .*: its pictures have more than 1.0 MB"
    ):
        open_images(path).read(0)


@pytest.mark.parametrize("kept", [0, 3, 4, 100, 0.5, 0.99])
def test_a_table_that_is_cut_short_is_refused(kept, tmp_path):
    path = write(tmp_path, COLUMNS["bytes"])
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.raises(InputError, match=r"a\.parquet is not a (readable )?Parquet table"):
        open_images(path)


def test_damage_is_an_error_or_another_picture_and_never_a_crash(tmp_path):
    path = write(tmp_path, COLUMNS["bytes"], compression="zstd")
    content = path.read_bytes()
    random = np.random.RandomState(0)
    refused = []
    for _ in range(60):
        damaged = bytearray(content)
        for at in random.randint(0, len(content), 3):
            damaged[at] = random.randint(256)
        path.write_bytes(damaged)
        try:
            source = open_images(path)
            for i in range(len(source)):
                source.read(i)
        except InputError as error:
            refused.append(error.message)
    assert len(refused) > 10
    assert all("a.parquet" in message for message in refused)


def test_another_file_of_this_name_is_said_by_what_it_is(tmp_path):
    (tmp_path / "a.parquet").write_bytes(BYTES[0])
    with pytest.raises(InputError, match="is not a Parquet table: it is a PNG picture"):
        open_images(tmp_path / "a.parquet")


def test_without_pyarrow_the_package_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, COLUMNS["bytes"])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match="pyarrow, which is not installed") as caught:
        open_images(path)
    assert caught.value.hint == "pip install 'mifid[parquet]'"


def test_no_kind_leaves_the_file_open_after_an_error(tmp_path):
    path = write(tmp_path, {"label": [1]})
    with pytest.raises(InputError):
        open_images(path)  # an unclosed file would be a warning, which is an error here


# Classes of the library's own shape and name; benchmarks of the real one are in no test, since it
# is 300 MB with what it needs.


class Picture:
    """``datasets.Image``."""


class Value:
    """``datasets.Value``."""


class Dataset:
    """What is used of ``datasets.Dataset``, over rows of an Arrow table."""

    def __init__(self, table, features, kind=None):
        self.table, self.features, self.format = table, features, {"type": kind}

    def __len__(self):
        return len(self.table)

    def with_format(self, kind):
        return Dataset(self.table, self.features, kind)

    def __getitem__(self, key):
        if self.format["type"] == "arrow":
            return self.table.slice(key.start, key.stop - key.start)
        row = {name: column[key].as_py() for name, column in self.table_items()}
        if self.format["type"] == "custom":
            return {"image": Image.fromarray(noise(99))}
        return row

    def table_items(self):
        return [(name, self.table.column(name)) for name in self.table.column_names]


class DatasetDict(dict):
    """``datasets.DatasetDict``."""


for cls, name in ((Picture, "Image"), (Value, "Value"), (Dataset, "Dataset"), (DatasetDict, None)):
    cls.__module__, cls.__name__ = "datasets.somewhere", name or cls.__name__


def data_set(image=None, **others):
    columns = {"image": structs() if image is None else image, "label": list(range(12))} | others
    features = {name: Value() for name in columns} | {"image": Picture()}
    return Dataset(pa.table(columns), features | {name: Picture() for name in others})


def test_a_data_set_is_a_set_that_can_be_read_again_and_not_a_stream(tmp_path):
    source = open_images(data_set())
    assert isinstance(source, Source)
    assert source.description == "Dataset of 12 rows"
    assert [source.read(i) for i in range(12)] == BYTES
    folder = write_folder(tmp_path, FILES)
    reference = np.stack([noise(seed) for seed in range(40, 55)])
    one, other = (
        score(given, reference, extractor=colours, ci=0, cache=False)
        for given in (data_set(), folder)
    )
    assert (one.fid, one.mifid) == (other.fid, other.mifid)
    assert one.inputs["generated"].sha256 == other.inputs["generated"].sha256


def test_files_that_a_data_set_names_are_read(tmp_path):
    folder = write_folder(tmp_path, FILES)
    rows = [{"bytes": None, "path": str(folder / name)} for name, _ in FILES]
    rows[2]["path"] = str(folder / "gone.png")
    rows[3] = None
    source = open_images(data_set(pa.array(rows, HF)))
    np.testing.assert_array_equal(read_pixels(source, 11), noise(11))
    with pytest.raises(PictureError, match="row 2 of the data set names a file that cannot be"):
        source.read(2)
    with pytest.raises(PictureError, match="row 3 of the data set holds no picture"):
        source.read(3)


def test_a_data_set_with_its_own_transform_is_a_stream_of_what_that_returns():
    stream = open_images(Dataset(data_set().table, data_set().features, "custom"))
    assert isinstance(stream, Stream)
    np.testing.assert_array_equal(next(iter(stream))[0], noise(99))


def test_a_dict_of_splits_is_refused_with_their_names():
    splits = DatasetDict(train=data_set(), test=data_set())
    with pytest.raises(InputError, match="DatasetDict with the splits train and test") as caught:
        open_images(splits)
    assert caught.value.hint == "Give it by its name: data['train']."


def test_a_data_set_of_two_columns_of_pictures():
    both = data_set(conditioning=structs())
    assert open_images(both).read(1) == BYTES[1]
    del both.features["image"]
    both.features["style"] = Picture()
    with pytest.raises(InputError, match="several columns of pictures: conditioning and style"):
        open_images(both)


def test_a_data_set_without_rows():
    empty = Dataset(data_set().table.slice(0, 0), data_set().features)
    with pytest.raises(InputError, match="the data set has no rows"):
        open_images(empty)


def test_what_only_looks_like_a_data_set_is_none():
    other = SimpleNamespace(features={"image": Picture()}, __len__=lambda: 1)
    assert not parquet.accepts_data_set(other)
