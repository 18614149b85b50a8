"""The report of a run: what stands on the page, and what it is taken from."""

import base64
import io
import json
import os
import re
import shutil
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fusion.ensemble import Ensemble, ensemble_path, write_ensemble
from fusion.evaluation import evaluate
from submission.report import cli as cli_report
from submission.report import clips as report_clips
from submission.report import figures as report_figures
from submission.report.clips_inline import inline, log_mel
from submission.report.facts import Facts, gather
from submission.report.maps import tsne
from submission.report.page import Written, write_report
from submission.report.scored import Place, Scored, best_of
from submission.report.sections import agreement, ensembles, score, training
from submission.report.sections import run as run_section
from tests.fusion.runs import make_run, make_table
from tests.submission.report_runs import ATTACK, RATE, full_run
from zoo.data.clips import Clip
from zoo.errors import AsdzooError
from zoo.running.folder import Run
from zoo.running.records import BudgetInfo, RunInfo, SystemInfo
from zoo.scores import ScoreTable
from zoo.threshold import fit_threshold

GEARBOX, VALVE = Place("gearbox", "00"), Place("valve", "00")


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return full_run(tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="module")
def facts(run: Run) -> Facts:
    return gather(run)


@pytest.fixture(scope="module")
def written(facts: Facts) -> Written:
    return write_report(facts, facts.run.folder / "report.html")


@pytest.fixture(scope="module")
def page(written: Written) -> str:
    return written.path.read_text()


def test_the_page_has_every_part(page: str, written: Written) -> None:
    sections = {tag["id"] for tag in Tags(page).of("section")}
    assert sections == {"score", "machines", "ensembles", "agreement", "calibration", "training", "run"}
    assert "equal weights <b>0.6900</b>" in page
    assert len(Tags(page).of("audio")) == written.playing > 6
    assert written.size == len(page.encode())
    for said in (
        "half and half",
        "vel_4_loc_A",
        "12,345",
        "Worst misses",
        "held_out",
        "untrained",
        "never trained",
        "kept both",
    ):
        assert said in page


def test_the_page_needs_nothing_beside_it(page: str) -> None:
    for tag, attributes in Tags(page).found:
        for key in ("src", "href", "srcset", "poster", "data"):
            assert attributes.get(key, "#").startswith(("#", "data:")), (tag, attributes)
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page


def test_every_control_and_figure_has_a_name(page: str) -> None:
    tags = Tags(page)
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in tags.of("button"):
        if attributes.get("role") == "tab":
            assert attributes["aria-controls"] in ids
    assert all(attributes["aria-label"] for attributes in [*tags.of("audio"), *tags.of("svg")])
    assert all(attributes["alt"] for attributes in tags.of("img"))


def test_the_official_table_says_what_evaluate_says(facts: Facts, page: str) -> None:
    table = page[page.index('id="scores"') : page.index("By machine")]
    for one in facts.scored:
        found = evaluate(one.table, one.name)
        assert found.score is not None
        assert one.interval is not None
        assert f"<b>{found.score:.4f}</b>" in table
        assert f"<td>{one.interval.half:.4f}</td>" in table
        assert found.intervals[-1] == one.interval


@pytest.mark.parametrize("year", ["2020", "2021", "2024", "own"])
def test_the_area_under_a_drawn_curve_is_the_metric(tmp_path: Path, year: str) -> None:
    table = make_table("alpha", ["fan"], year=year, domains=year != "2020", clips=7)
    facts = gather(make_run(tmp_path, {"alpha": table}))
    place = facts.places[0]
    judged = facts.scored[0].judged[place]
    plots = report_figures.roc(facts.scored, place)
    drawn = [float(area) for _, plot in plots[:-1] for area in re.findall(r"alpha: AUC ?\w* (\d\.\d{4})", plot)]
    assert drawn == [pytest.approx(value, abs=6e-5) for value in judged.values[: len(drawn)]]
    assert len(plots) == (2 if year == "2020" else 3)
    assert write_report(facts, tmp_path / "report.html").size > 10_000


