// The sources: a tile each, and one of them enlarged.

import { element } from "./charts.js";
import { RequestError, connection, request } from "./client.js";
import { duration, plural, rate, setText } from "./format.js";

const STATES = { opening: "Opening", up: "Up", silent: "Silent", ended: "Ended", failed: "Failed" };
const WIDE_PX = 560;
const SMALL_MS = 200;
const LARGE_MS = 100;
const SHARE_MS = 50; // all tiles together show no more than twenty pictures a second
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Shows the pictures of a source on a canvas, as long as it is wanted. */
class Screen {
  constructor(place, size, fastest) {
    this.place = place;
    this.canvas = place.querySelector("canvas");
    this.size = size;
    this.fastest = fastest;
    this.isVisible = false;
    this.isRunning = false;
    this.source = null;
  }

  show(source) {
    if (this.source?.id !== source.id) this.tag = null;
    this.source = source;
    setText(this.place.querySelector(".cover"), coverText(source));
    this.place.classList.toggle("stale", !connection.isUp || source.state !== "up");
    this.canvas.setAttribute("aria-label", pictureText(source));
    if (!this.isRunning) this.run();
  }

  get isWanted() {
    return this.isVisible && !document.hidden && connection.isUp && Boolean(this.source?.latest);
  }

  async run() {
    this.isRunning = true;
    while (this.isWanted) {
      const started = performance.now();
      try {
        await this.next();
      } catch (problem) {
        if (!(problem instanceof RequestError)) throw problem;
        break; // the status says what is wrong, and starts again
      }
      await pause(Math.max(this.fastest() - (performance.now() - started), 20));
    }
    this.isRunning = false;
  }

  async next() {
    const { id } = this.source;
    const path = `api/v1/sources/${encodeURIComponent(id)}/frame.jpg?size=${this.size()}`;
    const decode = async (answer) => createImageBitmap(await answer.blob());
    const [bitmap, answer] = await request(path, decode, this.tag ? { "If-None-Match": this.tag } : {});
    if (!bitmap || this.source.id !== id) return;
    this.tag = answer.headers.get("ETag");
    this.canvas.width = bitmap.width;
    this.canvas.height = bitmap.height;
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  }
}

function coverText(source) {
  if (source.state === "failed") return source.error;
  if (source.state === "silent") return `Nothing for ${duration(source.silent_s)}; connecting again`;
  if (source.latest) return "";
  return source.state === "opening" ? "Opening" : source.state === "up" ? "Waiting for the first result" : "No picture";
}

function pictureText(source) {
  return source.latest ? `Picture of ${source.name} with ${plural(source.latest.faces, "face")}` : `No picture of ${source.name}`;
}

function drops(source) {
  const reasons = Object.entries({ ...source.drops, ...source.left_out }).filter(([, count]) => count);
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  const why = total ? ` (${reasons.map(([reason, count]) => `${count} ${reason.replaceAll("_", " ")}`).join(", ")})` : "";
  return `${total}${why}`;
}

const losses = (source) => `Dropped ${drops(source)} · ${plural(source.reconnects, "reconnect").replace(" ", "\u00a0")}`;

/** A source in the list: click it to enlarge it. */
class Tile {
  constructor(id, list) {
    this.screen = element("button", { type: "button", class: "screen" },
      [element("canvas", { role: "img" }), element("span", { class: "cover" })]);
    this.screen.addEventListener("click", () => { location.hash = encodeURIComponent(id); });
    this.name = element("strong");
    this.state = element("span", { class: "state" });
    this.numbers = Object.fromEntries(["frames/s", "faces", "age"].map((name) => [name, element("dd")]));
    this.losses = element("p", { class: "losses muted" });
    const numbers = Object.entries(this.numbers).map(([name, value]) =>
      element("div", {}, [element("dt", { text: name }), value]));
    const about = element("div", { class: "about" },
      [element("p", { class: "name" }, [this.name, this.state]), element("dl", { class: "numbers" }, numbers), this.losses]);
    this.place = element("li", { class: "tile" }, [this.screen, about]);
    const isWide = () => this.screen.clientWidth > WIDE_PX;
    const interval = () => (isWide() ? LARGE_MS : Math.max(SMALL_MS, SHARE_MS * list.childElementCount));
    this.picture = new Screen(this.screen, () => (isWide() ? "large" : "small"), interval);
    this.watch = new IntersectionObserver(([entry]) => {
      this.picture.isVisible = entry.isIntersecting;
      if (this.picture.source) this.picture.show(this.picture.source);
    });
    this.watch.observe(this.screen);
  }

