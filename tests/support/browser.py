"""A real headless Chromium, driven through a pair of pipes in the DevTools protocol.

Pipes need no port, so a browser may run inside a network namespace (`prefix`) while the test stays outside:

    with Browser() as browser:
        page = browser.open("http://127.0.0.1:7777/")
        page.wait_for("!!document.querySelector('tbody tr')")
        assert page.problems == []
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""Where the browser is; None: tests that need one are skipped."""

WAIT_S = 20.0

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)
_KEYS = {"Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowRight": 39, "Escape": 27, " ": 32, "/": 191}
_TEXT = {"Enter": "\r", " ": " ", "/": "/"}


class BrowserError(Exception):
    """The browser refused a command, a script threw, or a wait was in vain."""


class Browser:
    """One Chromium with a profile of its own; `prefix` is put before its command (`ip netns exec x`).

    It trusts the certificate `authority` (PEM), as a user's own Chromium does after an import.
    """

    def __init__(self, prefix: Sequence[str] = (), authority: Path | None = None) -> None:
        if CHROMIUM is None:
            raise BrowserError("no chromium on this machine")
        self._profile = tempfile.TemporaryDirectory(prefix="whitestat-browser-", ignore_cleanup_errors=True)
        if authority:
            _trust(Path(self._profile.name), authority)
        inbox, self._to = os.pipe()
        self._from, outbox = os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to 4; the shell puts them there.
        shell = f'exec "$@" 3<&{inbox} 4>&{outbox}'
        command = [CHROMIUM, *_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        self._process = subprocess.Popen(
            [*prefix, "bash", "-c", shell, "chromium", *command],
            pass_fds=(inbox, outbox),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self._profile.name},
        )
        os.close(inbox)
        os.close(outbox)
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._pages: dict[str, Page] = {}
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="devtools", daemon=True)
        self._reader.start()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, url: str, prepare: Callable[[Page], None] | None = None) -> Page:
        """A new tab, prepared, with the address loaded; what goes wrong in it is in `Page.problems`."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        for domain in ("Runtime", "Log", "Page", "Network"):
            page.ask(f"{domain}.enable")
        page.ask("Emulation.setLocaleOverride", locale="en_GB")  # the page writes as the browser's user does
        if prepare:
            prepare(page)
        page.go(url)
        return page

    def forget(self, session: str) -> None:
        """Hear no more of a tab."""
        self._pages.pop(session, None)

    def close(self) -> None:
        """End the browser and throw its profile away."""
        try:
            self.ask("Browser.close")
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        self._reader.join(10)
        self._profile.cleanup()

    def ask(self, method: str, *, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Send one command of the DevTools protocol and return its result; BrowserError on failure."""
        with self._news:
            self._number += 1
            number = self._number
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        _write(self._to, json.dumps(message).encode() + b"\0")
        with self._news:
            if not self._news.wait_for(lambda: number in self._answers or self._ended, WAIT_S):
                raise BrowserError(f"{method}: no answer within {WAIT_S:.0f} s")
            answer = self._answers.pop(number, {"error": {"message": "the browser has ended"}})
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> None:
        rest = b""
        while piece := os.read(self._from, 1 << 20):
            *messages, rest = (rest + piece).split(b"\0")
            with self._news:
                for message in messages:
                    self._take(json.loads(message))
                self._news.notify_all()
        os.close(self._from)
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif page := self._pages.get(message.get("sessionId", "")):
            page.take(message["method"], message["params"])


class Page:
    """One tab. `problems` are console errors and warnings, uncaught exceptions and policy violations."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self._scheme = self._medium = ""
        self.problems: list[str] = []
        self.requests: list[str] = []

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        return self._browser.ask(method, session=self._session, **parameters)

    def close(self) -> None:
        """Close the tab."""
        self._browser.forget(self._session)
        self._browser.ask("Target.closeTarget", targetId=self._target)

    def go(self, url: str) -> None:
        """Load an address and wait until its document and scripts are there."""
        failed = self.ask("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{script}: {_thrown(answer['exceptionDetails'])}")
        return answer["result"].get("value")

    def wait_for(self, script: str, timeout_s: float = WAIT_S) -> None:
        """Evaluate until it is true, as JavaScript sees it; BrowserError when it never is."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.evaluate(f"Boolean({script})"):
                return
            time.sleep(0.05)
        raise BrowserError(f"never true within {timeout_s:.0f} s: {script}")

    def press(self, key: str, *, shift: bool = False) -> None:
        """One key, as from a keyboard: a letter, or Enter, Tab, Escape."""
        code = _KEYS.get(key, ord(key[0].upper()))
        text = _TEXT.get(key, key if len(key) == 1 else "")
        same = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **same)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **same)

    def type(self, text: str) -> None:
        """Text into the field that has the focus; a document that is still loading is waited for until one has it."""
        self.wait_for("document.readyState === 'complete' && document.activeElement.matches('input, textarea')")
        self.ask("Input.insertText", text=text)

    def click(self, selector: str, times: int = 1) -> None:
        """A mouse click, or a double click, into the middle of the first match."""
        x, y = self.evaluate(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            " found.scrollIntoView({block: 'center'}); const box = found.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    def viewport(self, width: int, height: int) -> None:
        """The size of the window; below 600 pixels it is a phone."""
        phone = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.ask("Emulation.setDeviceMetricsOverride", **size)

    def colour_scheme(self, scheme: str) -> None:
        """`light` or `dark`."""
        self._scheme = scheme
        self._show()

    def paper(self, *, yes: bool) -> None:
        """Show it as it would be printed, or as on a screen again."""
        self._medium = "print" if yes else ""
        self._show()

    def _show(self) -> None:
        """Both at once: what is not said is taken back."""
        scheme = {"name": "prefers-color-scheme", "value": self._scheme}
        self.ask("Emulation.setEmulatedMedia", media=self._medium, features=[scheme])

    def printed(self) -> bytes:
        """The document as PDF, on upright sheets where it does not say otherwise."""
        return base64.b64decode(self.ask("Page.printToPDF", preferCSSPageSize=True)["data"])

    def offline(self, yes: bool) -> None:
        """Take the network away, or give it back."""
        self.ask(
            "Network.emulateNetworkConditions",
            offline=yes,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def take(self, method: str, news: dict[str, Any]) -> None:
        """One event of the protocol."""
        if method == "Runtime.exceptionThrown":
            self.problems.append(f"exception: {_thrown(news['exceptionDetails'])}")
        elif method == "Runtime.consoleAPICalled" and news["type"] in {"error", "warning", "assert"}:
            said = " ".join(str(each.get("value", each.get("description"))) for each in news["args"])
            self.problems.append(f"console: {said}")
        elif method == "Log.entryAdded" and news["entry"]["level"] in {"error", "warning"}:
            entry = news["entry"]
            self.problems.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}".rstrip())
        elif method == "Network.requestWillBeSent":
            self.requests.append(news["request"]["url"])


def _trust(home: Path, authority: Path) -> None:
    """Put an authority where Chromium and other programs of the user look for those that he added (NSS)."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    database = ("-d", f"sql:{folder}")
    for words in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "WhiteStat", "-i", str(authority))):
        subprocess.run(["certutil", *database, *words], check=True, capture_output=True, timeout=60)


def _thrown(details: dict[str, Any]) -> str:
    return str(details.get("exception", {}).get("description") or details.get("text"))


def _write(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]
