"""What is compared with what: the suites, their cases, and the contenders of each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from aejax.autoencoders.zoo import FAMILIES


class Contender(NamedTuple):
    """One of those that do the same work. `module` has a function `make_runner(**arguments)`."""

    module: str
    arguments: dict[str, Any]
    requires: tuple[str, ...] = ()  # Packages that must be installed.
    repeats: bool = True  # False: measured once, because it takes minutes.
    alone: bool = False  # In a process of its own, which finds no compiled programs.
    seconds: float | None = None  # That it takes, where that is known before.


class Case(NamedTuple):
    """The same work, done by several contenders. The first is what the others are compared with."""

    unit: str
    contenders: dict[str, Contender]


OURS, KERAS, TORCH = "aejax.benchmark.ours", "aejax.benchmark.keras_peer", "aejax.benchmark.torch_peer"
PYTHAE = "aejax.benchmark.pythae_peer"
EVALUATION, START = "aejax.benchmark.evaluation", "aejax.benchmark.start"
PATCHES = "aejax.benchmark.patches"
STREAMING = "aejax.benchmark.streaming"
ESTIMATORS, SEARCH = "aejax.benchmark.estimators", "aejax.benchmark.search"
IMAGES, RIGHT = "images/s", "% right"
PRODUCTS = "its matrix products alone"


def _ours(**arguments: Any) -> Contender:
    return Contender(OURS, arguments)


def _torch(**arguments: Any) -> Contender:
    return Contender(TORCH, arguments, ("torch",))


def _training(network: str, batch_size: int, num_images: int) -> dict[str, Contender]:
    common = {"network": network, "batch_size": batch_size, "num_images": num_images}
    contenders = {"aejax": _ours(**common), PRODUCTS: _ours(**common, products=True)}
    if network == "dense":
        contenders["Keras fit"] = Contender(KERAS, common, ("keras", "tensorflow"))
    return contenders | {
        "PyTorch, in memory": _torch(**common),
        "PyTorch, DataLoader": _torch(**common, variant="loader"),
        "PyTorch, fused Adam": _torch(**common, variant="fused"),
        "PyTorch, compiled": _torch(**common, variant="compiled"),
    }


def _population(network: str, num_images: int) -> Case:
    common = {"network": network, "batch_size": 32, "num_images": num_images}
    return Case(
        IMAGES,
        {
            "8 members": _ours(**common, members=8),
            "1 member": _ours(**common),
            "8 members, vmapped": _ours(**common, members=8, members_at_once=8),
        },
    )


def _scaling(field: str, values: Sequence[Any], **common: Any) -> Case:
    name = lambda value: "x".join(map(str, value[:2])) if isinstance(value, tuple) else str(value)  # noqa: E731
    common = {"network": "dense", "batch_size": 128, "num_images": 8192} | common
    return Case(IMAGES, {name(value): _ours(**common | {field: value}) for value in values})


def _features(*, standardized: bool) -> Case:
    contenders = {"AutoencoderFeatures()": "autoencoder", "PCA of the same size": "pca", "pixels": "pixels"}
    common = {"standardized": standardized}
    return Case(RIGHT, {name: Contender(ESTIMATORS, common | {"what": what}) for name, what in contenders.items()})


def _start(until: str) -> Case:
    return Case("s", {name: Contender(START, {"until": until, "warm": name == "warm"}) for name in ("warm", "cold")})


def _streaming(**arguments: Any) -> Contender:
    common = {"network": "conv", "batch_size": 128, "num_images": 60_000}
    return Contender(STREAMING, {"measure": "speed", **common, **arguments})


_SLOW = {"conv_winner_take_all": 500, "factor_vae": 6_000, "m2": 6_000}  # Fewer images: a repetition takes seconds.

SUITES: dict[str, dict[str, Case]] = {
    "dense": {f"dense, batch {size}": Case(IMAGES, _training("dense", size, 30_000)) for size in (32, 128)},
    "conv": {
        f"conv, batch {size}": Case(
            IMAGES,
            _training("conv", size, 6_400)
            | {
                "PyTorch, channels last": _torch(network="conv", batch_size=size, num_images=6_400, variant="layout"),
                "aejax, native convolutions": _ours(network="conv", batch_size=size, num_images=640, method="native"),
                "Flax nn.Conv and nn.ConvTranspose": _ours(network="flax conv", batch_size=size, num_images=640),
            },
        )
        for size in (32, 128)
    },
    "vit": {"vit, batch 128": Case(IMAGES, _training("vit", 128, 640))},
    "vae": {
        "VAE, 784-512-16, batch 100": Case(
            IMAGES,
            {
                "aejax": _ours(network="vae", batch_size=100, num_images=30_000),
                PRODUCTS: _ours(network="vae", batch_size=100, num_images=30_000, products=True),
                "Pythae": Contender(PYTHAE, {"batch_size": 100, "num_images": 30_000}, ("torch", "pythae")),
            },
        )
    },
    "families": {
        "families, dense, batch 100": Case(
            IMAGES,
            {
                kind: _ours(network=f"family {kind}", batch_size=100, num_images=_SLOW.get(kind, 60_000))
                for kind in FAMILIES
            },
        )
    },
    "population": {"dense": _population("dense", 15_000), "conv": _population("conv", 3_200)},
    "evaluation": {
        "linear probe, 8 strengths": Case(
            "s",
            {
                "aejax": Contender(EVALUATION, {"what": "probe"}),
                "scikit-learn, the chosen strength alone": Contender(
                    EVALUATION, {"what": "sklearn probe"}, repeats=False
                ),
            },
        ),
        "k-NN": Case(
            "s",
            {
                "aejax": Contender(EVALUATION, {"what": "neighbors"}),
                "scikit-learn": Contender(EVALUATION, {"what": "sklearn neighbors"}),
            },
        ),
        "PCA, 64 axes": Case(
            "s",
            {
                "aejax": Contender(EVALUATION, {"what": "pca"}),
                "scikit-learn": Contender(EVALUATION, {"what": "sklearn pca"}),
            },
        ),
    },
    "patches": {
        "features of 6x6 patches of 32x32x3": Case(
            IMAGES,
            {f"{units} units": Contender(PATCHES, {"what": "features", "units": units}) for units in (1600, 800, 400)},
        ),
        "60,000 images, 6,400 features, 100 classes": Case(
            "s",
            {"features and ridge, 4 strengths": Contender(PATCHES, {"what": "ridge", "units": 800}, repeats=False)},
        ),
    },
    "measures": {
        "all measures of 256 features": Case(
            "s",
            {
                "one member": Contender(EVALUATION, {"what": "measures"}, repeats=False),
                "its clusters alone": Contender(EVALUATION, {"what": "clusters"}, repeats=False),
            },
        )
    },
    "start": {
        "quickstart to its first epoch's curves": _start("curves"),
        "quickstart to its end": _start("end"),
        "dry run of 10,000 members": Case("s", {"aejax": Contender(START, {"until": "plan"})}),
    },
    "streaming": {
        "conv, batch 128, streamed": Case(
            IMAGES,
            {
                "all images in memory": _ours(network="conv", batch_size=128, num_images=60_000),
                "memory for a tenth of them": _streaming(share=0.1),
            },
        ),
        "200,000 images of 64x64x3, streamed": Case(
            "GB",
            {
                "one epoch and its evaluation": Contender(
                    STREAMING,
                    {"measure": "memory", "num_images": 200_000, "image_shape": (64, 64, 3), "memory": 0.2},
                    repeats=False,
                )
            },
        ),
    },
    # A repetition is a fold: 25 are five times five folds.
    "estimators": {
        "digits, logistic regression": _features(standardized=False),
        "digits, standardized features": _features(standardized=True),
    },
    "search": {
        "20 settings x 5 folds, digits, 25 epochs": Case(
            "s",
            {
                "one training of 100 members": Contender(SEARCH, {"what": "members", "epochs": 25}),
                "PopulationSearchCV": Contender(SEARCH, {"what": "population", "epochs": 25}),
                "GridSearchCV": Contender(SEARCH, {"what": "grid", "epochs": 25}, repeats=False),
            },
        )
    },
    # Each case is a field of the first contender's work, each contender a value of it.
    "scaling": {
        "members": _scaling("members", (1, 4, 16, 64, 256, 1024), num_images=1024, width=64),
        "batch size": _scaling("batch_size", (16, 64, 256, 1024, 4096)),
        "width": _scaling("width", (32, 128, 512, 2048), num_images=4096),
        "image size": _scaling("image_shape", tuple((size, size, 1) for size in (8, 16, 28, 56)), num_images=4096),
        "devices, 8 members": _scaling("devices", (1, 2), members=8),
    },
}
