"""The benchmark: exact bits, every pixel compared, sets that are what they say, downloads that go on."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import json
import sys
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import smooth_image
from PIL import Image

pytest.importorskip("imagecodecs", reason="the extra bench is not installed")
pytest.importorskip("pooch", reason="the extra bench is not installed")

import pixelzip
from pixelzip import bench, cli, downloads, imageset, kodak, models
from pixelzip.cli.progress import Bars
from pixelzip.imageset import ImageSet
from pixelzip.pack import pack
from pixelzip.peers import Codec, own_codecs, peers

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
PEERS = [
    "QOI",
    "PNG, level 9",
    "JPEG-LS, no colour transform",
    "AVIF lossless, -s 6",
    "JPEG 2000, reversible",
    "WebP lossless, -m 6",
    "JPEG XL, -e 1",
]


def no_progress(label: str, num_done: int, num_all: int) -> None:
    pass


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, ["bench", *(str(argument) for argument in arguments)])


def in_one_file(images: Any) -> list[bytes]:
    return [zlib.compress(np.stack(images).tobytes(), 0)]


def from_one_file(files: list[bytes]) -> Any:
    return np.frombuffer(zlib.decompress(files[0]), np.uint8).reshape(-1, 8, 8, 3)


def test_bits_count_every_byte_of_every_file() -> None:
    images = ImageSet("set", (smooth_image(4, 4), smooth_image(8, 8)))
    codec = Codec(
        "raw", "none 1", lambda images: [i.tobytes() + b"1234" for i in images], lambda files: list(images.images)
    )
    row = bench.measure(codec, images, no_progress)
    assert row.num_bytes == 48 + 4 + 192 + 4
    assert row.bits_per_subpixel == (8 * 52 / 48 + 8 * 196 / 192) / 2
    assert (row.codec, row.kind, row.library) == ("raw", "files", "none 1")


def test_a_codec_may_take_the_whole_set() -> None:
    images = tuple(smooth_image(8, 8, seed=seed) for seed in range(5))
    calls: list[tuple[str, int, int]] = []
    codec = Codec("stored", "zlib 1", in_one_file, from_one_file, takes_all=True)
    row = bench.measure(codec, ImageSet("set", images), lambda *call: calls.append(call))
    assert row.num_bytes == len(in_one_file(images)[0])
    assert row.bits_per_subpixel == 8 * row.num_bytes / (5 * 192)
    assert calls == [("stored", 0, 5), ("stored", 5, 5)]


def test_small_images_share_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SMALL_IMAGES_PER_CALL", 2)
    images = tuple(smooth_image(8, 8, seed=seed) for seed in range(5))
    sizes: list[int] = []

    def encode(group: Any) -> list[bytes]:
        sizes.append(len(group))
        return [image.tobytes() for image in group]

    def decode(files: list[bytes]) -> Any:
        return [np.frombuffer(data, np.uint8).reshape(8, 8, 3) for data in files]

    bench.measure(Codec("raw", "none 1", encode, decode), ImageSet("set", images), no_progress)
    assert sizes == [1, 2, 2, 1]
    assert not ImageSet("set", (smooth_image(65, 64),)).are_small


def test_a_changed_pixel_ends_the_benchmark() -> None:
    codec = Codec(
        "lossy", "none 1", lambda images: [b""] * len(images), lambda files: [smooth_image(8, 8) ^ 1] * len(files)
    )
    with pytest.raises(bench.NotLossless, match=r"^lossy: a decoded image differs from the original$"):
        bench.measure(codec, ImageSet("set", (smooth_image(8, 8),)), no_progress)


def test_peers_are_lossless() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (37, 21, 3), dtype=np.uint8)
    images = [smooth_image(32, 32), smooth_image(1, 1), smooth_image(3, 50), noise, np.zeros((20, 20, 3), np.uint8)]
    codecs = peers([1, 7], 1)
    assert [codec.name for codec in codecs] == [*PEERS, "JPEG XL, -e 7"]
    for codec in codecs:
        decoded = codec.decode(codec.encode(images))
        assert all(np.array_equal(one, other) for one, other in zip(decoded, images, strict=True)), codec.name


@pytest.mark.usefixtures("always_modelled")
def test_rows_with_lattices_and_without() -> None:
    assert [codec.name for codec in own_codecs("photo", "cpu", 1, are_small=False)] == [
        "pixelzip photo, without lattices",
        "pixelzip photo",
    ]
    assert [codec.name for codec in own_codecs("photo-planes", "cpu", 1, are_small=True)] == [
        "pixelzip photo-planes",
        "pixelzip photo-planes, one pack",
    ]
    alone, named = own_codecs("photo", "cpu", 1, are_small=False)
    image = imageset.JFIF.to_rgb(96 + smooth_image(40, 48) // 4)
    files = [codec.encode([image])[0] for codec in (alone, named)]
    assert [pixelzip.info(data).model for data in files] == ["photo", "photo-planes"]
    assert all(
        np.array_equal(codec.decode([data])[0], image) for codec, data in zip((alone, named), files, strict=True)
    )


def test_all_models_are_named_once() -> None:
    command = importlib.import_module("pixelzip.cli.bench")
    named = command._named(("cifar10", "all", "x.safetensors"))
    assert named[0] == "cifar10"
    assert named[-1] == "x.safetensors"
    assert sorted(named[:-1]) == sorted({entry.name for entry in models.MODELS} - {"photo-planes", "photo-jpeg"})
    assert command._named(()) == ()


@pytest.mark.usefixtures("always_modelled")
def test_a_report(model_path: str) -> None:
    images = tuple(smooth_image(16, 20, seed=seed) for seed in range(3))
    report = bench.run(ImageSet("set", images, ("a note",)), [model_path], [1], "cpu", 1, no_progress)
    own = f"pixelzip {model_path}"
    rows = [*PEERS, own, f"{own}, one pack", f"{own}, likelihood without coding"]
    assert [row.codec for row in report.rows] == rows
    assert (report.num_images, report.num_pixels, report.num_threads, report.are_small) == (3, 960, 1, True)
    assert report.versions["pixelzip"] == pixelzip.__version__
    assert {"torch", "imagecodecs", "libjxl"} <= report.versions.keys()
    assert report.processor
    coded, packed, alone = report.rows[-3:]
    assert packed.num_bytes == len(pack(images, model=model_path))
    assert coded.num_bytes == sum(map(len, pixelzip.compress(images, model_path)))
    assert coded.bits_per_subpixel == pytest.approx(8 * coded.num_bytes / 2880, abs=1e-12)
    assert coded.decode_kpixels_per_second is not None
    assert 0 < coded.bits_per_subpixel - alone.bits_per_subpixel < 8 * 17 / 960
    assert (alone.kind, alone.num_bytes, alone.decode_kpixels_per_second) == ("likelihood", None, None)


@pytest.fixture
def sheets(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    Image.fromarray(smooth_image(32, 96) | 1).save(folder / "eval-00.webp", lossless=True)
    return folder


def test_cifar10_as_a_table(sheets: Path, model_path: str) -> None:
    result = run("cifar10", "--data", sheets, "--limit", "2", "--effort", "1", "--model", model_path, "-T", "1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    split = "our own random split of CIFAR-10, not the official test set"
    assert lines[0] == f"cifar10; 2 images, 2,048 pixels; {split}; only the first 2 of 3"
    header = "codec bits/sub-pixel encode kpixel/s decode kpixel/s encode images/s decode images/s"
    assert " ".join(lines[5].split()) == header
    assert "published, likelihood of the official test set, not measured here:" in lines
    assert lines[-1].split() == ["PixelCNN++", "2.92"]
    assert result.stderr == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("quiet", [True, False])
def test_progress_is_for_terminals(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    with Bars(quiet=quiet) as bars:
        for label in ("QOI", "PNG"):
            for num_done in range(3):
                bars(label, num_done, 2)
    shown = sys.stderr.getvalue()
    assert (shown == "") == quiet
    assert quiet or [shown.count(f"{label}  [####") > 0 for label in ("QOI", "PNG")] == [True, True]


def test_a_folder_as_json_markdown_and_chart(tmp_path: Path, model_path: str) -> None:
    for seed in range(4):
        Image.fromarray(smooth_image(70, 66, seed=seed)).save(tmp_path / f"{seed}.png")
    options = ("--effort", "1", "--model", model_path)
    chart = ("--plot", tmp_path / "chart.svg") if importlib.util.find_spec("matplotlib") else ()
    result = run(tmp_path, "--held-out", "2", "--jpeg", "90", "--json", *chart, *options)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    notes = ["the 2 images that training holds out", "each through a JPEG file of quality 90, 4:2:0, first"]
    assert (report["num_images"], report["are_small"], report["notes"]) == (2, False, notes)
    assert {row["kind"] for row in report["rows"]} == {"files", "likelihood"}
    for row in report["rows"]:
        assert len(row["bits_by_image"]) == 2
        assert row["bits_per_subpixel"] == pytest.approx(sum(row["bits_by_image"]) / 2)
    assert not chart or "JPEG XL, -e 1" in chart[1].read_text()
    lines = run(tmp_path / "0.png", "--markdown", *options).stdout.splitlines()
    assert lines[0] == f"- {tmp_path / '0.png'}; 1 image, 4,620 pixels"
    assert lines[5] == "| codec | bits/sub-pixel | encode kpixel/s | decode kpixel/s |"
    assert lines[6] == "| --- | ---: | ---: | ---: |"
    assert lines[-1].endswith(" | - | - |")


def write_jpegs(folder: Path) -> list[int]:
    """Write three JPEG files, of which the last cannot be kept; return their sizes."""
    image = Image.fromarray(smooth_image(70, 66))
    image.save(folder / "a.jpg", quality=80)
    image.convert("L").save(folder / "b.JPEG", quality=90, progressive=True)
    image.convert("CMYK").save(folder / "c.jpg", quality=90)
    return [(folder / name).stat().st_size for name in ("a.jpg", "b.JPEG", "c.jpg")]


def test_jpeg_files_are_kept_as_they_are(tmp_path: Path) -> None:
    sizes = write_jpegs(tmp_path)
    report = json.loads(run(tmp_path, "--json", "-q").stdout)
    as_they_are, peer, own = report["rows"]
    assert (report["num_images"], report["num_pixels"], report["are_jpegs"]) == (3, 70 * 66 * 3, True)
    assert [as_they_are["codec"], own["codec"]] == ["JPEG, as it is", "pixelzip photo, 1 left as they are"]
    assert peer["codec"].startswith("JPEG XL of the file")
    assert as_they_are["num_bytes"] == sum(sizes)
    assert as_they_are["encode_kpixels_per_second"] is None
    bits = [8 * size / (70 * 66 * count) for size, count in zip(sizes, (3, 1, 4), strict=True)]
    assert as_they_are["bits_by_image"] == bits
    first, second, third = own["bits_by_image"]
    assert first == 8 * len(pixelzip.compress((tmp_path / "a.jpg").read_bytes())) / (70 * 66 * 3)
    assert second < bits[1]
    assert third == bits[2]


def test_jpeg_files_as_a_table(tmp_path: Path) -> None:
    write_jpegs(tmp_path)
    lines = run(tmp_path / "a.jpg", "--markdown", "--limit", "1").stdout.splitlines()
    assert lines[0] == f"- {tmp_path / 'a.jpg'}; 1 image, 4,620 pixels"
    assert lines[3] == "- bits/sub-pixel of files count every byte; every file was restored and compared"
    assert lines[5] == "| codec | bits/sub-pixel | of the bytes | encode kpixel/s | decode kpixel/s |"
    assert lines[7].split(" | ")[2:] == ["100.0%", "-", "- |"]
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path / 'a.jpg'}: cannot identify image file")
    Image.fromarray(smooth_image(70, 66)).save(tmp_path / "a.png")
    assert "1 image, 4,620 pixels" in run(tmp_path, "--effort", "1").stdout, "only the PNG"


def test_a_changed_file_ends_the_benchmark(tmp_path: Path) -> None:
    write_jpegs(tmp_path)
    files = imageset.read_jpegs(tmp_path, None)
    assert files is not None
    codec = Codec("lossy", "none 1", lambda files: [b""] * len(files), lambda files: [b"other"] * len(files))
    with pytest.raises(bench.NotLossless, match=r"^lossy: a decoded image differs from the original$"):
        bench.measure(codec, files, no_progress)


@pytest.mark.parametrize("option", [("--profile",), ("--jpeg", "90"), ("--held-out", "1")], ids=str)
def test_some_options_are_not_for_jpeg_files(tmp_path: Path, option: tuple[str, ...]) -> None:
    write_jpegs(tmp_path)
    result = run(tmp_path, *option)
    assert result.exit_code == 2
    assert "not for JPEG files" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere",),
        (".", "--data", "."),
        ("cifar10", "--data", "nowhere"),
        ("kodak", "--jpeg", "90"),
        ("cifar10", "--held-out", "2"),
        ("kodak", "--json", "--markdown"),
        ("kodak", "--limit", "0"),
    ],
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(("name", "last"), [("cifar10", "cifar-10-python.tar.gz"), ("kodak", "kodim01.png")])
def test_without_network_one_line_says_what_to_do(
    name: str, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*arguments: object, **options: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(downloads.urllib.request, "urlopen", offline)
    monkeypatch.setattr(downloads.pooch, "os_cache", lambda project: tmp_path / project)
    result = run(name)
    assert result.exit_code == 1
    assert result.stdout == ""
    line = (
        f"/{last} cannot be downloaded (<urlopen error no network>): name a folder that has {name} with --data PATH\n"
    )
    assert result.stderr.startswith("Error: https://")
    assert result.stderr.endswith(line)


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("imagecodecs", "bench", ("kodak",)),
        ("pooch", "bench", ("kodak",)),
        ("matplotlib", "plot", (".", "--plot", "a")),
    ],
)
def test_missing_extras_are_named(
    module: str, extra: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else object())
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr == f"Error: this needs {module}: pip install pixelzip[{extra}]\n"


def test_what_is_wrong_with_images_is_one_line(tmp_path: Path) -> None:
    assert run(tmp_path).stderr.startswith("Error: no images (.bmp, .png")
    (tmp_path / "a.png").write_bytes(b"nothing")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path / 'a.png'}: cannot identify image file")
    assert result.stderr.count("\n") == 1
    Image.fromarray(smooth_image(8, 8)).save(tmp_path / "a.png")
    assert run(tmp_path, "--model", "nope").stderr.startswith("Error: there is no model 'nope' (known: cifar10, photo")


def test_kodak_is_known_by_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = smooth_image(6, 7), smooth_image(7, 6)
    digests = {f"{i}.png": hashlib.sha256(image.tobytes()).hexdigest() for i, image in enumerate((one, other))}
    monkeypatch.setattr(kodak, "SHA256_OF_PIXELS", digests)
    fetched = []

    def fetch(url: str, sha256: str | None) -> Path:
        fetched.append((url, sha256))
        return tmp_path / url.rsplit("/", 1)[-1]

    Image.fromarray(one).save(tmp_path / "0.png")
    assert [image.shape for image in imageset.read_named("kodak", tmp_path, 1, fetch).images] == [(6, 7, 3)]
    with pytest.raises(FileNotFoundError, match=r"1\.png: this photograph of the Kodak set is missing$"):
        imageset.read_named("kodak", tmp_path, None, fetch)
    Image.fromarray(other ^ 1).save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"1\.png: the pixels are not those of the Kodak set$"):
        imageset.read_named("kodak", tmp_path, None, fetch)
    assert fetched == []
    with pytest.raises(ValueError, match=r"1\.png: the pixels are not those of the Kodak set$"):
        imageset.read_named("kodak", None, None, fetch)
    assert fetched == [(f"https://r0k.us/graphics/kodak/kodak/{i}.png", None) for i in range(2)]
    assert not (tmp_path / "1.png").exists()


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "kodak").exists(), reason="no Kodak set beside the project")
def test_the_kodak_set_at_hand() -> None:
    assert len(imageset.read_named("kodak", DATA / "kodak", None, lambda url, sha256: Path()).images) == 24


CONTENT = np.random.default_rng(0).bytes(300_000)


class Server(ThreadingHTTPServer):
    """Serves CONTENT, ranges of it if it is told to, and breaks off after ``num_bytes`` if it is told to."""

    num_bytes: int | None = None
    knows_ranges = True
    ranges: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.ranges.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.knows_ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.num_bytes])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.ranges = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/folder/set.tar.gz"


SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_download_goes_on_where_it_broke_off(server: Server, knows_ranges: bool, tmp_path: Path) -> None:
    server.num_bytes, server.knows_ranges = 100_000, knows_ranges
    calls: list[tuple[str, int, int]] = []
    with pytest.raises(OSError, match="broke off"):
        downloads.fetch(address(server), SHA256, lambda *call: calls.append(call), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["set.tar.gz.part"]
    assert (tmp_path / "set.tar.gz.part").read_bytes() == CONTENT[:100_000]
    server.num_bytes = None
    path = downloads.fetch(address(server), SHA256, lambda *call: calls.append(call), tmp_path)
    assert path == tmp_path / "set.tar.gz"
    assert path.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["set.tar.gz"]
    assert server.ranges == [None, "bytes=100000-"]
    assert calls[-1] == ("set.tar.gz", 300_000, 300_000)
    assert {num_all for _, _, num_all in calls} == {300_000}
    assert downloads.fetch(address(server), SHA256, no_progress, tmp_path) == path
    assert len(server.ranges) == 2


def test_a_part_that_is_too_long_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz.part").write_bytes(CONTENT + b"more")
    assert downloads.fetch(address(server), SHA256, no_progress, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=300004-", None]


def test_a_wrong_checksum_is_reported_and_nothing_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"SHA256 hash of downloaded file \(set\.tar\.gz\) does not match"):
        downloads.fetch(address(server), "0" * 64, no_progress, tmp_path)
    assert list(tmp_path.iterdir()) == []
