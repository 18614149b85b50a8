"""The metadata of one ensemble, from what the run knows and what the team says."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fusion.combine import Combiner
from fusion.ensemble import Ensemble, ensemble_path, read_ensemble
from submission.checking.metadata import dump
from submission.checking.rules import MAX_ABBREVIATION, Rules
from submission.writing.team import SystemWords, Team
from zoo import registry
from zoo.checkpoints.known import known
from zoo.errors import AsdzooError
from zoo.legacy import current
from zoo.metadata import Words
from zoo.running.folder import Run
from zoo.running.records import SystemInfo

_OF_WAVES = {"speed": "speed perturbation", "noise": "noise addition", "mixup": "mixup"}  # of the block `augment`


def ensemble_of(run: Run, name: str) -> Ensemble | None:
    """The ensemble whose scores are called `name`; None when they are those of one system."""
    path = ensemble_path(run.folder, name)
    return read_ensemble(path) if path.exists() else None


def members_of(run: Run, name: str, machines: Iterable[str]) -> list[str]:
    """Systems that the scores of these machines come from, each once; a system is its own only member.

    A member without weight for any of the machines is none: it adds nothing to what is submitted.
    """
    ensemble = ensemble_of(run, name)
    if ensemble is None:
        return [name]
    vectors = [ensemble.weights_of(machine) for machine in machines]
    return [system for system in ensemble.systems if any(weights.get(system, 0) > 0 for weights in vectors)]


def describe(
    run: Run,
    ensemble: str,
    label: str,
    team: Team,
    rules: Rules,
    machines: Iterable[str],
    number: int | None,
    results: Mapping[str, Mapping[str, float]],
) -> str:
    """`LABEL.meta.yaml` as text.

    `number` is put behind the abbreviation when several systems are submitted; `results` are per machine, in per cent. Total
    parameters and MACs are sums over the members, each counted once, frozen encoders included; MACs are for one clip, and
    null when those of a member are not known.
    """
    words = team.systems.get(ensemble, SystemWords())
    members = members_of(run, ensemble, machines)
    entries = _entries(run, ensemble, members, words)
    external = _external_datasets(entries, team)
    description: dict[str, Any] = {
        **_what_systems_do(entries),
        "ensemble_method_subsystem_count": len(members) if len(members) > 1 else None,
        "decision_making": _decision(run, ensemble) if len(members) > 1 else None,
        "external_data_usage": "pre-trained model" if external else None,
        "development_data_usage": "development",
    }
    if len(members) > 1:
        description["machine_learning_method"] = _list([description["machine_learning_method"] or "", "ensemble"])
    macs = [entry.macs for entry in entries if entry.macs is not None]
    meta = {
        "submission": {
            "label": label,
            "name": words.name or f"{team.name} ({ensemble})",
            "abbreviation": _abbreviation(team, words, number),
            "authors": [author.model_dump(exclude_none=True) for author in team.authors],
        },
        "system": {
            "description": {key: description.get(key) for key in rules.description} | words.description,
            "complexity": {
                "total_parameters": _total_parameters(entries) if words.total_parameters is None else words.total_parameters,
                "MACS": words.macs if words.macs is not None else sum(macs) if len(macs) == len(members) else None,
            },
            **({"external_datasets": external or None} if rules.external_datasets else {}),
            "source_code": team.source_code,
        },
        "results": {"development_dataset": {machine: dict(row) for machine, row in results.items()} or None},
    }
    return dump(meta, f"DCASE Challenge Task 2, rules of {rules.year}; written by asdzoo")


def _total_parameters(entries: Sequence[SystemInfo]) -> int | None:
    """The sum over the members, 0 for spectra without a network; None when it is not known of all of them."""
    known = bool(entries) and all("parameters" in entry.model_fields_set for entry in entries)
    return sum(entry.parameters.total for entry in entries) if known else None


def _entries(run: Run, ensemble: str, members: Iterable[str], words: SystemWords) -> list[SystemInfo]:
    """What run.json says of the members; of one that was trained elsewhere it says nothing, and the team must."""
    known = run.info().systems
    unknown = [member for member in members if member not in known]
    if unknown and words.total_parameters is None:
        raise AsdzooError(
            f"run.json says nothing of {', '.join(unknown)}, so the parameters of {ensemble} cannot be counted",
            f"say `total_parameters:` under `systems: {ensemble}:` in team.yaml",
        )
    return [known[member] for member in members if member in known]


def _what_systems_do(entries: Sequence[SystemInfo]) -> dict[str, str | None]:
    """The keys of `system.description` that follow from the systems' configs."""
    words = [_words(entry) for entry in entries]
    methods = _joined([*word.methods, *_tuning(entry)] for word, entry in zip(words, entries, strict=True))
    detectors = [_own_words("detector", str(name)) for entry in entries if (name := entry.block("detector").get("name"))]
    rates = sorted({entry.block("input").get("sample_rate", 16000) for entry in entries}) or [16000]
    balanced = any(entry.block("detector").get("smote") for entry in entries)
    by_attributes = any(_classes(entry) == "attributes" for entry in entries)
    return {
        "input_sampling_rate": ", ".join(f"{rate / 1000:g}kHz" for rate in rates),
        "data_augmentation": _list(_augmentation(entries)),
        "acoustic_features": _list(_joined(word.features for word in words)),
        "embeddings": _list(_joined(word.embeddings for word in words)),
        "machine_learning_method": _list(_joined([methods, *(words.methods for words in detectors)])),
        "domain_generalization_method": "SMOTE" if balanced else None,
        "attribute_usage": "classification labels" if by_attributes else None,
    }


