"""How large a run's folder is: told before the run, and what lies in it at the end."""

from types import SimpleNamespace

import pytest
from small import SMALL
from torch import nn

from mifid.baseline.run import preflight
from mifid.baseline.run.run_folder import contents
from mifid.errors import MifidWarning


def test_the_largest_goes_first_and_folders_are_added_up(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name, size in (("checkpoints/a", 70), ("checkpoints/b", 50), ("x.zip", 100), ("y", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    assert contents(tmp_path) == [("checkpoints/", 120), ("x.zip", 100), ("y", 0)]


def test_a_large_folder_is_told_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1e12))
    painter = nn.Linear(10_000, 10_000, device="meta")  # 400 MB; with two moments, 1.2 GB
    method = SimpleNamespace(networks={"painter": painter}, painter=painter, config=SMALL)
    with pytest.warns(MifidWarning, match=r"will hold about 2\.8 GB: 2 checkpoints of 1\.2 GB"):
        preflight.check_space(tmp_path, method, averaged=False, world=1, submission=10)
