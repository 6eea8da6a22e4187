// The lanes of a timeline: a bar for each call, or a strip with the number of open calls over time, as in the still
// picture. Each lane is a band: where it is, which calls it has, and what is at a point of it.

const ROW = 16;
const NARROW = 9;
const STRIP = 34;
const BUCKET = 4;
const LEAST = 3;
const WIDE_ROWS = 12;
const MOST_ROWS = 30;
const MOST_BARS = 200;
const MOST_ZOOMED = 80; // calls in the window, below which a strip becomes rows

class LaneBands {
  constructor(data, passes) {
    this.data = data;
    const lanes = new Map();
    for (const call of data.calls) {
      if (!passes(call)) continue;
      const [, kind, number, label, about] = data.whats[call.what];
      if (!lanes.has(number)) lanes.set(number, { number, kind, label, about, calls: [] });
      lanes.get(number).calls.push(call);
    }
    this.lanes = [...lanes.values()].sort((a, b) => a.number - b.number);
    for (const lane of this.lanes) this.prepare(lane);
  }

  // Few calls are packed from their scheduling on; many only while they ran, in the rows of all of the lane.
  prepare(lane) {
    const { data } = this;
    const marks = lane.calls.reduce((sum, call) => sum + call.spans.length + call.pauses.length, 0);
    const reach = (call) => [call.from, data.lastOf(call)];
    lane.pack = marks <= MOST_BARS ? packed(lane.calls.map(reach), MOST_ROWS) : null;
    lane.isDense = !lane.pack;
    lane.calls.forEach((call, index) => {
      call.row = lane.pack?.rows[index] ?? 0;
    });
  }

  // The bands in a window of time, from a height on. With `isDense`, all of several calls are strips.
  bands(top, window, isDense) {
    const bands = [];
    for (const lane of this.lanes) {
      const band = { id: `lane ${lane.number}`, kind: "lane", lane, top, calls: lane.calls, ...this.shape(lane, window, isDense) };
      band.bottom = top + band.height;
      bands.push(band);
      top = band.bottom;
    }
    return bands;
  }

  shape(lane, window, isDense) {
    const { data } = this;
    if (isDense && lane.calls.length > 1) return { isStrip: true, height: STRIP + 10 };
    if (!lane.isDense) {
      const row = lane.pack.count <= WIDE_ROWS ? ROW : NARROW;
      return { isStrip: false, row, height: Math.max(lane.pack.count * row, ROW) + 10, rowOf: (call) => call.row, shown: lane.calls };
    }
    const shown = [];
    for (const call of lane.calls) {
      if (data.isQueued(call, call.spans.at(-1)) && call.spans.length === 1) continue;
      if (data.lastOf(call) < window.from || call.spans[0].start > window.to) continue;
      shown.push(call);
      if (shown.length > MOST_ZOOMED) return { isStrip: true, height: STRIP + 10 };
    }
    const pack = packed(shown.map((call) => [call.spans[0].start, data.lastOf(call)]), MOST_ROWS);
    if (!pack || !shown.length) return { isStrip: true, height: STRIP + 10 };
    const row = pack.count <= WIDE_ROWS ? ROW : NARROW;
    const rows = new Map(shown.map((call, index) => [call, pack.rows[index]]));
    return { isStrip: false, row, height: Math.max(pack.count * row, ROW) + 10, rowOf: (call) => rows.get(call), shown, isZoomed: true };
  }
}

// Paints one band of calls.
class LanePainter {
  constructor(paint) {
    this.paint = paint; // the pen, the colours, the axis
    this.data = paint.data;
  }

  draw(band) {
    const { paint } = this;
    this.label(band);
    paint.clipped(band.top, band.bottom, () => (band.isStrip ? this.strip(band) : this.rows(band)));
  }

  label({ lane, top, isStrip }) {
    const { paint } = this;
    const count = lane.calls.length > 1 ? `× ${lane.calls.length.toLocaleString("en")}` : "";
    const room = paint.left - paint.edge - 14 - paint.textWidth(count, 10.5);
    paint.line(paint.edge, top, paint.width - 20, top, "hair");
    const used = paint.text(paint.edge, top + 17, lane.label, { size: 11.5, isBold: true, room });
    if (lane.about && room - used > 25) paint.text(paint.edge + 5 + used, top + 17, lane.about, { colour: "muted", room: room - used - 5 });
    if (count) paint.text(paint.left - 12, top + 17, count, { size: 10.5, colour: "muted", align: "right" });
    if (isStrip) paint.text(paint.edge, top + STRIP + 2, `peak ${this.peak(lane).toLocaleString("en")} open`, { colour: "muted", room: paint.left - paint.edge - 10 });
  }

