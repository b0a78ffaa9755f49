"""Kinds of media, which TensorFlow is not needed to know."""

KINDS = {1: "sound", 2: "image", 3: "video"}  # by rank, the number of spatial axes
FORMATS = {1: ("png", "wav"), 2: ("png",), 3: ("png", "mp4", "gif")}  # of files; png: a picture
