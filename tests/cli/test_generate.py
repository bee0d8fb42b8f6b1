"""mifid generate: what was made, whether it would be accepted, and how to go on."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from generators import config, saved
from mifid_cli.generate import generate
from mifid_cli.main import cli
from original_networks import ResNet
from pictures import encode, noise, write_folder, write_zip

from mifid.baseline.config.schema import Generator
from mifid.baseline.generation import generating as library
from mifid.submission import writer

RULES = replace(writer.MONET, at_least=2, at_most=20, size=(16, 16))


@pytest.fixture(autouse=True)
def prepared(folder, monkeypatch):
    """photos/ and best.safetensors in the current folder, and rules for few, small pictures."""
    monkeypatch.setitem(library.generate.__wrapped__.__kwdefaults__, "rules", RULES)
    monkeypatch.setitem(cli.commands, "generate", generate)
    entries = [(f"{i}.png", encode(noise(i, 16, 16))) for i in range(5)]
    write_folder(folder / "photos", entries)
    saved(folder / "best.safetensors")


BASIC = ["generate", "--checkpoint", "best.safetensors", "--photos", "photos", "--device", "cpu"]


def read(path="images.zip"):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_writes_checks_and_says_what_next(run):
    result = run(*BASIC)
    assert result.exit_code == 0, result.output
    assert list(read()) == [f"{i}.jpg" for i in range(5)]
    assert "images.zip: 5 pictures with the averaged (EMA) weights, 5 of them in " in result.stdout
    assert "images.zip would be accepted by 'I'm Something of a Painter Myself'." in result.stdout
    assert "The weights are those of best.safetensors, trained by mifid" in result.stdout
    assert "Next: mifid score images.zip --ref monet_jpg/" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(("flags", "name"), [([], "ema"), (["--ema"], "ema"), (["--raw"], "raw")])
def test_the_weights_can_be_chosen(flags, name, run):
    found = json.loads(run(*BASIC, *flags, "--json").stdout)
    assert found["weights"] == name
    pictures = read()
    run(*BASIC, "--raw" if name == "raw" else "--ema", "-o", "images2.zip")
    assert read("images2.zip") == pictures
    run(*BASIC, "--ema" if name == "raw" else "--raw", "-o", "images3.zip")
    assert read("images3.zip") != pictures


def test_json_says_the_same(run):
    result = run(*BASIC, "--json", "--limit", "3", "--batch-size", "2", "--workers", "1")
    assert result.exit_code == 0
    assert result.stderr == ""
    found = json.loads(result.stdout)
    seconds, network = found.pop("seconds"), found.pop("network_seconds")
    assert 0 < network < seconds
    assert {finding["level"] for finding in found.pop("findings")} == {"ok"}
    assert found == {
        "path": "images.zip",
        "pictures": 3,
        "resumed": 0,
        "weights": "ema",
        "origin": "best.safetensors, trained by mifid (averaged (EMA), step 7)",
        "notes": [],
        "accepted": True,
    }


def test_variants_and_another_pictures_map(run, folder, failure):
    """A generator of bayes-sfm draws a map for each photo, or takes one picture's."""
    maps = Generator(network="map_resnet", width=4, blocks=1)
    saved(folder / "maps.safetensors", config(generator=maps))
    given = ["generate", "--checkpoint", "maps.safetensors", *BASIC[3:]]
    result = run(*given, "--variants", "2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["path"] == "images.zip"
    assert [each["path"] for each in found["variants"]] == ["variant-2/images.zip"]
    assert list(read("variant-2/images.zip")) == list(read())
    text = run(*given, "--variants", "2").stdout
    assert "variant-2/images.zip would be accepted" in text
    like = run(*given, "--like", "photos/3.png", "-o", "like.zip")
    assert "with the map of 3.png" in like.stdout
    assert "--like is given, but this generator (resnet)" in failure(*BASIC, "--like", "a.png")
    assert "--variants is 2, but this generator makes one" in failure(*BASIC, "--variants", "2")


def test_what_kaggle_would_refuse_is_1_and_stays(run):
    result = run(*BASIC, "--limit", "1", "-o", "other.zip")
    assert result.exit_code == 1
    assert len(read("other.zip")) == 1
    words = " ".join(result.stdout.split())
    assert "Rename it to images.zip." in words
    assert "Hand in 2 to 20." in words
    assert "other.zip would be refused" in words
    assert "other.zip: 1 picture with" in words
    assert "Next:" not in words
    assert run(*BASIC, "--limit", "1", "--json").exit_code == 1


def test_quality_reaches_the_encoder(run):
    run(*BASIC)
    fine = read()
    run(*BASIC, "--quality", "20", "--force")
    assert all(len(read()[name]) < len(content) for name, content in fine.items())


def test_what_another_job_made_is_replaced_only_by_force(run, failure):
    run(*BASIC)
    first = read()
    assert run(*BASIC).exit_code == 0
    message = failure(*BASIC, "--limit", "2")
    assert "cannot write images.zip: there is one already, made with other weights" in message
    assert "replace this one: --force" in message
    assert read() == first
    assert run(*BASIC, "--limit", "2", "--force").exit_code == 0
    assert len(read()) == 2


def test_what_generate_did_not_make_is_kept(run, failure, folder):
    given = write_zip(folder / "images.zip", [("a.png", encode(noise(0, 16, 16)))]).read_bytes()
    assert "which mifid generate did not make" in failure(*BASIC)
    assert (folder / "images.zip").read_bytes() == given
    assert run(*BASIC, "--force").exit_code == 0
    assert len(read()) == 5


@pytest.mark.filterwarnings("default")
def test_another_size_is_warned_of(run, folder):
    saved(folder / "best.safetensors", config(size=32, fit="stretch"))
    result = run(*BASIC)
    assert result.exit_code == 0
    assert "Warning: the generator makes pictures of 32 x 32 pixels" in result.stderr
    assert json.loads(run(*BASIC, "--json").stdout)["notes"][0].startswith("the generator makes")


@pytest.mark.filterwarnings("default")
def test_the_weights_of_another_program_are_named(run, failure, folder):
    torch.save(ResNet().state_dict(), folder / "latest_net_G_B.pth")
    foreign = ["generate", "--checkpoint", "latest_net_G_B.pth", *BASIC[3:]]
    result = run(*foreign, "--size", "32")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    assert "latest_net_G_B.pth, the ResNet generator of the CycleGAN repository (2 blocks" in told
    assert "at 32 x 32 pixels" in told
    assert "as --size is not given" not in told
    assert "The weights are those of latest_net_G_B.pth, the ResNet" in result.stdout
    assert "made with other weights" in failure(*foreign, "--size", "16")
    assert "Leave out --ema/--raw" in failure(*foreign, "--ema", "-o", "ema.zip")
    write_folder(folder / "large", [(f"{i}.png", encode(noise(i, 64, 64))) for i in range(2)])
    large = [*foreign[:3], "--photos", "large", "--device", "cpu", "-o", "two.zip"]
    found = json.loads(run(*large, "--json").stdout)
    assert "CycleGAN repository" in found["origin"]
    assert "at 256 x 256 pixels, as --size is not given" in found["notes"][0]
    message = failure(*BASIC, "--size", "32")
    assert "--size is 32, but the generator of best.safetensors was trained at 16" in message


def test_what_is_wrong_with_a_path_comes_without_warnings(failure, folder):
    saved(folder / "best.safetensors", config(size=32, fit="stretch"))  # other sizes are warned of
    assert "Warning" not in failure(*BASIC[:3], "--photos", "nowhere")
    assert "Warning" not in failure(*BASIC, "-o", "nowhere/images.zip")


def test_ctrl_c_says_how_to_go_on_and_it_does(run, monkeypatch):
    whole = library.AssemblyLine.run

    def interrupted(self, first, end):
        for number, file in enumerate(whole(self, first, end)):
            if number == 4:
                raise KeyboardInterrupt
            yield file

    monkeypatch.setattr(library.AssemblyLine, "run", interrupted)
    result = run(*BASIC, "--batch-size", "2")
    assert result.exit_code == 130
    assert "Give the same command again" in result.stderr
    monkeypatch.setattr(library.AssemblyLine, "run", whole)
    result = run(*BASIC, "--batch-size", "2")
    assert result.exit_code == 0
    assert "5 pictures with the averaged (EMA) weights, 1 of them in" in result.stdout
    assert "The other 4 are from an earlier run." in result.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--checkpoint", "no.safetensors"], "no such file: no.safetensors"),
        (["--photos", "no"], "no such file or folder: no"),
        (["--checkpoint", "photos/0.png"], "photos/0.png cannot be read as safetensors"),
        (["-o", "no/images.zip"], "mkdir -p no"),
        (["-o", "images.png"], "cannot write images.png: its ending is not one of .zip"),
        (["--checkpoint", "photos"], "photos is a folder without best.safetensors"),
        (["--device", "abacus"], "device 'abacus' cannot be used here"),
    ],
)
def test_what_cannot_be_is_one_message(changes, said, failure):
    option, value = changes
    basic = list(BASIC)
    if option in basic:
        del basic[basic.index(option) : basic.index(option) + 2]
    assert said in failure(*basic, option, value)


@pytest.mark.parametrize("option", ["--checkpoint", "--photos"])
def test_both_sides_must_be_given(option, failure):
    without = list(BASIC)
    del without[without.index(option) : without.index(option) + 2]
    assert f"Missing option '{option}'" in failure(*without, code=2)


def test_help_shows_every_option(run):
    text = run("generate", "--help").output
    for option in generate.params:
        assert option.opts[-1] in text


def test_no_range_is_advised_that_cannot_be_given(run, folder):
    np.save("photos.npy", np.stack([noise(i, 16, 16) for i in range(4)]) / 255)
    commands = [
        ["generate", "--checkpoint", "best.safetensors", "--photos", "photos.npy"],
        ["train-baseline", "--photos", "photos.npy", "--monets", "monet"],
    ]
    for command in commands:
        message = run(*command).stderr
        assert "photos.npy is float64, and its range is not known" in message
        assert "give (x * 255).round().astype('uint8')." in " ".join(message.split())
        assert "range:" not in message
