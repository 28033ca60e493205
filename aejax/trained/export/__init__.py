"""Exports of trained models: what can be used of them without aejax."""
