"""One file an operation (or a close family): how its nodes become blocks. Importing this package registers them all."""

from __future__ import annotations

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
