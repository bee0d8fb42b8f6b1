"""What a run is given, from a preset, a file or its own folder; and the preset's name in it."""

import pytest
from small import SMALL

from mifid.baseline.choosing import choose_config
from mifid.baseline.config.file import write_run_file
from mifid.baseline.config.schema import Inputs
from mifid.baseline.presets import DEFAULT, preset
from mifid.baseline.run.run_folder import CONFIG, check_folder
from mifid.errors import InputError


def choose(out, **given):
    nothing = dict.fromkeys(("photos", "monets", "held_out", "preset_name", "config"))
    return choose_config(**{**nothing, "settings": (), "resume": False, "out": out, **given})


def leave(folder, inputs, config=SMALL):
    """Write the config.toml of a run that was begun; return its path."""
    write_run_file(folder / CONFIG, inputs, config, version="1")
    return folder / CONFIG


@pytest.mark.parametrize(("given", "name"), [(None, DEFAULT), ("tiny", "tiny")])
def test_the_presets_name_is_noted(given, name, tmp_path):
    inputs, config = choose(tmp_path, photos="p", monets="m", preset_name=given)
    assert inputs == Inputs(photos="p", monets="m", preset=name)
    assert config == preset(name).config


def test_a_run_that_goes_on_keeps_its_presets_name(tmp_path):
    noted = Inputs(photos="p", monets="m", preset="agarwal-static")
    leave(tmp_path, noted)
    assert choose(tmp_path, resume=True) == (noted, SMALL)


def test_a_file_tells_which_preset_it_began_with(tmp_path):
    file = leave(tmp_path, Inputs(photos="p", monets="m", preset="tiny"))
    assert choose(tmp_path / "new", config=file)[0].preset == "tiny"
    file.write_text("[inputs]\nphotos = 'p'\nmonets = 'm'\n[training]\nsteps = 5\n")
    assert choose(tmp_path / "new", config=file)[0].preset == ""
    assert choose(tmp_path / "new", photos="p", monets="m", config=SMALL)[0].preset == ""


def test_the_presets_name_makes_no_other_run_of_it(tmp_path):
    """A run from before names were noted goes on with --preset given again, too."""
    leave(tmp_path, Inputs(photos="p", monets="m"), preset("tiny").config)
    again = choose(tmp_path, resume=True, preset_name="tiny")
    assert again[0].preset == "tiny"
    check_folder(tmp_path, *again, resume=True)
    other = choose(tmp_path, resume=True, preset_name="tiny", epsilon=0.2)
    with pytest.raises(InputError, match=r"another conf.*: epsilon: -1\.0 -> 0\.2\n"):
        check_folder(tmp_path, *other, resume=True)


@pytest.mark.parametrize("name", ["photos", "monets", "held_out"])
def test_pictures_that_are_no_path_are_named(name, tmp_path):
    given = {"photos": "p", "monets": "m", name: [[1, 2], [3, 4]]}
    with pytest.raises(InputError, match=rf"{name} is of type list; expected a path\n.*\.npy"):
        choose(tmp_path, **given)
