"""Pod networking in the shape of Azure CNI Overlay."""

__version__ = "0.1.0"
