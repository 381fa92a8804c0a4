// What is left of each plan's allowances, at what pace it is used, and where that leads.

import { useEffect, useState } from "preact/hooks";
import { address } from "../lib/api.js";
import { capital, date, lastDay, octets, octetsParts, percent, rate } from "../lib/format.js";
import { html } from "../lib/html.js";
import { href } from "../lib/route.js";
import { useAnswer } from "../stores/answer.js";
import { settings } from "../stores/settings.js";
import { Bars } from "./bars.js";
import { Card, Figure, Ring, Shares, Sign } from "./parts.js";

const EVERY_MS = 60000;
const SHORT = { day: "numeric", month: "short" };

// `about` is the account in use: a person who sees only their own devices has no limits of others.
export function Plans({ today, about, household }) {
  const { data, again } = useAnswer(address("plans"), EVERY_MS);
  // What was topped up or taken back is in the figures at once.
  useEffect(() => (household.toast ? again() : undefined), [household.toast]);
  const plans = data?.plans ?? [];
  const slowed = useAnswer(plans.length && about.role !== "person" ? address("throttle") : null, EVERY_MS);
  return plans.map(
    (plan) =>
      html`<${Plan} key=${plan.id} plan=${plan} today=${today} slowed=${(slowed.data?.slowed ?? []).filter((each) => each.plan === plan.name)} fault=${slowed.data?.fault} household=${household} again=${slowed.again} />`,
  );
}

function Plan({ plan, today, slowed, fault, household, again }) {
  const persons = plan.persons.filter((each) => each.octets > 0 || each.person).sort((a, b) => b.used - a.used);
  return html`<${Card} title=${`Plan: ${plan.name}`} name=${`plan-${plan.id}`} tone="full plan">
    <p class="note when">${date(plan.start, SHORT)} \u2013 ${lastDay(plan.end, SHORT)}, ${plan.days_left === 1 ? "the last day" : `${plan.days_left} days left`}${plan.tariff ? `; current tariff: ${plan.tariff}` : ""}</p>
    <div class=${plan.allowances.length > 1 ? "sides two" : "sides"}>
      ${plan.allowances.map((each) => html`<${Pot} key=${each.name} pot=${each} plan=${plan} />`)}
      <${Days} plan=${plan} today=${today} />
      ${
        persons.length > 1 &&
        html`<div><h3>Used by</h3><${Shares} label="People by data used of the plan" whole=${plan.used}
        rows=${persons.map((each) => ({ key: each.person ?? "nobody", name: `${each.person ?? "No owner"}${each.left === null || each.left === undefined ? "" : each.left < 0 ? `, ${octets(-each.left)} over` : `, ${octets(each.left)} left`}`, nobody: !each.person, octets: each.used, link: each.person && href(["person", each.person], { span: "cycle" }) }))} /></div>`
      }
    </div>
    ${slowed.map((each) => html`<${Slowed} key=${each.name} slowed=${each} household=${household} again=${again} />`)}
    ${household.editable && !plan.own && html`<${Change} plan=${plan} change=${household.change} />`}
    ${fault && html`<p class="note">${capital(fault)}</p>`}
    ${(plan.notices ?? []).map((each) => html`<p class="note" key=${each}>${each}</p>`)}
  <//>`;
}

// Who has nothing left and is slowed or cut off, until when, and the way to lift it.
function Slowed({ slowed, household, again }) {
  const { name, rate_bps, until, lifted, in_force, reason } = slowed;
  const turn = async () => {
    await household.change("POST", "api/v1/throttle", { name, lifted: !lifted });
    again();
  };
  const limit = rate_bps === null ? "cut off" : `slowed to ${rate(rate_bps)}`;
  return html`<p class="notice slowed"><${Sign} /><span><bdi>${name}</bdi> ${lifted ? `is not limited: the limit is lifted (otherwise ${limit})` : in_force ? `is ${limit}` : `should be ${limit} but is not (${reason})`} until ${lastDay(until, SHORT)}. ${household.editable && html`<button type="button" class="plain" onClick=${turn}>${lifted ? "Limit again" : "Lift the limit"}</button>`}</span></p>`;
}

