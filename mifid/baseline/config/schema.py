"""Settings of a training run: the table of their defaults, meanings and limits.

A preset is a :class:`Config`; ``config.toml`` in a run folder is one as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

__all__ = [
    "Augment",
    "Checkpoint",
    "Config",
    "Data",
    "DiffAugment",
    "Discriminator",
    "Generator",
    "Inpainting",
    "Inputs",
    "Loss",
    "Optimiser",
    "Schedule",
    "Score",
    "Training",
]

Value = TypeVar("Value")

_SIDES = ("none", "paintings", "photos", "both")
_NORMS = ("instance", "batch", "group", "layer", "plain_instance", "none")
_HALVINGS = ("stride", "average", "blur")
_INIT_TYPES = ("normal", "xavier", "torch")
_UPSAMPLES = ("transposed", "resize", "blur")
_OPTIMISERS = ("adam", "adamw", "radam", "sgd", "adam_sgd", "adabelief")
_ACTIVATIONS = ("relu", "leaky_relu", "silu", "tanh", "elu", "gelu")

# Settings that generators and discriminators share.
_EPS = "epsilon of the norm; Keras has 1e-3"
_SLOPE = "slope of leaky_relu below 0; Keras has 0.3"
_NORM = "normalisation; plain_instance: without scale and shift, and convolutions keep their bias"
_INIT = "deviation of the first weights, which are drawn around 0; the gain of xavier"
_INIT_TYPE = (
    "first weights: normal is N(0, init); xavier has a deviation by the layer's size (Glorot and "
    "Bengio 2010); torch is PyTorch's default, with biases that are not 0"
)
_NORM_INIT = "deviation of the norms' first scales around 0; 0: all are 1"
_HALVING = "halve with the convolution's stride, or with an average of 2 x 2 after it"


def _setting(
    default: Value,
    meaning: str,
    *,
    choices: tuple[str, ...] = (),
    at_least: float | None = 0,
    at_most: float | None = None,
) -> Value:
    """Declare a setting. Numbers are limited, to 0 or more unless the setting says otherwise.

    The limits are checked by :class:`mifid.baseline.config.settings.Setting`.
    """
    if isinstance(default, bool | str):
        at_least = None
    limits = {"choices": choices, "at_least": at_least, "at_most": at_most}
    return field(default=default, metadata={"meaning": meaning, **limits})


@dataclass(frozen=True)
class Inputs:
    """The sources of pictures, and what scores them, as the user gave them."""

    photos: str = _setting("", "photos to learn from and to paint over")
    monets: str = _setting("", "paintings to learn from")
    held_out: str = _setting(
        "", "paintings to score against, which training does not see; empty: none"
    )
    extractor: str = _setting(
        "",
        "the network that scores snapshots and submission; empty: score.extractor scores the "
        "snapshots, and inception the submission if its weights are on the machine, else lite0; "
        "none: nothing is scored; "
        "package.module:function is code, which runs only if --extractor names it again; code: a "
        "function that was given in Python, and must be given again",
    )
    weights: str = _setting("", "weights file of the extractor; empty: wherever they are found")
    epsilon: float = _setting(
        -1.0,
        "memorization distances below this are penalized; -1: the extractor's own threshold",
        at_least=-1,
        at_most=1,
    )
    init: str = _setting(
        "", "weights to begin with, of the painter or of all networks of a run; empty: random ones"
    )
    init_painter: str = _setting("", "weights that the painter begins with")
    init_photographer: str = _setting("", "weights that the photographer begins with")
    preset: str = _setting(
        "", "the preset that the settings below began with, for the report alone; empty: none"
    )


@dataclass(frozen=True)
class Data:
    """Which pictures are trained on, and how they are brought to one size."""

    size: int = _setting(
        256, "pixels a side of a picture to train on and to paint", at_least=16, at_most=4096
    )
    fit: str = _setting(
        "exact",
        "pictures of another size: exact refuses them; crop scales the shorter side and cuts the "
        "middle out; stretch scales both sides",
        choices=("exact", "crop", "stretch"),
    )
    held_back: int = _setting(
        1000, "photos kept out of training, to score on; at most half of them"
    )
    limit_photos: int = _setting(0, "train on the first so many photos by name; 0: all")
    limit_paintings: int = _setting(0, "train on the first so many paintings by name; 0: all")
    select_photos: str = _setting(
        "", "file with the names of the training photos, one on each line"
    )
    select_paintings: str = _setting(
        "", "file with the names of the training paintings, one on each line"
    )


@dataclass(frozen=True)
class Augment:
    """Augmentation of the training pictures."""

    sides: str = _setting("both", "which pictures are augmented", choices=_SIDES)
    enlarge: float = _setting(
        286 / 256, "scale a picture by this, then cut a random square out; 1: no", at_least=1
    )
    vary: bool = _setting(False, "draw each picture's scale between 1 and enlarge")
    crop: int = _setting(
        0,
        "train on random squares of so many pixels, cut out of the enlarged pictures; 0: of "
        "data.size, as the generator paints them",
    )
    enlarge_until: float = _setting(
        1.0, "part of the run after which pictures are not enlarged any more, as in CUT", at_most=1
    )
    flip: bool = _setting(True, "mirror every other picture left to right, at random")
    turns: bool = _setting(False, "turn by a random number of quarter turns")
    rotate: float = _setting(0.0, "turn by up to so many degrees; black comes in", at_most=180)
    jitter: float = _setting(
        0.0,
        "change brightness, contrast and saturation by up to this part, and the hue by up to this "
        "part of its circle",
        at_most=0.5,
    )
    static: int = _setting(
        0, "draw so many variants of every picture once and train on those; 0: draw each time"
    )


@dataclass(frozen=True)
class DiffAugment:
    """Differentiable augmentation of what a discriminator sees (Zhao et al. 2020)."""

    color: float = _setting(0.0, "probability of brightness, saturation, contrast", at_most=1)
    translation: float = _setting(0.0, "probability of a shift by up to 1/8", at_most=1)
    cutout: float = _setting(0.0, "probability of a grey square of half the side", at_most=1)
    rate: float = _setting(1.0, "probability that a picture is changed at all", at_most=1)
    discriminators: str = _setting("both", "which discriminators see it", choices=_SIDES)


@dataclass(frozen=True)
class Generator:
    """The networks that paint photos (and, in a CycleGAN, that make photos of paintings)."""

    network: str = _setting("unet", "a name from mifid.baseline.models.GENERATORS")
    norm: str = _setting("instance", _NORM, choices=_NORMS)
    norm_eps: float = _setting(1e-5, _EPS)
    first_norm: bool = _setting(True, "normalise the first layer, too (residual networks)")
    activation: str = _setting(
        "relu", "activation; in a U-Net that of the decoder", choices=_ACTIVATIONS
    )
    down_activation: str = _setting(
        "leaky_relu", "activation of a U-Net's encoder", choices=_ACTIVATIONS
    )
    slope: float = _setting(0.2, _SLOPE)
    init: float = _setting(0.02, _INIT)
    init_type: str = _setting("normal", _INIT_TYPE, choices=_INIT_TYPES)
    norm_init: float = _setting(0.0, _NORM_INIT)
    halving: str = _setting(
        "stride",
        f"{_HALVING}; blur: a blur after the activation, as in CUT (residual networks)",
        choices=_HALVINGS,
    )
    width: int = _setting(64, "channels of the first layer", at_least=4, at_most=1024)
    blocks: int = _setting(
        9,
        "residual blocks (residual networks; of each half in ugatit), or a transformer's (uvcgan, "
        "uvcgan2)",
        at_least=1,
        at_most=100,
    )
    depth: int = _setting(
        0,
        "halvings of a U-Net; 0: down to 1 x 1, at most 8; 4 in uvcgan and uvcgan2",
        at_most=8,
    )
    kernel: int = _setting(
        0, "kernel of the residual blocks or of the U-Net; 0: the network's own", at_most=63
    )
    upsample: str = _setting(
        "transposed",
        "transposed convolution; resize, or blur (bilinear, as in CUT), and convolve",
        choices=_UPSAMPLES,
    )
    dropout: float = _setting(
        0.0,
        "dropout of the residual blocks, or of the U-Net's three innermost decoder layers",
        at_most=0.9,
    )
    outer_dropout: float = _setting(0.0, "dropout of the U-Net's other decoder layers", at_most=0.9)
    paint_dropout: bool = _setting(
        False, "dropout stays on while painting: samples, scores and submission"
    )
    skip_relu: bool = _setting(
        False, "a ReLU on what a U-Net's decoder gets from its encoder, as in pix2pix's code"
    )
    attention: str = _setting(
        "trained",
        "self-attention of attention_unet; fixed keeps its first weights",
        choices=("trained", "fixed", "none"),
    )
    residual_activation: bool = _setting(False, "an activation before the residual addition")
    latent: int = _setting(
        128, "random numbers that a dcgan makes a picture from", at_least=1, at_most=65536
    )

    @property
    def is_unet(self) -> bool:
        """Whether its depth follows the size of the pictures."""
        return self.network in ("unet", "attention_unet")


@dataclass(frozen=True)
class Discriminator:
    """The networks that distinguish real pictures from generated ones."""

    network: str = _setting("patchgan", "a name from mifid.baseline.models.DISCRIMINATORS")
    norm: str = _setting("instance", f"{_NORM}; not on the first layer", choices=_NORMS)
    norm_eps: float = _setting(1e-5, _EPS)
    activation: str = _setting("leaky_relu", "activation", choices=_ACTIVATIONS)
    slope: float = _setting(0.2, _SLOPE)
    init: float = _setting(0.02, _INIT)
    init_type: str = _setting("normal", _INIT_TYPE, choices=_INIT_TYPES)
    norm_init: float = _setting(0.0, _NORM_INIT)
    halving: str = _setting(
        "stride",
        f"{_HALVING}; blur: a blur after the activation, as in CUT (patchgan)",
        choices=_HALVINGS,
    )
    width: int = _setting(64, "channels of the first layer", at_least=4, at_most=1024)
    layers: int = _setting(
        3,
        "halvings of a patchgan, 3 is the 70 x 70 PatchGAN; or of ugatit's local scale",
        at_least=1,
        at_most=6,
    )
    kernel: int = _setting(4, "kernel size", at_least=3, at_most=63)
    wide_padding: bool = _setting(
        False,
        "a patchgan's border is half of an even kernel, 2 of 4 pixels, as in pix2pixHD: 35 x 35 "
        "scores for 30 x 30",
    )
    dropout: float = _setting(0.0, "dropout after each activation but the first", at_most=0.9)
    heads: int = _setting(1, "scores of each patch", at_least=1, at_most=2)
    pooling: bool = _setting(False, "average all patches of a patchgan into one score")
    sigmoid: bool = _setting(False, "end in a sigmoid")
    noise: float = _setting(0.0, "deviation of Gaussian noise on the input (-1..1)")
    batch_head: str = _setting(
        "norm",
        "how a batch_patchgan compares pictures: batch norm, or a map of their deviation",
        choices=("norm", "deviation"),
    )


@dataclass(frozen=True)
class Loss:
    """The losses that training minimises."""

    adversarial: str = _setting(
        "lsgan",
        "adversarial loss; log is the original minimax; d2gan and hinge_bce need two heads",
        choices=("lsgan", "bce", "log", "hinge", "d2gan", "hinge_bce"),
    )
    weight: float = _setting(1.0, "weight of the adversarial loss")
    cycle: float = _setting(10.0, "weight of the L1 cycle loss")
    identity: float = _setting(5.0, "weight of the L1 identity loss; 0: not computed")
    nce: float = _setting(0.5, "cut: weight of PatchNCE between photos and what is made of them")
    nce_identity: float = _setting(
        0.5, "cut: weight of PatchNCE between paintings and what is made of them; 0: not computed"
    )
    flip_equivariance: bool = _setting(
        False,
        "cut: every other step, at random, compares photos with the paintings of mirrored ones",
    )
    gamma: float = _setting(
        0.0,
        "bayes_cyclegan: weight of the adversarial loss of what is translated back, relative to "
        "that of translations",
    )
    kl: float = _setting(0.1, "map_resnet: weight of the KL divergence of an encoder's code")
    prior: float = _setting(
        1.0,
        "bayes_cyclegan: weight of the prior, the mean square of each weight tensor over "
        "training.batch",
    )
    cam: float = _setting(
        1000.0, "weight of the loss of the generators' class activation maps (ugatit)"
    )
    painting_weight: float = _setting(1.0, "weight of all losses of the painting generator")
    photo_weight: float = _setting(1.0, "weight of all losses of the photo generator")
    real_label: float = _setting(1.0, "a discriminator's label of real pictures", at_least=None)
    fake_label: float = _setting(
        0.0, "a discriminator's label of generated pictures", at_least=None
    )
    generator_label: float = _setting(
        1.0, "a generator's label of the pictures that it makes", at_least=None
    )
    label_noise: float = _setting(
        0.0,
        "width of the range, inwards, that a discriminator's labels are drawn from",
        at_most=0.5,
    )
    flip: float = _setting(0.0, "probability that a pair's two labels are exchanged", at_most=0.5)
    discriminator_scale: float = _setting(0.5, "weight of the discriminators' loss")
    lecam: float = _setting(
        0.0, "weight of LeCam's penalty on a discriminator far from its averages; 0: none"
    )
    lecam_decay: float = _setting(0.9, "decay of LeCam's averages", at_most=0.999999)
    lecam_start: int = _setting(1000, "steps before LeCam's penalty begins")
    gradient_penalty: float = _setting(
        0.0, "uvcgan2: weight of the penalty on a discriminator's gradient; 0: none"
    )
    input_noise: float = _setting(
        0.0, "deviation of noise on what discriminators see, falling to 0 over the run"
    )


@dataclass(frozen=True)
class Inpainting:
    """What a generator learns before it learns to paint (training.method=inpainting)."""

    domains: str = _setting(
        "both", "whose pictures it fills", choices=("both", "paintings", "photos")
    )
    masked: float = _setting(0.4, "part of the tiles that are black", at_most=1)
    tile: int = _setting(32, "pixels a side of a tile", at_least=1)


@dataclass(frozen=True)
class Optimiser:
    """How the weights are updated."""

    name: str = _setting("adam", "optimiser", choices=_OPTIMISERS)
    discriminator_name: str = _setting(
        "", "optimiser of the discriminators; empty: as name", choices=("", *_OPTIMISERS)
    )
    rate: float = _setting(2e-4, "learning rate of the generators")
    discriminator_rate: float = _setting(2e-4, "learning rate of the discriminators")
    beta1: float = _setting(0.5, "decay of the first moment", at_most=0.999999)
    beta2: float = _setting(0.999, "decay of the second moment", at_most=0.999999)
    eps: float = _setting(0.0, "added to the divisor of a step; 0: 1e-8, and 1e-16 for adabelief")
    rectify: bool = _setting(False, "adabelief: rectify the first steps, as radam does")
    weight_decay: float = _setting(
        0.0, "weight decay, added to the gradient; adamw subtracts rate x this x weight instead"
    )
    momentum: float = _setting(0.9, "momentum of SGD", at_most=1)
    switch: float = _setting(
        0.5, "part of the run after which adam_sgd changes from Adam to SGD", at_most=1
    )
    sgd_rate: float = _setting(2e-4, "learning rate of adam_sgd's SGD, both networks")


@dataclass(frozen=True)
class Schedule:
    """The learning rate's factor, by the part of the run that is over."""

    name: str = _setting(
        "linear",
        "shape",
        choices=(
            "constant",
            "linear",
            "exponential",
            "stepped",
            "cosine",
            "cosine_restarts",
            "sawtooth",
        ),
    )
    start: float = _setting(
        0.5, "linear: constant until here, then down to 0; sawtooth: until here", at_most=1
    )
    teeth: int = _setting(
        50,
        "sawtooth: the rest has so many equal parts, such as epochs; in each the factor falls from "
        "1 to 1/e; cosine_restarts: the run has so many, and it falls to 0",
        at_least=1,
    )
    final: float = _setting(0.01, "exponential: the factor at the end")
    until: tuple[float, ...] = _setting(
        (), "stepped: the parts of the run at which the factor changes", at_most=1
    )
    factors: tuple[float, ...] = _setting((1.0,), "stepped: the factors, one more than until")


