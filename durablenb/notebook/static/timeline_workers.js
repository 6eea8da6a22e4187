// The task stream: a lane for each worker with the attempts that ran on it, coloured by name, failed ones red; below it
// how many ended in a second, and how long they took.

const MOST_HIGH = 16;
const RATE = 46;
const LENGTHS = 54;
const BINS = 48;

class WorkerBands {
  constructor(data, passes) {
    this.data = data;
    const lanes = new Map();
    const names = new Map();
    for (const call of data.calls) {
      if (data.kindOf(call) !== "activity" || call.isCached || !passes(call)) continue;
      for (const span of call.spans) {
        if (span.to === null && !span.isRunning) continue;
        if (!lanes.has(span.worker)) lanes.set(span.worker, []);
        lanes.get(span.worker).push(span);
        names.set(data.nameOf(call), (names.get(data.nameOf(call)) ?? 0) + 1);
      }
    }
    const title = (worker) => (worker === -1 || worker === "" ? "hub's own thread" : (data.workers[worker] ?? String(worker)));
    this.lanes = [...lanes].map(([worker, spans]) => ({ title: title(worker), spans: spans.sort((a, b) => a.start - b.start) }));
    this.lanes.sort((a, b) => a.title.localeCompare(b.title, "en", { numeric: true }));
    this.names = [...names].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const { series } = data.style;
    this.colours = new Map(this.names.map((name, index) => [name, series[Math.min(index, series.length - 1)]]));
    this.high = Math.max(5, Math.min(MOST_HIGH, Math.floor(320 / Math.max(this.lanes.length, 1))));
  }

  bands(top) {
    const { data } = this;
    return this.lanes.map((lane, index) => ({
      id: `worker ${lane.title}`,
      kind: "worker",
      lane,
      top: top + 6 + index * this.high,
      bottom: top + 6 + (index + 1) * this.high,
      calls: [...new Set(lane.spans.map((span) => data.calls[span.call]))],
    }));
  }
}

class WorkerPainter {
  constructor(paint, of) {
    this.paint = paint;
    this.data = paint.data;
    this.of = of; // the bands of the workers
  }

  draw(band, index) {
    const { paint, data, of } = this;
    const each = Math.ceil(13 / of.high);
    const spans = this.within(band.lane.spans);
    if (index % each === 0) {
      const busy = `${Math.round(100 * this.busy(spans))} %`;
      const base = band.top + of.high / 2 + 3.5;
      paint.text(paint.left - 12, base, busy, { colour: "muted", align: "right" });
      paint.text(paint.edge, base, band.lane.title, { size: 10.5, room: paint.left - paint.edge - 20 - paint.textWidth(busy) });
    }
    const { pen } = paint;
    paint.clipped(band.top, band.bottom, () => {
      let [colour, failed] = [null, []];
      for (const span of spans) {
        const [left, right] = [paint.x(span.start), paint.x(data.endOf(span))];
        if (span.state === "failed") failed.push([left, right]);
        const own = of.colours.get(data.nameOf(data.calls[span.call]));
        if (own !== colour) pen.fillStyle = paint.colour((colour = own));
        const width = right - left;
        pen.fillRect(left, band.top + 1, width > 4 ? width - 1 : Math.max(width, 0.7), of.high - 2);
        const call = data.calls[span.call];
        if (paint.marked.size || paint.cursor !== null || paint.hovered !== null)
          if (paint.isMarked(call)) paint.frame(left - 1, band.top + 0.5, Math.max(width, LEAST) + 2, of.high - 1, "ink", 2);
      }
      pen.fillStyle = paint.colour("bad");
      for (const [left, right] of failed) pen.fillRect(left, band.top, Math.max(right - left, 2), of.high);
    });
  }

  // The spans that can be seen.
  within(spans) {
    const { window } = this.paint;
    return spans.filter((span) => span.start <= window.to && this.data.endOf(span) >= window.from);
  }

  // The share of the time in which a worker was busy.
  busy(spans) {
    const { from, to } = this.paint.window;
    const sum = spans.reduce((all, span) => all + Math.min(this.data.endOf(span), to) - Math.max(span.start, from), 0);
    return to > from ? sum / (to - from) : 0;
  }

  // What ended in the window: how much of it in a second, and how long it took. Returns the bottom.
  below(top) {
    const { paint, data, of } = this;
    const { window } = paint;
    const ended = of.lanes.flatMap((lane) => lane.spans).filter((span) => span.to !== null && span.to >= window.from && span.to <= window.to);
    this.rates(ended, top);
    return this.lengths(ended, top + RATE + 12);
  }

