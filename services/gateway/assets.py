"""The browser code as it was built: which files each page loads, and their bytes."""

from pathlib import Path

import msgspec


class NotBuilt(Exception):
    """The browser code has not been built; `npm run build` in services/gateway/web builds it."""


class Page(msgspec.Struct, frozen=True):
    """What one page loads, as paths below ``/static/``."""

    scripts: list[str]
    styles: list[str]


class _Chunk(msgspec.Struct, frozen=True):
    file: str
    css: list[str] = []
    imports: list[str] = []


class Assets:
    """The build in ``folder``, as Vite's manifest describes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = folder / ".vite" / "manifest.json"

    def page(self, name: str) -> Page:
        """What the page ``name`` loads. Raises ``NotBuilt``."""
        chunks = self._chunks()
        key = next((key for key in chunks if key.startswith(f"src/{name}/main.")), None)
        if key is None:
            raise NotBuilt
        styles = [path for chunk in _with_imports(key, chunks) for path in chunk.css]
        return Page(scripts=[chunks[key].file], styles=list(dict.fromkeys(styles)))

    def loader(self) -> Path:
        """The loader's file. Raises ``NotBuilt``."""
        path = self.folder / "loader.js"
        if not path.is_file():
            raise NotBuilt
        return path

    def _chunks(self) -> dict[str, _Chunk]:
        try:
            return msgspec.json.decode(self._manifest.read_bytes(), type=dict[str, _Chunk])
        except FileNotFoundError as error:
            raise NotBuilt from error


def _with_imports(key: str, chunks: dict[str, _Chunk]) -> list[_Chunk]:
    found: dict[str, _Chunk] = {}
    waiting = [key]
    while waiting:
        key = waiting.pop()
        if key not in found and key in chunks:
            found[key] = chunks[key]
            waiting += chunks[key].imports
    return list(found.values())
