"""What a Space needs to be written, in an environment without gradio."""

import pytest


@pytest.fixture
def gradio(tmp_path_factory, monkeypatch):
    """The version of an installation of gradio: its metadata alone."""
    version = "6.99.1"
    folder = tmp_path_factory.mktemp("packages")
    information = folder / f"gradio-{version}.dist-info"
    information.mkdir()
    text = f"Metadata-Version: 2.1\nName: gradio\nVersion: {version}\n"
    (information / "METADATA").write_text(text)
    monkeypatch.syspath_prepend(folder)
    return version
