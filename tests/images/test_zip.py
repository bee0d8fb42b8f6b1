"""Zips: read as a stream, whatever tool made them; damaged and hostile ones refused."""

import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from pictures import encode, noise, noises, patch_zip, read_pixels, write_zip, zip_symlink

from mifid.errors import InputError, MifidWarning, PictureError
from mifid.images import archive, open_images

PICTURE = encode(noise())


def zip_of(folder, *names, content=PICTURE, name="images.zip"):
    return write_zip(folder / name, [(entry, content) for entry in names])


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_compression_is_read(compression, tmp_path):
    entries = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(noises(3))]
    source = open_images(write_zip(tmp_path / "a.zip", entries, compression))
    for i, pixels in enumerate(noises(3)):
        np.testing.assert_array_equal(read_pixels(source, i), pixels)


def test_folders_are_read_at_any_depth_and_named_by_their_paths(tmp_path):
    source = open_images(zip_of(tmp_path, "z.png", "out/b/c.png", "out/", "out/a.PNG"))
    assert source.names == ["out/a.PNG", "out/b/c.png", "z.png"]
    assert source.skipped == {}


def test_what_is_no_picture_is_skipped_and_counted(tmp_path):
    extras = ["__MACOSX/._a.png", "__MACOSX/out/b.png", ".DS_Store", "out/.b.png", "Thumbs.db", "a"]
    source = open_images(zip_of(tmp_path, "a.png", *extras))
    assert source.names == ["a.png"]
    assert source.skipped == {"hidden or __MACOSX": 4, "ending in .db": 1, "without an ending": 1}


def test_nothing_is_unpacked_to_disk(tmp_path):
    source = open_images(zip_of(tmp_path, "out/a.png", "out/b.png"))
    assert [source.read(i) for i in range(2)] == [PICTURE] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["images.zip"]


def test_a_name_that_stands_twice_is_two_pictures(tmp_path):
    first, second = encode(noise(1)), encode(noise(2))
    source = open_images(write_zip(tmp_path / "a.zip", [("a.png", first), ("a.png", second)]))
    assert source.names == ["a.png", "a.png"]
    assert {source.read(0), source.read(1)} == {first, second}


@pytest.mark.parametrize("name", ["é.png", "日本 語.png", "a'b\"c.png", "[x]{y}.png", "🎨/😀.jpg"])
def test_names_of_any_script_are_kept(name, tmp_path):
    assert open_images(zip_of(tmp_path, name)).names == [name]


def test_windows_paths_are_folders_for_hiding_too(tmp_path):
    source = open_images(zip_of(tmp_path, "out\\a.png", "__MACOSX\\._a.png", "out\\.b.png"))
    assert source.names == ["out\\a.png"]
    assert source.skipped == {"hidden or __MACOSX": 2}


def test_a_zip_is_known_by_its_contents_where_its_name_does_not_say(tmp_path):
    source = open_images(zip_of(tmp_path, "a.png", name="download"))
    assert source.description == f"zip {tmp_path / 'download'}"


def test_an_empty_zip_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        open_images(zip_of(tmp_path))
    assert caught.value.message == f"no pictures in zip {tmp_path / 'images.zip'}; it is empty"
    assert "Expected files ending in .apng .bmp" in caught.value.hint


def test_a_zip_of_other_things_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(InputError, match=r"it holds 1 file ending in .txt, 1 file hidden or"):
        open_images(zip_of(tmp_path, "a.txt", ".b.png"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello, I am no zip", "it is a text"),
        (b"PK \xff but no more", r"it begins with b'PK \xff but no more'"),
        (b"", "it is empty"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "it is a 7-Zip archive"),
        (b"\x1f\x8b\x08", "it is compressed by gzip"),
        (tarfile.TarInfo("a.png").tobuf(), "it is a tar file"),
    ],
)
def test_what_is_no_zip_is_told_by_what_it_is(content, said, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / "a.zip")
    assert f"{tmp_path / 'a.zip'} is not a zip file" in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


def test_a_saved_login_page_is_told_apart(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"\n<!DOCTYPE html><html>Please log in</html>")
    with pytest.raises(InputError, match=r"(?i)was a login page saved"):
        open_images(tmp_path / "a.zip")


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_zip_that_is_cut_short_is_refused(kept, tmp_path):
    path = zip_of(tmp_path, "a.png", "b.png")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(
        InputError, match=r"images.zip is cut short: it begins like a zip"
    ) as caught:
        open_images(path)
    assert "its table of contents, " in caught.value.message
    assert "shorter than the original" in caught.value.hint


