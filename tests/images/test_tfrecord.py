"""TFRecords: framing, checksums, and the examples inside, against ones written by hand."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import (
    decoding_threads,
    encode,
    example,
    field,
    framed,
    noise,
    read_pixels,
    write_folder,
    write_tfrecord,
)

from mifid.errors import InputError, MifidError, MifidWarning, PictureError
from mifid.images import archive, open_images, tfrecord
from mifid.images.loader import BatchReader
from mifid.images.tfrecord import MalformedError, values

PICTURE = encode(noise())
ENTRIES = [(name, encode(noise(i))) for i, name in enumerate("cab")]
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def file_of(folder, *records, name="a.tfrec"):
    (folder / name).write_bytes(b"".join(records))
    return folder / name


def record(**features):
    return framed(example(features))


def test_the_writer_of_these_tests_knows_the_checksum():
    """RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8a9136aa."""
    (masked,) = struct.unpack("<I", framed(bytes(32))[-4:])
    rotated = (masked - 0xA282EAD8) % 2**32
    assert (rotated << 15 | rotated >> 17) % 2**32 == 0x8A9136AA


@pytest.mark.parametrize("name", ["a.tfrec", "A.TFREC", "a.tfrecord", "a.tfrecords-00000-of-00005"])
def test_records_are_sorted_by_their_names_and_get_an_ending(name, tmp_path):
    source = open_images(write_tfrecord(tmp_path / name, ENTRIES))
    assert source.description == f"TFRecord {tmp_path / name}"
    assert source.names == ["a.jpg", "b.jpg", "c.jpg"]
    for index, seed in enumerate((1, 2, 0)):
        np.testing.assert_array_equal(read_pixels(source, index), noise(seed))


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        (b"a.JPEG", "a.JPEG"),
        (b"a.png", "a.png"),
        (b"photo.1", "photo.1.jpg"),
        ("é".encode(), "é.jpg"),
        (b"\xe9", "\ufffd.jpg"),
        (b"", "a-00001.jpg"),
    ],
)
def test_names_without_the_ending_of_a_picture_get_one(given_name, name, tmp_path):
    source = open_images(file_of(tmp_path, record(image_name=[given_name], image=[PICTURE])))
    assert source.names == [name]


def test_records_without_a_name_are_called_after_their_file(tmp_path):
    source = open_images(file_of(tmp_path, *[record(image=[PICTURE])] * 2))
    assert source.names == ["a-00001.jpg", "a-00002.jpg"]


def test_a_folder_of_nothing_else_and_a_pattern_are_opened(tmp_path):
    write_tfrecord(tmp_path / "1.tfrec", ENTRIES[:2])
    write_tfrecord(tmp_path / "0.tfrec", ENTRIES[2:])
    (tmp_path / ".hidden.tfrec").write_bytes(b"")
    (tmp_path / "README.txt").write_bytes(b"")
    folder = open_images(tmp_path)
    assert folder.description == f"TFRecords of folder {tmp_path}"
    assert folder.names == ["a.jpg", "b.jpg", "c.jpg"]
    assert folder.skipped == {"not a TFRecord by its name": 1}
    pattern = open_images(str(tmp_path / "*.tfrec"))
    assert pattern.names == folder.names
    assert pattern.skipped == {}
    assert [folder.read(i) for i in range(3)] == [ENTRIES[i][1] for i in (1, 2, 0)]


@pytest.mark.parametrize("other", ["a.png", "sub/a.png"])
def test_a_folder_with_pictures_is_a_folder_of_pictures(other, tmp_path):
    write_tfrecord(tmp_path / "a.tfrec", ENTRIES)
    with pytest.warns(MifidWarning, match=r"first: a.tfrec\)"):
        source = open_images(write_folder(tmp_path, [(other, PICTURE)]))
    assert source.names == [other]
    assert source.skipped == {"ending in .tfrec": 1}


def test_a_pattern_that_finds_none(tmp_path):
    with pytest.raises(InputError, match=rf"no TFRecords in pattern {tmp_path}/\*\.tfrec\n"):
        open_images(str(tmp_path / "*.tfrec"))


def test_a_file_without_records(tmp_path):
    with pytest.raises(InputError, match=r"a\.tfrec holds no records"):
        open_images(file_of(tmp_path))


def test_the_hash_is_of_the_file_and_its_name(tmp_path):
    paths = [write_tfrecord(tmp_path / name, ENTRIES) for name in ("a.tfrec", "b.tfrec")]
    hashes = [open_images(path).container_sha256() for path in [*paths, tmp_path]]
    assert len(set(hashes)) == 3
    assert hashes[0] == open_images(str(tmp_path / "a*.tfrec")).container_sha256()
    write_tfrecord(paths[0], ENTRIES[::-1])
    assert open_images(paths[0]).container_sha256() != hashes[0]


# Damage


def test_a_bad_checksum_of_data_is_told_when_it_is_read(tmp_path):
    path = write_tfrecord(tmp_path / "a.tfrec", ENTRIES)
    content = bytearray(path.read_bytes())
    good = struct.unpack_from("<I", content, len(content) - 4)[0]
    content[-4] ^= 1
    path.write_bytes(content)
    source = open_images(path)
    assert source.names == ["a-00003.jpg", "a.jpg", "c.jpg"]  # a damaged name is not trusted
    np.testing.assert_array_equal(read_pixels(source, 1), noise(1))
    with pytest.raises(PictureError) as caught:
        source.read(0)
    assert caught.value.message == (
        f"'a-00003.jpg', record 3 of {path} has a bad CRC: "
        f"expected {good:#010x}, got {good ^ 1:#010x}"
    )
    assert "skip_bad=True" in caught.value.hint
    reader = BatchReader(source, batch_size=9, workers=2, skip_bad=True)
    assert [batch.indices.tolist() for batch in reader] == [[1, 2]]
    assert len(reader.bad) == 1
    assert decoding_threads() == []


def test_a_bad_checksum_of_a_length_is_told_at_once(tmp_path):
    path = write_tfrecord(tmp_path / "a.tfrec", ENTRIES)
    content = bytearray(path.read_bytes())
    content[8] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"record 1 of {path} has a bad CRC of its length: exp"):
        open_images(path)


@quick
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_flipped_byte_is_noticed(where, flip, tmp_path):
    content = bytearray(b"".join(record(image_name=[b"x"], image=[b"abcdef"]) for _ in range(3)))
    content[int(where * len(content))] ^= flip
    path = file_of(tmp_path, bytes(content))
    errors = []
    try:
        source = open_images(path)
    except InputError as error:
        assert "bad CRC of its length" in error.message  # noqa: PT017 - of either kind
        return
    for index in range(3):
        try:
            assert source.read(index) == b"abcdef"
        except PictureError as error:
            errors.append(error.message)
    assert len(errors) == 1
    assert "has a bad CRC: expected 0x" in errors[0]


def test_a_file_cut_short_anywhere_is_told_at_once(tmp_path):
    records = [record(image_name=[b"x"], image=[b"abcdef"])] * 2
    whole = b"".join(records)
    for end in range(1, len(whole)):
        if end == len(records[0]):
            continue
        path = file_of(tmp_path, whole[:end])
        number = 1 + (end > len(records[0]))
        with pytest.raises(
            InputError, match=rf"record {number} of {path} is cut short: it.* has \d+ of"
        ):
            open_images(path)


@pytest.mark.parametrize(
    ("length", "message"),
    [(archive.MAX_ENTRY_BYTES + 1, "at most 268,435,456"), (2**64 - 1, "at most 268,435,456")],
)
def test_an_absurd_length_is_refused_before_it_is_read(length, message, tmp_path):
    header = struct.pack("<Q", length)
    crc = struct.pack("<I", tfrecord._masked_crc(header))
    with pytest.raises(InputError, match=f"record 1 of .* has {length:,} bytes; .* {message}"):
        open_images(file_of(tmp_path, header + crc + bytes(100)))


def test_a_file_that_shrank_or_vanished_since_it_was_opened(tmp_path):
    path = write_tfrecord(tmp_path / "a.tfrec", ENTRIES)
    source = open_images(path)
    path.write_bytes(path.read_bytes()[:-10])
    assert source.read(0) == ENTRIES[1][1]
    with pytest.raises(PictureError, match=r"'b.jpg', record 3 of .* (is cut short|has a bad CRC)"):
        source.read(1)
    path.unlink()
    with pytest.raises(PictureError, match=r"cannot read record 2 of .*No such file"):
        source.read(0)


@pytest.mark.parametrize("name", ["a.tfrec", "a.tfrec.gz"])
def test_compressed_files_are_told(name, tmp_path):
    path = file_of(tmp_path, gzip.compress(record(image=[PICTURE])), name=name)
    with pytest.raises(InputError, match="the file is compressed\nDecompress it: gunzip"):
        open_images(path)


@pytest.mark.parametrize("content", [b"Dear diary, today", PICTURE, b"\0"])
def test_what_is_no_tfrecord(content, tmp_path):
    with pytest.raises(InputError, match=r"is not a TFRecord|is cut short"):
        open_images(file_of(tmp_path, content))


# What is inside


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            example({"image_name": [b"a"]}),
            "it has no feature 'image' or 'image/encoded'; its features are: image_name",
        ),
        (b"", "'image/encoded'; its features are: none"),
        (example({"image_raw": [b"a"], "label": []}), "its features are: image_raw, label"),
        (example({"image": []}), "feature 'image' holds 0 values of bytes; expected 1"),
        (example({"image": [b"1", b"2"]}), "feature 'image' holds 2 values"),
        (example({"image": [b"1"], "image_name": [b"", b""]}), "feature 'image_name' holds 2"),
        (b"\x0a\x05abc", "a field ends beyond the record"),
        (b"\x0a" + b"\xff" * 20, "a number has no end"),
        (b"\x0a", "a number has no end"),
        (b"\x02\x00", "field 0 of wire type 2"),
        (b"\x0b\x0c", "field 1 of wire type 3"),
        (b"\x09abc", "a field ends beyond the record"),
    ],
)
def test_records_of_something_else(data, message, tmp_path):
    path = file_of(tmp_path, record(image=[PICTURE]), framed(data))
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert caught.value.message.startswith(f"record 2 of {path}: ")
    assert message in caught.value.message
    assert "Expected a tf.train.Example with features image_name and image" in caught.value.hint


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "b/../../a", "C:\\a"])
def test_names_that_climb_out_are_refused(name, tmp_path):
    path = file_of(tmp_path, record(image_name=[name.encode()], image=[PICTURE]))
    with pytest.raises(InputError, match="points outside a folder"):
        open_images(path)


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        (b"n01.JPEG", "n01.JPEG"),
        (b"x", "x.jpg"),
        (b"/data/a/n1.png", "n1.png"),
        (None, "a-00001.jpg"),
    ],
)
def test_the_names_of_tensorflows_own_data_sets_are_read(filename, name, tmp_path):
    features = {"image/encoded": [PICTURE], "image/format": [b"png"]}
    if filename is not None:
        features["image/filename"] = [filename]
    source = open_images(file_of(tmp_path, framed(example(features))))
    assert source.names == [name]
    np.testing.assert_array_equal(read_pixels(source, 0), noise())


def test_other_kinds_of_features_are_passed_over():
    """Numbers beside the picture, packed and not, and fields that a later version may add."""
    int64_list = field(1, field(1, b"label") + field(2, field(3, b"\x08\x96\x01")))
    float_list = field(1, field(1, b"weight") + field(2, field(2, field(1, b"\0\0\x80\x3f"))))
    unpacked = field(1, field(1, b"w") + field(2, field(2, b"\x0d\0\0\x80\x3f")))
    later = b"\x78\x96\x01" + b"\x71abcdefgh" + b"\x75abcd"
    message = example({"image": [b"x" * 300]}) + field(1, int64_list + float_list) + later
    assert values(message + field(1, unpacked)) == {
        "image": [b"x" * 300],
        "label": [],
        "weight": [],
        "w": [],
    }


def test_of_a_name_that_comes_twice_the_last_counts():
    assert values(example({"a": [b"1"]}) + example({"a": [b"2"]})) == {"a": [b"2"]}


@quick
@given(st.dictionaries(st.text(max_size=5), st.lists(st.binary(max_size=200), max_size=3)))
def test_whatever_is_written_is_read(features):
    assert values(example(features)) == features


@quick
@given(st.binary(max_size=60))
def test_any_bytes_are_an_example_or_malformed(data):
    try:
        assert isinstance(values(data), dict)
    except MalformedError as error:
        assert str(error).startswith("not a tf.train.Example (")  # noqa: PT017


@quick
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_malformed_record_with_a_good_checksum_is_no_crash(where, flip, tmp_path):
    data = bytearray(example({"image_name": [b"a"], "image": [b"b" * 10]}))
    data[int(where * len(data))] ^= flip
    try:
        open_images(file_of(tmp_path, framed(bytes(data)))).read(0)
    except MifidError as error:
        assert "record 1 of" in error.message  # noqa: PT017


def test_the_competitions_own_file(data):
    source = open_images(data / "monet_tfrec")
    jpegs = set(open_images(data / "monet_jpg").names)
    assert len(source) == 60
    assert set(source.names) <= jpegs
    batches = list(BatchReader(source, batch_size=60, workers=2, skip_bad=False))
    assert [batch.pixels.shape for batch in batches] == [(60, 256, 256, 3)]
    other = open_images(data / "monet_jpg")
    same = read_pixels(other, other.names.index(source.names[7])).astype(int)
    assert np.abs(same - batches[0].pixels[7]).mean() < 8  # other JPEG settings, same picture
