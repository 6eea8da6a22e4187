// What all live views share. Python draws each region as HTML or SVG; this puts it into the page, and says what was
// clicked, typed and dragged. Data is escaped where it is drawn, so there is nothing here that makes markup of it.

const ARMED_MS = 5000;
const TYPING_MS = 250;
const SLIDING_MS = 40;
const ANSWER_MS = 3000;
const SIZED_MS = 150;
const LEAST_PIXELS = 16; // of a new width that is worth another drawing
const FOCUSABLE = "a, button, input, select, textarea, summary, [tabindex], pre, .dnb-scroll, .dnb-wide"; // what scrolls, too
const PRESSABLE = "[data-key][tabindex], [data-do][tabindex], button[data-key]";
const ENDED = ["restarting", "autorestarting", "dead", "terminating"];
const LIVELY = ["Running", "Pending", "Waiting", "Retrying", "Queued", "Suspended", "Busy", "Locked", "Scheduled"];
const ENDS = ["pointerup", "pointercancel"];
const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function render({ model, el }) {
  const view = new View(model, el);
  return () => view.remove();
}

class View {
  constructor(model, el) {
    this.model = model;
    this.root = make("div", "dnb-live", { role: "group", "aria-label": model.get("label"), tabindex: "-1" });
    quiet(this.root);
    this.regions = new Map();
    this.late = new Set(); // regions that are swapped once nobody is at work in them
    this.isPressed = false;
    this.isChoosing = false;
    this.sliding = null; // the region whose slider is being moved
    this.armed = null; // the id of a button that was clicked once
    this.typing = new Map();
    this.heardAt = new Date();
    this.decoder = new TextDecoder();
    this.afterwards = model.get("afterwards"); // a kernel that is gone has none
    this.peer = model.get("peer") ?? "kernel";
    this.build();
    this.tip = new Tooltip(this);
    el.append(this.root);
    requestAnimationFrame(() => this.regions.forEach(showHere)); // there is no layout before
    this.listen();
    this.tellTheme();
    this.page = crypto.randomUUID?.() ?? `${Math.random()}`; // not everywhere is there a secure context
    this.tellPlace("here");
    this.sizes = new ResizeObserver(() => {
      clearTimeout(this.sizing);
      this.sizing = setTimeout(() => this.tellWidth(), SIZED_MS);
    });
    this.sizes.observe(this.root);
  }

  // -- structure ------------------------------------------------------------------------------

  build() {
    const tabs = this.model.get("tabs");
    this.keys = make("p", "dnb-keys", { role: "status" });
    this.keys.hidden = true;
    this.root.append(this.keys);
    for (const name of this.model.get("regions")) {
      const region = make("section", "dnb-region", { "data-region": name });
      this.regions.set(name, region);
      if (name === tabs[0]) this.root.append(this.tablist(tabs));
      if (tabs.includes(name)) {
        region.setAttribute("role", "tabpanel");
        region.setAttribute("aria-label", name);
      }
      this.root.append(region);
      this.fill(name);
    }
    this.note = make("p", "dnb-note", { role: "alert" });
    this.said = make("p", "dnb-said", { role: "status", "aria-live": "polite" });
    this.root.append(this.note, this.said);
    this.showTab();
    this.showNote();
  }

  tablist(tabs) {
    this.tabs = make("div", "dnb-tabs", { role: "tablist" });
    if (tabs.length < 2) this.tabs.hidden = true;
    for (const name of tabs) {
      const tab = make("button", "", { type: "button", role: "tab", "data-tab": name });
      tab.textContent = name[0].toUpperCase() + name.slice(1);
      quiet(tab);
      this.tabs.append(tab);
    }
    return this.tabs;
  }