  // The most calls of a lane that were open at once.
  peak(lane) {
    if (lane.peak === undefined) {
      const changes = lane.calls.flatMap((call) =>
        call.spans.flatMap((span) => [
          [span.from, 1],
          [this.data.endOf(span), -1],
        ]),
      );
      changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      let [count, most] = [0, 1];
      for (const [, change] of changes) most = Math.max(most, (count += change));
      lane.peak = most;
    }
    return lane.peak;
  }

  // -- rows ---------------------------------------------------------------------------------------

  rows(band) {
    const { paint, data } = this;
    const ends = new Map(); // of each row, the begin of the next call
    const begin = (call) => (band.isZoomed ? call.spans[0].start : call.from);
    for (const call of [...band.shown].sort((a, b) => begin(b) - begin(a))) {
      const row = band.rowOf(call);
      const middle = band.top + 5 + row * band.row + band.row / 2;
      const from = begin(call);
      if (data.lastOf(call) >= paint.window.from && from <= paint.window.to) this.call(call, band, middle, ends.get(row));
      ends.set(row, paint.x(from));
    }
  }

  call(call, band, middle, after = this.paint.width - 8) {
    const { paint, data } = this;
    const height = band.row === ROW ? 9 : band.row - 3;
    const kind = data.kindOf(call);
    for (const pause of call.pauses) paint.line(paint.x(pause.from), middle, paint.x(data.endOf(pause)), middle, "retry", 1.6, [2, 2]);
    for (const span of call.spans) this.mark(call, span, kind, middle, height, band.isZoomed);
    [...call.spans, ...call.pauses].forEach((span, index) => {
      if (!data.path.has(`${call.position} ${index}`)) return;
      const [left, right] = [paint.x(span.from), paint.x(data.endOf(span))];
      paint.frame(left - 2, middle - band.row / 2 + 1, Math.max(right - left, LEAST) + 4, band.row - 2, "path", 1.6);
    });
    if (paint.isMarked(call)) {
      const [left, right] = [paint.x(band.isZoomed ? call.spans[0].start : call.from), paint.x(data.lastOf(call))];
      paint.frame(left - 2.5, middle - height / 2 - 2.5, Math.max(right - left, LEAST) + 5, height + 5, "ink", 2);
    }
    if (band.row !== ROW) return;
    const end = Math.max(paint.x(data.lastOf(call)), paint.x(call.from) + LEAST);
    const words = this.length(call);
    if (words && paint.textWidth(words, 10) + 14 < after - end) paint.text(end + 8, middle + 3.4, words, { colour: "muted" });
  }

  length(call) {
    if (call.isCached) return "from cache";
    const time = this.data.lastOf(call) - call.from;
    const tries = call.spans.length > 1 ? `, ${call.spans.length} tries` : "";
    return time < 1000 ? "" : lasting(time) + tries;
  }

  mark(call, span, kind, middle, height, isZoomed) {
    const { paint, data } = this;
    const [solid, tint] = data.lookOf(span.state, kind);
    const [from, start, to] = [paint.x(span.from), paint.x(span.start), paint.x(data.endOf(span))];
    const top = middle - height / 2;
    if (call.isCached && span === call.spans.at(-1)) return paint.ring(to, middle, height / 2, solid);
    if (kind === "signal") return paint.shape([[from, middle - 4.5], [from + 8, middle], [from, middle + 4.5]], solid);
    if (kind === "external event") {
      paint.line(from, middle, to, middle, solid, 1.6, [1.5, 3]);
      const diamond = [[to, middle - 5.5], [to + 5.5, middle], [to, middle + 5.5], [to - 5.5, middle]];
      return paint.shape(diamond, call.state === "completed" ? solid : "plate", solid);
    }
    if (kind === "timer") {
      paint.box(from, top + 1, Math.max(to - from, LEAST), height - 2, tint, solid);
      return paint.hatch(from, top + 1, to - from, height - 2, solid);
    }
    if (kind === "lock") {
      paint.line(from, middle, to, middle, solid, 1.6, [1.5, 3]);
      if (call.left === undefined) return;
      const end = paint.x(call.left < 0 ? data.end : call.left);
      paint.box(to, top, Math.max(end - to, LEAST), height, tint, solid, call.left < 0 ? [3, 2] : []);
      return paint.line(to, top - 2, to, top + height + 2, solid, 2);
    }
    const isQueued = data.isQueued(call, span);
    const began = span.to === null && !span.isRunning && !isQueued ? from : start;
    if ((began - from >= 1 && !isZoomed) || isQueued) paint.line(from, middle, isQueued ? to : began, middle, solid, 2);
    if (isQueued) return;
    let width = Math.max(to - began, LEAST);
    if (width > 2 * LEAST) width -= 1; // a gap before the next bar
    if (["running", "open", "not loaded", "left open", "interrupted"].includes(span.state)) return paint.box(began, top, width, height, tint, solid, [3, 2]);
    paint.box(began, top, width, height, solid);
    if (kind === "sub-orchestration" && width > 6) paint.line(began + 2, middle, began + width - 2, middle, "plate", 1.6);
    if (span.state === "failed") paint.cross(began + width, middle - 6, 6, 12);
  }

