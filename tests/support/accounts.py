"""The owner's account, made by the link of the first start."""

from __future__ import annotations

from tests.support.household import House
from tests.support.visitor import PAGE, PASSWORD, Visitor


def owned(house: House) -> Visitor:
    """Somebody who set the owner's password by the link of the first start."""
    visitor = Visitor(house)
    key = house.accounts.first_link(house.now_s * 1000)
    assert visitor.get(f"/first?key={key}", **PAGE).status == 200
    assert visitor.form("/first", key=str(key), password=PASSWORD, again=PASSWORD).status == 303
    return visitor
