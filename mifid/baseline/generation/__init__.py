"""Painting photos with a trained generator."""
