"""Explaining a trained study: what is made of each member, and written into the study's directory."""
