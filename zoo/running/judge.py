"""Systems and ensembles of a finished run at hand, to score recordings that are no part of it; the run is not changed."""

from zoo.data.store import WaveformStore
from zoo.running.folder import Run
from zoo.running.fusion_door import fusion
from zoo.running.scorer import Scorer
from zoo.scores import ScoreTable


class Judge:
    """Networks and detectors stay loaded between calls."""

    def __init__(self, run: Run, device: str = "auto") -> None:
        """`device` is auto, cpu, cuda, cuda:1 or mps."""
        self.run = run
        self._device = device
        self._scorers: dict[tuple[str, str, str], Scorer] = {}

    def table(self, name: str, machine: str, section: str, store: WaveformStore) -> ScoreTable:
        """Scores by a system or ensemble of the training clips and of the store's clips of one machine and section.

        Raises: AsdzooError when the run has no such thing, or a part of it is gone.
        """
        indices = [i for i, clip in enumerate(store.clips) if (clip.machine, clip.section) == (machine, section)]
        if name in self.run.info().systems:
            return self._scorer(name, machine, section).score(store, indices)
        members = [one for one in fusion().members(self.run, name, machine) if self.knows(one, machine)]
        tables = {one: self._scorer(one, machine, section).score(store, indices) for one in members}
        return fusion().fused(self.run, name, tables)

    def knows(self, name: str, machine: str) -> bool:
        """Whether a system or ensemble has scores of a machine."""
        return machine in set(self.run.scores(name).frame["machine"])

    def sections(self, name: str) -> dict[str, list[str]]:
        """Machines with their sections, of which a system or ensemble has training clips."""
        found: dict[str, set[str]] = {}
        for machine, section in self.run.scores(name).frame.query("split == 'train'")[["machine", "section"]].to_numpy():
            found.setdefault(machine, set()).add(section)
        return {machine: sorted(sections) for machine, sections in sorted(found.items())}

    def _scorer(self, system: str, machine: str, section: str) -> Scorer:
        key = (system, machine, section)
        if key not in self._scorers:
            self._scorers[key] = Scorer.load(self.run, *key, self._device)
        return self._scorers[key]
