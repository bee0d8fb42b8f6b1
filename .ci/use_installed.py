"""Use an installed mifid: check what it requires, score drawn pictures, write the page."""

import sys
import sysconfig
from importlib.metadata import requires, version
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

import mifid

where = Path(mifid.__file__).resolve()
if not where.is_relative_to(Path(sysconfig.get_path("purelib")).resolve()):
    sys.exit(f"mifid was imported from {where}, not from what was installed")
for requirement in map(Requirement, requires("mifid") or []):
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        continue
    if version(requirement.name) not in requirement.specifier:
        sys.exit(f"{requirement} is required, {version(requirement.name)} is installed")
random = np.random.RandomState(0)
generated, reference = random.randint(0, 256, (2, 16, 64, 64, 3)).astype(np.uint8)
report = mifid.score(generated, reference, extractor="lite0")
report.save("report.html")
print(
    f"mifid {mifid.__version__}: FID {report.fid:.4f}, {Path('report.html').stat().st_size} bytes"
)