def _abbreviation(team: Team, words: SystemWords, number: int | None) -> str:
    abbreviation = words.abbreviation or (f"{team.abbreviation}-{number}" if number else team.abbreviation)
    if len(abbreviation) > MAX_ABBREVIATION:
        raise AsdzooError(
            f"the abbreviation {abbreviation!r} is longer than {MAX_ABBREVIATION} characters",
            f"shorten `abbreviation:` to {MAX_ABBREVIATION - 2} in team.yaml, or give each system its own under `systems:`",
        )
    return abbreviation


def _decision(run: Run, name: str) -> str:
    ensemble = ensemble_of(run, name)
    combiner = ensemble.combiner if ensemble else "weighted"
    words: dict[Combiner, str] = {
        "weighted": "weighted average",
        "train-rank": "weighted average of ranks among training scores",
        "rank": "weighted average of ranks",
        "min": "minimum",
        "max": "maximum",
    }
    return words[combiner]


def broken_parts(run: Run, members: Iterable[str]) -> list[str]:
    """A sentence for each part of these systems whose plugin is installed but cannot be loaded."""
    said: dict[str, None] = {}
    known = run.info().systems
    for entry in (known[member] for member in members if member in known):
        model = _model(entry)
        parts: list[tuple[registry.Kind, object]] = [
            ("model", model.get("name")),
            ("detector", entry.block("detector").get("name")),
            *(("encoder", block["encoder"]) for block in _encoders(model)),
        ]
        for kind, name in parts:
            if name not in registry.names(kind):
                continue
            try:
                registry.module(kind, str(name))
            except AsdzooError as problem:
                said[f"{problem.message}; the metadata has its name and no more, write the rest into team.yaml"] = None
    return list(said)


def _own_words(kind: registry.Kind, name: str) -> Words:
    """The words that a module brings; without any, or where its plugin is not here or broken, its name is the method."""
    try:
        words = getattr(registry.module(kind, name), "METADATA", None)
    except AsdzooError:
        words = None
    if isinstance(words, Words):
        return words
    return Words(embeddings=(name,)) if kind == "encoder" else Words(methods=(name,))


def _words(entry: SystemInfo) -> Words:
    """Those of the network and of each encoder in it."""
    model = _model(entry)
    every = [
        _own_words("model", str(model.get("name", "unknown"))),
        *(_encoder_words(block["encoder"]) for block in _encoders(model)),
    ]
    return Words(
        tuple(_joined(words.features for words in every)),
        tuple(_joined(words.embeddings for words in every)),
        tuple(_joined(words.methods for words in every)),
    )


