"""A part of stage 2: images that came out of a JPEG file <-> the cosine coefficients that were in it.

pixels -> planes (lattice) -> coefficients (search) -> contexts -> predict (network) -> ANS -> container
"""

if __name__ != "pixelzip.jpeg":
    raise ImportError("import pixelzip.jpeg, not jpeg")
