"""The random network, drawn and converted once for all processes that share the tests.

Its weights take seconds to draw; the network takes ten seconds to convert for OpenVINO.
"""

import fcntl
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import torch

from mifid.extractors import inception
from mifid.files import sha256_of_file

draw = inception.random_weights


@cache
def make(folder: Path) -> Path:
    """Return ``folder``, filled by the first process that asks.

    It holds ``openvino/`` (as mifid's cache has it), ``first.txt`` (what the run that converted
    the network found), and ``weights.pth``, as which it stands in ``openvino/``, too.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        weights = folder / "weights.pth"
        if not weights.exists():
            if find_spec("openvino") is not None:
                (folder / "first.txt").write_text(sum_of_features(folder))
            with patch.object(inception, "random_weights", draw):
                torch.save(dict(inception.RandomInception().state_dict()), weights)
            for converted in list(folder.glob(f"openvino/{inception.SHA256[:32]}*")):
                name = converted.name.replace(inception.SHA256[:32], sha256_of_file(weights)[:32])
                converted.with_name(name).symlink_to(converted.name)
    return folder


@cache
def read(folder: Path) -> dict:
    """Return the weights as NumPy's arrays."""
    kept = torch.load(make(folder) / "weights.pth", weights_only=True)
    return {name: value.numpy() for name, value in kept.items()}


def sum_of_features(cache: Path) -> str:
    """Run the network in a new process, which must not import torch."""
    code = (
        "import sys, numpy as np\n"
        "from mifid.extractors import open_extractor\n"
        "pixels = np.random.RandomState(0).randint(0, 256, (2, 40, 30, 3), dtype=np.uint8)\n"
        "features = open_extractor('inception-random', backend='openvino')(pixels)\n"
        "assert 'torch' not in sys.modules\n"
        "print(features.astype(np.float64).sum())\n"
    )
    env = {**os.environ, "MIFID_CACHE": str(cache)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
