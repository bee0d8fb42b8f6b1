"""Tars, plain and compressed."""

import io
import os
import struct
import tarfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encode, noise, noises, read_pixels, write_tar

from mifid.errors import InputError, MifidError, MifidWarning, PictureError
from mifid.images import archive, open_images, tar

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


def test_pipes_devices_and_folders_are_not_read(tmp_path):
    kinds = [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE]
    with tarfile.open(tmp_path / "a.tar", "w") as archive_:
        for kind in kinds:
            info = tarfile.TarInfo(f"{kind.decode()}.png")
            info.type = kind
            archive_.addfile(info)
        info = tarfile.TarInfo("a.png")
        info.size = len(PICTURE)
        archive_.addfile(info, io.BytesIO(PICTURE))
    source = open_images(tmp_path / "a.tar")
    assert source.names == ["a.png"]
    assert source.skipped == {"of a special kind (pipe, device)": 3}


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
    assert "make it again" in caught.value.hint


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
    with pytest.raises(InputError, match=r"a.tar is not a readable tar file(.|\n)*Make it again"):
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
    append = tar._append
    monkeypatch.setattr(
        tar,
        "_append",
        lambda spool, block, where: (written.append(len(block)), append(spool, block, where)),
    )
    with pytest.raises(InputError) as caught:
        open_images(path)
    size = path.stat().st_size
    limit = (1 << 20) + 100 * size
    assert caught.value.message == f"tar {path}: {size:,} bytes unpack to more than {limit:,} bytes"
    assert "decompression bomb" in caught.value.hint
    assert sum(written) <= limit + (1 << 20)


def test_no_space_to_decompress_is_told_with_ways_out(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def __init__(self, max_size):
            super().__init__()

        def write(self, block):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tar.tempfile, "SpooledTemporaryFile", Full)
    path = tar_of(tmp_path, "a.png", compression="gz")
    with pytest.raises(InputError) as caught:
        open_images(path)
    assert f"tar {path}: cannot decompress it into" in caught.value.message
    assert "No space left on device" in caught.value.message
    assert "gunzip" in caught.value.hint
    assert "TMPDIR" in caught.value.hint


def test_a_large_compressed_tar_goes_through_a_file_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tar, "_IN_MEMORY", 1000)
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


# Links and odd members


def member(name, size=0, kind=b"0", link="", content=b"", magic=b"ustar\x0000"):
    """A member put together by hand, with any number as its size."""
    block = bytearray(tarfile.TarInfo("x").tobuf())
    block[:100] = name.encode().ljust(100, b"\0")
    block[124:136] = size if isinstance(size, bytes) else b"%011o\0" % size
    block[156:157], block[157:257] = kind, link.encode().ljust(100, b"\0")
    block[257:265] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % 512)


def number(value):
    """A number in base 256, as GNU writes large and negative ones."""
    return struct.pack("B", 0x80 if value >= 0 else 0xFF) + (value % (1 << 88)).to_bytes(11, "big")


END = bytes(1024)
PLAIN = member("a.png", len(PICTURE), content=PICTURE)


def tar_from(folder, *members, name="a.tar"):
    (folder / name).write_bytes(b"".join(members))
    return folder / name


def test_links_are_what_they_lead_to(tmp_path):
    path = tar_from(
        tmp_path,
        member(".pool/1", len(PICTURE), content=PICTURE),
        member("./set/hard.png", kind=b"1", link=".pool/1"),
        member("set/hard again.png", kind=b"1", link="set/hard.png"),
        member("set/soft.png", kind=b"2", link="../.pool/./1"),
        member("set/chain.png", kind=b"2", link="soft.png"),
        member("set/hard to soft.png", kind=b"1", link="set/soft.png"),
        member("pool", kind=b"2", link=".pool"),
        member("set/through.png", kind=b"2", link="../pool/1"),
        member("set/before.png", kind=b"2", link="later.png"),
        member("set/later.png", len(PICTURE), content=PICTURE),
        END,
    )
    source = open_images(path)
    assert len(source) == 8
    assert [source.read(i) for i in range(8)] == [PICTURE] * 8
    assert source.skipped == {"hidden or __MACOSX": 1, "without an ending": 1}


