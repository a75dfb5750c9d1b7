"""Whether what stands for a package has the face of the real one, name by name."""

import importlib
import inspect

#: Defaults that anybody can write down: these have to be the same.
_PLAIN = (type(None), bool, int, float, str, bytes, tuple, list, dict)


def real(package, dotted):
    """What `package` itself has under a dotted name: through modules, classes, attributes."""
    parts = dotted.split(".")
    found = importlib.import_module(package)
    for position, part in enumerate(parts):
        if not hasattr(found, part):
            importlib.import_module(".".join((package, *parts[: position + 1])))
        found = getattr(found, part)
    return found


def differences(names, real_named, stand_in_named):
    """What is unlike, a sentence each; nothing when the two have one face.

    Args:
        names: dotted names to compare.
        real_named: gives the real thing under a name.
        stand_in_named: gives what stands for it.
    """
    return [told for name in names for told in _difference(name, real_named, stand_in_named)]


def _difference(name, real_named, stand_in_named):
    try:
        ours = stand_in_named(name)
    except (AttributeError, KeyError):
        return [f"{name}: the stand-in has none"]
    try:
        theirs = real_named(name)
    except (AttributeError, ImportError):
        return [f"{name}: the real package has none"]
    if _kind(theirs) != _kind(ours):
        return [f"{name}: {_kind(theirs)} in the real package, {_kind(ours)} in the stand-in"]
    if _kind(theirs) == "value":
        return [] if theirs == ours else [f"{name}: {theirs!r}, and {ours!r} in the stand-in"]
    if _kind(theirs) == "property":
        return []
    return [
        f"{name}{inspect.signature(theirs)}: {told}" for told in _parameters_unlike(theirs, ours)
    ]


def _kind(thing):
    if isinstance(thing, property):
        return "property"
    return "callable" if callable(thing) else "value"


def _parameters_unlike(theirs, ours):
    """Names, order, kinds and defaults; not annotations, which nobody is called by."""
    real_ones = list(inspect.signature(theirs).parameters.values())
    our_ones = list(inspect.signature(ours).parameters.values())
    for number, (real_one, our_one) in enumerate(zip(real_ones, our_ones, strict=False), 1):
        if not _is_alike(real_one, our_one):
            return [f"parameter {number} is `{real_one}`, and `{our_one}` in the stand-in"]
    if len(real_ones) != len(our_ones):
        return [f"{len(real_ones)} parameters, and {len(our_ones)} in the stand-in"]
    return []


def _is_alike(real_one, our_one):
    if (real_one.name, real_one.kind) != (our_one.name, our_one.kind):
        return False
    has_default = our_one.default is not inspect.Parameter.empty
    if isinstance(real_one.default, _PLAIN):
        return has_default and _same(real_one.default, our_one.default)
    # An object of the package's own: what stands for it is another, or None.
    return has_default == (real_one.default is not inspect.Parameter.empty)


def _same(real_default, our_default):
    return type(real_default) is type(our_default) and real_default == our_default
