"""Which database desk.toml names, opened."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from roeh.core.config import DeskConfig
from roeh.core.errors import ConfigError, DeskFailed
from roeh.desk.store.database import DeskStore
from roeh.desk.store.sqlite import SqliteStore

#: In paths.data_dir, where database.url names none.
DATABASE_FILE = "desk.db"
_SQLITE_PREFIX = "sqlite:///"
_POSTGRESQL_SCHEMES = ("postgresql", "postgres")


def open_desk_store(config: DeskConfig, *, may_make: bool = True) -> DeskStore:
    """The desk's database, made if there is none; of SQLite only where it `may_make` a file.

    Raises:
        ConfigError: database.url names none that is known here.
        DeskFailed: it cannot be opened, is not there, or is not a desk's.
        RuntimeMissing: PostgreSQL is named and psycopg is not installed.
    """
    url = config.database.url
    if not url:
        return _sqlite(Path(config.paths.data_dir) / DATABASE_FILE, may_make=may_make)
    if url.startswith(_SQLITE_PREFIX):
        path = Path("/" + url.removeprefix(_SQLITE_PREFIX).lstrip("/"))
        return _sqlite(path, may_make=may_make)
    if urlsplit(url).scheme in _POSTGRESQL_SCHEMES:
        # Imported only where it is wanted: psycopg is an extra.
        from roeh.desk.store.postgresql import open_postgresql  # noqa: PLC0415

        return open_postgresql(config.database)
    raise ConfigError(
        what="not a database that the desk knows",
        which=f"database.url, of scheme {urlsplit(url).scheme!r}",
        remedy="write sqlite:///FILE or postgresql://USER@HOST/DATABASE, or leave it empty",
    )


def _sqlite(path: Path, *, may_make: bool) -> SqliteStore:
    if not may_make and not path.exists():
        raise DeskFailed(
            what="there is no desk's database",
            which=str(path.absolute()),
            remedy="check paths.data_dir, or start the desk first: roeh desk run",
        )
    return SqliteStore(path)
