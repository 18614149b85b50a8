"""The table of archives is complete, well-formed, and agrees with what is known of the years."""

import re
from collections import Counter
from pathlib import Path

import pytest

from zoo.data.datasets import choose, find_dataset, load_datasets
from zoo.data.years import YEARS
from zoo.errors import AsdzooError

CHALLENGE = {name: dataset for name, dataset in load_datasets().items() if name in YEARS}


def test_all_archives_are_in_the_table() -> None:
    archives = [one for dataset in CHALLENGE.values() for one in choose(dataset)]
    assert len(archives) == 146
    assert sum(one.archive.md5 is not None for one in archives) == 18 + 21 + 17  # of 2020, 2023 and 2026
    assert sum(one.archive.bytes or 0 for one in archives) == 4_800_711_994  # the development set of 2026
    due = choose(find_dataset("mimii_due"))
    assert len(due) == 10
    assert sum(one.archive.bytes or 0 for one in due) == 9_428_046_039
    assert {one.record for one in due} == {4740355}


def test_every_row_is_of_one_form() -> None:
    for dataset in load_datasets().values():
        wanted = choose(dataset)
        assert not [file for file, count in Counter(one.file for one in wanted).items() if count > 1]
        for one in wanted:
            assert re.fullmatch(rf"(dev|eval)\w*_{one.machine}(_train|_test)?(_r2)?\.zip", one.file)
            assert one.archive.md5 is None or re.fullmatch(r"[0-9a-f]{32}", one.archive.md5)
        sums = [one.archive.md5 for one in wanted if one.archive.md5]
        assert len(set(sums)) == len(sums)


@pytest.mark.parametrize("year", YEARS)
def test_the_machines_are_those_of_the_year(year: str) -> None:
    parts = CHALLENGE[year].parts
    assert set(parts["dev"].archives) == set(YEARS[year].development)
    assert set(parts["additional"].archives) == set(parts["evaluation"].archives) == set(YEARS[year].evaluation)
    assert CHALLENGE[year].folder == f"dcase{year}t2"


def test_replaced_files_are_not_offered() -> None:
    for dataset in load_datasets().values():
        offered = {one.file for one in choose(dataset)} | {one.record for one in choose(dataset)}
        for part in dataset.parts.values():
            assert not {old.file or old.record for old in part.superseded} & offered
    named = {old.file or old.record for one in CHALLENGE.values() for part in one.parts.values() for old in part.superseded}
    assert {7690157, 11183284, "dev_ToyCar.zip"} < named


def test_a_folder_for_each_machine_and_subset() -> None:
    one, two, three = choose(find_dataset("2025"), machines=["fan", "ToyPet"])
    assert one.machine_folder(Path("d")) == Path("d/dev_data/raw/fan")
    assert two.machine_folder(Path("d")) == three.machine_folder(Path("d")) == Path("d/eval_data/raw/ToyPet")


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(AsdzooError, match="unknown data set '2027'"):
        find_dataset("2027")
    with pytest.raises(AsdzooError, match="unknown machine 'Fan'"):
        choose(find_dataset("2025"), machines=["Fan"])


def test_every_truth_has_a_repository_and_2026_a_commit() -> None:
    truths = {name: dataset.truth for name, dataset in CHALLENGE.items()}
    assert all(truth is not None and re.fullmatch(r"[\w-]+/\w+", truth.repository) for truth in truths.values())
    assert re.fullmatch(r"[0-9a-f]{40}", truths["2026"].revision)  # type: ignore[union-attr]
    assert find_dataset("mimii_due").truth is None