@pytest.mark.parametrize(
    "link", ["/etc/passwd", "../../../etc/passwd", "gone.png", "b.png", "", "a.png/x", "C:\\a.png"]
)
@pytest.mark.parametrize("kind", [b"1", b"2"])
def test_links_to_what_is_not_there_are_pictures_that_cannot_be_read(kind, link, tmp_path):
    path = tar_from(tmp_path, PLAIN, member("b.png", kind=kind, link=link), END)
    source = open_images(path)
    assert source.names == ["a.png", "b.png"]
    with pytest.raises(PictureError, match=r"'b.png' is a (symbolic|hard) link to") as caught:
        source.read(1)
    assert "tar -h" in caught.value.hint
    assert "skip_bad" in caught.value.hint


def test_a_tar_of_nothing_but_lost_links_is_refused(tmp_path):
    links = [member(f"{i}.png", kind=b"2", link=f"/data/{i}.png") for i in range(3)]
    with pytest.raises(InputError, match=r"all 3 are links out of the archive \('0.png' to"):
        open_images(tar_from(tmp_path, *links, END))


def test_links_that_go_round_in_circles_end(tmp_path):
    loops = [member("x.png", kind=b"2", link="y.png"), member("y.png", kind=b"2", link="x.png")]
    fan = [member(f"{i}", kind=b"2", link=f"{i + 1}/{i + 1}/{i + 1}") for i in range(60)]
    deep = member("z.png", kind=b"2", link="0/0/0")
    source = open_images(tar_from(tmp_path, PLAIN, *loops, *fan, deep, END))
    assert source.names == ["a.png", "x.png", "y.png", "z.png"]


def test_links_are_counted_once_by_the_look_for_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_FREE_EXPANSION", 0)
    monkeypatch.setattr(archive, "_MAX_EXPANSION", 1)
    links = [member(f"{i}.png", kind=b"1", link="a.png") for i in range(200)]
    large = member("a.png", 100_000, content=bytes(100_000))
    assert len(open_images(tar_from(tmp_path, large, *links, END))) == 201


def sparse_gnu(name):
    """A member of `tar -S` as GNU writes it, with one extended header."""
    block = bytearray(member(name, 512, b"S"))
    block[482] = 1
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(512) + bytes(512)


def sparse_pax(name):
    said = b"22 GNU.sparse.major=1\n25 GNU.sparse.name=" + name.encode() + b"\n"
    return member("pax", len(said), b"x", content=said) + member("g/x", 512, content=bytes(512))


@pytest.mark.parametrize("sparse", [sparse_gnu, sparse_pax])
def test_sparse_files_are_refused_and_not_read_otherwise(sparse, tmp_path):
    """`tar -S`: of the file only what is not zero is stored, elsewhere than it was."""
    with pytest.raises(InputError, match=r"entry 's.bmp' is stored in parts") as caught:
        open_images(tar_from(tmp_path, PLAIN, sparse("s.bmp"), END))
    assert "tar -S" in caught.value.hint
    assert open_images(tar_from(tmp_path, sparse("s.txt"), PLAIN, END)).names == ["a.png"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (member("b.png", number(-512)), "no number where one is expected"),
        (member("b.png", number(-1)), "no number where one is expected"),
        (member("b.png", b"-0000000001\0"), "no number where one is expected"),
        (member("b.png", number(1 << 80)), "is cut short"),
        (member("b.png", 1 << 30), "is cut short: .* of 1,073,741,824 bytes are there"),
        (member("././@LongLink", number(1 << 40), b"L"), "claims 1,099,511,627,776 bytes"),
        (member("pax", number(1 << 40), b"x"), "claims 1,099,511,627,776 bytes"),
        (member("pax", 7, b"x", content=b"7 size="), "is damaged"),
        (member("pax", 12, b"x", content=b"12 size=-51\n"), "no number where"),
        (member("pax", 5, b"x", content=b"0 a=\n"), "is damaged"),
        (member("pax", 6, b"x", content=b"hello\n"), "is damaged"),
        (b"\1" * 512, "a damaged header at byte"),
        (PLAIN[:300], "ends within the header"),
    ],
)
def test_a_damaged_header_is_told_and_not_taken_for_the_end(damage, said, tmp_path):
    """Python's tarfile ends there, as if no picture followed; in some versions, never."""
    path = tar_from(tmp_path, PLAIN, damage, *([PLAIN, END] if len(damage) >= 512 else []))
    with pytest.raises(InputError, match=f"is not a readable tar file: (.*{said})"):
        open_images(path)


