"""The options that every function which computes features takes: listed, described, checked."""

import inspect

import numpy as np
import pytest
import torch
from pictures import noises
from toys import colours

import mifid
from mifid.errors import InputError
from mifid.pipeline.options import Keywords, Options

TAKE_OPTIONS = ["build_reference", "compare", "diagnose", "features", "score"]
PICTURES = np.stack(noises(9, 8, 8))


def test_keywords_are_the_fields_and_each_is_described():
    assert list(Keywords.__annotations__) == list(Options.__dataclass_fields__)
    types = {name: field.type for name, field in Options.__dataclass_fields__.items()}
    assert {name: each.__forward_arg__ for name, each in Keywords.__annotations__.items()} == types
    for name in types:
        assert f"\n        {name}: " in Options.__doc__ or f"\n    {name}: " in Options.__doc__


@pytest.mark.parametrize("name", TAKE_OPTIONS)
def test_signature_and_help_list_every_option(name):
    function = getattr(mifid, name)
    parameters = inspect.signature(function).parameters
    kinds = {each.kind for each in parameters.values()}
    assert kinds == {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    described = inspect.getdoc(function)
    for option, field in Options.__dataclass_fields__.items():
        assert parameters[option].default == field.default
        assert parameters[option].annotation == field.type
        assert described.count(f"\n    {option}: ") == 1
    assert "keywords" not in described


@pytest.mark.parametrize("name", TAKE_OPTIONS)
def test_a_name_that_is_no_option_is_refused_with_the_nearest(name, tmp_path):
    function = getattr(mifid, name)
    given = {
        "build_reference": [PICTURES, tmp_path / "r.npz"],
        "compare": [[PICTURES, PICTURES], PICTURES],
        "features": [PICTURES],
    }.get(name, [PICTURES, PICTURES])
    with pytest.raises(TypeError) as refused:
        function(*given, extractor=colours, bach_size=2)
    assert f"{name}()" in str(refused.value)
    assert "'bach_size'. Did you mean 'batch_size'?" in str(refused.value)


def test_the_nearest_may_be_an_argument_that_only_this_function_has():
    with pytest.raises(TypeError, match="Did you mean 'metrics'"):
        mifid.score(PICTURES, PICTURES, metric="fid")
    with pytest.raises(TypeError, match=r"'xyzzy'$"):
        mifid.score(PICTURES, PICTURES, xyzzy="fid")


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_seeds_that_numpy_does_not_take(seed):
    with pytest.raises(InputError, match=r"seed is .*; expected 0 to 4294967295"):
        mifid.features(PICTURES, extractor=colours, limit=3, seed=seed)


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_a_limit_leaves_pictures(limit):
    with pytest.raises(InputError, match="limit is"):
        mifid.features(PICTURES, extractor=colours, limit=limit)
    assert len(mifid.features(PICTURES, extractor=colours, limit=1)) == 1


def test_a_device_is_given_by_its_name():
    with pytest.raises(InputError, match=r"device is device\(type='cpu'\)") as refused:
        mifid.features(PICTURES, extractor=colours, device=torch.device("cpu"))
    assert "device='cpu'" in refused.value.hint


def test_one_set_of_pictures_has_one_range():
    floats = (PICTURES / 255).astype(np.float32)
    with pytest.raises(InputError, match=r"value_range is {.*expected one range") as refused:
        mifid.features(floats, extractor=colours, value_range={"reference": (0, 1)})
    assert "value_range=(0, 1)" in refused.value.hint
    assert len(mifid.features(floats, extractor=colours, value_range=(0, 1))) == 9


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("device", "foo", "device 'foo' cannot be used"), ("backend", "foo", "unknown backend 'foo'")],
)
def test_a_wrong_device_or_backend_is_refused_before_weights_are_sought(
    name, value, said, monkeypatch
):
    """Else a typo would first download 95 MB."""

    def sought(*_args, **_more):
        raise AssertionError("weights were sought")

    monkeypatch.setattr("mifid.extractors.inception.obtain", sought)
    with pytest.raises(InputError, match=said):
        _ = Options(**{name: value}).network
