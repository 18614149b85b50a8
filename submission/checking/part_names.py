"""Which part a CSV covers, by its name; and by which year's rules a package was made."""

import re
from collections.abc import Iterable

from submission.checking.faults import Fault, error, warning
from submission.checking.rules import RULES, Part, Rules
from zoo.data.years import OWN, SYNTHETIC_YEARS, years_of

_LENIENT = re.compile(
    r"(?P<kind>anomaly_score|decision_result)_(?P<baseline>DCASE20\d\dT2)?(?P<machine>.+?)_(?P<word>section|id)_?(?P<section>\d{1,2})"
    r"(?:_(?P<domain>source|target))?(?P<test>_test)?(?P<rest>_.*)?\.csv",
    re.IGNORECASE,
)


def part_of(path: str, rules: Rules) -> tuple[Part | None, list[Fault]]:
    """The part that a CSV covers, guessed where the name is wrong, and what is wrong with the name."""
    name = path.rpartition("/")[2]
    match = _LENIENT.fullmatch(name)
    if not match:
        form = rules.score_file.format(machine="MACHINE", section="00", domain="source")
        return None, [error("file-name", "no machine and section in the name", f"name it like {form}", path)]
    machine = match["machine"]
    same = [known for known in rules.machines if known.lower() == machine.lower()]
    part = Part(
        same[0] if same else machine, match["section"].zfill(2), (match["domain"] or "").lower() if rules.domains else ""
    )
    template = rules.score_file if match["kind"].lower() == "anomaly_score" else rules.decision_file
    if template is None:
        return part, [warning("no-decisions", f"{rules.year} has no decision files", "leave it out", path)]
    if rules.domains and not part.domain:
        return None, [
            error("file-name", "no domain in the name", f"{rules.year} has one file for source and one for target", path)
        ]
    right = template.format(machine=part.machine, section=part.section, domain=part.domain)
    if name == right:
        return part, []
    kind = match["kind"].lower()
    others = {f"{kind}_{form.format(machine=part.machine, section=part.section)}" for form in rules.also_read}
    if name in others:
        return part, [warning("file-name", "the spelling of the submission page", f"the evaluator reads {right}", path)]
    if match["baseline"]:
        return part, [
            warning("baseline-name", "named as the organisers' baseline names it", f"the plain name is {right}", path)
        ]
    return part, [error("file-name", f"should be called {right}", f"rename it to {right}", path)]


def guess_year(names: Iterable[str]) -> str:
    """The year whose evaluation set most of these CSV names are of, the latest of equals.

    Without any, the only year that has all the machines; else `own`. Those of `asdzoo synth` are called alike in its years, and
    packages of those years look alike: the first one.
    """
    matches = [match for match in map(_LENIENT.fullmatch, (name.rpartition("/")[2] for name in names)) if match]
    votes: dict[str, int] = {}
    for year, rules in RULES.items():
        known = {(part.machine.lower(), part.section, part.domain) for part in rules.parts()}
        found = [(match["machine"].lower(), match["section"].zfill(2), (match["domain"] or "").lower()) for match in matches]
        forms = [(match["word"].lower() == "id") == (year == "2020") for match in matches]
        votes[year] = sum(key in known and form for key, form in zip(found, forms, strict=True))
    best = max(votes, key=lambda year: (votes[year], year))
    if votes[best]:
        return best
    possible = set(RULES).intersection(*(years_of(match["machine"]) for match in matches))
    if possible == set(SYNTHETIC_YEARS):
        return SYNTHETIC_YEARS[0]
    return possible.pop() if len(possible) == 1 else OWN
