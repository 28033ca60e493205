"""The families of autoencoders by name. A new family is one file beside this one, and its line here."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from aejax.autoencoders import base
from aejax.autoencoders.adversarial import AdversarialAutoencoder
from aejax.autoencoders.annealed_vae import AnnealedVaeAutoencoder
from aejax.autoencoders.batch_top_k import BatchTopKAutoencoder
from aejax.autoencoders.beta_tcvae import BetaTcVaeAutoencoder
from aejax.autoencoders.contractive import ContractiveAutoencoder
from aejax.autoencoders.conv_winner_take_all import ConvWinnerTakeAllAutoencoder
from aejax.autoencoders.denoising import DenoisingAutoencoder
from aejax.autoencoders.dip_vae import DipVaeAutoencoder
from aejax.autoencoders.dropout import DropoutAutoencoder
from aejax.autoencoders.factor_vae import FactorVaeAutoencoder
from aejax.autoencoders.fsq import FsqAutoencoder
from aejax.autoencoders.gumbel_softmax import GumbelSoftmaxAutoencoder
from aejax.autoencoders.higher_order_contractive import HigherOrderContractiveAutoencoder
from aejax.autoencoders.info_vae import InfoVaeAutoencoder
from aejax.autoencoders.iwae import IwaeAutoencoder
from aejax.autoencoders.k_sparse import KSparseAutoencoder
from aejax.autoencoders.latent_noise import LatentNoiseAutoencoder
from aejax.autoencoders.lookup_free import LookupFreeAutoencoder
from aejax.autoencoders.plain import PlainAutoencoder
from aejax.autoencoders.rae import RaeGPAutoencoder, RaeL2Autoencoder, RaeSNAutoencoder
from aejax.autoencoders.residual_vq import ResidualVqAutoencoder
from aejax.autoencoders.sparse_kl import SparseKLAutoencoder
from aejax.autoencoders.sparse_l1 import SparseL1Autoencoder
from aejax.autoencoders.tied import TiedAutoencoder
from aejax.autoencoders.vae import BetaVaeAutoencoder, VaeAutoencoder
from aejax.autoencoders.vae_gan import VaeGanAutoencoder
from aejax.autoencoders.vq_vae import VqVaeAutoencoder
from aejax.autoencoders.wae import WaeAutoencoder
from aejax.autoencoders.winner_take_all import WinnerTakeAllAutoencoder
from aejax.networks.named import layer_shapes
from aejax.registry import Registry

FAMILIES: Registry[type[base.Autoencoder]] = Registry(
    "family",
    (
        PlainAutoencoder,
        TiedAutoencoder,
        DenoisingAutoencoder,
        LatentNoiseAutoencoder,
        DropoutAutoencoder,
        SparseL1Autoencoder,
        SparseKLAutoencoder,
        ContractiveAutoencoder,
        HigherOrderContractiveAutoencoder,
        KSparseAutoencoder,
        BatchTopKAutoencoder,
        WinnerTakeAllAutoencoder,
        ConvWinnerTakeAllAutoencoder,
        RaeL2Autoencoder,
        RaeGPAutoencoder,
        RaeSNAutoencoder,
        VaeAutoencoder,
        BetaVaeAutoencoder,
        AnnealedVaeAutoencoder,
        FactorVaeAutoencoder,
        BetaTcVaeAutoencoder,
        DipVaeAutoencoder,
        InfoVaeAutoencoder,
        WaeAutoencoder,
        AdversarialAutoencoder,
        VaeGanAutoencoder,
        IwaeAutoencoder,
        VqVaeAutoencoder,
        ResidualVqAutoencoder,
        FsqAutoencoder,
        LookupFreeAutoencoder,
        GumbelSoftmaxAutoencoder,
    ),
)
Autoencoder = Annotated[base.Family, FAMILIES]


def make_autoencoder(config: Autoencoder, image_shape: tuple[int, ...]) -> base.Autoencoder:
    """Returns the model that a config describes, for images of [height, width, channels].

    Every family has the methods of `aejax.autoencoders.base.Autoencoder`; fields of the config may be tracers.
    """
    return FAMILIES[config.kind](config, image_shape)


def unknown_layers(config: Autoencoder, layers: Sequence[str], image_shape: tuple[int, ...]) -> Iterator[str]:
    """Yields which of some layers the encoder of a family does not have, with the names of those that it has."""
    known = list(layer_shapes(make_autoencoder(config, image_shape), image_shape, "features"))
    for name in layers:
        if name not in known:
            yield f"the encoder has no layer '{name}'; there are {', '.join(known)}"
