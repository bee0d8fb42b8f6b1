"""A real browser, driven through its DevTools pipe: no driver and no network port."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from patience import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--proxy-server=127.0.0.1:9",  # nobody listens there: what tries to leave, fails
    "--remote-debugging-pipe",
)

# The browser reads descriptor 3 and writes 4. Both ends move out of the way first.
_START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser():
    """The browser's path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Tab:
    """A page in the browser, and what it said and asked for."""

    browser: "Browser"
    session: str
    requests: list = field(default_factory=list)
    messages: list = field(default_factory=list)

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def evaluate(self, script):
        """The value of an expression: DevTools may do what the page's own policy forbids it."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, path, *, width=1280, height=900, dark=False, media="screen"):
        """Open a file at a size, in light or dark, and wait until it has loaded."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.browser.loaded.discard(self.session)
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.browser.wait(lambda: self.session in self.browser.loaded)
        self.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")

    def screenshot(self, path, *, whole=True):
        """Keep what is seen; whole: down to the page's end."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def print(self, path):
        """Keep the page as PDF."""
        answer = self.send("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))


class Browser:
    """Messages are JSON, each followed by a zero byte."""

    def __init__(self, into, out, log):
        self._into, self._out, self._log = into, out, log
        self._buffer, self._number, self._answers = b"", 0, {}
        self._tabs, self.loaded = {}, set()

    def send(self, method, session=None, **params):
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        self.wait(lambda: number in self._answers)
        answer = self._answers.pop(number)
        assert "error" not in answer, answer
        return answer["result"]

    def tab(self):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.send(f"{domain}.enable")
        return tab

    def wait(self, done, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not done():
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the browser did not answer within {seconds} s"
            chunk = os.read(self._out, 1 << 20)
            assert chunk, f"the browser ended: {self._log.read_text(errors='replace')[-2000:]}"
            *whole, self._buffer = (self._buffer + chunk).split(b"\0")
            for text in whole:
                self._take(json.loads(text))

    def _take(self, message):
        if "id" in message:
            self._answers[message["id"]] = message
            return
        method, params = message["method"], message["params"]
        tab = self._tabs.get(message.get("sessionId"))
        if tab is None:
            return
        if method == "Page.loadEventFired":
            self.loaded.add(tab.session)
        elif method == "Network.requestWillBeSent":
            tab.requests.append(params["request"]["url"])
        elif method in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            tab.messages.append(params)


@contextmanager
def browser(path, profile):
    """Run a browser with a profile folder of its own, and end it."""
    commands, into = os.pipe()
    out, answers = os.pipe()
    log = profile / "browser.log"
    start = [sys.executable, "-S", "-c", _START, str(commands), str(answers)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*start, path, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, answers),
            stdout=errors,
            stderr=errors,
            env={**os.environ, "HOME": str(profile)},
        )
    os.close(commands)
    os.close(answers)
    try:
        running = Browser(into, out, log)
        running.send("Browser.getVersion")  # from here on its process is the browser
        yield running
        running.send("Browser.close")
        process.wait(timeout=PATIENCE)
    finally:
        os.close(into)
        os.close(out)
        if process.poll() is None:
            process.kill()
            process.wait()
