"""The libraries a Python team would otherwise pick, each doing its closest equivalent of one move."""