def test_a_zip_with_an_end_and_a_damaged_table_of_contents_is_not_called_cut_short(tmp_path):
    path = zip_of(tmp_path, "a.png", "b.png")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"PK\x01\x02", b"PK\x09\x09"))
    with pytest.raises(InputError, match="is a damaged zip file: Bad magic number"):
        open_images(path)


def test_an_encrypted_entry_is_named(tmp_path):
    path = patch_zip(zip_of(tmp_path, "a.png", "b.png"), "b.png", flags=0x1)
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert caught.value.message == f"zip {path}: entry 'b.png' is encrypted"
    assert "make the zip without a password" in caught.value.hint


def test_an_encrypted_entry_that_is_not_read_does_no_harm(tmp_path):
    path = patch_zip(zip_of(tmp_path, "a.png", "b.txt"), "b.txt", flags=0x1)
    assert open_images(path).names == ["a.png"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_checksum_names_its_picture(compression, tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.png", PICTURE), ("b.png", PICTURE)], compression)
    source = open_images(patch_zip(path, "b.png", crc=12345))
    assert source.read(0) == PICTURE
    with pytest.raises(PictureError, match=r"'b.png' is damaged: Bad CRC-32") as caught:
        source.read(1)
    assert "Make the archive again" in caught.value.hint
    assert "skip_bad=True" in caught.value.hint


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_stream_names_its_picture(compression, tmp_path):
    path = write_zip(tmp_path / "a.zip", [("a.png", PICTURE)], compression)
    data = bytearray(path.read_bytes())
    data[35 : 35 + len(PICTURE) // 2] = b"\xff" * (len(PICTURE) // 2)
    path.write_bytes(data)
    with pytest.raises(PictureError, match=r"'a.png' is damaged"):
        open_images(path).read(0)


@pytest.mark.parametrize(
    "entry",
    [
        "../a.png",
        "out/../../a.png",
        "/etc/a.png",
        "\\server\\a.png",
        "..\\a.png",
        "C:\\a.png",
        "c:a.png",
        "../notes.txt",
    ],
)
def test_entries_that_climb_out_are_refused_even_if_they_are_not_read(entry, tmp_path):
    with pytest.raises(InputError) as caught:
        open_images(zip_of(tmp_path, "fine.png", entry))
    where = f"zip {tmp_path / 'images.zip'}: entry '{entry}' points outside the archive"
    assert caught.value.message == where
    assert "overwrite files when unpacked" in caught.value.hint


@pytest.mark.parametrize("entry", ["a..b.png", "...png.png", "..a/b..png", "3:2.png", "a/c:d.png"])
def test_names_that_only_look_like_climbing_are_read(entry, tmp_path):
    source = open_images(zip_of(tmp_path, entry, "fine.png"))
    assert len(source) + source.skipped["hidden or __MACOSX"] == 2


def test_an_entry_that_declares_too_much_is_taken_for_a_bomb(tmp_path):
    path = patch_zip(zip_of(tmp_path, "a.png", "b.png"), "b.png", size=archive.MAX_ENTRY_BYTES + 1)
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert f"zip {path}: entry 'b.png' unpacks to 268,435,457 bytes" in caught.value.message
    assert "a picture may have at most 268,435,456" in caught.value.message
    assert "decompression bomb" in caught.value.hint


def test_many_entries_that_together_declare_too_much_are_taken_for_a_bomb(tmp_path):
    names = [f"{i}.png" for i in range(8)]
    path = zip_of(tmp_path, *names)
    for name in names:
        patch_zip(path, name, size=200 << 20)
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert f"{path.stat().st_size:,} bytes unpack to 1,677,721,600" in caught.value.message
    assert "more than 100 times as many" in caught.value.message
    assert "decompression bomb" in caught.value.hint


def test_bombs_that_are_not_read_do_no_harm(tmp_path):
    path = patch_zip(zip_of(tmp_path, "a.png", "b.txt"), "b.txt", size=1 << 31)
    assert open_images(path).names == ["a.png"]


def test_an_entry_that_unpacks_to_more_than_it_declares_is_not_unpacked(tmp_path):
    """Python's ZipFile.read would unpack up to 2 GiB before it counted."""
    bomb = zip_of(tmp_path, "a.png", content=bytes(64 << 20))
    source = open_images(patch_zip(bomb, "a.png", size=1000))
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match=r"'a.png' is damaged"):
            source.read(0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_the_compression_of_solid_bitmaps_is_no_bomb(tmp_path):
    """A thousandfold, and yet honest."""
    bitmap = encode(np.zeros((500, 500, 3), np.uint8), "BMP")
    path = zip_of(tmp_path, "a.bmp", content=bitmap)
    assert len(bitmap) > 500 * path.stat().st_size
    assert open_images(path).read(0) == bitmap


def test_names_that_are_damaged_make_a_damaged_zip(tmp_path):
    path = zip_of(tmp_path, "é.png")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match=r"images.zip is a damaged zip file: (.|\n)*Make it again"):
        open_images(path)


def test_an_entry_without_a_name_is_skipped(tmp_path):
    path = zip_of(tmp_path, "a.png", "")
    assert open_images(path).skipped == {"without an ending": 1}


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64"), (98, "PPMd"), (99, "AES encryption"), (77, "method 77")]
)
def test_a_compression_that_python_cannot_read_is_named_and_not_called_damage(
    method, name, tmp_path
):
    path = patch_zip(zip_of(tmp_path, "a.png", "b.png"), "b.png", method=method)
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert (
        f"entry 'b.png' is compressed with {name}, which Python (and Kaggle" in caught.value.message
    )
    assert "zip -0 -X -j" in caught.value.hint
    path = patch_zip(zip_of(tmp_path, "a.png", "b.txt"), "b.txt", method=method)
    assert open_images(path).names == ["a.png"]


def test_symbolic_links_are_what_they_lead_to(tmp_path):
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", [("d/a.png", PICTURE)]), "a") as zipped:
        zip_symlink(zipped, "b.png", "d/a.png")
        zip_symlink(zipped, "d/c.png", "../b.png")
        zip_symlink(zipped, "x.png", "../gen/x.png")
    source = open_images(tmp_path / "a.zip")
    assert source.names == ["b.png", "d/a.png", "d/c.png", "x.png"]
    assert [source.read(i) for i in range(3)] == [PICTURE] * 3
    with pytest.raises(
        PictureError, match=r"'x.png' is a symbolic link to '../gen/x.png'"
    ) as caught:
        source.read(3)
    assert "zip without -y" in caught.value.hint


def test_a_zip_of_links_to_elsewhere_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        for i in range(3):
            zip_symlink(zipped, f"links/{i}.jpg", f"../gen/{i}.jpg")
    with pytest.raises(InputError, match="all 3 are links out of the archive") as caught:
        open_images(tmp_path / "a.zip")
    assert "zip without -y" in caught.value.hint


def test_links_to_folders_elsewhere_are_counted_and_warned_of(tmp_path):
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", [("d/a.png", PICTURE)]), "a") as zipped:
        zip_symlink(zipped, "again", "d")  # nothing that is not there
        zip_symlink(zipped, "more", "/data/more")
    with pytest.warns(MifidWarning, match=r"not followed: 1 \(first: 'more' to '/data/more'\)"):
        source = open_images(tmp_path / "a.zip")
    assert (source.names, source.skipped) == (["d/a.png"], {"linked from elsewhere": 1})
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as zipped:
        zip_symlink(zipped, "more", "/data/more")
    with (
        pytest.warns(MifidWarning, match="not followed: 1"),
        pytest.raises(InputError, match="it holds 1 file linked from elsewhere") as caught,
    ):
        open_images(tmp_path / "b.zip")
    assert "tar -h" in caught.value.hint


def test_a_zip_in_a_zip_is_told(tmp_path):
    inner = zip_of(tmp_path, "a.png").read_bytes()
    path = write_zip(tmp_path / "kaggle.zip", [("images.zip", inner)])
    with pytest.raises(InputError, match=r"it holds 1 file ending in .zip") as caught:
        open_images(path)
    assert caught.value.hint.startswith("Give images.zip itself")
    path = write_zip(tmp_path / "kaggle.zip", [("images.zip", inner), ("sample.png", PICTURE)])
    with pytest.warns(MifidWarning, match=r"archives in it are not read: 1 \(first: images.zip\)"):
        assert open_images(path).names == ["sample.png"]