  // -- strips -------------------------------------------------------------------------------------

  strip(band) {
    const { paint, data } = this;
    const count = Math.ceil((paint.right - paint.left) / BUCKET) + 1;
    const [scheduled, running, failed] = [new Cover(count), new Cover(count), new Map()];
    const place = (time) => (paint.x(time) - paint.left) / BUCKET;
    const { lane } = band;
    for (const call of lane.calls) {
      const kind = data.kindOf(call);
      for (const span of call.spans) {
        const end = place(data.endOf(span));
        scheduled.add(place(span.from), end);
        if (!data.isQueued(call, span)) running.add(place(kind === "timer" ? span.from : span.start), end);
        if (span.state === "failed" && end >= 0 && end < count) failed.set(Math.floor(end), (failed.get(Math.floor(end)) ?? 0) + 1);
      }
    }
    const [all, busy] = [scheduled.counts(), running.counts()];
    const most = Math.max(...all, 1e-9);
    const base = band.top + 4 + STRIP;
    const isOpen = lane.calls.some((call) => ["running", "open"].includes(call.state));
    this.area(all, most, base, "asked");
    this.area(busy, most, base, data.lookOf(isOpen ? "open" : "completed", lane.kind)[0]);
    if (data.path.size || paint.marked.size || paint.cursor !== null)
      for (const call of lane.calls) {
        [...call.spans, ...call.pauses].forEach((span, index) => {
          if (!data.path.has(`${call.position} ${index}`)) return;
          const [left, right] = [paint.x(span.from), paint.x(data.endOf(span))];
          paint.frame(left - 2, band.top + 8, Math.max(right - left, LEAST) + 4, STRIP - 5, "path", 1.6);
        });
        if (!paint.isMarked(call)) continue;
        const [left, right] = [paint.x(call.from), paint.x(data.lastOf(call))];
        paint.frame(left - 1, band.top + 8, Math.max(right - left, LEAST) + 2, STRIP - 4, "ink", 2);
      }
    for (const bucket of failed.keys()) paint.cross(paint.left + bucket * BUCKET + 3, band.top + 4, 6, 6);
  }

  area(counts, most, base, colour) {
    const { paint } = this;
    const { pen } = paint;
    pen.fillStyle = paint.colour(colour);
    counts.forEach((count, bucket) => {
      const height = count <= 1e-9 ? 0 : Math.max(1.5, ((STRIP - 7) * count) / most);
      if (height) pen.fillRect(paint.left + bucket * BUCKET, base - height, BUCKET, height);
    });
  }

  // -- what is at a point ---------------------------------------------------------------------------

  // The call at a point, or the nearest within a few pixels.
  find(band, x, y) {
    const { paint, data } = this;
    if (band.isStrip) return null;
    let [found, nearest] = [null, 5];
    const row = Math.floor((y - band.top - 5) / band.row);
    for (const call of band.shown) {
      if (band.rowOf(call) !== row) continue;
      const left = paint.x(band.isZoomed ? call.spans[0].start : call.from);
      const right = Math.max(paint.x(data.lastOf(call)), left + LEAST);
      const off = x < left ? left - x : x > right ? x - right : 0;
      if (off < nearest) [found, nearest] = [call, off];
    }
    return found;
  }

  // What a strip counts at a point.
  count(band, x) {
    const { paint, data } = this;
    const time = data.axis.time(paint.shareAt(x));
    let [running, waiting] = [0, 0];
    for (const call of band.lane.calls)
      for (const span of call.spans) {
        if (span.from > time || data.endOf(span) < time) continue;
        if (span.start <= time && !data.isQueued(call, span)) running += 1;
        else waiting += 1;
      }
    return { time, running, waiting };
  }
}

// The average number of intervals that cover each bucket.
class Cover {
  constructor(count) {
    this.count = count;
    this.partial = new Float64Array(count + 2);
    this.change = new Float64Array(count + 2);
  }

  add(from, to) {
    const end = Math.min(Math.max(to, from + 0.2), this.count);
    const begin = Math.max(from, 0);
    if (end <= begin) return;
    const [first, last] = [Math.floor(begin), Math.floor(end)];
    if (first === last) {
      this.partial[first] += end - begin;
      return;
    }
    this.partial[first] += first + 1 - begin;
    this.partial[last] += end - last;
    this.change[first + 1] += 1;
    this.change[last] -= 1;
  }

  counts() {
    let whole = 0;
    return Array.from({ length: this.count }, (_, index) => (whole += this.change[index]) + this.partial[index]);
  }
}
