"""Every public function, class and method is annotated."""

import importlib
import inspect
import pkgutil

import pytest

import stn_keras

MODULES = (
    "ops",
    "layers",
    "transforms",
    "models",
    "monitor",
    "callbacks",
    "optimizers",
    "export",
    "registration",
)


def public_functions():
    """(qualified name, function) of what the public modules export, with the methods of classes."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"stn_keras.{name}")
        for exported in getattr(module, "__all__", vars(module)):
            value = getattr(module, exported)
            if not getattr(value, "__module__", "").startswith("stn_keras"):
                continue
            for function in functions_of(value):
                found[f"{function.__module__}.{function.__qualname__}"] = function
    return found


def functions_of(value):
    """The function, or the public functions that a class of the library defines."""
    if inspect.isfunction(value):
        return [value] if not value.__name__.startswith("_") else []
    if not inspect.isclass(value):
        return []
    members = [vars(cls) for cls in value.__mro__ if cls.__module__.startswith("stn_keras")]
    functions = [inspect.unwrap(plain(member)) for part in members for member in part.values()]
    return [f for f in functions if inspect.isfunction(f) and is_public(f)]


def plain(member):
    """The function of a property, a classmethod or a staticmethod."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", getattr(member, "func", member))


def is_public(function):
    name, module = function.__name__, function.__module__
    return module.startswith("stn_keras") and (name == "__init__" or not name.startswith("_"))


PUBLIC = public_functions()


@pytest.mark.parametrize("name", PUBLIC)
def test_it_is_annotated(name):
    function = PUBLIC[name]
    signature = inspect.signature(function)
    names = [p for p in signature.parameters if p not in ("self", "cls")]
    missing = [p for p in names if signature.parameters[p].annotation is inspect.Parameter.empty]
    if function.__name__ != "__init__" and signature.return_annotation is inspect.Signature.empty:
        missing.append("return")
    assert not missing, f"{name}: {', '.join(missing)}"


def test_all_public_modules_are_walked():
    packages = {module.name for module in pkgutil.iter_modules(stn_keras.__path__)}
    inner = {"backend", "core", "_arguments", "_files", "_version"}
    assert {name for name in packages if not name.startswith("_")} - inner == set(MODULES)