// More for this period, and classing anew after the configuration gave the plan other tariffs.
function Change({ plan, change }) {
  const pots = plan.allowances.filter((each) => each.available !== null);
  const [amount, setAmount] = useState("");
  const [pot, setPot] = useState("");
  const [from, setFrom] = useState("");
  const [sure, setSure] = useState(false);
  const unit = settings.octets;
  const more = Math.round(Number(amount) * (unit === "GiB" ? 2 ** 30 : 1e9));
  const topUp = async (event) => {
    event.preventDefault();
    const allowance = pot || pots[0].name;
    if (
      await change(
        "POST",
        `api/v1/plans/${plan.id}/topups`,
        { octets: more, allowance },
        `${plan.name}: ${octets(Math.abs(more))} ${more < 0 ? "less" : "more"} in this period`,
      )
    )
      setAmount("");
  };
  const reprice = async () => {
    setSure(false);
    await change(
      "POST",
      `api/v1/plans/${plan.id}/reprice`,
      from ? { from } : {},
      `${plan.name}: past usage recalculated`,
    );
  };
  return html`<div class="controls change">
    ${
      pots.length > 0 &&
      html`<form class="controls" onSubmit=${topUp}>
      <label class="pick">Top up by <input class="field" type="number" step="any" inputmode="decimal" required value=${amount} onInput=${(event) => setAmount(event.target.value)} /> ${unit}</label>
      ${pots.length > 1 && html`<label class="pick">of <select value=${pot || pots[0].name} onChange=${(event) => setPot(event.target.value)}>${pots.map((each) => html`<option key=${each.name} value=${each.name}>${each.name}</option>`)}</select></label>`}
      <button type="submit" class="tool" disabled=${!more}>Top up</button></form>`
    }
    <label class="pick">Recalculate past usage from <input type="date" value=${from} onChange=${(event) => setFrom(event.target.value)} /></label>
    ${sure ? html`<button type="button" class="tool danger" onClick=${reprice}>Recalculate ${from ? `usage since ${date(from, SHORT)}` : "all past usage"} with the current plan</button><button type="button" class="tool" onClick=${() => setSure(false)}>Cancel</button>` : html`<button type="button" class="tool" title="Use this after changing the tariffs. It cannot be undone, but it can be repeated." onClick=${() => setSure(true)}>Recalculate\u2026</button>`}
  </div>`;
}

// One allowance: what is left, what may be used today, and what is to be expected.
function Pot({ pot, plan }) {
  const ends = pot.available !== null;
  const part = ends ? Math.max(0, pot.left) / Math.max(1, pot.available) : 1;
  const grade = !ends ? "good" : pot.left <= 0 ? "poor" : pot.used > pot.even ? "fair" : "good";
  const [figure, unit] = ends ? octetsParts(Math.abs(pot.left)) : octetsParts(pot.used);
  const extra = [
    pot.carried > 0 && `${octets(pot.carried)} carried over`,
    pot.topped_up > 0 && `${octets(pot.topped_up)} topped up`,
  ].filter(Boolean);
  return html`<article class=${`pot ${grade}`}>
    <div class="gauge"><${Ring} ratio=${part || 1} />
      <p><span class="what">${plan.allowances.length > 1 ? `${pot.name}: ` : ""}${!ends ? "used, no limit" : pot.left < 0 ? "over the allowance by" : "left"}</span><br />
      <span class="total"><${Figure} parts=${[figure, unit]} /></span>${ends && html` <span class="unit">of ${octets(pot.available)}${pot.left >= 0 ? `, ${percent(part, 0)}` : ""}</span>`}</p></div>
    <dl class="split">
      <div><dt>Used</dt><dd>${octets(pot.used)}</dd></div>
      ${ends && html`<div><dt>Pace</dt><dd>${pace(pot)}</dd></div>`}
      ${pot.today?.may !== null && pot.today && html`<div><dt>Today</dt><dd>${todayShare(pot.today)}</dd></div>`}
      ${pot.forecast && html`<div><dt>By ${lastDay(plan.end, SHORT)}</dt><dd>about ${octets(pot.forecast.octets)} <span class="count">(${octets(pot.forecast.low)} to ${octets(pot.forecast.high)})</span></dd></div>`}
      ${pot.forecast?.runs_out && html`<div class="alarm"><dt>Runs out</dt><dd>${date(pot.forecast.runs_out, SHORT)}${range(pot.forecast)}</dd></div>`}
    </dl>
    ${extra.length > 0 && html`<p class="note">${extra.join(", ")}</p>`}
  </article>`;
}

function pace(pot) {
  const more = pot.used - pot.even;
  if (Math.abs(more) < pot.available / 200) return "even";
  return `${octets(Math.abs(more))} ${more > 0 ? "more" : "less"} than an even pace`;
}

function range({ earliest, latest }) {
  if (!earliest || earliest === latest) return "";
  return latest
    ? ` (${date(earliest, SHORT)} to ${date(latest, SHORT)})`
    : ` (${date(earliest, SHORT)}, or not at all)`;
}

// What was used up to each day, beside the allowance.
function Days({ plan }) {
  let sum = 0;
  const values = plan.days.map((each) => (sum += each.used));
  const places = plan.days.map((each) => ({
    label: date(each.start, SHORT),
    whole: date(each.start, { weekday: "short", ...SHORT }),
  }));
  return html`<div><h3>Total used by day</h3><${Bars} title=${`Total used of ${plan.name} by day`} series=${[{ name: "Used so far", tone: "c0", values }]} places=${places} format=${octets} line=${plan.available ?? 0} />
    ${plan.available !== null && html`<p class="key"><span><i class="dash"></i>allowance: ${octets(plan.available)}</span></p>`}</div>`;
}

// What was used today beside today's share of what is left; the share is below 0 where more than all was used.
function todayShare({ used, may }) {
  const allowed = Math.max(0, may);
  return used > allowed
    ? `${octets(used - allowed)} over today\u2019s share of ${octets(allowed)}`
    : `${octets(used)} of today\u2019s share of ${octets(allowed)}`;
}
