"""The discretised logistic mixture, joint over R, G and B: the training loss.

Salimans et al., "PixelCNN++" (2017), section 2.1 and 2.2, in levels instead of [-1, 1], with means and coupling
relative to a predictor and the closed form of the bin's mass instead of the paper's approximation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from pixelzip.models.layers import PARAMETERS_PER_COMPONENT

MEAN_GAIN = 4.0
"""Levels of mean offset for one unit of head output."""

LOG_SCALE_RANGE = (-3.0, 5.0)
"""Natural logarithm of a component's scale in levels."""

COUPLING_LIMIT = 3.0
"""Largest magnitude of a coupling coefficient."""


def bits(raw: Tensor, guess: Tensor, pixels: Tensor) -> Tensor:
    """Return the bits of every pixel under the mixture, shape (batch, H, W), float32.

    Args:
        raw: (batch, 10 * mixtures, H, W) head outputs, float32: logits, means of R, G, B, log-scales of R, G, B,
            coefficients G from R, B from R, B from G; mixtures contiguous within each.
        guess: (batch, 3, H, W) the predictor's levels.
        pixels: (batch, 3, H, W) the levels to code, whole numbers in 0..255.
    """
    log_weights, residual, means, log_scales = _components(raw, guess, pixels)
    log_mass = log_bin_mass(residual - means, log_scales, pixels[:, :, None])
    return _mixed(log_weights, log_mass)


def continuous_bits(raw: Tensor, guess: Tensor, pixels: Tensor, noise: Tensor) -> Tensor:
    """Return the bits of every pixel under the mixture's density at dequantised levels, shape (batch, H, W), float32.

    Uria, Murray, Larochelle, "RNADE" (2013), section 5; in expectation never less than ``bits`` without its tails.

    Args:
        raw, guess, pixels: as for ``bits``.
        noise: (batch, 3, H, W) uniform in -0.5..0.5, added to the levels that are measured but not to those that are
            conditioned on.
    """
    log_weights, residual, means, log_scales = _components(raw, guess, pixels)
    scaled = (residual + noise[:, :, None] - means) * torch.exp(-log_scales)
    return _mixed(log_weights, -scaled - log_scales - 2 * functional.softplus(-scaled))


def _components(raw: Tensor, guess: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return log-weights (batch, mixtures, H, W), residuals (batch, 3, 1, H, W), means and log-scales with mixtures."""
    batch, _, height, width = raw.shape
    split = raw.view(batch, PARAMETERS_PER_COMPONENT, -1, height, width)  # (batch, 10, mixtures, H, W)
    log_weights = functional.log_softmax(split[:, 0], dim=1)
    offsets, log_scales = MEAN_GAIN * split[:, 1:4], split[:, 4:7].clamp(*LOG_SCALE_RANGE)
    coupling = split[:, 7:10].clamp(-COUPLING_LIMIT, COUPLING_LIMIT)
    residual = (pixels - guess)[:, :, None]  # (batch, 3, 1, H, W)
    red, green = residual[:, 0], residual[:, 1]
    means = torch.stack(
        (
            offsets[:, 0],
            offsets[:, 1] + coupling[:, 0] * red,
            offsets[:, 2] + coupling[:, 1] * red + coupling[:, 2] * green,
        ),
        dim=1,
    )  # (batch, 3, mixtures, H, W)
    return log_weights, residual, means, log_scales


def _mixed(log_weights: Tensor, log_mass: Tensor) -> Tensor:
    joint = torch.logsumexp(log_weights + log_mass.sum(dim=1), dim=1)  # (batch, H, W)
    return -joint / math.log(2)


def log_bin_mass(distance: Tensor, log_scales: Tensor, pixels: Tensor) -> Tensor:
    """Log-probability of the unit bin at ``distance`` from a logistic's mean; bins 0 and 255 take the tails.

    Uses ``sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a))``, which is exact and stable.
    """
    inverse = torch.exp(-log_scales)
    upper = (distance + 0.5) * inverse
    lower = (distance - 0.5) * inverse
    below_upper = torch.where(pixels < 255, -functional.softplus(-upper), 0.0)
    above_lower = torch.where(pixels > 0, -functional.softplus(lower), 0.0)
    inner = torch.where((pixels > 0) & (pixels < 255), torch.log(-torch.expm1(-inverse)), 0.0)
    return below_upper + above_lower + inner
