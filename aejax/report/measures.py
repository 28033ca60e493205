"""What the tables and charts show of a metric: its heading, its unit, and which way is better."""

import math
from collections.abc import Collection
from typing import NamedTuple

from aejax.study.statistics import Interval


class Measure(NamedTuple):
    """A metric that people read. `name` is without its split: the results hold `validation_<name>`, `test_<name>`."""

    name: str
    title: str
    unit: str
    higher_is_better: bool

    @property
    def test(self) -> str:
        """What is reported."""
        return f"test_{self.name}"

    @property
    def validation(self) -> str:
        """What choices are made by."""
        return f"validation_{self.name}"

    def value(self, number: float) -> float:
        """Returns a number of the results in this measure's unit."""
        return 100.0 * number if self.unit == "%" else number

    def better(self, left: float, right: float) -> bool:
        """Returns whether the left number is the better one."""
        return left > right if self.higher_is_better else left < right

    def show(self, interval: Interval | None, *, seeded: bool = True) -> str:
        """Returns a mean with its interval as a person reads it, for instance `96.2 ± 1.0`."""
        if interval is None:
            return ""
        mean, half = self.value(interval.mean), self.value(interval.half_width)
        if not seeded:
            return digits(mean, 0.01 if self.unit == "%" else abs(mean) * 1e-3)
        if math.isnan(half):
            return f"{digits(mean, 0.1 if self.unit == '%' else abs(mean) * 1e-2)} (no interval)"
        return f"{digits(mean, half)} ± {digits(half, half)}"


_LABEL_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # With a column; others are in results.csv.

MEASURES = (
    Measure("probe_accuracy", "linear probe", "%", True),
    Measure("knn_accuracy", "k-NN", "%", True),
    Measure("weighted_knn_accuracy", "weighted k-NN", "%", True),
    Measure("component_knn_accuracy", "k-NN of components", "%", True),
    Measure("ridge_accuracy", "ridge", "%", True),
    Measure("gaussian_accuracy", "Gaussian", "%", True),
    Measure("class_mean_accuracy", "class mean", "%", True),
    *(Measure(f"few_labels_{num}_accuracy", f"probe, {num} a class", "%", True) for num in _LABEL_COUNTS),
    *(
        Measure(f"{method}_{name}", f"{title} {unit}", "%", True)
        for method, title in (("kmeans", "k-means"), ("gmm", "mixture"))
        for name, unit in (("accuracy", "ACC"), ("nmi", "NMI"), ("ari", "ARI"))
    ),
    Measure("retrieval_map", "retrieval mAP", "%", True),
    Measure("probe_calibration_error", "calibration error of the probe", "%", False),
    Measure("transfer_probe_accuracy", "transfer probe", "%", True),
    Measure("transfer_knn_accuracy", "transfer k-NN", "%", True),
    Measure("accuracy", "own classifier", "%", True),
    Measure("anomaly_mse_auroc", "outliers by error, AUROC", "%", True),
    Measure("anomaly_distance_auroc", "outliers by distance, AUROC", "%", True),
    Measure("frechet_distance", "Fréchet distance", "", False),
    Measure("kernel_distance", "kernel distance", "", False),
    Measure("precision", "precision", "%", True),
    Measure("recall", "recall", "%", True),
    Measure("density", "density", "", True),
    Measure("coverage", "coverage", "%", True),
    Measure("classes", "classes drawn", "", True),
    Measure("memorized", "memorized", "%", False),
    Measure("nll", "−log p(x)", "nats", False),
    Measure("bits_per_dimension", "bits a dimension", "", False),
    Measure("elbo", "ELBO", "nats", True),
    Measure("mig", "MIG", "", True),
    Measure("dci_disentanglement", "DCI disentanglement", "", True),
    Measure("dci_completeness", "DCI completeness", "", True),
    Measure("dci_informativeness", "DCI informativeness", "", True),
    Measure("beta_vae_score", "β-VAE score", "", True),
    Measure("factor_vae_score", "FactorVAE score", "", True),
    Measure("sap", "SAP", "", True),
    Measure("modularity", "modularity", "", True),
    Measure("explicitness", "explicitness", "", True),
    Measure("infom", "InfoM", "", True),
    Measure("infoe", "InfoE", "", True),
    Measure("infoc", "InfoC", "", True),
    Measure("udr", "UDR", "", True),
    Measure("codebook_usage", "codebook usage", "%", True),
    Measure("codebook_perplexity", "perplexity", "", True),
    Measure("mse", "MSE", "", False),
    Measure("ssim", "SSIM", "", True),
)
CHOSEN_BY = {measure.validation: measure for measure in MEASURES}  # By the metric of validation images.


# Which of `evaluation.measures` a metric of an autoencoder comes from, by how its name begins: the first that does.
_MEASURED_BY = {
    "probe_calibration": "calibration",
    "probe": "probe",
    "weighted_knn": "weighted_neighbors",
    "component_knn": "component_neighbors",
    "knn": "neighbors",
    "ridge": "ridge",
    "gaussian": "gaussian",
    "class_mean": "class_mean",
    "few_labels": "few_labels",
    "kmeans": "clustering",
    "gmm": "clustering",
    "retrieval": "retrieval",
    "nll": "likelihood",
    "elbo": "likelihood",
    "bits_per_dimension": "likelihood",
    "codebook": "codebook",
    "mse": "reconstruction",
    "ssim": "reconstruction",
    **dict.fromkeys(("mig", "dci", "sap", "modularity", "explicitness", "info", "udr"), "disentanglement"),
    **dict.fromkeys(("beta_vae_score", "factor_vae_score"), "disentanglement"),
}


def is_measured(name: str, measures: Collection[str]) -> bool:
    """Whether a metric of an autoencoder, without its split, comes from one of these measures."""
    return next((of for start, of in _MEASURED_BY.items() if name.startswith(start)), None) in measures


def digits(value: float, precision: float) -> str:
    """Returns the value with two significant digits of `precision`."""
    if not math.isfinite(precision) or precision <= 0:
        return f"{value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(precision)))
    return f"{value:.{min(decimals, 8)}f}"
