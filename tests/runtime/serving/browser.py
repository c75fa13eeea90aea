"""Chromium without a window, driven over the pipe of its DevTools protocol: no driver and no port is needed."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
PATIENCE_S = 30.0

# Where an element's middle is, once it stays there from one frame to the next and nothing covers it; else null. Before
# that a page may still wait for its style sheet, and a click would land where the element no longer is.
FIND_MIDDLE = """
(async (selector) => {
  const target = document.querySelector(selector);
  if (!target) return null;
  target.scrollIntoView({ block: "nearest" });
  const frame = () => new Promise(requestAnimationFrame);
  const middle = () => {
    const box = target.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  await frame();
  const before = middle();
  await frame();
  const after = middle();
  const isStill = before[0] === after[0] && before[1] === after[1];
  return isStill && target.contains(document.elementFromPoint(...after)) ? after : null;
})
"""


class Browser:
    """The program; use it as a context manager.

    Args:
        program: Chromium.
        profile: Folder for its profile, fresh.
    """

    def __init__(self, program, profile: Path):
        self._command = [str(program), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._replies: dict[int, queue.Queue] = {}
        self._pages: dict[str, Page] = {}
        self._number = 0

    def __enter__(self):
        to_browser, self._writer = os.pipe()
        self._reader, from_browser = os.pipe()
        # The protocol is on file descriptors 3 and 4: bash moves them there (dash knows none above 9), and makes way.
        moved = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", moved, "chromium", *self._command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._writer)
        self._thread.join(10)
        os.close(self._reader)

    @contextmanager
    def page(self):
        """A page that shares neither cookies nor anything else with others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        yield page
        self.call("Target.disposeBrowserContext", browserContextId=context)

    def call(self, method, session=None, **parameters):
        """Send a command, and return its result."""
        self._number += 1
        replies = self._replies[self._number] = queue.Queue()
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        reply = replies.get(timeout=PATIENCE_S)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def _listen(self):
        rest = b""
        while data := os.read(self._reader, 1 << 16):
            *messages, rest = (rest + data).split(b"\0")
            for text in messages:
                message = json.loads(text)
                if "id" in message:
                    self._replies.pop(message["id"]).put(message)
                elif message.get("sessionId") in self._pages:
                    self._pages[message["sessionId"]].take(message["method"], message["params"])


class Page:
    """One page: what it asked for is in ``requests``, what it complained of in ``problems``."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        self.problems: list[str] = []

    def take(self, event, parameters):
        if event == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.problems.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif event == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.problems.append(str(parameters["args"]))
        elif event == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def open(self, address, *, width=1440, height=900, dark=False, reduced_motion=False):
        self.resize(width, height)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if reduced_motion else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=address)

    def resize(self, width, height, scale=1):
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def evaluate(self, expression):
        """Return the value of a JavaScript expression, awaited."""
        reply = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in reply:
            raise RuntimeError(reply["exceptionDetails"]["exception"].get("description"))
        return reply["result"].get("value")

    def wait_for(self, expression):
        """Wait until an expression is true, and return its value."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.05)
        raise TimeoutError(f"never true: {expression}; problems: {self.problems}")

    def click(self, selector):
        """Click into the middle of an element, as a mouse does."""
        x, y = self.wait_for(f"{FIND_MIDDLE}({json.dumps(selector)})")
        self.point(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def point(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key, code=0, text=""):
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path: Path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
