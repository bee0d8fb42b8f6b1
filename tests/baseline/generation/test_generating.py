"""Photos become a checked submission: the network's own pictures, in order, after any end."""

import shutil
import threading
from collections import namedtuple
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from generators import TINY, built, config, saved
from original_networks import ResNet, shaken
from pictures import encode, noise, write_folder, write_zip
from PIL import Image
from surroundings import AROUND, draws, state
from toy_painters import (
    BATCH,
    RULES,
    WHITE,
    Dropping,
    FromNoise,
    Identity,
    entries,
    loaded,
    photos,
    pixels_of,
    run,
)

from mifid.baseline.config.schema import Generator
from mifid.baseline.generation import generating as module
from mifid.baseline.generation.generating import as_submitted, generate
from mifid.baseline.generation.weights_file import LoadedGenerator, load_generator
from mifid.baseline.models import GeneratorNetwork
from mifid.errors import InputError, MifidError, MifidWarning, OutputError, PictureError
from mifid.images import open_images
from mifid.submission.resumable import partial_path, resumable_archive
from mifid.submission.writer import encode_picture

JPEG = replace(RULES, format="JPEG")


def paint(network, pixels):
    """The same by hand, one photo at a time."""
    with torch.no_grad():
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 127.5 - 1
        painted = torch.cat([network.eval()(one[None].float()) for one in x])
    levels = ((painted.double() + 1) * 127.5).round().clamp(0, 255)
    return levels.permute(0, 2, 3, 1).numpy()


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "best.safetensors")


class Interrupting:
    """A progress that is interrupted after so many generated pictures."""

    def __init__(self, after):
        self.left = after

    @contextmanager
    def task(self, label, total, unit):
        yield self if label == "generate" else Interrupting(10**9)

    def status(self, text):
        pass

    def advance(self, steps=1):
        self.left -= steps
        if self.left <= 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("which", [None, "raw", "ema"])
def test_the_pictures_are_those_of_the_network(which, checkpoint, tmp_path):
    result = run(checkpoint, photos(), tmp_path / "out", which=which)
    network = built(config(), {"raw": 1, "ema": 2}[which or "ema"])
    difference = np.abs(pixels_of(result.path) - paint(network, photos()))
    assert difference.max() <= 1  # a batch may round the odd one the other way
    assert (difference > 0).mean() < 0.001
    assert (result.pictures, result.resumed, result.notes) == (8, 0, ())
    assert result.which == (which or "ema")
    assert result.check.accepted
    assert 0 < result.network_seconds < result.seconds


def test_names_and_order_are_the_photos(checkpoint, tmp_path):
    given = [(f"b/{i}.png", encode(noise(i, 16, 16))) for i in range(9, -1, -1)]
    folder = write_folder(tmp_path / "photos", [*given, ("a/10.jpeg", encode(noise(10, 16, 16)))])
    result = run(loaded(Identity()), folder, tmp_path / "out")
    assert list(entries(result.path)) == ["10.png", *(f"{i}.png" for i in range(10))]
    assert (pixels_of(result.path) == [noise(i, 16, 16) for i in (10, *range(10))]).all()


def test_jpeg_of_the_quality_asked_for(tmp_path):
    for quality in (30, 95):
        result = run(
            loaded(Identity()), photos(2), tmp_path / str(quality), rules=JPEG, quality=quality
        )
        expected = [encode_picture(p, quality=quality) for p in photos(2)]
        assert list(entries(result.path).values()) == expected
        assert list(entries(result.path)) == ["[0].jpg", "[1].jpg"]


def test_equal_input_makes_equal_bytes_whatever_the_workers(checkpoint, tmp_path):
    first = run(checkpoint, photos(), tmp_path / "a", workers=1).path.read_bytes()
    assert run(checkpoint, photos(), tmp_path / "b", workers=5).path.read_bytes() == first
    assert run(checkpoint, photos()[::-1], tmp_path / "c").path.read_bytes() != first