def test_a_size_of_pax_is_the_size(tmp_path):
    size = next(s for n in range(9, 20) if len(s := b"%d size=%d\n" % (n, len(PICTURE))) == n)
    path = tar_from(
        tmp_path,
        member("pax", len(size), b"x", content=size),
        member("a.png", 0, content=PICTURE),
        PLAIN.replace(b"a.png", b"b.png").replace(
            PLAIN[148:156], member("b.png", len(PICTURE))[148:156]
        ),
        END,
    )
    source = open_images(path)
    assert [source.read(i) for i in range(2)] == [PICTURE] * 2


def test_a_tar_without_an_end_is_warned_of(tmp_path):
    """Cut short just between two members, it looks whole."""
    with pytest.warns(MifidWarning, match="has no end mark; it may be cut short"):
        assert open_images(tar_from(tmp_path, PLAIN)).names == ["a.png"]


def test_another_archive_called_tar_is_told(tmp_path):
    for start, said in ((b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"), (b"PK\x03\x04", "a zip file")):
        path = tar_from(tmp_path, start + bytes(range(1, 200)) * 9)
        with pytest.raises(InputError, match=f"is not a readable tar file: it is {said}"):
            open_images(path)


names = st.text(st.sampled_from("aé/b. "), min_size=1, max_size=150).filter(
    lambda name: name.strip("/. ") and not name.startswith("/") and ".." not in name
)


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(st.tuples(names, st.binary(max_size=1100)), min_size=1, max_size=5),
    format=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    mtime=st.sampled_from([0, 1.5, 1 << 34]),
)
def test_what_pythons_tarfile_writes_is_read(entries, format, mtime, tmp_path_factory):
    written = io.BytesIO()
    try:
        with tarfile.open(fileobj=written, mode="w", format=format) as archive_:
            for name, content in entries:
                info = tarfile.TarInfo(name + ".png")
                info.size, info.mtime = len(content), mtime
                archive_.addfile(info, io.BytesIO(content))
    except ValueError:  # names and times that the format has no room for
        return
    with tarfile.open(fileobj=io.BytesIO(written.getvalue())) as archive_:
        expected = sorted((m.name, archive_.extractfile(m).read()) for m in archive_)
    written.seek(0)
    found = [(e.name, e.where) for e in tar._members(written, "a")]
    data = written.getvalue()
    assert sorted((n, data[at : at + size]) for n, (at, size) in found) == expected


@settings(max_examples=150, deadline=None)
@given(
    hits=st.lists(st.tuples(st.integers(0, 5 * 512 - 1), st.integers(0, 255)), max_size=5),
    mend=st.booleans(),
)
def test_any_damage_is_an_archive_or_an_error(hits, mend, tmp_path_factory):
    content = bytearray(
        member("././@LongLink", 7, b"L", content=b"b.png\0\0")
        + PLAIN
        + member("l.png", kind=b"1", link="b.png")
        + END
    )
    for at, value in hits:
        content[at % len(content)] = value
    for at in range(0, len(content) - 1024, 512) if mend else ():
        content[at + 148 : at + 156] = b" " * 8
        content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    path = tar_from(tmp_path_factory.mktemp("a"), bytes(content))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MifidWarning)
            source = open_images(path)
        [source.read(i) for i in range(len(source))]
        source.close()
    except MifidError:
        pass
