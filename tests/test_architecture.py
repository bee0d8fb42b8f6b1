"""The house as docs/architecture.md describes it: faces, names, sizes of packages."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import mifid
from mifid.registry import import_object

ROOT = Path(mifid.__file__).parents[1]
PACKAGE = ROOT / "mifid"
FACES = sorted(
    str(init.parent.relative_to(ROOT)).replace("/", ".")
    for init in PACKAGE.rglob("__init__.py")
    if init.parent != PACKAGE
)
FOR_ALL = {"mifid.metrics.linalg", "mifid.metrics.neighbours"}
"""Tools that any package imports as they are."""

SHARED_NAMES = {"__init__.py", "base.py", "page.py"}
"""The same thing in several packages; every other name of a file is there once."""


def modules():
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node


@pytest.mark.parametrize("name", FACES)
def test_a_face_hands_on_what_its_types_say(name):
    path = ROOT / name.replace(".", "/") / "__init__.py"
    face = importlib.import_module(name)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If):
            handed_on = [each for each in node.body if isinstance(each, ast.ImportFrom)]
            promised = {(each.module, alias.name) for each in handed_on for alias in each.names}
            promised = {each for each in promised if each[0].startswith(f"{name}.")}
            if promised:
                assert {named for _, named in promised} == set(dir(face))
            for module, named in promised:
                assert getattr(face, named) is getattr(importlib.import_module(module), named)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = face.no_such_name


def test_faces_are_light():
    code = (
        f"import sys\nfor name in {FACES!r}: __import__(name)\n"
        "heavy = {'torch', 'scipy', 'matplotlib', 'torchvision', 'openvino'} & sys.modules.keys()\n"
        "sys.exit(f'imported: {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


WITHOUT_TORCH = [
    *("mifid.scoring", "mifid.comparison.comparing", "mifid.diagnosis.diagnosing"),
    *("mifid.explanation.explaining", "mifid.selection.selecting", "mifid.evidence.evidence"),
    *("mifid.report.page", "mifid.distributed.local_engine", "mifid.submission.checking"),
]
"""What a score with OpenVINO, or of features, needs: torch alone would take seconds."""


def test_a_score_of_features_imports_no_torch():
    code = (
        f"import sys\nfor name in {WITHOUT_TORCH!r}: __import__(name)\n"
        "import numpy, mifid\n"
        "one, two = numpy.random.RandomState(0).rand(2, 9, 4)\n"
        "mifid.score(mifid.Features(one), mifid.Features(two), device='cpu').text()\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_code_outside_a_package_imports_from_its_face_alone():
    known = modules()
    packages = {name for name, path in known.items() if path.name == "__init__.py"} - {"mifid"}
    wrong = []
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        inside = ".".join(parts[:-1])
        for node in imports_of(path):
            package = node.module.rpartition(".")[0]
            if (
                node.module in known
                and node.module not in packages
                and package in packages
                and node.module not in FOR_ALL
                and not f"{inside}.".startswith(f"{package}.")
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.module}")
    assert wrong == []


def test_the_root_holds_services_and_the_main_way():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_no_package_is_crowded():
    for init in PACKAGE.rglob("__init__.py"):
        assert len(list(init.parent.glob("*.py"))) <= 20, init.parent


def test_no_name_of_a_file_means_two_things():
    names = Counter(path.name for path in PACKAGE.rglob("*.py"))
    assert {name for name, n in names.items() if n > 1} <= SHARED_NAMES


def test_the_page_names_every_part_and_the_layers_that_are_checked():
    page = (ROOT / "docs" / "architecture.md").read_text()
    tree, layers = page.split("```")[1], page.split("```")[3]
    named = {line.split()[0] for line in tree.splitlines() if line.startswith("    ")}
    parts = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    folders = {f"{face.rpartition('.')[2]}/" for face in FACES} - {"backends/"}
    assert named == parts | folders
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    assert layers.split() == parser["importlinter:contract:layers"]["layers"].split()


def test_paths_that_the_pages_name_are_there():
    for page in (ROOT / "docs" / "architecture.md", ROOT / "docs" / "extending.md"):
        for path in re.findall(r"`((?:mifid|cli|tests|benchmarks)/[\w/.]*)`", page.read_text()):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "path",
    [
        "mifid.statistics:Statistics",
        "mifid.evidence.tables:write_table",
        "mifid.submission:Rules",
        "mifid.submission:write_submission",
        "mifid.baseline.config:Config",
        "mifid.metrics.frechet:frechet_distance",
        "mifid.metrics.memorization:memorization_distance",
        "mifid.report:Report",
        "mifid.comparison:Comparison",
        "mifid.images:open_images",
    ],
)
def test_documented_paths_stay(path):
    assert callable(import_object(path))
