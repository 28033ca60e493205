"""How close reconstructions are to their images, and how often a network that labels train is right."""

from typing import Any

from aejax.measures.base import Measure, MemberAndData, Metric, accuracy, balanced_accuracy


def _errors(representation: Any, stored: Any, label: Any) -> dict[str, Any]:
    from aejax.data.preprocessing import to_unit
    from aejax.evaluation import image_metrics
    from aejax.objectives.similarity import structural_similarity

    if representation.reconstruct is None:
        return {}
    reconstruction, image = representation.reconstruct(stored, label), to_unit(stored)
    mse = {"mse": image_metrics.mean_squared_error(image, reconstruction)}
    if image.shape[1:3] == (1, 1):  # One pixel has no structure, and a vector no range.
        return mse
    return mse | {
        "psnr": image_metrics.peak_signal_to_noise_ratio(image, reconstruction),
        "ssim": structural_similarity(image, reconstruction),
    }


def _gap(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.generalization import generalization_gap

    error = {split: values["mse"] for split, values in member.each_image.items() if "mse" in values}
    return generalization_gap(error) if "train" in error else {}


RECONSTRUCTION = Measure(
    name="reconstruction",
    metrics=(Metric("mse", "MSE", "", False), Metric("ssim", "SSIM", "", True)),
    by_default=True,
    each_image=_errors,
    images=_gap,
)


def _is_right(representation: Any, stored: Any, label: Any) -> dict[str, Any]:
    import jax.numpy as jnp

    if representation.classify is None:
        return {}
    return {"accuracy": jnp.argmax(representation.classify(stored), axis=-1) == label}


def _balanced(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation import accuracy

    right = {split: values["accuracy"] for split, values in member.each_image.items() if "accuracy" in values}
    return {
        f"{split}_balanced_accuracy": accuracy.balanced_accuracy(values, member.data.label[split])
        for split, values in right.items()
        if member.data.unbalanced
    }


CLASSIFICATION = Measure(
    name="classification",
    metrics=(accuracy("accuracy", "own classifier"), balanced_accuracy("balanced_accuracy", "own classifier")),
    asked=lambda evaluation: True,
    each_image=_is_right,
    images=_balanced,
)
