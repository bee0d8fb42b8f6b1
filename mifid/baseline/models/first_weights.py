"""First weights of all layers, from one seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

from mifid.baseline.config import Discriminator, Generator
from mifid.baseline.models.layers import NORMS

__all__ = ["Drawn", "draw_by", "initialise"]

Drawn = Callable[..., Tensor]
"""(weight, generator=) -> the weight, drawn."""

_DRAWN = (
    *(nn.Linear, nn.Bilinear, nn.Embedding),
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
_ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_OTHER_BY_TORCH = (nn.Bilinear, nn.Embedding, nn.MultiheadAttention)  # not uniform as the others
_POWER_ITERATIONS = 15  # as torch's spectral norm makes of first weights


def _uniform(weight: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw uniformly within 1 / sqrt(inputs), as torch's convolutions and linear layers do."""
    return nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)


def initialise(network: nn.Module, config: Generator | Discriminator, *, seed: int) -> None:
    """Set every weight and buffer of ``network``, on the CPU.

    Convolutions, linear layers, embeddings and attention get N(0, config.init), layer after layer
    from one random generator, so that all weights are independent; biases are 0. With
    ``config.init_type`` xavier their deviation is ``config.init * sqrt(2 / (inputs + outputs))``.
    With torch, weights and biases of convolutions and linear layers are uniform within
    ``1 / sqrt(inputs)``. Norms scale by 1, so that they begin as the papers' norms without scale,
    or by N(0, config.norm_init), as in Keras's tutorial. A layer's attribute ``first_weights``
    (:data:`Drawn`, see :func:`draw_by`) goes before these. A layer with weights of its own kind
    sets them itself, in a method ``initialise(generator)``.

    A weight that torch computes from others (``torch.nn.utils.parametrizations``: spectral norm,
    weight norm) is set through them.

    Raises:
        TypeError: a layer has weights that this function does not know, as those with torch's old
            spectral norm do, or, with torch, is another layer with weights.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if not isinstance(module, parametrize.ParametrizationList | _SpectralNorm):
            _Layer(name, module, config, generator).initialise()


def draw_by(module: nn.Module, drawn: Drawn) -> None:
    """Let the convolutions, linear layers and norms of ``module`` begin as ``drawn``."""
    for part in module.modules():
        if isinstance(part, (*_DRAWN, *NORMS)):
            part.__dict__["first_weights"] = drawn


class _Layer:
    """A layer and what its first weights are drawn with."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        config: Generator | Discriminator,
        generator: torch.Generator,
    ) -> None:
        self._name, self._module, self._generator = name, module, generator
        usual: dict[str, Drawn] = {
            "normal": partial(nn.init.normal_, std=config.init),
            "xavier": partial(nn.init.xavier_normal_, gain=config.init),
            "torch": _uniform,
        }
        scale = partial(nn.init.normal_, std=config.norm_init) if config.norm_init else None
        default = scale if isinstance(module, NORMS) else usual[config.init_type]
        self._drawn: Drawn | None = getattr(module, "first_weights", default)

    def initialise(self) -> None:
        module, own = self._module, set(_own(self._module))
        if isinstance(module, nn.modules.lazy.LazyModuleMixin) and own:
            raise TypeError(self._unknown(own))
        if callable(set_own := getattr(module, "initialise", None)):
            set_own(self._generator)
            return
        if isinstance(module, _OTHER_BY_TORCH) and self._drawn is _uniform:
            raise TypeError(self._unknown(own))
        if isinstance(module, _DRAWN):
            self._check(own, "weight bias")
            self._set("weight")
        elif isinstance(module, NORMS):
            self._check(own, "weight bias running_mean running_var num_batches_tracked")
            module.reset_parameters()  # scale 1, shift 0; running mean 0, variance 1
            if self._drawn is not None and module.weight is not None:
                self._set("weight")
        elif isinstance(module, nn.PReLU):
            self._check(own, "weight")
            module.reset_parameters()  # slope 0.25
        elif isinstance(module, nn.MultiheadAttention):
            self._check(own, " ".join((*_ATTENTION, "in_proj_bias bias_k bias_v")))
            for weight in (*_ATTENTION, "bias_k", "bias_v"):
                self._set(weight)
        elif own:
            raise TypeError(self._unknown(own))
        for bias in sorted(own & {"bias", "in_proj_bias"}):
            self._set_bias(getattr(module, bias))

    def _set_bias(self, bias: Tensor) -> None:
        nn.init.zeros_(bias)
        weight = getattr(self._module, "weight", None)
        if self._drawn is _uniform and isinstance(weight, Tensor):
            inputs, _ = nn.init._calculate_fan_in_and_fan_out(weight)
            most = inputs**-0.5
            nn.init.uniform_(bias, -most, most, generator=self._generator)

    def _set(self, weight: str) -> None:
        """Draw a weight, if the layer has it; one that is computed through what it is made of."""
        module, given = self._module, getattr(self._module, weight, None)
        if given is None or self._drawn is None:
            return
        if not parametrize.is_parametrized(module, weight):
            self._drawn(given, generator=self._generator)
            return
        with torch.no_grad():
            drawn = self._drawn(torch.empty_like(given), generator=self._generator)
        parts = module.get_submodule(f"parametrizations.{weight}")
        assert isinstance(parts, parametrize.ParametrizationList)
        for part in parts:
            if isinstance(part, _SpectralNorm):
                self._begin_power_method(part, drawn)
            elif any(True for _ in part.parameters()) or any(True for _ in part.buffers()):
                raise TypeError(self._unknown({f"{weight} ({type(part).__name__})"}))
        with torch.no_grad():
            parts.right_inverse(drawn)

    def _begin_power_method(self, norm: _SpectralNorm, weight: Tensor) -> None:
        """Set the singular vectors of a spectral norm (Miyato et al. 2018) to those of a weight."""
        if weight.ndim < 2:
            return
        with torch.no_grad():
            for vector in (norm._u, norm._v):
                vector.normal_(generator=self._generator)
                vector.copy_(nn.functional.normalize(vector, dim=0, eps=norm.eps))
            norm._power_method(norm._reshape_weight_to_matrix(weight), _POWER_ITERATIONS)

    def _check(self, own: set[str], known: str) -> None:
        if unknown := own - set(known.split()):
            raise TypeError(self._unknown(unknown))

    def _unknown(self, unknown: set[str]) -> str:
        kind = type(self._module).__name__
        advice = "give the layer a method initialise(generator)"
        if isinstance(self._module, nn.modules.lazy.LazyModuleMixin):
            advice = "a lazy layer has no weights yet: give its sizes"
        elif any(name.endswith(("_orig", "_g", "_v", "_u")) for name in unknown):
            advice = (
                "is it wrapped in torch.nn.utils.spectral_norm or weight_norm? Use that of "
                "torch.nn.utils.parametrizations"
            )
        return (
            f"no first weights for {kind} ('{self._name}'): nobody would set "
            f"{', '.join(sorted(unknown))}; {advice}"
        )


def _own(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights and buffers that a layer has, but not those of its parts."""
    both = (*module._parameters.items(), *module._buffers.items())
    return {name: tensor for name, tensor in both if tensor is not None}
