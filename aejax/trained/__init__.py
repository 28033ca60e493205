"""Trained models, by themselves or of a study, opened to be used."""
