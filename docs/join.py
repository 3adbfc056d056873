"""Models of one depth -> an ensemble of them, whose file names theirs and holds what is not theirs: the heads' shares.

    python docs/join.py models/weights/cifar10-9.safetensors cifar10-8.safetensors 2 cifar10-7.safetensors 1

Of what the heads say, the parameters of the mixture, each counts by its share: here two thirds and one. The files of
the members lie beside that of the ensemble, and must stay there.
"""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from safetensors.numpy import save_file

from pixelzip.models.config import ConeConfig
from pixelzip.models.integer import MEMBERS_KEY, METADATA_KEY, IntegerNetwork, config_to_json, load_network


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("members", nargs=-1, required=True, metavar="MODEL SHARE ...")
def main(output: Path, members: tuple[str, ...]) -> None:
    """Join models in the folder of OUTPUT."""
    paths, shares = [output.parent / name for name in members[::2]], [float(share) for share in members[1::2]]
    networks = [load_network(path) for path in paths]
    config = ensemble_of(networks)
    prefixes = ["", *(f"member{index}." for index in range(len(paths) - 1))]
    tensors = {
        f"{prefix}head.multiplier": (network.layers[-1].multiplier * (share / sum(shares))).astype(np.float32)
        for prefix, network, share in zip(prefixes, networks, shares, strict=True)
    }
    files = {
        prefix: (path.name, network.sha256) for prefix, path, network in zip(prefixes, paths, networks, strict=True)
    }
    metadata = {
        "command": shlex.join(["python", "docs/join.py", output.name, *members]),
        "config": config_to_json(config),
        "largest_sum": str(max(network.largest_sum for network in networks)),
        "licence": networks[0].metadata["licence"],
        MEMBERS_KEY: json.dumps(files),
        "name": output.stem,
    }
    save_file(tensors, output, {METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    load_network(output)


def ensemble_of(networks: list[IntegerNetwork]) -> ConeConfig:
    """Return the configuration of an ensemble; raises ClickException unless members differ in their channels only."""
    first, *others = [network.config for network in networks if isinstance(network.config, ConeConfig)]
    if len(others) + 1 < len(networks) or any(replace(other, channels=first.channels) != first for other in others):
        raise click.ClickException("members of an ensemble must be alike but for their channels")
    return replace(first, members=tuple(other.channels for other in others))


if __name__ == "__main__":
    main()
