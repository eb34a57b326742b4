"""The page in a real browser: typing, masking, results, comparing, errors, keyboard, contrast."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.missing import missing
from tests.serve.fixtures import Address
from tfmlm.client import RestClient

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
PAGE = Path(__file__).parents[2] / "tfmlm" / "serve" / "playground.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (BROWSER and DRIVER):
        missing("no chromium and chromedriver (Debian: apt install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--window-size=1200,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, toy_server: Address) -> Any:
    """The page, newly opened, after its first answer. Nothing may be on the console at the end."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(toy_server.rest + "/")
    until(browser, lambda: fills(browser))
    yield browser
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def until(browser: Any, condition: Callable[[], Any]) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException])
    return wait.until(lambda _: condition())


def css(browser: Any, selector: str) -> list[Any]:
    from selenium.webdriver.common.by import By

    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser: Any, selector: str) -> Any:
    (found,) = css(browser, selector)
    return found


def fills(browser: Any, where: str = "") -> list[str]:
    return [b.get_attribute("textContent") for b in css(browser, f"{where} .fill b")]


def value(browser: Any, selector: str) -> str:
    return one(browser, selector).get_property("value")


def write(browser: Any, selector: str, text: str) -> None:
    field = one(browser, selector)
    field.clear()
    field.send_keys(text)


