"""Networks in ONNX: read, computed as the file says, and turned into Keras models that the rest of the flow takes."""
