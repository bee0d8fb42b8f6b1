"""images.zip: what would be refused, each rule alone."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encode, noise, patch_zip, png, write_folder, write_zip, zip_symlink
from PIL import Image

from mifid.errors import InputError
from mifid.images import archive
from mifid.submission import checking
from mifid.submission.checking import Check, Finding, check
from mifid.submission.writer import MONET, Rules, encode_picture

RULES = Rules(
    competition="a small one",
    file_name="images.zip",
    at_least=3,
    at_most=5,
    format="JPEG",
    size=(16, 12),
    mode="RGB",
)


def picture(seed=0, width=16, height=12):
    return noise(seed, height, width)


def jpegs(n, start=0):
    return [(f"{i}.jpg", encode_picture(picture(i))) for i in range(start, start + n)]


def submission(folder, entries, name="images.zip"):
    return write_zip(folder / name, entries, zipfile.ZIP_STORED)


def findings(path, rules=RULES):
    return {finding.rule: finding for finding in check(path, rules=rules).findings}


def refused(path, rules=RULES):
    """What is refused, and nothing else: rule -> (found, advice)."""
    result = check(path, rules=rules)
    found = {f.rule: (f.found, f.advice) for f in result.findings if f.level == "refused"}
    assert result.accepted == (not found)
    return found


def warned(path):
    result = check(path, rules=RULES)
    assert result.accepted  # warnings alone never refuse
    return {f.rule: (f.found, f.advice) for f in result.findings if f.level == "warning"}


@pytest.mark.parametrize("n", [3, 4, 5])
def test_a_good_submission_is_accepted_with_nothing_to_do(n, tmp_path):
    result = check(submission(tmp_path, jpegs(n)), rules=RULES)
    assert result.accepted
    assert {finding.level for finding in result.findings} == {"ok"}
    assert {finding.advice for finding in result.findings} == {""}
    assert result.rules is RULES
    assert result.path == tmp_path / "images.zip"


def test_a_compressed_one_is_as_good(tmp_path):
    path = write_zip(tmp_path / "images.zip", jpegs(3), zipfile.ZIP_DEFLATED)
    assert refused(path) == {}


def test_the_real_rules_are_kaggles():
    assert MONET.file_name == "images.zip"
    assert (MONET.at_least, MONET.at_most) == (7_000, 10_000)
    assert (MONET.format, MONET.size, MONET.mode) == ("JPEG", (256, 256), "RGB")


def test_the_real_rules_are_the_default(tmp_path):
    found = {f.rule: f for f in check(submission(tmp_path, jpegs(3))).findings}
    assert found["number"].advice == "Hand in 7,000 to 10,000."
    assert found["size"].level == "refused"


@pytest.mark.parametrize(
    ("n", "told"), [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures"), (6, "6 pictures")]
)
def test_too_few_and_too_many_are_refused(n, told, tmp_path):
    expected = {"number": (told, "Hand in 3 to 5.")}
    assert refused(submission(tmp_path, jpegs(n))) == expected


@pytest.mark.parametrize("name", ["image.zip", "Images.zip", "images (1).zip", "images.zip.zip"])
def test_another_name_is_refused(name, tmp_path):
    path = submission(tmp_path, jpegs(3), name)
    assert refused(path) == {"name": (name, "Rename it to images.zip.")}


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "GIF"])
def test_another_format_is_refused_whatever_it_is_called(kind, tmp_path):
    path = submission(tmp_path, [*jpegs(2), ("9.jpg", encode(Image.fromarray(picture()), kind))])
    found, advice = refused(path)["format"]
    assert found == f"1 not JPEG: 9.jpg ({kind})"
    assert advice == "Save them as JPEG; its ending alone is not enough."


@pytest.mark.parametrize("size", [(12, 16), (16, 16), (32, 24)])
def test_another_size_is_refused(size, tmp_path):
    width, height = size
    path = submission(tmp_path, [*jpegs(2), ("9.jpg", encode_picture(picture(9, *size)))])
    expected = (f"1 not 16x12: 9.jpg ({width}x{height})", "Resize to 16x12.")
    assert refused(path) == {"size": expected}


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_another_mode_is_refused(mode, tmp_path):
    image = Image.fromarray(picture()).convert(mode)
    path = submission(tmp_path, [*jpegs(2), ("9.jpg", encode(image, "JPEG"))])
    assert refused(path) == {
        "colour mode": (f"1 not RGB: 9.jpg ({mode})", "Convert to RGB before saving.")
    }


def test_every_wrong_picture_is_counted_and_three_are_named(tmp_path):
    wrong = [(f"w{i}.jpg", encode_picture(picture(i, 8, 8))) for i in range(5)]
    found, _ = refused(submission(tmp_path, wrong[::-1]))["size"]
    assert found == "5 not 16x12: w0.jpg (8x8), w1.jpg (8x8), w2.jpg (8x8) and 2 more"


@pytest.mark.parametrize("name", ["notes.txt", "a.mp4", ".DS_Store", "__MACOSX/._0.jpg"])
def test_foreign_files_are_refused_and_are_no_pictures(name, tmp_path):
    found = refused(submission(tmp_path, [*jpegs(3), (name, b"hello")]))
    assert found == {
        "foreign files": (f"1: {name}", "Zip only the pictures: zip -X -j images.zip out/*.jpg")
    }


@pytest.mark.parametrize("name", ["out/9.jpg", "a/b/9.jpg", "out\\9.jpg"])
def test_nested_folders_are_refused(name, tmp_path):
    found = refused(submission(tmp_path, [*jpegs(2), (name, encode_picture(picture(9)))]))
    advice = "Zip without folders: zip -X -j images.zip out/*.jpg"
    assert found == {"folders": (f"1: {name}", advice)}


def test_an_empty_folder_is_no_entry(tmp_path):
    assert refused(submission(tmp_path, [*jpegs(3), ("out/", b"")])) == {}


@pytest.mark.parametrize("name", ["../9.jpg", "/9.jpg", "C:\\9.jpg"])
def test_paths_that_climb_out_are_refused(name, tmp_path):
    found = refused(submission(tmp_path, [*jpegs(2), (name, encode_picture(picture(9)))]))
    assert found["paths out of the zip"] == (f"1: {name}", "Make it again.")


def test_duplicate_names_are_refused(tmp_path):
    path = submission(tmp_path, [*jpegs(3), ("1.jpg", encode_picture(picture(9)))])
    advice = "Give every picture its own name."
    assert refused(path) == {"duplicate names": ("1: 1.jpg", advice)}


def test_encrypted_entries_are_refused_and_not_read(tmp_path):
    path = patch_zip(submission(tmp_path, jpegs(3)), "1.jpg", flags=0x1)
    assert refused(path) == {"encrypted": ("1: 1.jpg", "Make the zip without a password.")}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_checksum_is_refused(compression, tmp_path):
    path = write_zip(tmp_path / "images.zip", jpegs(3), compression)
    ((rule, (found, advice)),) = refused(patch_zip(path, "1.jpg", crc=12345)).items()
    assert rule == "damaged"
    assert found.startswith("1: '1.jpg' is damaged: Bad CRC-32")
    assert advice == "Write these again."


def test_a_damaged_stream_is_refused(tmp_path):
    path = write_zip(tmp_path / "images.zip", jpegs(3), zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[40:240] = b"\xff" * 200
    path.write_bytes(data)
    assert "'0.jpg' is damaged" in refused(path)["damaged"][0]


def test_several_damaged_pictures_are_no_copies_of_each_other(tmp_path):
    path = submission(tmp_path, jpegs(4))
    for name in ("1.jpg", "2.jpg"):
        patch_zip(path, name, crc=12345)
    found = findings(path)
    assert found["damaged"].found.startswith("2: ")
    assert found["byte-identical copies"].level == "ok"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encode_picture(picture())[:-100], "'9.jpg' is damaged: image file is truncated"),
        (b"a text", "'9.jpg' is not a picture: it is a text"),
        (b"", "'9.jpg' is not a picture"),
        (png(9000, 9000, 8, 2, [b""]), "'9.jpg' is 9000 x 9000 pixels"),
    ],
)
def test_what_cannot_be_decoded_is_refused(content, reason, tmp_path):
    ((rule, (found, _)),) = refused(submission(tmp_path, [*jpegs(2), ("9.jpg", content)])).items()
    assert rule == "damaged"
    assert reason in found


def test_a_damaged_picture_has_no_other_faults(tmp_path):
    """It has no size or mode to speak of."""
    found = findings(submission(tmp_path, [*jpegs(2), ("9.jpg", b"text")]))
    told = {"size": "all 16x12", "format": "all JPEG", "colour mode": "all RGB"}
    for rule, text in told.items():
        assert (found[rule].level, found[rule].found) == ("ok", text)


def test_nothing_is_said_of_pictures_that_are_not_there(tmp_path):
    """No row may read as ok of what was not looked at."""
    of_pictures = {"format", "size", "colour mode", "byte-identical copies", "blank (one colour)"}
    of_pictures |= {"damaged", "values of pixels"}
    assert of_pictures <= set(findings(submission(tmp_path, jpegs(3))))
    assert not of_pictures & set(findings(submission(tmp_path, [], "images.zip")))
    damaged = findings(submission(tmp_path, [("9.jpg", b"text")]))
    assert of_pictures & set(damaged) == {"damaged"}


def test_identical_copies_are_warned_of(tmp_path):
    same = encode_picture(picture(1))
    entries = [("a.jpg", same), ("b.jpg", same), ("c.jpg", same), *jpegs(1, start=7)]
    expected = ("2: b.jpg, c.jpg", "Did the generator collapse?")
    assert warned(submission(tmp_path, entries)) == {"byte-identical copies": expected}


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 60)])
def test_blank_pictures_are_warned_of_in_any_colour(colour, tmp_path):
    blank = np.full((12, 16, 3), colour, np.uint8)
    expected = ("1: 9.jpg", "Did the generator fail?")
    path = submission(tmp_path, [*jpegs(2), ("9.jpg", encode_picture(blank))])
    assert warned(path) == {"blank (one colour)": expected}


def test_a_picture_that_is_nearly_blank_is_a_picture(tmp_path):
    nearly = np.zeros((12, 16, 3), np.uint8)
    nearly[:8, :8] = 40
    assert warned(submission(tmp_path, [*jpegs(2), ("9.jpg", encode_picture(nearly))])) == {}


def test_another_competition_is_another_set_of_rules(tmp_path):
    rules = Rules("pngs", "out.zip", 1, 2, "PNG", (5, 6), "RGBA")
    image = Image.fromarray(noise(0, 6, 5)).convert("RGBA")
    path = submission(tmp_path, [("a.png", encode(image))], "out.zip")
    assert refused(path, rules) == {}
    assert set(refused(path)) == {"name", "number", "format", "size", "colour mode"}


def test_what_is_no_zip_cannot_be_checked(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"hello, I am no zip")
    with pytest.raises(InputError, match=r"images.zip is not a zip file: it is a text"):
        check(tmp_path / "images.zip")


def test_a_missing_file_is_told_with_what_was_expected(tmp_path):
    with pytest.raises(InputError) as caught:
        check(tmp_path / "images.zip", rules=RULES)
    assert caught.value.message == f"no such file or folder: {tmp_path / 'images.zip'}"
    assert caught.value.hint == "Expected a zip named images.zip."


def test_a_folder_is_told_to_be_one(tmp_path):
    with pytest.raises(
        InputError, match=f"{tmp_path} is a folder; expected a zip\nExpected a zip named images.zip"
    ):
        check(tmp_path, rules=RULES)


def test_a_folder_is_told_how_to_be_made_a_zip(tmp_path):
    folder = write_folder(tmp_path / "my photos", [("1.png", b""), ("2.png", b""), ("a.txt", b"")])
    with pytest.raises(InputError) as caught:
        check(folder, rules=RULES)
    assert f"zip -X -j images.zip '{folder}'/*.png" in caught.value.hint
    (folder / "images.zip").write_bytes(b"")
    with pytest.raises(InputError, match=f"Give the zip in it: {folder}/images.zip"):
        check(folder, rules=RULES)


def test_a_misspelt_path_gets_the_one_that_is_there(tmp_path):
    submission(tmp_path, jpegs(3))
    with pytest.raises(InputError, match=f"Did you mean {tmp_path}/images.zip"):
        check(tmp_path / "image.zip", rules=RULES)


def test_a_compression_that_python_cannot_read_is_no_damage(tmp_path):
    path = submission(tmp_path, jpegs(3))
    for i in range(3):
        patch_zip(path, f"{i}.jpg", method=9)
    ((rule, (found, advice)),) = refused(path).items()
    assert rule == "compression that Python cannot read"
    assert found == "3: 0.jpg (Deflate64), 1.jpg (Deflate64), 2.jpg (Deflate64)"
    assert "zip -0 -X -j" in advice


def test_symbolic_links_are_told_to_be_links(tmp_path):
    path = submission(tmp_path, jpegs(3))
    with zipfile.ZipFile(path, "a") as archive_:
        zip_symlink(archive_, "9.jpg", "0.jpg")
    assert refused(path) == {"symbolic links": ("1: 9.jpg", "Make the zip without -y.")}


def test_a_zip_in_the_zip_is_pointed_at(tmp_path):
    path = submission(tmp_path, [*jpegs(3), ("images.zip", b"PK")])
    advice = "The zip inside may be the one to hand in: unzip this one first."
    assert refused(path) == {"foreign files": ("1: images.zip", advice)}


def test_what_is_refused_for_its_size_is_not_decoded_if_it_is_huge(tmp_path, monkeypatch):
    """8 kB of zip can hold 40 pictures of 8192 x 8192: minutes, and gigabytes."""
    huge = encode(Image.new("RGB", (4096, 300)), "WEBP", lossless=True)
    real = checking.decode

    def decode(content, name):
        assert not name.startswith("huge")
        return real(content, name)

    monkeypatch.setattr(checking, "decode", decode)
    path = submission(tmp_path, [*jpegs(2), *((f"huge{i}.webp", huge) for i in range(3))])
    found = findings(path)
    assert found["size"].found == "3 not 16x12: " + ", ".join(
        f"huge{i}.webp (4096x300)" for i in range(3)
    )
    assert found["format"].found.startswith("3 not JPEG: huge0.webp (WEBP)")
    assert found["too large to decode"].level == "warning"
    assert found["damaged"].level == "ok"


def test_floats_that_were_cast_before_they_were_scaled_are_warned_of(tmp_path):
    """-1..1 as uint8 is 0, 1 and 255."""
    entries = []
    for i in range(4):
        ramp = np.linspace(0, 255, 16 * 12 * 3).reshape(12, 16, 3)
        cast = (ramp / 127.5 - 1).astype(np.int8).astype(np.uint8)
        entries.append((f"{i}.jpg", encode_picture(np.roll(cast, i))))
    (finding,) = [
        f for f in check(submission(tmp_path, entries), rules=RULES).findings if "values" in f.rule
    ]
    assert finding.level == "warning"
    assert "of their values in the levels 0 to 7" in finding.found
    assert "Were floats cast" in finding.advice


def test_several_frames_are_no_plain_picture(tmp_path):
    frames = [Image.fromarray(picture(i)) for i in range(3)]
    gif = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    found = findings(submission(tmp_path, [*jpegs(2), ("9.gif", gif)]))
    assert "(first of several frames)" in found["colour mode"].found


def test_a_bomb_is_not_unpacked(tmp_path):
    path = submission(tmp_path, jpegs(3))
    patch_zip(path, "1.jpg", size=archive.MAX_ENTRY_BYTES + 1)
    with pytest.raises(InputError, match=r"'1.jpg' unpacks to 268,435,457 bytes(.|\n)*bomb"):
        check(path, rules=RULES)


def test_a_foreign_file_may_be_as_large_as_it_likes(tmp_path):
    path = submission(tmp_path, [*jpegs(3), ("video.mp4", b"...")])
    patch_zip(path, "video.mp4", size=archive.MAX_ENTRY_BYTES + 1)
    assert set(refused(path)) == {"foreign files"}


def test_progress_counts_every_picture(tmp_path):
    class Recorder:
        steps = 0

        def task(self, label, total, unit):
            self.opened = (label, total, unit)
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def advance(self, steps=1):
            self.steps += steps

    recorder = Recorder()
    check(submission(tmp_path, [*jpegs(4), ("a.txt", b"")]), rules=RULES, progress=recorder)
    assert recorder.opened == ("check", 4, "picture")
    assert recorder.steps == 4


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(workers, tmp_path):
    path = submission(tmp_path, [*jpegs(2), ("9.jpg", b"text"), ("8.jpg", jpegs(1)[0][1])])
    expected = check(path, rules=RULES).findings
    assert check(path, rules=RULES, workers=workers).findings == expected


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_order_of_entries_never_matters(data, tmp_path_factory):
    entries = [
        *jpegs(3),
        ("0 again.jpg", jpegs(1)[0][1]),
        ("w.jpg", b"text"),
        ("n.txt", b""),
        ("s.jpg", encode_picture(noise(0, 8, 8))),
    ]
    paths = [tmp_path_factory.mktemp("a") for _ in range(2)]
    first = check(submission(paths[0], entries), rules=RULES)
    second = check(submission(paths[1], data.draw(st.permutations(entries))), rules=RULES)
    assert first.findings == second.findings


def test_a_check_is_text_for_people(tmp_path):
    found = Check(
        Path("\x1b.zip"),
        MONET,
        (Finding("refused", "number", "2", "Hand in more."), Finding("ok", "names", "fine")),
    )
    assert str(found).splitlines() == [
        "refused  number: 2 Hand in more.",
        "ok       names: fine",
        rf"\x1b.zip would be refused by '{MONET.competition}'.",
    ]
