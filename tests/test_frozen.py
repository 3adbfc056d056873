"""What has shipped never changes: names, identifiers and files that stand in images may be added, nothing else.

When one of these tests fails after an addition, add a line to its list. When it fails otherwise, files that people keep
would not open any more.
"""

from __future__ import annotations

import hashlib

from pixelzip import container, image, pack_container
from pixelzip.image import MODES
from pixelzip.jpeg import body
from pixelzip.jpeg.sampling import SAMPLINGS
from pixelzip.models import MODELS
from pixelzip.models.conversion import CONVERSIONS

SHIPPED_MODELS = (
    ("photo", "photo-1.safetensors", "025c563c185bb5c6b18a0ad68448e740bd45b66e39a41eab9a15d0b88cdf7e7f"),
    ("photo-planes", "photo-planes-1.safetensors", "b17148508b79b848ca1dbf1b05e7bf3b378b0e79f4101a7a8dab07fc64244814"),
    ("cifar10", "cifar10-1.safetensors", "6c6676ef10b825c6016a57893a9affe5781636d4ad61f038786609d1ad6533f6"),
    ("photo-planes", "photo-planes-2.safetensors", "d847a6956aacb0bf4eb53aebe039aedd85aa9e8fd2fdd5738bc979b9c6eff4ea"),
    ("photo-fast", "photo-fast-1.safetensors", "7e2d0d1215dcd13a49c60c4fe6725313b6ddbd100096bc89a2abb31229f77489"),
    ("photo", "photo-2.safetensors", "b13fc2fa61f362ce2f68d14c177647a7436542d1fcfac068bd21d5869a8488a4"),
    ("photo", "photo-3.safetensors", "d1518bbb0ffa50dfd5d87941a119d78aec83a5c382025b47088228346e443922"),
    ("photo-max", "photo-max-1.safetensors", "5f59f8d2d7d649707d6caa190dd7c844ac49c76abb09a2b8d2972955e34aaa89"),
    ("photo", "photo-4.safetensors", "592228af630b93e2cf9f6b668fde1228d1fbd348409250576d7f18f962cee5ca"),
    ("photo-fast", "photo-fast-2.safetensors", "fffce2419153b0235b4495e948100227844467676e0f77720a1c1c47da34ac33"),
    ("photo-fast", "photo-fast-3.safetensors", "fd46067a42688fd3049f3683b6d25572b505c74defd9852ae531b534caff56e7"),
    ("photo-planes", "photo-planes-3.safetensors", "56913ffa13fc2e7125f546f860af42c64cf6aaebfd2f8dfecd15b3bfa8b75ff0"),
    ("photo-max", "photo-max-2.safetensors", "656ecb0e5625fc8bec935813e71a8dfcbdcd75af5802035eb37a1ab7729fae45"),
    ("cifar10", "cifar10-2.safetensors", "5da73a5d62c8af742a09052e61d5b4c5c897569435bbb67273acd6d827563429"),
    ("photo", "photo-5.safetensors", "c5667287f322ee3fa2cc554774fa404a39862ad4f536ea285d16adafe6f3bb37"),
    ("photo-planes", "photo-planes-4.safetensors", "b83f89fc504b7268ffcebfbfc3653de863f9908cf66d2c00084fde1651ed7f52"),
    ("cifar10", "cifar10-3.safetensors", "89f60373feba381bf8fbf995137e8b3937d9b88c5483cb41346d80ef317a1e34"),
    ("cifar10", "cifar10-4.safetensors", "21c5a289e9e226be95690cf8703cae53ac6275fd5f8f4b5814f842ee80d0fe0d"),
    ("photo-max", "photo-max-3.safetensors", "01869041be97130efb335b54c4ff439ec91ed5cd9d5c8e68b4d6ae542cc4856a"),
    ("photo", "photo-6.safetensors", "475bf6a178497c512398de461c827ca7ca1939b3b9561e49217232aaaf413437"),
    ("photo-max", "photo-max-4.safetensors", "e3019952e0d3ff959a04691415aa1df01c826eadcb87523b60160aeefaa7c6c7"),
    ("cifar10", "cifar10-5.safetensors", "78c01783117761b4b045cbdf27c1cdd637794e9c3f4d2683a60f92b0f8b344d2"),
    ("photo-fast", "photo-fast-4.safetensors", "4eed8c99a0d5f7b30236e1902e617abc18f2c050cb164a8c27211dbebc8e6be3"),
    ("photo-max", "photo-max-5.safetensors", "5d7ee680435a1fe6e8579da02a77c4dc95e31cfedfa5201b68463f8ad0d9ca76"),
    ("photo", "photo-7.safetensors", "f85deef663db21514886ed89d6442043a4d2eaf771d50e1a981bac2344e8fe25"),
    ("photo-fast", "photo-fast-5.safetensors", "90e4bc916582b8f1cd3f8bc897ede5377f82e527dc255a60c9b081d4ee0fcfec"),
    ("photo-max", "photo-max-6.safetensors", "6bfacc7ea898707b003cc635145c0e490594531c574ffdd0fed30cf338c6c1d0"),
    ("photo-planes", "photo-planes-5.safetensors", "2c637f1836e4c1cccba18f86d2f1416020259df79bf793422c52b405f607ef04"),
    ("cifar10", "cifar10-6.safetensors", "6c3eb5d48f59ba253f4a694749e26799aa0cce5011ca007233b6c0e49062637a"),
    ("photo-planes", "photo-planes-6.safetensors", "2571db571f045364c3dee6faf60c50577bfd7a6a67d2103fb272671c42c87d64"),
    ("photo-jpeg", "photo-jpeg-1.safetensors", "98761ee0a8bc4f13fec7a2b8610ce1609f1a68bc220596318f18aacde4bd18ab"),
    ("cifar10", "cifar10-7.safetensors", "dc0b34c4642655f0d52ed90ec1573f9786573034bed91ef8e2ec93e2ad1e9614"),
    ("photo-jpeg", "photo-jpeg-2.safetensors", "0b2aaad88a9b67d96aca414624ba2dce32b132234e883573d43d82b6d04e4442"),
    ("cifar10", "cifar10-8.safetensors", "e2cd561b8001271001c7f0151bee1ec42d85df0175038c5a3db0b9b973342a4b"),
    ("cifar10", "cifar10-9.safetensors", "be632bcfee564f0526668054f54baaea73de84ef71d9a2d7ffbb7343be3e58e9"),
    ("photo-planes", "photo-planes-7.safetensors", "b64ec4b9114880c1be473dbbd3a82ce9ffd2b919f508f4c79608ab76c4a8534e"),
)