@pytest.mark.parametrize("after", [1, 3, 4, 7, 8])
def test_an_interrupted_run_is_gone_on_with(after, checkpoint, tmp_path):
    whole = run(checkpoint, photos(), tmp_path / "a").path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint, photos(), tmp_path / "b", progress=Interrupting(after))
    (left,) = (tmp_path / "b").iterdir()
    assert left.name.startswith(".images.zip.")
    with left.open("r+b") as file:  # as kill -9 in the middle of an entry would leave it
        file.truncate(left.stat().st_size - 10)
    result = run(checkpoint, photos(), tmp_path / "b")
    assert result.path.read_bytes() == whole
    assert result.resumed == (after - 1) // BATCH * BATCH
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["images.zip"]
    assert not [t for t in threading.enumerate() if t.name.startswith("mifid-paint")]


def test_only_the_missing_pictures_are_painted(tmp_path):
    network = Identity()
    with pytest.raises(KeyboardInterrupt):
        run(loaded(network), photos(), tmp_path, progress=Interrupting(7))
    network.batches.clear()
    assert run(loaded(network), photos(), tmp_path).resumed == 6
    assert network.batches == [2]


CHANGES = {
    "photos": {"given": photos()[::-1]},
    "number": {"limit": 7},
    "quality": {"quality": 90},
    "batch": {"batch_size": 4},
    "weights": {"generator": loaded(Identity(), sha256="other")},
    "rules": {"rules": JPEG},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_job_starts_anew(change, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(loaded(Identity()), photos(), tmp_path, progress=Interrupting(7))
    options = {"generator": loaded(Identity()), "given": photos(), "folder": tmp_path}
    assert run(**(options | CHANGES[change])).resumed == 0
    assert [p.name for p in tmp_path.iterdir()] == ["images.zip"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_whole_archive_of_another_job_is_replaced_only_by_force(change, tmp_path):
    first = run(loaded(Identity()), photos(), tmp_path).path.read_bytes()
    job = {"generator": loaded(Identity()), "given": photos(), "folder": tmp_path} | CHANGES[change]
    if change == "batch":  # the same pictures, but for rounding
        assert run(**job).path.read_bytes() == first
        return
    with pytest.raises(OutputError, match=r"images.zip: there is one already(.|\n)*force=True"):
        run(**job)
    assert (tmp_path / "images.zip").read_bytes() == first
    assert run(**job, force=True).path.read_bytes() != first


def test_pictures_come_in_order_however_long_each_takes(tmp_path, monkeypatch):
    waits = iter(np.random.RandomState(0).uniform(0, 0.01, 100))
    encode_one = module.encode_picture

    def slow(*arguments, **options):
        threading.Event().wait(next(waits))
        return encode_one(*arguments, **options)

    monkeypatch.setattr(module, "encode_picture", slow)
    result = run(loaded(Identity()), photos(30), tmp_path, workers=8, batch_size=4)
    assert (pixels_of(result.path) == photos(30)).all()


def test_no_more_than_four_batches_are_in_memory(tmp_path, monkeypatch):
    """Writing is slow here, so whatever runs ahead of it would pile up."""
    ahead, most, lock = 0, 0, threading.Lock()
    load = module.Photos.load

    def count(step):
        nonlocal ahead, most
        with lock:
            ahead += step
            most = max(most, ahead)

    def loading(self, index):
        count(1)
        return load(self, index)

    @contextmanager
    def slow(*arguments, **options):
        with resumable_archive(*arguments, **options) as archive:
            add = archive.add

            def adding(content):
                threading.Event().wait(0.002)
                add(content)
                count(-1)

            archive.add = adding
            yield archive

    monkeypatch.setattr(module.Photos, "load", loading)
    monkeypatch.setattr(module, "resumable_archive", slow)
    run(loaded(Identity()), photos(40), tmp_path, batch_size=4)
    assert 4 < most <= 4 * 4
    assert ahead == 0


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_photos_of_another_size_are_fitted_as_in_training(fit, tmp_path):
    from mifid.baseline.data.fitting import fit_picture

    odd = noise(3, 20, 30)
    folder = write_folder(tmp_path / "photos", [("a.png", encode(odd)), ("b.png", encode(odd))])
    result = run(loaded(Identity(), config(fit=fit)), folder, tmp_path / "out")
    expected = fit_picture(odd, size=16, fit=fit, name="a.png")
    assert (pixels_of(result.path) == expected).all()


def test_another_size_than_the_competitions_is_resized_and_told(tmp_path):
    settings = config(size=8)
    with pytest.warns(MifidWarning, match=r"8 x 8 pixels; .* resized to 16 x 16"):
        result = run(loaded(Identity(), settings), photos(3, 8), tmp_path)
    (note,) = result.notes
    assert "8 x 8" in note
    expected = [
        np.asarray(Image.fromarray(p).resize((16, 16), Image.Resampling.LANCZOS))
        for p in photos(3, 8)
    ]
    assert (pixels_of(result.path) == expected).all()
    assert result.check.accepted


def test_from_noise_photos_give_number_and_names_alone(tmp_path):
    broken = write_folder(tmp_path / "photos", [(f"{i}.jpg", b"no picture") for i in range(7)])
    network = FromNoise()
    first = run(loaded(network), broken, tmp_path / "a")
    assert list(entries(first.path)) == [f"{i}.png" for i in range(7)]
    latents = torch.cat(network.given)
    assert latents.shape == (7, 256)
    assert len(torch.unique(latents, dim=0)) == 7
    assert abs(latents.mean()) < 0.1
    assert abs(latents.std() - 1) < 0.1
    # Neither the batch nor the end of a run moves them; the seed does.
    again = run(loaded(network), broken, tmp_path / "b", batch_size=7)
    assert again.path.read_bytes() == first.path.read_bytes()
    other = run(loaded(network), broken, tmp_path / "c", seed=1)
    assert other.path.read_bytes() != first.path.read_bytes()


def test_a_dcgan_from_its_file(tmp_path):
    settings = config(generator=Generator(network="dcgan", width=4, latent=5))
    path = saved(tmp_path / "best.safetensors", settings)
    result = run(path, photos(4), tmp_path / "out")
    assert pixels_of(result.path).shape == (4, 16, 16, 3)


def test_dropout_drops_while_painting_if_asked_for(tmp_path):
    network = Dropping()
    plain = pixels_of(run(loaded(network), WHITE, tmp_path / "plain").path)
    assert (plain == 255).all()
    dropped = pixels_of(run(loaded(network), WHITE, tmp_path / "dropped", dropout=True).path)
    assert set(np.unique(dropped)) == {0, 255}  # 4 times the value, in a quarter of the places
    assert (dropped > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert len({picture.tobytes() for picture in dropped}) == 8
    network.paint_dropout = True  # as its setting says
    own = pixels_of(run(loaded(network), WHITE, tmp_path / "own").path)
    assert (own == dropped).all()
    assert (
        pixels_of(run(loaded(network), WHITE, tmp_path / "off", dropout=False).path) == 255
    ).all()
    assert not any(layer._forward_hooks for layer in network.layers)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_dropout_does_not_depend_on_batches_or_torchs_state(batch_size, tmp_path):
    drawn = []
    for seed, size in ((0, BATCH), (1, batch_size)):
        torch.manual_seed(seed)
        folder = tmp_path / str(size)
        made = run(loaded(Dropping()), WHITE, folder, dropout=True, batch_size=size)
        drawn.append(entries(made.path))
    assert drawn[0] == drawn[1]


def test_dropout_and_its_seed_are_part_of_the_job(tmp_path):
    run(loaded(Dropping()), WHITE, tmp_path, dropout=True)
    for other in ({}, {"dropout": True, "seed": 1}):
        with pytest.raises(OutputError, match="other settings"):
            run(loaded(Dropping()), WHITE, tmp_path, **other)
    assert run(loaded(Dropping()), WHITE, tmp_path, dropout=True).path.exists()


def test_dropout_of_a_generator_without_it_is_refused(tmp_path):
    for network in (Identity(), Dropping(0.0)):
        with pytest.raises(InputError, match="dropout=True: the generator has no dropout"):
            run(loaded(network), WHITE, tmp_path, dropout=True)
    network = Dropping(0.0)
    network.paint_dropout = True
    assert (pixels_of(run(loaded(network), WHITE, tmp_path).path) == 255).all()


def test_the_setting_is_in_the_generators_file(tmp_path):
    for paints in (True, False):
        generator = replace(TINY, dropout=0.5, paint_dropout=paints)
        file = saved(tmp_path / "best.safetensors", config(generator=generator))
        found = load_generator(file, device=torch.device("cpu")).network
        assert (found.paint_dropout, bool(found.dropouts)) == (paints, True)


def test_another_programs_generator_paints_its_own_pictures(tmp_path):
    network = shaken(ResNet())
    torch.save(network.state_dict(), tmp_path / "g.pth")
    with pytest.warns(MifidWarning, match="does not say at which size"):
        result = run(tmp_path / "g.pth", photos(4), tmp_path / "out", size=16)
    difference = np.abs(pixels_of(result.path) - paint(network, photos(4)))
    assert difference.max() <= 1  # rounding
    assert (difference > 0).mean() < 0.01
    assert "the ResNet generator of the CycleGAN repository" in result.origin
    assert result.origin in result.notes[0]
    with pytest.warns(MifidWarning, match="photos of another size are stretched"):
        stretched = run(tmp_path / "g.pth", photos(2, 24), tmp_path / "other", size=16)
    assert stretched.check.accepted


def test_a_limit_takes_the_first_photos(tmp_path):
    result = run(loaded(Identity()), photos(), tmp_path, limit=2)
    assert (pixels_of(result.path) == photos(2)).all()
    assert result.pictures == 2


def test_too_few_pictures_are_refused_by_the_check_and_stay(tmp_path):
    result = run(loaded(Identity()), photos(1), tmp_path)
    assert not result.check.accepted
    assert [f.rule for f in result.check.findings if f.level == "refused"] == ["number"]
    assert result.path.exists()


def test_memory_that_runs_out_costs_smaller_parts(tmp_path):
    network = Identity(most=3)
    with pytest.warns(MifidWarning, match="batches of 8 did not fit .* parts of 2"):
        result = run(loaded(network), photos(11), tmp_path, batch_size=8)
    assert (pixels_of(result.path) == photos(11)).all()
    assert network.batches == [2, 2, 2, 2, 2, 1]  # 8 failed, 4 failed; then never tried again
    assert "batch_size=2" in result.notes[0]


def test_noise_is_the_same_in_smaller_parts(tmp_path):
    class Small(FromNoise):
        def forward(self, z):
            if len(z) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(z)

    first = run(loaded(FromNoise()), photos(7), tmp_path / "a", batch_size=7)
    with pytest.warns(MifidWarning, match="parts of 2"):
        second = run(loaded(Small()), photos(7), tmp_path / "b", batch_size=7)
    assert second.path.read_bytes() == first.path.read_bytes()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out of GPU memory.*\n.*batch_size"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "out of memory with batches of 3 pictures\nLower batch_size",
        ),
        (RuntimeError("something else"), "something else"),
    ],
)
def test_memory_that_does_not_suffice_is_told(error, said, tmp_path):
    class Large(GeneratorNetwork):
        def forward(self, x):
            raise error

    kind = RuntimeError if said == "something else" else MifidError
    with pytest.raises(kind, match=said):
        run(loaded(Large()), photos(), tmp_path)


def test_a_network_that_paints_nan_is_told(tmp_path):
    class Diverged(GeneratorNetwork):
        def forward(self, x):
            return x / (x != x[0, 0, 0, 0]).float()

    with pytest.raises(MifidError, match="NaN or infinite"):
        run(loaded(Diverged()), photos(), tmp_path)
    assert not (tmp_path / "images.zip").exists()


class Never(GeneratorNetwork):
    def forward(self, x):
        raise AssertionError("the network must not run")


def refused(kind, folder):
    """Return what is given, the error, and what it says."""
    good = write_zip(folder / "good.zip", [("a.png", encode(noise(0, 16, 16)))])
    out = folder / "images.zip"
    if kind == "damaged":
        given = [("a.png", encode(noise(0, 16, 16))), ("b.png", encode(noise(1, 16, 16))[:-30])]
        write_zip(folder / "p.zip", given)
        return (
            folder / "p.zip",
            out,
            PictureError,
            ("zip .*p.zip: 'b.png'.*\nRepair or remove it.$"),
        )
    if kind == "checksum":
        entries = [("a.png", encode(noise(0, 16, 16))), ("b.png", encode(noise(1, 16, 16)))]
        path = write_zip(folder / "p.zip", entries)
        content = bytearray(path.read_bytes())
        content[content.index(b"b.png") + 60] ^= 1  # in the data behind the name
        path.write_bytes(content)
        return path, out, PictureError, "zip .*p.zip: 'b.png' is damaged.*\nRepair or remove it.$"
    if kind == "size":
        write_zip(folder / "p.zip", [("a.png", encode(noise(0, 15, 16)))])
        return folder / "p.zip", out, PictureError, "p.zip: 'a.png'.*16 x 15.*\n.*16 x 16 only"
    if kind == "tiny":
        write_zip(folder / "p.zip", [("a.png", encode(noise(0, 3, 16)))])
        return folder / "p.zip", out, PictureError, "'a.png' is tiny.*\nRemove it, or give a larg"
    if kind == "names":
        given = [(name, encode(noise(0, 16, 16))) for name in ("a/x.png", "b/x.jpg")]
        write_zip(folder / "p.zip", given)
        return folder / "p.zip", out, InputError, "two pictures would have the name x.png"
    if kind == "stream":
        return iter([photos()]), out, InputError, "a stream of batches; expected pictures"
    if kind == "missing":
        return folder / "no", out, InputError, "no such file or folder"
    if kind == "folder":
        return good, folder / "no" / "images.zip", OutputError, "mkdir -p"
    assert kind == "same"
    return good, good, OutputError, "the photos and would be overwritten"


@pytest.mark.parametrize(
    "kind", ["damaged", "checksum", "size", "tiny", "names", "stream", "missing", "folder", "same"]
)
def test_what_can_fail_fails_before_the_network_runs(kind, tmp_path):
    given, out, error, said = refused(kind, tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(error, match=said):
        generate(
            loaded(Never(), config(fit="crop" if kind == "tiny" else "exact")),
            given,
            out,
            rules=RULES,
            device="cpu",
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_disk_that_is_too_small_is_told_before(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(20_000))
    rules = replace(RULES, size=(256, 256))
    settings = config(size=256)
    with pytest.raises(
        OutputError, match=r"no room for 3 pictures: about \d.* needed, 20.0 kB free"
    ):
        run(loaded(Never(), settings), photos(3, 256), tmp_path, rules=rules)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "batch_size is 0; expected 1 or more"),
        ({"workers": -1}, "workers is -1; expected 1 or more"),
        ({"limit": 0}, "limit is 0; expected 1 or more"),
        ({"quality": 101}, "quality is 101; expected 1 to 100"),
        ({"which": "ema"}, "which is 'ema'; expected 'raw'"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
    ],
)
def test_settings_out_of_their_range(options, said, tmp_path):
    with pytest.raises(InputError, match=said):
        run(loaded(Never()), photos(), tmp_path, **options)


def test_a_source_stays_open_for_who_opened_it(tmp_path):
    archive = write_zip(tmp_path / "p.zip", [("a.png", encode(noise(0, 16, 16)))])
    source = open_images(archive)
    run(loaded(Identity()), source, tmp_path / "out")
    assert source.read(0) == encode(noise(0, 16, 16))
    source.close()


def test_torch_is_left_as_it_was(checkpoint, tmp_path):
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.benchmark, torch.random.get_rng_state().sum())
    network = load_generator(checkpoint).network.train()
    run(LoadedGenerator(network, config(), "ema", {}, "x"), photos(2), tmp_path / "out")
    assert network.training
    assert before == (cudnn.deterministic, cudnn.benchmark, torch.random.get_rng_state().sum())


