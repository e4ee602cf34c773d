"""`des config`: the settings as the service would take them."""

from des.cli.options import ConfigFile, JsonFlag
from des.cli.output import Output, encoded


def show(as_json: JsonFlag = False, config: ConfigFile = None) -> None:
    """Show every setting with its value; secrets and passwords are asterisks."""
    from des.config import load_settings

    output = Output(as_json)
    settings = load_settings(config).redacted()
    output.document(settings)
    output.say(encoded(settings, pretty=True))


def check(as_json: JsonFlag = False, config: ConfigFile = None) -> None:
    """Check the settings and put every provider together without starting it: exit code 1 and every wrong place."""
    from des.app.checked import checked_settings

    output = Output(as_json)
    settings = checked_settings(config)
    output.document({"valid": True, "fields": sorted(settings.fields), "providers": sorted(settings.providers)})
    output.say("the settings are valid")
    for name, field in settings.fields.items():
        learned = ", the order of the paid ones learned" if field.order == "learned" else ""
        output.say(f"  {name}: {' → '.join(field.waterfall)}{learned}")
