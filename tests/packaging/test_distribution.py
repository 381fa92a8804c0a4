"""The source distribution holds all of the repository, and the wheel made of it holds all of the program."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
ONLY_IN_GIT = (".github/", ".gitignore")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution of a copy of the repository, and the wheel that is made of it."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "whitestat"
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(copy)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (source,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return source, wheel


def tracked() -> set[str]:
    """The names of the repository's files; skips where this is no clone of it."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone, so there is no list of files to compare with")
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True).stdout
    return {name for name in listed.splitlines() if (ROOT / name).is_file()}


def test_the_source_distribution_has_every_file_of_the_repository(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in tracked() - names if not name.startswith(ONLY_IN_GIT)} == set()


def test_the_wheel_has_every_file_of_the_program(built: tuple[Path, Path]) -> None:
    program = {name.removeprefix("src/") for name in tracked() if name.startswith("src/whitestat/")}
    with ZipFile(built[1]) as archive:
        names = set(archive.namelist())
    assert program - names == set()
    assert {name for name in names if name.startswith("whitestat/")} == program


def test_the_wheel_names_its_licence_and_each_python(built: tuple[Path, Path]) -> None:
    with ZipFile(built[1]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    assert "License-Expression: MIT\n" in metadata
    assert all(f"Python :: 3.{minor}\n" in metadata for minor in (11, 12, 13, 14))


def test_a_build_takes_nothing_of_the_build_before(built: tuple[Path, Path], tmp_path: Path) -> None:
    """As `pip install .` of a clone, again after modules were moved."""
    copy = built[0].parents[1] / "whitestat"
    left = copy / "build" / "lib" / "whitestat" / "moved_since.py"
    left.parent.mkdir(parents=True)
    left.write_text("")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "whitestat/__main__.py" in names
    assert "whitestat/moved_since.py" not in names
