"""The page's files: right, small, kept by browsers until they change."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from base64 import b64encode
from importlib.resources import files
from pathlib import Path

import pytest

from tests.support.household import House

STATIC = Path(str(files("whitestat.web") / "static"))
IMPORT_MAP = re.compile(r"<script type=\"importmap\">(.*?)</script>", re.DOTALL)
IMPORTED = re.compile(r"^(?:import|\})[^;\"]* from \"([^\"]+)\";", re.MULTILINE)
SERVED = sorted(path for path in STATIC.rglob("*") if path.suffix in {".js", ".mjs", ".css"})


@pytest.mark.parametrize("path", SERVED, ids=lambda path: path.name)
def test_files_are_served_as_they_are_with_and_without_compression(home: House, path: Path) -> None:
    url = f"/static/{path.relative_to(STATIC)}"
    plain, packed = home.get(url), home.get(url, Accept_Encoding="br, gzip;q=0.8")
    assert plain.body == path.read_bytes()
    assert plain.headers["content-type"].startswith("text/css" if path.suffix == ".css" else "text/javascript")
    if "content-encoding" in packed.headers:
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == "accept-encoding"


def test_gzip_that_is_ruled_out_is_not_used(home: House) -> None:
    assert "content-encoding" not in home.get("/", Accept_Encoding="gzip;q=0, br").headers


def test_what_a_browser_has_is_not_sent_again(home: House) -> None:
    tag = home.get("/static/css/page.css").headers["etag"]
    for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = home.get("/static/css/page.css", If_None_Match=told)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert home.get("/static/css/page.css", If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/index.html", "/static/../app.py", "/static/%2e%2e/app.py", "/static/vendor/VENDORED.md"],
)
def test_nothing_else_is_served(home: House, path: str) -> None:
    assert home.get(path).status == 404


def test_all_of_the_script_and_style_is_small() -> None:
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in SERVED) <= 100_000


def test_the_one_inline_script_is_allowed_by_its_hash(home: House) -> None:
    answer = home.get("/")
    scripts = re.findall(r"<script type=\"importmap\">(.*?)</script>", answer.text, re.DOTALL)
    assert len(scripts) == 1
    digest = b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert 'data-version="12.0.0"' in answer.text


def test_vendored_files_are_what_the_list_says() -> None:
    table = (STATIC / "vendor" / "VENDORED.md").read_text()
    listed = dict(re.findall(r"^\| (\S+\.mjs) .* ([0-9a-f]{64}) \|$", table, re.MULTILINE))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (STATIC / "vendor").glob("*.mjs")}
    assert listed == found


def loaded_with(path: Path, modules: set[Path]) -> set[Path]:
    """The module and all that it imports, directly and further on."""
    if path not in modules:
        modules.add(path)
        packages: dict[str, str] = json.loads(IMPORT_MAP.findall((STATIC / "index.html").read_text())[0])["imports"]
        for name in IMPORTED.findall(path.read_text() if "vendor" not in path.parts else ""):
            where = STATIC.parent / packages[name] if name in packages else path.parent / name
            loaded_with(where.resolve(), modules)
    return modules


def test_the_document_preloads_exactly_the_modules_of_the_first_view() -> None:
    document = (STATIC / "index.html").read_text()
    listed = re.findall(r'<link rel="modulepreload" href="\./static/([^"]+)">', document)
    modules = {str(path.relative_to(STATIC)) for path in loaded_with(STATIC / "page.js", set())}
    assert sorted(listed) == sorted((modules | {"vendor/preact.mjs"}) - {"page.js"})


def test_every_view_is_a_file_that_the_router_names() -> None:
    named = re.findall(r'"\./views/(\w+)\.js"', (STATIC / "router.js").read_text())
    assert sorted(named) == sorted(path.stem for path in (STATIC / "views").glob("*.js"))


def test_pure_modules_import_no_others() -> None:
    """What is in lib/ runs without a browser and without the packages, but for html.js, which binds them."""
    for path in (STATIC / "lib").glob("*.js"):
        if path.name != "html.js":
            assert all(name.startswith("./") for name in IMPORTED.findall(path.read_text())), path.name


def test_requests_are_sent_by_one_module() -> None:
    found = [path.name for path in SERVED if "vendor" not in path.parts and "fetch(" in path.read_text()]
    assert found == ["api.js"]


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for path in [*(path for path in SERVED if "vendor" not in path.parts), STATIC / "index.html"]:
        assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", path.read_text()), path.name