  listen() {
    this.watched = [];
    const on = (name, act) => {
      this.model.on(name, act);
      this.watched.push([name, act]);
    };
    const onNews = (name, act) =>
      on(name, (...told) => {
        this.heardAt = new Date();
        act(...told);
      });
    for (const name of this.regions.keys()) onNews(`change:${name}`, () => this.fill(name));
    onNews("change:marked", () => this.mark());
    onNews("msg:custom", (message) => {
      this.answered();
      if (message?.timeline) this.timeline?.take(message.timeline);
    });
    on("msg:custom", shareMenu(this));
    this.kernels = this.model.widget_manager?.kernel?.statusChanged; // JupyterLab's signal
    this.restarted = (_, status) => ENDED.includes(status) && this.gone();
    this.kernels?.connect(this.restarted);
    on("change:tab", () => this.showTab());
    onNews("change:absent", () => this.showTab());
    onNews("change:note", () => this.showNote());
    onNews("change:label", () => {
      this.root.setAttribute("aria-label", this.model.get("label"));
      this.say(this.model.get("label"));
    });
    const root = this.root;
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("input", (event) => this.typed(event));
    root.addEventListener("keydown", (event) => this.pressed(event));
    root.addEventListener("submit", (event) => event.preventDefault());
    root.addEventListener("toggle", (event) => this.rove(event.target.closest("[data-region]")), true);
    root.addEventListener("pointerdown", (event) => this.down(event));
    for (const name of ["pointerover", "focusin"])
      root.addEventListener(name, (event) => this.hover(event.target.closest("[data-key]")?.dataset.key));
    root.addEventListener("pointerleave", () => this.hover());
    this.up = () => {
      this.isPressed = false;
      this.sliding = null;
      this.later();
    };
    this.chose = () => {
      this.isChoosing = false;
      this.later();
    };
    for (const name of ["focusout", "change"]) root.addEventListener(name, this.chose);
    for (const name of ENDS) window.addEventListener(name, this.up);
    this.left = () => this.tellPlace("gone");
    this.back = (event) => event.persisted && this.tellPlace("here");
    window.addEventListener("pagehide", this.left);
    window.addEventListener("pageshow", this.back);
    this.themes = new MutationObserver(() => this.tellTheme());
    for (const node of [document.documentElement, document.body])
      this.themes.observe(node, { attributes: true });
  }

  remove() {
    this.sizes.disconnect();
    clearTimeout(this.sizing);
    this.tellPlace("gone");
    this.tip.remove();
    for (const [name, act] of this.watched) this.model.off(name, act);
    for (const name of ENDS) window.removeEventListener(name, this.up);
    window.removeEventListener("pagehide", this.left);
    window.removeEventListener("pageshow", this.back);
    for (const timer of [this.waiting, this.saying, this.arming, ...this.typing.values()]) clearTimeout(timer);
    this.timeline?.remove();
    this.themes.disconnect();
    this.kernels?.disconnect(this.restarted);
  }

  // -- what Python drew -----------------------------------------------------------------------

  fill(name) {
    const region = this.regions.get(name);
    const active = document.activeElement;
    const isInTimeline = region.contains(active) && active.closest("[data-stage]");
    const isForm = region.contains(active) && isTyping(active) && !active.dataset.set && !isInTimeline;
    const busy = this.isPressed || this.sliding === region || isForm || (this.isChoosing && region.contains(active));
    if (busy && region.childNodes.length) {
      this.late.add(name);
      return;
    }
    this.late.delete(name);
    const before = stateOf(region);
    region.innerHTML = this.decoder.decode(this.model.get(name));
    region.hidden = !region.childNodes.length || this.isOtherTab(name);
    this.tip?.forget();
    const place = region.querySelector("[data-timeline]");
    if (place) (this.timeline ??= new Timeline(this)).moveTo(place);
    if (isInTimeline && place) before.active = null;
    const isFound = restore(region, before);
    if (isInTimeline && place) active.focus({ preventScroll: true });
    if (!isFound) this.root.focus({ preventScroll: true }); // else keys would go to the notebook
    showHere(region);
    for (const one of region.querySelectorAll(FOCUSABLE)) quiet(one);
    this.rove(region);
    this.mark();
    this.showHovered();
    this.showArmed();
  }

  later() {
    setTimeout(() => [...this.late].forEach((name) => this.fill(name)));
  }

  isOtherTab(name) {
    const tabs = this.model.get("tabs");
    return tabs.includes(name) && name !== this.model.get("tab");
  }

