// Charts in SVG, drawn anew from the data each time.

import { percent } from "./format.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const LEFT = 46;
const TOP = 6;
const GAP = 8;
const PEOPLE = 28;
const TIMES = 16;
const LONGEST_S = 600;
const SHORTEST_S = 120;

/** Makes an element; `attributes` may hold `text`. */
export function element(name, attributes = {}, children = [], namespace = null) {
  const made = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const svg = (name, attributes, children) => element(name, attributes, children, NAMESPACE);

/** A small square of a colour. */
export function swatch(color) {
  const made = element("span", { class: "swatch" });
  made.style.background = color;
  return made;
}

function shareText(window, name) {
  if (!window.shares) return "–";
  const margin = window.margin ? ` ± ${(100 * window.margin[name]).toFixed(0)}` : "";
  return percent(window.shares[name] ?? 0) + margin;
}

/** A time of a window: of the day for live sources, from the start for recordings. */
function clockTime(seconds, clock) {
  if (clock === "wall") return new Date(1000 * seconds).toLocaleTimeString([], { hourCycle: "h23" });
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

/** The windows of one source, or of all sources together, people counting alike; oldest first. */
export function mergeWindows(windows, source) {
  if (source) return windows.filter((window) => window.source_id === source);
  const clock = windows.some((window) => window.clock === "wall") ? "wall" : "stream";
  const at = new Map();
  for (const window of windows.filter((one) => one.clock === clock)) {
    at.set(window.start_s, [...(at.get(window.start_s) ?? []), window]);
  }
  return [...at.values()].map(mergeAlike).sort((one, other) => one.start_s - other.start_s);
}

function mergeAlike(windows) {
  if (windows.length === 1) return windows[0];
  const told = windows.filter((window) => !window.suppressed);
  const people = told.reduce((sum, window) => sum + window.people, 0);
  const read = told.filter((window) => window.shares && window.people);
  const weight = read.reduce((sum, window) => sum + window.people, 0);
  const mean = (values) => Object.fromEntries(Object.keys(read[0].shares).map((name) => [name, values(name)]));
  const shares = read.length ? mean((name) => read.reduce((sum, w) => sum + w.shares[name] * w.people, 0) / weight) : null;
  // Independent samples: variances of the parts of a weighted mean add up.
  const margin = read.length && read.every((window) => window.margin)
    ? mean((name) => Math.hypot(...read.map((w) => w.margin[name] * w.people)) / weight) : null;
  const end_s = Math.max(...windows.map((window) => window.end_s));
  const hidden = windows.length - told.length;
  return { ...windows[0], end_s, people: told.length ? people : null, shares, margin, suppressed: !told.length, hidden };
}

/** Shares of the expressions over time, and below them the number of people; a cursor shows each window's numbers. */
export class GroupChart {
  constructor(place) {
    this.chosen = null; // start of the window under the cursor
    this.pointer = null; // where on the plot the mouse is
    this.windows = [];
    this.plot = element("div", { class: "chart", tabindex: "0", role: "group" });
    this.tip = element("p", { class: "tip", hidden: "" });
    this.says = element("p", { class: "muted" });
    this.shares = element("ul", { class: "shares" });
    place.append(this.plot, this.says, this.shares);
    this.plot.addEventListener("pointermove", (event) => this.pointAt(event));
    for (const name of ["pointerleave", "blur"]) this.plot.addEventListener(name, () => this.choose(null));
    this.plot.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.draw()).observe(place);
  }

  update(windows, labels) {
    this.windows = windows;
    this.labels = labels;
    this.draw();
  }

  choose(window, pointer = null) {
    this.chosen = window?.start_s ?? null;
    this.pointer = pointer;
    this.draw();
  }

  pointAt(event) {
    const box = this.plot.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    this.choose(this.windows.find((window) => this.x(window.start_s) <= x && x < this.x(window.end_s)), { x, y });
  }

  step(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Escape: null };
    if (!(event.key in moves) || !this.windows.length) return;
    event.preventDefault();
    if (event.key === "Escape") return this.choose(null);
    const at = this.windows.findIndex((window) => window.start_s === this.chosen);
    const next = (at < 0 ? this.windows.length - (event.key === "ArrowLeft" ? 0 : 1) : at) + moves[event.key];
    this.choose(this.windows[Math.min(Math.max(next, 0), this.windows.length - 1)]);
  }

  x(seconds) {
    return LEFT + ((seconds - this.begin) / (this.end - this.begin)) * (this.width - LEFT);
  }

  y(share) {
    return TOP + (1 - share) * this.height;
  }

  get peopleTop() {
    return TOP + this.height + GAP;
  }

  draw() {
    const newest = this.windows.at(-1);
    this.width = this.shares.parentElement.clientWidth;
    this.height = Math.min(Math.max(0.33 * this.width, 120), 240);
    this.plot.hidden = this.shares.hidden = !newest;
    if (!newest) {
      this.says.textContent = "No window yet: the first one comes when its time is over.";
      return;
    }
    this.end = newest.end_s;
    this.begin = Math.min(Math.max(this.windows[0].start_s, this.end - LONGEST_S), this.end - SHORTEST_S);
    this.windows = this.windows.filter((window) => window.start_s >= this.begin);
    const size = { width: this.width, height: this.peopleTop + PEOPLE + TIMES };
    const drawing = svg("svg", { ...size, "aria-hidden": "true" });
    drawing.append(hatching(), ...this.grid(), ...this.runs().flatMap((run) => this.areas(run)), ...this.columns());
    const chosen = this.windows.find((window) => window.start_s === this.chosen);
    if (chosen) {
      const x = (this.x(chosen.start_s) + this.x(chosen.end_s)) / 2;
      drawing.append(svg("line", { class: "cursor", x1: x, x2: x, y1: TOP, y2: this.peopleTop + PEOPLE }));
    }
    this.plot.replaceChildren(drawing, this.tip);
    this.plot.setAttribute("aria-label", "Shares of expressions over time; arrow keys move from window to window");
    this.point(chosen);
    this.tell(chosen ?? newest, chosen);
  }

  grid() {
    const lines = [0, 0.5, 1].map((share) =>
      svg("line", { class: "grid", x1: LEFT, x2: this.width, y1: this.y(share), y2: this.y(share) }));
    const middle = (this.begin + this.end) / 2;
    const { clock } = this.windows[0];
    const texts = [
      ...[0, 0.5, 1].map((share) => [LEFT - 5, this.y(share) + 4, "end", percent(share)]),
      [LEFT - 5, this.peopleTop + 9, "end", this.mostPeople()],
      [LEFT - 5, this.peopleTop + PEOPLE, "end", "people"],
      ...[[this.begin, "start"], [middle, "middle"], [this.end, "end"]].map(([seconds, anchor]) =>
        [this.x(seconds), this.peopleTop + PEOPLE + TIMES - 3, anchor, clockTime(seconds, clock)]),
    ];
    return [...lines, ...texts.map(([x, y, anchor, text]) => svg("text", { x, y, "text-anchor": anchor, text }))];
  }

  mostPeople() {
    return Math.max(1, ...this.windows.map((window) => window.people ?? 0));
  }

  /** Windows with shares that follow each other without a gap. */
  runs() {
    const runs = [];
    this.windows.forEach((window, index) => {
      if (!window.shares) return;
      const before = this.windows[index - 1];
      if (before?.shares && Math.abs(before.end_s - window.start_s) < 1e-6) runs.at(-1).push(window);
      else runs.push([window]);
    });
    return runs;
  }

  /** One area an expression, stacked; with steps, for a share is one of its whole window. */
  areas(run) {
    const y = (share) => this.y(share).toFixed(2);
    const xs = [...run.map((window) => this.x(window.start_s)), this.x(run.at(-1).end_s)].map((x) => x.toFixed(2));
    let floors = run.map(() => 0);
    return this.labels.map(({ name, color }) => {
      const tops = floors.map((floor, index) => floor + (run[index].shares[name] ?? 0));
      const up = tops.map((top, index) => `V${y(top)}H${xs[index + 1]}`).join("");
      const down = floors.map((floor, index) => `V${y(floor)}H${xs[index]}`).reverse().join("");
      const path = `M${xs[0]} ${y(floors[0])}${up}${down}Z`;
      floors = tops;
      return svg("path", { class: "band", d: path, fill: color });
    });
  }

  columns() {
    return this.windows.map((window) => {
      const x = this.x(window.start_s);
      const width = Math.max(this.x(window.end_s) - x, 1);
      if (window.suppressed) {
        return svg("rect", { x, width, y: TOP, height: this.height, fill: "url(#hatch)" });
      }
      const height = (window.people / this.mostPeople()) * PEOPLE;
      const y = this.peopleTop + PEOPLE - height;
      return svg("rect", { class: "people", x, width: Math.max(width - 1, 0.5), y, height });
    });
  }

  /** Names the area under the mouse. */
  point(window) {
    let under = this.pointer && 1 - (this.pointer.y - TOP) / this.height;
    const band = window?.shares && under > 0 && this.labels.find(({ name }) => (under -= window.shares[name] ?? 0) < 0);
    this.tip.hidden = !band;
    if (!band) return;
    this.tip.textContent = `${band.name} ${shareText(window, band.name)}`;
    const isLeft = this.pointer.x < this.width / 2;
    this.tip.style.left = isLeft ? `${this.pointer.x + 12}px` : "auto";
    this.tip.style.right = isLeft ? "auto" : `${this.width - this.pointer.x + 12}px`;
    this.tip.style.top = `${this.pointer.y - 12}px`;
  }

  tell(window, isChosen) {
    const time = `${clockTime(window.start_s, window.clock)} to ${clockTime(window.end_s, window.clock)}`;
    const hidden = window.hidden ? `, ${window.hidden} of its sources suppressed` : "";
    const what = window.suppressed ? "suppressed: fewer people than the set minimum"
      : `${window.people} ${window.people === 1 ? "person" : "people"}${window.shares ? "" : ", no face large enough"}${hidden}`;
    const suppressed = this.windows.filter((one) => one.suppressed).length;
    const note = suppressed ? `; ${suppressed} suppressed ${suppressed === 1 ? "window is" : "windows are"} hatched` : "";
    const says = `${isChosen ? "" : "Latest window "}${time}: ${what}${isChosen ? "" : note}`;
    this.says.setAttribute("aria-live", isChosen ? "polite" : "off"); // else it would speak by itself for ever
    if (this.says.textContent !== says) this.says.textContent = says;
    this.shares.replaceChildren(...this.labels.map(({ name, color }) => {
      const [share, margin] = shareText(window, name).split(" ± ");
      return element("li", {}, [swatch(color), name, element("span", { class: "value", text: share }),
        element("span", { class: "margin", text: margin ? `± ${margin}` : "" })]);
    }));
  }
}

function hatching() {
  const line = svg("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 6 });
  const attributes = { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return svg("defs", {}, [svg("pattern", attributes, [line])]);
}

/** A line of the last ten minutes; gaps where there is no value. */
export function sparkline(values) {
  const most = Math.max(...values.map((value) => value ?? 0), 1e-9);
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const joined = index > 0 && values[index - 1] !== null;
    path += `${joined ? "L" : "M"}${index + LONGEST_S - values.length} ${(23 - (21 * value) / most).toFixed(2)}`;
  });
  const box = { viewBox: `0 0 ${LONGEST_S} 26`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const ground = svg("line", { class: "grid", x1: 0, x2: LONGEST_S, y1: 24.5, y2: 24.5 });
  return svg("svg", box, [ground, svg("path", { class: "spark", d: path })]);
}

/** Three nested bars: half, 95 and 99 % of the frames are faster than their ends. */
export function latencyBar(quantiles, longest) {
  const bars = [...quantiles].reverse().map((value, index) =>
    svg("rect", { x: 0, y: 0, height: 10, width: (100 * value) / longest, opacity: [0.25, 0.5, 1][index] }));
  return svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, bars);
}
