// What a timeline tells of a call, of a strip, of a worker or of a generation: under the pointer, or at the cursor of the
// keys, where it is read out as well.

class TimelineTip {
  constructor(stage, canvas) {
    this.stage = stage;
    this.canvas = canvas;
    this.shown = make("div", "dnb-tip", { role: "status", "aria-live": "polite" });
    this.shown.hidden = true;
    stage.append(this.shown);
  }

  show(lines, x, y) {
    const { shown, canvas } = this;
    const words = lines.join("\n");
    if (shown.dataset.words !== words) {
      shown.dataset.words = words;
      shown.replaceChildren(...lines.map((one, index) => Object.assign(make(index ? "div" : "b"), { textContent: one })));
    }
    shown.hidden = false;
    const [wide, high] = [shown.offsetWidth, shown.offsetHeight];
    const top = canvas.offsetTop + y;
    shown.style.left = `${Math.min(Math.max(0, x + 12), Math.max(0, this.stage.clientWidth - wide))}px`;
    shown.style.top = `${y - high - 10 > -MAP ? top - high - 10 : top + 18}px`;
  }

  hide() {
    this.shown.hidden = true;
  }
}

function aboutCall(data, call) {
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
  } else if (isQueued) lines.push(`waiting for ${lasting(data.end - span.from)}`);
  else if (span.to === null && !span.isRunning) lines.push(`open for ${lasting(data.end - span.from)}`);
  else lines.push(`waited ${lasting(span.start - span.from)}, ran ${lasting(data.endOf(span) - span.start)}${open}`);
  const worker = data.workers[span.worker] ?? (typeof span.worker === "string" ? span.worker : "");
  if (worker) lines[lines.length - 1] += ` on ${worker}`;
  if (call.spans.length > 1) lines.push(`attempt ${call.spans.length}; ${lasting(data.lastOf(call) - call.from)} in all`);
  lines.push(`scheduled at ${data.axis.clock(call.from)} UTC, +${lasting(call.from)}`);
  return lines;
}

function aboutBand(data, band, painter, x) {
  if (band.kind === "generations") {
    const found = generationAt(data, painter.paint, x);
    if (!found || x < painter.paint.left) return null;
    const [, number, from, to, word] = found;
    return [`generation ${number}: ${lasting((to < 0 ? data.end : to) - from)}`, word === "ContinuedAsNew" ? "continued as new" : word.toLowerCase(), "click to open it"];
  }
  if (band.kind === "worker") return painter.about(band);
  if (!band.isStrip || x < painter.paint.left || x > painter.paint.right) return null;
  const { time, running, waiting } = painter.count(band, x);
  return [`${band.lane.label}, +${lasting(time)}`, `${running.toLocaleString("en")} running, ${waiting.toLocaleString("en")} queued`];
}

function generationAt(data, paint, x) {
  const time = data.axis.time(paint.shareAt(x));
  return data.generations.find(([, , from, to]) => from <= time && (to < 0 || time <= to));
}