  showTab() {
    const chosen = this.model.get("tab");
    for (const [name, region] of this.regions) region.hidden = !region.childNodes.length || this.isOtherTab(name);
    for (const tab of this.tabs?.children ?? []) {
      const isChosen = tab.dataset.tab === chosen;
      tab.setAttribute("aria-selected", isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      tab.hidden = (this.model.get("absent") ?? []).includes(tab.dataset.tab);
    }
  }

  showNote() {
    this.note.textContent = this.loss || this.model.get("note");
    this.note.hidden = !this.note.textContent;
  }

  say(words) {
    const wait = Math.max(0, 1000 - (Date.now() - (this.saidAt ?? 0)));
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      this.saidAt = Date.now();
      this.said.textContent = words;
    }, wait);
  }

  mark() {
    const marked = new Set(this.model.get("marked"));
    for (const one of this.root.querySelectorAll("[data-key]")) {
      const is = marked.has(one.dataset.key);
      one.classList.toggle("dnb-marked", is);
      if (one.matches(PRESSABLE)) one.setAttribute("aria-pressed", is);
    }
    this.timeline?.mark([...marked]);
  }

  hover(key) {
    if (key === this.hovered) return;
    this.hovered = key;
    this.showHovered();
  }

  showHovered() {
    const key = this.hovered;
    for (const one of this.root.querySelectorAll(".dnb-hovered")) one.classList.remove("dnb-hovered");
    if (key)
      for (const one of this.root.querySelectorAll(`[data-key="${CSS.escape(key)}"]`))
        one.classList.add("dnb-hovered");
    this.timeline?.hover(key);
  }

  // -- what the user does ---------------------------------------------------------------------

  send(message) {
    if (this.isGone) return;
    this.waiting ??= setTimeout(() => this.lost(`The ${this.peer} does not answer: it is busy, or gone.`), ANSWER_MS);
    this.model.send(message);
  }

  tellPlace(what) {
    // Nobody waits for an answer: the cell that shows the view may still be at work.
    if (this.isGone) return;
    try {
      this.model.send({ do: what, page: this.page });
    } catch {
      // there is no kernel to be told
    }
  }

  tellWidth() {
    const pixels = Math.floor(this.root.clientWidth - 26); // without the padding and the rim of the view
    if (this.isGone || pixels < 100 || Math.abs(pixels - (this.width ?? 860)) < LEAST_PIXELS) return;
    this.width = pixels;
    try {
      this.model.send({ do: "width", pixels });
    } catch {
      // there is no kernel to be told
    }
  }

  answered() {
    if (this.isGone) return;
    clearTimeout(this.waiting);
    this.waiting = undefined;
    this.loss = "";
    this.showNote();
  }

  gone() {
    if (this.isGone) return;
    this.lost("The kernel is gone.");
    this.isGone = true;
    this.loss += ` ${this.afterwards}`;
    this.root.classList.add("dnb-gone");
    this.root.prepend(this.note); // above what isn't so any more
    this.showNote();
    for (const one of this.root.querySelectorAll("button, input, select, textarea")) one.disabled = true;
    for (const pill of this.root.querySelectorAll("svg[aria-label]")) {
      const word = pill.getAttribute("aria-label");
      if (!LIVELY.includes(word)) continue;
      pill.setAttribute("aria-label", `was ${word}`);
      pill.before("was ");
    }
  }

  lost(why) {
    if (this.isGone) return;
    this.loss = `${why} Its last news came at ${this.heardAt.toTimeString().slice(0, 8)}; this is how it stood then.`;
    this.showNote();
  }

  select(key) {
    this.send({ do: "select", key });
  }

  clicked(event) {
    const target = event.target;
    const tab = target.closest("[data-tab]");
    if (tab) return this.choose(tab.dataset.tab);
    if (target.closest("[data-help]")) return this.help();
    const stop = event.shiftKey && target.closest("[data-stop]");
    if (stop) return this.send({ do: "stop", place: stop.dataset.stop });
    const action = target.closest("[data-do]");
    if (action) return isOff(action) || this.act(action);
    const cells = target.closest("[data-cells]");
    if (cells) return this.select(cellAt(cells, event));
    const key = target.closest("[data-key]")?.dataset.key;
    if (key) this.select(key);
  }

  help(text = this.model.get("help")) {
    this.keys.hidden = this.keys.textContent === text;
    this.keys.textContent = this.keys.hidden ? "" : text;
    if (!this.keys.hidden) this.keys.scrollIntoView({ block: "nearest" });
  }

  choose(name) {
    this.model.set("tab", name);
    this.model.save_changes();
    this.send({ do: "look" });
  }

  act(button) {
    const isSure = !("sure" in button.dataset) || this.armed === idOf(button);
    this.arm(isSure ? null : idOf(button));
    if (!isSure) return;
    const message = { ...button.dataset, fields: {} };
    for (const field of button.closest("form")?.querySelectorAll("[name]") ?? [])
      message.fields[field.name] = field.type === "checkbox" ? field.checked : field.value;
    if (button.closest("form")) button.focus(); // the form may be drawn anew
    this.send(message);
  }

  arm(id) {
    this.armed = id;
    this.showArmed();
    clearTimeout(this.arming);
    if (id) this.arming = setTimeout(() => this.arm(null), ARMED_MS);
  }

  showArmed() {
    for (const button of this.root.querySelectorAll("[data-sure]")) {
      const is = idOf(button) === this.armed;
      if (is === button.classList.contains("dnb-armed")) continue;
      button.classList.toggle("dnb-armed", is);
      [button.textContent, button.dataset.sure] = [button.dataset.sure, button.textContent];
    }
  }

  typed(event) {
    const field = event.target;
    if (!field.dataset.set) return;
    const name = field.dataset.set;
    const value = field.value;
    clearTimeout(this.typing.get(name));
    const wait = field.tagName === "SELECT" ? 0 : field.type === "range" ? SLIDING_MS : TYPING_MS;
    this.typing.set(name, setTimeout(() => this.send({ do: "set", name, value }), wait));
  }

  pressed(event) {
    const target = event.target;
    this.isChoosing = false;
    if (event.key === "Escape") {
      this.arm(null);
      return this.select("");
    }
    if (isTyping(target)) {
      const form = target.closest("form");
      if (event.key === "Enter" && form && target.tagName !== "TEXTAREA") {
        event.preventDefault();
        form.querySelector("[data-do]")?.click();
      }
      return;
    }
    if (this.shortcut(event)) return;
    if (event.key === "/") {
      const filter = [...this.root.querySelectorAll("[data-filter]")].find((one) => one.offsetParent);
      if (filter) {
        event.preventDefault();
        filter.focus();
      }
    } else if (event.key === "?") {
      this.help(target.closest("[data-stage]") ? TIMELINE_HELP : undefined);
    } else if (event.key === "Enter" || event.key === " ") {
      if (target.matches("[data-cells]")) return;
      if (target.matches("[data-key], [data-do]") && !target.matches("button")) {
        event.preventDefault();
        if (target.dataset.do) this.act(target);
        else this.select(target.dataset.key);
      }
    } else if (event.key === "+" || event.key === "-") {
      const fold = this.controlOf(target);
      if (fold && (fold.getAttribute("aria-expanded") === "true") === (event.key === "-")) this.act(fold);
    } else if (event.key in MOVES) this.move(event);
  }

  controlOf(mark) {
    // What opens or folds a mark has its key.
    const key = mark.dataset.key ?? mark.dataset.id;
    return key && this.root.querySelector(`[aria-expanded][data-id="${CSS.escape(key)}"]`);
  }

  shortcut(event) {
    // A button says itself which key presses it; Enter and Space press the button that has the focus.
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === " " && event.target.matches("button, summary")) return false;
    const name = event.key === " " ? "Space" : event.key;
    const found = this.root.querySelector(`[aria-keyshortcuts~="${CSS.escape(name)}"]`);
    if (!found) return false;
    event.preventDefault();
    if (!isOff(found)) this.act(found);
    return true;
  }

  move(event) {
    const group = event.target.closest('[role="tablist"]') ?? event.target.closest("[data-region]");
    if (!group) return;
    const isTabs = group === this.tabs;
    const all = isTabs ? [...group.children].filter((one) => !one.hidden) : marksOf(group);
    const place = all.indexOf(event.target);
    if (place < 0) return;
    event.preventDefault();
    const next = all[Math.min(all.length - 1, Math.max(0, place + MOVES[event.key]))];
    all[place].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    if (isTabs) this.choose(next.dataset.tab);
  }

  rove(region) {
    const all = marksOf(region);
    const current = all.find((one) => one === document.activeElement) ?? all[0];
    for (const one of all) one.tabIndex = one === current ? 0 : -1;
  }

  down(event) {
    const isSlider = event.target.matches("input[type=range]");
    this.sliding = isSlider ? event.target.closest("[data-region]") : null; // it alone is left as it is meanwhile
    this.isPressed = !isTyping(event.target) && !isSlider;
    this.isChoosing = !this.isChoosing && event.target.tagName === "SELECT"; // its list is open
  }

  // -- the page around ------------------------------------------------------------------------

  tellTheme() {
    requestAnimationFrame(() => {
      this.root.classList.toggle("dnb-dark", isDark(this.root));
      this.timeline?.recolour();
    });
  }
}

