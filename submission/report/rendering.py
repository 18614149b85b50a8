"""From a template and its content to HTML; whatever comes from a run is text there, never markup."""

from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from submission.report.figures import series

_ENVIRONMENT = Environment(
    loader=PackageLoader("submission.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["yaml"] = lambda value: yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
_ENVIRONMENT.filters["breakable"] = lambda name: escape(name).replace("_", Markup("_<wbr>"))
_ENVIRONMENT.globals["series"] = series


def render(template: str, **content: Any) -> Markup:
    """The template `templates/TEMPLATE.html.j2` with its content; a name that it lacks is an error of ours."""
    return Markup(_ENVIRONMENT.get_template(f"{template}.html.j2").render(**content))