def test_misses_and_false_alarms_are_the_worst_ones(facts: Facts) -> None:
    one = best_of(facts.scored)
    assert one.name == "fused"
    shelves = {shelf.heading: shelf.cards for shelf in report_clips.choose(one, facts.places, facts.recordings)[GEARBOX]}
    rows = one.rows(GEARBOX)
    test = rows[rows["split"] == "test"].sort_values("score", ascending=False)
    limit = fit_threshold(rows.loc[rows["split"] == "train", "score"].to_numpy()).value  # on raw scores, as submit takes it
    misses = test[(test["label"] == "anomaly") & (test["score"] <= limit)]["clip"].tolist()[::-1]
    alarms = test[(test["label"] == "normal") & (test["score"] > limit)]["clip"].tolist()
    assert misses
    assert [card.name for card in shelves["Most anomalous"]] == test["clip"].tolist()[:3]
    assert [card.name for card in shelves["Worst misses"]] == misses[:3]
    assert [card.name for card in shelves["Worst false alarms"]] == alarms[:3]


def test_a_clip_stands_on_the_page_once(facts: Facts) -> None:
    for own in report_clips.choose(best_of(facts.scored), facts.places, facts.recordings).values():
        names = [card.name for shelf in own for card in shelf.cards if not card.shown_under]
        assert len(names) == len(set(names))


def test_a_blind_machine_has_scores_but_no_mistakes(facts: Facts) -> None:
    shelves = report_clips.choose(best_of(facts.scored), facts.places, facts.recordings)
    assert [shelf.heading for shelf in shelves[VALVE]] == ["Most anomalous"]
    assert report_figures.roc(facts.scored, VALVE) == []
    assert "test, unlabelled (16)" in report_figures.distribution(best_of(facts.scored), VALVE)


