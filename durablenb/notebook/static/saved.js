// A saved page: its history and its log as tables to filter, its replays to step through. All data is in the
// page, packed; text from values only ever becomes text.
"use strict";

const PAGE = 100, WINDOW = 60, TABS = 3, PRINTED = 12, LEFT_OUT = '{"@type": "left out", "@value": null}';

function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...inside.filter((part) => part != null && part !== ""));
  return element;
}

async function unpack(id) {
  const block = document.getElementById(id);
  if (block === null) return null;
  const bytes = Uint8Array.from(atob(block.textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const many = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const short = (text, limit) => (text.length > limit ? text.slice(0, limit - 1) + "…" : text);
const time = (text) => (text.includes(".") ? text : text + ".000").replace("T", " ").slice(0, 23);

// -- values ----------------------------------------------------------------------------------------

function readable(payload) {
  if (payload == null || payload === "null") return "";
  if (payload === LEFT_OUT) return "(left out)";
  try {
    const value = JSON.parse(payload);
    if (typeof value === "string") return value;
    if (value && typeof value.ErrorType === "string") return `${value.ErrorType.split(".").pop()}: ${value.ErrorMessage}`;
    if (value && typeof value["@type"] === "string" && "@payload" in value) return value["@type"];
  } catch { /* it stays as it is */ }
  return payload;
}

function valueCell(text, limit = 100) {
  if (text.length <= limit && !text.includes("\n")) return make("code", {}, text);
  return make("details", {}, make("summary", {}, make("code", {}, short(text.split("\n")[0], limit))), make("pre", {}, text));
}

// -- tables ----------------------------------------------------------------------------------------

/** Shows rows under a header, 100 at a time, those that have all words of the filter. */
function showTable(section, noun, header, rows, cells, text) {
  const body = make("tbody"), count = make("span", { role: "status" });
  const filter = make("input", { type: "search", placeholder: `Filter ${noun}s`, "aria-label": `Filter ${noun}s`, input: () => show(0) });
  const turn = (words, by) => make("button", { type: "button", click: () => show(first + by) }, words);
  const earlier = turn("Earlier", -PAGE), later = turn("Later", PAGE);
  let first = 0;
  function show(from) {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length ? rows.filter((row) => words.every((word) => text(row).includes(word))) : rows;
    first = Math.max(Math.min(from, found.length - 1), 0);
    const shown = found.slice(first, first + PAGE);
    body.replaceChildren(...shown.map((row) => make("tr", {}, ...cells(row).map((cell) => make("td", {}, cell ?? "")))));
    body.closest(".dnb-rows")?.scrollTo(0, 0);
    earlier.hidden = first === 0;
    later.hidden = first + PAGE >= found.length;
    const range = found.length > PAGE ? `${(first + 1).toLocaleString("en")} to ${(first + shown.length).toLocaleString("en")} of ` : "";
    count.textContent = range + many(found.length, noun);
  }
  section.append(
    make("div", { class: "dnb-line dnb-tools" }, filter, earlier, count, later),
    make("div", { class: "dnb-scroll dnb-rows", tabindex: 0, role: "group", "aria-label": `${noun}s` },
      make("table", {}, make("thead", {}, make("tr", {}, ...header.map((name) => make("th", {}, name)))), body)),
  );
  show(0);
}

function showHistory(section, events, own) {
  const names = new Map(), executions = new Map(), seen = new Map();
  for (const event of events) {
    const key = `${event.execution_id} ${event.task_id}`;
    if (event.name && event.task_id != null && !names.has(key)) names.set(key, event.name);
    if (!executions.has(event.execution_id)) {
      seen.set(event.instance_id, (seen.get(event.instance_id) ?? 0) + 1);
      executions.set(event.execution_id, seen.get(event.instance_id));
    }
  }
  const hasOthers = seen.size > 1, hasMore = [...seen.values()].some((count) => count > 1);
  const name = (event) => event.name ?? names.get(`${event.execution_id} ${event.task_id}`) ?? "";
  const header = [...(hasOthers ? ["instance"] : []), ...(hasMore ? ["execution"] : []), "event", "time (UTC)", "what", "about", "task", "value"];
  const cells = (event) => [
    ...(hasOthers ? [short(event.instance_id, 40)] : []),
    ...(hasMore ? [String(executions.get(event.execution_id))] : []),
    event.event_id.toLocaleString("en"), time(event.timestamp), event.event_type, short(name(event), 60),
    event.task_id == null ? "" : `#${event.task_id}`, valueCell(readable(event.payload)),
  ];
  const text = (event) => `${event.instance_id} ${event.event_id} ${event.event_type} ${name(event)} #${event.task_id} ${event.payload ?? ""}`.toLowerCase();
  const mine = events.filter((event) => event.instance_id === own);
  showTable(section, "event", header, [...mine, ...events.filter((event) => event.instance_id !== own)], cells, text);
}

function showLog(section, lines, own) {
  const author = (line) => `${line.instance_id === own ? "" : line.instance_id + " "}${line.name}${line.task_id == null ? "" : " #" + line.task_id}`;
  const said = (line) => (line.level ? `${line.level}: ${line.message}` : line.message);
  const cells = (line) => [time(line.timestamp), author(line), valueCell(said(line), 160)];
  showTable(section, "line", ["time (UTC)", "by", "line"], lines, cells, (line) => `${author(line)} ${said(line)}`.toLowerCase());
}

// -- replays ---------------------------------------------------------------------------------------

/** The steps of one execution, made of its frames as `analysis/replays/steps.py` makes them. */
class Replays {
  constructor(frames, events) {
    Object.assign(this, frames);
    this.events = events;
    this.last = this.replays.length;
    let names = new Map();
    for (const frame of [...this.awaits, ...(this.end ? [this.end] : [])]) {
      if (frame.names || frame.gone) names = new Map(names);
      for (const name of frame.gone ?? []) names.delete(name);
      for (const [name, value] of Object.entries(frame.names ?? {})) names.set(name, value);
      frame.variables = names;
    }
    this.callIds = events.filter((event) => event.event_type === "TaskScheduled").map((event) => event.event_id);
  }

  reached(replay) { // how many awaits a replay reached
    let low = 0, high = this.awaits.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.awaits[middle].episode <= replay) low = middle + 1; else high = middle;
    }
    return low;
  }

  count(replay) { return this.reached(replay) + (replay === this.last && this.end ? 1 : 0); }

  firstNew(replay) { return Math.min(this.reached(replay - 1) + 1, this.count(replay)); }

  step(replay, number) {
    if (number > this.awaits.length) return { requests: [], ...this.end, isEnd: true, replay, number, written: this.end?.requests ?? [], answers: [] };
    const frame = this.awaits[number - 1];
    const isAnswered = frame.answered !== undefined && frame.answered <= replay;
    const begun = this.replays[replay - 1].event;
    const end = this.replays[replay]?.event ?? Infinity;
    const requests = (frame.requests ?? []).filter((id) => id < end);
    return {
      ...frame, replay, number, requests,
      verdict: isAnswered ? "answered" : "waits",
      says: isAnswered ? frame.says : this.replays[replay - 1].says ?? "",
      written: requests.filter((id) => id > begun),
      answers: isAnswered ? frame.answers : [],
      is_replaying: frame.episode < replay,
    };
  }

  endOf(replay) { // how a replay ended
    const count = this.count(replay);
    return count ? this.step(replay, count).verdict : "waits";
  }

  lastKnown(step) { // the id of the last event when the code got there
    const begun = this.replays[step.replay - 1].event;
    if (step.requests.length) return Math.max(begun, step.requests.at(-1));
    for (let index = step.number - 2; index >= 0 && this.awaits[index].episode === step.replay; index--) {
      const requests = this.awaits[index].requests;
      if (requests) return Math.max(begun, requests.at(-1));
    }
    return begun;
  }

  hits(step) { // how often each line was reached, and what came of it
    const hits = new Map();
    for (const frame of this.awaits.slice(0, step.number)) {
      if (frame.line == null) continue;
      const mark = frame.episode === step.replay && frame.requests ? "written" : "answered";
      hits.set(frame.line, { mark, times: (hits.get(frame.line)?.times ?? 0) + 1 });
    }
    if (step.line != null) {
      const times = hits.get(step.line)?.times ?? 1;
      if (step.verdict !== "answered") hits.set(step.line, { mark: step.verdict, times });
      else if (step.is_replaying || !step.requests.length) hits.set(step.line, { mark: "answered", times });
    }
    return hits;
  }

  find(id) { // the step that an event belongs to
    const begun = this.replays.findIndex((replay) => replay.event === id);
    if (begun >= 0) return [begun + 1, this.firstNew(begun + 1)];
    for (const [index, frame] of this.awaits.entries()) {
      if (frame.requests?.includes(id)) return [frame.episode, index + 1];
      if (frame.answers?.includes(id)) return [frame.answered, index + 1];
    }
    return this.end ? [this.last, this.count(this.last)] : [1, 1];
  }
}

class Explorer {
  constructor(section, data, events) {
    this.data = data;
    this.events = events;
    this.parts = Object.fromEntries(["controls", "tabs", "says", "code", "values", "history"].map((name) => [name, make("div")]));
    const { controls, tabs, says, code, values, history } = this.parts;
    controls.className = tabs.className = "dnb-line dnb-tools";
    says.setAttribute("role", "status");
    this.root = make("div", { tabindex: 0, role: "group", "aria-label": "replays", class: "dnb-explorer", keydown: (event) => this.key(event) },
      controls, tabs, says, make("div", { class: "dnb-columns" }, code, values, history),
      make("p", { class: "dnb-muted" }, "Predictions, breakpoints and what-ifs run the code, which a page can't do. In a notebook with the code: ",
        make("code", {}, "hub.import_history(\"this file\")"), ", then ", make("code", {}, "handle.explore()"), "."));
    Object.entries({ tabindex: 0, role: "group", "aria-label": "values" }).forEach(([name, value]) => values.setAttribute(name, value));
    section.append(this.root);
    this.choose(data.executions.length - 1);
  }

  choose(index) {
    const frames = this.data.executions[index];
    this.index = index;
    this.replays = new Replays(frames, this.events.filter((event) => event.execution_id === frames.execution_id));
    this.drawCode(frames);
    this.go(this.replays.last, this.replays.count(this.replays.last));
  }

  go(replay, number) {
    const { replays } = this;
    this.replay = Math.min(Math.max(replay, 1), replays.last);
    this.number = Math.min(Math.max(number, 1), Math.max(replays.count(this.replay), 1));
    this.first = null;
    this.draw();
  }

  move(way) {
    const { replays, replay, number } = this, { last } = replays;
    if (way === "first") this.go(1, 1);
    else if (way === "last") this.go(last, replays.count(last));
    else if (way === "back") this.go(replay - 1, replay === 1 ? 1 : replays.count(replay - 1));
    else if (way === "on") this.go(Math.min(replay + 1, last), replays.count(Math.min(replay + 1, last)));
    else if (way === "previous") number > 1 ? this.go(replay, number - 1) : replay > 1 && this.go(replay - 1, replays.count(replay - 1));
    else if (way === "next") number < replays.count(replay) ? this.go(replay, number + 1) : replay < last && this.go(replay + 1, 1);
  }

  get isLast() { return this.replay === this.replays.last && this.number >= this.replays.count(this.replay); }

  play(isOn = !this.timer) {
    clearInterval(this.timer);
    this.timer = null;
    if (isOn) {
      if (this.isLast) this.go(1, 1);
      this.timer = setInterval(() => { this.move("next"); if (this.isLast) this.play(false); }, 600);
    }
    this.draw();
  }

  key(event) {
    const way = { Home: "first", PageUp: "back", ArrowLeft: "previous", ArrowRight: "next", PageDown: "on", End: "last" }[event.key];
    if (event.target !== this.root || event.ctrlKey || event.altKey || event.metaKey || !(way || event.key === " ")) return;
    event.preventDefault();
    if (!way) return this.play();
    this.play(false);
    this.move(way);
  }

  // -- drawing --

  glyph(mark) {
    return document.querySelector(`#dnb-glyphs [data-mark="${mark}"]`)?.content.cloneNode(true) ?? "";
  }

  drawCode(frames) {
    const template = document.getElementById(`dnb-code-${frames.code}`);
    this.rows = new Map();
    if (template === null) return this.parts.code.replaceChildren(make("h4", {}, "Code"), make("p", {}, "The source isn't in this page."));
    const scroll = make("div", { class: "dnb-scroll dnb-code", tabindex: 0, role: "group", "aria-label": "code" });
    scroll.append(template.content.cloneNode(true));
    const awaited = new Set(this.replays.awaits.map((frame) => frame.line));
    for (const row of scroll.querySelectorAll("tr")) {
      const line = Number(row.dataset.line);
      this.rows.set(line, row);
      if (!awaited.has(line)) continue;
      const number = row.cells[0];
      number.replaceChildren(make("button", { type: "button", class: "dnb-link", "aria-label": `line ${line}: go to its next await`, click: () => this.runTo(line) }, String(line)));
    }
    this.parts.code.replaceChildren(make("h4", {}, "Code"), scroll);
  }

  runTo(line) {
    const numbers = this.replays.awaits.flatMap((frame, index) => (frame.line === line ? [index + 1] : [])).filter((number) => number <= this.replays.count(this.replay));
    if (numbers.length) this.go(this.replay, numbers.find((number) => number > this.number) ?? numbers[0]);
  }

  draw() {
    const { replays } = this, hasSteps = replays.count(this.replay) > 0;
    const step = hasSteps ? replays.step(this.replay, this.number) : null;
    this.drawControls(step);
    this.drawTabs();
    const { says, values, history } = this.parts;
    if (step === null) return [says, values, history].forEach((part) => part.replaceChildren(part === says ? "In this replay the code reached no await." : ""));
    says.className = `dnb-says dnb-${step.verdict}`;
    const word = document.querySelector(`#dnb-glyphs [data-mark="${step.verdict}"]`)?.title ?? step.verdict;
    says.replaceChildren(
      make("p", {}, ...(step.isEnd ? [] : ["waits for ", make("code", {}, step.awaits)])),
      make("div", { class: "dnb-line" }, this.glyph(step.verdict), make("span", {}, make("b", {}, `${word}. `), step.says)),
      ...(step.differences ? [this.differences(step.differences)] : []));
    this.markCode(step);
    values.replaceChildren(...this.values(step));
    history.replaceChildren(...this.history(step));
    for (const [scroll, here] of [[this.parts.code.querySelector(".dnb-scroll"), this.rows.get(step.line)], [history.querySelector(".dnb-scroll"), history.querySelector("[data-here]")]]) {
      if (scroll && here) scroll.scrollTop = here.offsetTop - scroll.clientHeight / 2;
    }
  }

  differences(rows) {
    const cells = (row) => make("tr", {}, ...row.map((text) => make("td", {}, make("code", {}, short(String(text), 160)))));
    const head = make("tr", {}, ...["field", "recorded in the history", "requested by the code"].map((text) => make("th", {}, text)));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows.map(cells)));
  }

  drawControls(step) {
    const ways = [["first", "|<", "first step of all (Home)"], ["back", "<<", "replay before (PageUp)"], ["previous", "<", "step before (ArrowLeft)"], ["", this.timer ? "Stop" : "Play", "play, or stop (Space)"], ["next", ">", "next step (ArrowRight)"], ["on", ">>", "replay after (PageDown)"], ["last", ">|", "last step of all (End)"]];
    const isFirst = this.replay === 1 && this.number === 1, focused = document.activeElement?.dataset?.way;
    const buttons = ways.map(([way, words, title]) => make("button", {
      type: "button", class: "dnb-way", title, "aria-label": title, "data-way": way || "play",
      "aria-disabled": (way && ((isFirst && "first back previous".includes(way)) || (this.isLast && "next on last".includes(way)))) ? "true" : null,
      click: () => { if (!way) return this.play(); this.play(false); this.move(way); },
    }, words));
    const count = this.replays.count(this.replay);
    const slider = make("input", { type: "range", class: "dnb-step", min: 1, max: Math.max(count, 1), "aria-label": "step", "data-way": "slider", input: (event) => { this.play(false); this.go(this.replay, Number(event.target.value)); } });
    slider.value = this.number;
    const executions = this.data.executions.length > 1 ? [make("select", { "aria-label": "execution", "data-way": "execution", change: (event) => this.choose(Number(event.target.value)) },
      ...this.data.executions.map((frames, index) => make("option", { value: index, selected: index === this.index }, `execution ${frames.number}`)))] : [];
    this.parts.controls.replaceChildren(...executions, ...buttons, slider, `step ${this.number.toLocaleString("en")} of ${count.toLocaleString("en")}`);
    if (focused) this.parts.controls.querySelector(`[data-way="${focused}"]`)?.focus();
  }

  drawTabs() {
    const { last } = this.replays, focused = document.activeElement?.dataset?.replay;
    const kept = [...new Set([1, ...Array.from({ length: 2 * TABS + 1 }, (_, index) => this.replay - TABS + index), last])].filter((number) => number >= 1 && number <= last);
    const tabs = kept.flatMap((number, index) => [
      index && number > kept[index - 1] + 1 ? "…" : "",
      make("button", { type: "button", class: "dnb-tab", "data-replay": number, "aria-current": number === this.replay ? "true" : null,
        "aria-label": `replay ${number}: ${many(this.replays.count(number), "step")}`,
        click: () => { this.play(false); this.go(number, this.replays.firstNew(number)); } },
      `#${number.toLocaleString("en")} `, make("small", {}, this.replays.count(number).toLocaleString("en")), this.glyph(this.replays.endOf(number))),
    ]);
    this.parts.tabs.replaceChildren("Replays", ...tabs);
    if (focused) this.parts.tabs.querySelector(`[data-replay="${focused}"]`)?.focus();
  }

  markCode(step) {
    const hits = this.replays.hits(step);
    for (const [line, row] of this.rows) {
      const hit = hits.get(line), isHere = line === step.line;
      row.className = isHere ? "dnb-here" : hit ? "dnb-past" : "";
      isHere ? row.setAttribute("aria-current", "step") : row.removeAttribute("aria-current");
      row.cells[1].replaceChildren(...(hit ? [this.glyph(hit.mark), ...(hit.times > 1 ? [make("span", { class: "dnb-times" }, `×${hit.times.toLocaleString("en")}`)] : [])] : []));
    }
  }

  values(step) {
    const changed = new Set(Object.keys(step.names ?? {}));
    const rows = [...step.variables].map(([name, value]) => make("tr", { class: changed.has(name) ? "dnb-changed" : null },
      make("td", {}, make("code", {}, short(name, 60))), make("td", {}, make("code", {}, short(value, 100))), make("td", {}, changed.has(name) ? make("small", {}, "new") : "")));
    const none = this.data.has_values ? ["returned", "canceled", "terminated"].includes(step.verdict) ? "The code has ended: they are gone." : "None." : "Left out of this page.";
    const printed = this.printed(step), known = this.replays.lastKnown(step);
    const calls = this.replays.callIds.filter((id) => id <= known).length;
    return [
      make("h4", {}, "Variables", step.within ? ` in ${step.within[0]} (line ${step.within[1]})` : ""),
      rows.length ? make("table", { class: "dnb-values" }, ...rows) : make("p", { class: "dnb-muted" }, none),
      make("h4", {}, "Context"),
      make("p", {}, make("code", {}, `is_replaying = ${step.is_replaying ? "True" : "False"}`)),
      make("p", {}, make("code", {}, "current_utc_datetime"), make("br"), step.now),
      ...(printed.length ? [make("h4", {}, "Printed"), make("ul", { class: "dnb-printed" }, ...printed)] : []),
      make("h4", {}, "Up to here"),
      make("p", { class: "dnb-ledger" }, `activities scheduled: ${calls.toLocaleString("en")}`),
    ];
  }

  printed(step) {
    const lines = [];
    for (let index = Math.min(step.number, this.replays.awaits.length) - 1; index >= 0 && lines.length < PRINTED; index--) {
      const frame = this.replays.awaits[index], isMuted = frame.episode < step.replay;
      lines.unshift(...(frame.printed ?? []).map((text) => [text, isMuted]));
    }
    if (step.isEnd) lines.push(...(step.printed ?? []).map((text) => [text, false]));
    return lines.slice(-PRINTED).map(([text, isMuted]) => make("li", {}, isMuted ? make("s", {}, short(text, 120)) : short(text, 120), isMuted ? make("small", {}, " muted") : ""));
  }

  history(step) {
    const { events } = this.replays, hits = new Set([...step.requests, ...step.answers]), known = this.replays.lastKnown(step);
    const wanted = step.answers[0] ?? step.requests[0] ?? known;
    const centre = events.findIndex((event) => event.event_id >= wanted);
    const first = this.first ?? Math.max(Math.min(centre - WINDOW / 2, events.length - WINDOW), 0);
    const rows = events.slice(first, first + WINDOW).map((event) => make("tr", {
      class: [hits.has(event.event_id) && "dnb-hit", event.event_id > known && "dnb-later", event.event_type === "OrchestratorStarted" && "dnb-begin"].filter(Boolean).join(" "),
      "data-here": event.event_id === wanted,
    },
    make("td", {}, event.event_id.toLocaleString("en")),
    make("td", {}, make("button", { type: "button", class: "dnb-link", click: () => { this.play(false); this.go(...this.replays.find(event.event_id)); } }, event.event_type), ` ${short(event.name ?? "", 40)}${event.task_id == null ? "" : ` #${event.task_id}`}`),
    make("td", {}, make("code", {}, short(readable(event.payload), 40)))));
    const turn = (words, to) => make("button", { type: "button", click: () => { this.first = to; this.draw(); } }, words);
    const pages = events.length <= WINDOW ? [] : [make("div", { class: "dnb-line dnb-tools" },
      first > 0 ? turn("Earlier", Math.max(first - WINDOW, 0)) : "",
      `${first + 1} to ${Math.min(first + WINDOW, events.length)} of ${events.length.toLocaleString("en")}`,
      first + WINDOW < events.length ? turn("Later", first + WINDOW) : "")];
    return [make("h4", {}, "History"), make("div", { class: "dnb-scroll dnb-events", tabindex: 0, role: "group", "aria-label": "events" }, make("table", {}, ...rows)), ...pages];
  }
}

// -- the page --------------------------------------------------------------------------------------

addEventListener("beforeprint", () => document.querySelectorAll("body > div details").forEach((fold) => (fold.open = true)));

// What scrolls is reached by the keyboard.
function reachScrolling() {
  for (const one of document.querySelectorAll("p, table, body > div details"))
    if (one.scrollWidth > one.clientWidth && getComputedStyle(one).overflowX === "auto") one.tabIndex = 0;
    else one.removeAttribute("tabindex");
}
addEventListener("resize", reachScrolling);

(async () => {
  const section = (name) => document.querySelector(`[data-shows="${name}"]`);
  try {
    const [history, replays] = await Promise.all([unpack("durablenb-history"), unpack("durablenb-replays")]);
    const own = document.body.dataset.instance;
    if (replays?.executions.length) new Explorer(section("replays"), replays, history.events);
    showHistory(section("history"), history.events, own);
    if (section("log")) showLog(section("log"), history.lines, own);
  } catch (error) {
    section("history").append(make("p", {}, `The data of this page can't be read: ${error.message}. Open it in a newer browser, or get the whole file.`));
  }
  reachScrolling();
})();
