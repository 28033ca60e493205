"""The families of autoencoders by name. A new family is one file beside this one, and its line here."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from aejax.autoencoders import base
from aejax.autoencoders.adversarial import Adversarial
from aejax.autoencoders.annealed_vae import AnnealedVae
from aejax.autoencoders.batch_top_k import BatchTopK
from aejax.autoencoders.beta_tcvae import BetaTcVae
from aejax.autoencoders.contractive import Contractive
from aejax.autoencoders.conv_winner_take_all import ConvWinnerTakeAll
from aejax.autoencoders.dcn import Dcn
from aejax.autoencoders.dec import Dec, Idec
from aejax.autoencoders.deep_svdd import DeepSvdd
from aejax.autoencoders.denoising import Denoising
from aejax.autoencoders.dip_vae import DipVae
from aejax.autoencoders.dropout import Dropout
from aejax.autoencoders.factor_vae import FactorVae
from aejax.autoencoders.family import Family
from aejax.autoencoders.fsq import Fsq
from aejax.autoencoders.gated import Gated
from aejax.autoencoders.gumbel_softmax import GumbelSoftmax
from aejax.autoencoders.hamiltonian_vae import HamiltonianVae
from aejax.autoencoders.higher_order_contractive import HigherOrderContractive
from aejax.autoencoders.hyperspherical_vae import HypersphericalVae
from aejax.autoencoders.info_vae import InfoVae
from aejax.autoencoders.iwae import Ciwae, Iwae, Miwae, Piwae
from aejax.autoencoders.jump_relu import JumpRelu
from aejax.autoencoders.k_sparse import KSparse
from aejax.autoencoders.ladder import Ladder
from aejax.autoencoders.ladder_vae import LadderVae
from aejax.autoencoders.latent_noise import LatentNoise
from aejax.autoencoders.lookup_free import LookupFree
from aejax.autoencoders.m2 import M2
from aejax.autoencoders.masked import Masked
from aejax.autoencoders.matryoshka import Matryoshka
from aejax.autoencoders.patchwise import Patchwise
from aejax.autoencoders.plain import Plain
from aejax.autoencoders.poincare_vae import PoincareVae
from aejax.autoencoders.rae import RaeGP, RaeL2, RaeSN
from aejax.autoencoders.residual_vq import ResidualVq
from aejax.autoencoders.riemannian_hamiltonian_vae import RiemannianHamiltonianVae
from aejax.autoencoders.sim_vq import SimVq
from aejax.autoencoders.simmim import SimMim
from aejax.autoencoders.sparse_kl import SparseKL
from aejax.autoencoders.sparse_l1 import SparseL1
from aejax.autoencoders.stacked import Stacked
from aejax.autoencoders.tied import Tied
from aejax.autoencoders.vade import Vade
from aejax.autoencoders.vae import BetaVae, Vae
from aejax.autoencoders.vae_gan import VaeGan
from aejax.autoencoders.vq_vae import VqVae
from aejax.autoencoders.wae import Swae, Wae
from aejax.autoencoders.winner_take_all import WinnerTakeAll
from aejax.networks.named import layer_shapes
from aejax.registry import Registry

FAMILIES: Registry[type[base.Autoencoder]] = Registry(
    "family",
    (
        Plain,
        Tied,
        Denoising,
        Masked,
        SimMim,
        Ladder,
        LatentNoise,
        Dropout,
        SparseL1,
        SparseKL,
        Contractive,
        HigherOrderContractive,
        KSparse,
        BatchTopK,
        Matryoshka,
        JumpRelu,
        Gated,
        WinnerTakeAll,
        ConvWinnerTakeAll,
        Dec,
        Idec,
        Dcn,
        RaeL2,
        RaeGP,
        RaeSN,
        Vae,
        BetaVae,
        AnnealedVae,
        FactorVae,
        BetaTcVae,
        DipVae,
        InfoVae,
        HypersphericalVae,
        PoincareVae,
        HamiltonianVae,
        RiemannianHamiltonianVae,
        LadderVae,
        M2,
        Vade,
        Wae,
        Swae,
        Adversarial,
        VaeGan,
        Iwae,
        Miwae,
        Piwae,
        Ciwae,
        VqVae,
        SimVq,
        ResidualVq,
        Fsq,
        LookupFree,
        GumbelSoftmax,
        DeepSvdd,
    ),
)
FamilyConfig = Annotated[Family, FAMILIES]


def make_autoencoder(
    config: FamilyConfig, image_shape: tuple[int, ...], num_classes: int | None = None
) -> base.Autoencoder:
    """Returns the model that a config describes, for images of [height, width, channels], and for their labels.

    Every family has the methods of `aejax.autoencoders.base.Autoencoder`, or those of them that `Patchwise` has, if it
    is one of patches; fields of the config may be tracers.
    """
    family = FAMILIES[config.kind]
    if config.patches is None:
        return family(config, image_shape, num_classes)
    return (Stacked if config.patches.above else Patchwise)(config, image_shape, family=family)


def unknown_layers(config: FamilyConfig, layers: Sequence[str], image_shape: tuple[int, ...]) -> Iterator[str]:
    """Yields which of some layers the encoder of a family does not have, with the names of those that it has."""
    own_layers = list(layer_shapes(make_autoencoder(config, image_shape), image_shape, "features"))
    for name in layers:
        if name not in own_layers:
            yield f"the encoder has no layer '{name}'; there are {', '.join(own_layers)}"
