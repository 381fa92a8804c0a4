"""A browser as far as the log-in needs one: keeps cookies, sends forms, follows nothing by itself."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.support.household import Answer, House

PASSWORD = "correct horse battery"
PAGE = {"Accept": "text/html,*/*;q=0.8", "User_Agent": "Mozilla/5.0 (test)"}


class Visitor:
    """Asks a house; `cookies` are those it was given, `flags` what was said of each."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.cookies: dict[str, str] = {}
        self.flags: dict[str, str] = {}

    def get(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        answer = self._house.get(path, method, body, **headers)
        for line in answer.headers.get("set-cookie", "").splitlines():
            for name, morsel in SimpleCookie(line).items():
                self.flags[name] = line.partition(";")[2].lower()
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return answer

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """A request that changes something, as our own page sends it."""
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        return self._house.send(method, path, body, **headers)

    def form(self, path: str, **fields: str) -> Answer:
        headers = {"Content_Type": "application/x-www-form-urlencoded", "Origin": self._house.url.rstrip("/")}
        return self.get(path, "POST", urlencode(fields), **headers | PAGE)

    def log_in(self, name: str = "owner", password: str = PASSWORD, **fields: str) -> Answer:
        return self.form("/login", name=name, password=password, **fields)

    def confirm(self, password: str = PASSWORD) -> Answer:
        """Give the password again, as changes of accounts and tokens need it."""
        return self.send("POST", "/api/v1/me/confirm", {"password": password})
