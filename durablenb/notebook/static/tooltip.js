// The tooltip of a live view: one element that tells what is under the pointer or has the focus. What a mark itself says
// is shown at once; what Python knows of a step, a call or a cell follows when the pointer rests there.

const REST_MS = 90;
const TIP_GAP = 14;

class Tooltip {
  constructor(view) {
    this.view = view;
    this.known = new Map(); // by key, until the region is drawn again
    this.shown = make("div", "dnb-tip", { role: "tooltip" });
    this.shown.hidden = true;
    view.root.append(this.shown);
    this.told = (message) => message?.tip !== undefined && this.take(message.tip, message.words);
    view.model.on("msg:custom", this.told);
    view.root.addEventListener("pointermove", (event) => this.point(event));
    view.root.addEventListener("pointerleave", () => this.hide());
    view.root.addEventListener("focusin", (event) => this.focus(event.target));
    view.root.addEventListener("focusout", () => this.hide());
    view.root.addEventListener("pointerdown", () => this.hide());
    view.root.addEventListener("keydown", (event) => event.key === "Escape" && this.hide());
  }

  remove() {
    clearTimeout(this.resting);
    this.view.model.off("msg:custom", this.told);
  }

  forget() {
    this.known.clear();
    if (!this.shown.hidden && this.mark && !this.mark.isConnected) this.hide();
  }

  point(event) {
    if (event.pointerType === "touch" || event.buttons) return this.hide();
    this.at = { x: event.clientX, y: event.clientY };
    this.tell(event.target, event);
  }

  focus(target) {
    if (!target.matches?.("svg [tabindex]") || !target.matches(":focus-visible")) return;
    const box = target.getBoundingClientRect();
    this.at = { x: box.left, y: box.bottom - 8 };
    this.tell(target, null);
  }

  tell(target, event) {
    const titled = target.closest?.("svg *") ? ownWords(target) : "";
    const cells = event && target.closest?.("[data-cells]");
    const keyed = target.closest?.("svg [data-key]");
    const key = cells ? cellAt(cells, event) : keyed?.dataset.key;
    if (!titled && !key) return this.hide();
    this.mark = target;
    this.key = key;
    this.show(this.known.get(key) ?? (titled || keyed?.getAttribute("aria-label") || ""));
    clearTimeout(this.resting);
    if (key && !this.known.has(key)) this.resting = setTimeout(() => this.ask(key), REST_MS);
  }

  ask(key) {
    if (this.view.isGone || key !== this.key) return;
    try {
      this.view.model.send({ do: "tip", key });
    } catch {
      // there is no kernel to ask
    }
  }

  take(key, words) {
    this.known.set(key, words);
    if (key === this.key && words) this.show(words);
  }

  show(words) {
    this.shown.textContent = words;
    this.shown.hidden = !words;
    if (!words) return;
    const around = this.view.root.getBoundingClientRect();
    const { offsetWidth: wide, offsetHeight: high } = this.shown;
    const left = Math.max(0, Math.min(this.at.x - around.left + TIP_GAP, around.width - wide - 4));
    let top = this.at.y - around.top + TIP_GAP;
    if (top + high > around.height) top = Math.max(0, this.at.y - around.top - high - TIP_GAP);
    this.shown.style.left = `${left}px`;
    this.shown.style.top = `${top}px`;
  }

  hide() {
    clearTimeout(this.resting);
    this.key = this.mark = undefined;
    this.shown.hidden = true;
  }
}

function ownWords(target) {
  // The words of the mark itself, or of the nearest group around it. They leave its title, which the browser would show too.
  for (let node = target; node && node.tagName !== "svg"; node = node.parentElement) {
    const title = [...node.children].find((child) => child.tagName === "title");
    if (title) {
      node.dataset.tip = title.textContent;
      if (!node.hasAttribute("aria-label")) node.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    if (node.dataset.tip) return node.dataset.tip;
  }
  return "";
}

