"""Broken packages: how each is broken, which faults it has and no others, and where the first of them is.

Codes with `~` are warnings. A place `FILE:text` is the line of FILE where `text` stands in the broken package.
"""

from tests.submission.packages import (
    DECISIONS,
    META,
    REPORT,
    SCORES,
    SYSTEM,
    Break,
    Files,
    content,
    copied,
    every_line,
    line,
    moved,
    recoded,
    renamed,
    replaced,
    rows,
    system_copied,
    together,
    without,
)

NOTHING_READ = "decision-clips ~clip-count"  # what follows when no row of a score file can be read
BASELINE = f"{SYSTEM}/anomaly_score_DCASE2024T2Scanner_section_00_test_seed13711_id(0_)_Eval.csv"
ALIASES = b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"
EXTERNAL = "external_datasets:\n    - name: AudioSet\n      url: https://research.google.com/audioset/"
NULLS = "external_datasets:\n    - name: !!null\n      url: !!null"
OBJECT = "source_code: !!python/object/apply:os.getcwd []"


def both(change: str) -> Break:
    """Change every line of the scores and of the decisions."""
    return together(every_line(SCORES, change), every_line(DECISIONS, change))


def one_of_both(number: int, change: str) -> Break:
    return together(line(SCORES, number, change), line(DECISIONS, number, change))


def decided(lowest: int, swapped: int = 0) -> Break:
    """Decisions at the median score: `lowest` below it, the other above; `swapped` clips of each side change places."""

    def act(files: Files) -> None:
        pairs = sorted((float(one.split(",")[1]), one.split(",")[0]) for one in files[SCORES].decode().splitlines())
        half = len(pairs) // 2
        values = {clip: lowest if index < half else 1 - lowest for index, (_, clip) in enumerate(pairs)}
        for _, clip in pairs[half - swapped : half + swapped]:
            values[clip] = 1 - values[clip]
        files[DECISIONS] = "".join(f"{clip},{value}\n" for clip, value in sorted(values.items())).encode()

    return act


def cut(after: str, then: str = "") -> Break:
    """Cut the metadata off at a text."""

    def act(files: Files) -> None:
        files[META] = (files[META].decode().split(after)[0] + then).encode()

    return act


