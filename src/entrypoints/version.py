"""Which Tollgram this is: as installed, or as its sources say where they alone were copied, as into the image."""

import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

_PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"


def version() -> str:
    try:
        return metadata.version("tollgram")
    except metadata.PackageNotFoundError:
        told: str = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
        return told