@dataclass(frozen=True)
class Training:
    """Length, batch size and arithmetic. Of several lengths the first one reached ends the run."""

    method: str = _setting(
        "cyclegan",
        "a name from mifid.baseline.gan.METHODS; cut has no generator of photos, gan makes "
        "paintings from noise",
    )
    batch: int = _setting(4, "pictures a side in a step, over all processes", at_least=1)
    epochs: float = _setting(0.0, "length in epochs; 0: not limited by epochs")
    steps: int = _setting(0, "length in steps; 0: not limited by steps")
    budget: str = _setting("", "length in time, generation and scoring included: 5h, 30m, 10s")
    epoch: str = _setting(
        "paintings", "the side that an epoch goes through", choices=("paintings", "photos")
    )
    mc_samples: int = _setting(
        3,
        "bayes_cyclegan: translations of each picture in a step, each with its own map",
        at_least=1,
    )
    steps_per_epoch: int = _setting(0, "steps of an epoch; 0: as many as its pictures fill")
    pool: int = _setting(50, "generated pictures that discriminators are shown again; 0: none")
    ema: float = _setting(
        0.999, "decay of the moving average of the painting generator; 0: none", at_most=0.999999
    )
    pretrain: int = _setting(
        0, "steps in which the painting generator first learns to copy paintings"
    )
    submission: int = _setting(0, "pictures of images.zip; 0: one for every photo that was given")
    precision: str = _setting(
        "auto",
        "arithmetic of the networks; auto: bf16 or float16 on GPUs that have it, else float32",
        choices=("auto", "float32", "bf16", "float16"),
    )
    layout: str = _setting(
        "auto",
        "order of a picture's values in memory; auto: the faster one for network and device",
        choices=("auto", "channels_first", "channels_last"),
    )
    compile: bool = _setting(False, "torch.compile the networks")
    seed: int = _setting(0, "seed of all random numbers", at_most=2**32 - 1)
    log_steps: int = _setting(
        50,
        "steps between lines of metrics.jsonl, at most a tenth of a length in steps or epochs",
        at_least=1,
    )
    checkpoint_minutes: float = _setting(10.0, "minutes between checkpoints")


