"""The faults: read, replaced, changed."""

import msgspec
from litestar import get, patch, put

from entrypoints.sandbox.control.request import Asked, Impossible, read, require_json, telegram_of
from entrypoints.sandbox.faults import Faults, Weather
from entrypoints.sandbox.people import Json


@get("/faults")
async def show_faults(request: Asked) -> Json:
    return _view(telegram_of(request).weather)


@put("/faults")
async def replace_faults(request: Asked) -> Json:
    """Whatever is left out is switched off. `?bot=` for one bot alone."""
    return _put(request, await read(request, Faults))


@patch("/faults")
async def change_faults(request: Asked) -> Json:
    """Whatever is left out stays as it is."""
    require_json(request)
    telegram = telegram_of(request)
    wanted = request.query_params.get("bot")
    now = telegram.weather.at(telegram.bot(wanted).id) if wanted else telegram.weather.everywhere
    try:
        changes = msgspec.json.decode(await request.body() or b"{}", type=dict[str, object])
        merged = msgspec.convert(msgspec.to_builtins(now) | changes, Faults)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Impossible(400, str(error)) from None
    return _put(request, merged)


def _put(request: Asked, faults: Faults) -> Json:
    telegram = telegram_of(request)
    if wanted := request.query_params.get("bot"):
        telegram.weather.of_bot[telegram.bot(wanted).id] = faults
    else:
        telegram.weather.everywhere = faults
        telegram.weather.of_bot.clear()
    view = _view(telegram.weather)
    telegram.stream.tell("faults", view)
    return view


def _view(weather: Weather) -> Json:
    return {
        "everywhere": msgspec.to_builtins(weather.everywhere),
        "bots": {str(bot_id): msgspec.to_builtins(faults) for bot_id, faults in weather.of_bot.items()},
    }


handlers = [show_faults, replace_faults, change_faults]
