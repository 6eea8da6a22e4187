// The timeline of a live view: it is painted here, so that zooming and panning need no kernel. Python sends the calls as
// rows, and says in the place of the timeline which of them are chosen.

const TIMELINE_HELP =
  "w and s, or + and -: zoom in and out. a and d: move. Arrows: from call to call. Enter: select it. f: zoom to it. " +
  "b: back. 0: all. With the mouse: drag to move, Shift-drag to zoom to a range, Ctrl and the wheel to zoom.";
const STEP = 1.25;
const SAYING_MS = 80;
const HINT_MS = 1500;
const MANY = 400; // calls, from which on the workers are shown first
const CHOICES = { view: ["rows", "density", "workers"], axis: ["relative", "absolute"] };

class Timeline {
  constructor(view) {
    this.view = view;
    this.viewport = new TimelineViewport(() => {
      this.tip.hide();
      this.soon();
    });
    this.cursor = new TimelineCursor();
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
    this.back = button("Back", "Back to the zoom before", () => this.viewport.goBack());
    this.all = button("Show all", "Show all of the time", () => this.viewport.go(null));
    this.map = make("canvas", "dnb-map", { "aria-hidden": "true" });
    this.canvas = make("canvas", "dnb-canvas", { tabindex: "0", role: "application", "aria-label": "timeline" });
    this.legend = make("p", "dnb-legend dnb-muted");
    this.stage.append(bar, this.map, this.canvas, this.legend);
    this.tip = new TimelineTip(this.stage, this.canvas);
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
    clearTimeout(this.hinting);
  }

  // -- what Python says ---------------------------------------------------------------------------

