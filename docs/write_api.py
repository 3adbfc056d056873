"""Write the reference of public functions and classes from their docstrings: python docs/write_api.py docs/api.md"""

import importlib
import inspect
import re
import sys
from pathlib import Path

MODULES = ("pixelzip", "pixelzip.pack", "pixelzip.zarr", "pixelzip.heatmap", "pixelzip.errors")


def reference() -> str:
    """Return the Markdown of all modules, each with what it defines or lists in ``__all__``."""
    head = "# API\n\nWritten by `python docs/write_api.py docs/api.md`. `make docs` makes pages of it, with sources."
    return "\n\n".join([head, *map(_module, MODULES)]) + "\n"


def _module(name: str) -> str:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [key for key, value in vars(module).items() if _is_own(key, value, name)])
    entries = [_entry(key, getattr(module, key)) for key in names if not key.startswith("_")]
    return "\n\n".join([f"## `{name}`", inspect.getdoc(module) or "", *entries])


def _is_own(key: str, value: object, module: str) -> bool:
    return not key.startswith("_") and getattr(value, "__module__", None) == module and callable(value)


def _entry(name: str, item: object) -> str:
    parts = [f"### `{name}{_signature(item)}`", _text(item)]
    if inspect.isclass(item):
        for key, member in vars(item).items():
            public = not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
            if public and inspect.getdoc(member):
                parts.append(f"#### `{name}.{key}{_signature(member)}`\n\n{_text(member)}")
    return "\n\n".join(parts)


def _signature(item: object) -> str:
    if not callable(item) or (inspect.isclass(item) and issubclass(item, Exception)):
        return ""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(item)))


def _text(item: object) -> str:
    """Return the docstring, with its sections as lists."""
    text = inspect.getdoc(item) or ""
    text = re.sub(r"^(Args|Raises):$", r"\1:\n", text, flags=re.MULTILINE)
    return re.sub(r"^    (?! )", "- ", text, flags=re.MULTILINE)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
