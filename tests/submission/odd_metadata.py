"""Metadata that nobody would write on purpose: a good file, damaged at random in its values, lines, structure and bytes."""

import random

GOOD = """\
submission:
  label: Jiang_THUEE_task2_1
  name: A zoo of detectors
  abbreviation: NF+LoRA
  authors:
    - lastname: Jiang
      firstname: Anbai
      email: a@b.cn
      corresponding: true
      affiliation:
        institution: Tsinghua University
        department: !!null
        location: Beijing, China
    - lastname: Müller
      firstname: Eva
      email: eva@c.de
      affiliation:
        - institution: C
        - institution: D
system:
  description:
    input_sampling_rate: 16kHz
    data_augmentation: mixup, SpecAugment
    front_end: !!null
    acoustic_features: log-mel energies
    embeddings: BEATs
    machine_learning_method: normalizing flow, ensemble
    aggregation_method: average
    domain_adaptation_method: !!null
    domain_generalization_method: SMOTE
    ensemble_method_subsystem_count: 2
    decision_making: weighted average
    attribute_usage: classification labels
    external_data_usage: pre-trained model
    development_data_usage: development
  complexity:
    total_parameters: 97580000
    MACS: 45006000000
  external_datasets:
    - name: AudioSet
      url: https://research.google.com/audioset/
  source_code: !!null
results:
  development_dataset:
    ToyCar: {auc_source: 61.2, auc_target: 55.1, pauc: 52.4}
    fan:
      auc_source: 70.1
      pauc: 49.0
"""

VALUES = [
    *("", "~", "!!null", "null", "true", "no", "0", "-1", "1.2e6", "9.7e+7", "97,580,000", "97.58M", "101", "0.5", "two"),
    *(".nan", ".inf", "-.inf", "1e999", "1.0e+999", "0x1F", "0b11", "0o7", "1_000", "12:30:45", "9" * 40, "9" * 5000),
    *("2024-13-01", "2024-01-01 25:00:00", "0001-01-01 00:00:00 +23:59", "0b" + "1" * 5000, "1" + ":59" * 3000),
    *("!!bool x", "!!int ''", "!!float x", "!!timestamp x", "!!binary =", "!!set {a}", "!!python/name:os.abort"),
    *("*a", "&a [*a]", "&a x", "<<", "=", "? a", "- a", "[", "]", "{", "}", "[" * 24, "{a: {b: c}}", "[1, [2]]", "[]", "{}"),
    *("'", '"', '"\\x1b[31m"', '"\\0"', '"\\ud800"', '"\\U00110000"', '"\\N"', "|", ">", "|9", "%", "@", "`", "#"),
    *("---", "...", "%YAML 9", "\t", "\x07", "\x85", "\u2028", "\ufeff", "\u202e", "𝔘", "é" * 300, "x" * 20_000, "a: b: c"),
    *("[red]x[/red]", "[/]", "=1+1", "'@x'", "Lv_AITHU_task2_1", "A_B_task1_9", "a@b", "maybe", "[{name: !!null, url: x}]"),
]  # fmt: skip
KINDS = [*["value"] * 12, *["key"] * 3, "delete", "double", "move", "indent", "insert", "tab", "cut", "grow"]


def odd_metadata(seed: int) -> bytes:
    """One damaged file; the same for the same seed."""
    dice = random.Random(seed)
    lines = GOOD.splitlines()
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(lines)) if lines else 0
        kind = dice.choice(KINDS)
        if not lines or kind == "insert":
            lines.insert(at, " " * dice.randrange(8) + dice.choice(VALUES))
            continue
        key, colon, _ = lines[at].partition(":")
        if kind == "value" and colon:
            lines[at] = f"{key}: {dice.choice(VALUES)}"
        elif kind == "key" and colon:
            lines[at] = lines[at].replace(key.strip(" -"), dice.choice(VALUES), 1)
        elif kind == "delete":
            del lines[at : at + dice.randint(1, 6)]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "move":
            lines.insert(dice.randrange(len(lines)), lines.pop(at))
        elif kind == "indent":
            lines[at] = " " * dice.randrange(12) + lines[at].lstrip()
        elif kind == "tab":
            lines[at] = lines[at].replace("  ", "\t", 1)
        elif kind == "cut":
            lines[at] = lines[at][: dice.randrange(len(lines[at]) + 1)]
        elif kind == "grow":
            lines[at:at] = [lines[at]] * dice.choice([3, 50, 3000])
    data = bytearray("\n".join(lines).encode(dice.choice(["utf-8"] * 40 + ["utf-16", "latin-1"]), "replace"))
    if dice.random() < 0.1:
        for _ in range(dice.randint(1, 10)):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)
