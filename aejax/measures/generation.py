"""How much drawn images are like real ones: what generators are judged by, which no measure of features is."""

from aejax.measures.base import Measure, Metric

GENERATION = Measure(
    name="generation",
    metrics=(
        Metric("frechet_distance", "Fréchet distance", "", False),
        Metric("kernel_distance", "kernel distance", "", False),
        Metric("precision", "precision", "%", True),
        Metric("recall", "recall", "%", True),
        Metric("density", "density", "", True),
        Metric("coverage", "coverage", "%", True),
        Metric("classes", "classes drawn", "", True),
        Metric("memorized", "memorized", "%", False),
    ),
    asked=lambda evaluation: False,  # Of generators alone, which `aejax.study.generation` measures.
)