SHIPPED_MODES = (
    (0, "1", 1, 8),
    (1, "L", 1, 8),
    (2, "LA", 2, 8),
    (3, "P", 1, 8),
    (4, "RGB", 3, 8),
    (5, "RGBA", 4, 8),
    (6, "I;16", 1, 16),
    (7, "RGB;16", 3, 16),
    (8, "RGBA;16", 4, 16),
    (9, "LA;16", 2, 16),
    (10, "CMYK", 4, 8),
)

SHIPPED_CONVERSIONS = (
    "JFIF",
    "Photo CD",
    "FFmpeg BT.601",
    "FFmpeg BT.601 full range",
    "FFmpeg BT.709",
    "FFmpeg BT.709 full range",
    "libyuv BT.601",
    "libyuv BT.601 full range",
    "libyuv BT.709",
    "libyuv BT.709 full range",
)


def test_models_are_appended_only() -> None:
    assert tuple((entry.name, entry.file_name, entry.sha256) for entry in MODELS) == SHIPPED_MODELS


def test_weights_are_those_that_shipped() -> None:
    for entry in MODELS:
        assert hashlib.sha256(entry.path.read_bytes()).hexdigest() == entry.sha256


def test_modes_are_appended_only() -> None:
    assert tuple((mode.identifier, mode.name, mode.num_channels, mode.bit_depth) for mode in MODES) == SHIPPED_MODES


def test_conversions_are_appended_only() -> None:
    assert tuple(conversion.name for conversion in CONVERSIONS) == SHIPPED_CONVERSIONS
    assert [conversion.identifier for conversion in CONVERSIONS] == list(range(len(CONVERSIONS)))


def test_numbers_in_files() -> None:
    assert (container.SIGNATURE, container.PACK_SIGNATURE) == (b"\x89PZ\r\n", b"\x89PZP\r\n")
    assert (container.BODY_MODEL, container.BODY_PNG, container.BODY_WEBP, container._CHANGED) == (0, 1, 2, 3)
    assert (container._TURNED, container._FEW_BITS, container._FEW_BITS_AND_TURNED) == (255, 254, 253)
    others = [container.BODY_JPEG, container.BODY_JPEG_FILE, container.BODY_MIXED, container.BODY_DRAWING]
    others.append(container.BODY_DERIVED)
    assert dict(zip((252, 251, 250, 249, 248), others, strict=True)) == container._OTHERS
    assert [(one.name, one.rows, one.columns, one.is_plain) for one in SAMPLINGS] == [
        ("4:4:4", 1, 1, False),
        ("4:2:2", 1, 2, False),
        ("4:2:0", 2, 2, False),
        ("4:4:0", 2, 1, False),
        ("4:2:2 plain", 1, 2, True),
        ("4:2:0 plain", 2, 2, True),
    ]
    assert body._BAND_ROWS == 256
    assert (container.CODED, container.CONSTANT, container.STORED) == (0, 1, 2)
    assert (pack_container.STREAM, pack_container.FILE) == (0, 1)
    kinds = (image.ICC, image.EXIF, image.XMP, image.TEXT, image.DPI, image.GAMMA, image.TRANSPARENCY, image.PALETTE)
    assert kinds == tuple(range(1, 9))