function make(tag, name, attributes = {}) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function quiet(one) {
  // Keys that are pressed here aren't commands of the notebook: else "d d" deletes the cell.
  one.setAttribute("data-lm-suppress-shortcuts", "true");
}

function isTyping(one) {
  return one?.matches?.("input:not([type=range]), textarea, select") ?? false;
}

function isOff(one) {
  return one.getAttribute("aria-disabled") === "true";
}

function showHere(region) {
  for (const here of region.querySelectorAll("[data-here]")) {
    const around = here.closest("[data-scroll]");
    if (!around) continue;
    const [inner, outer] = [here.getBoundingClientRect(), around.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom)
      around.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
  }
}

function cellAt(cells, event) {
  const { x, y, size, columns, count } = Object.fromEntries(
    Object.entries(cells.dataset).map(([key, value]) => [key, Number(value)]),
  );
  const svg = cells.ownerSVGElement;
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const column = Math.min(columns - 1, Math.max(0, Math.floor((point.x - x) / size)));
  const row = Math.max(0, Math.floor((point.y - y) / size));
  return `${cells.dataset.cells} ${Math.min(count - 1, row * columns + column)}`;
}

function marksOf(region) {
  return [...region.querySelectorAll(PRESSABLE)].filter((one) => !one.closest("details:not([open])"));
}

