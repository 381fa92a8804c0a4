"""The OpenAPI document is valid, and answers are what it says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.household import NOON_S, House, device, item

NOT_HERE = ("/api/v1/live", "/api/v1/people/{person}/export", "/api/v1/plans/{plan}/usage")
"""A stream, and what the home of these tests has none of: tests of their own hold them to their schemas."""


@pytest.fixture(scope="module")
def document(home: House) -> dict[str, Any]:
    found: dict[str, Any] = home.get("/openapi.json").json
    return found


def schema_of(document: dict[str, Any], name: str) -> OAS31Validator:
    return OAS31Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_path_of_it_answers_as_it_says(home: House, document: dict[str, Any]) -> None:
    session = home.accounts.begin(home.accounts.owner(NOON_S * 1000).id, NOON_S * 1000)
    for path, operations in document["paths"].items():
        if (
            path in ("/api/v1/live", "/api/v1/people/{person}/export", "/api/v1/plans/{plan}/usage")
            or "get" not in operations
        ):
            continue
        ((media_type, content),) = operations["get"]["responses"]["200"]["content"].items()
        at = re.sub("{[a-z]+}", "1", path.replace("{address}", "192.0.2.1"))
        answer = home.get(at, Cookie=f"whitestat={session}")
        assert answer.headers["content-type"].startswith(media_type)
        if media_type == "application/json":
            schema_of(document, content["schema"]["$ref"].rpartition("/")[2]).validate(answer.json)


def test_refusals_are_as_it_says(home: House, document: dict[str, Any]) -> None:
    schema_of(document, "Error").validate(home.get("/api/v1/usage?x=1").json)


def test_every_way_of_telling_rows_apart_is_as_it_says(home: House, document: dict[str, Any]) -> None:
    for by in ("", "device", "scope", "device,scope,point"):
        for more in ("", "&top=1", "&limit=1"):
            schema_of(document, "Usage").validate(home.get(f"/api/v1/usage?by={by}{more}").json)


def test_live_items_are_as_it_says(document: dict[str, Any]) -> None:
    schema_of(document, "Live").validate(item(NOON_S, device(1, "phone", 1, 2), device(None, None, 0, 0)))


def test_words_it_lists_are_words_the_api_takes(home: House, document: dict[str, Any]) -> None:
    for parameter in document["paths"]["/api/v1/usage"]["get"]["parameters"]:
        schema = parameter["schema"]
        for word in schema.get("items", schema).get("enum", ()):
            assert home.get(f"/api/v1/usage?{parameter['name']}={word}").status == 200


def test_headers_it_lists_are_sent_and_those_sent_are_listed(home: House, document: dict[str, Any]) -> None:
    for path in ("/api/v1/usage", "/api/v1/usage.csv", "/api/v1/usage.html"):
        listed = {name.lower() for name in document["paths"][path]["get"]["responses"]["200"]["headers"]}
        sent = set(home.get(f"{path}?start=2025-11-20T12:00&limit=1").headers)
        assert {name for name in sent if name.startswith("whitestat-") or name in ("etag", "link")} <= listed
        assert listed - {"whitestat-notice", "link"} <= sent
