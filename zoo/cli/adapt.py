"""`asdzoo adapt`: an adapter that makes a frozen encoder hear two microphones; experimental."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.api import DEFAULT_DATA, DEFAULT_RUN
from zoo.cli.options import DataOption, DeviceOption, YearOption
from zoo.console import out, warn
from zoo.errors import AsdzooError, typed

app = typer.Typer()


@app.command()
def adapt(
    system: Annotated[str, typer.Argument(help="A system whose encoder is adapted, such as beats_difference; or its YAML.")],
    to: Annotated[Path, typer.Option("--out", help="The adapter file to write.")] = Path("adapter.safetensors"),
    data: DataOption = DEFAULT_DATA,
    year: YearOption = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Override a key of the system.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps. Default: 2000.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Mixtures of a step. Default: 8.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="Of a mixture. Default: 4.")] = None,
    rooms: Annotated[int | None, typer.Option(min=1, help="Rooms that are simulated. Default: 16.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Experimental: train blocks that let an encoder hear a machine through noise, from a near and a far microphone."""
    from zoo.data.clips import find_clips
    from zoo.data.problems import shortened
    from zoo.data.store import WaveformStore
    from zoo.models._adapter_files import write_adapter
    from zoo.models.pretrained import Pretrained
    from zoo.models.two_views import TwoViews
    from zoo.running.display import Display
    from zoo.systems import load_system
    from zoo.training.adapting import AdaptConfig, Mixtures
    from zoo.training.adapting import adapt as trained
    from zoo.training.devices import accelerator_for

    if to.exists():
        raise AsdzooError(f"{to} is there already", "name another file with --out: systems may have been trained with this one")
    chosen = load_system(system, settings or ())
    network = chosen.build_network(["none"], 0)
    heard = network.heard if isinstance(network, TwoViews) else network
    if not isinstance(heard, Pretrained):
        raise AsdzooError(
            f"{system} is no system of one pretrained encoder that hears clips at once",
            "for example asdzoo adapt beats_difference",
        )
    asked = {"steps": steps, "batch": batch, "seconds": seconds, "rooms": rooms, "seed": seed}
    config = AdaptConfig.model_validate({name: value for name, value in asked.items() if value is not None})
    clips = find_clips(data, year)
    with Display() as display:
        accelerator = accelerator_for(device)
        store = WaveformStore.open(clips, DEFAULT_RUN.parent / ".waves", progress=display.counter("decoding"))
        for sentence in shortened(store.problems):
            warn(sentence)
        training = [index for index, clip in enumerate(store.clips) if clip.split == "train"]
        mixtures = Mixtures(store, training, config, display.counter("rooms"))
        found = trained(heard.encoder, mixtures, accelerator.device, display.counter("adapting"))
    machines = sorted({f"{store.clips[index].year} {store.clips[index].machine}" for index in training})
    recordings = f"{len(training)} training clips of {', '.join(machines)}"
    write_adapter(to, found.adapter, heard.encoder_name, heard.encoder, recordings)
    if heard.untrained:
        warn("the encoder has random weights: this adapter says how the path works, and nothing else")
    out.print(
        f"{to}: loss on mixtures kept back {found.before:.4g} of the plain encoder, {found.after:.4g} with the adapter "
        f"({config.steps} steps, {len(training)} training clips of {len(machines)} machines)"
    )
    more = [f"model.adapter={to}", "model.difference=0"]
    if not isinstance(network, TwoViews):
        more += ["model.name=two_views", "input.reference=far"]
    said = " --set ".join(typed(setting) for setting in [*(settings or ()), *more])
    out.print(f"next: asdzoo train-all --systems {typed(system)} --set {said}")
