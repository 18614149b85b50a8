"""What the second microphone is worth: every recipe of 2024 to 2026 on a synthetic challenge of two channels.

python tests/bench/bench_two_channels.py FOLDER [--size small] [--adapt STEPS]

Encoders are tiny and have random weights: a recipe's number says that its path works, and what a view changes of it, not how
well the method does. The log-mel rungs beside them are what they are everywhere. FOLDER keeps recordings and runs; a second
call goes on.

With `--adapt` an adapter is trained for the frozen encoder, and the difference of embeddings and the adapter are compared with
near alone.
"""

import argparse
from pathlib import Path

import yaml

from fusion.evaluation import evaluate, less_than_best
from submission.cli import main as asdzoo
from zoo.running.folder import Run
from zoo.systems import load_system

RECIPES = {
    "asd26_frozen": "beats_frozen_tiny",
    "asd26_lora": "asd26_lora_near_tiny",
    "eat_frozen": "eat_frozen_tiny",
    "genrep": "genrep_tiny",
    "anopatch": "anopatch_tiny",
    "beats_difference": "beats_difference_tiny",
    "log_mel_knn": "log_mel_knn",
    "log_mel_stats_knn": "log_mel_stats_knn",
    "log_mel_pca": "log_mel_pca",
}
VIEWS = ("near", "subtracted")
FROZEN = "beats_frozen_tiny"


def scored(folder: Path, systems: dict[str, str]) -> Run:
    """The run of systems, name -> content of their YAML."""
    files = [folder / "systems" / f"{name}.yaml" for name in systems]
    for file, content in zip(files, systems.values(), strict=True):
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    run = Run(folder / "run")
    where = ["--data", str(folder / "data"), "--run", str(run.folder), "--device", "cpu"]
    if asdzoo(["train-all", *where, "--systems", ",".join(map(str, files))]):
        raise SystemExit(2)
    return run


def row(run: Run, name: str, one: str, other: str) -> str:
    """A line of the table: two systems with their intervals, and what the second has more than the first."""
    tables = {system: run.scores(system) for system in (one, other)}
    found = [evaluate(table, system) for system, table in tables.items()]
    less = less_than_best(tables, among=(one,))[other]
    assert less is not None
    spans = " | ".join(
        f"{each.score:.3f} ({each.interval.low:.3f} .. {each.interval.high:.3f})" for each in found if each.interval
    )
    return f"| {name} | {spans} | {less.value:+.3f} ({less.interval.low:+.3f} .. {less.interval.high:+.3f}) |"


def two_views(description: str, **of_model: object) -> str:
    """The frozen system with a reference."""
    model = {**load_system(FROZEN).config.model, "name": "two_views", **of_model}
    return yaml.safe_dump({"base": FROZEN, "description": description, "input": {"reference": "far"}, "model": model})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="small")
    parser.add_argument("--adapt", type=int, default=0)
    told = parser.parse_args()
    folder: Path = told.folder
    if not (folder / "data").exists():
        asdzoo(["synth", str(folder / "data"), "--size", told.size, "--channels", "2"])
    systems = {
        f"{name}_{view}": f"base: {base}\ndescription: {name} on {view}\ninput: {{view: {view}}}\n"
        for name, base in RECIPES.items()
        for view in VIEWS
    }
    run = scored(folder, systems)
    lines = [row(run, name, *(f"{name}_{view}" for view in VIEWS)) for name in RECIPES]
    print("| recipe | near | subtracted | what subtraction gives |\n|---|---|---|---|", *lines, sep="\n")
    if not told.adapt:
        return
    file = folder / "adapter.safetensors"
    if not file.exists():
        steps = ["--steps", str(told.adapt), "--seconds", "2", "--device", "cpu"]
        asdzoo(["adapt", FROZEN, "--data", str(folder / "data"), "--out", str(file), *steps])
    heard = {
        "frozen": f"base: {FROZEN}\ndescription: near\n",
        "frozen_difference": two_views("difference", difference=0.5),
        "frozen_adapter": two_views("adapter", difference=0, adapter=str(file)),
    }
    run = scored(folder, heard)
    lines = [row(run, f"{other} against near", "frozen", other) for other in heard if other != "frozen"]
    print("| frozen encoder | near | both microphones | what the second gives |\n|---|---|---|---|", *lines, sep="\n")


if __name__ == "__main__":
    main()