def _model(entry: SystemInfo) -> Mapping[str, Any]:
    """The block of the network, in today's form."""
    model: Mapping[str, Any] = current({"model": entry.block("model")})["model"]
    return model


def _encoders(block: object) -> list[Mapping[str, Any]]:
    """Every block that names an encoder, at any depth: a system with two has a block for each."""
    if not isinstance(block, Mapping):
        return []
    below = [found for value in block.values() for found in _encoders(value)]
    return ([block] if isinstance(block.get("encoder"), str) else []) + below


def _encoder_words(name: str) -> Words:
    """Those that its module brings; of an encoder that is not installed here, its name."""
    if name not in registry.names("encoder"):
        return Words(embeddings=(name,))
    return _own_words("encoder", name)


def _augmentation(entries: Sequence[SystemInfo]) -> list[str]:
    trained = [entry for entry in entries if entry.config.get("training", {}) is not None]
    masks = [mask for entry in trained for mask in _everywhere(entry.block("model"), "augment") if isinstance(mask, Mapping)]
    of_waves = [block for entry in trained if isinstance(block := entry.config.get("augment"), Mapping)]
    done = [word for key, word in _OF_WAVES.items() if any(block.get(key) is not None for block in of_waves)]
    return done + (["SpecAugment"] if any(width for mask in masks for width in mask.values()) else [])


def _classes(entry: SystemInfo) -> str:
    """What the classes of a system are; 0.1 wrote a word where there is a block now."""
    written = entry.config.get("classes")
    return str(written.get("of", "") if isinstance(written, Mapping) else written)


def _tuning(entry: SystemInfo) -> list[str]:
    tunings = _everywhere(entry.block("model"), "tuning")
    lora = any(isinstance(tuning, Mapping) and tuning.get("mode") == "lora" for tuning in tunings)
    adapter = any(_everywhere(entry.block("model"), "adapter"))
    return (["LoRA"] if lora else []) + (["cross-attention adapter"] if adapter else [])


def external_datasets(run: Run, ensemble: str, team: Team, machines: Iterable[str]) -> list[dict[str, str]]:
    """Name and address of each external dataset that an ensemble rests on, or that the team names."""
    words = team.systems.get(ensemble, SystemWords())
    return _external_datasets(_entries(run, ensemble, members_of(run, ensemble, machines), words), team)


def _external_datasets(entries: Iterable[SystemInfo], team: Team) -> list[dict[str, str]]:
    seen = {name: url for entry in entries for name, url in _external(entry).items()}
    external = [{"name": name, "url": url} for name, url in seen.items()]
    return external + [item.model_dump(exclude_none=True) for item in team.external_datasets if item.name is not None]


def _external(entry: SystemInfo) -> dict[str, str]:
    """Data that the entry's pretrained weights saw, and where it is; an encoder with random weights saw none."""
    model = _model(entry)
    seen: dict[str, str] = {}
    if model.get("init") != "random":
        seen |= _own_words("model", str(model.get("name", "unknown"))).external
    for block in _encoders(model):
        if block.get("init") != "random":
            weights = known().get(str(block.get("weights")))
            of_weights = weights.external if weights else None
            seen |= _encoder_words(block["encoder"]).external if of_weights is None else of_weights
    return seen


def _everywhere(block: object, key: str) -> list[Any]:
    """Every value that stands under `key`, at any depth: a system with two encoders has a block for each."""
    if not isinstance(block, Mapping):
        return []
    below = [found for value in block.values() for found in _everywhere(value, key)]
    return ([block[key]] if key in block else []) + below


def _joined(lists: Iterable[Iterable[str]]) -> list[str]:
    """All words, each once, in order of first mention."""
    return list(dict.fromkeys(word for words in lists for word in words))


def _list(words: Sequence[str]) -> str | None:
    return ", ".join(filter(None, words)) or None
