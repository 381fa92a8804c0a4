"""How many generated examples a property test tries: its own number, fewer in `make quick`."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

IS_QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"
QUICK_EXAMPLES = 10


def examples(count: int, **more: Any) -> settings:
    """Return the settings of a test that tries `count` examples, as a decorator; at most ten in `make quick`."""
    return settings(max_examples=min(count, QUICK_EXAMPLES) if IS_QUICK else count, deadline=None, **more)
