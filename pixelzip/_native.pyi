from typing import Any

from numpy.typing import NDArray

def instruction_sets() -> list[str]: ...
def network(layers: list[tuple[Any, ...]], *arguments: Any) -> object: ...
def intervals(
    network: object,
    pixels: NDArray[Any],
    shape: tuple[int, ...],
    origin: tuple[int, int],
    both: NDArray[Any],
) -> None: ...
def decode(
    network: object,
    pixels: NDArray[Any],
    shape: tuple[int, ...],
    origin: tuple[int, int],
    words: list[bytes],
    is_short: bool,
) -> list[tuple[bool, int, int]]: ...
def push(state: int, left: NDArray[Any], counts: NDArray[Any]) -> tuple[bytes, int]: ...
def short_streams(items: list[tuple[NDArray[Any], NDArray[Any], bytes, int]]) -> list[bytes]: ...
def token_weights(
    layers: list[tuple[Any, ...]],
    exponential: NDArray[Any],
    features: NDArray[Any],
    num_tokens: int,
    weights: NDArray[Any],
) -> None: ...
def times() -> tuple[int, int, int]: ...
