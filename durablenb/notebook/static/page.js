// The page of a served hub. The views are those of notebooks, by the same module: here a model takes the place of the
// one that a notebook has. What is new comes on a stream, what the user does is posted.

import live from "./live.js";

const KEY = `durablenb.key ${location.pathname}`;
const THEME = "durablenb.theme";
const BEAT_MS = 60_000;
const HIDDEN_MS = 60_000; // after which a page that nobody sees lets go of its view
const RESTING_MS = 250; // after which a step is in the address: browsers refuse to write many
const WAITS_MS = [500, 1000, 2000, 5000, 10_000];
const KEPT = { set: ({ name }) => `set ${name}`, turn: () => "turn" }; // messages that choose what of a list is shown

const at = (id) => document.getElementById(id);
const encoder = new TextEncoder();
const memories = new Map(); // by place: the tab, and by tab what was chosen there
let key = takenKey();
let shown = null;
let leaving;

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// What anywidget gives to a view in a notebook.
class Model {
  constructor(post) {
    this.post = post;
    this.values = { peer: "server" };
    this.changed = {};
    this.listeners = new Map();
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    this.changed[name] = value;
    this.take({ [name]: value });
  }

  save_changes() {
    this.post({ method: "update", state: this.changed });
    this.changed = {};
  }

  send(content) {
    this.post({ method: "custom", content });
  }

  on(name, act) {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), act]);
  }

  off(name, act) {
    this.listeners.set(name, (this.listeners.get(name) ?? []).filter((one) => one !== act));
  }

  emit(name, ...told) {
    for (const act of this.listeners.get(name) ?? []) act(...told);
  }

  take(state, html = {}) {
    const news = { ...state };
    for (const [name, text] of Object.entries(html)) news[name] = encoder.encode(text);
    Object.assign(this.values, news);
    for (const name of Object.keys(news)) this.emit(`change:${name}`);
  }
}

// A view at a place, for as long as the page is there.
class Shown {
  constructor(place) {
    this.place = place;
    this.memory = memoryOf(place);
    this.model = new Model((data) => this.post(data));
    this.queue = [];
    this.session = null;
    this.isOver = false;
    this.beat = setInterval(() => this.say([], this.line?.signal), BEAT_MS); // else the server takes it for gone
    this.posted = Promise.resolve();
    this.follow();
  }

  end() {
    this.isOver = true;
    clearInterval(this.beat);
    clearTimeout(this.resting);
    this.letGo();
    this.cleanup?.();
  }

  // The server forgets the view; what is on its way, as a click, is carried out first.
  letGo() {
    const { line } = this;
    this.posted.finally(() => line?.abort());
  }

  async follow() {
    let tries = 0;
    while (!this.isOver) {
      await untilSeen();
      if (this.isOver) return;
      this.line = new AbortController();
      this.queue = []; // what was chosen is remembered, and a click was meant for what is gone
      try {
        const stream = await ask("page/views", { place: this.place, said: this.remembered() }, this.line.signal);
        for await (const news of eventsOf(stream)) {
          if (this.isOver) return;
          tries = 0;
          this.take(news);
        }
      } catch (error) {
        if (this.isOver) return;
        if (!(error instanceof Refusal)) throw error;
        if (error.status === 401) return askForKey();
        if (error.status >= 400 && error.status < 500) return say(error.message);
        if (!document.hidden) say(error.message);
      }
      this.session = null;
      await new Promise((go) => setTimeout(go, WAITS_MS[Math.min(tries++, WAITS_MS.length - 1)]));
    }
  }

  take({ session, hub, state, html, messages = [] }) {
    if (session) this.begin(session, hub);
    this.model.take(state, html);
    for (const message of messages) this.model.emit("msg:custom", message);
    const { place = this.place } = this.model.values;
    if (place !== this.place) this.moved(place, session ? "replaceState" : "pushState");
    if (session && !this.cleanup) {
      at("view").replaceChildren();
      this.cleanup = live.render({ model: this.model, el: at("view") });
    }
  }

  begin(session, hub) {
    this.session = session;
    say("");
    entitle(this.place, hub);
    this.flush(); // what was said while the view was being opened
  }

  // What was said before to a view at this place, so that it is as it was left.
  remembered() {
    const { tab, kept } = this.memory;
    const turnTo = (one) => ({ method: "update", state: { tab: one } });
    const said = [...kept].flatMap(([one, contents]) => [
      turnTo(one),
      ...[...contents.values()].map((content) => ({ method: "custom", content })),
    ]);
    return tab === undefined ? said : [...said, turnTo(tab), { method: "custom", content: { do: "look" } }];
  }

  // What is shown is at another place now: the instance that a restart made, or the step that was gone to.
  moved(place, how) {
    this.memory = memoryOf(place);
    this.place = place;
    clearTimeout(this.resting);
    const write = () => isReplay(placeHere()) && history.replaceState(null, "", hashOf(place)); // else it was left
    if (isReplay(place)) this.resting = setTimeout(write, RESTING_MS);
    else history[how](null, "", hashOf(place));
    entitle(place, at("home").textContent);
  }

  post(data) {
    if (this.isOver) return;
    const { method, state, content } = data;
    if (method === "update") this.memory.tab = state.tab;
    else if (this.leads(content)) return;
    else if (content.do in KEPT && !isReplay(this.place)) this.keep(content); // a step has an address
    this.queue.push(data);
    this.flush();
  }

  keep(content) {
    const tab = this.model.get("tab");
    const contents = this.memory.kept.get(tab) ?? new Map();
    this.memory.kept.set(tab, contents);
    if (content.do === "set") contents.delete(KEPT.turn(content)); // another choice begins with its first page
    contents.set(KEPT[content.do](content), content);
  }

