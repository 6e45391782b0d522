"""Hooks as settings: callables, or the place of one in the environment and the settings file."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from spantap.settings_errors import NotAllowedError

Hook = Callable[[Any], Any]

HOOK: Final = "a callable with one parameter; in the environment and the file module:function"
_FORM: Final = "use module:function, as in shop.hooks:user"


def parse_hook(value: Any) -> Hook | str:
    """A callable, or a text that names one; it is not imported yet.

    Raises:
        NotAllowedError: it is neither.
    """
    if isinstance(value, str):
        text = value.strip()
        module, colon, name = text.partition(":")
        parts = [*module.split("."), *name.split(".")]
        if not colon or not all(each.isidentifier() for each in parts):
            raise NotAllowedError(_FORM)
        return text
    if not callable(value):
        raise NotAllowedError("is not callable; give a function with one parameter, the exchange")
    hook: Hook = value
    return hook


def import_hook(hook: Hook | str) -> Hook:
    """The callable, checked.

    Raises:
        NotAllowedError: it cannot be imported, or takes something else than one argument.
    """
    found: Any = hook
    if isinstance(hook, str):
        module, _, name = hook.partition(":")
        try:
            with _from_here():
                found = importlib.import_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may do anything, its text quote anything
            raise NotAllowedError(f"{module} cannot be imported ({type(error).__name__})") from None
        for part in name.split("."):
            if not hasattr(found, part):
                raise NotAllowedError(f"{module} has no {name}")
            found = getattr(found, part)
        if not callable(found):
            raise NotAllowedError("is not callable; name a function with one parameter, the exchange")
    try:
        inspect.signature(found).bind(object())
    except TypeError:
        raise NotAllowedError("cannot be called with one argument, the exchange") from None
    except ValueError:
        pass  # built in, without a signature
    checked: Hook = found
    return checked


@contextlib.contextmanager
def _from_here() -> Iterator[None]:
    """With the working directory at the end of the path: servers put it there, but later than we come."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        if here in sys.path:
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(here)]
