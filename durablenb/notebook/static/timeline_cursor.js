// The cursor of the keys in a timeline: it goes from call to call in the order of time, and from band to band.

class TimelineCursor {
  constructor() {
    this.reset();
  }

  reset() {
    Object.assign(this, { call: null, generation: null, band: null });
  }

  // Puts it on a call, by its position, in a band.
  put(call, generation, band) {
    Object.assign(this, { call, generation, band: band.id });
  }

  // Goes to the next call of the band, or to the one before; to the first of all if it is nowhere. Returns when that begins.
  step(by, bands, data) {
    const all = stopsOf(bands, data);
    if (!all.length) return null;
    const [row, column] = this.at(all);
    const first = all.find((stops) => stops[0].call !== null)?.[0] ?? all[0][0];
    return this.stop(row < 0 ? first : all[row][Math.min(Math.max(column + by, 0), all[row].length - 1)]);
  }

  // Goes to the band below or above, to the call that begins nearest.
  leap(by, bands, data) {
    const all = stopsOf(bands, data);
    const [row, column] = this.at(all);
    if (row < 0) return this.step(0, bands, data);
    const { from } = all[row][column];
    const next = all[Math.min(Math.max(row + by, 0), all.length - 1)];
    return this.stop(next.reduce((best, one) => (Math.abs(one.from - from) < Math.abs(best.from - from) ? one : best)));
  }

  stop({ call, generation, band, from }) {
    this.put(call, generation, band);
    return from;
  }

  at(all) {
    for (const [row, stops] of all.entries()) {
      if (stops[0].band.id !== this.band) continue;
      const column = stops.findIndex((one) => one.call === this.call && one.generation === this.generation);
      if (column >= 0) return [row, column];
    }
    return [-1, -1];
  }
}

function stopsOf(bands, data) {
  return bands
    .map((band) =>
      band.kind === "generations"
        ? data.generations.map(([generation, , from]) => ({ band, generation, call: null, from }))
        : [...band.calls]
            .sort((a, b) => a.from - b.from || a.position - b.position)
            .map((call) => ({ band, generation: null, call: call.position, from: call.from })),
    )
    .filter((stops) => stops.length);
}
