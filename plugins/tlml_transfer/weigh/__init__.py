"""Weighing source examples, or dropping them."""