  rates(ended, top) {
    const { paint, data } = this;
    const base = top + RATE;
    paint.line(paint.edge, top, paint.width - 20, top, "hair");
    const count = Math.ceil((paint.right - paint.left) / BUCKET);
    const [all, failed] = [new Float64Array(count), new Float64Array(count)];
    for (const span of ended) {
      const bucket = Math.min(count - 1, Math.max(0, Math.floor((paint.x(span.to) - paint.left) / BUCKET)));
      all[bucket] += 1;
      if (span.state === "failed") failed[bucket] += 1;
    }
    const seconds = (bucket) => {
      const { axis } = data;
      return (axis.time(paint.shareAt(paint.left + (bucket + 1) * BUCKET)) - axis.time(paint.shareAt(paint.left + bucket * BUCKET))) / 1e6;
    };
    const rates = all.map((one, bucket) => (one ? one / Math.max(seconds(bucket), 1e-6) : 0));
    const most = Math.max(...rates, 1e-9);
    paint.text(paint.edge, top + 18, "finished/s", { size: 11.5, isBold: true, room: paint.left - paint.edge - 14 });
    paint.text(paint.edge, top + 33, ended.length ? `peak ${rounded(most)}/s` : "none", { colour: "muted", room: paint.left - paint.edge - 14 });
    rates.forEach((rate, bucket) => {
      if (!rate) return;
      const height = Math.max(1.5, ((RATE - 8) * rate) / most);
      paint.box(paint.left + bucket * BUCKET, base - height, BUCKET, height, data.style.series[0]);
      if (!failed[bucket]) return;
      const part = Math.max(2, (height * failed[bucket]) / all[bucket]);
      paint.box(paint.left + bucket * BUCKET, base - height, BUCKET, part, "bad");
    });
    paint.line(paint.left, base, paint.right, base, "rim");
  }

  lengths(ended, top) {
    const { paint, data } = this;
    const base = top + LENGTHS;
    paint.line(paint.edge, top, paint.width - 20, top, "hair");
    paint.text(paint.edge, top + 18, "duration", { size: 11.5, isBold: true, room: paint.left - paint.edge - 14 });
    const took = ended.map((span) => Math.max(span.to - span.start, 1)).sort((a, b) => a - b);
    paint.text(paint.edge, top + 33, `${took.length.toLocaleString("en")} in view, log`, { colour: "muted", room: paint.left - paint.edge - 14 });
    if (!took.length) return base + 24;
    const [low, high] = [took[0] / 1.2, took.at(-1) * 1.2];
    const place = (time) => Math.log(time / low) / Math.log(high / low);
    const x = (time) => paint.left + place(time) * (paint.right - paint.left);
    const bins = new Float64Array(BINS);
    const failed = new Float64Array(BINS);
    for (const span of ended) {
      const bin = Math.min(BINS - 1, Math.floor(place(Math.max(span.to - span.start, 1)) * BINS));
      bins[bin] += 1;
      if (span.state === "failed") failed[bin] += 1;
    }
    const most = Math.max(...bins);
    const wide = (paint.right - paint.left) / BINS;
    bins.forEach((count, bin) => {
      if (!count) return;
      const height = Math.max(1.5, ((LENGTHS - 20) * count) / most);
      paint.box(paint.left + bin * wide, base - height, wide - 1, height, data.style.series[0]);
      if (failed[bin]) paint.box(paint.left + bin * wide, base - height, wide - 1, Math.max(2, (height * failed[bin]) / count), "bad");
    });
    paint.line(paint.left, base, paint.right, base, "rim");
    let last = -Infinity;
    for (const [time, words] of [[took[0], lasting(took[0])], [took.at(-1), lasting(took.at(-1))]]) {
      const half = paint.textWidth(words) / 2;
      if (x(time) - half < last + 8) continue;
      paint.text(Math.min(x(time), paint.width - 4 - half), base + 13, words, { colour: "muted", align: "center" });
      last = x(time) + half;
    }
    let taken = -Infinity;
    for (const [name, share] of [["p50", 0.5], ["p95", 0.95]]) {
      const time = took[Math.min(took.length - 1, Math.floor(share * took.length))];
      const words = `${name} ${lasting(time)}`;
      const wideText = paint.textWidth(words);
      paint.line(x(time), top + 6, x(time), base, "ink", 1, [3, 2]);
      const at = Math.min(Math.max(x(time) + 4, taken), paint.width - 6 - wideText);
      paint.text(at, top + 14, words);
      taken = at + wideText + 8;
    }
    return base + 24;
  }

  find(band, x) {
    const { paint, data } = this;
    let [found, nearest] = [null, 3];
    for (const span of band.lane.spans) {
      const [left, right] = [paint.x(span.start), paint.x(data.endOf(span))];
      const off = x < left ? left - x : x > right ? x - right : 0;
      if (off < nearest || (off === 0 && span.state === "failed")) [found, nearest] = [data.calls[span.call], off];
    }
    return found;
  }

  // What a worker did in the window.
  about(band) {
    const spans = this.within(band.lane.spans);
    const took = spans.map((span) => this.data.endOf(span) - span.start).sort((a, b) => a - b);
    const failed = spans.filter((span) => span.state === "failed").length;
    const middle = took.length ? `, half of them within ${lasting(took[Math.floor(took.length / 2)])}` : "";
    return [band.lane.title, `${spans.length.toLocaleString("en")} attempts, busy ${Math.round(100 * this.busy(spans))} %${middle}${failed ? `, ${failed} failed` : ""}`];
  }
}

function rounded(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
