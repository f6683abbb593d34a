"""Encoder and decoders; parameter names follow the VQGAN family (Esser et al. 2021), so published weights fit."""
