"""The end of a run: model file, model card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pixelzip.models.export import export_network, replacing
from pixelzip.models.finishing import round_trained
from pixelzip.models.integer import IntegerCoefficientNetwork, IntegerNetwork, load_network
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.train import Trainer


def finish_run(trainer: Trainer, command: str, report: Callable[[int], None]) -> Path:
    """Write ``model.safetensors`` and ``model.md`` into the folder of a finished run.

    ``report`` is told how many layers of the network are rounded whenever it has been trained on after one.
    """
    folder = trainer.folder
    path = folder / "model.safetensors"
    curve = [json.loads(line) for line in trainer.curve]
    training = asdict(trainer.config)
    averaged = trainer.averaged()
    if isinstance(averaged, ConePixelCNN):
        round_trained(trainer, averaged, report)
    export_network(averaged, path, {"command": command, "training": json.dumps(training)})
    network = load_network(path)
    with replacing(folder / "model.md") as temporary:
        temporary.write_text(write_card(network, command, _results(curve[-1], trainer.held_out_bits(averaged))))
    return path


def _results(last: dict[str, Any], rounded: float | None) -> dict[str, str]:
    return {
        "training bits/sub-pixel": f"{last['bits_per_subpixel']:.4f}",
        "held-out bits/sub-pixel": _measured(last["held_out_bits_per_subpixel"]),
        "held-out bits/sub-pixel, rounded": _measured(rounded),
    }


def _measured(bits: float | None) -> str:
    return "not measured" if bits is None else f"{bits:.4f}"


def write_card(network: IntegerNetwork | IntegerCoefficientNetwork, command: str, results: dict[str, str]) -> str:
    """Describe a model in Markdown: what it is, how it was made, what it reached."""
    num_parameters = sum(layer.weight.size + layer.bias.size for layer in network.layers)
    rows = {
        "network": f"{network.config}",
        "parameters": f"{num_parameters:,}",
        "multiply-accumulates per pixel": f"{network.config.multiplications_per_pixel:,.0f}",
        "largest possible sum in any layer": f"{network.largest_sum:,} (must be below 2^24 = 16,777,216)",
        "SHA-256": f"`{network.sha256}`",
        **results,
        "command": f"`{command}`",
    }
    return "# Model card\n\n| | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in rows.items())
