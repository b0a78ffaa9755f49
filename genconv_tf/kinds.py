"""Kinds of media, which TensorFlow is not needed to know."""

KINDS = {1: "sound", 2: "image", 3: "video"}  # by rank, the number of spatial axes
