"""The page in a real browser: what people see, and that clicks and keys do what they should."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager

import pytest

from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.runtime.groups import GroupConfig
from fsrfer.runtime.serving import LiveHub, LiveServer, ModelInfo, ServingOptions
from fsrfer.runtime.sources import DropReason

NAMES = ("rtsp://***@hall.local/stream", "camera 0", "gate")
MODEL = ModelInfo("int8", "onnxruntime", "3f9a" * 16, CANONICAL_LABELS)
TILE = ".tile:nth-child({})"
OUTAGE = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED_ENCODING")


@pytest.fixture
def watched(page, make_feed):
    """A served and running feed, ``with watched(names, hub=, ...) as (server, feed)``; the browser has no complaint."""

    @contextmanager
    def run(names=NAMES, *, hub=None, fps=10, groups=None, token=None, tolerated="", **view):
        hub = hub or LiveHub()
        feed = make_feed(hub, names, fps=fps, groups=groups or GroupConfig(window_s=0.5))
        with LiveServer(hub, feed.report, ServingOptions(port=0, token=token), model=MODEL) as server, feed:
            page.open(server.address + (f"?token={token}" if token else ""), **view)
            yield server, feed
            assert [problem for problem in page.problems if not tolerated or tolerated not in problem] == []
            assert {address for address in page.requests if not address.startswith(server.address)} == set()

    return run


def pixels(number):
    """The picture of a tile, small, as text. It is read from a copy: a canvas that is read becomes a slow one."""
    return (
        "((canvas) => { const copy = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });"
        " const pen = copy.getContext('2d', { willReadFrequently: true }); pen.drawImage(canvas, 0, 0, 64, 36);"
        " return pen.getImageData(0, 0, 64, 36).data.join() })"
        f"(document.querySelector('{TILE.format(number)} canvas'))"
    )


def is_painted(number):
    """Whether the picture of a tile shows something."""
    return (
        f"document.querySelector('{TILE.format(number)}') && {pixels(number)}.split(',').some((v) => v > 99 && v < 255)"
    )


def changes(page, number):
    """Wait until a tile shows another picture."""
    before = page.evaluate(pixels(number))
    page.wait_for(f"{pixels(number)} !== {before!r}")


def exists(selector):
    return f"Boolean(document.querySelector({selector!r}))"


def text(selector):
    return f"document.querySelector({selector!r})?.textContent"


def shown(selector):
    return f"document.querySelector({selector!r})?.checkVisibility()"


def test_tiles_appear_and_go_on(watched, page):
    with watched():
        page.wait_for("document.querySelectorAll('.tile').length === 3")
        for number in (1, 2, 3):
            page.wait_for(is_painted(number))
            assert page.evaluate(text(TILE.format(number) + " strong")) == NAMES[number - 1]
            assert page.evaluate(text(TILE.format(number) + " .state")) == "Up"
        changes(page, 1)
        page.wait_for("parseFloat(document.querySelector('.numbers dd').textContent) > 1")
        assert "3 of 3 sources up" in page.wait_for(text("#summary"))
        assert "int8 on onnxruntime, 3f9a3f9a" in page.evaluate(text("#model"))
        assert page.evaluate(text("#legend")) == "".join(CANONICAL_LABELS)


def test_pictures_are_asked_for_only_where_a_tile_is_on_the_screen(watched, page):
    with watched(tuple(f"camera {number}" for number in range(8)), width=390, height=700):
        page.wait_for(is_painted(1))
        time.sleep(1.0)
        asked = {address.split("/")[-2] for address in page.requests if "frame.jpg" in address}
        assert "camera-0" in asked
        assert "camera-7" not in asked
        page.evaluate("document.querySelector('.tile:last-child').scrollIntoView()")
        page.wait_for(is_painted(8))


def test_a_browser_shows_a_stream_of_pictures_by_itself(watched, page):
    with watched():
        page.wait_for(is_painted(1))
        page.evaluate(
            "document.body.append(Object.assign(new Image(), { id: 'stream',"
            " src: 'api/v1/sources/gate/stream.mjpeg?size=small' }))"
        )
        page.wait_for("document.querySelector('#stream').naturalWidth === 480")


def test_drops_and_reconnects_are_counted_by_reason(watched, page):
    with watched() as (_, feed):
        feed.drop(NAMES[1], DropReason.REPLACED, 12)
        feed.drop(NAMES[1], DropReason.STALE, 3)
        feed.reconnect(NAMES[1])
        losses = text(TILE.format(2) + " .losses")
        page.wait_for(f"{losses} === 'Dropped 15 (12 replaced, 3 stale) · 1\\u00a0reconnect'")


def test_a_source_that_fails_says_why(watched, page):
    with watched() as (_, feed):
        page.wait_for(is_painted(1))
        feed.fail(NAMES[0], "the camera refuses the password. Next: correct it")
        page.wait_for(f"{text(TILE.format(1) + ' .state')} === 'Failed'")
        assert page.evaluate(text(TILE.format(1) + " .cover")) == "the camera refuses the password. Next: correct it"
        assert "2 of 3 sources up" in page.evaluate(text("#summary"))
        feed.silence(NAMES[1])
        page.wait_for(f"{text(TILE.format(2) + ' .cover')}.startsWith('Nothing for')")


def test_a_source_that_is_gone_leaves_no_tile(watched, page):
    with watched(tolerated="404") as (_, feed):
        page.wait_for("document.querySelectorAll('.tile').length === 3")
        feed.names = NAMES[1:]  # its picture may be asked for once more
        page.wait_for("document.querySelectorAll('.tile').length === 2")
        assert page.evaluate(text(".tile strong")) == NAMES[1]


class TestCloseup:
    def test_a_click_enlarges_and_back_leads_back(self, watched, page):
        with watched():
            page.wait_for(is_painted(2))
            page.click(TILE.format(2) + " .screen")
            page.wait_for(shown("#closeup"))
            page.wait_for("document.querySelector('#closeup canvas').width === 1280")
            assert page.evaluate(text("#closeup-name")) == NAMES[1]
            facts = page.evaluate(text("#closeup-facts"))
            assert "640 \N{MULTIPLICATION SIGN} 360" in facts
            page.click("#back")
            page.wait_for("!document.querySelector('#closeup').open")
            assert page.evaluate("location.hash") == ""

    def test_by_keyboard(self, watched, page):
        with watched():
            page.wait_for(is_painted(1))
            page.evaluate("document.querySelector('.tile .screen').focus()")
            page.press("Enter", 13, "\r")
            page.wait_for(f"{text('#closeup-name')} === {NAMES[0]!r}")
            page.press("ArrowRight", 39)
            page.wait_for(f"{text('#closeup-name')} === {NAMES[1]!r}")
            page.press("ArrowLeft", 37)
            page.press("ArrowLeft", 37)
            page.wait_for(f"{text('#closeup-name')} === {NAMES[2]!r}")
            page.press("Escape", 27)
            page.wait_for("!document.querySelector('#closeup').open")

    def test_the_browsers_own_back_leads_back(self, watched, page):
        with watched():
            page.wait_for(is_painted(1))
            page.click(".tile .screen")
            page.wait_for("document.querySelector('#closeup').open")
            page.evaluate("history.back()")
            page.wait_for("!document.querySelector('#closeup').open")
            page.click(".tile .screen")
            page.wait_for("document.querySelector('#closeup').open")


class TestGroups:
    def test_shares_are_drawn_in_the_colours_of_the_pictures(self, watched, page):
        with watched(NAMES[:1], groups=GroupConfig(window_s=0.5)):
            page.wait_for("document.querySelectorAll('.band').length >= 7")
            assert page.evaluate("document.querySelectorAll('.band')[1].getAttribute('fill')") == "#f0e442"
            assert page.evaluate(text(".shares li")).startswith("neutral")
            shares = page.evaluate("[...document.querySelectorAll('.shares .value')].map((one) => one.textContent)")
            assert sum(int(share.removesuffix(" %")) for share in shares) == pytest.approx(100, abs=5)

    def test_windows_can_be_looked_at_by_mouse_and_keyboard(self, watched, page):
        with watched(NAMES[:1]):
            page.wait_for("document.querySelectorAll('.people').length >= 4")
            assert page.evaluate(text("#group .muted")).startswith("Latest window")
            page.evaluate("document.querySelector('.chart').focus()")
            page.press("ArrowLeft", 37)
            page.wait_for(exists(".cursor"))
            page.press("ArrowLeft", 37)
            assert not page.evaluate(text("#group .muted")).startswith("Latest window")
            page.press("Escape", 27)
            page.wait_for(f"{text('#group .muted')}.startsWith('Latest window')")
            x, y = page.evaluate(
                "(() => { const box = document.querySelector('.people:last-of-type').getBoundingClientRect();"
                " const chart = document.querySelector('.chart').getBoundingClientRect();"
                " return [box.x + box.width / 2, chart.y + 60] })()"
            )
            page.point(x, y)
            page.wait_for(shown(".tip"))
            assert page.evaluate(f"{text('.tip')}.match(/^[a-z]+ \\d+ %/) !== null")

    def test_suppressed_windows_are_gaps_with_a_note(self, watched, page):
        with watched(NAMES[:1], groups=GroupConfig(window_s=0.5, min_people=1000)):
            page.wait_for("document.querySelectorAll('[fill=\"url(#hatch)\"]').length >= 2")
            assert "suppressed: fewer people than the set minimum" in page.evaluate(text("#group .muted"))
            assert page.evaluate("document.querySelectorAll('.band').length") == 0

    def test_one_of_several_sources(self, watched, page):
        with watched(NAMES[:2]):
            page.wait_for("document.querySelectorAll('#group-source option').length === 3")
            people = "parseInt(document.querySelector('#group .muted').textContent.split(': ')[1])"
            both = page.wait_for(people)
            page.evaluate(
                "(() => { const choice = document.querySelector('#group-source'); choice.value = 'camera-0';"
                " choice.dispatchEvent(new Event('change')) })()"
            )
            assert page.wait_for(people) < both


def test_latencies_and_load(watched, page):
    with watched():
        page.wait_for("document.querySelectorAll('#latency .bar rect').length === 27")
        rows = page.evaluate("[...document.querySelectorAll('#latency tbody tr')].map((row) => row.innerText)")
        assert [row.split("\t")[0] for row in rows][:2] == ["Wait for turn", "Decode, in the wait"]
        page.wait_for("document.querySelectorAll('#load .spark').length === 4")


class TestStates:
    def test_before_the_pipeline_stands(self, page):
        with LiveServer(LiveHub(), lambda: None, ServingOptions(port=0)) as server:
            page.open(server.address)
            page.wait_for(f"{text('#empty')} === 'The model is being loaded.'")
            assert page.problems == []

    def test_without_a_source(self, watched, page):
        with watched(()):
            page.wait_for(f"{text('#empty')} === 'No source yet.'")
            assert page.wait_for(text("#group .muted")).startswith("No window yet")

    def test_with_aggregates_only(self, watched, page):
        with watched(hub=LiveHub(aggregate_only=True)):
            page.wait_for("document.querySelectorAll('.tile').length === 3")
            page.wait_for(f"{text('#note')}.startsWith('Only groups are kept')")
            assert not page.evaluate(shown(".tile .screen"))
            page.wait_for("document.querySelectorAll('.people').length >= 1")
            page.evaluate("location.hash = 'camera-0'")
            time.sleep(0.3)
            assert not page.evaluate("document.querySelector('#closeup').open")
            assert not [address for address in page.requests if "frame.jpg" in address]

    def test_with_hidden_faces(self, watched, page):
        with watched(hub=LiveHub(blur_faces=True)):
            page.wait_for(is_painted(1))
            assert page.evaluate(text("#note")) == "Faces are blurred."


def test_a_lost_server_is_said_to_be_and_found_again(page, make_feed):
    hub = LiveHub()
    with make_feed(hub, NAMES, fps=10) as feed, ExitStack() as servers:
        first = servers.enter_context(LiveServer(hub, feed.report, ServingOptions(port=0), model=MODEL))
        port = int(first.address.rstrip("/").rsplit(":", 1)[1])
        page.open(first.address)
        page.wait_for(is_painted(1))
        servers.close()
        page.wait_for(shown("#banner"))
        assert page.evaluate("document.querySelector('.tile .screen').classList.contains('stale')")
        anew = LiveHub()  # as after a new start of the process: other numbers of pictures
        with (
            make_feed(anew, NAMES[:2], fps=10) as other,
            LiveServer(anew, other.report, ServingOptions(port=port), model=MODEL),
        ):
            page.wait_for("!document.querySelector('#banner').checkVisibility()")
            page.wait_for("document.querySelectorAll('.tile').length === 2")
            changes(page, 1)
    assert [problem for problem in page.problems if not any(name in problem for name in OUTAGE)] == []


class TestSigningIn:
    TOKEN = "a-token-of-24-characters"

    def test_with_the_token_in_the_address(self, watched, page):
        with watched(token=self.TOKEN) as (server, _):
            page.wait_for(is_painted(1))
            assert page.evaluate("location.href") == server.address
            assert page.evaluate("document.cookie") == ""  # no script can read it

    def test_with_the_form(self, page, make_feed):
        feed = make_feed(LiveHub(), NAMES)
        with LiveServer(feed.hub, feed.report, ServingOptions(port=0, token=self.TOKEN)) as server:
            feed.step()
            page.open(server.address)
            page.wait_for(exists("#token"))
            page.evaluate(f"document.querySelector('#token').value = {self.TOKEN!r}")
            page.click("button")
            page.wait_for("document.querySelectorAll('.tile').length === 3")
            assert page.evaluate("location.href") == server.address


class TestLooks:
    @pytest.mark.slow
    def test_a_chart_that_is_not_drawn_anew_yet_widens_nothing(self, watched, page):
        page.call("Page.addScriptToEvaluateOnNewDocument", source="window.ResizeObserver = class { observe() {} }")
        with watched(NAMES[:1], width=768):
            drawn = "document.querySelector('.chart svg')?.getAttribute('width')"
            page.wait_for(f"{drawn} > 600")
            page.evaluate("window.fetch = () => new Promise(() => {})")  # no news: nothing draws the chart again
            for width in (320, 390, 1080, 1440):
                page.resize(width, 844)
                page.wait_for(f"innerWidth === {width}")
                assert float(page.evaluate(drawn)) > 600
                assert page.evaluate("document.documentElement.scrollWidth") <= width

    @pytest.mark.slow
    @pytest.mark.parametrize("names", [NAMES[:1], NAMES, tuple(f"rtsp://***@{'long' * 30}/{n}" for n in range(9))])
    def test_nothing_is_wider_than_the_screen(self, watched, page, names):
        with watched(names, fps=5):
            page.wait_for(f"document.querySelectorAll('.tile').length === {len(names)}")
            page.wait_for("document.querySelectorAll('.people').length >= 1")
            for width in (320, 390, 768, 1080, 1440):
                page.resize(width, 844)
                page.wait_for(f"innerWidth === {width}")
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                page.click(".tile .screen")
                page.wait_for(shown("#closeup"))
                assert page.evaluate("document.querySelector('#closeup').scrollWidth") <= width
                page.click("#back")
                page.wait_for("!document.querySelector('#closeup').open")

    def test_the_theme_follows_the_system_until_it_is_chosen(self, watched, page):
        ground = "getComputedStyle(document.body).backgroundColor"
        with watched(dark=True):
            page.wait_for("document.querySelectorAll('.tile').length === 3")
            dark = page.evaluate(ground)
            page.evaluate(
                "(() => { const theme = document.querySelector('#theme'); theme.value = 'light';"
                " theme.dispatchEvent(new Event('change')) })()"
            )
            light = page.evaluate(ground)
            assert light != dark
            page.call("Page.reload")
            page.wait_for("document.querySelectorAll('.tile').length === 3")
            assert page.evaluate(ground) == light

    @pytest.mark.parametrize("dark", [False, True])
    def test_texts_have_the_contrast_of_wcag_aa(self, watched, page, dark):
        with watched(NAMES, dark=dark) as (_, feed):
            feed.fail(NAMES[0], "gone")
            feed.silence(NAMES[1])
            page.wait_for("document.querySelectorAll('.people').length >= 1")
            page.wait_for(f"{text(TILE.format(1) + ' .state')} === 'Failed'")
            page.wait_for("document.querySelectorAll('#load .spark').length === 4")
            assert page.evaluate(CONTRAST) == []

    def test_everything_that_can_be_used_has_a_name_and_can_be_reached(self, watched, page):
        with watched():
            page.wait_for("document.querySelectorAll('.people').length >= 1")
            nodes = page.call("Accessibility.getFullAXTree")["nodes"]
            usable = [node for node in nodes if node.get("role", {}).get("value") in ("button", "combobox", "link")]
            assert len(usable) >= 3 + 2 + 3
            assert [node for node in usable if not node["name"]["value"]] == []
            reached = set()
            for _ in range(20):
                page.press("Tab", 9)
                reached.add(page.evaluate("document.activeElement.className || document.activeElement.id"))
            assert {"theme", "screen", "chart", "group-source"} <= reached

    def test_nothing_moves_where_less_motion_is_asked_for(self, watched, page):
        with watched(reduced_motion=True):
            page.wait_for(is_painted(1))
            durations = "[...document.querySelectorAll('*')].map((one) => getComputedStyle(one).transitionDuration)"
            assert page.evaluate(f"[...new Set({durations})]") == ["0s"]


# Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3). Texts on pictures have a ground of
# their own; charts are measured against their panel.
CONTRAST = """(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const mix = (one, other, share) => one * share + other * (1 - share);
  const over = (top, below) => top.slice(0, 3).map((value, at) => mix(value, below[at], top[3] ?? 1));
  const luminance = (color) => {
    const [red, green, blue] = color.slice(0, 3).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (one) => {
    const chain = [];
    for (let at = one; at; at = at.parentElement) chain.unshift(numbers(getComputedStyle(at).backgroundColor));
    return chain.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const texts = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility()
    && [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
  return texts.map((one) => {
    const style = getComputedStyle(one);
    const below = ground(one);
    const ink = over(numbers(one instanceof SVGElement ? style.fill : style.color), below);
    const [light, dark] = [luminance(ink), luminance(below)].sort((a, b) => b - a);
    return [one.textContent.slice(0, 40), (light + 0.05) / (dark + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5);
})()"""