@dataclass(frozen=True)
class Score:
    """When snapshots are scored, and which of them is the best."""

    points: int = _setting(20, "number of scorings, evenly over the run; 0: only the end")
    metric: str = _setting(
        "mifid", "the snapshot with the lowest is kept", choices=("mifid", "fid")
    )
    extractor: str = _setting(
        "lite0",
        "the network that scores snapshots, unless inputs.extractor names one for all scores",
        choices=("lite0", "inception", "inception-random"),
    )
    samples: int = _setting(6, "photos in each sample grid", at_least=1, at_most=64)


@dataclass(frozen=True)
class Checkpoint:
    """What is kept of a run's weights on the disk."""

    exact: bool = _setting(
        True,
        "a run goes on as if never stopped, to the last bit; false: checkpoints take half "
        "the space: without the optimisers' first moments, and with second moments, average and "
        "pools in bfloat16",
    )
    kept: int = _setting(
        2, "number of checkpoints; while one is written, there are two", at_least=1, at_most=2
    )
    keep_raw: bool = _setting(
        False, "best.safetensors holds weights as trained and averaged; false: only the better ones"
    )


@dataclass(frozen=True)
class Config:
    """All settings.

    ``Config()`` is ``kaggle-5h`` without its length, its label of 0.9 and its small checkpoints.
    """

    data: Data = field(default_factory=Data)
    augment: Augment = field(default_factory=Augment)
    diffaugment: DiffAugment = field(default_factory=DiffAugment)
    generator: Generator = field(default_factory=Generator)
    discriminator: Discriminator = field(default_factory=Discriminator)
    loss: Loss = field(default_factory=Loss)
    inpainting: Inpainting = field(default_factory=Inpainting)
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)
    training: Training = field(default_factory=Training)
    score: Score = field(default_factory=Score)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)

    @property
    def paints(self) -> bool:
        """Whether the generator learns to paint, so that a run ends in a scored submission."""
        return self.training.method != "inpainting"

    @property
    def trained_size(self) -> int:
        """Pixels a side of the pictures that the networks are trained on."""
        return self.augment.crop or self.data.size
