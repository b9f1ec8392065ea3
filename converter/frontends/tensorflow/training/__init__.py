"""Training graphs: find the network in one, set it to inference, freeze it, and read how it was trained."""

from converter.frontends.tensorflow.training.network import Network, network_of, shows_training

__all__ = ["Network", "network_of", "shows_training"]
