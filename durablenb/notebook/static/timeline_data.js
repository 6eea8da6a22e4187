// The calls of a timeline, as Python has sent them: rows with what is new, which are unpacked here. Times are
// microseconds since the first event. The axis maps them to shares of the width, from 0 to 1, with idle time folded.

class TimelineData {
  constructor(feed) {
    this.feed = feed;
    this.version = 0;
    this.calls = [];
    this.episodes = [];
    this.path = new Set();
    this.running = new Map();
  }

  // Takes a message; false if one before it is missing.
  take(news) {
    if (news.base !== 0 && news.base !== this.version) return false;
    if (news.base === 0) [this.calls, this.episodes] = [[], []];
    this.version = news.version;
    for (const name of ["style", "begin", "whats", "workers", "generations", "end", "took", "open", "pieces"])
      if (name in news) this[name] = news[name];
    if (news.style) this.stateOf = Object.fromEntries(this.style.states.map((state, index) => [state, index]));
    this.axis = new TimelineAxis(this.pieces, this.end, this.begin);
    this.episodes.push(...news.episodes);
    for (const [first, ...rows] of news.runs) this.unpack(first, rows);
    if (news.path) this.path = new Set(news.path.map(([call, span]) => `${call} ${span}`));
    if (news.running) {
      const workerAt = new Map(this.workers.map((name, index) => [name, index]));
      this.running = new Map(news.running.map(([call, start, name]) => [call, [start, workerAt.get(name) ?? name]]));
    }
    for (const call of this.calls) if (call.isOpen) this.lengthen(call);
    return true;
  }

  unpack(first, rows) {
    const { states } = this.style;
    let [number, from, waited] = [0, 0, 0];
    rows.forEach((row, index) => {
      const [what, state, execution, moreNumber, moreFrom, moreWaited, ran, worker, more = {}] = row;
      number += moreNumber;
      from += moreFrom;
      waited += moreWaited;
      const position = first + index;
      const tries = more.tries ?? [[0, waited, ran, worker, state]];
      const spans = tries.map(([at, wait, run, where, of]) => ({
        call: position,
        from: from + at,
        start: from + at + wait,
        to: run < 0 ? null : from + at + wait + run,
        worker: where,
        state: states[of],
      }));
      const last = spans.at(-1);
      if (states[state] !== "retrying") last.state = states[state];
      else if (last.state === "retrying") last.state = "failed";
      const pauses = (more.pauses ?? []).map(([at, to]) => ({ from: from + at, to: to < 0 ? null : from + to }));
      this.calls[position] = {
        position,
        what,
        state: states[state],
        key: `call ${execution} ${number}`,
        number,
        execution,
        from,
        spans,
        pauses,
        left: more.left, // the end of a critical section
        isCached: Boolean(more.cached),
        isOpen: more.left === -1 || [...spans, ...pauses].some((span) => span.to === null),
      };
    });
  }

  // What is open lasts until now; when it began to run, the engine says.
  lengthen(call) {
    const running = this.running.get(call.position);
    const open = call.spans.at(-1);
    if (open.to !== null) return;
    open.isRunning = Boolean(running);
    if (running) [open.start, open.worker] = running;
  }

  nameOf(call) {
    return this.whats[call.what][0];
  }

  kindOf(call) {
    return this.whats[call.what][1];
  }

  endOf(span) {
    return span.to ?? this.end;
  }

  // The end of a call, with the waits after its last attempt and its critical section.
  lastOf(call) {
    let last = this.endOf(call.spans.at(-1));
    if (call.pauses.length) last = Math.max(last, this.endOf(call.pauses.at(-1)));
    return call.left === undefined ? last : Math.max(last, call.left < 0 ? this.end : call.left);
  }

  isQueued(call, span) {
    return span.to === null && call.state === "queued";
  }

  lookOf(state, kind) {
    const isWaiting = state === "open" && ["timer", "external event", "lock"].includes(kind);
    return isWaiting ? this.style.waiting : this.style.looks[this.stateOf[state]];
  }

  wordFor(state, kind) {
    const words = this.style.words;
    return (words[kind] ?? words.activity)[state];
  }
}

class TimelineAxis {
  constructor(pieces, end, begin) {
    this.pieces = pieces.map(([from, to, left, right, isFold]) => ({ from, to, left, right, isFold }));
    this.isInstant = end === 0; // on a virtual clock, nothing may take time
    this.begin = begin;
  }

  share(time) {
    const { pieces } = this;
    let at = 0;
    while (at < pieces.length - 1 && time > pieces[at].to) at += 1;
    const { from, to, left, right } = pieces[at];
    return to > from ? left + ((time - from) / (to - from)) * (right - left) : left;
  }

