"""`torch.__future__`: how `Module.to` and its kin replace parameters. Here they always write the
new values into the parameter object; the settings are kept."""

from __future__ import annotations

SETTINGS = {"overwrite": False, "swap": False}


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    SETTINGS["overwrite"] = value


def get_overwrite_module_params_on_conversion() -> bool:
    return SETTINGS["overwrite"]


def set_swap_module_params_on_conversion(value: bool) -> None:
    SETTINGS["swap"] = value


def get_swap_module_params_on_conversion() -> bool:
    return SETTINGS["swap"]
