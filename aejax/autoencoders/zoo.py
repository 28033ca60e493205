"""The families of autoencoders by name. A new family is one file beside this one, and its lines here."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_type_hints

from pydantic import Field

from aejax.autoencoders import base
from aejax.autoencoders.adversarial import Adversarial, AdversarialAutoencoder
from aejax.autoencoders.annealed_vae import AnnealedVae, AnnealedVaeAutoencoder
from aejax.autoencoders.batch_top_k import BatchTopK, BatchTopKAutoencoder
from aejax.autoencoders.beta_tcvae import BetaTcVae, BetaTcVaeAutoencoder
from aejax.autoencoders.contractive import Contractive, ContractiveAutoencoder
from aejax.autoencoders.conv_winner_take_all import ConvWinnerTakeAll, ConvWinnerTakeAllAutoencoder
from aejax.autoencoders.denoising import Denoising, DenoisingAutoencoder
from aejax.autoencoders.dip_vae import DipVae, DipVaeAutoencoder
from aejax.autoencoders.dropout import Dropout, DropoutAutoencoder
from aejax.autoencoders.factor_vae import FactorVae, FactorVaeAutoencoder
from aejax.autoencoders.fsq import Fsq, FsqAutoencoder
from aejax.autoencoders.gumbel_softmax import GumbelSoftmax, GumbelSoftmaxAutoencoder
from aejax.autoencoders.higher_order_contractive import HigherOrderContractive, HigherOrderContractiveAutoencoder
from aejax.autoencoders.info_vae import InfoVae, InfoVaeAutoencoder
from aejax.autoencoders.iwae import Iwae, IwaeAutoencoder
from aejax.autoencoders.k_sparse import KSparse, KSparseAutoencoder
from aejax.autoencoders.latent_noise import LatentNoise, LatentNoiseAutoencoder
from aejax.autoencoders.lookup_free import LookupFree, LookupFreeAutoencoder
from aejax.autoencoders.plain import Plain, PlainAutoencoder
from aejax.autoencoders.rae import RaeGP, RaeGPAutoencoder, RaeL2, RaeL2Autoencoder, RaeSN, RaeSNAutoencoder
from aejax.autoencoders.residual_vq import ResidualVq, ResidualVqAutoencoder
from aejax.autoencoders.sparse_kl import SparseKL, SparseKLAutoencoder
from aejax.autoencoders.sparse_l1 import SparseL1, SparseL1Autoencoder
from aejax.autoencoders.tied import Tied, TiedAutoencoder
from aejax.autoencoders.vae import BetaVae, BetaVaeAutoencoder, Vae, VaeAutoencoder
from aejax.autoencoders.vae_gan import VaeGan, VaeGanAutoencoder
from aejax.autoencoders.vq_vae import VqVae, VqVaeAutoencoder
from aejax.autoencoders.wae import Wae, WaeAutoencoder
from aejax.autoencoders.winner_take_all import WinnerTakeAll, WinnerTakeAllAutoencoder
from aejax.networks.named import layer_shapes

Autoencoder = Annotated[
    Plain
    | Tied
    | Denoising
    | LatentNoise
    | Dropout
    | SparseL1
    | SparseKL
    | Contractive
    | HigherOrderContractive
    | KSparse
    | BatchTopK
    | WinnerTakeAll
    | ConvWinnerTakeAll
    | RaeL2
    | RaeGP
    | RaeSN
    | Vae
    | BetaVae
    | AnnealedVae
    | FactorVae
    | BetaTcVae
    | DipVae
    | InfoVae
    | Wae
    | Adversarial
    | VaeGan
    | Iwae
    | VqVae
    | ResidualVq
    | Fsq
    | LookupFree
    | GumbelSoftmax,
    Field(discriminator="kind"),
]
FAMILIES: dict[str, type[base.Autoencoder]] = {
    "plain": PlainAutoencoder,
    "tied": TiedAutoencoder,
    "denoising": DenoisingAutoencoder,
    "latent_noise": LatentNoiseAutoencoder,
    "dropout": DropoutAutoencoder,
    "sparse_l1": SparseL1Autoencoder,
    "sparse_kl": SparseKLAutoencoder,
    "contractive": ContractiveAutoencoder,
    "higher_order_contractive": HigherOrderContractiveAutoencoder,
    "k_sparse": KSparseAutoencoder,
    "batch_top_k": BatchTopKAutoencoder,
    "winner_take_all": WinnerTakeAllAutoencoder,
    "conv_winner_take_all": ConvWinnerTakeAllAutoencoder,
    "rae_l2": RaeL2Autoencoder,
    "rae_gp": RaeGPAutoencoder,
    "rae_sn": RaeSNAutoencoder,
    "vae": VaeAutoencoder,
    "beta_vae": BetaVaeAutoencoder,
    "annealed_vae": AnnealedVaeAutoencoder,
    "factor_vae": FactorVaeAutoencoder,
    "beta_tcvae": BetaTcVaeAutoencoder,
    "dip_vae": DipVaeAutoencoder,
    "info_vae": InfoVaeAutoencoder,
    "wae": WaeAutoencoder,
    "adversarial": AdversarialAutoencoder,
    "vae_gan": VaeGanAutoencoder,
    "iwae": IwaeAutoencoder,
    "vq_vae": VqVaeAutoencoder,
    "residual_vq": ResidualVqAutoencoder,
    "fsq": FsqAutoencoder,
    "lookup_free": LookupFreeAutoencoder,
    "gumbel_softmax": GumbelSoftmaxAutoencoder,
}


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


def family_config(kind: str) -> Any:
    """Returns the config class of a family by its name."""
    return get_type_hints(FAMILIES[kind])["config"]
