"""Plans for the terminal: what is left, in sentences, as CSV and as JSON; and the commands that change them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import closing

from whitestat.app.commands.named import named
from whitestat.app.commands.usage import now_of, plan_documents, queries_of
from whitestat.app.control_client import json_answer_to
from whitestat.config.sections import Config
from whitestat.core.errors import QueryError
from whitestat.core.model import Json
from whitestat.core.units import octets_of, octets_text
from whitestat.query import tables

FIELDS = ("plan", "start", "end", "allowance", "person", "available", "used", "left")
MORE = ("even", "today_used", "today_may", "forecast", "forecast_low", "forecast_high", "runs_out")


def listing(config: Config, form: str) -> str:
    """Return every plan as `text`, `csv` or `json`: from the running service, else from the ledger."""
    answer = json_answer_to(config.store.path, "/api/v1/plans")
    if answer is None:
        with closing(queries_of(config)) as queries:
            plans = plan_documents(queries, now_of(config))
    else:
        plans = answer["plans"]
    if form == "json":
        return json.dumps({"plans": plans}, ensure_ascii=False, indent=1) + "\n"
    if form == "csv":
        return tables.csv_of((*FIELDS, *MORE), [row for plan in plans for row in _rows(plan)])
    if not plans:
        return "There are no plans. A [[plan]] in the configuration makes one: docs/how-to/plans.md\n"
    return "\n".join("".join(f"{line}\n" for line in (*sentences(plan), *_people(plan))) for plan in plans)


def summary(plans: Sequence[Json]) -> str:
    """What `whitestat today` says of plans below its table."""
    return "".join("\n" + "".join(f"{line}\n" for line in sentences(plan)) for plan in plans)


def sentences(plan: Json) -> Iterator[str]:
    """What is left of a plan, how it was used and how it will go on."""
    last = plan["end"][:10] if plan["end"][11:16] == "00:00" else plan["end"][:16].replace("T", " ")
    days = "1 day" if plan["days_left"] == 1 else f"{plan['days_left']} days"
    whose = "".join(f", {word} {name}" for word, name in plan["of"].items() if name is not None)
    yield f"{plan['name']}{tables.printable(whose)}: until {last}, {days} with today"
    several = len(plan["allowances"]) > 1
    for pot in plan["allowances"]:
        yield f"  {pot['name'] + ': ' if several else ''}{_used(pot)}"
        if pot["available"] is not None:
            yield f"  {'  ' if several else ''}{_today(pot['today'])}; {_pace(pot)}"
        if pot["forecast"]:
            yield f"  {'  ' if several else ''}{_ahead(pot)}"
    for notice in plan["notices"]:
        yield f"  {notice}"


def _used(pot: Json) -> str:
    used = octets_text(pot["used"])
    if pot["available"] is None:
        return f"{used} used"
    more = "".join(
        f", {octets_text(abs(pot[name]))} {words[pot[name] < 0]}"
        for name, words in (("carried", ("carried over", "")), ("topped_up", ("topped up", "taken off")))
        if pot[name]
    )
    left = pot["left"]
    rest = f"{octets_text(left)} left" if left >= 0 else f"{octets_text(-left)} over"
    return f"{used} of {octets_text(pot['available'])} used, {rest}{f' ({more[2:]})' if more else ''}"


def _today(today: Json) -> str:
    return f"today {octets_text(today['used'])} of the {octets_text(today['may'])} that a day may have now"


def _pace(pot: Json) -> str:
    ahead = pot["used"] - pot["even"]
    if not ahead:
        return "at an even pace"
    return f"{octets_text(abs(ahead))} {'more' if ahead > 0 else 'less'} than at an even pace"


def _ahead(pot: Json) -> str:
    cast = pot["forecast"]
    if cast["runs_out"] and (pot["left"] or 0) > 0:
        latest = (
            f"between {cast['earliest']} and {cast['latest']}"
            if cast["latest"]
            else f"{cast['earliest']} at the earliest"
        )
        return f"it will likely be used up on {cast['runs_out']} ({latest})"
    most = f"{octets_text(cast['low'])} to {octets_text(cast['high'])}"
    risk = f", perhaps used up from {cast['earliest']} on" if cast["earliest"] and not cast["runs_out"] else ""
    return f"at the end it will likely be {octets_text(cast['octets'])} ({most}){risk}"


def _people(plan: Json) -> Iterator[str]:
    """Usage of each person, and what is left of shares."""
    for part in plan["persons"]:
        name = "no owner" if part["person"] is None else tables.printable(part["person"])
        share = ""
        if part["available"] is not None:
            left = part["left"]
            rest = f"{octets_text(left)} left" if left >= 0 else f"{octets_text(-left)} over"
            share = f" of {octets_text(part['available'])}, {rest}"
        yield f"    {name}: {octets_text(part['used'])}{share}"


def _rows(plan: Json) -> Iterator[Json]:
    """One row for each allowance, and one for each person's part of it."""
    head = {"plan": plan["name"], "start": plan["start"], "end": plan["end"]}
    empty = dict.fromkeys((*FIELDS, *MORE))
    for pot in plan["allowances"]:
        cast = pot["forecast"] or {}
        yield (
            empty
            | head
            | {
                "allowance": pot["name"],
                **{name: pot[name] for name in ("available", "used", "left", "even")},
                "today_used": pot["today"]["used"],
                "today_may": pot["today"]["may"],
                "forecast": cast.get("octets"),
                "forecast_low": cast.get("low"),
                "forecast_high": cast.get("high"),
                "runs_out": cast.get("runs_out"),
            }
        )
        for share in plan["persons"]:
            for part in share["allowances"]:
                if part["name"] == pot["name"]:
                    figures = {name: part[name] for name in ("available", "used", "left")}
                    yield empty | head | {"allowance": pot["name"], "person": share["person"] or "nobody", **figures}


def change(config: Config, options: argparse.Namespace) -> str:
    """`whitestat plan topup` and `reprice`; QueryError names the word at fault."""
    from whitestat.app.commands.client import asked  # all of the service, which listings do without

    octets = _amount(options.amount) if options.what == "topup" else 0
    with asked(config) as ask:
        plan = _plan(ask("GET", "/api/v1/plans", None)["plans"], options.plan)
        path = f"/api/v1/plans/{plan['id']}"
        if options.what == "topup":
            body = {"octets": octets} | ({"allowance": options.allowance} if options.allowance else {})
            answer = ask("POST", f"{path}/topups", body)
            done = "topped up" if octets > 0 else "taken off"
            return f"Done: {octets_text(abs(octets))} {done}. To take it back: whitestat undo {answer['edit']}\n"
        answer = ask("POST", f"{path}/reprice", {"from": options.since} if options.since else {})
        return f"Done: what was used since {answer['since'][:16].replace('T', ' ')} counts as the plan is now.\n"


def _amount(text: str) -> int:
    """`5GB`, or `-5GB` to take it off."""
    try:
        return -octets_of(text[1:]) if text.startswith("-") else octets_of(text.removeprefix("+"))
    except ValueError as error:
        raise QueryError("amount", str(error)) from None


def _plan(plans: Sequence[Json], name: str) -> Json:
    if not plans:
        raise QueryError("plan", "there are no plans; a [[plan]] in the configuration makes one")
    return named("plan", name, plans, "plans")