function idOf(one) {
  const { key, do: act, set, id, name, tab } = one.dataset;
  const way = "first" in one.dataset ? one.textContent : null; // earlier, or later
  const form = one.closest("form")?.querySelector("[data-do]");
  const of = form === one ? null : form?.dataset.name; // there are several forms of a kind
  return JSON.stringify([one.tagName, key, act, set, id, name, tab, way, one.getAttribute("name"), of]);
}

function foldOf(summary) {
  return summary.textContent.replace(/[\d,]+/g, "#"); // what is counted in it changes
}

function stateOf(region) {
  const active = region.contains(document.activeElement) ? document.activeElement : null;
  return {
    active: active && idOf(active),
    caret: active?.matches("input:not([type=range]), textarea") ? [active.selectionStart, active.selectionEnd] : null,
    open: new Set([...region.querySelectorAll("details[open] > summary")].map(foldOf)),
    shut: new Set([...region.querySelectorAll("details:not([open]) > summary")].map(foldOf)),
    fields: new Map([...region.querySelectorAll("[name]")].map((one) => [idOf(one), one.value])),
    scroll: [...region.querySelectorAll("[data-scroll]")].map((one) => [one.scrollLeft, one.scrollTop]),
  };
}

function restore(region, { active, caret, open, shut, fields, scroll }) {
  for (const one of region.querySelectorAll("details > summary")) {
    if (open.has(foldOf(one))) one.parentElement.open = true;
    if (shut.has(foldOf(one))) one.parentElement.open = false;
  }
  for (const one of region.querySelectorAll("[name]")) if (fields.has(idOf(one))) one.value = fields.get(idOf(one));
  region.querySelectorAll("[data-scroll]").forEach((one, place) => {
    if (scroll[place]) [one.scrollLeft, one.scrollTop] = scroll[place];
  });
  const again = active && [...region.querySelectorAll(FOCUSABLE)].find((one) => idOf(one) === active);
  again?.focus({ preventScroll: true });
  if (again && caret) again.setSelectionRange(...caret);
  return !active || again !== undefined;
}

function isDark(one) {
  for (let node = one.parentElement; node; node = node.parentElement) {
    const parts = getComputedStyle(node).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (parts.length >= 3 && (parts[3] ?? 1) > 0.5) {
      const [red, green, blue] = parts;
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 110;
    }
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

export default { render };
