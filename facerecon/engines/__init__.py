"""The engines: the only importers of torch, basicsr, gfpgan, facexlib and onnx. Commands import `catalogue` only."""

import os

# Threads of torch that wait for each other must sleep, not spin: beside other work one busy core made a network 3 to 10
# times slower (measured). The variable is read when torch loads, hence before any import of it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