IN_THE_SCORES: dict[str, tuple[Break, str, str]] = {
    "header": (rows(SCORES, lambda old: ["file_name,score", *old]), "csv-header", f"{SCORES}:file_name"),
    "CRLF": (recoded(SCORES, lambda data: data.replace(b"\n", b"\r\n")), "~csv-line-ends", SCORES),
    "lone CR": (recoded(SCORES, lambda data: data.replace(b"\n", b"\r")), "~csv-line-ends", SCORES),
    "byte order mark": (recoded(SCORES, lambda data: b"\xef\xbb\xbf" + data), "csv-bom", SCORES),
    "UTF-16": (recoded(SCORES, lambda data: data.decode().encode("utf-16")), f"csv-encoding {NOTHING_READ}", SCORES),
    "NUL byte": (line(SCORES, 3, "{clip}\0,{value}"), f"csv-encoding {NOTHING_READ}", SCORES),
    "empty file": (content(SCORES, b""), f"csv-empty {NOTHING_READ}", SCORES),
    "only a header": (content(SCORES, b"file,score\n"), f"csv-header {NOTHING_READ}", SCORES),
    "empty line inside": (rows(SCORES, lambda old: [*old[:5], "", *old[5:]]), "csv-blank-line", f"{SCORES}:6"),
    "empty line at the end": (rows(SCORES, lambda old: [*old, ""]), "csv-blank-line", f"{SCORES}:201"),
    "semicolons": (every_line(SCORES, "{clip};{value}"), f"csv-columns {NOTHING_READ}", f"{SCORES}:1"),
    "tabs": (every_line(SCORES, "{clip}\t{value}"), f"csv-columns {NOTHING_READ}", f"{SCORES}:1"),
    "decimal comma": (line(SCORES, 7, "{clip},0,25"), f"csv-columns {NOTHING_READ}", f"{SCORES}:7"),
    "third column": (line(SCORES, 7, "{clip},0.1,normal"), f"csv-columns {NOTHING_READ}", f"{SCORES}:7"),
    "quotes": (line(SCORES, 7, '"{clip}",{value}'), "~csv-quotes", SCORES),
    "space before the value": (every_line(SCORES, "{clip}, {value}"), "~csv-space", f"{SCORES}:1"),
    "a quote without end": (
        content(SCORES, b'"' + b"x" * 200_000), f"csv-syntax ~csv-quotes {NOTHING_READ}", SCORES,
    ),
    "5 MiB of text": (content(SCORES, b"x,1\n" * (5 << 18)), f"csv-size {NOTHING_READ}", SCORES),
    "NaN": (line(SCORES, 9, "{clip},nan"), "score-finite", f"{SCORES}:nan"),
    "infinity": (line(SCORES, 9, "{clip},-inf"), "score-finite", f"{SCORES}:-inf"),
    "a word for a score": (line(SCORES, 9, "{clip},high"), "score-number", f"{SCORES}:high"),
    "no score": (line(SCORES, 9, "{clip},"), "score-number", f"{SCORES}:9"),
    "constant scores": (every_line(SCORES, "{clip},0.5"), "~score-constant", SCORES),
    "a clip twice": (rows(SCORES, lambda old: [*old, old[3]]), "clip-twice", f"{SCORES}:201"),
    "no .wav": (
        together(replaced(SCORES, "01.wav", "01"), replaced(DECISIONS, "01.wav", "01")), "clip-extension", f"{SCORES}:2",
    ),
    "path before the name": (both("test/{clip},{value}"), "clip-path", f"{SCORES}:1"),
    "space behind the name": (one_of_both(2, "{clip} ,{value}"), "clip-space", f"{SCORES}:2"),
    "clip of another section": (
        one_of_both(2, "section_01_0001.wav,{value}"), "clip-section", f"{SCORES}:section_01",
    ),
    "no evaluation clip": (one_of_both(4, "noise.wav,{value}"), "clip-name", f"{SCORES}:noise"),
    "a formula of a spreadsheet": (one_of_both(4, "=1+2.wav,{value}"), "clip-name ~csv-formula", f"{SCORES}:=1"),
    "30,000 rows": (
        rows(SCORES, lambda old: [*old, *["x.wav,1"] * 30_000]),
        "csv-size clip-twice clip-name decision-clips ~clip-count", f"{SCORES}:20001",
    ),
    "true name": (one_of_both(1, "section_00_source_test_normal_0000_x.wav,{value}"), "~clip-true-name", f"{SCORES}:1"),
    "a row is missing": (
        together(rows(SCORES, lambda old: old[:-1]), rows(DECISIONS, lambda old: old[:-1])), "~clip-count", SCORES,
    ),
}  # fmt: skip

IN_THE_DECISIONS: dict[str, tuple[Break, str, str]] = {
    "decision 2": (line(DECISIONS, 5, "{clip},2"), "decision-value", f"{DECISIONS}:5"),
    "decision True": (line(DECISIONS, 5, "{clip},True"), "decision-value", f"{DECISIONS}:True"),
    "decision nan": (line(DECISIONS, 5, "{clip},nan"), "decision-value", f"{DECISIONS}:nan"),
    "decision 1.0": (recoded(DECISIONS, lambda data: data.replace(b",1\n", b",1.0\n")), "~decision-form", f"{DECISIONS}:1.0"),
    "all normal": (every_line(DECISIONS, "{clip},0"), "~decision-constant", DECISIONS),
    "inverted": (decided(lowest=1), "decision-inverted", DECISIONS),
    "two thresholds": (decided(lowest=0, swapped=5), "~decision-threshold", DECISIONS),
    "decision missing for a clip": (rows(DECISIONS, lambda old: old[1:]), "decision-clips", DECISIONS),
}

