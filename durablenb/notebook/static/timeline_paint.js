// A canvas that is painted in the colours of the page, and the parts that all timelines have: the axis, idle time, the
// episodes, the generations, the map of the whole. Letters have at least ten pixels.

const AXIS = 34;
const EDGE = 26;
const EPISODES = 30; // height of the lane of the orchestrator
const GENERATIONS = 24;
const MAP = 24; // height of the map of the whole
const ALL = MAP - 4; // of its bars

class Paint {
  constructor(canvas, root) {
    this.canvas = canvas;
    this.root = root;
    this.pen = canvas.getContext("2d");
    this.known = new Map();
    this.family = getComputedStyle(root).fontFamily;
    this.marked = new Set();
    this.cursor = null;
    this.hovered = null;
  }

  // The theme has changed.
  forget() {
    this.known.clear();
  }

  // Gives the canvas a size, and the axis its window.
  begin(data, window, width, height) {
    const dots = devicePixelRatio || 1;
    Object.assign(this, { data, width, height, edge: width < 620 ? 4 : 20, left: width < 620 ? 140 : 164, right: width - EDGE });
    const [wide, high] = [Math.round(width * dots), Math.round(height * dots)];
    if (this.canvas.width !== wide) this.canvas.width = wide;
    if (this.canvas.height !== high) this.canvas.height = high;
    this.canvas.style.height = `${height}px`;
    this.pen.setTransform(dots, 0, 0, dots, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    const { axis } = data;
    this.window = { ...window, from: axis.time(window.left), to: axis.time(window.right) };
    this.perShare = (this.right - this.left) / (window.right - window.left);
  }

  // Where a time is, bounded: canvases compute with single precision.
  x(time) {
    const at = this.left + (this.data.axis.share(time) - this.window.left) * this.perShare;
    return at < -99 ? -99 : at > this.width + 99 ? this.width + 99 : at;
  }

  shareAt(x) {
    return this.window.left + (x - this.left) / this.perShare;
  }

  isMarked(call) {
    return this.marked.has(call.key) || call.position === this.cursor || call.position === this.hovered;
  }

  // A colour of the page: the name of one in the palette, or itself the colour that it has on a light page.
  colour(name) {
    let found = this.known.get(name);
    if (!found) {
      const light = this.data.style.colours[name] ?? name;
      found = getComputedStyle(this.root).getPropertyValue(`--${light.slice(1)}`).trim() || light;
      this.known.set(name, found);
    }
    return found;
  }

  // -- shapes -------------------------------------------------------------------------------------

  font(size, isBold) {
    this.pen.font = `${isBold ? "bold " : ""}${size}px ${this.family}`;
  }

  textWidth(words, size = 10, isBold = false) {
    this.font(size, isBold);
    return this.pen.measureText(words).width;
  }

  // Writes a line, shortened if there is no room; returns its width.
  text(x, y, words, { size = 10, colour = "ink", align = "left", isBold = false, room = Infinity } = {}) {
    const { pen } = this;
    this.font(size, isBold);
    let line = words.slice(0, 300);
    while (line.length > 1 && pen.measureText(line).width > room) line = `${line.slice(0, -2)}…`;
    pen.textAlign = align;
    pen.fillStyle = this.colour(colour);
    pen.fillText(line, x, y);
    return pen.measureText(line).width;
  }

  box(x, y, width, height, fill, stroke, dashes = []) {
    const { pen } = this;
    if (fill) {
      pen.fillStyle = this.colour(fill);
      pen.fillRect(x, y, width, height);
    }
    if (stroke) this.frame(x + 0.5, y + 0.5, Math.max(width - 1, 1), height - 1, stroke, 1, dashes);
  }

  frame(x, y, width, height, colour, thick, dashes = []) {
    const { pen } = this;
    pen.strokeStyle = this.colour(colour);
    pen.lineWidth = thick;
    pen.setLineDash(dashes);
    pen.strokeRect(x, y, width, height);
    pen.setLineDash([]);
  }

  line(x, y, toX, toY, colour, thick = 1, dashes = []) {
    const { pen } = this;
    pen.strokeStyle = this.colour(colour);
    pen.lineWidth = thick;
    pen.setLineDash(dashes);
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(toX, toY);
    pen.stroke();
    pen.setLineDash([]);
  }

  shape(points, fill, stroke) {
    const { pen } = this;
    pen.beginPath();
    for (const [x, y] of points) pen.lineTo(x, y);
    pen.closePath();
    pen.fillStyle = this.colour(fill);
    pen.fill();
    if (!stroke) return;
    pen.strokeStyle = this.colour(stroke);
    pen.lineWidth = 1.4;
    pen.stroke();
  }

  ring(x, y, radius, colour) {
    const { pen } = this;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = this.colour("plate");
    pen.fill();
    pen.strokeStyle = this.colour(colour);
    pen.lineWidth = 1.8;
    pen.stroke();
  }

  cross(x, y, width, height) {
    this.line(x - width / 2, y, x + width / 2, y + height, "failed", 1.8);
    this.line(x + width / 2, y, x - width / 2, y + height, "failed", 1.8);
  }

  hatch(x, y, width, height, colour) {
    const [from, to] = [Math.max(x, this.left - 6), Math.min(x + width, this.right + 6)];
    const { pen } = this;
    pen.strokeStyle = this.colour(colour);
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = x + 3 + Math.ceil((from - x) / 6) * 6; at < to - 3; at += 6) {
      pen.moveTo(at, y + height);
      pen.lineTo(at + 3, y);
    }
    pen.stroke();
  }

