"""The report in a real browser: headless Chromium opens it from a file, without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submission.report.facts import gather
from submission.report.page import write_report
from tests.submission.report_runs import full_run

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[dev]'")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no Chromium: apt-get install chromium chromium-driver"
)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip

Browser = Any


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    return write_report(gather(full_run(folder / "run")), folder / "report.html").path.as_uri()


@pytest.fixture
def opened(browser: Browser, page: str) -> Iterator[Browser]:
    """The page, fresh, on a wide light screen; nothing may have gone to the console when the test is over."""
    show(browser, page)
    yield browser
    assert browser.get_log("browser") == []


def show(browser: Browser, page: str, width: int = 1280, scheme: str = "light") -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page)


def column(browser: Browser, table: str, index: int) -> list[str]:
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(row => row.cells[arguments[1]].innerText)",
        table,
        index,
    )
    return found


def seen(browser: Browser) -> tuple[int, float]:
    """How many colours are on the screen, and how bright it is on the whole, from 0 to 255."""
    shot = browser.get_screenshot_as_base64()
    colours, brightness = browser.execute_async_script(
        """
        const [shot, done] = arguments, image = new Image();
        image.onload = () => {
            const canvas = document.createElement("canvas");
            canvas.width = image.width; canvas.height = image.height;
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
            let sum = 0;
            for (const pixel of pixels) sum += (pixel & 255) + (pixel >> 8 & 255) + (pixel >> 16 & 255);
            done([new Set(pixels).size, sum / pixels.length / 3]);
        };
        image.src = "data:image/png;base64," + shot;
        """,
        shot,
    )
    return colours, brightness


def visible(browser: Browser, selector: str) -> list[bool]:
    found: list[bool] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(one => one.getClientRects().length > 0)", selector
    )
    return found


def test_it_opens_without_a_network_and_without_a_word(opened: Browser) -> None:
    assert opened.title == "run – asdzoo report"
    entries = opened.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [entry for entry in entries if not entry.startswith("data:")] == []


def test_tabs_open_by_click_and_by_key(opened: Browser) -> None:
    assert visible(opened, "[role=tabpanel]") == [True, False]
    opened.find_element("id", "tab-2").click()
    assert visible(opened, "[role=tabpanel]") == [False, True]
    for key, open_panel in (("\ue012", 0), ("\ue014", 1), ("\ue014", 0), ("\ue010", 1), ("\ue011", 0)):  # ← → → End Home
        opened.switch_to.active_element.send_keys(key)
        assert visible(opened, "[role=tabpanel]").index(True) == open_panel
        assert opened.switch_to.active_element.get_attribute("aria-selected") == "true"


def test_a_heading_sorts_its_table_both_ways(opened: Browser) -> None:
    button = opened.find_elements("css selector", "#scores thead button")[1]
    button.send_keys("\n")
    falling = [float(text) for text in column(opened, "#scores", 1)]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 1
    button.click()
    assert [float(text) for text in column(opened, "#scores", 1)] == falling[::-1]
    assert opened.find_elements("css selector", "#scores th")[1].get_attribute("aria-sort") == "ascending"
    opened.find_elements("css selector", "#scores thead button")[0].click()
    names = column(opened, "#scores", 0)
    assert names == sorted(names)


def test_players_know_their_length_and_pictures_load(opened: Browser) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    for number in (1, 2):
        opened.find_element("id", f"tab-{number}").click()
        players = f"[...document.querySelectorAll('#panel-{number} audio')]"
        WebDriverWait(opened, 20).until(
            lambda driver, players=players: driver.execute_script(f"return {players}.every(player => player.duration > 0)")
        )
        lengths = opened.execute_script(f"return {players}.map(player => player.duration)")
        assert len(lengths) >= 3
        assert lengths == pytest.approx([0.25] * len(lengths), abs=1e-3)
    widths = opened.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert widths
    assert min(widths) > 10


def test_it_is_painted_light_and_dark(opened: Browser, page: str) -> None:
    colours, light = seen(opened)
    assert colours > 50
    assert light > 200
    show(opened, page, scheme="dark")
    colours, dark = seen(opened)
    assert colours > 50
    assert dark < 70
    opened.find_element("id", "theme").click()
    assert seen(opened)[1] > 200
    opened.find_element("id", "theme").click()
    assert seen(opened)[1] < 70


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened: Browser, page: str, scheme: str) -> None:
    show(opened, page, scheme=scheme)
    ratios = opened.execute_script(
        """
        const light = (name) => {
            const probe = document.body.appendChild(document.createElement("i"));
            probe.style.color = `var(${name})`;
            const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
                part /= 255;
                return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            });
            probe.remove();
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        return [["--ink", "--paper"], ["--soft", "--paper"], ["--soft", "--ground"], ["--accent", "--paper"],
                ["--warn-ink", "--warn-ground"], ["--paper", "--accent"]].map(([a, b]) => {
            const [dark, bright] = [light(a), light(b)].sort((one, other) => one - other);
            return (bright + 0.05) / (dark + 0.05);
        });
        """
    )
    assert min(ratios) >= 4.5  # WCAG 2.2, 1.4.3


def test_it_fits_a_phone(opened: Browser, page: str) -> None:
    show(opened, page, width=390)
    assert opened.execute_script("return document.documentElement.scrollWidth") == 390
    heights = opened.execute_script(
        "return [...document.querySelectorAll('.panel.open svg text')].map(one => one.getBoundingClientRect().height)"
    )
    assert min(heights) > 9
    assert seen(opened)[0] > 50


def test_a_legend_hides_a_system_everywhere(opened: Browser) -> None:
    before = visible(opened, "#panel-1 [data-series='1']")
    assert before
    assert all(before)
    chip = opened.find_element("css selector", "#panel-1 [data-toggle='1']")
    chip.click()
    assert not any(visible(opened, "[data-series='1']"))
    assert all(visible(opened, "#panel-1 [data-series='2']"))
    assert {chip.get_attribute("aria-pressed") for chip in opened.find_elements("css selector", "[data-toggle='1']")} == {
        "false"
    }
    chip.click()
    assert visible(opened, "#panel-1 [data-series='1']") == before


def test_a_map_is_coloured_in_three_ways(opened: Browser) -> None:
    def colours() -> set[str]:
        script = "return [...document.querySelectorAll('.panel.open .point')].map(one => getComputedStyle(one).stroke)"
        return set(opened.execute_script(script))

    by_domain = colours()
    assert len(by_domain) == 2
    opened.find_element("css selector", ".panel.open [data-by=label]").click()
    by_label = colours()
    assert len(by_label) == 2
    assert by_label != by_domain
    opened.find_element("css selector", ".panel.open [data-by=attribute]").click()
    assert len(colours()) == 1  # all clips have the same
    assert "vel_4_loc_A" in opened.find_element("css selector", ".panel.open .for-attribute").text


def test_the_pointer_is_told_what_it_is_on(opened: Browser) -> None:
    assert opened.execute_script(
        """
        const area = document.querySelector(".panel.open .area");
        area.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: 10, clientY: 10}));
        return document.getElementById("tip").textContent;
        """
    ).startswith("training: 20 clips, median")


def test_without_scripts_everything_is_there(opened: Browser, page: str) -> None:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.get(page)
        heights = [panel.rect["height"] for panel in opened.find_elements("css selector", "[role=tabpanel]")]
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert len(heights) == 2
    assert min(heights) > 500


def test_hostile_names_stay_text(opened: Browser, tmp_path: Path) -> None:
    written = write_report(gather(full_run(tmp_path / "run", hostile=True)), tmp_path / "report.html")
    show(opened, written.path.as_uri())
    for tab in opened.find_elements("css selector", "[role=tab]"):
        tab.click()
    assert opened.title == "run – asdzoo report"
    assert "<img src=x onerror" in opened.find_element("id", "scores").text
    assert opened.execute_script("return document.images.length") == opened.execute_script(
        "return document.querySelectorAll('.spectrogram > img').length"
    )
