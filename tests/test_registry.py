"""Tables of names, and what is said to a name that is in none."""

import sys

import pytest

from mifid.errors import InputError
from mifid.extractors import EXTRACTORS
from mifid.metrics import METRICS
from mifid.registry import Registry, did_you_mean, import_object, meant, suggest

TABLE = Registry("fruit", {"apple": "math:pi", "pear": "math:e", "cherry": "no.such:thing"})


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported during the test."""
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def make(text, name="users_own"):
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)
        return name

    yield make
    for name in written:
        sys.modules.pop(name, None)


def test_names_give_their_objects():
    assert TABLE["apple"] == pytest.approx(3.14159, abs=1e-5)
    assert list(TABLE) == ["apple", "pear", "cherry"]
    assert len(TABLE) == 3


def test_asking_for_a_name_imports_nothing():
    assert "cherry" in TABLE
    assert "grape" not in TABLE
    with pytest.raises(InputError, match=r"cannot import 'no.such'"):
        TABLE["cherry"]


@pytest.mark.parametrize("given", ["appel", "aple", "apples"])
def test_a_near_miss_is_told_what_was_meant(given):
    with pytest.raises(InputError) as caught:
        TABLE[given]
    assert caught.value.message == f"unknown fruit '{given}'"
    assert caught.value.hint == "Did you mean 'apple'? There are: apple, cherry, pear."


@pytest.mark.parametrize("given", ["zzz", "", "42"])
def test_a_far_miss_is_told_what_there_is(given):
    with pytest.raises(InputError) as caught:
        TABLE[given]
    assert caught.value.hint == "There are: apple, cherry, pear."


def test_suggestions_work_on_lists_too():
    assert suggest("b", ["bb", "a"]) == "Did you mean 'bb'? There are: a, bb."


ALIASES = {"learning_rate": "rate", "betas": ("beta1", "beta2"), "device": "--device"}
SETTINGS = ["rate", "beta1", "beta2", "color", "unet-2", "unet-60"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("learning_rate", ["rate"]),
        ("Learning-Rate", ["rate"]),  # neither case nor hyphens matter
        ("betas", ["beta1", "beta2"]),
        ("device", ["--device"]),  # an alias may stand for what is no name of the table
        ("RATE", ["rate"]),
        ("beta_1", ["beta1"]),
        ("unet", ["unet-2", "unet-60"]),  # all that begin so, not one of them
        ("colour", ["color"]),
        ("lr", []),  # two letters that lie in a name are no likeness
        ("un", []),
        ("", []),
        ("--", []),
    ],
)
def test_names_are_suggested_by_meaning_before_spelling(given, names):
    assert meant(given, SETTINGS, aliases=ALIASES) == names


def test_a_table_suggests_by_its_aliases():
    table = Registry("fruit", {"apple": "math:pi"}, aliases={"pomme": "apple"})
    with pytest.raises(InputError) as caught:
        table["Pomme"]
    assert caught.value.hint == "Did you mean 'apple'? There are: apple."


@pytest.mark.parametrize(
    ("names", "question"),
    [
        ([], ""),
        (["a"], "Did you mean 'a'? "),
        (["a", "b"], "Did you mean 'a' or 'b'? "),
        (["a", "b", "c"], "Did you mean 'a', 'b' or 'c'? "),
    ],
)
def test_several_that_could_be_meant_are_listed(names, question):
    assert did_you_mean(names) == question


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_extractor_can_be_imported(name):
    assert callable(EXTRACTORS[name])


@pytest.mark.parametrize(
    ("table", "given", "meant"),
    [
        (EXTRACTORS, "incepton", "inception"),
        (EXTRACTORS, "inception_random", "inception-random"),
        (METRICS, "fidd", "fid"),
        (METRICS, "memorisation", "memorization"),
    ],
)
def test_the_librarys_own_names_are_suggested(table, given, meant):
    assert f"Did you mean '{meant}'?" in suggest(given, table)


def test_objects_are_imported_by_their_path(module):
    name = module("def colours(batch): return 42")
    assert import_object(f"{name}:colours")(None) == 42


@pytest.mark.parametrize("path", ["no_such_module:f", "math.nope:f", "no_such_module"])
def test_a_missing_module_is_named_with_what_was_given(path):
    with pytest.raises(InputError) as caught:
        import_object(path)
    module_name = path.split(":")[0]
    assert f"cannot import '{module_name}' (from '{path}'): No module named" in caught.value.message
    assert "package.module:object" in caught.value.hint
    assert "PYTHONPATH" in caught.value.hint


@pytest.mark.parametrize("path", [":colours", "", ".relative:colours"])
def test_what_is_no_path_to_an_object_is_refused(path):
    with pytest.raises(InputError, match=r"cannot import '(.relative)?' \(from '.*'\): \w+Error: "):
        import_object(path)


def test_a_missing_object_is_named_with_the_nearest(module):
    name = module("def colours(batch): ...\ndef _hidden(): ...\n")
    with pytest.raises(InputError) as caught:
        import_object(f"{name}:colors")
    assert caught.value.message == "module 'users_own' has no 'colors'"
    assert caught.value.hint == "Did you mean 'colours'? There are: colours."


@pytest.mark.parametrize("path", ["math:", "math"])
def test_a_module_alone_is_no_object(path):
    with pytest.raises(InputError, match="module 'math' has no ''"):
        import_object(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_dependency", "No module named 'no_such_dependency'"),
        ("from math import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        ("def broken(:", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(text, reason, module):
    with pytest.raises(InputError) as caught:
        import_object(f"{module(text)}:f")
    assert f"cannot import 'users_own' (from 'users_own:f'): {reason}" in caught.value.message
    assert caught.value.__cause__ is not None  # for --debug


def test_ctrl_c_while_importing_is_no_missing_module(module):
    with pytest.raises(KeyboardInterrupt):
        import_object(f"{module('raise KeyboardInterrupt')}:f")