  time(share) {
    const { from, to, left, right } = this.pieces.find((one) => share <= one.right) ?? this.pieces.at(-1);
    return right > left ? from + ((share - left) / (right - left)) * (to - from) : from;
  }

  // Round times in the window, each with its words: since the beginning, or of the clock (UTC).
  ticks(window, width, isAbsolute) {
    if (this.isInstant) return [[0, isAbsolute ? this.clock(0) : "0"]];
    const found = [];
    const perShare = width / (window.right - window.left);
    for (const [index, piece] of this.pieces.entries()) {
      if (piece.isFold || piece.right < window.left || piece.left > window.right) continue;
      const perTime = ((piece.right - piece.left) / (piece.to - piece.from)) * perShare;
      const step = NICE.find((one) => one * 1e6 * perTime >= APART);
      const base = isAbsolute ? -((this.begin * 1e6) % (step * 1e6)) : index ? piece.from : 0;
      if (index && !isAbsolute) found.push([piece.from, lasting(piece.from, step ?? 1)]);
      if (!step) continue;
      const from = Math.max(piece.from, this.time(Math.max(window.left, 0)));
      const to = Math.min(piece.to, this.time(Math.min(window.right, 1)));
      const sign = index && !isAbsolute ? "+" : "";
      for (let count = Math.max(Math.ceil((from - base) / step / 1e6 - 1e-9), index && !isAbsolute ? 1 : -Infinity); ; count += 1) {
        const time = base + count * step * 1e6;
        if (time > to + 1) break;
        if (time >= piece.from - 1) found.push([time, isAbsolute ? this.clock(time, step) : sign + lasting(time - base, step)]);
      }
    }
    return found;
  }

  clock(time, step = 1e-3) {
    const seconds = this.begin + time / 1e6;
    const text = new Date(Math.floor(seconds) * 1000).toISOString();
    const digits = step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
    const part = digits ? `.${String(Math.floor((seconds % 1) * 10 ** digits + 1e-3)).padStart(digits, "0")}` : "";
    return (step >= 86_400 ? text.slice(5, 10) : text.slice(11, 19)) + part;
  }
}

const APART = 84;
const NICE = [
  ...[-6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((number) => number * 10 ** power)),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200],
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].map((days) => 86_400 * days),
];
const UNITS = [
  [86_400, "d", 345_600],
  [3600, "h", 6840],
  [60, "min", 114],
  [1, "s", 1],
  [1e-3, "ms", 0],
];
const SECOND = 3; // in UNITS
const DAY = 86_400;

// A duration as Python writes it: in one unit, and from two minutes on with the rest in the next smaller one.
// With a step, as exact as that.
function lasting(time, step) {
  const seconds = time / 1e6;
  if (seconds < 1e-6) return step ? "0" : "0 s";
  const index = UNITS.findIndex((one) => seconds >= one[2]);
  const [size, unit] = UNITS[index];
  if (size <= 1) {
    const value = seconds / size;
    const text = step ? String(Number(value.toFixed(decimals(step / size)))) : String(Number(value.toPrecision(3)));
    return `${value < 999.5 ? text : Math.round(value).toLocaleString("en")} ${unit}`;
  }
  if (!step && seconds >= 120 * DAY) return `${Math.round(seconds / DAY).toLocaleString("en")} d`;
  const finest = step ? Math.max(index, UNITS.findIndex((one) => one[0] <= Math.max(step, 1))) : index + 1;
  const grain = UNITS[finest][0] / 10 ** (step && finest === SECOND ? decimals(step) : 0);
  let left = Math.round(seconds / grain); // in grains
  const words = [];
  for (let i = index; i <= finest && (left || i === index); i++) {
    const grains = Math.round(UNITS[i][0] / grain);
    const value = i < finest ? Math.floor(left / grains) : left / grains;
    left -= value * grains;
    if (value || i === index) words.push(`${value.toLocaleString("en", { maximumFractionDigits: 9 })} ${UNITS[i][1]}`);
  }
  return words.join(" ");
}

// The decimal places that a multiple of this number needs.
function decimals(number) {
  return Math.max(0, Math.ceil(-Math.log10(number) - 1e-9));
}

// The row of each of these [from, to], always the topmost free one; null if there are more rows than that.
function packed(spans, most) {
  const order = spans.map((_, index) => index).sort((a, b) => spans[a][0] - spans[b][0] || a - b);
  const rows = new Array(spans.length);
  const last = []; // of each row
  for (const index of order) {
    const [from, to] = spans[index];
    let row = last.findIndex(([begin, end]) => end <= from && begin < from);
    if (row < 0) row = last.length;
    if (row >= most) return null;
    last[row] = [from, to];
    rows[index] = row;
  }
  return { rows, count: last.length };
}
