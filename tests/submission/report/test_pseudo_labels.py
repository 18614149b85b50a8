"""Pseudo-labels on the page: how many clips each has, and the colours of the maps."""

from pathlib import Path

from submission.report.facts import gather
from submission.report.page import write_report
from submission.report.sections import pseudo_labels
from tests.submission.report_runs import full_run
from zoo.running.embeddings import Embeddings
from zoo.running.pseudo_files import COLUMNS, FILE


def test_sizes_are_listed_and_clusters_are_the_colours_of_the_map(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    task = run.system_folder("alpha") / "all-0123456789ab"
    systems = run.info().model_dump(exclude_unset=True)["systems"]
    run.update_info(systems={**systems, "alpha": {**systems["alpha"], "tasks": [task.name]}})
    clips = [clip for clip in Embeddings.read(task / "embeddings" / "gearbox.safetensors").clips if clip.split == "train"]
    rows = [["2024", "gearbox", "00", clip.domain or "", clip.name, f"pseudo_{min(n, 1)}"] for n, clip in enumerate(clips)]
    (task / FILE).write_text("\n".join(",".join(row) for row in [list(COLUMNS), *rows]) + "\n")
    facts = gather(run)
    sizes = pseudo_labels.sizes_of(facts.pseudo_labels["alpha"])
    assert sum(count for own in sizes.values() for _, count in own) == len(clips)
    page = write_report(facts, tmp_path / "report.html").path.read_text()
    assert '<h2 id="h-pseudo-labels">Pseudo-labels</h2>' in page
    for own in sizes.values():
        assert ", ".join(f"{label}: {count}" for label, count in own) in page
    assert "normal, pseudo_1" in page
    (task / FILE).unlink()
    assert pseudo_labels.section(gather(run).pseudo_labels) is None