  show(source, hasPictures) {
    this.place.dataset.state = source.state;
    this.screen.hidden = !hasPictures;
    this.screen.setAttribute("aria-label", `Enlarge ${source.name}`);
    setText(this.name, source.name);
    this.name.title = source.name;
    setText(this.state, STATES[source.state]);
    setText(this.numbers["frames/s"], rate(source.frames_per_s));
    for (const name of ["faces", "age"]) this.numbers[name].parentElement.hidden = this.screen.hidden;
    const latest = source.state === "failed" ? null : source.latest;
    setText(this.numbers.faces, latest?.faces ?? "–");
    setText(this.numbers.age, duration(latest?.age_s));
    setText(this.losses, source.error && this.screen.hidden ? source.error : losses(source));
    if (!this.screen.hidden) this.picture.show(source);
  }

  remove() {
    this.watch.disconnect();
    this.picture.isVisible = false;
    this.place.remove();
  }
}

/** The list of the sources. */
export class SourceList {
  constructor(place, empty) {
    this.place = place;
    this.empty = empty;
    this.tiles = new Map();
  }

  show(status) {
    const { sources } = status;
    const hasPictures = status.pictures !== "none";
    for (const [id, tile] of this.tiles) {
      if (sources.some((source) => source.id === id)) continue;
      tile.remove();
      this.tiles.delete(id);
    }
    for (const source of sources) {
      if (!this.tiles.has(source.id)) {
        this.tiles.set(source.id, new Tile(source.id, this.place));
        this.place.append(this.tiles.get(source.id).place);
      }
      this.tiles.get(source.id).show(source, hasPictures);
    }
    this.place.style.setProperty("--tile", `${hasPictures ? tileWidth(sources.length) : 376}px`);
    this.empty.hidden = sources.length > 0;
    setText(this.empty, status.reason.startsWith("starting") ? "The model is being loaded." : "No source yet.");
  }

  /** Show that the pictures are old. */
  fade() {
    for (const tile of this.tiles.values()) tile.screen.classList.add("stale");
  }
}

function tileWidth(count) {
  if (count === 1) return 640;
  return count <= 4 ? 400 : count <= 9 ? 290 : 240;
}

/** One source, enlarged. Its id is in the address, so that the browser's own Back leads back. */
export class Closeup {
  constructor(dialog) {
    this.dialog = dialog;
    this.part = (name) => dialog.querySelector(`#closeup-${name}`);
    this.screen = new Screen(dialog.querySelector(".screen"), () => "large", () => LARGE_MS);
    this.sources = [];
    this.hasPictures = false;
    dialog.querySelector("#back").addEventListener("click", () => this.leave());
    dialog.querySelector("#previous").addEventListener("click", () => this.turn(-1));
    dialog.querySelector("#next").addEventListener("click", () => this.turn(1));
    dialog.addEventListener("click", (event) => event.target === dialog && this.leave());
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.turn(-1);
      if (event.key === "ArrowRight") this.turn(1);
    });
    dialog.addEventListener("close", () => {
      this.screen.isVisible = false;
      forgetHash();
    });
    addEventListener("hashchange", () => this.draw());
  }

  leave() {
    // First the address: the event of closing comes later, and what is drawn in between would open it again.
    forgetHash();
    this.dialog.close();
  }

  get index() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    return this.sources.findIndex((source) => source.id === wanted);
  }

  turn(step) {
    const count = this.sources.length;
    location.replace(`#${encodeURIComponent(this.sources[(this.index + step + count) % count].id)}`);
  }

  show(status) {
    this.sources = status.sources;
    this.hasPictures = status.pictures !== "none";
    this.draw();
  }

  draw() {
    const source = this.hasPictures ? this.sources[this.index] : undefined;
    this.screen.isVisible = Boolean(source);
    if (!source) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    this.dialog.dataset.state = source.state;
    setText(this.part("name"), source.name);
    setText(this.part("state"), STATES[source.state]);
    for (const name of ["previous", "next"]) this.dialog.querySelector(`#${name}`).hidden = this.sources.length < 2;
    this.screen.show(source);
    this.part("facts").replaceChildren(...Object.entries(facts(source)).map(([name, value]) =>
      element("div", {}, [element("dt", { text: name }), element("dd", { text: value })])));
    if (!this.dialog.open) this.dialog.showModal();
  }
}

function forgetHash() {
  history.replaceState(null, "", location.pathname);
}

function facts(source) {
  const { latest, result_age: age } = source;
  return {
    "Frames/s": rate(source.frames_per_s),
    "Faces in the picture": latest?.faces ?? "–",
    "Age of the result": duration(latest?.age_s),
    "Age, p50 and p95": age?.count ? `${duration(age.p50_s)}, ${duration(age.p95_s)}` : "–",
    "Frames so far": source.frames,
    Dropped: drops(source),
    Reconnects: source.reconnects,
    Picture: latest ? `${latest.width} × ${latest.height}, frame ${latest.frame}` : "–",
    ...(source.error ? { Error: source.error } : {}),
  };
}
