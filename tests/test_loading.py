"""What the service loads: no more than its role needs, and all that answers need before it gives up root."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "jinja2",
    "prometheus_client",
    "tomllib",
    "whitestat.collectors.darkstat",
    "whitestat.collectors.kernel",
    "whitestat.importers",
    "whitestat.collectors.router",
    "whitestat.config_text",
    "whitestat.csv_logs",
    "requests",
    "huawei_lte_api",
    "whitestat.ledger.plan_books",
    "whitestat.plans.forecast",
    "whitestat.plans.standing",
    "whitestat.web.plans",
    "whitestat.web.openapi",
    "zeroconf",
    "rich",
}


def loaded(statements: str) -> set[str]:
    """Modules of a fresh interpreter after the statements."""
    program = f"import sys; {statements}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_parts_that_many_never_need_are_loaded_when_they_are_asked_for() -> None:
    assert not loaded("import whitestat.cli, whitestat.service, whitestat.web") & HEAVY


def test_who_gives_up_root_has_loaded_all_that_answers_need() -> None:
    before = loaded("from whitestat import web; web.load_all()")
    assert {"jinja2", "prometheus_client", "whitestat.web.metrics", "whitestat.web.openapi"} <= before
