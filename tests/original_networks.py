"""The generators of the CycleGAN repository and of CUT, written a second time from their code.

Names of weights follow from the order of the layers, as in the originals.
"""

import torch
from torch import nn
from torch.nn import functional as F

NORMS = {
    "batch": nn.BatchNorm2d,
    "instance": nn.InstanceNorm2d,  # without scales and statistics
    "none": lambda channels: nn.Identity(),
}


class Block(nn.Module):
    def __init__(self, channels, *, norm, dropout, pad=nn.ReflectionPad2d):
        super().__init__()
        layers = []
        for number in (1, 2):
            layers += [pad(1)] if pad else []
            bias = norm == "instance"
            layers += [nn.Conv2d(channels, channels, 3, padding=0 if pad else 1, bias=bias)]
            layers += [NORMS[norm](channels)]
            if number == 1:
                layers += [nn.ReLU(True)] + [nn.Dropout(0.5)] * dropout
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv_block(x)


def taps(weights):
    taps = torch.tensor(weights, dtype=torch.float32)
    return torch.outer(taps, taps) / taps.sum() ** 2


class BlurDown(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("filt", taps([1, 2, 1])[None, None].repeat(channels, 1, 1, 1))

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), self.filt, stride=2, groups=x.shape[1])


class BlurUp(nn.Module):
    def __init__(self, channels):
        super().__init__()
        filt = 4 * taps([1, 3, 3, 1])
        self.register_buffer("filt", filt[None, None].repeat(channels, 1, 1, 1))

    def forward(self, x):
        padded = F.pad(x, (1, 1, 1, 1), "replicate")
        made = F.conv_transpose2d(padded, self.filt, stride=2, padding=2, groups=x.shape[1])
        return made[:, :, 1:, 1:][:, :, :-1, :-1]


def halving(before, after, *, norm, blur):
    bias = norm == "instance"
    conv = nn.Conv2d(before, after, 3, stride=1 if blur else 2, padding=1, bias=bias)
    return [conv, NORMS[norm](after), nn.ReLU(True)] + ([BlurDown(after)] if blur else [])


def doubling(before, after, *, norm, how):
    bias = norm == "instance"
    if how == "transposed":
        first = [nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=bias)]
    elif how == "blur":
        first = [BlurUp(before), nn.Conv2d(before, after, 3, padding=1, bias=bias)]
    else:
        first = [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1)]
        first += [nn.Conv2d(before, after, 3, bias=bias)]
    return [*first, NORMS[norm](after), nn.ReLU(True)]


class ResNet(nn.Module):
    """resnet_Nblocks; ``down`` blur and ``up`` blur are CUT's."""

    def __init__(
        self,
        *,
        width=8,
        blocks=2,
        norm="instance",
        dropout=False,
        down="stride",
        up="transposed",
        inputs=3,
        outputs=3,
        halvings=2,
        pad=nn.ReflectionPad2d,
    ):
        super().__init__()
        bias = norm == "instance"
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7, bias=bias)]
        layers += [NORMS[norm](width), nn.ReLU(True)]
        for n in range(halvings):
            channels = width * 2**n
            layers += halving(channels, 2 * channels, norm=norm, blur=down == "blur")
        channels = width * 2**halvings
        layers += [Block(channels, norm=norm, dropout=dropout, pad=pad) for _ in range(blocks)]
        for n in range(halvings, 0, -1):
            channels = width * 2**n
            layers += doubling(channels, channels // 2, norm=norm, how=up)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


class UNetBlock(nn.Module):
    def __init__(self, outer, inner, *, norm, submodule=None, outmost=False, dropout=False):
        super().__init__()
        self.outmost = outmost
        bias = norm == "instance"
        down = nn.Conv2d(3 if outmost else outer, inner, 4, 2, 1, bias=bias)
        below = inner if submodule is None else 2 * inner
        if outmost:
            up = nn.ConvTranspose2d(below, 3, 4, 2, 1)
            layers = [down, submodule, nn.ReLU(True), up, nn.Tanh()]
        else:
            up = nn.ConvTranspose2d(below, outer, 4, 2, 1, bias=bias)
            layers = [nn.LeakyReLU(0.2, True), down]
            if submodule is not None:
                layers += [NORMS[norm](inner), submodule]
            layers += [nn.ReLU(True), up, NORMS[norm](outer)]
            layers += [nn.Dropout(0.5)] * (dropout and submodule is not None)
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outmost else torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    """unet_256 has 8 halvings, unet_128 has 7."""

    def __init__(self, *, width=4, depth=5, norm="instance", dropout=False):
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(depth)]
        block = None
        for level in range(depth - 1, 0, -1):
            drops = dropout and level > 3
            block = UNetBlock(
                widths[level - 1], widths[level], norm=norm, submodule=block, dropout=drops
            )
        self.model = UNetBlock(3, width, norm=norm, submodule=block, outmost=True)

    def forward(self, x):
        return self.model(x)


class PatchGAN(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        layers = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1), nn.InstanceNorm2d(2 * width)]
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(2 * width, 1, 4, 1, 1)]
        self.model = nn.Sequential(*layers)


