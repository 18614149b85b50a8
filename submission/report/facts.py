"""What a run says of itself, read once for its report; what is damaged is said before anything is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusion.papers import Beside, beside_papers
from fusion.pseudo_labels import labels_of
from fusion.upkeep import older_tables
from submission.report.layer_weights import LayerWeights, read_layer_weights
from submission.report.recordings import Recordings, find_recordings
from submission.report.scored import Place, Scored, read_scored
from submission.report.trainings import Training, read_trainings
from zoo.running.folder import Run
from zoo.running.pseudo_files import PseudoLabel
from zoo.running.records import RunInfo
from zoo.running.verdict_table import read_verdicts
from zoo.running.verdicts import Verdict


@dataclass(frozen=True)
class Facts:
    """Everything a report is drawn from; `submission.report.page` hands each section what it needs of it."""

    run: Run
    info: RunInfo
    scored: Sequence[Scored]  # ensembles, then systems
    places: Sequence[Place]
    recordings: Recordings
    trainings: Sequence[Training]
    layer_weights: Sequence[LayerWeights]
    pseudo_labels: Mapping[str, Sequence[PseudoLabel]]  # by system
    papers: Sequence[Beside]  # our scores beside published ones
    notes: Sequence[str]
    verdicts: Sequence[Verdict] = ()  # of recordings that came after training


def gather(run: Run, names: Sequence[str] = (), tables: Sequence[Path] = ()) -> Facts:
    """Read a run; `names` are the systems and ensembles to show, all by default, `tables` those of `asdzoo score`.

    Raises: AsdzooError for what is no run, a run without score tables, an unknown name, or a damaged file.
    """
    scored = read_scored(run.require(), names)
    places = sorted({place for one in scored for place in one.parts})
    recordings, notes = find_recordings(run)
    notes += older_tables(run, [one.name for one in scored])
    notes += [*run.info().left_out, *(note for one in scored for note in one.evaluation.notes)]
    papers = beside_papers(run, {one.name: one.table for one in scored})
    notes += papers.notes
    shown = [one.name for one in scored]
    trainings, layer_weights = read_trainings(run, shown), read_layer_weights(run, shown)
    told = {system: own for system, own in labels_of(run) if system in shown}
    verdicts = [verdict for path in tables for verdict in read_verdicts(path)]
    notes += [f"{path} holds no recordings yet" for path in tables if not read_verdicts(path)]
    unique = list(dict.fromkeys(notes))
    return Facts(run, run.info(), scored, places, recordings, trainings, layer_weights, told, papers.rows, unique, verdicts)