def choose(browser: Any, selector: str, name: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(one(browser, selector)).select_by_visible_text(name)


def words(browser: Any) -> dict[str, Any]:
    return {b.text: b for b in css(browser, "#words .word")}


def expected(toy_server: Address, text: str, version: int | None = None, **options: Any) -> Any:
    part = f"/versions/{version}" if version else ""
    with RestClient(toy_server.model() + part) as client:
        return client.fill(text, **options)


def test_the_first_view_has_an_answer(page: Any, toy_server: Address) -> None:
    text = value(page, "#text")
    assert text == "Paris is the [MASK] of France."
    want = expected(toy_server, text, top_k=5)
    assert fills(page) == [fill.token_str for fill in want]
    shares = [i.text for i in css(page, ".fill i")]
    assert shares[0] == f"{want[0].score * 100:.1f} %"
    bars = [
        float(re.search(r"width: ([\d.]+)%", b.get_attribute("style"))[1])
        for b in css(page, ".bar")
    ]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == pytest.approx(want[0].score * 100, abs=0.1)
    assert "1 mask" in one(page, "#status").text


def test_clicking_words_masks_and_unmasks_them(page: Any, toy_server: Address) -> None:
    words(page)["France"].click()
    until(page, lambda: len(css(page, ".mask")) == 2)
    assert value(page, "#text") == "Paris is the [MASK] of [MASK]."
    want = expected(toy_server, "Paris is the [MASK] of [MASK].", top_k=5)
    assert fills(page) == [fill.token_str for mask in want for fill in mask]
    css(page, "#words .word[aria-pressed=true]")[1].click()
    until(page, lambda: len(css(page, ".mask")) == 1)
    assert value(page, "#text") == "Paris is the [MASK] of France."
    css(page, "#words .word[aria-pressed=true]")[0].click()
    until(page, lambda: "No mask" in one(page, "#results").text)
    assert value(page, "#text") == "Paris is the capital of France."


def test_typing_and_choosing_a_fill(page: Any, toy_server: Address) -> None:
    write(page, "#text", "Das [MASK] ist “schön”, naïve-[MASK]!")
    until(page, lambda: len(css(page, ".mask")) == 2)
    assert [b.text for b in css(page, "#words .word")] == [
        "Das",
        "[MASK]",
        "ist",
        "schön",
        "naïve",
        "[MASK]",
    ]
    chosen = css(page, ".mask")[1].find_elements("css selector", ".fill")[2]
    word = chosen.find_element("css selector", "b").text
    chosen.click()
    until(page, lambda: len(css(page, ".mask")) == 1)
    assert value(page, "#text") == f"Das [MASK] ist “schön”, naïve-{word}!"


def test_number_of_candidates_and_targets(page: Any, toy_server: Address) -> None:
    write(page, "#top-k", "8")
    until(page, lambda: len(fills(page)) == 8)
    write(page, "#targets", "soul, city")
    until(page, lambda: len(fills(page)) == 2)
    want = expected(toy_server, value(page, "#text"), targets=["soul", "city"])
    assert fills(page) == [fill.token_str for fill in want]


def test_versions_side_by_side(page: Any, toy_server: Address) -> None:
    from selenium.webdriver.support.select import Select

    text = value(page, "#text")
    Select(one(page, "#version-a")).select_by_visible_text("1")
    choose(page, "#model-b", "mlm")
    until(page, lambda: len(css(page, "#version-b option")) == 5)
    assert [o.text for o in css(page, "#version-b option")] == [
        "latest",
        "canary",
        "stable",
        "2",
        "1",
    ]
    Select(one(page, "#version-b")).select_by_visible_text("canary")
    until(page, lambda: css(page, ".side-b h4") and "canary" in one(page, ".side-b h4").text)
    for side, version in (("a", 1), ("b", 2)):
        want = [fill.token_str for fill in expected(toy_server, text, version, top_k=5)]
        until(page, lambda s=side, w=want: fills(page, f".side-{s}") == w)
    a, b = (set(fills(page, f".side-{side}")) for side in "ab")
    assert len(css(page, ".only")) == len(a - b) + len(b - a) > 0
    # the address keeps what was chosen
    page.refresh()
    until(page, lambda: len(css(page, ".side-b .fill")) == 5)
    assert set(fills(page, ".side-b")) == b


def test_the_curl_command_works(page: Any) -> None:
    words(page)["Paris"].click()
    write(page, "#text", 'It\'s the [MASK] of "it"')
    until(page, lambda: "It'\\''s" in one(page, "#curl").text)
    until(page, lambda: css(page, ".fill"))
    done = subprocess.run(
        ["bash", "-c", one(page, "#curl").text + " -s"], capture_output=True, text=True, timeout=30
    )
    assert all(f'"{word}"' in done.stdout for word in fills(page))
    one(page, "#copy").click()
    until(page, lambda: one(page, "#copy").text == "Copied")


def test_errors_of_the_server_are_shown(browser: Any, toy_server: Address) -> None:
    browser.get(toy_server.rest + "/#model-a=nothing")
    browser.refresh()
    said = "This server has no model called “nothing”."
    until(browser, lambda: said in one(browser, "#error[role=alert]").text)
    one(browser, "#error summary").click()
    until(browser, lambda: "Servable not found" in one(browser, "#error").text)
    choose(browser, "#model-a", "mlm")
    until(browser, lambda: fills(browser))
    assert one(browser, "#error").text == ""
    write(browser, "#text", "[MASK]" + "y" * 2100)
    until(browser, lambda: "longer than the model accepts" in one(browser, "#error").text)


def test_the_models_are_listed(page: Any) -> None:
    names = [o.text for o in css(page, "#model-a option")]
    assert names == ["mlm"]
    assert [o.text for o in css(page, "#model-b option")] == ["nothing", "mlm"]


def test_examples_fill_the_text(page: Any) -> None:
    css(page, "#examples button")[1].click()
    assert value(page, "#text") == "The [MASK] barked at the postman all morning."
    until(page, lambda: "was “dog”" in one(page, ".mask h3").text)


def test_a_link_brings_the_same_view(page: Any, browser: Any) -> None:
    write(page, "#text", "A [MASK] of one's own & more")
    until(page, lambda: "A " in one(page, ".filled").text)
    one(page, "#link").click()
    until(page, lambda: one(page, "#link").text == "Copied")
    address, before = page.current_url, fills(page)
    browser.get("about:blank")
    browser.get(address)
    until(browser, lambda: fills(browser) == before)
    assert value(browser, "#text") == "A [MASK] of one's own & more"


def test_surprise_scores_the_text_as_it_was(page: Any) -> None:
    one(page, "#surprise-go").click()
    until(page, lambda: css(page, "#surprise .token"))
    # the toy model's score of a word of n characters is -n
    shown = [token.text.split("\n") for token in css(page, "#surprise .token")]
    assert [word for word, _ in shown] == ["Paris", "is", "the", "capital", "of", "France."]
    assert dict(map(tuple, shown))["is"] == f"{100 * math.exp(-2):.1f} %"
    assert "Pseudo-perplexity" in one(page, "#surprise .hint").text
    styles = [token.get_attribute("style") for token in css(page, "#surprise .token")]
    shares = [float(re.search(r"--surprise: ([\d.]+)", style)[1]) for style in styles]
    assert shares[3] == max(shares)  # the longest word, and so the least expected one


def test_nothing_in_a_text_becomes_markup(page: Any) -> None:
    write(page, "#text", "<img src=x onerror=alert(1)> [MASK] <b>")
    until(page, lambda: "<img" in one(page, ".filled").text)
    assert not css(page, "#words img, #results img")


def test_the_keyboard_is_enough(page: Any, toy_server: Address) -> None:
    from selenium.webdriver.common.keys import Keys

    page.execute_script("document.activeElement.blur()")
    seen = []
    for _ in range(40):
        page.switch_to.active_element.send_keys(Keys.TAB)
        active = page.switch_to.active_element
        seen.append(active.get_attribute("id") or active.get_attribute("class"))
        if active.text == "France":
            active.send_keys(Keys.SPACE)
            break
    until(page, lambda: len(css(page, ".mask")) == 2)
    # the focus is still on that word
    assert page.switch_to.active_element.get_attribute("aria-pressed") == "true"
    assert seen[:6] == ["link", "theme", "model-a", "version-a", "model-b", "version-b"]


def test_every_control_has_a_name(page: Any) -> None:
    for node in css(page, "input, select, textarea, button"):
        assert node.accessible_name, node.get_attribute("outerHTML")
    assert page.execute_script("return document.documentElement.lang") == "en"
    assert [h.tag_name for h in css(page, "h1")] == ["h1"]
    assert one(page, "#status").get_attribute("aria-live") == "polite"


CONTRAST = """
function parse(c) { return c.match(/[\\d.]+/g).map(Number); }
function over(top, below) {
  const alpha = top[3] ?? 1;
  return [0, 1, 2].map((i) => top[i] * alpha + below[i] * (1 - alpha));
}
function luminance(c) {
  const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const [r, g, b] = c.map((v) => linear(v / 255));
  return .2126 * r + .7152 * g + .0722 * b;
}
function background(node) {
  const chain = [];
  for (let n = node; n; n = n.parentElement) {
    chain.unshift(parse(getComputedStyle(n).backgroundColor));
  }
  return chain.reduce((below, top) => over(top, below), [255, 255, 255]);
}
const kinds = "h1, p, label, legend, h2, button, .fill b, .fill i, #status, pre, input";
return [...document.querySelectorAll(kinds)]
  .filter((n) => n.offsetParent && n.textContent.trim())
  .map((n) => {
    const bg = background(n), fg = over(parse(getComputedStyle(n).color), bg);
    const [x, y] = [luminance(fg), luminance(bg)].sort((p, q) => q - p);
    return [(x + .05) / (y + .05), n.outerHTML.slice(0, 80)];
  })
  .filter(([ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_in_both_themes(page: Any, theme: str) -> None:
    while one(page, "#theme").text != f"Theme: {theme}":
        one(page, "#theme").click()
    scheme = page.execute_script("return getComputedStyle(document.documentElement).colorScheme")
    assert scheme == theme
    assert page.execute_script(CONTRAST) == []


@pytest.mark.parametrize("width", [320, 500])
def test_on_a_narrow_screen_nothing_sticks_out(page: Any, width: int) -> None:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        choose(page, "#model-b", "mlm")  # compared side by side, all there is on the page
        until(page, lambda: css(page, ".side-b .fill"))
        outside = """
            const inside = (node, box) => node.getBoundingClientRect().right <= box.right + 0.5;
            return [...document.querySelectorAll(".card *")].filter((node) =>
                !inside(node, node.closest(".card").getBoundingClientRect())
            ).map((node) => node.outerHTML.slice(0, 80));
        """
        assert page.execute_script(outside) == []
        wide = page.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_asks_nobody_else() -> None:
    page = PAGE.read_text("utf-8")
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", page)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}  # a namespace, in the icon
    assert "@import" not in page and '<link rel="stylesheet"' not in page
