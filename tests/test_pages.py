"""Pages: links lead somewhere, the site shows all pages, the citation is of this version."""

import configparser
import re
from pathlib import Path

import pytest

import mifid

ROOT = Path(mifid.__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]


def without_code(text):
    return re.sub(r"```.*?```|``.*?``|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text()))
    for link in links:
        if link.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_site_shows_every_page():
    index = (DOCS / "index.md").read_text()
    trees = re.findall(r"```\{toctree\}\n(.*?)```", index, flags=re.DOTALL)
    named = [line for tree in trees for line in tree.split() if re.fullmatch(r"[a-z-]+", line)]
    named = [name for name in named if (DOCS / f"{name}.md").exists()]
    assert sorted(named) == sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "index")


def test_the_citation_is_of_this_version():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    (version,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert version == parser["metadata"]["version"]
