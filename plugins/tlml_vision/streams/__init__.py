"""Streams of tasks that show the same images in other ways, and pools to divide into tasks."""