  // Whether a click leads to another page.
  leads({ do: act, key: chosen = "", id }) {
    const [, kind, found] = chosen.match(/^(instance|entity) (.*)$/s) ?? [];
    const place = act === "open" ? placeOf(id) : act === "select" && kind ? placeOf(found) : null;
    if (place === null) return false;
    location.hash = hashOf(place);
    return true;
  }

  flush() {
    if (!this.isPosting) this.posted = this.postAll();
  }

  // One after the other, in the order of the clicks.
  async postAll() {
    this.isPosting = true;
    while (this.queue.length && this.session) await this.say(this.queue.splice(0));
    this.isPosting = false;
  }

  // A beat is given up with the line, since the server forgets the session then.
  async say(said, signal) {
    const { session, line } = this;
    if (!session) return;
    try {
      await ask(`page/views/${session}`, said, signal);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (this.session === session) this.session = null; // else the page has opened its view again meanwhile
      line.abort(); // the view is gone, or the server: begin again
    }
  }
}

// -- the server -------------------------------------------------------------------------------

async function ask(path, body, signal) {
  const headers = { "Content-Type": "application/json", ...(key ? { "x-functions-key": key } : {}) };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal }).catch(broken);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => "");
  const message = typeof told === "string" ? told : `${told.Message}. ${told.ExceptionMessage}`;
  throw new Refusal(answer.status, message || `The server answered with ${answer.status}.`);
}

function broken() {
  throw new Refusal(0, "The server doesn't answer. Trying again …");
}

async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { done, value } = await reader.read().catch(broken);
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
  }
}

// A page that was hidden for a while lets go of its view, and asks for it again when it is seen.
function untilSeen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((go) => document.addEventListener("visibilitychange", () => go(), { once: true }));
}

// -- the key ----------------------------------------------------------------------------------

function takenKey() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? new URLSearchParams(location.search).get("code");
  if (code === null) return sessionStorage.getItem(KEY);
  sessionStorage.setItem(KEY, code);
  history.replaceState(null, "", location.pathname + (location.hash.startsWith("#/") ? location.hash : "#/"));
  return code;
}

function askForKey() {
  say(key ? "That isn't the key of this server. It has a new one whenever it is started." : "");
  at("view").replaceChildren();
  at("ask").hidden = false;
  at("key").value = "";
  at("key").focus();
}

// -- places -----------------------------------------------------------------------------------

function placeOf(id) {
  const [, name, entityKey] = id.match(/^@([^@]*)@(.*)$/s) ?? [];
  return name === undefined ? `instances/${id}` : `entities/${name}/${entityKey}`;
}

function isReplay(place) {
  return /^instances\/[^/]*\/replay(\/|$)/.test(place);
}

function hashOf(place) {
  return `#/${place.split("/").map(encodeURIComponent).join("/")}`;
}

function memoryOf(place) {
  if (!memories.has(place)) memories.set(place, { kept: new Map() });
  return memories.get(place);
}

function placeHere() {
  try {
    return location.hash.slice(2).split("/").map(decodeURIComponent).join("/");
  } catch {
    return location.hash.slice(2);
  }
}

function entitle(place, hub) {
  const [kind, id] = place.split("/");
  const name = isReplay(place) ? `replay of ${id}` : place.slice(place.indexOf("/") + 1);
  at("home").textContent = hub;
  at("here").textContent = name || hub;
  at("home").hidden = at("between").hidden = !place;
  at("across").hidden = kind !== "instances";
  at("across").textContent = isReplay(place) ? "Back to the instance" : "Walk through its replay";
  at("across").href = hashOf(isReplay(place) ? `instances/${id}` : `instances/${id}/replay`);
  document.title = place ? `${name} · ${hub}` : `${hub} · durablenb`;
}

function route() {
  const place = placeHere();
  if (shown?.place === place && !shown.isOver) return;
  const isFirst = shown === null;
  shown?.end();
  at("ask").hidden = true;
  at("view").replaceChildren();
  say("Loading …");
  entitle(place, at("home").textContent);
  at("across").hidden = true; // until there is something to be seen
  shown = new Shown(place);
  window.scrollTo(0, 0);
  if (!isFirst) at("here").focus(); // so that it is read out
}

function say(words) {
  at("said").textContent = words;
}

// -- the theme --------------------------------------------------------------------------------

const system = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const { dataset } = document.documentElement;
  dataset.theme = at("theme").value || (system.matches ? "dark" : "light"); // views look at it again
}

at("theme").value = localStorage.getItem(THEME) ?? "";
at("theme").addEventListener("change", () => {
  localStorage.setItem(THEME, at("theme").value);
  showTheme();
});
system.addEventListener("change", showTheme);
showTheme();

// -- all of it --------------------------------------------------------------------------------

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  sessionStorage.setItem(KEY, key);
  shown?.end();
  route();
});
document.addEventListener("keydown", (event) => {
  const root = document.querySelector(".dnb-live"); // its keys work everywhere but in a field
  if (!root || root.contains(event.target) || event.target.matches("input, select, button")) return;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const name = event.key === " " ? "Space" : event.key;
  if (!["/", "?"].includes(name) && !root.querySelector(`[aria-keyshortcuts~="${CSS.escape(name)}"]`)) return;
  event.preventDefault();
  root.dispatchEvent(new KeyboardEvent("keydown", { key: event.key }));
});
document.addEventListener("visibilitychange", () => {
  clearTimeout(leaving);
  if (document.hidden) leaving = setTimeout(() => shown?.letGo(), HIDDEN_MS);
});
window.addEventListener("hashchange", route);
route();
