"""How a configuration file names a secret: ``KEY_env`` or ``KEY_file``, never the secret itself."""

import os
from pathlib import Path

from edgescale.errors import ConfigError
from edgescale.family.fields import Fields
from edgescale.stream.config.secret import Secret

_LONGEST = 4096


def read_secret(fields: Fields, key: str, home: Path, *, usual_env: str = "") -> str | None:
    """Reads the secret that ``KEY_env`` or ``KEY_file`` names; None where neither is there.

    Args:
        fields: the table.
        key: what the secret is, e.g. ``password``.
        home: folder of the configuration file.
        usual_env: variable to take where the table names none; it need not be set.

    Raises:
        ConfigError: both are named, the secret itself stands there, or it is not where it should
            be.
    """
    if fields.has(key):
        fields.take(key)
        raise ConfigError(
            f"{fields.where}.{key}: secrets do not belong in this file; put it into a file or an"
            f" environment variable and give {key}_file or {key}_env"
        )
    env = fields.text(f"{key}_env", None, longest=200)
    written = fields.text(f"{key}_file", None, longest=_LONGEST)
    if env is not None and written is not None:
        raise ConfigError(f"{fields.where}: give {key}_env or {key}_file, not both")
    where = f"{fields.where}.{key}"
    if written is not None:
        return Secret(file=home / written).read(where, error=ConfigError)
    if env is not None:
        return Secret(env=env).read(where, error=ConfigError)
    return secret_of(usual_env, where) if usual_env else None


def secret_of(env: str, where: str) -> str | None:
    """Returns the secret of an environment variable that need not be set.

    Raises:
        ConfigError: it is set to something that is no secret of one line.
    """
    return Secret(env=env).read(where, error=ConfigError) if os.environ.get(env) else None


def text_or_secret(fields: Fields, key: str, home: Path) -> str:
    """Reads a text that may be a secret: ``KEY``, ``KEY_env`` or ``KEY_file``.

    Raises:
        ConfigError: none or several of them, or a secret that is not where it should be.
    """
    if not fields.has(key):
        found = read_secret(fields, key, home)
        if found is not None:
            return found
    for other in (f"{key}_env", f"{key}_file"):
        if fields.has(other):
            raise ConfigError(f"{fields.where}: give {key} or {other}, not both")
    plain: str = fields.text(key, longest=_LONGEST)  # where it is missing this names what is near
    return plain
