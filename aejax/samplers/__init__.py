"""Distributions of codes, fitted to those of training images: with a decoder behind it, each makes images."""
