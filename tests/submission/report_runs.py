"""Runs to report on, with recordings, embeddings, an ensemble and training curves, made without training."""

from pathlib import Path

import numpy as np
import soundfile

from fusion.combine import combine, fused_table, stack
from fusion.ensemble import Ensemble, Found, ensemble_path, write_ensemble
from tests.fusion.runs import make_run, make_table
from zoo.calibration import Calibration
from zoo.data.clips import Clip
from zoo.files import write_text
from zoo.running.embeddings import Embeddings
from zoo.running.folder import Run
from zoo.scores import ScoreTable

RATE = 16_000
ATTACK = "<img src=x onerror=\"document.title='hit'\">"  # in names that may become file names
SCRIPT = "\"></style></script><script>document.title='hit'</script>'"  # in text


def full_run(folder: Path, *, labelled: bool = True, hostile: bool = False, clips: int = 4) -> Run:
    """Two systems and their ensemble on two machines; the second machine is never labelled."""
    machines = ["gearbox", ATTACK if hostile else "valve"]
    systems = ["alpha", f"b{ATTACK}" if hostile else "beta"]
    said = machines[:1] if labelled else []
    tables = {system: make_table(system, machines, labelled=said, clips=clips) for system in systems}
    run = make_run(folder, tables)
    attributes = SCRIPT if hostile else "vel_4_loc_A"
    for system in systems:
        task = run.system_folder(system) / "all-0123456789ab"
        for machine in machines:
            _embeddings(tables[system], machine, folder / "data", attributes).write(
                task / "embeddings" / f"{machine}.safetensors"
            )
        write_text(task / "training.csv", "step,learning_rate,loss,held_out\n10,0.1,3.5,3.9\n20,0.1,2.5,\n30,0.1,1.5,3.1\n")
        Calibration.fit(tables[system]).save(run.system_folder(system) / "calibration.json")
    ensemble = Ensemble(
        description=SCRIPT if hostile else "half and half",
        weights={"others": dict.fromkeys(systems, 0.5)},
        found=Found(method="averaged", trials=1200, cross_validated=0.71, resubstitution=0.78, equal=0.69, notes=["kept both"]),
    )
    stacked = stack(tables)
    fused_table(stacked, combine(stacked, ensemble.weights_of), "fused").write(run.score_path("fused"))
    write_ensemble(ensemble, ensemble_path(folder, "fused"))
    config = {"description": SCRIPT if hostile else "a system", "model": {"name": SCRIPT if hostile else "cnn"}}
    entry = {"config": config, "parameters": {"total": 12_345, "trainable": 345}, "macs": None}
    run.update_info(systems=dict.fromkeys(systems, entry), seed=3, versions={"asdzoo": "0.1.0"})
    run.mark("untrained", *([ATTACK] if hostile else []))
    return run


def _embeddings(table: ScoreTable, machine: str, data: Path, attributes: str) -> Embeddings:
    random = np.random.default_rng(7)
    rows = table.frame[table.frame["machine"] == machine]
    clips = []
    for row in rows.to_dict("records"):
        path = data / machine / row["split"] / row["clip"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if row["split"] == "test" and not path.exists():
            soundfile.write(path, random.normal(0, 0.1, (RATE // 4, 2)), RATE)
        said = {"domain": row["domain"] or None, "label": row["label"] or None, "attributes": attributes}
        clips.append(Clip(path, "2024", machine, "00", row["split"], **said))
    values = random.normal(size=(len(clips), 8)).astype(np.float32)
    return Embeddings(tuple(clips), tuple([clip.name, 0, 0] for clip in clips), values)
