"""The engines: the only importers of torch, basicsr, gfpgan, facexlib and onnx. Commands import `catalogue` only."""
