"""What the configuration is made of: root's file and the environment, under them the page's file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

Values = dict[str, Any]
"""The values of the fields, or a list of such rows, by section; the top level is section ''."""


class Layers(NamedTuple):
    """What the configuration was made of.

    `values` are those of root's file and the environment, `document` is the TOML of root's file at `file` (None
    without one), `variables` has the variable of the environment by the key that it sets. `page` is the TOML of the
    page's file as it is in use, and `fault` the reason why what is at `page_file` now is not.
    """

    values: Values
    document: Mapping[str, Any]
    file: Path | None
    variables: Mapping[str, str]
    page_file: Path
    page: Mapping[str, Any] = {}
    fault: str = ""
