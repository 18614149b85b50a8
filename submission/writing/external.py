"""External resources that a package names, against the list of those that are allowed (`configs/external.yaml`)."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from zoo.config import Frozen, load_yaml, parse, shipped_configs


class Allowed(Frozen):
    """Resources that the challenge allows."""

    resources: dict[str, list[str]]  # name -> words, one of which stands in the name or address of the resource

    def knows(self, name: str, url: str = "") -> bool:
        """Whether a resource is on the list."""
        text = f"{name} {url}".lower()
        return any(word.lower() in text for words in self.resources.values() for word in words)


def allowed(path: Path | None = None) -> Allowed:
    """The list in a file, the shipped one by default. Raises: AsdzooError when it is absent or not of that form."""
    path = path or shipped_configs() / "external.yaml"
    return parse(Allowed, load_yaml(path), str(path))


def unknown_resources(named: Iterable[Mapping[str, str | None]], known: Allowed) -> list[str]:
    """A sentence for each external dataset of a package that is not on the list."""
    unknown = {str(item.get("name")): str(item.get("url") or "") for item in named}
    return [
        f"{name} is not among the allowed external resources of configs/external.yaml: look at the task's page"
        for name, url in unknown.items()
        if not known.knows(name, url)
    ]
