"""The accounts file in use: written again if it is deleted or moved, never written over if it is replaced."""

from __future__ import annotations

from pathlib import Path

from whitestat.core.errors import LedgerError
from whitestat.web.auth import file
from whitestat.web.auth.file import AccountsFile

Mark = tuple[int, int, int, int]
"""Device, inode, modification time (ns) and size (stat(2)); a copy over the file changes the last two only."""


class Storage:
    """File at `path` with the content that was read from it or written to it last. The caller locks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark: Mark | None = None
        self._content = self._attempted = AccountsFile()
        self._fault: str | None = None
        self._was_gone = False

    @property
    def notice(self) -> str | None:
        """Return what is wrong with the file, or that it was written again; None if all is well."""
        again = f"{self._path}: was deleted or moved while the service ran; the accounts were written to it again"
        return self._fault or (again if self._was_gone else None)

    def read(self) -> AccountsFile:
        """Return the content, empty without a file. Raises LedgerError if it cannot be read."""
        self._mark = _mark_of(self._path)
        self._content = file.read(self._path)
        return self._content

    def save(self, content: AccountsFile) -> None:
        """Write the content. Raises LedgerError if it cannot be written or another file is in the place."""
        try:
            mark = _mark_of(self._path)
            if mark not in (None, self._mark) and not self._is_own():
                raise LedgerError(
                    f"{self._path}: accounts cannot be written: another file was put in its place while the service "
                    "ran; restart the service to use that file, or move it away to keep the accounts in use"
                )
            self._attempted = content  # in the file even if only the folder could not be synchronised
            file.write(self._path, content)
            self._was_gone |= mark is None and self._mark is not None
            self._mark, self._content, self._fault = _mark_of(self._path), content, None
        except LedgerError as error:
            self._fault = str(error)
            raise

    def check(self, content: AccountsFile) -> None:
        """Save the content if the file is not current; `notice` has what came of it."""
        try:
            if content == self._content and _mark_of(self._path) == self._mark:
                self._fault = None
            else:
                self.save(content)
        except LedgerError as error:
            self._fault = str(error)

    def _is_own(self) -> bool:
        try:
            return file.read(self._path) in (self._content, self._attempted)
        except LedgerError:
            return False


def _mark_of(path: Path) -> Mark | None:
    """Return None if there is no file. Raises LedgerError if that cannot be known."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
