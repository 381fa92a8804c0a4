"""`python packaging/vendor.py FOLDER`: fetches from npm what VENDORED.md of the folder lists, at the versions it names.

The checksums of what came are written into the list, and a test compares them. To update a package, change its version
in the list and run `make vendor`.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

_ROW = re.compile(r"^\| (\S+) \| (\S+) (\S+) \| (\S+) \| (\S+) \((\S+)\) \| [0-9a-f]{64} \|$")


class File(NamedTuple):
    """One row of the list."""

    name: str
    package: str
    version: str
    path: str
    licence: str
    licence_file: str

    def row(self, checksum: str) -> str:
        licence = f"{self.licence} ({self.licence_file})"
        return f"| {self.name} | {self.package} {self.version} | {self.path} | {licence} | {checksum} |"


def main(folder: Path) -> None:
    listing = folder / "VENDORED.md"
    lines = listing.read_text().splitlines()
    files = [File(*found.groups()) for line in lines if (found := _ROW.match(line))]
    checksums = dict(_fetched(files, folder))
    fresh = [found and File(*found.groups()) for line in lines for found in [_ROW.match(line)]]
    told = [file.row(checksums[file.name]) if file else line for line, file in zip(lines, fresh, strict=True)]
    listing.write_text("\n".join(told) + "\n")


def _fetched(files: list[File], folder: Path) -> Iterator[tuple[str, str]]:
    """Each file's name and checksum, once it and its licence are in the folder."""
    with TemporaryDirectory() as name:
        for package, version in sorted({(each.package, each.version) for each in files}):
            words = ["npm", "pack", "--silent", f"{package}@{version}"]
            archive = subprocess.run(words, cwd=name, check=True, capture_output=True, text=True).stdout.split()[-1]
            with tarfile.open(Path(name) / archive) as found:
                for each in files:
                    if each.package == package:
                        content = _content(found, each.path)
                        (folder / each.name).write_bytes(content)
                        (folder / each.licence_file).write_bytes(_content(found, "LICENSE"))
                        yield each.name, hashlib.sha256(content).hexdigest()


def _content(archive: tarfile.TarFile, path: str) -> bytes:
    file = archive.extractfile(f"package/{path}")
    assert file, f"{path} is no file of the package"
    return file.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