def test_a_run_without_labels_has_a_page(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run", labelled=False)
    written = write_report(gather(run), tmp_path / "report.html")
    page = written.path.read_text()
    assert "No machine of this run has labelled test clips" in page
    assert "no machine has labelled test clips" in page  # of the members
    assert 'id="scores"' not in page
    assert "Worst misses" not in page
    assert written.playing > 0


def test_the_cap_holds_and_is_said(facts: Facts, written: Written, tmp_path: Path) -> None:
    bare = write_report(facts, tmp_path / "bare.html", 1e-6)
    assert bare.playing == 0
    assert any("without any clip" in note for note in bare.notes)
    cap = (bare.size + written.size) / 2e6
    half = write_report(facts, tmp_path / "half.html", cap)
    assert bare.size < half.size <= cap * 1e6
    assert 0 < half.playing < written.playing
    assert half.playing + half.silent == written.playing
    assert f"{half.silent} clips have no player, to keep the page below {cap:g} MB (--max-mb)" in half.notes
    with pytest.raises(AsdzooError, match="a page has some size"):
        write_report(facts, tmp_path / "none.html", 0)
    assert not (tmp_path / "none.html").exists()


def test_recordings_that_moved_are_said(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "data" / "valve")
    written = write_report(gather(run), tmp_path / "report.html")
    assert written.playing > 0
    assert written.silent == 3
    assert any("3 clips cannot be played" in note and "Did the data move?" in note for note in written.notes)
    assert "Not shown: cannot be read: No such file or directory." in written.path.read_text()


def test_score_tables_alone_have_a_page(tmp_path: Path) -> None:
    frame = make_table("alpha").frame.query("split == 'test'")  # a person's own, without training clips
    run = make_run(tmp_path, {"alpha": ScoreTable(frame)})
    written = write_report(gather(run), tmp_path / "report.html")
    assert written.playing == 0
    assert any(note.startswith("no recording is shown or played") for note in written.notes)
    assert not any("no player" in note for note in written.notes)
    assert "the run does not say where this recording lies" in written.path.read_text()


def test_a_data_folder_serves_where_there_are_no_embeddings(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run")
    shutil.rmtree(run.folder / "systems")
    run.update_info(data=str(tmp_path / "run" / "data"))
    facts = gather(run)
    assert len(facts.recordings) == 32
    assert facts.notes[0].endswith("valve 00 (16)")
    shutil.rmtree(tmp_path / "run" / "data")
    assert "no recording is shown or played: there is no folder" in gather(run).notes[0]


def test_systems_on_different_clips_have_no_agreement(tmp_path: Path) -> None:
    tables = {"alpha": make_table("alpha", clips=10), "beta": make_table("beta", clips=9)}
    found = agreement.agreement(gather(make_run(tmp_path, tables)).scored)
    assert "lacks scores" in found.why


def test_agreement_is_rank_correlation(facts: Facts) -> None:
    from scipy.stats import spearmanr

    found = agreement.agreement(facts.scored)
    frames = {one.name: one.table.frame.query("split == 'test'") for one in facts.scored}
    for row, first in enumerate(frames):
        for column, second in enumerate(frames):
            a, b = frames[first].groupby("machine")["score"], frames[second].groupby("machine")["score"]
            expected = np.mean([spearmanr(a.get_group(name), b.get_group(name)).statistic for name in ("gearbox", "valve")])
            assert found.rows[row][column] == pytest.approx(expected)


def test_an_ensemble_of_one_member_leaves_none_out(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run")
    weights = {"others": {"alpha": 1.0}, "valve": {"beta": 1.0}}
    write_ensemble(Ensemble(description="one or the other", weights=weights), ensemble_path(run.folder, "fused"))
    page = write_report(gather(run), tmp_path / "report.html").path.read_text()
    assert "Not shown: one member has all the weight on every machine." in page


def test_names_from_outside_are_text(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run", hostile=True)
    page = write_report(gather(run), tmp_path / "report.html").path.read_text()
    tags = Tags(page)
    assert len(tags.of("script")) == 1
    assert len(tags.of("style")) == 1
    assert all(attributes["src"].startswith("data:image/png") for attributes in tags.of("img"))
    assert not [attributes for _, attributes in tags.found for key in attributes if key.startswith("on")]
    assert ATTACK not in page


def test_the_player_holds_the_recording_bit_by_bit(facts: Facts) -> None:
    clip = next(clip for clip in facts.recordings.values() if clip.split == "test")
    found = inline(clip)
    assert not isinstance(found, str)
    samples, rate = soundfile.read(clip.path, dtype="int16")
    played, played_rate = soundfile.read(io.BytesIO(_data(found.audio)), dtype="int16")
    assert (rate, found.seconds, found.channels) == (played_rate, 0.25, 2)
    np.testing.assert_array_equal(played, samples[:, 0])


def test_a_broken_recording_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    assert inline(Clip(tmp_path / "a.wav", "2024", "fan", "00", "test")) != ""
    assert isinstance(inline(Clip(tmp_path / "a.wav", "2024", "fan", "00", "test")), str)


def test_a_tone_is_a_bright_line_at_its_mel() -> None:
    time = np.arange(4 * RATE) / RATE
    samples = (8000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    levels = log_mel(samples, RATE)
    rows = levels.argmax(axis=0)
    mel = 2595 * np.log10(1 + np.array([1000, RATE / 2]) / 700)
    expected = len(levels) * (1 - mel[0] / mel[1])  # the highest frequency is row 0
    assert abs(rows - expected).max() <= 1.5


def test_silence_is_dark(tmp_path: Path) -> None:
    assert log_mel(np.zeros(RATE, np.int16), RATE).max() == 0
    assert log_mel(np.ones(3, np.int16), RATE).shape == (96, 1)


def test_pictures_are_png(facts: Facts) -> None:
    clip = next(clip for clip in facts.recordings.values() if clip.split == "test")
    found = inline(clip)
    assert not isinstance(found, str)
    data = _data(found.picture)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        content, check = data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        assert struct.unpack(">I", check)[0] == zlib.crc32(name + content)
        chunks[name], at = content, at + 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    pixels = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)[:, 1:]
    np.testing.assert_array_equal(pixels, log_mel(soundfile.read(clip.path, dtype="int16")[0][:, 0], RATE))
    assert len(chunks[b"PLTE"]) == 3 * 256


def _data(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def test_clusters_stay_apart_in_the_plane() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(60, 20)) + 20 * (np.arange(60) % 2)[:, None]
    points = tsne(values)
    np.testing.assert_array_equal(points, tsne(values))
    distances = np.linalg.norm(points[:, None] - points, axis=-1) + 1e9 * np.eye(60)
    assert (distances.argmin(axis=1) % 2 == np.arange(60) % 2).all()
    assert tsne(np.ones((6, 4))).shape == tsne(random.normal(size=(6, 1))).shape == (6, 2)


def test_the_command_writes_beside_the_run(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cli_report.report(run.folder, None, 30, ["alpha"])
    page = (run.folder / "report.html").read_text()
    assert "beta" not in page
    said = capsys.readouterr()
    assert f"written: {run.folder / 'report.html'}" in said.out.replace("\n", "")
    assert "test clips without labels, not scored: valve 00 (16)" in said.err


def test_what_cannot_be_reported_is_said(run: Run, tmp_path: Path) -> None:
    with pytest.raises(AsdzooError, match="is not a run"):
        gather(Run(tmp_path))
    empty = Run(tmp_path / "empty")
    empty.update_info(year="2024")
    with pytest.raises(AsdzooError, match="holds no scores"):
        gather(empty)
    with pytest.raises(AsdzooError, match=r"unknown system or ensemble 'alpa' \(did you mean alpha"):
        gather(run, ["alpa"])
    make_table("other").write(empty.score_path("alpha"))
    with pytest.raises(AsdzooError, match="holds no row of alpha"):
        gather(empty)
    make_table("alpha").write(empty.score_path("alpha"))
    make_table("beta", year="2023").write(empty.score_path("beta"))
    with pytest.raises(AsdzooError, match="several years"):
        gather(empty)


def test_a_damaged_training_table_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha")})
    path = run.system_folder("alpha") / "all-0123456789ab" / "training.csv"
    path.parent.mkdir(parents=True)
    path.write_text("step,loss\n1,two\n")
    with pytest.raises(AsdzooError, match=r"training.csv is damaged"):
        gather(run)
    path.write_text("step,loss\n")
    assert gather(run).trainings == []


def test_the_newest_task_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha")})
    for number, loss in enumerate((1.0, 2.0)):
        path = run.system_folder("alpha") / f"all-{9 - number}" / "training.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"step,loss\n1,{loss}\n")
        os.utime(path, (number, number))
    (training,) = gather(run).trainings
    assert training.columns["loss"].tolist() == [2.0]


def test_marks_of_the_run_are_explained(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha")})
    run.mark("resubstitution", "test-calibrated", "test-ranked")
    page = write_report(gather(run), tmp_path / "report.html").path.read_text()
    assert "saw their labels" in page
    assert page.count("forbid") == 2
    assert "ranks among test clips" in page
    assert json.loads((tmp_path / "run.json").read_text())["marks"] == ["resubstitution", "test-calibrated", "test-ranked"]


def test_the_report_says_what_a_budget_cut(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha")})
    run.mark("cut")
    run.update_info(budget=BudgetInfo(seconds=60, went_in="", order=("alpha",), stopped={"alpha": "stopped at step 3"}))
    page = write_report(gather(run), tmp_path / "report.html").path.read_text()
    assert "not the systems of the papers (alpha stopped at step 3)" in page


def test_a_section_without_content_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"alpha": make_table("alpha")})
    facts = gather(run)
    assert agreement.section(facts.scored) is None
    assert ensembles.section(run, facts.scored) is None
    assert training.section(facts.trainings) is None
    page = write_report(facts, tmp_path / "report.html").path.read_text()
    ids = [tag["id"] for tag in Tags(page).of("section")]
    assert ids == ["score", "machines", "calibration", "run"]
    assert [tag["href"] for tag in Tags(page).of("a")] == ["#main", *(f"#{id_}" for id_ in ids)]


def test_a_section_needs_no_run_but_what_it_takes(facts: Facts) -> None:
    shown = score.section(facts.scored[:1], {GEARBOX: "the gearbox"})
    assert (shown.id, shown.title) == ("score", "Official score")
    assert "the gearbox" in shown.html
    assert "valve" not in shown.html
    assert "alpha" not in shown.html  # the first is the ensemble


def test_versions_are_those_that_trained_each_system() -> None:
    old, new = {"asdzoo": "0.1.0"}, {"asdzoo": "0.2.0"}
    alike = RunInfo(versions=old, systems={"alpha": SystemInfo(), "beta": SystemInfo(versions=old)})
    mixed = RunInfo(versions=old, systems={"alpha": SystemInfo(), "beta": SystemInfo(versions=new)})
    scored = [scored_alone(name) for name in ("alpha", "beta")]
    assert "asdzoo: 0.1.0" in (html := run_section.section(alike, scored).html)
    assert "alpha:" not in html
    html = run_section.section(mixed, scored).html
    assert "alpha:\n  asdzoo: 0.1.0\nbeta:\n  asdzoo: 0.2.0" in html
    assert "asdzoo: 0.1.0" in run_section.section(mixed, [scored_alone("strange")]).html


def scored_alone(name: str) -> Scored:
    table = make_table(name, ["fan"])
    return Scored(name, 0, table, evaluate(table, name), {}, {}, {}, {}, None, None)