  clipped(top, bottom, draw) {
    const { pen, window } = this;
    const left = window.left > 0 ? this.left : this.left - 6; // marks at the very beginning and end are whole
    const right = window.right < 1 ? this.right : this.width;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top);
    pen.clip();
    draw();
    pen.restore();
  }

  // -- the parts of all timelines -----------------------------------------------------------------

  // Idle time, as bands behind everything.
  folds(bottom) {
    for (const piece of this.data.axis.pieces) {
      if (!piece.isFold) continue;
      const [left, right] = [Math.max(this.x(piece.from), this.left), Math.min(this.x(piece.to), this.right)];
      if (right - left < 1) continue;
      this.box(left + 1, AXIS, right - left - 2, bottom - AXIS, "band");
      const words = lasting(piece.to - piece.from);
      const label = [`idle ${words}`, words].find((one) => this.textWidth(one) < right - left - 4);
      if (label) this.text((left + right) / 2, AXIS + 10, label, { colour: "muted", align: "center" });
    }
  }

  axis(isAbsolute) {
    this.line(this.left, AXIS, this.right, AXIS, "rim");
    let last = -Infinity;
    for (const [time, words] of this.data.axis.ticks(this.window, this.right - this.left, isAbsolute)) {
      const [x, half] = [this.x(time), this.textWidth(words) / 2];
      if (x < this.left - 1 || x > this.right + 1 || x - half < last + 6) continue;
      this.line(x, AXIS - 4, x, AXIS, "muted");
      const at = Math.min(x, this.width - 4 - half);
      this.text(at, AXIS - 9, words, { colour: "muted", align: "center" });
      last = at + half;
    }
    if (isAbsolute) this.text(this.edge, AXIS - 9, "UTC", { colour: "muted" });
  }

  episodes(top) {
    const { episodes } = this.data;
    this.text(this.edge, top + 22, "orchestrator", { size: 11.5, colour: "muted", room: this.left - this.edge - 55 });
    if (episodes.length > 1) this.text(this.left - 12, top + 22, `× ${episodes.length.toLocaleString("en")}`, { size: 10.5, colour: "muted", align: "right" });
    this.clipped(top, top + EPISODES, () => {
      this.line(Math.max(this.x(0), this.left), top + 18, Math.min(this.x(this.data.end), this.right), top + 18, "hair", 2);
      const xs = new Set(episodes.filter((one) => one >= this.window.from && one <= this.window.to).map((one) => Math.round(this.x(one) * 2) / 2));
      const isMany = xs.size > 150;
      for (const x of xs) this.line(x, top + 12, x, top + 24, isMany ? "muted" : "ink", isMany ? 0.5 : 1.4);
    });
  }

  generations(top) {
    const { generations, end, style } = this.data;
    this.line(this.edge, top, this.width - 20, top, "hair");
    this.text(this.edge, top + 16, "generations", { size: 11.5, colour: "muted", room: this.left - this.edge - 55 });
    this.text(this.left - 12, top + 16, `× ${generations.length}`, { size: 10.5, colour: "muted", align: "right" });
    this.clipped(top, top + GENERATIONS, () => {
      for (const [execution, number, from, to, word] of generations) {
        const [left, right] = [this.x(from), this.x(to < 0 ? end : to)];
        const [solid, tint] = style.endings[word] ?? style.endings.Failed;
        const width = Math.max(right - left - 1, 2);
        this.box(left, top + 5, width, 14, tint, solid);
        if (this.marked.has(`generation ${execution}`)) this.frame(left - 1, top + 3.5, width + 2, 17, "ink", 2);
        const label = String(number);
        if (this.textWidth(label) < width - 4) this.text(Math.max(left, this.left) + 3, top + 16, label, { colour: "ink" });
      }
    });
  }

  // The whole of the time with the window in it.
  map(data, window, width, spans) {
    this.begin(data, { left: 0, right: 1 }, width, MAP);
    const count = Math.ceil((this.right - this.left) / 2) + 1;
    const cover = new Cover(count);
    for (const [from, to] of spans) cover.add((this.x(from) - this.left) / 2, (this.x(to) - this.left) / 2);
    const counts = cover.counts();
    const most = Math.max(...counts, 1e-9);
    for (const piece of data.axis.pieces)
      if (piece.isFold) this.box(this.x(piece.from), 2, this.x(piece.to) - this.x(piece.from), ALL, "band");
    this.pen.fillStyle = this.colour("asked");
    counts.forEach((one, index) => {
      const height = one <= 1e-9 ? 0 : Math.max(1.5, (one / most) * ALL);
      if (height) this.pen.fillRect(this.left + 2 * index, 2 + ALL - height, 2, height);
    });
    const [left, right] = [this.left + window.left * this.perShare, this.left + window.right * this.perShare];
    this.pen.globalAlpha = 0.35;
    this.box(left, 2, Math.max(right - left, 2), ALL, "window");
    this.pen.globalAlpha = 1;
    this.frame(left, 2, Math.max(right - left, 2), ALL, "focus", 1.5);
    this.text(this.edge, 16, window.right - window.left < 0.999 ? `${Math.round(1 / (window.right - window.left)).toLocaleString("en")} × zoomed` : "all", { colour: "muted", room: this.left - this.edge - 10 });
  }
}
