"""The examples in docstrings run, and public names are documented."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import mifid

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(mifid.__path__, "mifid.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["mifid", *MODULES])
def test_examples_run(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        pytest.skip("gradio is in an environment of its own, where tests/web/test_page.py runs it")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", [n for n in mifid.__all__ if n != "__version__"])
def test_public_names_tell_what_they_take_and_raise(name):
    documented = inspect.getdoc(getattr(mifid, name))
    assert documented
    if inspect.isfunction(getattr(mifid, name)):
        assert "Args:" in documented or "Arguments are those of" in documented or name == "check"
        if name != "penalized":
            assert "Raises:" in documented
