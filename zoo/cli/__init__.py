"""Commands of the room `zoo/`, a file for each command or group of commands; heavy imports sit inside the commands.

    options.py     options that several commands share
    said.py        what several commands say
    recordings.py  asdzoo scan, synth
    data.py        asdzoo data list, fetch, verify
    train.py       asdzoo train-all
    task.py        asdzoo task
    score.py       asdzoo score
    adapt.py       asdzoo adapt
    clean.py       asdzoo clean
    weights.py     asdzoo weights list, fetch, check

A new command is a file with an `app`, and its name in the line below; the order is that of `asdzoo --help`.
"""

import typer

from zoo.cli import adapt, clean, data, recordings, score, task, train, weights

app = typer.Typer()
for commands in (recordings, train, task, score, adapt, clean):
    app.registered_commands += commands.app.registered_commands
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
