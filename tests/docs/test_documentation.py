"""The documentation against the repository: links, anchors, paths, commands and generated pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support import reference
from whitestat.app.parser import command_line

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "whitestat"
PAGES = sorted(
    [*ROOT.glob("docs/**/*.md"), *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG"))]
)
FOLDERS = ("docs", "src", "tests", "bench", "packaging", "fuzz", ".github", ".ci")
SUFFIXES = (".py", ".js", ".css", ".c", ".md", ".toml", ".yaml", ".html")


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub("`[^`\n]*`", "", without_blocks(text))


def without_blocks(text: str) -> str:
    return re.sub("^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def links(path: Path) -> Iterator[str]:
    """Yield the targets of all links and pictures, addresses of other hosts left out."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        if not re.match("[a-z]+:", target):
            yield unquote(target)


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub and mkdocs give the headings of a page."""
    headings = re.findall("^#+ (.*)$", without_blocks(path.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\s-]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    broken = []
    for target in links(path):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def named_paths(text: str) -> Iterator[str]:
    """Yield what looks like a file or folder of the repository among the words in code quotes."""
    for words in re.findall("`([^`\n]+)`", without_blocks(text)):
        for word in words.split():
            path = word.rstrip(",.:;")
            in_folder = path.startswith(tuple(f"{folder}/" for folder in FOLDERS))
            if re.fullmatch(r"[a-z_.][\w./-]*/[\w.-]*", path) and (in_folder or path.endswith(SUFFIXES)):
                yield path


@pytest.mark.parametrize("path", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=page_id)
def test_every_path_of_the_repository_that_a_page_names_exists(path: Path) -> None:
    places = (ROOT, SOURCE, SOURCE / "web" / "static", path.parent)
    absent = [name for name in named_paths(path.read_text()) if not any((place / name).exists() for place in places)]
    assert not absent


def test_every_page_that_code_names_exists() -> None:
    files = [
        file for folder in ("src", "tests", "bench", "packaging", "fuzz") for file in (ROOT / folder).rglob("*.py")
    ]
    files += [ROOT / "Makefile", *SOURCE.rglob("*.js")]
    absent = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in re.findall(r"docs/[\w/-]+\.(?:md|png|svg)", file.read_text())
        if not (ROOT / name).exists()
    }
    assert not absent


@pytest.mark.parametrize("path", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=page_id)
def test_every_make_target_and_command_that_a_page_names_exists(path: Path) -> None:
    targets = set(re.findall("^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = {name for name, _, _ in reference.commands(command_line())}
    text = path.read_text()
    named = re.findall(r"`make ([a-z][a-z0-9-]*)|^ *\$ make ([a-z][a-z0-9-]*)", text, re.MULTILINE)
    assert {one or other for one, other in named} <= targets
    named = re.findall(r"`whitestat ([a-z]+)|^ *(?:\$ )?whitestat ([a-z]+)\b(?! =)", text, re.MULTILINE)
    assert {one or other for one, other in named} <= commands


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    kept = (ROOT / "docs" / "reference" / name).read_text()
    assert kept == reference.PAGES[name](), "run `make reference`"


def test_every_page_is_reached_from_the_index() -> None:
    start = ROOT / "docs" / "index.md"
    reached, left = {start}, [start]
    while left:
        page = left.pop()
        for target in links(page):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.is_relative_to(ROOT / "docs") and file not in reached:
                reached.add(file)
                left.append(file)
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} <= reached


def test_the_architecture_page_lists_every_room() -> None:
    rows = re.findall(r"^\| `([a-z]+)/` \|", (ROOT / "docs/explanation/architecture.md").read_text(), re.MULTILINE)
    assert set(rows) == {path.parent.name for path in SOURCE.glob("*/__init__.py")}
