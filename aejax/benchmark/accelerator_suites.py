"""What a GPU is asked for: the suites of `aejax accelerator`."""

from typing import Any, NamedTuple

from aejax.benchmark.suites import IMAGES, OURS, TORCH, Case, Contender
from aejax.report.speed import AGAIN

STACKED, MEMORY, STUDY = (f"aejax.benchmark.{name}" for name in ("torch_stacked", "memory", "carry_on"))
MB, EPOCHS = "MB a member", "epochs/s"
TITLES = {"dense": "dense", "vae": "VAE", "conv": "conv"}
NATIVE, BFLOAT16, DETERMINISTIC = "aejax, native convolutions", "aejax, bfloat16", "aejax, deterministic"
# In the order in which they matter. What the suites of a wave have in the same process is measured one after another.
WAVES = (("populations", "convolutions", "precision"), ("deterministic",), ("study",), ("memory",), ("sizes",))
SUITES = tuple(name for wave in WAVES for name in wave)


class Scale(NamedTuple):
    """How large everything is."""

    name: str = "full"
    batch_size: int = 128
    steps: int = 8000  # Of all members in one run, of each so many at least and at most:
    least_steps: int = 10
    most_steps: int = 500  # So many that starting a run does not show.
    networks: tuple[str, ...] = tuple(TITLES)
    sizes: tuple[int, ...] = (1, 64, 1024)  # Members: those that are measured first,
    other_sizes: tuple[int, ...] = (256, 16, 4)  # and last.
    middle: int = 64  # Members where but one number of them is looked at.
    twice: tuple[str, int] = ("conv", 16)  # A network, and members of it that are trained twice, to compare bits.
    programs: tuple[int, int] = (16, 64)  # Members of two programs, to compare memory.
    repetitions: int = 3
    seconds: float = 0.5  # Of a measurement, at least.
    longest: float = 100.0  # Seconds of a contender, after which it is ended.
    study: tuple[str, ...] = ("iwae:full",)  # Its experiment, and what is changed of it.
    begun: float = 30.0  # Seconds after which the study is stopped,
    carried_on: float = 120.0  # and for which it goes on.

    def work(self, network: str, members: int) -> dict[str, Any]:
        """Returns the network, the batch size and the number of images for a population of this many members."""
        steps = max(self.least_steps, min(self.most_steps, self.steps // members))
        return {"network": network, "batch_size": self.batch_size, "num_images": self.batch_size * steps}

    def memory(self, network: str) -> dict[str, Any]:
        """Returns the work whose memory is measured, and the sizes of the two populations that are compared."""
        return self.work(network, self.middle) | {"sizes": self.programs}


SMALLEST = Scale(
    name="smallest",
    batch_size=4,
    least_steps=2,
    most_steps=2,
    networks=("dense", "conv"),
    sizes=(1, 3),
    other_sizes=(2,),
    middle=3,
    twice=("dense", 3),
    programs=(2, 3),
    repetitions=1,
    seconds=0.0,
    study=(
        "quickstart",
        "--seeds=2",
        "--set=training.epochs=1000000",
        "--set=autoencoder.encoder.widths=[4]",
        "--set=autoencoder.latent_size=2",
    ),
    begun=1.0,
    carried_on=2.0,
)


def accelerator_suites(scale: Scale, backend: str, workdir: str | None = None) -> dict[str, dict[str, Case]]:
    """Returns the suites by name.

    Args:
      scale: how large they are.
      backend: JAX's; unless it is a CPU, PyTorch is to find a GPU.
      workdir: of the study that is carried on; None: one that is removed afterwards.
    """
    device = {} if backend == "cpu" else {"device": "cuda"}

    def ours(network: str, members: int, **more: Any) -> Contender:
        return Contender(OURS, scale.work(network, members) | {"members": members} | more)

    def population(network: str, members: int) -> Case:
        one, all_ = scale.work(network, 1) | device, scale.work(network, members) | device | {"members": members}
        return Case(
            IMAGES,
            {
                "aejax": ours(network, members),
                "PyTorch, one after another": Contender(TORCH, one | {"variant": "fused"}, ("torch",)),
                "PyTorch, torch.vmap": Contender(STACKED, all_, ("torch",)),
            },
        )

    def populations(sizes: tuple[int, ...]) -> dict[str, Case]:
        return {_title(network, size): population(network, size) for size in sizes for network in scale.networks}

    def beside(network: str, members: int, title: str, **more: Any) -> Case:
        return Case(IMAGES, {"aejax": ours(network, members), title: ours(network, members, **more)})

    def memory(network: str) -> Case:
        variants: dict[str, dict[str, Any]] = {"aejax": {}, BFLOAT16: {"precision": "bfloat16"}}
        if network == "conv":
            variants[NATIVE] = {"method": "native"}
        common = scale.memory(network)
        return Case(MB, {title: Contender(MEMORY, common | more, repeats=False) for title, more in variants.items()})

    modes: dict[str, dict[str, Any]] = {"aejax": {}, DETERMINISTIC: {"deterministic": True}}
    twice = {
        title + again: ours(*scale.twice, bits=True, **more)._replace(alone=True)
        for title, more in modes.items()
        for again in ("", AGAIN)
    }
    study = {"arguments": scale.study, "begun": scale.begun, "carried_on": scale.carried_on, "workdir": workdir}
    return {
        "populations": populations(scale.sizes),
        "convolutions": {
            f"{_title('conv', size)}, convolutions": beside("conv", size, NATIVE, method="native")
            for size in (1, scale.middle)
        },
        "precision": {
            f"{_title(network, scale.middle)}, precision": beside(network, scale.middle, BFLOAT16, precision="bfloat16")
            for network in scale.networks
        },
        "deterministic": {f"{_title(*scale.twice)}, bits": Case(IMAGES, twice)},
        "study": {
            f"{scale.study[0]}, stopped and carried on": Case(
                EPOCHS,
                {"aejax": Contender(STUDY, study, repeats=False, seconds=scale.begun + scale.carried_on + 30.0)},
            )
        },
        "memory": {f"{TITLES[network]}, memory": memory(network) for network in scale.networks},
        "sizes": populations(scale.other_sizes),
    }


def _title(network: str, members: int) -> str:
    return f"{TITLES[network]}, {members:,} member{'s' if members > 1 else ''}"