  // Goes to its place in what Python has drawn, which has the filters.
  moveTo(place) {
    const { timeline: feed, name, state } = place.dataset;
    place.append(this.stage);
    if (this.data?.feed !== feed) {
      this.data = new TimelineData(feed);
      this.viewport.reset(this.data);
      this.cursor.reset();
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

  draw() {
    const { paint, data } = this;
    const [width, shares] = [this.canvas.clientWidth, this.viewport.shares()];
    paint.marked = new Set(this.marked);
    const times = { from: data.axis.time(shares.left), to: data.axis.time(shares.right) };
    const isWorkers = this.show === "workers";
    const above = AXIS + EPISODES;
    const first = above + (data.generations.length ? GENERATIONS : 0);
    const calls = this.of.bands(first, times, this.show === "density");
    const ownBands = data.generations.length ? [{ id: "generations", kind: "generations", top: above, bottom: first, calls: [] }] : [];
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
    this.back.setAttribute("aria-disabled", this.viewport.past.length === 0);
    this.all.setAttribute("aria-disabled", this.viewport.isAll);
    const count = this.spans.length;
    const part = !this.viewport.isAll ? `${lasting(times.to - times.from)} of ${lasting(data.end)}` : data.took || `${lasting(data.end)} in all`;
    const from = new Date((data.begin + times.from / 1e6) * 1000).toISOString().replace("T", " ").slice(0, 23);
    const chosen = data.calls.find((call) => this.marked.includes(call.key));
    const selected = chosen ? `; selected: ${data.nameOf(chosen)} #${chosen.number}` : "";
    const label = `timeline of ${count.toLocaleString("en")} ${count === 1 ? "call" : "calls"}, ${part}${selected}`;
    if (this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
    const items = this.show === "workers" ? this.of.names.map((name) => [name, this.of.colours.get(name)]) : this.states();
    if (items.length > 8) items.splice(8, Infinity, [`${items.length - 8} more`, data.style.series.at(-1)]);
    if (this.show === "workers") items.push(["failed", data.style.colours.bad]);
    const words = JSON.stringify([items, from, part]);
    if (words === this.legendWords) return;
    this.legendWords = words;
    this.legend.replaceChildren(
      ...items.map(([name, colour, look = ""]) => {
        const item = make("span", "dnb-item");
        const swatch = make("span", `dnb-swatch ${look}`);
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
        if (call.spans.some(({ state }) => state === "failed")) found.set("failed", data.lookOf("failed", lane.kind)[0]);
      }
    if (this.bands.some((band) => band.isStrip)) found.set("scheduled", data.style.colours.asked);
    const isQueued = found.delete("queued"); // which is a line, as is the time that others were queued
    const items = [...found];
    const hasQueue = (band) => band.shown && !band.isZoomed && band.shown.some((call) => call.spans.some((span) => span.start > span.from));
    if (isQueued || this.bands.some(hasQueue)) items.push(["queued", data.style.colours.muted, "dnb-thin"]);
    if (data.axis.pieces.some((piece) => piece.isFold)) items.push(["idle time, folded", data.style.colours.band]);
    return items;
  }

  choose(show) {
    this.show = show;
    this.isChosen = true;
    this.arrange();
  }

  // Zooms around a place, a share of the whole; without one around the call of the cursor, or the middle.
  zoom(factor, at) {
    if (!this.data?.version) return;
    const { left, right } = this.viewport.shares();
    const { call } = this.atCursor();
    const own = call && this.data.axis.share(call.from);
    this.viewport.zoom(factor, at ?? (own >= left && own <= right ? own : (left + right) / 2));
  }

  pan(part) {
    const shares = this.viewport.shares();
    this.viewport.move(shares, part * (shares.right - shares.left));
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
    this.tip.show(["To zoom, hold Ctrl and turn the wheel, or click the timeline first."], ...this.place(event));
    clearTimeout(this.hinting);
    this.hinting = setTimeout(() => this.tip.hide(), HINT_MS);
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
    const before = this.viewport.shares();
    let isMoved = false;
    const move = (one) => {
      const [to] = this.place(one);
      isMoved ||= Math.abs(to - x) > 3;
      if (!isMoved) return;
      if (isRange) {
        this.brush = [this.bounded(x), this.bounded(to)];
        const times = this.brush.map((at) => this.data.axis.time(this.paint.shareAt(at)));
        this.tip.show([lasting(Math.abs(times[1] - times[0]))], to, y);
        return this.soon();
      }
      this.viewport.move(before, (x - to) / this.paint.perShare);
      this.viewport.keepOn();
    };
    const end = (one) => {
      this.canvas.removeEventListener("pointermove", move);
      for (const name of ENDS) this.canvas.removeEventListener(name, end);
      const brush = this.brush;
      this.brush = null;
      this.viewport.end();
      if (one.type === "pointerup" && !isMoved) this.clicked(x, y);
      else if (one.type === "pointerup" && brush) {
        const [from, to] = brush.map((at) => this.paint.shareAt(at)).sort((a, b) => a - b);
        this.tip.hide();
        this.viewport.goShares(from, to);
        this.choosesRange(false);
      }
      this.soon();
    };
    this.canvas.addEventListener("pointermove", move);
    for (const name of ENDS) this.canvas.addEventListener(name, end);
  }

  clicked(x, y) {
    const band = this.bandAt(y);
    const generation = band?.kind === "generations" && generationAt(this.data, this.paint, x);
    if (generation) return this.open(generation);
    const call = band && band.kind !== "generations" && x >= this.paint.left - 6 && this.painter.find(band, x, y);
    if (!call) return;
    this.cursor.put(call.position, null, band);
    this.view.select(call.key);
  }

  // Opens a generation: zooms to it, and selects it, so that its values are shown below.
  open([execution, , from, to]) {
    const key = `generation ${execution}`;
    if (!this.marked.includes(key)) this.viewport.zoomTo(from, to < 0 ? this.data.end : to);
    this.view.select(key);
  }

  dragMap(event) {
    if (!this.data?.version) return;
    event.preventDefault();
    this.map.setPointerCapture(event.pointerId);
    const box = this.map.getBoundingClientRect();
    const before = this.viewport.shares();
    const share = (one) => (one.clientX - box.left - this.mapPaint.left) / this.mapPaint.perShare;
    const grabbed = share(event);
    const middle = (before.left + before.right) / 2;
    const off = grabbed >= before.left && grabbed <= before.right ? grabbed : middle; // else it jumps to the pointer
    const move = (one) => {
      this.viewport.move(before, share(one) - off);
      this.viewport.keepOn();
    };
    const end = () => {
      this.map.removeEventListener("pointermove", move);
      for (const name of ENDS) this.map.removeEventListener(name, end);
      this.viewport.end();
    };
    move(event);
    this.map.addEventListener("pointermove", move);
    for (const name of ENDS) this.map.addEventListener(name, end);
  }

  // -- what is under the pointer, or under the cursor of the keys -----------------------------------

  bandAt(y) {
    return this.bands?.find((band) => y >= band.top && y < band.bottom);
  }

  pointed(event) {
    if (!this.data?.version || event.buttons || !this.bands) return;
    const [x, y] = this.place(event);
    const band = this.bandAt(y);
    const call = band && band.kind !== "generations" && x >= this.paint.left - 6 ? this.painter.find(band, x, y) : null;
    this.point(call);
    const lines = call ? aboutCall(this.data, call) : band ? aboutBand(this.data, band, this.painter, x) : null;
    if (lines) this.tip.show(lines, x, y);
    else this.tip.hide();
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
    this.tip.hide();
    this.paint.cursor = null;
    this.soon();
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
      0: () => this.viewport.go(null),
      b: () => this.viewport.goBack(),
      Backspace: () => this.viewport.goBack(),
      f: () => this.fit(),
      ArrowRight: () => this.follow(this.cursor.step(1, this.bands, this.data)),
      ArrowLeft: () => this.follow(this.cursor.step(-1, this.bands, this.data)),
      ArrowDown: () => this.follow(this.cursor.leap(1, this.bands, this.data)),
      ArrowUp: () => this.follow(this.cursor.leap(-1, this.bands, this.data)),
      Enter: () => this.enter(),
      " ": () => this.enter(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  // Goes to what the cursor is at now, which begins then, and tells of it.
  follow(from) {
    if (from === null) return;
    const { left, right } = this.viewport.shares();
    const share = this.data.axis.share(from);
    if (share < left || share > right) this.viewport.move({ left, right }, share - (left + right) / 2);
    this.draw();
    this.tell();
  }

  atCursor() {
    const { data, cursor } = this;
    return {
      call: data?.calls[cursor.call],
      generation: data?.generations?.find(([execution]) => execution === cursor.generation),
    };
  }

  tell() {
    const { call, generation } = this.atCursor();
    const band = this.bands?.find((one) => one.id === this.cursor.band);
    if (!this.canvas.matches(":focus-visible") || !band || (!call && !generation)) return;
    this.paint.cursor = call ? call.position : null;
    const x = this.bounded(this.paint.x(call ? call.from : generation[2]));
    this.tip.show(call ? aboutCall(this.data, call) : aboutBand(this.data, band, this.painter, x + 1), x, band.top + 10);
    this.soon();
  }

  fit() {
    const { call } = this.atCursor();
    if (call) this.viewport.zoomTo(call.from, this.data.lastOf(call));
  }

  enter() {
    const { call, generation } = this.atCursor();
    if (call) this.view.select(call.key);
    else if (generation) this.open(generation);
  }
}
