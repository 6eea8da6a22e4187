// The timeline of a live view: it is painted here, so that zooming and panning need no kernel. Python sends the calls as
// rows, and says in the place of the timeline which of them are chosen.

const TIMELINE_HELP =
  "w and s, or + and -: zoom in and out. a and d: move. Arrows: from call to call. Enter: select it. f: zoom to it. " +
  "b: back. 0: all. With the mouse: drag to move, Shift-drag to zoom to a range, Ctrl and the wheel to zoom.";
const LEAST_TIME = 20; // microseconds
const STEP = 1.25;
const ONE_ZOOM_MS = 600; // wheel turns and keys that follow each other are one zoom, to go back from
const SAYING_MS = 80;
const MANY = 400; // calls, from which on the workers are shown first
const CHOICES = { view: ["rows", "density", "workers"], axis: ["relative", "absolute"] };

class Timeline {
  constructor(view) {
    this.view = view;
    this.window = null; // all
    this.past = [];
    this.marked = [];
    this.show = null;
    this.isAbsolute = false;
    this.isSelecting = false;
    this.build();
    this.paint = new Paint(this.canvas, view.root);
    this.mapPaint = new Paint(this.map, view.root);
    this.sizes = new ResizeObserver(() => this.soon());
    this.sizes.observe(this.stage);
  }

  build() {
    this.stage = make("div", "dnb-stage", { "data-stage": "" });
    const bar = make("div", "dnb-line");
    const button = (words, label, act) => {
      const made = make("button", "", { type: "button", title: label, "aria-label": label });
      made.textContent = words;
      made.addEventListener("click", act);
      bar.append(made);
      return made;
    };
    const choice = (name, act) => {
      const made = make("select", "", { "aria-label": name });
      for (const one of CHOICES[name]) made.append(new Option(one, one));
      made.addEventListener("change", () => act(made.value));
      bar.append(made);
      return made;
    };
    this.shows = choice("view", (value) => this.choose(value));
    choice("axis", (value) => {
      this.isAbsolute = value === "absolute";
      this.soon();
    });
    button("−", "Zoom out", () => this.zoom(STEP ** 2));
    button("+", "Zoom in", () => this.zoom(STEP ** -2));
    this.range = button("Range", "Drag to zoom to a range", () => this.choosesRange(!this.isSelecting));
    this.range.setAttribute("aria-pressed", "false");
    this.range.className = "dnb-toggle";
    this.back = button("Back", "Back to the zoom before", () => this.goBack());
    this.all = button("Show all", "Show all of the time", () => this.go(null));
    this.map = make("canvas", "dnb-map", { "aria-hidden": "true" });
    this.canvas = make("canvas", "dnb-canvas", { tabindex: "0", role: "application", "aria-label": "timeline" });
    this.legend = make("p", "dnb-legend dnb-muted");
    this.tip = make("div", "dnb-tip", { role: "status", "aria-live": "polite" });
    this.tip.hidden = true;
    this.stage.append(bar, this.map, this.canvas, this.legend, this.tip);
    this.listen();
  }

  listen() {
    const { canvas, map } = this;
    canvas.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.pointed(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("focus", () => this.tell());
    canvas.addEventListener("blur", () => this.leave());
    canvas.addEventListener("keydown", (event) => this.pressed(event));
    map.addEventListener("pointerdown", (event) => this.dragMap(event));
  }

  remove() {
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.saying);
  }

  // -- what Python says ---------------------------------------------------------------------------

  // Goes to its place in what Python has drawn, which has the filters.
  moveTo(place) {
    const { timeline: feed, name, state } = place.dataset;
    place.append(this.stage);
    if (this.data?.feed !== feed) {
      this.data = new TimelineData(feed);
      [this.window, this.past, this.cursor] = [null, [], null];
      this.ask();
    }
    const passes = (call) => (!name || this.data.nameOf(call).toLowerCase().includes(name)) && (!state || call.state === state);
    const isNew = this.filter !== `${name} ${state}`;
    this.filter = `${name} ${state}`;
    this.passes = passes;
    if (isNew) this.arrange();
  }

