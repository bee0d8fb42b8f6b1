"""Tars, plain and compressed."""

import io
import os
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import encode, noise, noises, read_pixels, write_tar

from mifid.errors import InputError, PictureError
from mifid.images import archive, open_images, tarred

PICTURE = encode(noise())
COMPRESSIONS = ["", "gz", "bz2", "xz"]


def tar_of(folder, *names, content=PICTURE, name="a.tar", compression=""):
    return write_tar(folder / name, [(entry, content) for entry in names], compression)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", ["a.tar", "A.TAR.GZ", "a.tgz", "download"])
def test_every_compression_is_told_by_its_contents_under_any_name(compression, name, tmp_path):
    entries = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(noises(3))]
    source = open_images(write_tar(tmp_path / name, entries[::-1], compression))
    assert source.names == ["0.png", "1.png", "2.png"]
    assert source.description == f"tar {tmp_path / name}"
    for i in (2, 0, 1):
        np.testing.assert_array_equal(read_pixels(source, i), noise(i))


def test_what_is_no_picture_is_skipped_and_counted(tmp_path):
    names = ["./out/a.png", "./__MACOSX/._a.png", "./.hidden/b.png", "./notes.txt"]
    source = open_images(tar_of(tmp_path, *names))
    assert source.names == ["./out/a.png"]
    assert source.skipped == {"hidden or __MACOSX": 2, "ending in .txt": 1}


def test_links_pipes_and_folders_are_not_read(tmp_path):
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
    with tarfile.open(tmp_path / "a.tar", "w") as archive_:
        for kind in kinds:
            info = tarfile.TarInfo(f"{kind.decode()}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive_.addfile(info)
        info = tarfile.TarInfo("a.png")
        info.size = len(PICTURE)
        archive_.addfile(info, io.BytesIO(PICTURE))
    source = open_images(tmp_path / "a.tar")
    assert source.names == ["a.png"]
    assert source.skipped == {"not a regular file": 4}


def test_long_and_foreign_names_are_kept(tmp_path):
    names = ["x" * 200 + ".png", "日本/é.png"]
    assert open_images(tar_of(tmp_path, *names)).names == sorted(names)


def test_names_that_are_not_utf_8_become_printable(tmp_path):
    source = open_images(tar_of(tmp_path, os.fsdecode(b"caf\xe9.png")))
    assert source.names == ["caf\\udce9.png"]
    assert source.read(0) == PICTURE


@pytest.mark.parametrize("entry", ["../a.png", "/etc/a.png", "a/../../b.png", "..\\a.png"])
def test_entries_that_climb_out_are_refused(entry, tmp_path):
    path = tar_of(tmp_path, "fine.png", entry)
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert f"tar {path}: entry '{entry}' points outside the archive" in caught.value.message
    assert "make it anew" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"hello, I am no tar" * 100])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.xz"])
def test_what_is_no_tar_is_told(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{tmp_path / name} is not a readable tar file: "):
        open_images(tmp_path / name)


def test_an_empty_tar_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"no pictures in tar {tmp_path / 'a.tar'}; it is empty"):
        open_images(tar_of(tmp_path))


def test_a_tar_of_other_things_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(InputError, match=r"it holds 1 file ending in .bin, 1 file ending in .txt"):
        open_images(tar_of(tmp_path, "a.txt", "b.bin"))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kept", [0.3, 0.6])
def test_a_tar_that_is_cut_short_is_refused(compression, kept, tmp_path):
    noisy = encode(noise(0, 60, 60))
    path = tar_of(tmp_path, "a.png", "b.png", "c.png", content=noisy, compression=compression)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=r"a.tar is not a readable tar file(.|\n)*Make it anew"):
        open_images(path)


@pytest.mark.parametrize("compression", COMPRESSIONS[1:])
def test_a_compressed_tar_that_is_damaged_is_refused(compression, tmp_path):
    path = tar_of(tmp_path, "a.png", content=encode(noise(0, 60, 60)), compression=compression)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a.tar is not a readable tar file"):
        open_images(path)


