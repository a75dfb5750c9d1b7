"""Debian's Chromium at a pole's pages: a context a person, and what it complains of."""

import contextlib
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import sync_playwright

from tests.waiting import wait_until

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
#: Everything that WCAG 2.2 asks to its level AA and a tool can see, and axe's own advice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = """(rules) => axe.run(document, {
  runOnly: {type: "tag", values: rules}, resultTypes: ["violations"], preload: false,
}).then((found) => found.violations)"""
PHONE = {"width": 390, "height": 844}
SMALL_PHONE = {"width": 320, "height": 568}
DESK = {"width": 1280, "height": 900}
PATIENCE_MS = 15_000
#: Told by the page itself, since the console names no rule.
TELL_VIOLATIONS = """
window.refused = [];
addEventListener("securitypolicyviolation", (event) =>
  window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
OVERFLOWING = """() => [...document.querySelectorAll("body *")]
  .filter((element) => !element.closest(".scroll") && element.checkVisibility()
    && (element.getBoundingClientRect().right > innerWidth + 1
      || element.getBoundingClientRect().left < -1)
    && !element.matches(".skip"))
  .map((element) => element.outerHTML.slice(0, 120))"""
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
  .filter((element) => element.checkVisibility() && !element.matches(".skip, [type=hidden]"))
  .filter((element) => !element.matches("p a, li a, dd a, small a") || element.matches("nav a"))
  .filter((element) => {
    const box = (element.closest("label") || element).getBoundingClientRect();
    return box.height < 43.5 || box.width < 43.5;
  })
  .map((element) => `${element.outerHTML.slice(0, 120)}`)"""


@contextlib.contextmanager
def chromium():
    """The browser; it ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        try:
            yield browser
        finally:
            browser.close()


class Browsing:
    """One person's browser at a pole, and everything that went wrong in it."""

    def __init__(self, browser, pole, holder, *, language, scheme, viewport=DESK, script=True):
        self.origin = f"https://127.0.0.1:{pole.port}"
        certificate = {"origin": self.origin, "cert": holder.chain_pem, "key": holder.key_pem}
        self.context = browser.new_context(
            # The city's root is in no store of this machine.
            ignore_https_errors=True,
            client_certificates=[certificate],
            locale={"he": "he-IL", "en": "en-GB"}[language],
            color_scheme=scheme,
            viewport=viewport,
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(TELL_VIOLATIONS)
        self.page = self.context.new_page()
        self.wrong = []
        self.page.on("console", lambda said: self.wrong.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def open(self, path):
        self.page.goto(self.origin + path)
        return self.page

    def check(self, where):
        """Nothing is wrong with the page as it is now."""
        self.page.wait_for_load_state("load")
        assert not self.wrong, (where, self.wrong)
        refused = self.page.evaluate("window.refused")
        assert not refused, (where, refused)
        overflowing = self.page.evaluate(OVERFLOWING)
        assert not overflowing, (where, overflowing)
        self.page.evaluate(AXE)
        found = self.page.evaluate(RUN_AXE, RULES)
        said = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        assert not said, (where, said)

    def reach(self, locator, *, at_most=80):
        """Go there with the Tab key alone; the place is seen to have the focus."""
        for _ in range(at_most):
            self.page.keyboard.press("Tab")
            if locator.evaluate("(element) => element === document.activeElement"):
                outline = locator.evaluate("(element) => getComputedStyle(element).outlineStyle")
                assert outline != "none"
                return
        raise AssertionError(f"not reached with the Tab key: {locator}")

    def press(self, locator):
        """Use a link or button by keyboard, and wait for the page that follows."""
        self.reach(locator)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def until(self, script):
        """Wait until the page says so; its policy forbids what Playwright would do for it."""
        wait_until(lambda: self.page.evaluate(script), PATIENCE_MS / 1000)

    def close(self):
        self.context.close()

    def _failed(self, request):
        # A download leaves its navigation, and a page left behind its pictures.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {request.url} {request.failure}")

    def _answered(self, response):
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")
