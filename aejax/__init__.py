"""aejax: autoencoders on images, trained as populations.

    import aejax

    vae = aejax.fit(aejax.VaeConfig(latent_size=16), images, epochs=20)
    study = aejax.run(aejax.Config(), images, labels, sweep=aejax.grid("autoencoder.latent_size", [8, 16]))
    aejax.load("runs/quickstart").best("mse").encode(images)

`dir(aejax)` lists all names. Each is imported when it is first used, so `import aejax` alone costs nothing.
"""

# ruff: noqa: F401, I001
import ast
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:  # The table of all names: type checkers and editors import them, and `__getattr__` reads it.
    # What is called.
    from aejax.api.train import fit as fit, run as run
    from aejax.api.study import load as load, Study as Study
    from aejax.api.measure import measure as measure
    from aejax.api.inspection import inspect as inspect
    from aejax.api.read_images import read_images as read_images
    from aejax.trained.model import Trained as Trained
    from aejax.cli.experiment_file import load_experiment as load_experiment

    # Estimators of scikit-learn.
    from aejax.estimators.classifier import AutoencoderClassifier as AutoencoderClassifier
    from aejax.estimators.detector import AutoencoderDetector as AutoencoderDetector
    from aejax.estimators.features import AutoencoderFeatures as AutoencoderFeatures
    from aejax.estimators.search import PopulationSearchCV as PopulationSearchCV

    # Sweeps.
    from aejax.sweep import (
        grid as grid,
        zip_together as zip,
        chain as chain,
        product as product,
        part as part,
        random_draws as random_draws,
        log_uniform as log_uniform,
    )

    # The config and its parts.
    from aejax.experiment import Config as Config
    from aejax.data.load import DataConfig as DataConfig
    from aejax.data.augmentation import Augmentation as Augmentation
    from aejax.training.config import TrainingConfig as TrainingConfig
    from aejax.training.optimizers import (
        Adam as Adam,
        AdamW as AdamW,
        Constant as Constant,
        Cosine as Cosine,
        Momentum as Momentum,
        Sgd as Sgd,
        Stages as Stages,
    )
    from aejax.training.fine_tuning import FineTuningConfig as FineTuningConfig
    from aejax.training.semi_supervised import PseudoLabels as PseudoLabels
    from aejax.training.semi_supervised import SemiSupervisedConfig as SemiSupervisedConfig
    from aejax.evaluation.suite import EvaluationConfig as EvaluationConfig
    from aejax.measures.config import (
        ClusteringConfig as ClusteringConfig,
        DetectorsConfig as DetectorsConfig,
        FewLabelsConfig as FewLabelsConfig,
        LikelihoodConfig as LikelihoodConfig,
        LossRecoveredConfig as LossRecoveredConfig,
        NeighborsConfig as NeighborsConfig,
        ProbeConfig as ProbeConfig,
        RidgeConfig as RidgeConfig,
        SvmConfig as SvmConfig,
    )
    from aejax.samplers.zoo import GenerationConfig as GenerationConfig, NoSampler as NoSampler

    # Families.
    from aejax.autoencoders.adversarial import AdversarialConfig as AdversarialConfig
    from aejax.autoencoders.annealed_vae import AnnealedVaeConfig as AnnealedVaeConfig
    from aejax.autoencoders.batch_top_k import BatchTopKConfig as BatchTopKConfig
    from aejax.autoencoders.beta_tcvae import BetaTcVaeConfig as BetaTcVaeConfig
    from aejax.autoencoders.contractive import ContractiveConfig as ContractiveConfig
    from aejax.autoencoders.conv_winner_take_all import ConvWinnerTakeAllConfig as ConvWinnerTakeAllConfig
    from aejax.autoencoders.dcn import DcnConfig as DcnConfig
    from aejax.autoencoders.dec import DecConfig as DecConfig, IdecConfig as IdecConfig
    from aejax.autoencoders.deep_svdd import DeepSvddConfig as DeepSvddConfig
    from aejax.autoencoders.denoising import DenoisingConfig as DenoisingConfig
    from aejax.autoencoders.dip_vae import DipVaeConfig as DipVaeConfig
    from aejax.autoencoders.dropout import DropoutConfig as DropoutConfig
    from aejax.autoencoders.factor_vae import FactorVaeConfig as FactorVaeConfig
    from aejax.autoencoders.fsq import FsqConfig as FsqConfig
    from aejax.autoencoders.gated import GatedConfig as GatedConfig
    from aejax.autoencoders.gumbel_softmax import GumbelSoftmaxConfig as GumbelSoftmaxConfig
    from aejax.autoencoders.hamiltonian_vae import HamiltonianVaeConfig as HamiltonianVaeConfig
    from aejax.autoencoders.higher_order_contractive import HigherOrderContractiveConfig as HigherOrderContractiveConfig
    from aejax.autoencoders.hyperspherical_vae import HypersphericalVaeConfig as HypersphericalVaeConfig
    from aejax.autoencoders.info_vae import InfoVaeConfig as InfoVaeConfig
    from aejax.autoencoders.iwae import (
        CiwaeConfig as CiwaeConfig,
        IwaeConfig as IwaeConfig,
        MiwaeConfig as MiwaeConfig,
        PiwaeConfig as PiwaeConfig,
    )
    from aejax.autoencoders.jump_relu import JumpReluConfig as JumpReluConfig
    from aejax.autoencoders.k_sparse import KSparseConfig as KSparseConfig
    from aejax.autoencoders.ladder import LadderConfig as LadderConfig
    from aejax.autoencoders.ladder_vae import LadderVaeConfig as LadderVaeConfig
    from aejax.autoencoders.latent_noise import LatentNoiseConfig as LatentNoiseConfig
    from aejax.autoencoders.lookup_free import LookupFreeConfig as LookupFreeConfig
    from aejax.autoencoders.m2 import M2Config as M2Config
    from aejax.autoencoders.masked import MaskedConfig as MaskedConfig
    from aejax.autoencoders.matryoshka import MatryoshkaConfig as MatryoshkaConfig
    from aejax.autoencoders.plain import PlainConfig as PlainConfig
    from aejax.autoencoders.poincare_vae import PoincareVaeConfig as PoincareVaeConfig
    from aejax.autoencoders.rae import (
        RaeGPConfig as RaeGPConfig,
        RaeL2Config as RaeL2Config,
        RaeSNConfig as RaeSNConfig,
    )
    from aejax.autoencoders.residual_vq import ResidualVqConfig as ResidualVqConfig
    from aejax.autoencoders.riemannian_hamiltonian_vae import (
        RiemannianHamiltonianVaeConfig as RiemannianHamiltonianVaeConfig,
    )
    from aejax.autoencoders.sim_vq import SimVqConfig as SimVqConfig
    from aejax.autoencoders.simmim import SimMimConfig as SimMimConfig
    from aejax.autoencoders.sparse_kl import SparseKLConfig as SparseKLConfig
    from aejax.autoencoders.sparse_l1 import SparseL1Config as SparseL1Config
    from aejax.autoencoders.tied import TiedConfig as TiedConfig
    from aejax.autoencoders.vade import VadeConfig as VadeConfig
    from aejax.autoencoders.vae import BetaVaeConfig as BetaVaeConfig, VaeConfig as VaeConfig
    from aejax.autoencoders.vae_gan import VaeGanConfig as VaeGanConfig
    from aejax.autoencoders.vq_vae import VqVaeConfig as VqVaeConfig
    from aejax.autoencoders.wae import SwaeConfig as SwaeConfig, WaeConfig as WaeConfig
    from aejax.autoencoders.winner_take_all import WinnerTakeAllConfig as WinnerTakeAllConfig

    # Parts of families: networks, likelihoods, priors, kernels, corruptions.
    from aejax.networks.convolutional import Convolutional as Convolutional
    from aejax.autoencoders.conv_winner_take_all import ConvLayerAbove as ConvLayerAbove
    from aejax.networks.dense import Dense as Dense
    from aejax.networks.lenet import LeNet as LeNet
    from aejax.networks.patches import LayerAbove as LayerAbove, PatchesConfig as PatchesConfig
    from aejax.networks.posterior_flows import (
        CouplingConfig as CouplingConfig,
        InverseAutoregressiveConfig as InverseAutoregressiveConfig,
        PlanarConfig as PlanarConfig,
        RadialConfig as RadialConfig,
    )
    from aejax.networks.residual import Residual as Residual
    from aejax.networks.vit import ViT as ViT
    from aejax.networks.own import register_network as register_network
    from aejax.networks.zoo import Mirror as Mirror
    from aejax.objectives.likelihoods import (
        Bernoulli as Bernoulli,
        ContinuousBernoulli as ContinuousBernoulli,
        Gaussian as Gaussian,
        HalfSquaredError as HalfSquaredError,
        Laplace as Laplace,
        LearnedGaussian as LearnedGaussian,
        LogisticMixture as LogisticMixture,
        MeanSquaredError as MeanSquaredError,
        MsSsim as MsSsim,
        OptimalGaussian as OptimalGaussian,
    )
    from aejax.objectives.priors import (
        MixturePrior as MixturePrior,
        StandardNormalPrior as StandardNormalPrior,
        VampPrior as VampPrior,
    )
    from aejax.objectives.divergences import InverseMultiquadratic as InverseMultiquadratic, RadialBasis as RadialBasis
    from aejax.data.corruption import (
        Deformation as Deformation,
        GaussianNoise as GaussianNoise,
        Masking as Masking,
        SaltAndPepper as SaltAndPepper,
    )

    # Samplers of codes.
    from aejax.samplers.autoregressive import Autoregressive as Autoregressive
    from aejax.samplers.flow import InverseFlow as InverseFlow, MaskedFlow as MaskedFlow
    from aejax.samplers.flow_matching import FlowMatching as FlowMatching
    from aejax.samplers.gaussian import FullGaussian as FullGaussian
    from aejax.samplers.kernel_density import KernelDensity as KernelDensity
    from aejax.samplers.mixture import Mixture as Mixture
    from aejax.samplers.prior import Prior as Prior
    from aejax.samplers.two_stage import TwoStage as TwoStage

    # Searches.
    from aejax.search.methods import (
        Halving as Halving,
        PopulationBased as PopulationBased,
        Random as Random,
        Sobol as Sobol,
        Tpe as Tpe,
    )
    from aejax.search.run import Search as Search
    from aejax.search.space import Choice as Choice, Range as Range

    # Errors.
    from aejax.errors import ConfigError as ConfigError, DataError as DataError, UserError as UserError


def _read_table() -> dict[str, tuple[str, str]]:
    """Returns the names that are imported above, each with its module and its name there."""
    tree = ast.parse(pkgutil.get_data(__name__, "__init__.py") or b"")
    lines = next(node for node in tree.body if isinstance(node, ast.If)).body
    return {
        name.asname or name.name: (str(line.module), name.name)
        for line in lines
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }


_TABLE = _read_table()


def __dir__() -> list[str]:
    return sorted([*_TABLE, "__version__"])


if not TYPE_CHECKING:  # Type checkers would take any name for one of these.

    def __getattr__(name: str) -> Any:
        """Imports a name of the table when it is first used."""
        if name not in _TABLE:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        module, original = _TABLE[name]
        value = globals()[name] = getattr(importlib.import_module(module), original)
        return value
