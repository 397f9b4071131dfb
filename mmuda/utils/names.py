# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Names and numbers that the whole house agrees on."""

# Domains; several targets have nick names.
SOURCE = 'source'
TARGET = 'target'
# Train id of a pixel that counts nowhere.
IGNORE_ID = 255
# File of a folder of pseudo-labels, written last.
MANIFEST = 'manifest.json'