NAMES_OF_FILES: dict[str, tuple[Break, str, str]] = {
    "no scores of a machine": (without(SCORES), "part-missing", SYSTEM),
    "no decisions of a machine": (without(DECISIONS), "decision-missing", SYSTEM),
    "no machine at all": (without(SCORES, DECISIONS), "part-missing", SYSTEM),
    "no _test": (moved(SCORES, SCORES.replace("_test", "")), "file-name", SCORES.replace("_test", "")),
    "one digit": (moved(SCORES, SCORES.replace("_00", "_0")), "file-name", SCORES.replace("_00", "_0")),
    "case of the machine": (
        moved(SCORES, SCORES.replace("Scanner", "scanner")), "file-name", SCORES.replace("Scanner", "scanner"),
    ),
    "no machine in the name": (
        moved(SCORES, f"{SYSTEM}/anomaly_score_all.csv"), "file-name part-missing", SYSTEM,
    ),
    "development machine": (
        together(*(copied(path, path.replace("Scanner", "ToyCar")) for path in (SCORES, DECISIONS))),
        "part-unknown", SCORES.replace("Scanner", "ToyCar"),
    ),
    "decisions of a development machine": (copied(DECISIONS, DECISIONS.replace("Scanner", "ToyCar")), "score-missing", SYSTEM),
    "two files of one machine": (
        copied(SCORES, SCORES.replace("_test", "")), "file-name part-twice", SCORES.replace("_test", ""),
    ),
    "the baseline's name": (moved(SCORES, BASELINE), "~baseline-name", BASELINE),
}  # fmt: skip

IN_THE_TREE: dict[str, tuple[Break, str, str]] = {
    "no task2 folder": (moved("task2/", ""), "no-task-folder", "Jiang_THUEE_task2_1"),
    "a folder around task2": (moved("task2/", "Jiang/task2/"), "no-task-folder", "Jiang/task2/Jiang_THUEE_task2_1"),
    "another folder than task2": (moved("task2/", "Task2/"), "no-task-folder", "Task2/Jiang_THUEE_task2_1"),
    "flat": (moved(f"{SYSTEM}/", ""), "no-system-folder", ""),
    "nothing of a package": (lambda files: (files.clear(), files.update({"a.txt": b"x"}))[0], "no-system", ""),
    "label of three parts": (renamed("Jiang_task2_1"), "label", "task2/Jiang_task2_1"),
    "label of five parts": (renamed("Jiang_TH_UEE_task2_1"), "label", "task2/Jiang_TH_UEE_task2_1"),
    "label of another task": (renamed("Jiang_THUEE_task1_1"), "label", "task2/Jiang_THUEE_task1_1"),
    "index 5": (renamed("Jiang_THUEE_task2_5"), "label", "task2/Jiang_THUEE_task2_5"),
    "index 0": (renamed("Jiang_THUEE_task2_0"), "label", "task2/Jiang_THUEE_task2_0"),
    "no index": (renamed("Jiang_THUEE_task2"), "label", "task2/Jiang_THUEE_task2"),
    "index 3 alone": (renamed("Jiang_THUEE_task2_3"), "~index-gap", ""),
    "two teams": (system_copied("Lv_AITHU_task2_2"), "several-teams", ""),
    "five systems": (
        together(*(system_copied(f"Jiang_THUEE_task2_{index}") for index in (2, 3, 4, 5))), "too-many-systems label", "",
    ),
    "a system twice": (
        copied(f"{SYSTEM}/", "old/Jiang_THUEE_task2_1/"),
        "duplicate-label no-task-folder ~same-scores ~same-abbreviation", "",
    ),
    "two systems with the same scores": (
        together(system_copied("Jiang_THUEE_task2_2"), copied(f"{SYSTEM}/anomaly", "task2/Jiang_THUEE_task2_2/anomaly")),
        "~same-scores", "task2/Jiang_THUEE_task2_2",
    ),
    "two systems with one abbreviation": (
        together(system_copied("Jiang_THUEE_task2_2"), replaced(META.replace("_1", "_2"), "NF+2", "NF+LoRA")),
        "~same-abbreviation", "task2/Jiang_THUEE_task2_2",
    ),
    "stray file": (content(f"{SYSTEM}/train.py", b"print()\n"), "~stray-file", f"{SYSTEM}/train.py"),
    "checkpoint in the zip": (content("task2/model.pt", b"PK" * 99), "~stray-file", "task2/model.pt"),
    "Finder's files": (together(content("__MACOSX/._x", b"x"), content("task2/.DS_Store", b"x")), "~junk", "__MACOSX/._x"),
    "two names that differ in case": (content(REPORT.lower(), b"%PDF-" + b"x" * 300), "case-clash", REPORT.lower()),
    "no report": (without(REPORT), "~no-report", ""),
    "a report that is no PDF": (content(REPORT, b"PK\3\4 a Word file" * 40), "report-format", REPORT),
    "an empty report": (content(REPORT, b""), "report-format", REPORT),
    "a Word report": (moved(REPORT, REPORT.replace(".pdf", ".docx")), "report-format", REPORT.replace(".pdf", ".docx")),
    "a report called otherwise": (moved(REPORT, "task2/paper.pdf"), "~report-name", "task2/paper.pdf"),
}  # fmt: skip

