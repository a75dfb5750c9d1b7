"""Whether what stands for a package has the face of the real one, name by name."""

import importlib
import inspect


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
    real_ones = [_face(one) for one in inspect.signature(theirs).parameters.values()]
    our_ones = [_face(one) for one in inspect.signature(ours).parameters.values()]
    if real_ones == our_ones:
        return []
    shown = ", ".join(one for one, *_ in our_ones)
    for number, (real_one, our_one) in enumerate(zip(real_ones, our_ones, strict=False)):
        if real_one != our_one:
            return [f"parameter {number + 1} is {real_one} and {our_one} in the stand-in"]
    return [f"{len(real_ones)} parameters, and {len(our_ones)} in the stand-in: {shown}"]


def _face(parameter):
    return parameter.name, parameter.kind.description, parameter.default