@pytest.mark.parametrize("compression", COMPRESSIONS[1:])
def test_a_cut_compressed_file_that_nothing_calls_a_tar_is_something_else(compression, tmp_path):
    path = tar_of(tmp_path, "a.png", name="download", compression=compression)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="neither pictures, nor features, nor statistics"):
        open_images(path)


def test_a_tar_that_shrinks_while_it_is_read_names_the_picture(tmp_path):
    large = encode(noise(0, 100, 100))  # more than is buffered
    source = open_images(tar_of(tmp_path, "a.png", content=large))
    os.truncate(tmp_path / "a.tar", 512 + 20)
    with pytest.raises(PictureError) as caught:
        source.read(0)
    assert caught.value.message == f"'a.png' is cut short: 20 of {len(large):,} bytes"
    assert "skip_bad=True" in caught.value.hint


def test_an_entry_that_declares_too_much_is_taken_for_a_bomb(tmp_path):
    info = tarfile.TarInfo("big.png")
    info.size = archive.MAX_ENTRY_BYTES + 512
    (tmp_path / "a.tar").write_bytes(info.tobuf())
    os.truncate(tmp_path / "a.tar", 512 + info.size + 1024)  # a hole: takes no space
    with pytest.raises(InputError) as caught:
        open_images(tmp_path / "a.tar")
    assert "entry 'big.png' unpacks to 268,435,968 bytes" in caught.value.message
    assert "decompression bomb" in caught.value.hint


@pytest.mark.parametrize("compression", COMPRESSIONS[1:])
def test_a_compressed_bomb_is_refused_before_it_has_unpacked(compression, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_FREE_EXPANSION", 1 << 20)
    path = tar_of(tmp_path, "a.png", content=bytes(16 << 20), compression=compression)
    written = []
    append = tarred._append
    monkeypatch.setattr(
        tarred,
        "_append",
        lambda spool, block, where: (written.append(len(block)), append(spool, block, where)),
    )
    with pytest.raises(InputError) as caught:
        open_images(path)
    size = path.stat().st_size
    limit = (1 << 20) + 100 * size
    assert caught.value.message == f"tar {path}: {size:,} bytes unpack to more than {limit:,}"
    assert "decompression bomb" in caught.value.hint
    assert sum(written) <= limit + (1 << 20)


def test_no_space_to_decompress_is_told_with_ways_out(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def __init__(self, max_size):
            super().__init__()

        def write(self, block):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarred.tempfile, "SpooledTemporaryFile", Full)
    path = tar_of(tmp_path, "a.png", compression="gz")
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert f"tar {path}: no space in" in caught.value.message
    assert "No space left on device" in caught.value.message
    assert "gunzip" in caught.value.hint
    assert "TMPDIR" in caught.value.hint


def test_a_large_compressed_tar_goes_through_a_file_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tarred, "_IN_MEMORY", 1000)
    entries = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(noises(3, 20, 20))]
    source = open_images(write_tar(tmp_path / "a.tar.gz", entries, "gz"))
    assert source._file._rolled
    assert [source.read(i) for i in range(3)] == [content for _, content in entries]
    source.close()


def test_threads_do_not_move_each_others_place_in_the_file(tmp_path):
    entries = [(f"{i}.png", encode(pixels)) for i, pixels in enumerate(noises(8))]
    source = open_images(write_tar(tmp_path / "a.tar", entries))
    file = source._file

    class Slow:
        def seek(self, place):
            file.seek(place)
            time.sleep(0.002)  # time enough for another thread to seek

        def read(self, size):
            return file.read(size)

    source._file = Slow()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(source.read, range(8))) == [content for _, content in entries]


def test_reading_after_closing_is_an_error(tmp_path):
    source = open_images(tar_of(tmp_path, "a.png"))
    source.close()
    with pytest.raises(ValueError, match="closed"):
        source.read(0)
