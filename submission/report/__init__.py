"""A page about a run, for a person to look at and to listen to: what the run says of itself, figures, and the page."""