  ask() {
    this.view.send({ do: "rows", id: this.data.feed });
  }

  take(news) {
    if (news.feed !== this.data?.feed) return;
    if (!this.data.take(news)) return this.ask();
    if (!this.isChosen) this.show = this.data.calls.length > MANY && this.data.workers.length > 1 ? "workers" : "rows";
    this.arrange();
  }

  // Sorts the calls into bands, when there are others or another choice of them.
  arrange() {
    const { data } = this;
    if (!data?.version) return;
    this.shows.value = this.show;
    const kind = this.show === "workers" ? WorkerBands : LaneBands;
    this.of = new kind(data, this.passes);
    this.spans = data.calls
      .filter((call) => this.passes(call))
      .map((call) => (data.isQueued(call, call.spans.at(-1)) ? [data.end, data.end] : [call.spans[0].start, data.lastOf(call)]));
    this.soon();
  }

  mark(keys) {
    this.marked = keys;
    this.soon();
  }

  hover(key) {
    if (!this.data?.version || this.isOwn) return;
    const call = key && this.data.calls.find((one) => one.key === key);
    this.paint.hovered = call ? call.position : null;
    this.soon();
  }

  recolour() {
    this.paint.forget();
    this.mapPaint.forget();
    this.soon();
  }

  // -- painting -----------------------------------------------------------------------------------

  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      if (this.data?.version && this.stage.isConnected && this.canvas.clientWidth) this.draw();
    });
  }

  shares() {
    const { axis } = this.data;
    if (!this.window) return { left: 0, right: 1 };
    return { left: axis.share(this.window.from), right: axis.share(this.window.to) };
  }

  draw() {
    const { paint, data } = this;
    const [width, shares] = [this.canvas.clientWidth, this.shares()];
    paint.marked = new Set(this.marked);
    const times = { from: data.axis.time(shares.left), to: data.axis.time(shares.right) };
    const isWorkers = this.show === "workers";
    const above = AXIS + EPISODES;
    const first = above + (data.generations.length ? GENERATIONS : 0);
    const calls = this.of.bands(first, times, this.show === "density");
    const ownBands = data.generations.length ? [{ kind: "generations", top: above, bottom: first, calls: [] }] : [];
    this.bands = [...ownBands, ...calls];
    const last = calls.at(-1)?.bottom ?? first;
    paint.begin(data, shares, width, isWorkers ? last + 6 + RATE + 12 + LENGTHS + 26 : last + 4);
    paint.folds(last);
    paint.episodes(AXIS);
    if (data.generations.length) paint.generations(above);
    if (!calls.length) paint.text(paint.left, first + 10, isWorkers ? "Nothing has run yet." : "No calls to show.", { colour: "muted" });
    this.painter = isWorkers ? new WorkerPainter(paint, this.of) : new LanePainter(paint);
    calls.forEach((band, index) => this.painter.draw(band, index));
    if (isWorkers) this.painter.below(last + 6);
    paint.axis(this.isAbsolute);
    if (this.brush) {
      const [left, right] = [...this.brush].sort((a, b) => a - b);
      paint.pen.globalAlpha = 0.2;
      paint.box(left, AXIS, right - left, last - AXIS, "focus");
      paint.pen.globalAlpha = 1;
      paint.frame(left, AXIS, right - left, last - AXIS, "focus", 1);
    }
    this.mapPaint.map(data, shares, this.map.clientWidth, this.spans);
    this.saying ??= setTimeout(() => this.say(), SAYING_MS);
  }

  // What is written around the picture; less often than that is painted, since it costs a layout of the page.
  say() {
    this.saying = undefined;
    const { data } = this;
    const times = this.paint.window;
    this.back.setAttribute("aria-disabled", this.past.length === 0);
    this.all.setAttribute("aria-disabled", this.window === null);
    const count = this.spans.length;
    const part = this.window ? `${lasting(times.to - times.from)} of ${lasting(data.end)}` : `${lasting(data.end)} in all`;
    const from = new Date((data.begin + times.from / 1e6) * 1000).toISOString().replace("T", " ").slice(0, 23);
    const chosen = data.calls.find((call) => this.marked.includes(call.key));
    const selected = chosen ? `; selected: ${data.nameOf(chosen)} #${chosen.number}` : "";
    const label = `timeline of ${count.toLocaleString("en")} ${count === 1 ? "call" : "calls"}, ${part}${selected}`;
    if (this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
    const items = this.show === "workers" ? this.of.names.map((name) => [name, this.of.colours.get(name)]) : this.states();
    if (items.length > 6) items.splice(6, Infinity, [`${items.length - 6} more`, data.style.series.at(-1)]);
    if (this.show === "workers") items.push(["failed", data.style.colours.bad]);
    const words = JSON.stringify([items, from, part]);
    if (words === this.legendWords) return;
    this.legendWords = words;
    this.legend.replaceChildren(
      ...items.map(([name, colour]) => {
        const item = make("span", "dnb-item");
        const swatch = make("span", "dnb-swatch");
        swatch.style.background = `var(--${colour.slice(1)})`;
        item.append(swatch, name);
        return item;
      }),
      Object.assign(make("span", "dnb-right"), { textContent: `from ${from} UTC, ${part}` }),
    );
  }

  // The states that there are, with their colours; what is pale in a strip was scheduled, and hadn't begun.
  states() {
    const { data } = this;
    const found = new Map();
    for (const { lane } of this.bands.filter((band) => band.kind === "lane"))
      for (const call of lane.calls) {
        const [colour] = data.lookOf(call.state, lane.kind);
        const word = colour === data.style.waiting[0] ? data.wordFor(call.state, "timer") : data.wordFor(call.state, "activity");
        if (!found.has(word)) found.set(word, colour);
        if (call.pauses.length) found.set("wait before a retry", data.style.colours.retry);
      }
    if (this.bands.some((band) => band.isStrip)) found.set("scheduled", data.style.colours.asked);
    return [...found];
  }

  choose(show) {
    this.show = show;
    this.isChosen = true;
    this.arrange();
  }

  // -- the window ---------------------------------------------------------------------------------

  // Shows a window of time; null is all. Zooms that follow each other at once are one.
  go(window, isMore = false) {
    const now = Date.now();
    if (!(isMore && now - this.wentAt < ONE_ZOOM_MS)) this.past.push(this.window);
    if (this.past.length > 100) this.past.shift();
    this.wentAt = isMore ? now : 0;
    this.window = window;
    this.hide();
    this.soon();
  }

  goBack() {
    if (!this.past.length) return;
    this.window = this.past.pop();
    this.wentAt = 0;
    this.hide();
    this.soon();
  }

  goShares(left, right, isMore) {
    const { axis } = this.data;
    const width = right - left;
    if (width >= 1) return this.go(null, isMore);
    const from = Math.min(Math.max(left, 0), 1 - width);
    const window = { from: axis.time(from), to: axis.time(from + width) };
    if (window.to - window.from < LEAST_TIME) return;
    this.go(window, isMore);
  }

  // Zooms around a place, a share of the whole; without one around the call of the cursor, or the middle.
  zoom(factor, at) {
    if (!this.data?.version) return;
    const { left, right } = this.shares();
    const call = this.data.calls[this.cursor];
    const own = call && this.data.axis.share(call.from);
    const around = at ?? (own >= left && own <= right ? own : (left + right) / 2);
    this.goShares(around - (around - left) * factor, around + (right - around) * factor, true);
  }

  pan(part) {
    const { left, right } = this.shares();
    if (!this.window) return;
    const by = Math.min(Math.max(part * (right - left), -left), 1 - right);
    this.goShares(left + by, right + by, true);
  }

  zoomTo(from, to) {
    const { axis } = this.data;
    const [left, right] = [axis.share(from), axis.share(to)];
    const margin = Math.max((right - left) * 0.15, 1e-9);
    this.goShares(left - margin, right + margin);
  }

  // -- the mouse ----------------------------------------------------------------------------------

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // A page is scrolled over a timeline that isn't in use.
  wheeled(event) {
    if (!this.data?.version) return;
    const isUsed = document.activeElement === this.canvas;
    if (!event.ctrlKey && !event.metaKey && !isUsed) return this.hint(event);
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) return this.pan(event.deltaX / 600);
    this.zoom(STEP ** (Math.max(-3, Math.min(3, event.deltaY / 60)) || 0), this.paint.shareAt(this.bounded(this.place(event)[0])));
  }

  hint(event) {
    this.showTip(["Ctrl and the wheel zoom; so does the wheel alone after a click."], ...this.place(event));
  }

  bounded(x) {
    return Math.min(this.paint.right, Math.max(this.paint.left, x));
  }

  choosesRange(is) {
    this.isSelecting = is;
    this.range.setAttribute("aria-pressed", is);
    this.canvas.style.cursor = is ? "crosshair" : "";
  }

  down(event) {
    if (event.button || !this.data?.version) return;
    const [x, y] = this.place(event);
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const isRange = event.shiftKey || this.isSelecting;
    const { left, right } = this.shares();
    let isMoved = false;
    const move = (one) => {
      const [to] = this.place(one);
      isMoved ||= Math.abs(to - x) > 3;
      if (!isMoved) return;
      if (isRange) {
        this.brush = [this.bounded(x), this.bounded(to)];
        const times = this.brush.map((at) => this.data.axis.time(this.paint.shareAt(at)));
        this.showTip([lasting(Math.abs(times[1] - times[0]))], to, y);
        return this.soon();
      }
      const by = Math.min(Math.max((x - to) / this.paint.perShare, -left), 1 - right);
      if (this.window) this.goShares(left + by, right + by, true);
      this.wentAt = Date.now(); // a drag is one step, however long it takes
    };
    const end = (one) => {
      this.canvas.removeEventListener("pointermove", move);
      for (const name of ENDS) this.canvas.removeEventListener(name, end);
      const brush = this.brush;
      this.brush = null;
      this.wentAt = 0;
      if (one.type === "pointerup" && !isMoved) this.clicked(x, y);
      else if (one.type === "pointerup" && brush) {
        const [from, to] = brush.map((at) => this.paint.shareAt(at)).sort((a, b) => a - b);
        this.hide();
        this.goShares(from, to);
        this.choosesRange(false);
      }
      this.soon();
    };
    this.canvas.addEventListener("pointermove", move);
    for (const name of ENDS) this.canvas.addEventListener(name, end);
  }

  clicked(x, y) {
    const band = this.bandAt(y);
    const generation = band?.kind === "generations" && this.generationAt(x);
    if (generation) return this.open(generation);
    const call = band && band.kind !== "generations" && x >= this.paint.left - 6 && this.painter.find(band, x, y);
    if (!call) return;
    this.cursor = call.position;
    this.view.select(call.key);
  }

  // Opens a generation: zooms to it, and selects it, so that its values are shown below.
  open([execution, , from, to]) {
    const key = `generation ${execution}`;
    if (!this.marked.includes(key)) this.zoomTo(from, to < 0 ? this.data.end : to);
    this.view.select(key);
  }

  dragMap(event) {
    if (!this.data?.version) return;
    event.preventDefault();
    this.map.setPointerCapture(event.pointerId);
    const box = this.map.getBoundingClientRect();
    const { left, right } = this.shares();
    const share = (one) => (one.clientX - box.left - this.mapPaint.left) / this.mapPaint.perShare;
    const grabbed = share(event);
    const middle = (left + right) / 2;
    const off = grabbed >= left && grabbed <= right ? grabbed - middle : 0;
    const move = (one) => {
      if (!this.window) return;
      const half = (right - left) / 2;
      const at = Math.min(Math.max(share(one) - off, half), 1 - half);
      this.goShares(at - half, at + half, true);
      this.wentAt = Date.now();
    };
    const end = () => {
      this.map.removeEventListener("pointermove", move);
      for (const name of ENDS) this.map.removeEventListener(name, end);
      this.wentAt = 0;
    };
    move(event);
    this.map.addEventListener("pointermove", move);
    for (const name of ENDS) this.map.addEventListener(name, end);
  }

  // -- what is under the pointer, or under the cursor of the keys -----------------------------------

  bandAt(y) {
    return this.bands?.find((band) => y >= band.top && y < band.bottom);
  }

  generationAt(x) {
    const time = this.data.axis.time(this.paint.shareAt(x));
    return this.data.generations.find(([, , from, to]) => from <= time && (to < 0 || time <= to));
  }

  pointed(event) {
    if (!this.data?.version || event.buttons || !this.bands) return;
    const [x, y] = this.place(event);
    const band = this.bandAt(y);
    const call = band && band.kind !== "generations" && x >= this.paint.left - 6 ? this.painter.find(band, x, y) : null;
    this.point(call);
    const lines = call ? this.about(call) : band ? this.aboutBand(band, x) : null;
    if (lines) this.showTip(lines, x, y);
    else this.hide();
    if (!this.isSelecting) this.canvas.style.cursor = call || band?.kind === "generations" ? "pointer" : "";
  }

  // All marks of the call are lit, in other tabs' tables as well.
  point(call) {
    const position = call ? call.position : null;
    if (position === this.paint.hovered) return;
    this.paint.hovered = position;
    this.isOwn = true;
    this.view.hover(call?.key);
    this.isOwn = false;
    this.soon();
  }

  leave() {
    this.point(null);
    this.hide();
    this.paint.cursor = null;
    this.soon();
  }

  about(call) {
    const { data } = this;
    const [span, kind] = [call.spans.at(-1), data.kindOf(call)];
    const isQueued = data.isQueued(call, span);
    const state = isQueued ? "queued" : data.wordFor(call.state, kind);
    const lines = [`${data.nameOf(call)} #${call.number}: ${kind}, ${state}`];
    const open = span.to === null ? " so far" : "";
    if (kind === "signal") return lines;
    if (call.isCached) lines.push("its result was remembered: it didn't run");
    else if (["timer", "external event"].includes(kind)) lines.push(`took ${lasting(data.endOf(span) - span.from)}${open}`);
    else if (kind === "lock") {
      lines.push(`waited ${lasting(data.endOf(span) - span.from)}${open}`);
      if (call.left !== undefined) lines.push(`locked for ${lasting((call.left < 0 ? data.end : call.left) - span.to)}`);
    } else if (isQueued) lines.push(`waits since ${lasting(data.end - span.from)}`);
    else if (span.to === null && !span.isRunning) lines.push(`open since ${lasting(data.end - span.from)}`);
    else lines.push(`waited ${lasting(span.start - span.from)}, ran ${lasting(data.endOf(span) - span.start)}${open}`);
    const worker = data.workers[span.worker] ?? (typeof span.worker === "string" ? span.worker : "");
    if (worker) lines[lines.length - 1] += ` on ${worker}`;
    if (call.spans.length > 1) lines.push(`attempt ${call.spans.length}; ${lasting(data.lastOf(call) - call.from)} in all`);
    lines.push(`scheduled at ${data.axis.clock(call.from)} UTC, +${lasting(call.from)}`);
    return lines;
  }

  aboutBand(band, x) {
    if (band.kind === "generations") {
      const found = this.generationAt(x);
      if (!found || x < this.paint.left) return null;
      const [, number, from, to, word] = found;
      return [`generation ${number}: ${lasting((to < 0 ? this.data.end : to) - from)}`, word === "ContinuedAsNew" ? "continued as new" : word.toLowerCase(), "click to open it"];
    }
    if (band.kind === "worker") return this.painter.about(band);
    if (!band.isStrip || x < this.paint.left || x > this.paint.right) return null;
    const { time, running, waiting } = this.painter.count(band, x);
    return [`${band.lane.label}, +${lasting(time)}`, `${running.toLocaleString("en")} running, ${waiting.toLocaleString("en")} queued`];
  }

  showTip(lines, x, y) {
    const { tip } = this;
    const words = lines.join("\n");
    if (tip.dataset.words !== words) {
      tip.dataset.words = words;
      tip.replaceChildren(...lines.map((one, index) => Object.assign(make(index ? "div" : "b"), { textContent: one })));
    }
    tip.hidden = false;
    const [wide, high] = [tip.offsetWidth, tip.offsetHeight];
    const left = Math.min(Math.max(0, x + 12), Math.max(0, this.stage.clientWidth - wide));
    const top = this.canvas.offsetTop + y;
    tip.style.left = `${left}px`;
    tip.style.top = `${top - high - 10 > this.map.offsetTop ? top - high - 10 : top + 18}px`;
  }

  hide() {
    this.tip.hidden = true;
  }

  // -- keys ---------------------------------------------------------------------------------------

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data?.version) return;
    const act = {
      w: () => this.zoom(1 / STEP),
      "+": () => this.zoom(1 / STEP),
      "=": () => this.zoom(1 / STEP),
      s: () => this.zoom(STEP),
      "-": () => this.zoom(STEP),
      a: () => this.pan(-0.15),
      d: () => this.pan(0.15),
      0: () => this.go(null),
      b: () => this.goBack(),
      Backspace: () => this.goBack(),
      f: () => this.fit(),
      ArrowRight: () => this.step(1),
      ArrowLeft: () => this.step(-1),
      ArrowDown: () => this.leap(1),
      ArrowUp: () => this.leap(-1),
      Enter: () => this.enter(),
      " ": () => this.enter(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  // The bands that the cursor visits, each with its stops in the order of time.
  stops() {
    return this.bands
      .map((band) =>
        band.kind === "generations"
          ? this.data.generations.map((one) => ({ band, generation: one, from: one[2] }))
          : [...band.calls].sort((a, b) => a.from - b.from || a.position - b.position).map((call) => ({ band, call, from: call.from })),
      )
      .filter((stops) => stops.length);
  }

  at(all) {
    for (const [row, stops] of all.entries()) {
      const column = stops.findIndex((one) => (one.call ? one.call.position === this.cursor && one.band.lane === this.lane : one.generation[0] === this.generation));
      if (column >= 0) return [row, column];
    }
    return [-1, -1];
  }

  step(by) {
    const all = this.stops();
    if (!all.length) return;
    const [row, column] = this.at(all);
    if (row < 0) return this.stopAt(all.find((stops) => stops[0].call)?.[0] ?? all[0][0]);
    this.stopAt(all[row][Math.min(Math.max(column + by, 0), all[row].length - 1)]);
  }

  leap(by) {
    const all = this.stops();
    const [row, column] = this.at(all);
    if (row < 0) return this.step(0);
    const next = all[Math.min(Math.max(row + by, 0), all.length - 1)];
    const { from } = all[row][column];
    this.stopAt(next.reduce((best, one) => (Math.abs(one.from - from) < Math.abs(best.from - from) ? one : best)));
  }

  stopAt(stop) {
    [this.cursor, this.lane, this.generation] = [stop.call?.position ?? null, stop.band.lane, stop.generation?.[0] ?? null];
    const { left, right } = this.shares();
    const share = this.data.axis.share(stop.from);
    if (share < left || share > right) this.goShares(share - (right - left) / 2, share + (right - left) / 2, true);
    this.draw();
    this.tell();
  }

  // Says what the cursor is at.
  tell() {
    const call = this.data?.calls?.[this.cursor];
    const generation = this.data?.generations?.find(([execution]) => execution === this.generation);
    if (!this.canvas.matches(":focus-visible") || (!call && !generation)) return;
    this.paint.cursor = call ? call.position : null;
    const band = this.bands.find((one) => (call ? one.lane === this.lane : one.kind === "generations"));
    const x = this.bounded(this.paint.x(call ? call.from : generation[2]));
    const lines = call ? this.about(call) : this.aboutBand(band, x + 1);
    if (lines && band) this.showTip(lines, x, band.top + 10);
    this.soon();
  }

  fit() {
    const call = this.data.calls[this.cursor];
    if (call) this.zoomTo(call.from, this.data.lastOf(call));
  }

  enter() {
    const call = this.data.calls[this.cursor];
    const generation = this.data.generations.find(([execution]) => execution === this.generation);
    if (call) this.view.select(call.key);
    else if (generation) this.open(generation);
  }
}
