"""All schemas of the OpenAPI document, by name."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas import accounts, devices, live, plans, service, settings, usage

SCHEMAS: Schema = {
    **usage.SCHEMAS,
    **live.SCHEMAS,
    **devices.SCHEMAS,
    **plans.SCHEMAS,
    **accounts.SCHEMAS,
    **service.SCHEMAS,
    **settings.SCHEMAS,
}
