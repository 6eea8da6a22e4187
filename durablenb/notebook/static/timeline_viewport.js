// The part of the time that a timeline shows, and the way back to what it showed before.

const LEAST_TIME = 20; // microseconds
const ONE_ZOOM_MS = 600; // wheel turns and keys that follow each other are one zoom, to go back from
const MOST_PAST = 100;

class TimelineViewport {
  constructor(changed) {
    this.changed = changed;
    this.reset(null);
  }

  // Begins with all of the time.
  reset(data) {
    Object.assign(this, { data, window: null, past: [], wentAt: 0 });
  }

  get isAll() {
    return this.window === null;
  }

  // The window, as shares of the whole.
  shares() {
    const { axis } = this.data;
    if (!this.window) return { left: 0, right: 1 };
    return { left: axis.share(this.window.from), right: axis.share(this.window.to) };
  }

  // Shows a window of time; null is all. Zooms that follow each other at once are one.
  go(window, isMore = false) {
    const now = Date.now();
    if (!(isMore && now - this.wentAt < ONE_ZOOM_MS)) this.past.push(this.window);
    if (this.past.length > MOST_PAST) this.past.shift();
    this.wentAt = isMore ? now : 0;
    this.window = window;
    this.changed();
  }

  goBack() {
    if (!this.past.length) return;
    this.window = this.past.pop();
    this.wentAt = 0;
    this.changed();
  }

  goShares(left, right, isMore = false) {
    const { axis } = this.data;
    const width = right - left;
    if (width > 1 - 1e-6) return this.go(null, isMore); // times are rounded
    const from = Math.min(Math.max(left, 0), 1 - width);
    const window = { from: axis.time(from), to: axis.time(from + width) };
    if (window.to - window.from >= LEAST_TIME) this.go(window, isMore);
  }

  // Zooms around a share of the whole.
  zoom(factor, around) {
    const { left, right } = this.shares();
    this.goShares(around - (around - left) * factor, around + (right - around) * factor, true);
  }

  // Moves from where it was to begin with, by a share of the whole.
  move({ left, right }, by) {
    if (!this.window) return;
    const bounded = Math.min(Math.max(by, -left), 1 - right);
    this.goShares(left + bounded, right + bounded, true);
  }

  // A drag is one step back, however long it takes.
  keepOn() {
    this.wentAt = Date.now();
  }

  end() {
    this.wentAt = 0;
  }

  zoomTo(from, to) {
    const { axis } = this.data;
    const [left, right] = [axis.share(from), axis.share(to)];
    const margin = Math.max((right - left) * 0.15, 1e-9);
    this.goShares(left - margin, right + margin);
  }
}
