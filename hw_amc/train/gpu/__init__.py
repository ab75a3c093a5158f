"""Float training on a GPU: PyTorch for the network, a CUDA kernel for its GRU. Nothing here imports TensorFlow."""
