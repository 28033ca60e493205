"""What pyproject.toml cannot say: the experiments beside the package are installed inside of it, without results."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["aejax*"]), "aejax.experiments"],
    package_dir={"aejax.experiments": "experiments"},
)
