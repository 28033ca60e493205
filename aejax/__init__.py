"""aejax: autoencoders on images, trained as populations."""

__version__ = "0.1.0"