class BlurredPatchGAN(nn.Module):
    """CUT's: n_layers halvings by blurs, instance norm without scales, and biases."""

    def __init__(self, width=8, layers=3):
        super().__init__()
        widths = [width * min(2**n, 8) for n in range(layers + 1)]
        made = [nn.Conv2d(3, width, 4, padding=1), nn.LeakyReLU(0.2, True), BlurDown(width)]
        for n in range(1, layers + 1):
            made += [nn.Conv2d(widths[n - 1], widths[n], 4, padding=1)]
            made += [nn.InstanceNorm2d(widths[n]), nn.LeakyReLU(0.2, True)]
            made += [BlurDown(widths[n])] if n < layers else []
        self.model = nn.Sequential(*made, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, x):
        return self.model(x)


class UGATIT(nn.Module):
    """U-GAT-IT's generator; ``size`` of the pictures, None: the light form."""

    def __init__(self, *, width=4, blocks=2, size=None, inputs=3):
        super().__init__()
        self.blocks, inner = blocks, 4 * width
        plain = {"bias": False}
        down = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7, **plain)]
        down += [nn.InstanceNorm2d(width), nn.ReLU(True)]
        for channels in (width, 2 * width):
            down += [nn.ReflectionPad2d(1), nn.Conv2d(channels, 2 * channels, 3, 2, **plain)]
            down += [nn.InstanceNorm2d(2 * channels), nn.ReLU(True)]
        down += [UGATITBlock(inner) for _ in range(blocks)]
        self.DownBlock = nn.Sequential(*down)
        self.gap_fc, self.gmp_fc = (nn.Linear(inner, 1, **plain) for _ in range(2))
        self.conv1x1 = nn.Conv2d(2 * inner, inner, 1)
        self.light = size is None
        seen = inner if self.light else inner * (size // 4) ** 2
        layers = [nn.Linear(seen, inner, **plain), nn.ReLU(True)]
        self.FC = nn.Sequential(*layers, nn.Linear(inner, inner, **plain), nn.ReLU(True))
        self.gamma, self.beta = (nn.Linear(inner, inner, **plain) for _ in range(2))
        for number in range(blocks):
            setattr(self, f"UpBlock1_{number + 1}", UGATITSteered(inner))
        up = []
        for channels in (inner, 2 * width):
            up += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1)]
            up += [
                nn.Conv2d(channels, channels // 2, 3, **plain),
                UGATITNorm(channels // 2, own=True),
            ]
            up += [nn.ReLU(True)]
        up += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7, **plain), nn.Tanh()]
        self.UpBlock2 = nn.Sequential(*up)

    def forward(self, x):
        x = self.DownBlock(x)
        average, maximum = x.mean((2, 3)), x.amax((2, 3))
        logits = torch.cat([self.gap_fc(average), self.gmp_fc(maximum)], 1)
        weights = self.gap_fc.weight[..., None, None], self.gmp_fc.weight[..., None, None]
        x = torch.relu(self.conv1x1(torch.cat([x * weight for weight in weights], 1)))
        heat = x.sum(1)
        style = self.FC(x.mean((2, 3)) if self.light else x.reshape(len(x), -1))
        gamma, beta = self.gamma(style), self.beta(style)
        for number in range(self.blocks):
            x = getattr(self, f"UpBlock1_{number + 1}")(x, gamma, beta)
        return self.UpBlock2(x), logits, heat


class UGATITBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        layers = []
        for _ in range(2):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=False)]
            layers += [nn.InstanceNorm2d(channels), nn.ReLU(True)]
        self.conv_block = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return x + self.conv_block(x)


class UGATITSteered(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, bias=False) for _ in range(2))
        self.norm1, self.norm2 = (UGATITNorm(channels) for _ in range(2))

    def forward(self, x, gamma, beta):
        pad = nn.ReflectionPad2d(1)
        y = torch.relu(self.norm1(self.conv1(pad(x)), gamma, beta))
        return x + self.norm2(self.conv2(pad(y)), gamma, beta)


class UGATITNorm(nn.Module):
    def __init__(self, channels, *, own=False):
        super().__init__()
        shape = (1, channels, 1, 1)
        self.rho = nn.Parameter(torch.full(shape, 0.0 if own else 0.9))
        if own:
            self.gamma, self.beta = (
                nn.Parameter(torch.ones(shape)),
                nn.Parameter(torch.zeros(shape)),
            )

    def forward(self, x, gamma=None, beta=None):
        gamma, beta = (
            (self.gamma, self.beta)
            if gamma is None
            else (v[..., None, None] for v in (gamma, beta))
        )
        over = {"dim": (2, 3), "keepdim": True}, {"dim": (1, 2, 3), "keepdim": True}
        instance, layer = (
            (x - x.mean(**dims)) / torch.sqrt(x.var(unbiased=True, **dims) + 1e-5) for dims in over
        )
        return (self.rho * instance + (1 - self.rho) * layer) * gamma + beta


def shaken(network, seed=0, by=0.1):
    """Return the network with weights and statistics that all matter, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.copy_(1 + torch.rand(value.shape, generator=generator))
        elif value.is_floating_point() and not name.endswith("filt"):
            value.add_(by * torch.randn(value.shape, generator=generator))
    return network.eval()
