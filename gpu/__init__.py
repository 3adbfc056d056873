"""Stages 4 to 6 on a GPU: kernels in Triton, which comes with PyTorch for CUDA. The same integers.

One step of all tiles of a batch is computed at a time. What imports Triton is imported by ``pixelzip.gpu.proof`` first.
"""

if __name__ != "pixelzip.gpu":
    raise ImportError("import pixelzip.gpu, not gpu")