def test_the_partial_archive_lies_where_resumable_says(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(loaded(Identity()), photos(), tmp_path, progress=Interrupting(5))
    (left,) = tmp_path.iterdir()
    fingerprint = left.name.split(".")[-2]
    assert len(fingerprint) == 12
    assert left == partial_path(tmp_path / "images.zip", fingerprint)


def test_as_submitted_is_what_a_submission_gives_back(tmp_path):
    result = run(loaded(Identity()), photos(3), tmp_path, rules=JPEG, quality=80)
    seen = as_submitted(photos(3), rules=JPEG, quality=80)
    assert (seen == pixels_of(result.path)).all()
    assert (seen != photos(3)).any()
    assert as_submitted(photos(2, 8), rules=RULES).shape == (2, 16, 16, 3)


@pytest.mark.parametrize(
    "around", ["autocast on the CPU", "default dtype", "default device", "all"]
)
def test_the_archive_is_the_same_whatever_surrounds_the_call(around, checkpoint, tmp_path):
    expected = run(checkpoint, photos(), tmp_path / "plain").path.read_bytes()
    moved = draws()
    with ExitStack() as stack:
        for name in AROUND if around == "all" else [around]:
            stack.enter_context(AROUND[name]())
        before = state()
        found = run(checkpoint, photos(), tmp_path / "around").path.read_bytes()
        assert state() == before
    assert found == expected
    assert draws() == moved