IN_THE_METADATA: dict[str, tuple[Break, str, str]] = {
    "no metadata": (without(META), "meta-missing", SYSTEM),
    ".yml": (moved(META, META.replace(".yaml", ".yml")), "meta-name", META.replace(".yaml", ".yml")),
    "metadata called otherwise": (moved(META, f"{SYSTEM}/meta.yaml"), "meta-name", f"{SYSTEM}/meta.yaml"),
    "two metadata files": (copied(META, f"{SYSTEM}/Old.meta.yaml"), "meta-several", f"{SYSTEM}/Old.meta.yaml"),
    "label of another system": (replaced(META, "task2_1", "task2_2"), "label-differs", f"{META}:label"),
    "authors inside an affiliation": (
        replaced(META, "    - lastname: Müller", "        - lastname: Müller"), "yaml-syntax", f"{META}:Müller",
    ),
    "tab in YAML": (replaced(META, "  label:", "\tlabel:"), "yaml-tab", f"{META}:label"),
    "key twice": (replaced(META, "  name:", "  name: x\n  name:"), "yaml-duplicate-key", f"{META}:A zoo"),
    "alias": (content(META, ALIASES), "yaml-alias", f"{META}:*a"),
    "tag that builds an object": (replaced(META, "source_code: null", OBJECT), "yaml-tag", f"{META}:!!python"),
    "deep nesting": (content(META, b"a: " + b"[" * 5000), "yaml-depth", f"{META}:1"),
    "deep blocks": (content(META, "".join(" " * n + "a:\n" for n in range(300)).encode()), "yaml-depth", f"{META}:20"),
    "a key that is a list": (replaced(META, "  name:", "  [a, b]: x\n  name:"), "yaml-key", f"{META}:[a"),
    "a number YAML cannot read": (replaced(META, "97580000", "!!int x"), "yaml-value", META),
    "an integer of 5000 digits": (replaced(META, "97580000", "9" * 5000), "yaml-value", META),
    "a 13th month": (replaced(META, "97580000", "2024-13-01"), "yaml-value", META),
    "empty metadata": (content(META, b"# later\n"), "yaml-empty", META),
    "a list for metadata": (content(META, b"- submission\n"), "meta-schema", f"{META}:1"),
    "metadata in Latin-1": (recoded(META, lambda data: data.decode().encode("latin-1")), "meta-encoding", META),
    "control characters": (replaced(META, "A zoo", "A \x07zoo"), "yaml-syntax", META),
    "metadata of 300 KiB": (content(META, bytes(range(33, 127)) * 3200), "meta-size", META),
    "long abbreviation": (replaced(META, "NF+LoRA", "NF+LoRA+more"), "meta-abbreviation", f"{META}:abbreviation"),
    "no abbreviation": (replaced(META, "  abbreviation: NF+LoRA\n", ""), "meta-missing-key", f"{META}:submission"),
    "two corresponding authors": (replaced(META, "ing: false", "ing: true"), "meta-corresponding", f"{META}:submission"),
    "no corresponding author": (replaced(META, "ing: true", "ing: false"), "meta-corresponding", f"{META}:submission"),
    "corresponding: maybe": (replaced(META, "ing: false", "ing: maybe"), "meta-schema", f"{META}:maybe"),
    "no authors": (
        recoded(META, lambda data: data.split(b"  authors:")[0] + b"  authors: []\nsystem:" + data.split(b"\nsystem:")[1]),
        "meta-schema", f"{META}:authors",
    ),
    "author without e-mail": (replaced(META, "      email: a@b.cn\n", ""), "meta-missing-key", f"{META}:lastname: Jiang"),
    "no e-mail address": (replaced(META, "a@b.cn", "a at b"), "meta-schema", f"{META}:a at b"),
    "author without institution": (
        replaced(META, ":\n        institution: C\n", ": !!map {department: C}\n"),
        "meta-missing-key", f"{META}:affiliation: !",
    ),
    "a last name that is a number": (replaced(META, "lastname: Müller", "lastname: 12"), "meta-schema", f"{META}:lastname: 12"),
    "parameters as text": (replaced(META, "97580000", "97,580,000"), "meta-number", f"{META}:total_parameters"),
    "parameters in millions": (replaced(META, "97580000", "97.58M"), "meta-number", f"{META}:total_parameters"),
    "no parameters": (replaced(META, "97580000", "!!null"), "meta-number", f"{META}:total_parameters"),
    "parameters below zero": (replaced(META, "97580000", "-1"), "meta-number", f"{META}:total_parameters"),
    "parameters NaN": (replaced(META, "97580000", ".nan"), "meta-number", f"{META}:total_parameters"),
    "parameters as 1.2e6": (replaced(META, "97580000", "1.2e6"), "meta-number", f"{META}:total_parameters"),
    "MACS as text": (replaced(META, "45006000000", "45G"), "meta-number", f"{META}:MACS"),
    "subsystems as a word": (replaced(META, "system_count: 2", "system_count: two"), "meta-number", f"{META}:two"),
    "no system block": (cut("\nsystem:", "\n"), "meta-missing-key", META),
    "no complexity": (cut("  complexity:"), "meta-missing-key", f"{META}:system:"),
    "description key missing": (replaced(META, "    embeddings: BEATs\n", ""), "~meta-description", f"{META}:description"),
    "misspelt key": (replaced(META, "    front_end:", "    frontend:"), "~meta-description ~meta-unknown-key", META),
    "result above 100": (replaced(META, "auc_source: ", "auc_source: 9"), "result-range", f"{META}:auc_source"),
    "result as a fraction": (replaced(META, "auc_source: ", "auc_source: 0.5  # "), "~result-fraction", f"{META}:auc_source"),
    "result as text": (replaced(META, "auc_source: ", "auc_source: 51 %  # "), "~result-number", f"{META}:auc_source"),
    "pAUC that is not standardised": (replaced(META, "pauc: ", "pauc: 12.5  # "), "result-pauc", f"{META}:pauc"),
    "unknown result": (replaced(META, "auc_source: ", "f1_source: "), "~result-key", f"{META}:f1_source"),
}  # fmt: skip

HARMLESS: dict[str, Break] = {  # as real packages have it, and no fault
    "the template's nulls for external data": replaced(META, EXTERNAL, NULLS),
    "the same in one line": replaced(META, EXTERNAL, "external_datasets: [{name: !!null, url: !!null}]"),
    "a tab inside a quoted text": replaced(META, "name: A zoo of detectors (both)", 'name: "A zoo\n\tof detectors"'),
    "no parameters to learn": replaced(META, "97580000", "0"),
    "no multiplications": replaced(META, "45006000000", "0"),
    "parameters as a float": replaced(META, "97580000", "9.758e+7"),
    "comments behind every key": recoded(META, lambda data: data.replace(b"\n", b"  # as the template has it\n")),
    "Windows line ends in the metadata": recoded(META, lambda data: data.replace(b"\n", b"\r\n")),
    "a byte order mark before the metadata": recoded(META, lambda data: b"\xef\xbb\xbf" + data),
}

CORPUS = {**IN_THE_SCORES, **IN_THE_DECISIONS, **NAMES_OF_FILES, **IN_THE_TREE, **IN_THE_METADATA}
