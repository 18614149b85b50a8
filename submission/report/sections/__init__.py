"""The sections of the page, a module each, in the order of the page:

    score        the official score, and by machine
    machines     a panel for each machine: metrics, curves, scores, thresholds, embeddings, clips
    papers       our scores beside those that papers report
    over_time    scores of recordings that came after training, with the threshold (--scored)
    ensembles    weights, and what each member brings
    agreement    how alike systems rank the clips
    calibration  where test clips lie on the scale of training clips
    training     losses over the steps
    layers       learned weights of an encoder's layers
    run          systems, their configurations, versions

Each has a function `section`, which takes what the section needs and gives it as HTML, or None where there is nothing to show.
"""

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    id: str  # where the navigation leads to
    title: str  # as the navigation calls it
    html: Markup
