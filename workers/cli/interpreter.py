"""What the interpreter is worth: whether whoever built it had it optimised, which is a matter of how it was configured.

Built as it comes (pyenv's default), Python takes up to a fifth more processor for the same work: what CPython's own installers,
images and nearly every distribution turn on is left off (https://docs.python.org/3/using/configure.html#performance-options).
Called by ``caseworker doctor`` and by the comparison of engines, whose figures it explains.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from typing import Final

_OPTIMISED: Final = "--enable-optimizations"
#: where distributions put theirs; Debian's tells of how another one of its builds was configured
_DISTRIBUTION: Final = "/usr"


def plain() -> bool:
    """Whether it was built without optimisations. False where it does not tell."""
    configured = sysconfig.get_config_var("CONFIG_ARGS")
    if not isinstance(configured, str) or sys.base_prefix == _DISTRIBUTION:
        return False
    return _OPTIMISED not in configured


def named() -> str:
    """Its kind and version."""
    return f"{platform.python_implementation()} {platform.python_version()}"
